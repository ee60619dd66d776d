"""What a network says of a split: loss, accuracy, confusion, calibration."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxtweaks.config.parts import CLASSES
from jaxtweaks.train.data import DeviceData, DeviceSplit
from jaxtweaks.train.losses import cross_entropy, pairwise_sum
from jaxtweaks.train.measures import Measures

# Images at once. Products of dense layers want to be long; what convolutions make of so many images
# does not stay in a CPU's caches (docs/performance.md).
BATCH, CONVOLUTIONS_BATCH = 500, 125
CALIBRATION_BINS = 15

ACCURACY = Measures()  # and what else there is of classes

# Images [batch, height, width, channels] to logits [batch, classes].
Network = Callable[[jax.Array], jax.Array]
Array = TypeVar('Array', jax.Array, np.ndarray)


def evaluate(
    network: Network,
    data: DeviceData,
    split: DeviceSplit,
    classes: int,
    keep_logits: bool = False,
    times: jax.Array | None = None,
    batch: int = BATCH,
    measures: Measures = ACCURACY,
) -> dict[str, jax.Array]:
    """Loss, accuracy and more of a network on a split.

    Args:
      network: without noise.
      data: for the standardisation.
      split: N images.
      classes: number of classes, or of outputs.
      keep_logits: whether the logits are returned.
      times: how often each image counts, int32 [N] with the sum N; None: once.
      batch: images at once.
      measures: what is measured. Of targets that are no classes that is the loss and the metrics
        that `measures` has, and nothing else of the following.

    Returns:
      'loss' and 'accuracy', float32 scalars; 'confusion', int32 [classes, classes]: images by
      (true, predicted) class; 'calibration', float32 [3, bins], see `calibration`; 'logits',
      float32 [N, classes], if asked for. If the loss is not finite the accuracy is NaN: a network
      that diverged predicts nothing. And each metric of `measures` by its name.
    """
    if measures.targets != CLASSES:
        outputs = outputs_of(network, data, split, batch)
        kept = {'logits': data.in_units(outputs)} if keep_logits else {}
        return kept | measured(outputs, data, split, measures, times)
    keep_logits, asked = keep_logits or bool(measures.functions), keep_logits
    count = split.labels.shape[0]

    def measure(index, inside, sums):
        """The sums with those of one batch, and its logits if they are kept."""
        y = split.labels[index]
        logits = network(data.standardised(split.images[index]))
        predicted = jnp.argmax(logits, -1)
        weight = inside.astype(jnp.int32) * (1 if times is None else times[index])
        losses = jnp.where(weight > 0, cross_entropy(logits, y) * weight, 0)
        sums = sums | {
            'loss': sums['loss'] + pairwise_sum(losses),
            'confusion': sums['confusion'].at[y, predicted].add(weight),
            'calibration': sums['calibration'] + calibration(jax.nn.softmax(logits), y, weight),
        }
        if keep_logits:
            sums['logits'] = written(sums['logits'], index, inside, logits)
        return sums

    zero = {
        'loss': jnp.float32(0),
        'confusion': jnp.zeros((classes, classes), jnp.int32),
        'calibration': jnp.zeros((3, CALIBRATION_BINS), jnp.float32),
    }
    if keep_logits:
        zero['logits'] = jnp.zeros((count, classes), jnp.float32)
    sums = over_batches(count, batch, measure, zero)
    correct = jnp.trace(sums['confusion']).astype(jnp.float32)
    loss = sums.pop('loss') / count
    if measures.functions:
        sums |= _of_functions(loss, sums['logits'], split.labels, measures, times)
        if not asked:
            del sums['logits']
    return sums | {'loss': loss, 'accuracy': _of_finite(loss, correct / count)}


def scalars(found: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Of what `evaluate` returns the metrics, which are numbers."""
    return {name: value for name, value in found.items() if not value.ndim}


def outputs_of(
    network: Network, data: DeviceData, split: DeviceSplit, batch: int = BATCH
) -> jax.Array:
    """The outputs of a network for all of a split, float32 [N, outputs]."""
    count = split.labels.shape[0]
    width = jax.eval_shape(network, data.standardised(split.images[:1])).shape[1]

    def measure(index, inside, found):
        outputs = network(data.standardised(split.images[index]))
        return written(found, index, inside, outputs)

    return over_batches(count, batch, measure, jnp.zeros((count, width), jnp.float32))


def measured(
    outputs: jax.Array,
    data: DeviceData,
    split: DeviceSplit,
    measures: Measures,
    times: jax.Array | None = None,
) -> dict[str, jax.Array]:
    """The loss and the metrics of outputs, where targets are no classes.

    Args:
      outputs: [N, outputs], as the network returns them.
      data: for the unit of the target.
      split: its targets are [N, outputs], standardised as the outputs are.
      measures: what is measured.
      times: see `evaluate`.

    Returns:
      'loss', the mean of the losses; and each metric, of numbers in the unit of the target. NaN
      if the loss is not finite.
    """
    if measures.targets == CLASSES:  # of whom `outputs` are logarithms of probabilities
        losses = cross_entropy(outputs, split.labels)
    else:
        losses = measures.losses(outputs, split.labels)
    if times is not None:
        losses = jnp.where(times > 0, losses * times, 0)
    loss = pairwise_sum(losses) / losses.size
    given = data.in_units(outputs), data.in_units(split.labels)
    return {'loss': loss} | _of_functions(loss, *given, measures, times)


def _of_functions(
    loss: jax.Array,
    outputs: jax.Array,
    targets: jax.Array,
    measures: Measures,
    times: jax.Array | None,
) -> dict[str, jax.Array]:
    """The metrics of a whole split, of which each example is there as often as it counts."""
    if times is not None:
        again = lambda array: jnp.repeat(array, times, axis=0, total_repeat_length=len(array))
        outputs, targets = again(outputs), again(targets)
    return {
        name: _of_finite(loss, function(outputs, targets)) for name, function in measures.functions
    }


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
    if jax.default_backend() == 'cpu':  # which adds one image after the other
        return jnp.zeros((3, CALIBRATION_BINS), jnp.float32).at[:, bins].add(rows)
    return _binned(rows, bins)


def _binned(rows: jax.Array, bins: jax.Array) -> jax.Array:
    """Sums of rows [3, batch] by the bin of each column, [3, bins], in an order that is fixed.

    An accelerator adds what goes to one place in whichever order its threads come.
    """
    inside = bins[None] == jnp.arange(CALIBRATION_BINS)[:, None]
    return jax.vmap(jax.vmap(pairwise_sum))(jnp.where(inside[None], rows[:, None], 0))


def calibration_error(bins: Array) -> Array:
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


def probabilities(network: Network, data: DeviceData, images: jax.Array) -> jax.Array:
    """Class probabilities of images [G, height, width, channels], float32 [G, classes]."""
    count = images.shape[0]
    shape = jax.eval_shape(network, data.standardised(images[:1])).shape

    def measure(index, inside, found):
        logits = network(data.standardised(images[index]))
        return written(found, index, inside, jax.nn.softmax(logits))

    return over_batches(count, BATCH, measure, jnp.zeros((count, shape[1]), jnp.float32))


def written(
    found: jax.Array, index: jax.Array, inside: jax.Array, values: jax.Array, axis: int = 0
) -> jax.Array:
    """What was found, with values of a batch in their places along an axis.

    Those that are not inside are dropped: they repeat an image under other random numbers, and
    which of several values of one place is written is undefined.
    """
    places = jnp.where(inside, index, found.shape[axis])
    return found.at[(slice(None),) * axis + (places,)].set(values, mode='drop')


def over_batches(
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
