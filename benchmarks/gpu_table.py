"""One GPU, one command, a few minutes: what the networks cost, by whom, and how far from ideal.

    python -m benchmarks.gpu_table [--budget 480] [--out DIR] [--smoke]

For ROLE's CNN and MLP-BN's smaller network with R runs at batch B, in each precision: images a
second of jaxtweaks' ways of batching, of plain Flax under `jax.vmap` and `lax.map`, and of PyTorch
if it is installed, which take turns (medians of three; two turns of one step where a step is longer
than a turn); of the CNN the share of what this very GPU could do, from products and copies measured
in the same process; and an experiment's worth of training from start to end. What matters most
comes first, nothing begins that the budget has no time for, and the file is complete after every
case.

It needs jax, flax, optax and numpy; `--smoke` runs all of it at tiny sizes, on a CPU too.
"""

import argparse
import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp

from benchmarks import networks, setup
from benchmarks.networks import Network
from benchmarks.peers import flax_plain
from benchmarks.setup import Ours
from benchmarks.timing import interleaved
from jaxtweaks.config import trace
from jaxtweaks.config.settings import PRECISIONS, Model
from jaxtweaks.run.compiled import GroupProgram, stack_runs
from jaxtweaks.run.plan import all_runs
from jaxtweaks.train import precision as precision_lib
from jaxtweaks.train.program import DeviceData, DeviceSplit, Program

# Floating-point operations of one image of ROLE's CNN: forward, and both gradients.
FLOP = 122.7e6
# Outputs of its layers, numbers an image. Each is written once, read by the next layer and once
# more for the gradient of that layer's weights; its gradient is written once and read twice.
VALUES = 32**2 * 32 + 30**2 * 32 + 15**2 * 32 + 15**2 * 64 + 13**2 * 64 + 6**2 * 64 + 512 + 10
TOUCHED = 6
PARAMETERS = 1_250_858
# Adam reads and writes parameter and two moments, and reads a gradient that was written: float32.
ADAM_BYTES = 8 * 4
WAYS = ('vmap_pallas', 'vmap_matmul', 'vmap_grouped', 'map')


@dataclasses.dataclass(frozen=True)
class Size:
    """How large everything is."""

    shapes: tuple[tuple[int, int], ...]  # (runs, batch) of the CNN, the most important first
    mlps: tuple[tuple[int, int], ...]  # of the MLP, after all of these
    model: Model
    images: int
    seconds: float  # of a turn
    matrix: int
    copied: int
    whole: tuple[int, int, int]  # runs, epochs, batch of the whole training
    ways: tuple[str, ...]


FULL = Size(
    shapes=((64, 32), (8, 32), (256, 32), (1, 32), (64, 128), (8, 128), (256, 128), (1, 128)),
    mlps=((64, 100), (256, 100), (8, 100), (1, 100)),
    model=Model(),
    images=40_000,
    seconds=0.3,
    matrix=8192,
    copied=2**30,
    whole=(50, 10, 32),
    ways=WAYS,
)
SMOKE = Size(
    shapes=((2, 4),),
    mlps=((2, 4),),
    model=Model(channels=(4,), hidden=(8,)),
    images=24,
    seconds=0.02,
    matrix=64,
    copied=2**16,
    whole=(2, 1, 8),
    ways=('vmap_pallas', 'vmap_matmul'),
)


class Budget:
    """What is left of the time, and what was not done for want of it."""

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds
        self.skipped: list[str] = []

    def left(self) -> float:
        """Seconds."""
        return self._end - time.monotonic()

    def allows(self, what: str, seconds: float) -> bool:
        """Whether there is so much time left; if not, it is noted."""
        if self.left() >= seconds:
            return True
        self.skipped.append(what)
        return False


