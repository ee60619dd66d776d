"""Masks of dropout on a CPU by a custom kernel, bit by bit those of JAX; see mask_native.cc.

XLA's loop over the rounds of threefry goes through memory five times: a mask of a small CNN's
images takes it as long as a convolution.
"""

import contextlib
import contextvars
import ctypes
import math
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks.nn import conv_native

SOURCE = Path(__file__).with_suffix('.cc')

_draws_as_jax = False
_wanted = contextvars.ContextVar('wanted', default=False)


def register(loaded: ctypes.CDLL) -> None:
    """Makes the kernel of a library known to XLA, and sees whether JAX still draws as it does."""
    global _draws_as_jax
    conv_native.register(loaded, 'bernoulli')
    key = jax.random.key(1, impl='threefry2x32')
    ours, theirs = (
        jax.jit(draw, static_argnums=2)(key, jnp.float32(0.3), (5, 7, 100))
        for draw in (bernoulli, jax.random.bernoulli)
    )
    _draws_as_jax = np.array_equal(ours, theirs)


@contextlib.contextmanager
def drawing(wanted: bool) -> Iterator[None]:
    """Whether masks that are traced inside are drawn by the kernel, once it is registered.

    A setting of its own, not one of `conv.lowering`: the bits are the same, so how a mask is drawn
    is no part of how runs are batched.
    """
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


def takes(key: jax.Array, probability: jax.Array) -> bool:
    """Whether the kernel is wanted, and draws with this key what `jax.random.bernoulli` does."""
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    threefry = typed and str(jax.random.key_impl(key)) == 'threefry2x32'
    single = probability.shape == () and probability.dtype == jnp.float32
    partitionable: bool = jax.config.jax_threefry_partitionable  # pyright: ignore[reportAttributeAccessIssue]
    return _wanted.get() and _draws_as_jax and partitionable and threefry and single


def bernoulli(key: jax.Array, probability: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """`jax.random.bernoulli` where `takes` says so: a bool array of this shape."""
    result = jax.ShapeDtypeStruct((math.prod(shape),), jnp.bool_)
    call = jax.ffi.ffi_call('jaxtweaks_bernoulli', result, vmap_method='sequential')
    return call(jax.random.key_data(key), probability).reshape(shape)
