"""The matrix product of a dense layer, in forms for which XLA's CPU backend has fast kernels.

A narrow kernel, [3072, 50] say, has rows too short for the vector units. In a training loop such
kernels stand transposed (`transpose_narrow`), and their products are written so that each walks
along long rows; on CPU that is about twice as fast. Layers see nothing of it, and no part of a
user's does: what an optimiser or a change of gradients or weights is given is transposed back.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxtweaks.nn import bf16_native, conv

# Kernels with a side shorter than this are transposed. From 128 on it no longer pays (measured).
_NARROW = 128


def _is_narrow(matrix: jax.Array) -> bool:
    return min(matrix.shape) < _NARROW


def transpose_narrow(tree: Any) -> Any:
    """Transposes each narrow matrix of a tree and leaves all else; its own inverse."""
    return jax.tree.map(
        lambda leaf: leaf.T if jnp.ndim(leaf) == 2 and _is_narrow(leaf) else leaf, tree
    )


def matmul(x: jax.Array, kernel: jax.Array, dtype: jnp.dtype | None = None) -> jax.Array:
    """x [batch, in] times kernel [in, out], of one dtype; [batch, out].

    Args:
      x, kernel: the factors.
      dtype: of the product and the sums in it; theirs if None.
    """
    is_theirs = dtype in (None, kernel.dtype)
    if is_theirs and conv.takes_half(kernel.dtype):
        return bf16_native.matmul(x, kernel, _is_narrow(kernel))
    if is_theirs and _is_narrow(kernel):
        return _narrow_matmul(x, kernel)
    return jnp.matmul(x, kernel, preferred_element_type=dtype)


@jax.custom_vjp
def _narrow_matmul(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return _barred(_contract(kernel, x, 0, 1)).T


def _fwd(x, kernel):
    return _narrow_matmul(x, kernel), (x, kernel)


def _bwd(residuals, g):
    x, kernel = residuals
    return g @ kernel.T, _barred(_contract(g, x, 0, 0)).T


_narrow_matmul.defvjp(_fwd, _bwd)


def _contract(a: jax.Array, b: jax.Array, axis_a: int, axis_b: int) -> jax.Array:
    return lax.dot_general(a, b, (((axis_a,), (axis_b,)), ((), ())))


def _barred(product: jax.Array) -> jax.Array:
    """Keeps XLA from turning a product around when its result is transposed next."""
    return lax.optimization_barrier(product)
