"""The gradient of ReLU and of the bias before it on a CPU by a custom kernel, see bias_native.cc.

XLA goes through the numbers once for the one and twice for the other. Float32 or bfloat16, sums
float32, in an order that depends on the shapes alone.
"""

import ctypes
from pathlib import Path

import jax
import jax.numpy as jnp

from jaxtweaks.nn import native_call

SOURCE = Path(__file__).with_suffix('.cc')


def register(loaded: ctypes.CDLL) -> None:
    """Makes the kernels of a library known to XLA."""
    native_call.register_of_either(loaded, 'relu_gradient')


def takes(x: jax.Array) -> bool:
    """Whether there is a kernel for numbers of this type, and there are numbers."""
    return native_call.takes(x.dtype) and x.size > 0


def relu_gradient(y: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The gradients for x and bias of y = ReLU(x + bias), where g is that for y.

    Args:
      y, g: [..., features], of one type.

    Returns:
      That for x, like y, and for bias, float32 [features].
    """
    features = y.shape[-1]
    rows = y.reshape(-1, features)
    results = (
        jax.ShapeDtypeStruct(rows.shape, y.dtype),
        jax.ShapeDtypeStruct((features,), jnp.float32),
    )
    to_x, to_bias = native_call.call('relu_gradient', results, rows, g.reshape(-1, features))
    return to_x.reshape(y.shape), to_bias
