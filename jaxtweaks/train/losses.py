"""The loss of a batch and what is added to it."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from jaxtweaks.config.settings import Penalty
from jaxtweaks.nn.dropout import is_off
from jaxtweaks.nn.reduce import total


def cross_entropy(
    logits: jax.Array, labels: jax.Array, smoothing: jax.Array | float = 0.0
) -> jax.Array:
    """−Σ t log P for each example: P the softmax of the logits (MLP-BN eq. 10), t the target.

    The target is the label, of which the share ε is spread evenly over all classes, the label
    among them (label smoothing: Szegedy et al. 2016, §7).

    Args:
      logits: [batch, classes].
      labels: integers, [batch].
      smoothing: ε, scalar in [0, 1], may be traced. At 0 the loss is −log P(label), to the bit.

    Returns:
      [batch], in nats.
    """
    plain = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    if is_off(smoothing):
        return plain
    # −Σ t log P = −log P(label) + ε (logit of the label − mean logit).
    own = jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    spread = smoothing * (own - jnp.mean(logits, axis=1))
    return plain + jnp.where(smoothing > 0, spread, 0)


def in_order_sum(losses: jax.Array) -> jax.Array:
    """The sum of losses [batch], one by one.

    XLA sums in an order that depends on what it fuses the sum with, so the last bit of a reduction
    would tell which tweaks were left out of a program. A loop is fused with nothing.
    """
    zero = jnp.zeros((), losses.dtype)
    return lax.fori_loop(0, losses.size, lambda i, total: total + losses[i], zero)


@jax.custom_jvp
def in_order_mean(losses: jax.Array) -> jax.Array:
    """The mean of losses [batch], by `in_order_sum`."""
    return in_order_sum(losses) / losses.size


@in_order_mean.defjvp
def _in_order_mean_jvp(primals, tangents):
    return in_order_mean(*primals), jnp.mean(tangents[0])


def penalty(params: Any, config: Penalty) -> jax.Array | float:
    """The sum of the penalties in the loss, each left out if its weight λ is a Python 0.

    L2: ½λΣw² (ROLE §7.1) or λΣ‖W‖² (MLP-BN eq. 10). L1: λΣ|w|; with β also the elastic net
    λΣ(βw² + |w|) (GENERAL, regularisation).

    Beside the mean cross-entropy of N images, L2 with λ = 1/(α²N) in the form 'half', or half of
    that in the form 'full', makes the loss −1/N times the log of the posterior under the prior
    w ~ N(0, α²) of each weight, up to a constant: its minimum is the MAP estimate (GENERAL,
    probabilistic perspective).

    Args:
      params: the tree of parameters; weight matrices and kernels are its leaves named 'kernel'.
      config: weights (may be traced), form, and scope: kernels only, or every parameter.

    Returns:
      Scalar.
    """
    leaves = [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if config.scope == 'all' or path[-1].key == 'kernel'
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
