"""What can be said of parameters and their gradients without looking at predictions."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxtweaks.nn.reduce import total
from jaxtweaks.nn.weights import is_weight

SMALL = 1e-3  # a weight below it counts as small


def kernels(params: Any) -> list[jax.Array]:
    """The weight matrices and kernels among the parameters, see `is_weight`."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return [leaf for path, leaf in leaves if is_weight(path, leaf)]


def weight_norm(params: Any) -> jax.Array:
    """√Σw² over the kernels, scalar."""
    return jnp.sqrt(total(jnp.sum(jnp.square(leaf)) for leaf in kernels(params)))


def small_weights(params: Any) -> jax.Array:
    """Share of the kernels' entries with |w| < `SMALL`, scalar."""
    found = kernels(params)
    small = total(jnp.sum(jnp.abs(leaf) < SMALL) for leaf in found)
    return small.astype(jnp.float32) / sum(leaf.size for leaf in found)


def unit_spread(params: Any) -> jax.Array:
    """How much the units of a hidden layer differ in what they weigh their inputs by, scalar.

    √(Σ(w − w̄)² / Σw²) over the kernels of all layers but the last, w̄ being the mean over the units
    (the last axis) of a layer: 0 if all units of each layer are the same, near 1 if they are drawn
    independently with mean 0.

    Args:
      params: of a network whose dense layers are called Dense_0, …, the last one of the outputs.
    """
    dense = [name for name in params if name.startswith('Dense_')]
    last = max(dense, key=lambda name: int(name.removeprefix('Dense_')))
    hidden = kernels({name: layer for name, layer in params.items() if name != last})
    apart = (leaf - jnp.mean(leaf, axis=-1, keepdims=True) for leaf in hidden)
    spread = total(jnp.sum(jnp.square(leaf)) for leaf in apart)
    size = total(jnp.sum(jnp.square(leaf)) for leaf in hidden)
    return jnp.sqrt(spread / jnp.where(size > 0, size, 1))


def weight_histogram(params: Any, bins: int) -> tuple[jax.Array, jax.Array]:
    """Counts of the kernels' entries, float32 [bins], and the edges, [bins + 1].

    The bins are equal and reach from minus to plus the largest absolute weight; NaN, both, if that
    is not finite.
    """
    flat = jnp.concatenate([leaf.reshape(-1) for leaf in kernels(params)])
    largest = jnp.max(jnp.abs(flat))
    position = (flat / jnp.where(largest > 0, largest, 1) + 1) / 2 * bins
    index = jnp.clip(jnp.nan_to_num(position).astype(jnp.int32), 0, bins - 1)
    # Counted in integers: a float32 stays where it is at 2²⁴.
    counts = jnp.zeros(bins, jnp.int32).at[index].add(1).astype(jnp.float32)
    counts = jnp.where(jnp.isfinite(largest), counts, jnp.nan)
    return counts, jnp.linspace(-1, 1, bins + 1, dtype=jnp.float32) * largest


def count_parameters(params: Any) -> int:
    """Number of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def gradient_moments(
    gradient: Callable[[jax.Array], Any], batches: int
) -> tuple[jax.Array, jax.Array]:
    """How far the gradients of batches agree.

    Args:
      gradient: of the batch with this number, a tree.
      batches: how many, at least 2.

    Returns:
      The unbiased variance of the gradient over batches, summed over the parameters, and the norm
      of its mean; scalars.
    """

    def add(i, sums):
        total, squares = sums
        g = gradient(i)
        squared = sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(g))
        return jax.tree.map(jnp.add, total, g), squares + squared

    shapes = jax.eval_shape(gradient, 0)
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, squares = lax.fori_loop(0, batches, add, (zero, jnp.float32(0)))
    of_mean = sum(jnp.sum(jnp.square(leaf / batches)) for leaf in jax.tree.leaves(total))
    # Rounding may leave less than nothing where batches agree.
    spread = jnp.maximum(squares - batches * of_mean, 0)
    return spread / (batches - 1), jnp.sqrt(of_mean)
