"""Compiles programs, with the options that the installed XLA knows, and the same one only once."""

import functools
import hashlib
import weakref
from typing import Any

import jax
import jax.numpy as jnp

# The CPU backend's faster matrix library: it makes VALID convolutions and the gradients of kernels
# several times faster.
FAST_CPU = {'xla_cpu_experimental_ynn_fusion_type': 'LIBRARY_FUSION_TYPE_DOT'}
# Drawing the initial weights takes longer to optimise than to do.
QUICK_COMPILE = {'xla_backend_optimization_level': 0}
# The same in half the time, with other last bits: for what is compared within rounding.
QUICKEST_COMPILE = QUICK_COMPILE | {
    'xla_cpu_use_fusion_emitters': False,
    'xla_cpu_parallel_codegen_split_count': 1,
    'xla_llvm_disable_expensive_passes': True,
}

# Weak: an executable maps memory, and a process that kept them all would run out of mappings.
_made: weakref.WeakValueDictionary[str, jax.stages.Compiled] = weakref.WeakValueDictionary()


def compiled(
    lowered: jax.stages.Lowered, options: dict[str, Any], device: int = 0
) -> jax.stages.Compiled:
    """Compiles; programs that are the same to the letter (as often for init) only once a device.

    For the other devices of a GPU machine JAX's cache on disk has what was compiled for the first.

    Args:
      lowered: the program.
      options: of the compiler; those it does not know are omitted.
      device: the number of the device it is for.
    """
    options = {key: value for key, value in options.items() if _exists(key, value)}
    # The text does not show the shapes of arguments that the program does not read.
    key = f'{device} {options} {lowered.in_avals} {lowered.as_text()}'
    key = hashlib.sha256(key.encode()).hexdigest()
    found = _made.get(key)
    if found is None:
        found = _made[key] = lowered.compile(compiler_options=options)
    return found


@functools.cache
def _exists(key: str, value: Any) -> bool:
    """Whether the installed XLA knows this option; all of ours are for the CPU."""
    if jax.default_backend() != 'cpu':
        return False
    try:
        jax.jit(jnp.negative).lower(0.0).compile(compiler_options={key: value})
    except Exception:
        return False
    return True
