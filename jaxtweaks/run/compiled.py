"""The runs axis: the functions of one network, mapped over the runs of a group and compiled."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks.base import limits, metrics, pinned
from jaxtweaks.config import layers, trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import conv, lowered
from jaxtweaks.run import devices, executables, native
from jaxtweaks.run.plan import Run
from jaxtweaks.train import masks, precision
from jaxtweaks.train.finish import Found
from jaxtweaks.train.masks import Means
from jaxtweaks.train.program import DeviceData, Program, State

# Up to so many channels a convolution is too small for all cores of a CPU.
_FEW_CHANNELS = 16

# Functions that are hardly any work, and those of a training that has ended.
_UNTHREADED = 'init', 'no_masks'
_AT_THE_END = 'finish', 'no_masks', 'add_masks', 'over_masks'

# Copies of a state in the host's memory while it is written: as it is packed, and packed as bytes.
_WRITTEN_COPIES = 2

# How the runs of a group share a program: they take turns in it ('map'), the same in as many
# threads as there are cores ('threads'), or each operation has all runs ('vmap'); and after a _
# what becomes of convolutions, one of `nn.conv.LOWERINGS` ('loop' if it is not said).
BATCHINGS = (
    'map', 'threads', 'map_native', 'threads_native',
    *(f'vmap_{lowering}' for lowering in conv.LOWERINGS if lowering != 'native'),
)  # fmt: skip


def candidates(static: Setting, plain_convolutions: bool = False) -> tuple[str, ...]:
    """The ways of batching worth measuring for a program on this machine; some may fail on it.

    The one that is most often the fastest comes first.

    Args:
      static: of the program.
      plain_convolutions: whether its network has convolutions that know nothing of other runs, as
        those of `nn.Conv` (`Applied.plain_convolutions`). Mapped over kernels they would become
        grouped convolutions, so runs take turns.
    """
    convolutional = _is_convolutional(static)
    takes = _takes_native(static, plain_convolutions) and not native.why_not(static.train.precision)
    if plain_convolutions and jax.default_backend() == 'cpu':
        return ('threads_native', 'map_native') if takes else ('threads', 'map')
    if plain_convolutions:
        return 'map', 'vmap_grouped'
    if jax.default_backend() == 'cpu':
        # For convolutions patches and a matrix product never came near, and a loop in each
        # operation was never worth the ten seconds of measuring it. Threads gain where there are
        # few channels; with more the operations keep all cores busy (performance.md), but those in
        # bfloat16 are so short that to share them costs as much at small batches.
        if convolutional and takes and static.train.precision == 'bf16':
            return 'threads_native', 'map_native'
        if convolutional:
            most = max(layers.channels(static.model), default=0)
            sharing = 'threads' if most <= _FEW_CHANNELS else 'map'
            return (f'{sharing}_native' if takes else sharing,)
        # To take turns was never the fastest: on one core threads do.
        return ('threads_native', 'map_native') if takes else ('threads', 'vmap_loop')
    if not convolutional:
        return ('vmap_matmul',)
    return 'vmap_matmul', 'vmap_pallas', 'vmap_grouped', 'map'


def lacks_native(static: Setting, plain_convolutions: bool = False) -> str:
    """Why a program does without the native convolutions it could have had; '' if it does not."""
    takes = _takes_native(static, plain_convolutions)
    return native.why_not(static.train.precision) if takes else ''


def _takes_native(static: Setting, plain_convolutions: bool = False) -> bool:
    """Whether native kernels can do what a program asks of them: products in bfloat16, see
    `bf16_native`, and convolutions in float32 too, see `conv_native`.
    """
    precision = static.train.precision
    convolves = plain_convolutions or _is_convolutional(static)
    wanted = precision == 'bf16' or (precision == 'float32' and convolves)
    return wanted and jax.default_backend() == 'cpu'


def _is_convolutional(static: Setting) -> bool:
    return layers.made_of(static.model) == 'conv'


def stack_runs(runs: Sequence[Run], off: frozenset[str]) -> tuple[trace.Hyper, np.ndarray]:
    """The traced numbers of the runs by name, [runs] each, and their seeds, [runs]."""
    hypers = [trace.split(run.setting, off)[1] for run in runs]
    columns = {name: np.asarray([hyper[name] for hyper in hypers]) for name in hypers[0]}
    columns = {
        name: column.astype(np.int32 if column.dtype.kind == 'i' else np.float32)
        for name, column in columns.items()
    }
    return columns, np.asarray([run.seed for run in runs], np.uint32)


@dataclasses.dataclass(frozen=True)
class _Function:
    """What is compiled of a program: a function over the runs, and how.

    Attributes:
      name: of the method.
      f: the function.
      donate: arguments whose memory is used again.
      options: of the compiler; those it does not know are omitted.
    """

    name: str
    f: Callable
    donate: tuple[int, ...] = ()
    options: dict[str, Any] = dataclasses.field(default_factory=lambda: executables.FAST_CPU)


class GroupProgram:
    """Trains a fixed number of runs side by side; each method compiles at its first call.

    In every state, in the traced numbers `hyper` and in the `seeds` the first axis is the runs.

    Where runs take turns on a CPU, convolutions that are not those of `nn.conv` are taken over
    (`nn.lowered`).

    Attributes:
      left: which of them XLA has been left with so far, and why.

    On several devices this axis is sharded (`NamedSharding`), and each device trains its shares
    with the program that a single device would train them with. Not one program for all devices
    (`shard_map`): XLA compiles that in another way, and where runs are vmapped it has other last
    bits.
    """

    def __init__(self, program: Program, batching: str, share: int | None = None):
        """
        Args:
          program: of one network.
          batching: one of `BATCHINGS`.
          share: runs that a device trains side by side, None for all: then one device does.

        Raises:
          UserError: the way of batching has native convolutions, and they cannot be built here.
        """
        self.program = program
        self._sharing, _, lowering = batching.partition('_')
        self._lowering = lowering or 'loop'
        if self._lowering == 'native':
            native.load(program.static.train.precision)
        self._share = share
        on_cpu = jax.default_backend() == 'cpu'
        self._takes_over = on_cpu and self._sharing in ('map', 'threads')
        self.left: set[str] = set()
        alone = devices.count() == 1
        # Of a group: by the cores, however many of them are ours, so that it is the same program.
        self._parts = limits.cores() if self._sharing == 'threads' and alone else 1
        self._threads = devices.threads()
        self._most_parts = 1  # that have been trained at once
        self._jitted: dict[str, Callable] = {}
        self._executables: dict[tuple[str, int, int], jax.stages.Compiled] = {}

    def init(self, hyper: trace.Hyper, seeds: np.ndarray, data: DeviceData) -> State:
        """The states before the first step."""
        f = _over_runs(self.program.init, 2, 'map')
        return self._call(
            _Function('init', f, (), executables.QUICK_COMPILE), (hyper, seeds), (data,)
        )

    def train(
        self,
        hyper: trace.Hyper,
        seeds: np.ndarray,
        state: State,
        data: DeviceData,
        epoch: int,
        start: int,
        last: int,
        stop: int,
    ) -> tuple[State, dict[str, jax.Array]]:
        """See `Program.train`; the metrics are [runs, epochs]. The memory of `state` is reused."""
        f = _over_runs(self.program.train, 3, self._sharing)
        numbers = tuple(map(np.int32, (epoch, start, last, stop)))
        return self._call(_Function('train', f, (2,)), (hyper, seeds, state), (data, *numbers))

    def steps_alone(
        self, hyper: trace.Hyper, seeds: np.ndarray, state: State, data: DeviceData, steps: int
    ) -> State:
        """So many steps and no evaluation, for measuring: past the end of the epoch if need be."""
        start = 2 if 1 + steps == self.program.steps_per_epoch else 1
        return self.train(hyper, seeds, state, data, 0, start, 0, start + steps)[0]

    def finish(
        self, hyper: trace.Hyper, seeds: np.ndarray, state: State, data: DeviceData
    ) -> Found:
        """The final figures of the chosen parameters, see `Program.finish`; [runs, …] each."""
        return self._call(self._finish(), (hyper, seeds, state), (data,))

    def no_masks(
        self, hyper: trace.Hyper, seeds: np.ndarray, state: State, data: DeviceData
    ) -> Means:
        """What averages over dropout masks begin with, see `masks.no_masks`."""
        f = _over_runs(functools.partial(masks.no_masks, self.program), 3, 'map')
        return self._call(
            _Function('no_masks', f, (), executables.QUICK_COMPILE), (hyper, seeds, state), (data,)
        )

    def add_masks(
        self,
        hyper: trace.Hyper,
        seeds: np.ndarray,
        state: State,
        means: Means,
        data: DeviceData,
        begin: int,
        end: int,
    ) -> Means:
        """The averages over the first `end` masks, see `masks.add_masks`."""
        numbers = tuple(map(np.int32, (begin, end)))
        return self._call(self._add_masks(), (hyper, seeds, state, means), (data, *numbers))

    def over_masks(
        self, hyper: trace.Hyper, means: Means, data: DeviceData, count: int
    ) -> dict[str, np.ndarray]:
        """What is found of averages over so many masks, by metric, [runs]: `masks.over_masks`."""
        by_way = self._call(self._over_masks(), (hyper, means), (data,))
        return {
            metrics.measure(name).on('test', metrics.over_masks(count, way)): np.asarray(values)
            for way, found in by_way.items()
            for name, values in found.items()
        }

    def prepare_finish(
        self, hyper: trace.Hyper, seeds: np.ndarray, state: State, data: DeviceData
    ) -> None:
        """Compiles what ends a training, so that `memory` counts what it needs; it is not run."""
        self._prepare(self._finish(), (hyper, seeds, state), (data,))
        if self.program.static.train.mc_samples:
            means = self.no_masks(hyper, seeds, state, data)
            own = hyper, seeds, state, means
            self._prepare(self._add_masks(), own, (data, np.int32(0), np.int32(1)))
            self._prepare(self._over_masks(), (hyper, means), (data,))

    def _prepare(self, function: _Function, own: tuple, shared: tuple) -> None:
        runs = _runs(own)
        shares = runs // (self._share or runs)
        size = self._share or runs
        if devices.count() == 1 and shares == 1:
            size = -(-runs // min(self._parts, runs))
        else:
            own = _on_device(jax.device_put(own, devices.spread(shares)), 0)
            shared = _on_device(shared, 0)
        some = jax.tree.map(lambda leaf: leaf[:size], own)
        self._executable(function, some, shared, 0)

    def _finish(self) -> _Function:
        return _Function('finish', _over_runs(self.program.finish, 3, self._sharing))

    def _add_masks(self) -> _Function:
        f = functools.partial(masks.add_masks, self.program)
        return _Function('add_masks', _over_runs(f, 4, self._sharing))

    def _over_masks(self) -> _Function:
        f = functools.partial(masks.over_masks, self.program)
        return _Function('over_masks', _over_runs(f, 2, self._sharing))

    def memory(self) -> int:
        """Bytes that a device needs for the most demanding method so far, besides the data."""
        state, at_end, scratch = 0, {}, {'finish': 0, 'train': 0}
        for (name, _, _), executable in self._executables.items():
            at_once = 1 if name in _UNTHREADED else self._most_parts
            analysis: Any = executable.memory_analysis()
            output = analysis.output_size_in_bytes * at_once
            kind = 'finish' if name in _AT_THE_END else 'train'
            if kind == 'finish':  # which leaves the states as they are
                at_end[name] = max(at_end.get(name, 0), output)
            else:
                state = max(state, output)
            scratch[kind] = max(scratch[kind], analysis.temp_size_in_bytes * at_once)
        # Cutting the states into parts and joining them needs them twice.
        copies = 1 if self._most_parts == 1 else 2
        # Averages are there before and after masks are added, and when the rest is found.
        found = at_end.get('finish', 0) + 2 * at_end.get('add_masks', 0)
        training = scratch['train'] + copies * state
        finishing = scratch['finish'] + copies * (state + found)
        on_host = jax.default_backend() == 'cpu'
        saving = (1 + _WRITTEN_COPIES) * state if on_host else state
        return max(training, finishing, saving)

    def _call(self, function: _Function, own: tuple, shared: tuple) -> Any:
        """f(*own, *shared) on all devices; `own` has the runs as first axis."""
        runs = _runs(own)
        shares = runs // (self._share or runs)
        if devices.count() == 1 and shares == 1:
            return self._threaded(function, own, shared)
        over = devices.spread(shares)
        own = jax.device_put(own, over)
        numbers = range(over.num_devices)
        # All at once: what is donated on one device is gone for all.
        shards = [(_on_device(own, number), _on_device(shared, number)) for number in numbers]
        done = []
        for number, (mine, copies) in enumerate(shards):
            parts = _cut(mine, shares // len(shards))
            parts = [self._run(function, part, copies, number) for part in parts]
            done.append(_joined(parts, runs // len(shards)))
        return jax.tree.map(lambda *parts: _whole(parts, over), *done)

    def _threaded(self, function: _Function, own: tuple, shared: tuple) -> Any:
        """f(*own, *shared) on one device, in threads if so chosen."""
        if self._parts == 1 or function.name in _UNTHREADED:
            return self._run(function, own, shared)
        runs = _runs(own)
        parts = _cut(own, min(self._parts, runs))
        threads = min(self._threads, len(parts))
        self._most_parts = max(self._most_parts, threads)
        call = lambda part: jax.block_until_ready(self._run(function, part, shared))
        compiled = (function.name, _runs(parts[0]), 0) in self._executables
        done = [] if compiled else [call(parts[0])]
        with ThreadPoolExecutor(threads, initializer=pinned.pin_thread) as pool:
            done += pool.map(call, parts[len(done) :])
        return _joined(done, runs)

    def _run(self, function: _Function, own: tuple, shared: tuple, device: int = 0) -> Any:
        """f(*own, *shared) on the device of this number, on which the arrays lie."""
        return self._executable(function, own, shared, device)(*own, *shared)

    def _executable(
        self, function: _Function, own: tuple, shared: tuple, device: int
    ) -> jax.stages.Compiled:
        """What `_run` calls."""
        args, key = (*own, *shared), (function.name, _runs(own), device)
        if key not in self._executables:
            jitted = jax.jit(function.f, donate_argnums=function.donate)
            jitted = self._jitted.setdefault(function.name, jitted)
            made, by_kernels = self._lowered(jitted, args)
            # What the option gains are XLA's products and convolutions; sums over images lose.
            options = {} if by_kernels else function.options
            self._executables[key] = executables.compiled(made, options, device)
        return self._executables[key]

    def _lowered(self, jitted: Callable, args: tuple) -> tuple[jax.stages.Lowered, bool]:
        """The program, and whether convolutions of a plain network became custom kernels."""
        bits = self.program.static.train.precision
        with conv.lowering(self._lowering, half=bits == 'bf16'), precision.products(bits):
            if not self._takes_over:
                return jitted.lower(*args), False
            made, taken = lowered.lower(jitted, args, self._lowering == 'native')
        self.left |= taken.left
        return made, taken.native and taken.count > 0


def _runs(own: Any) -> int:
    """The length of the first axis of all these arrays."""
    return jax.tree.leaves(own)[0].shape[0]


def _on_device(tree: Any, device: int) -> Any:
    """What lies on the device of this number; numbers that lie on none as they are."""

    def on_device(leaf):
        # Not `addressable_data`: it always returns the first copy of an array all devices have.
        return leaf.addressable_shards[device].data if isinstance(leaf, jax.Array) else leaf

    return jax.tree.map(on_device, tree)


def _whole(parts: Sequence[jax.Array], over: jax.sharding.NamedSharding) -> jax.Array:
    """The array whose equal parts lie on the devices; nothing is moved."""
    shape = len(parts) * parts[0].shape[0], *parts[0].shape[1:]
    return jax.make_array_from_single_device_arrays(shape, over, list(parts))


def _cut(own: Any, parts: int) -> list[Any]:
    """`parts` parts of the runs, all of one size: the last run fills the last ones up."""
    return [own] if parts == 1 else _cut_copies(own, parts)


@functools.partial(jax.jit, static_argnums=1)
def _cut_copies(own: Any, parts: int) -> list[Any]:
    """`_cut` into more than one part."""
    runs = _runs(own)
    size = -(-runs // parts)
    chosen = np.minimum(np.arange(parts * size), runs - 1).reshape(parts, size)
    return [jax.tree.map(lambda leaf, i=index: leaf[i], own) for index in chosen]


def _joined(parts: list[Any], runs: int) -> Any:
    """The first `runs` runs of the parts; the inverse of `_cut`."""
    return parts[0] if len(parts) == 1 else _joined_copies(parts, runs)


@functools.partial(jax.jit, static_argnums=1)
def _joined_copies(parts: list[Any], runs: int) -> Any:
    """`_joined` of more than one part."""
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[:runs], *parts)


def _over_runs(f: Callable, mapped: int, sharing: str) -> Callable:
    """`f` with its first `mapped` arguments given for each run and the others shared."""

    def over_runs(*args):
        own, shared = args[:mapped], args[mapped:]
        if sharing in ('map', 'threads'):
            return jax.lax.map(lambda one: f(*one, *shared), own)
        return jax.vmap(f, (0,) * mapped + (None,) * len(shared))(*args)

    return over_runs
