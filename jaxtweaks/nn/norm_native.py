"""The sums of batch normalisation on a CPU by custom kernels, see norm_native.cc.

XLA writes the squares and products down before it sums them, and reads images twice for moments;
these read images once from memory. Inputs are float32 or bfloat16, sums float32, in an order that
depends on the shapes alone.
"""

import ctypes
from pathlib import Path

import jax
import jax.numpy as jnp

from jaxtweaks.nn import native_call

SOURCE = Path(__file__).with_suffix('.cc')


def register(loaded: ctypes.CDLL) -> None:
    """Makes the kernels of a library known to XLA."""
    native_call.register_of_either(loaded, 'norm_moments', 'norm_gradients')


def takes(x: jax.Array) -> bool:
    """Whether there are kernels for numbers of this type, and there are numbers."""
    return native_call.takes(x.dtype) and x.size > 0


def moments(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and biased variance of each feature, see `norm.batch_moments`.

    Args:
      x: [..., features].

    Returns:
      mean, variance: float32 [features] each.
    """
    return _called('norm_moments', x.shape[-1], _rows(x))


def gradient_sums(x: jax.Array, g: jax.Array, mean: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Σ g and Σ g (x − μ) of each feature.

    Args:
      x, g: [..., features], of one type.
      mean: μ, float32 [features].

    Returns:
      Two sums, float32 [features] each.
    """
    return _called('norm_gradients', x.shape[-1], _rows(x), _rows(g), mean)


def _rows(x: jax.Array) -> jax.Array:
    return x.reshape(-1, x.shape[-1])


def _called(name: str, features: int, x: jax.Array, *others: jax.Array) -> tuple:
    result = jax.ShapeDtypeStruct((features,), jnp.float32)
    return tuple(native_call.call(name, (result, result), x, *others))