def peaks(size: Size) -> dict[str, float]:
    """FLOP/s of the best product of matrices by precision, and bytes/s of a copy."""
    found = {}
    for name in PRECISIONS:
        if precision_lib.unavailable(name):
            continue
        dtype = jnp.bfloat16 if name == 'bf16' else jnp.float32
        a = jnp.ones((size.matrix, size.matrix), dtype)
        with precision_lib.products(name):
            product = jax.jit(jnp.matmul).lower(a, a).compile()
        found[name] = 2 * size.matrix**3 / _best(lambda p=product, a=a: p(a, a))
    a = jnp.ones(size.copied // 4, jnp.float32)
    found['copy'] = 2 * size.copied / _best(lambda: _plus_one(a))
    return found


_plus_one = jax.jit(lambda a: a + 1)


def _best(f: Callable, repeats: int = 20) -> float:
    """Fewest seconds of a call, many enqueued together so that launching does not count."""
    jax.block_until_ready(f())
    times = []
    for _ in range(3):
        started = time.perf_counter()
        for _ in range(repeats):
            result = f()
        jax.block_until_ready(result)
        times.append((time.perf_counter() - started) / repeats)
    return min(times)


def roofline(peak: dict[str, float], batch: int, name: str) -> float:
    """Images a second of ROLE's CNN if arithmetic or memory were the only limit."""
    width = 2 if name == 'bf16' else 4
    moved = TOUCHED * VALUES * width + PARAMETERS * ADAM_BYTES / batch
    return 1 / max(FLOP / peak[name], moved / peak['copy'])


@dataclasses.dataclass(frozen=True)
class Case:
    """A row of the table: a network, how many runs, and the ways of batching to try."""

    name: str
    network: Network
    runs: int
    ways: tuple[str, ...]

    @property
    def label(self) -> str:
        """For the terminal."""
        train = self.network.setting.train
        return f'{self.name} {train.precision} R={self.runs} B={train.batch_size}'


def contenders(
    case: Case, images, labels, data: DeviceData
) -> Iterator[tuple[str, int, float, Callable[[], Callable[[int], None]]]]:
    """Who, how many runs of them, the seconds they may need, and how to make their `train`."""
    setting, runs = case.network.setting, case.runs
    for way in case.ways:
        yield f'ours, {way}', runs, 45, lambda way=way: Ours(setting, runs, data, [way]).train
    # Plain Flax would have to be written again for bfloat16.
    float32 = setting.train.precision != 'bf16'
    flax_peers = (('flax, vmap', True), ('flax, lax.map', False)) if float32 else ()
    for peer, naive in flax_peers:
        make = lambda naive=naive: _flax(case, images, labels, naive)
        yield peer, runs, 40, make
    for peer, count in (('eager', min(runs, 8)), ('torch.compile', 1), ('func.vmap', runs)):
        make = lambda peer=peer, count=count: _torch(case.network, peer, count, images, labels)
        yield f'pytorch, {peer}', count, 40, make


def _flax(case: Case, images, labels, naive: bool) -> Callable[[int], None]:
    train = case.network.setting.train
    with precision_lib.products(train.precision):
        peer = flax_plain.Flax(
            *case.network.flax(), images, labels, case.runs, train.batch_size, naive,
            mapped=not naive,
        )  # fmt: skip

    def steps(count: int) -> None:
        # In every call: the precision is part of what a jitted function is looked up by.
        with precision_lib.products(train.precision):
            peer.train(count)

    return steps


def _torch(network: Network, peer: str, runs: int, images, labels) -> Callable[[int], None]:
    import torch

    from benchmarks.peers import pytorch

    setting = network.setting
    name = setting.train.precision
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    torch.backends.cudnn.benchmark = True
    if device == 'cpu' and (peer == 'torch.compile' or name == 'bf16'):
        raise RuntimeError('only on a GPU: it takes minutes here')
    common = (setting.optim, images, labels, runs, setting.train.batch_size, device)
    if peer == 'func.vmap':
        made = pytorch.Ensemble(network.pytorch(running=False), *common)
    else:
        compiled = peer == 'torch.compile'
        made = pytorch.Sequential(network.pytorch(), *common, compiled=compiled)

    def train(steps: int) -> None:
        half = torch.autocast(device, torch.bfloat16)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == 'tf32'
        with half if name == 'bf16' else contextlib.nullcontext():
            made.train(steps)

    return train


def _guarded(
    who: str, make: Callable[[], Callable[[int], None]], notes: dict[str, str]
) -> Callable[[int], None]:
    """`make()`, made at the first call; after a failure, noted with its reason, it does nothing."""
    made = []

    def train(steps: int) -> None:
        if who in notes:
            return
        try:
            if not made:
                made.append(make())
            made[0](steps)
        except Exception as error:  # whatever a compiler or a driver may raise
            made.clear()
            notes[who] = f'{type(error).__name__}: {str(error)[:200]}'

    return train


def measured(case: Case, size: Size, arrays, peak: dict[str, float], budget: Budget) -> dict:
    """A row of the table; what fails or is not installed is noted with its reason."""
    trainers, counts, notes = {}, {}, {}
    for who, count, needed, make in contenders(case, *arrays):
        if not budget.allows(f'{case.label}: {who}', needed if size is FULL else 1):
            continue
        trainers[who], counts[who] = _guarded(who, make, notes), count
        trainers[who](1)
    batch, precision = case.network.setting.train.batch_size, case.network.setting.train.precision
    working = {who: train for who, train in trainers.items() if who not in notes}
    seconds = interleaved(working, size.seconds, rounds=3)
    found = {who: counts[who] * batch / seconds[who] for who in seconds if who not in notes}
    for who in trainers:
        words = notes[who] if who in notes else f'{found[who]:,.0f} img/s'
        print(f'{case.label}: {who}: {words}', flush=True)
    jax.clear_caches()
    mine = {who: speed for who, speed in found.items() if who.startswith('ours')}
    row = {'network': case.name, 'runs': case.runs, 'batch': batch, 'precision': precision}
    row |= {'images_per_second': found, 'notes': notes}
    if mine:
        best = max(mine, key=mine.get)
        row['chosen'] = best
        row['ratios'] = {who: mine[best] / speed for who, speed in found.items() if who != best}
        if case.name == 'cnn':
            row['share_of_roofline'] = mine[best] / roofline(peak, batch, precision)
    return row


def whole(size: Size, name: str, way: str, data: DeviceData, budget: Budget) -> dict:
    """An experiment's training from start to end: compilation, all epochs, all evaluations."""
    runs, epochs, batch = size.whole
    setting = trace.replace(networks.cnn(batch, name, size.model).setting, {'train.epochs': epochs})
    members = all_runs(setting, [{}], range(runs))
    off = trace.off_everywhere([setting])
    program = Program(trace.split(setting, off)[0], len(data.training.labels), 10)
    compiled = GroupProgram(program, way)
    hyper, seeds = stack_runs(members, off)
    started = time.monotonic()
    state = compiled.init(hyper, seeds, data)
    state, _ = jax.block_until_ready(compiled.train(hyper, seeds, state, data, 0, 0, 0, 1))
    compiling = time.monotonic() - started
    state = compiled.init(hyper, seeds, data)
    started, done = time.monotonic(), 0
    each = 0.0
    while done < epochs and (done == 0 or budget.left() > 1.2 * each):
        whole = done, 0, done, program.steps_per_epoch
        state, _ = jax.block_until_ready(compiled.train(hyper, seeds, state, data, *whole))
        done += 1
        each = (time.monotonic() - started) / done
    row = {
        'precision': name,
        'way': way,
        'runs': runs,
        'epochs': epochs,
        'batch': batch,
        'images': len(data.training.labels),
        'epochs_done': done,
        'compile_seconds': compiling,
        # Of all epochs, from the mean of those that were done.
        'seconds': each * epochs,
        'memory_bytes': compiled.memory(),
    }
    print(f'whole training: {row}', flush=True)
    return row


def _evaluated(data: DeviceData, images: int) -> DeviceData:
    """The data with a validation and a test set a quarter as large as the training set."""
    few = max(images // 4, 1)
    part = DeviceSplit(data.training.images[:few], data.training.labels[:few])
    return dataclasses.replace(data, validation=part, test=part)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the cases within the budget; writes gpu_table.json after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--budget', type=float, default=480, help='seconds for everything')
    parser.add_argument('--out', default=os.environ.get('OUT', '.'), help='the folder of the JSON')
    parser.add_argument('--smoke', action='store_true', help='tiny sizes')
    parser.add_argument('--only', choices=PRECISIONS, help='this precision only')
    flags = parser.parse_args(argv)
    size, budget = SMOKE if flags.smoke else FULL, Budget(flags.budget)
    path = Path(flags.out) / 'gpu_table.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = setup.make_data(size.images)
    found = {'peaks': peaks(size), 'rows': [], 'whole': [], 'not_done': budget.skipped}
    print({name: f'{value / 1e12:.2f} T/s' for name, value in found['peaks'].items()}, flush=True)
    here = [name for name in ('bf16', 'tf32', 'float32') if name in found['peaks']]
    here = [name for name in here if flags.only in (None, name)]
    chosen = {}

    def save() -> None:
        setup.write(str(path), **found)

    def add(case: Case) -> dict:
        row = measured(case, size, arrays, found['peaks'], budget)
        found['rows'].append(row)
        save()
        return row

    for name in here:  # first the shape in the middle, with every way; then the whole training
        (runs, batch), *_ = size.shapes
        first = Case('cnn', networks.cnn(batch, name, size.model), runs, size.ways)
        row = add(first)
        mine = {who: v for who, v in row['images_per_second'].items() if who.startswith('ours')}
        ordered = sorted(mine, key=mine.get, reverse=True)
        chosen[name] = tuple(who.removeprefix('ours, ') for who in ordered[:2]) or size.ways[:1]
        needed = 90 if size is FULL else 1
        if name != 'float32' and budget.allows(f'{name}: the whole training', needed):
            data = _evaluated(arrays[2], size.images)
            found['whole'].append(whole(size, name, chosen[name][0], data, budget))
            save()
    for runs, batch in size.shapes[1:]:  # then the other shapes, with the two fastest ways
        for name in here:
            add(Case('cnn', networks.cnn(batch, name, size.model), runs, chosen[name]))
    for runs, batch in size.mlps:
        for name in here:
            network = networks.mlp(50, 50, batch_norm=True, batch=batch, precision=name)
            add(Case('mlp_50-50', network, runs, ('vmap_matmul', 'map')))
    print(f'{len(budget.skipped)} measurements not done for want of time')


if __name__ == '__main__':
    main()
