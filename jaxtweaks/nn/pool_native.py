"""Max-pooling on a CPU by custom kernels, see pool_native.cc; float32 or bfloat16.

XLA goes through all images once for each place of a window, and in the gradient computes what it
pools again for each of them.
"""

import ctypes
from pathlib import Path

import jax
import numpy as np

from jaxtweaks.nn import native_call

SOURCE = Path(__file__).with_suffix('.cc')


def register(loaded: ctypes.CDLL) -> None:
    """Makes the kernels of a library known to XLA."""
    native_call.register_of_either(loaded, 'max_pool', 'max_pool_gradient')


def max_pool(x: jax.Array, window: int) -> jax.Array:
    """See `nn.pool.max_pool`."""
    batch, height, width, channels = x.shape
    return _called('max_pool', (batch, height // window, width // window, channels), window, x)


def gradient(x: jax.Array, y: jax.Array, g: jax.Array, window: int) -> jax.Array:
    """The gradient for the images x whose `max_pool` is y; g is that for y. All are of one type."""
    return _called('max_pool_gradient', x.shape, window, x, y, g)


def _called(name: str, shape: tuple[int, ...], window: int, *args: jax.Array) -> jax.Array:
    result = jax.ShapeDtypeStruct(shape, args[0].dtype)
    return native_call.call(name, result, *args, window=np.int64(window))
