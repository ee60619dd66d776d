"""JAX's options as training needs them, whatever the user's environment, notebook or config says.

A result follows from its config alone. So every option of JAX that enters random numbers, a trace
or a compilation has a fixed value while this package computes something, and so has every debugging
option that would stop it. They are set for the thread at work only, and afterwards are what they
were. What cannot be set in a running process is recorded, see `surroundings`.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import jax

from jaxtweaks.base.errors import UserError

# How JAX draws random numbers.
_RANDOM = {
    'jax_default_prng_impl': 'threefry2x32',
    'jax_enable_custom_prng': False,
    'jax_high_dynamic_range_gumbel': False,
    'jax_legacy_prng_key': 'allow',
    'jax_random_seed_offset': 0,
    'jax_threefry_gpu_kernel_lowering': False,
    'jax_threefry_partitionable': True,
}
# What program becomes of a function.
_TRACING = {
    'check_vma': False,
    'eager_constant_folding': False,
    'jax_allow_f16_reductions': True,
    'jax_auto_pcast': True,
    'jax_bcoo_cusparse_lowering': False,
    'jax_custom_vjp3': False,
    'jax_default_device': None,
    'jax_default_matmul_precision': None,
    'jax_embedded_constants_max_bytes': 32,
    'jax_enable_x64': False,
    'jax_explicit_x64_dtypes': 'warn',
    'jax_mutable_array_checks': True,
    'jax_numpy_dtype_promotion': 'standard',
    'jax_numpy_rank_promotion': 'allow',
    'jax_pallas_use_mosaic_gpu': True,
    'jax_ragged_dot_use_gpu_pallas_triton_lowering': False,
    'jax_refs_to_pins': False,
    'jax_remat3': False,
    'jax_remove_size_one_mesh_axis_from_type': False,
    'jax_scan3': False,
    'jax_softmax_custom_jvp': False,
    'jax_use_direct_linearize': True,
    'jax_use_emit_pipeline_primitive': False,
    'jax_use_shardy_partitioner': True,
    'jax_use_simplified_jaxpr_constants': False,
}
# What machine code becomes of a program.
_COMPILING = {
    'jax_compiler_enable_remat_pass': True,
    'jax_disable_most_optimizations': False,
    'jax_enable_pgle': False,
    'jax_exec_time_optimization_effort': 0.0,
    'jax_memory_fitting_effort': 0.0,
    'jax_memory_fitting_level': 'O2',
    'jax_optimization_level': 'UNKNOWN',
    'jax_pgle_profiling_runs': 3,
    'jax_xla_profile_version': 0,
}
# What would stop a computation: of a run that diverges, NaN is the right result.
_DEBUGGING = {
    'jax_array_garbage_collection_guard': 'allow',
    'jax_check_static_indices': False,
    'jax_check_tracer_leaks': False,
    'jax_debug_infs': False,
    'jax_debug_key_reuse': False,
    'jax_debug_nans': False,
    'jax_disable_jit': False,
    'jax_enable_checks': False,
    'jax_error_checking_behavior_divide': 'ignore',
    'jax_error_checking_behavior_nan': 'ignore',
    'jax_error_checking_behavior_oob': 'ignore',
    'jax_experimental_unsafe_xla_runtime_errors': False,
    'jax_no_execution': False,
    'jax_no_tracing': False,
    'jax_pallas_enable_debug_checks': False,
    'jax_pallas_poison_buffers': False,
    'jax_raise_persistent_cache_errors': False,
    'jax_transfer_guard_device_to_device': 'allow',
    'jax_transfer_guard_device_to_host': 'allow',
    'jax_transfer_guard_host_to_device': 'allow',
}
VALUES: dict[str, Any] = _RANDOM | _TRACING | _COMPILING | _DEBUGGING

_thread = threading.local()


@contextlib.contextmanager
def pinned() -> Iterator[None]:
    """In this thread JAX has the options of `VALUES`, as far as the installed version knows them.

    Raises:
      UserError: JAX has been given a device that training would not use.
    """
    if getattr(_thread, 'holds', None):
        yield
        return
    _check_device()
    with contextlib.ExitStack() as stack:
        _thread.holds = {}
        stack.callback(setattr, _thread, 'holds', None)
        for name, hold in _holds().items():
            stack.enter_context(hold)
            _thread.holds[name] = hold
        yield


def pin_thread() -> None:
    """Pins the options in this thread for good: for one that is started to compute."""
    for hold in _holds().values():
        if not isinstance(hold, _Everywhere):
            hold.__enter__()


@contextlib.contextmanager
def as_the_user_has_them() -> Iterator[None]:
    """Within `pinned`, for functions of the user's that make data: JAX has the user's options.

    Only random numbers are drawn as ever. What the function returns is checked by its digest, and a
    function that computes in float64 must not be given float32 without a word.
    """
    holds = getattr(_thread, 'holds', None) or {}
    theirs = [hold for name, hold in holds.items() if name not in _RANDOM]
    for hold in theirs:
        hold.__exit__(None, None, None)
    try:
        yield
    finally:
        for hold in theirs:
            hold.__enter__()


def _holds() -> dict[str, Any]:
    """By option, a context manager that sets it in the thread that enters it."""
    # Only a few options have a context manager with a public name.
    known: Any = jax.config._value_holders
    return {
        name: known[name](value) if callable(known[name]) else _Everywhere(name, value)
        for name, value in VALUES.items()
        if name in known
    }


class _Everywhere:
    """Sets an option that JAX has only once for all threads."""

    def __init__(self, name: str, value: Any):
        self._name, self._value = name, value

    def __enter__(self) -> None:
        self._before = jax.config.values[self._name]
        if self._before != self._value:
            jax.config.update(self._name, self._value)

    def __exit__(self, *error: object) -> None:
        if self._before != self._value:
            jax.config.update(self._name, self._before)


def _check_device() -> None:
    """Whether JAX's default device is the one that trains. Raises UserError."""
    chosen, trains = jax.config.values['jax_default_device'], jax.local_devices()[0]
    if chosen is None or chosen == trains:
        return
    # JAX calls every graphics processor 'gpu' here, and 'cuda' or 'rocm' elsewhere.
    if isinstance(chosen, str) and {'cuda': 'gpu', 'rocm': 'gpu'}.get(chosen, chosen) == (
        trains.platform
    ):
        return
    raise UserError(
        f'jax_default_device is {str(chosen)!r}, and training uses {str(trains)!r}; choose devices '
        'with JAX_PLATFORMS or CUDA_VISIBLE_DEVICES, and leave JAX_DEFAULT_DEVICE alone'
    )
