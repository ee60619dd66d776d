"""What a network says of a split: loss, accuracy, confusion, calibration, averages over masks."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxtweaks.train.data import DeviceData, DeviceSplit
from jaxtweaks.train.losses import cross_entropy, in_order_sum

# Images at once. Products of dense layers want to be long; what convolutions make of so many images
# does not stay in a CPU's caches (docs/performance.md).
BATCH, CONVOLUTIONS_BATCH = 500, 125
CALIBRATION_BINS = 15

# Images [batch, height, width, channels] to logits [batch, classes].
Network = Callable[[jax.Array], jax.Array]


def evaluate(
    network: Network,
    data: DeviceData,
    split: DeviceSplit,
    classes: int,
    keep_logits: bool = False,
    times: jax.Array | None = None,
    batch: int = BATCH,
) -> dict[str, jax.Array]:
    """Loss, accuracy and more of a network on a split.

    Args:
      network: without noise.
      data: for the standardisation.
      split: N images.
      classes: number of classes.
      keep_logits: whether the logits are returned.
      times: how often each image counts, int32 [N] with the sum N; None: once.
      batch: images at once.

    Returns:
      'loss' and 'accuracy', float32 scalars; 'confusion', int32 [classes, classes]: images by
      (true, predicted) class; 'calibration', float32 [3, bins], see `calibration`; 'logits',
      float32 [N, classes], if asked for. If the loss is not finite the accuracy is NaN: a network
      that diverged predicts nothing.
    """
    count = split.labels.shape[0]

    def measure(index, inside, sums):
        y = split.labels[index]
        logits = network(data.standardised(split.images[index]))
        predicted = jnp.argmax(logits, -1)
        weight = inside.astype(jnp.int32) * (1 if times is None else times[index])
        losses = jnp.where(weight > 0, cross_entropy(logits, y) * weight, 0)
        sums = sums | {
            'loss': sums['loss'] + in_order_sum(losses),
            'confusion': sums['confusion'].at[y, predicted].add(weight),
            'calibration': sums['calibration'] + calibration(jax.nn.softmax(logits), y, weight),
        }
        if keep_logits:
            sums['logits'] = sums['logits'].at[index].set(logits)
        return sums

    zero = {
        'loss': jnp.float32(0),
        'confusion': jnp.zeros((classes, classes), jnp.int32),
        'calibration': jnp.zeros((3, CALIBRATION_BINS), jnp.float32),
    }
    if keep_logits:
        zero['logits'] = jnp.zeros((count, classes), jnp.float32)
    sums = _over_batches(count, batch, measure, zero)
    correct = jnp.trace(sums['confusion']).astype(jnp.float32)
    loss = sums.pop('loss') / count
    return sums | {'loss': loss, 'accuracy': _of_finite(loss, correct / count)}


def calibration(probabilities: jax.Array, labels: jax.Array, times: jax.Array) -> jax.Array:
    """Confidence and correctness by bins of confidence (Guo et al. 2017, arXiv 1706.04599, §2).

    Args:
      probabilities: [batch, classes].
      labels: integers, [batch].
      times: how often each of the batch counts, [batch].

    Returns:
      float32 [3, bins]: for each of `CALIBRATION_BINS` equal bins of the highest probability (a
      boundary belongs to the bin below it) the number of images, the sum of their highest
      probabilities, and how many are classified correctly.
    """
    confidence = jnp.max(probabilities, -1)
    bins = jnp.ceil(confidence * CALIBRATION_BINS).astype(jnp.int32) - 1
    bins = jnp.clip(bins, 0, CALIBRATION_BINS - 1)
    correct = jnp.argmax(probabilities, -1) == labels
    rows = jnp.stack([jnp.ones_like(confidence), confidence, correct.astype(jnp.float32)])
    counted = (times > 0) & jnp.isfinite(confidence)
    rows = jnp.where(counted[None], rows * times[None], 0)
    return jnp.zeros((3, CALIBRATION_BINS), jnp.float32).at[:, bins].add(rows)


def calibration_error(bins: jax.Array | np.ndarray) -> jax.Array | np.ndarray:
    """Expected calibration error: Σ over bins of (n / N) |accuracy − confidence|.

    Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017, eq. 3.

    Args:
      bins: what `calibration` returns, of one run or of several, [3, ..., bins].

    Returns:
      [...], NaN where there are no images.
    """
    count, confidence, correct = bins
    return abs(correct - confidence).sum(-1) / count.sum(-1)


def overconfidence(bins: jax.Array) -> jax.Array:
    """Mean confidence less accuracy, of `calibration`'s [3, bins]."""
    count, confidence, correct = bins
    return jnp.sum(confidence - correct) / jnp.sum(count)


