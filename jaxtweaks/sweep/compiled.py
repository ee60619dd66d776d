"""The runs axis: the functions of one network, mapped over the runs of a group and compiled."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import conv
from jaxtweaks.sweep.plan import Run
from jaxtweaks.train.program import DeviceData, Program, State

# The CPU backend's faster matrix library: it makes VALID convolutions and the gradients of kernels
# several times faster.
_FAST_CPU = {'xla_cpu_experimental_ynn_fusion_type': 'LIBRARY_FUSION_TYPE_DOT'}
# Drawing the initial weights takes longer to optimise than to do.
_QUICK_COMPILE = {'xla_backend_optimization_level': 0}


# How the runs of a group share a program: they take turns in it ('map'), or each operation has
# all runs ('vmap'), with convolutions as `nn.conv.LOWERINGS` says.
BATCHINGS = ('map', *(f'vmap_{lowering}' for lowering in conv.LOWERINGS))


def candidates(static: Setting) -> tuple[str, ...]:
    """The ways of batching worth measuring for a program on this machine."""
    convolutional = static.model.name == 'cnn'
    if jax.default_backend() == 'cpu':
        return 'map', 'vmap_loop'  # patches and a matrix product never came near (performance.md)
    return ('vmap_matmul', 'vmap_grouped', 'map') if convolutional else ('vmap_matmul',)


def stack_runs(runs: Sequence[Run], off: frozenset[str]) -> tuple[trace.Hyper, np.ndarray]:
    """The traced numbers of the runs by name, [runs] each, and their seeds, [runs]."""
    hypers = [trace.split(run.setting, off)[1] for run in runs]
    columns = {
        name: np.asarray(
            [hyper[name] for hyper in hypers],
            np.int32 if isinstance(hypers[0][name], int) else np.float32,
        )
        for name in hypers[0]
    }
    return columns, np.asarray([run.seed for run in runs], np.uint32)


class GroupProgram:
    """Trains a fixed number of runs side by side; each method compiles at its first call.

    In every state, in the traced numbers `hyper` and in the `seeds` the first axis is the runs.
    """

    def __init__(self, program: Program, batching: str):
        """`batching`: one of `BATCHINGS`."""
        self.program = program
        self._batching = batching
        self._executables: dict[str, jax.stages.Compiled] = {}

    def init(self, hyper: trace.Hyper, seeds: np.ndarray, data: DeviceData) -> State:
        """The states before the first step."""
        f = _over_runs(self.program.init, 2, 'map')
        return self._call('init', f, (hyper, seeds, data), options=_QUICK_COMPILE)

    def advance(
        self,
        hyper: trace.Hyper,
        seeds: np.ndarray,
        state: State,
        data: DeviceData,
        epoch: int,
        start: int,
        stop: int,
    ) -> State:
        """Steps `start` … `stop` − 1 of an epoch. The memory of `state` is used again."""
        f = _over_runs(self.program.advance, 3, self._batching)
        numbers = (np.int32(epoch), np.int32(start), np.int32(stop))
        return self._call('advance', f, (hyper, seeds, state, data, *numbers), donate=(2,))

    def end_epoch(
        self, hyper: trace.Hyper, state: State, data: DeviceData, epoch: int
    ) -> tuple[State, dict[str, jax.Array]]:
        """Evaluates and keeps the best parameters; metrics by name, [runs] each."""
        f = _over_runs(self.program.end_epoch, 2, self._batching)
        return self._call('end_epoch', f, (hyper, state, data, np.int32(epoch)), donate=(1,))

    def finish(self, hyper: trace.Hyper, state: State, data: DeviceData) -> dict[str, jax.Array]:
        """The final figures of the chosen parameters, see `Program.finish`; [runs, …] each."""
        f = _over_runs(self.program.finish, 2, self._batching)
        return self._call('finish', f, (hyper, state, data))

    def memory(self) -> int:
        """Bytes that the most demanding of the methods called so far needs beside the data."""
        analyses = [found.memory_analysis() for found in self._executables.values()]
        state = max(analysis.output_size_in_bytes for analysis in analyses)
        return state + max(analysis.temp_size_in_bytes for analysis in analyses)

    def _call(
        self,
        name: str,
        f: Callable,
        args: tuple,
        donate: tuple[int, ...] = (),
        options: dict[str, Any] = _FAST_CPU,
    ) -> Any:
        if name not in self._executables:
            with conv.lowering(self._batching.removeprefix('vmap_').replace('map', 'loop')):
                lowered = jax.jit(f, donate_argnums=donate).lower(*args)
            self._executables[name] = _compile(lowered, options)
        return self._executables[name](*args)


def _over_runs(f: Callable, mapped: int, batching: str) -> Callable:
    """`f` with its first `mapped` arguments given for each run and the others shared."""

    def over_runs(*args):
        own, shared = args[:mapped], args[mapped:]
        if batching == 'map':
            return jax.lax.map(lambda one: f(*one, *shared), own)
        return jax.vmap(f, (0,) * mapped + (None,) * len(shared))(*args)

    return over_runs


_compiled: dict[str, jax.stages.Compiled] = {}


def _compile(lowered: jax.stages.Lowered, options: dict[str, Any]) -> jax.stages.Compiled:
    """Compiles; programs that are the same to the letter (as often for init) only once."""
    options = {key: value for key, value in options.items() if _option_exists(key, value)}
    # The text does not show the shapes of arguments that the program does not read.
    key = f'{options} {lowered.in_avals} {lowered.as_text()}'
    key = hashlib.sha256(key.encode()).hexdigest()
    if key not in _compiled:
        _compiled[key] = lowered.compile(compiler_options=options)
    return _compiled[key]


@functools.cache
def _option_exists(key: str, value: Any) -> bool:
    """Whether the installed XLA knows this option; all of ours are for the CPU."""
    if jax.default_backend() != 'cpu':
        return False
    try:
        jax.jit(jnp.negative).lower(0.0).compile(compiler_options={key: value})
    except Exception:
        return False
    return True
