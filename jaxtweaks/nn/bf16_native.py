"""Products in bfloat16 on a CPU that multiplies it, see bf16_native.cc.

With AMX where there is one and Linux permits it, else with the dot products of AVX512_BF16. Inputs
and results are bfloat16, sums float32, in an order that depends on the shapes alone.
"""

import ctypes
import functools
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxtweaks.nn import conv_native, native_call

SOURCE = Path(__file__).with_suffix('.cc')
# What multiplies, by what the library says of itself.
KINDS = ('', 'AVX512_BF16', 'AMX')

_kind = 0
_library: ctypes.CDLL | None = None


def register(loaded: ctypes.CDLL) -> None:
    """Makes the kernels of a library known to XLA; JAXTWEAKS_AMX=0 declines the tiles.

    Raises:
      OSError: this processor multiplies no bfloat16.
    """
    global _library
    _library = loaded
    if not choose(tiles=os.environ.get('JAXTWEAKS_AMX') != '0'):
        raise OSError('the processor has neither AMX nor AVX512_BF16')
    conv_native.BFLOAT16.register(loaded)
    native_call.register(loaded, 'bf16_dense')


def choose(tiles: bool) -> str:
    """Which of the two multiplies from now on: AMX, if wanted and to be had. Returns `kind`."""
    global _kind
    assert _library is not None, 'nothing is registered'
    _kind = _library.bf16_kind(int(tiles))
    return kind()


def kind() -> str:
    """What multiplies: one of `KINDS`, '' before `register`."""
    return KINDS[_kind]


def takes(dtype: Any) -> bool:
    """Whether the kernels are registered, and for numbers of this type."""
    return bool(_kind) and dtype == jnp.bfloat16


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def matmul(x: jax.Array, kernel: jax.Array, lying: bool = False) -> jax.Array:
    """A product and its gradients.

    Args:
      x: bfloat16 [batch, in].
      kernel: bfloat16 [in, out].
      lying: whether it lies in memory as its transpose, [out, in] (`dense.transpose_narrow`).

    Returns:
      bfloat16 [batch, out].
    """
    return _product(x, kernel.T, b_transposed=True) if lying else _product(x, kernel)


def _fwd(x, kernel, lying):
    return matmul(x, kernel, lying), (x, kernel)


def _bwd(lying, residuals, g):
    x, kernel = residuals
    if lying:
        return _product(g, kernel.T), _product(g, x, a_transposed=True).T
    return _product(g, kernel, b_transposed=True), _product(x, g, a_transposed=True)


matmul.defvjp(_fwd, _bwd)


def _product(
    a: jax.Array, b: jax.Array, *, a_transposed: bool = False, b_transposed: bool = False
) -> jax.Array:
    """a b; either may be given as its transpose."""
    shape = a.shape[1 if a_transposed else 0], b.shape[0 if b_transposed else 1]
    result = jax.ShapeDtypeStruct(shape, jnp.bfloat16)
    transposed = {'a_transposed': a_transposed, 'b_transposed': b_transposed}
    return native_call.call('dense', result, a, b, **transposed)
