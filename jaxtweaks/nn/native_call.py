"""How XLA calls custom kernels: their names, and those for numbers of either type."""

import ctypes
from typing import Any

import jax
import jax.numpy as jnp

# Of the names of kernels for float32 and for bfloat16.
_PREFIXES = {jnp.dtype(jnp.float32): '', jnp.dtype(jnp.bfloat16): 'bf16_'}


def register(loaded: ctypes.CDLL, name: str) -> None:
    """Makes a function of a library known to XLA, as jaxtweaks_NAME."""
    handler = jax.ffi.pycapsule(getattr(loaded, name))
    jax.ffi.register_ffi_target(f'jaxtweaks_{name}', handler, platform='cpu')


def register_of_either(loaded: ctypes.CDLL, *names: str) -> None:
    """The same of functions that there are for both types of numbers."""
    for prefix in _PREFIXES.values():
        for name in names:
            register(loaded, f'{prefix}{name}')


def takes(dtype: Any) -> bool:
    """Whether kernels that there are for both types are for numbers of this one."""
    return jnp.dtype(dtype) in _PREFIXES


def call(name: str, results: Any, *args: jax.Array, **attributes: Any) -> Any:
    """What the kernel for the type of the first argument returns; mapped, it runs in turns.

    Args:
      name: without the type.
      results: `jax.ShapeDtypeStruct`, or a tuple of them.
      *args: the arrays.
      **attributes: numbers that are compiled in.
    """
    target = f'jaxtweaks_{_PREFIXES[jnp.dtype(args[0].dtype)]}{name}'
    return jax.ffi.ffi_call(target, results, vmap_method='sequential')(*args, **attributes)
