"""Max-pooling."""

import functools

import jax
import jax.numpy as jnp

from jaxtweaks.nn import conv, native_call, pool_native


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def max_pool(x: jax.Array, window: int = 2) -> jax.Array:
    """The maximum of each `window` × `window` square; rows and columns left over are dropped.

    The gradient goes to the first maximum of a window in reading order, the rule of
    `lax.reduce_window`'s own gradient. Written out because XLA's `select_and_scatter` is many
    times slower on CPU; where there are custom kernels there is one for this (`pool_native`).

    Args:
      x: [batch, height, width, channels].
      window: side of the square and step.

    Returns:
      [batch, height // window, width // window, channels].
    """
    if _is_native(x):
        return pool_native.max_pool(x, window)
    first, *rest = _corners(x, window)
    return functools.reduce(jnp.maximum, rest, first)


def gradient(x: jax.Array, y: jax.Array, g: jax.Array, window: int) -> jax.Array:
    """The gradient for the images x whose `max_pool` is y; g is that for y."""
    if _is_native(x):
        return pool_native.gradient(x, y, g, window)
    taken = jnp.zeros(y.shape, bool)
    parts = []
    for corner in _corners(x, window):
        hit = (corner == y) & ~taken
        taken |= hit
        parts.append(jnp.where(hit, g, 0))
    batch, height, width, channels = x.shape
    rows, columns = y.shape[1:3]
    grid = jnp.stack(parts, 3).reshape(batch, rows, columns, window, window, channels)
    full = grid.transpose(0, 1, 3, 2, 4, 5).reshape(
        batch, rows * window, columns * window, channels
    )
    left_over = ((0, 0), (0, height - rows * window), (0, width - columns * window), (0, 0))
    return jnp.pad(full, left_over)


def _is_native(x: jax.Array) -> bool:
    """Whether custom kernels pool what is traced here."""
    return conv.is_native() and native_call.takes(x.dtype)


def _corners(x: jax.Array, window: int) -> list[jax.Array]:
    """For each place in a window, in reading order, what all windows have there."""
    _, height, width, _ = x.shape
    x = x[:, : height // window * window, : width // window * window]
    return [x[:, i::window, j::window] for i in range(window) for j in range(window)]


def _fwd(x, window):
    y = max_pool(x, window)
    return y, (x, y)


def _bwd(window, residuals, g):
    x, y = residuals
    return (gradient(x, y, g, window),)


max_pool.defvjp(_fwd, _bwd)


def max_pool_rows(x: jax.Array) -> jax.Array:
    """The larger of each row and the next: windows of 2 × 1 with step 1, for signals.

    The gradient of equal values goes half to each.

    Args:
      x: [batch, rows, columns, channels].

    Returns:
      [batch, rows − 1, columns, channels].
    """
    return jnp.maximum(x[:, :-1], x[:, 1:])