def monte_carlo(
    sampled: Callable[[jax.Array, jax.Array, jax.Array], jax.Array],
    data: DeviceData,
    split: DeviceSplit,
    samples: tuple[int, ...],
    batch: int = BATCH,
) -> dict[int, dict[str, jax.Array]]:
    """Loss and accuracy of class probabilities averaged over dropout masks (INITREG Table I).

    Args:
      sampled: (mask number, batch number, images) to logits under a mask drawn for these numbers.
      data: for the standardisation.
      split: N images.
      samples: numbers of masks to average over; the first ones of one and the same sequence.
      batch: images at once.

    Returns:
      By number of masks 'loss' (−log of the averaged probability of the label) and 'accuracy'.
    """
    count = split.labels.shape[0]
    numbers = jnp.asarray(samples)

    def measure(index, inside, sums):
        y = split.labels[index]
        x = data.standardised(split.images[index])
        first = index[0]

        def add_mask(i, carry):
            mean, found = carry
            mean = log_mean(mean, jax.nn.log_softmax(sampled(i, first, x)), i + 1)
            chosen = jnp.take_along_axis(mean, y[:, None], 1)[:, 0]
            now = jnp.stack([-chosen, (jnp.argmax(mean, -1) == y).astype(jnp.float32)])
            now = jnp.sum(jnp.where(inside[None], now, 0), -1)
            return mean, found + jnp.where((numbers == i + 1)[:, None], now[None], 0)

        shape = jax.eval_shape(sampled, 0, first, x).shape
        start = jnp.full(shape, -jnp.inf), jnp.zeros((len(samples), 2), jnp.float32)
        return sums + lax.fori_loop(0, max(samples), add_mask, start)[1]

    zero = jnp.zeros((len(samples), 2), jnp.float32)
    sums = _over_batches(count, batch, measure, zero) / count
    return {
        n: {'loss': loss, 'accuracy': _of_finite(loss, accuracy)}
        for n, (loss, accuracy) in zip(samples, sums, strict=True)
    }


def log_mean(mean: jax.Array, new: jax.Array, n: jax.Array | int) -> jax.Array:
    """The logarithm of a mean of n numbers, from that of the first n − 1 and the last one.

    Probabilities that underflow keep their place. Numbers that are all the same leave the mean
    bitwise as it is.

    Args:
      mean: logarithms of the mean so far, −∞ at the beginning.
      new: logarithms of the n-th numbers, finite, like `mean`.
      n: how many there are with these.
    """
    d = new - mean
    up = new + jnp.log1p((n - 1) / n * jnp.expm1(-jnp.abs(d)))
    down = mean + jnp.log1p(jnp.expm1(-jnp.abs(d)) / n)
    return jnp.where(d > 0, up, down)


def probabilities(network: Network, data: DeviceData, images: jax.Array) -> jax.Array:
    """Class probabilities of images [G, height, width, channels], float32 [G, classes]."""
    count = images.shape[0]
    shape = jax.eval_shape(network, data.standardised(images[:1])).shape

    def measure(index, inside, found):
        logits = network(data.standardised(images[index]))
        return found.at[index].set(jax.nn.softmax(logits))

    return _over_batches(count, BATCH, measure, jnp.zeros((count, shape[1]), jnp.float32))


def _over_batches(
    count: int, batch: int, measure: Callable[[jax.Array, jax.Array, Any], Any], start: Any
) -> Any:
    """Folds `measure` over batches of indices; those beyond the end repeat the last one.

    Args:
      count: images.
      batch: images at once, at most.
      measure: (indices [batch], which of them are inside [batch], what was found so far) to what
        is found now.
      start: what is found before.
    """
    size = min(batch, count)

    def body(i, found):
        index = i * size + jnp.arange(size)
        return measure(jnp.minimum(index, count - 1), index < count, found)

    return lax.fori_loop(0, math.ceil(count / size), body, start)


def _of_finite(loss: jax.Array, value: jax.Array) -> jax.Array:
    return jnp.where(jnp.isfinite(loss), value, jnp.nan)
