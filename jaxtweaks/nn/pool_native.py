"""Max-pooling on a CPU by custom kernels, see pool_native.cc; float32 or bfloat16.

XLA goes through all images once for each place of a window, and in the gradient computes what it
pools again for each of them.
"""

import ctypes
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks.nn import conv_native

SOURCE = Path(__file__).with_suffix('.cc')
_PREFIXES = {jnp.dtype(jnp.float32): '', jnp.dtype(jnp.bfloat16): 'bf16_'}


def register(loaded: ctypes.CDLL) -> None:
    """Makes the kernels of a library known to XLA."""
    for prefix in _PREFIXES.values():
        for name in ('max_pool', 'max_pool_gradient'):
            conv_native.register(loaded, f'{prefix}{name}')


def takes(dtype: Any) -> bool:
    """Whether there are kernels for numbers of this type."""
    return jnp.dtype(dtype) in _PREFIXES


def max_pool(x: jax.Array, window: int) -> jax.Array:
    """See `nn.pool.max_pool`."""
    batch, height, width, channels = x.shape
    return _called('max_pool', (batch, height // window, width // window, channels), window, x)


def gradient(x: jax.Array, y: jax.Array, g: jax.Array, window: int) -> jax.Array:
    """The gradient for the images x whose `max_pool` is y; g is that for y. All are of one type."""
    return _called('max_pool_gradient', x.shape, window, x, y, g)


def _called(name: str, shape: tuple[int, ...], window: int, *args: jax.Array) -> jax.Array:
    target = f'jaxtweaks_{_PREFIXES[jnp.dtype(args[0].dtype)]}{name}'
    result = jax.ShapeDtypeStruct(shape, args[0].dtype)
    call = jax.ffi.ffi_call(target, result, vmap_method='sequential')
    return call(*args, window=np.int64(window))
