"""The loss of a batch and what is added to it."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.config_file import blaming
from jaxtweaks.config.fields import traced
from jaxtweaks.config.parts import CLASSES
from jaxtweaks.config.register import CLASSIFICATION, loss
from jaxtweaks.config.settings import Penalty, Setting
from jaxtweaks.nn.dropout import is_off
from jaxtweaks.nn.reduce import total
from jaxtweaks.nn.weights import is_weight
from jaxtweaks.train import metrics  # noqa: F401, which registers those that losses name


def losses_of(
    setting: Setting, logits: jax.Array, labels: jax.Array, targets: jax.Array | None = None
) -> jax.Array:
    """The loss of each image by the chosen loss, [batch].

    Args:
      setting: chooses the loss; its numbers may be traced.
      logits: [batch, outputs].
      labels: integers, [batch]; or what else the loss takes as targets, float [batch, outputs].
      targets: probabilities [batch, classes] in place of labels, where images were mixed.
    """
    part = trace.part(setting, 'loss')
    given = trace.arguments(setting, part)
    targets_are = part.facts.get('targets', CLASSES)
    if part.build is cross_entropy:  # which takes labels as they are
        if targets is None:
            return cross_entropy(logits, labels, **given)
        return _by_share_or_label(logits, labels, targets, given)
    if targets_are != CLASSES:
        targets = labels
    elif targets is None:
        targets = jax.nn.one_hot(labels, logits.shape[1])
    with blaming(f"loss '{part.name}'"):
        found = part.build(logits, targets, **given)
    kind = getattr(found, 'dtype', None)
    is_float = kind is not None and jnp.issubdtype(kind, jnp.floating)
    if not is_float or found.shape != labels.shape[:1]:
        given = f'{kind} {list(found.shape)}' if kind is not None else repr(found)
        raise UserError(
            f"loss '{part.name}': returns {given} for {list(logits.shape)} logits; it must return "
            f'a float loss for each image, {list(labels.shape[:1])}'
        )
    return found.astype(logits.dtype)


@loss('cross_entropy', words='cross-entropy', metrics=CLASSIFICATION)
def cross_entropy(
    logits: jax.Array,
    targets: jax.Array,
    *,
    smoothing: jax.Array | float = traced(
        0.0,
        'label smoothing: share ε of the target spread over all classes',
        low=0.0,
        high=1.0,
        off=0.0,
        words='label smoothing ε',
        former='noise.smoothing',
    ),
) -> jax.Array:
    """−Σ t log P for each example: P the softmax of the logits (MLP-BN eq. 10), t the target.

    Of the target the share ε is spread evenly over all classes (label smoothing: Szegedy et al.
    2016, §7).

    Args:
      logits: [batch, classes].
      targets: labels, integers [batch]; or probabilities, [batch, classes].
      smoothing: ε, scalar in [0, 1], may be traced. At 0 the target stays bitwise as it is.

    Returns:
      [batch], in nats.
    """
    if targets.ndim == 1:
        plain = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        own = lambda: jnp.take_along_axis(logits, targets[:, None], axis=1)[:, 0]
    else:
        plain = _of_probabilities(logits, targets)
        own = lambda: jnp.sum(targets * logits, axis=1)
    if is_off(smoothing):
        return plain
    # −Σ t' log P = −Σ t log P + ε (Σ t logit − mean logit).
    spread = smoothing * (own() - jnp.mean(logits, axis=1))
    return plain + jnp.where(smoothing > 0, spread, 0)


@jax.custom_vjp
def _by_share_or_label(
    logits: jax.Array, labels: jax.Array, targets: jax.Array, given: dict[str, Any]
) -> jax.Array:
    """The cross-entropy of probabilities, or of labels if the probabilities are theirs.

    Then it has the bits, forwards and backwards, of a program in which nothing mixes images.
    """
    return _by_share_or_label_fwd(logits, labels, targets, given)[0]


def _by_share_or_label_fwd(logits, labels, targets, given):
    mixed = jnp.any(targets != jax.nn.one_hot(labels, logits.shape[1]))
    by_share, from_share = jax.vjp(lambda z: cross_entropy(z, targets, **given), logits)
    by_label, from_label = jax.vjp(lambda z: cross_entropy(z, labels, **given), logits)
    return jnp.where(mixed, by_share, by_label), (mixed, from_share, from_label)


def _by_share_or_label_bwd(residuals, g):
    mixed, from_share, from_label = residuals
    return jnp.where(mixed, *from_share(g), *from_label(g)), None, None, None


_by_share_or_label.defvjp(_by_share_or_label_fwd, _by_share_or_label_bwd)


def _of_probabilities(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """−Σ t log P, [batch]."""
    logits = logits - lax.stop_gradient(jnp.max(logits, axis=1, keepdims=True))
    return jnp.log(jnp.sum(jnp.exp(logits), axis=1)) - jnp.sum(targets * logits, axis=1)


@loss('focal', metrics=CLASSIFICATION)
def focal(
    logits: jax.Array,
    targets: jax.Array,
    *,
    gamma: jax.Array | float = traced(
        0.0, 'γ, how little is made of what is known well', low=0.0, off=0.0, words='focal γ'
    ),
) -> jax.Array:
    """−Σ t (1 − P)^γ log P for each example (Lin et al. 2017, arXiv 1708.02002, eq. 4).

    Args:
      logits: [batch, classes].
      targets: probabilities, [batch, classes].
      gamma: γ, scalar ≥ 0, may be traced. At 0 it is bitwise the cross-entropy.

    Returns:
      [batch], in nats.
    """
    plain = _of_probabilities(logits, targets)
    if is_off(gamma):
        return plain
    log_p = jax.nn.log_softmax(logits)
    # Of P = 1 nothing is left, and its power would have no gradient for γ below 1.
    rest = jnp.maximum(-jnp.expm1(log_p), jnp.finfo(jnp.float32).tiny)
    focused = -jnp.sum(targets * rest**gamma * log_p, axis=1)
    return jnp.where(gamma > 0, focused, plain)


@loss('mse', words='squared error', targets='float', metrics=('mse', 'rmse', 'mae', 'r2'))
def mse(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """(y − ŷ)² of each example, the mean over its outputs, [batch]."""
    return jnp.mean(jnp.square(outputs - targets), -1)


@loss('mae', words='absolute error', targets='float', metrics=('mae', 'mse', 'rmse', 'r2'))
def mae(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """|y − ŷ| of each example, the mean over its outputs, [batch]."""
    return jnp.mean(jnp.abs(outputs - targets), -1)


@loss('huber', words='Huber', targets='float', metrics=('mse', 'rmse', 'mae', 'r2'))
def huber(
    outputs: jax.Array,
    targets: jax.Array,
    *,
    delta: jax.Array | float = traced(
        1.0,
        'the error δ beyond which the loss rises linearly, in standard deviations of the target '
        'where this is standardised',
        above=0.0,
        words='Huber δ',
    ),
) -> jax.Array:
    """½e² for errors e = y − ŷ up to δ in size, δ(|e| − ½δ) beyond (Huber 1964).

    Args:
      outputs, targets: [batch, outputs].
      delta: δ, scalar > 0, may be traced.

    Returns:
      [batch], the mean over the outputs of each example.
    """
    size = jnp.abs(outputs - targets)
    inside = jnp.minimum(size, delta)
    return jnp.mean(inside * (size - 0.5 * inside), -1)


@loss(
    'binary_cross_entropy',
    words='binary cross-entropy',
    targets='multilabel',
    metrics=('label_accuracy', 'exact_match', 'micro_f1'),
)
def binary_cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """−t log σ(z) − (1 − t) log σ(−z), the mean over the labels of each example, [batch]."""
    return jnp.mean(jax.nn.softplus(logits) - targets * logits, -1)


def pairwise_sum(losses: jax.Array) -> jax.Array:
    """The sum of losses [batch], pair by pair in a tree that only their number decides.

    XLA sums in an order that depends on what it fuses the sum with, and it makes one rounding of a
    product and the sum it is fused with, so the last bit of a reduction would tell which tweaks
    were omitted from a program. A loop is fused with nothing; one over the levels of the tree takes
    log2 of the batch in steps, each of them a kernel on a GPU.
    """
    levels = max(0, losses.size - 1).bit_length()
    padded = jnp.zeros(2 << levels, losses.dtype).at[: losses.size].set(losses)
    width = 1 << levels

    def level(i, sums):
        # The sums so far lie in front, as many as 2^(levels - i); what is behind is not read.
        half = lax.dynamic_slice(sums, (width >> (i + 1),), (width,))
        return sums.at[:width].add(half)

    return lax.fori_loop(0, levels, level, padded)[0]


@jax.custom_jvp
def pairwise_mean(losses: jax.Array) -> jax.Array:
    """The mean of losses [batch], by `pairwise_sum`."""
    return pairwise_sum(losses) / losses.size


@pairwise_mean.defjvp
def _pairwise_mean_jvp(primals, tangents):
    return pairwise_mean(*primals), jnp.mean(tangents[0])


def penalty(params: Any, config: Penalty) -> jax.Array | float:
    """The sum of the penalties in the loss, each omitted if its weight λ is a Python 0.

    L2: ½λΣw² (ROLE §7.1) or λΣ‖W‖² (MLP-BN eq. 10). L1: λΣ|w|; with β also the elastic net
    λΣ(βw² + |w|) (GENERAL, regularisation).

    Besides the mean cross-entropy of N images, L2 with λ = 1/(α²N) in the form 'half', or half of
    that in the form 'full', makes the loss −1/N times the log of the posterior under the prior
    w ~ N(0, α²) of each weight, up to a constant: its minimum is the MAP estimate (GENERAL,
    probabilistic perspective).

    Args:
      params: the tree of parameters; see `is_weight`.
      config: weights (may be traced), form, and scope: kernels only, or every parameter.

    Returns:
      Scalar.
    """
    leaves = [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if config.scope == 'all' or is_weight(path, leaf)
    ]
    total = 0.0
    if not is_off(config.l2):
        half = 0.5 if config.l2_form == 'half' else 1.0
        total += half * config.l2 * _sum(jnp.square, leaves)
    if not is_off(config.l1):
        # jnp.abs has gradient 1 at 0 and would push what is exactly 0; this has 0 there.
        absolute = _sum(lambda leaf: leaf * lax.stop_gradient(jnp.sign(leaf)), leaves)
        if not is_off(config.elastic):
            absolute += config.elastic * _sum(jnp.square, leaves)
        total += config.l1 * absolute
    return total


def _sum(function: Callable[[jax.Array], jax.Array], leaves: Iterable[jax.Array]) -> jax.Array:
    return total(jnp.sum(function(leaf)) for leaf in leaves)
