"""How near to linear a nonlinearity is where a network uses it."""

import jax
import jax.numpy as jnp

_LEAST = 1e-37  # near the least that float32 can divide by


def linearity(x: jax.Array, y: jax.Array) -> jax.Array:
    """Share of the units' variance that a straight line through their inputs explains.

    For each unit the squared correlation of what enters its nonlinearity and what leaves it; a unit
    whose output never changes counts as linear. Where weights are small, tanh and sigmoid work
    around 0 and this nears 1 (GENERAL, regularization and activation functions). Of ReLU on
    normal inputs of mean 0 it is π / (2π − 2) = 0.73, whatever their scale.

    Args:
      x: what enters, [..., units].
      y: what leaves, the same shape.

    Returns:
      The mean over units, scalar in [0, 1].
    """
    axes = tuple(range(x.ndim - 1))
    dx = x - jnp.mean(x, axes, keepdims=True)
    dy = y - jnp.mean(y, axes, keepdims=True)
    # Of any scale: their squares, multiplied, would be beyond what float32 holds.
    largest = lambda d: jnp.maximum(jnp.max(jnp.abs(d), axes, keepdims=True), _LEAST)
    dx, dy = dx / largest(dx), dy / largest(dy)
    product = jnp.sum(jnp.square(dx), axes) * jnp.sum(jnp.square(dy), axes)
    squared = jnp.square(jnp.sum(dx * dy, axes))
    # Within rounding of one number: what is left has no correlation to speak of.
    spread = jnp.max(y, axes) - jnp.min(y, axes)
    constant = spread <= 4 * jnp.finfo(y.dtype).eps * jnp.max(jnp.abs(y), axes)
    constant |= product == 0
    return jnp.mean(jnp.where(constant, 1.0, squared / jnp.where(constant, 1.0, product)))
