"""A plain linen ResNet-20 in our loop: convolutions taken over, or not, and PyTorch's.

    python -m benchmarks.plain [--batch 32] [--runs 1 4] [--seconds 2] [--out plain.json]
    taskset -c 0 python -m benchmarks.plain --cpu_time    # on a busy machine: seconds of one core

Contenders take turns, all train the same network with SGD on the same images on the device. Every
ratio is jaxtweaks' speed, with the convolutions taken over in the best way, over the contender's.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax

from benchmarks import setup
from benchmarks.peers import flax_plain
from benchmarks.timing import interleaved
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Optim, Setting, Train
from jaxtweaks.nn import plain
from jaxtweaks.run.compiled import GroupProgram, candidates, stack_runs
from jaxtweaks.run.plan import all_runs
from jaxtweaks.train.program import DeviceData, Program

RATE = 0.01


class _Network:
    """A linen network, applied as plain networks are here."""

    def __init__(self, module: nn.Module, layers: Callable = plain.layers):
        self._module, self._layers = module, layers

    def init(self, *args: Any, **options: Any) -> Any:
        with self._layers():
            return self._module.init(*args, **options)

    def apply(self, *args: Any, **options: Any) -> Any:
        with self._layers():
            return self._module.apply(*args, **options)


@dataclasses.dataclass(frozen=True)
class PlainProgram(Program):
    """The program of a network that is no network of a setting."""

    module: nn.Module = None

    def network(self, hyper: trace.Hyper) -> Any:
        """See `Applied`."""
        return _Network(self.module)


class Group:
    """Runs of a plain network, trained as a sweep trains them."""

    def __init__(self, module: nn.Module, batch: int, runs: int, data: DeviceData, way: str):
        """`way`: of batching, or 'untouched': XLA's convolutions, in the same loops."""
        train = Train(batch_size=batch, train_eval_size=setup.EVALUATED)
        setting = Setting(optim=Optim('sgd', RATE), train=train)
        members = tuple(all_runs(setting, [{}], range(runs)))
        off = trace.off_everywhere([setting])
        static = trace.split(setting, off)[0]
        program = PlainProgram(static, len(data.training.labels), 10, module)
        self._args, self._data = stack_runs(members, off), data
        self._compiled = GroupProgram(program, 'map' if way == 'untouched' else way)
        if way == 'untouched':
            over_runs = jax.jit(
                lambda hyper, seeds, state, *rest: jax.lax.map(
                    lambda one: program.train(*one, *rest), (hyper, seeds, state)
                )
            )
            self._train = lambda *args: over_runs(*args[:4], *map(np.int32, args[4:]))
        else:
            self._train = self._compiled.train
        self._state = self._compiled.init(*self._args, data)

    def train(self, steps: int) -> None:
        """`steps` steps of every run; none completes an epoch."""
        found, _ = self._train(*self._args, self._state, self._data, 0, 1, 0, 1 + steps)
        self._state = jax.block_until_ready(found)


def contenders(module: nn.Module, batch: int, runs: int, names: list[str]) -> dict[str, Any]:
    """By name, something with `train(steps)`."""
    images, labels, data = setup.make_data()
    optimiser = optax.sgd(RATE)
    flax = lambda: flax_plain.Flax(module, optimiser, images, labels, runs, batch, naive=False)
    makers: dict[str, Callable[[], Any]] = {
        way: lambda way=way: Group(module, batch, runs, data, way)
        for way in dict.fromkeys(
            (*candidates(Setting(), plain_convolutions=True), 'map', 'untouched')
        )
    }
    makers['flax, Python loop'] = flax
    try:
        from benchmarks.peers import pytorch
    except ImportError:
        print('PyTorch is not installed; its row is omitted')
    else:
        common = (Optim('sgd', RATE), images, labels, runs, batch)
        makers['pytorch, eager'] = lambda: pytorch.Sequential(pytorch.resnet, *common)
    return {name: make() for name, make in makers.items() if not names or name in names}


def main(argv: list[str] | None = None) -> None:
    """Runs the cases, prints a table, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--runs', type=int, nargs='+', default=[1, 4])
    parser.add_argument('--blocks', type=int, default=3, help='a stage; 3 make a ResNet-20')
    parser.add_argument('--channels', type=int, nargs='+', default=[16, 32, 64])
    parser.add_argument('--only', action='append', help='a contender')
    parser.add_argument('--seconds', type=float, default=2.0, help='of a turn')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument(
        '--cpu_time', action='store_true', help='on a busy machine; pin the process to one core'
    )
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    module = flax_plain.PlainResNet(flags.blocks, tuple(flags.channels))
    clock = time.process_time if flags.cpu_time else time.perf_counter
    rows = []
    for runs in flags.runs:
        found = contenders(module, flags.batch, runs, flags.only)
        trainers = {name: one.train for name, one in found.items()}
        seconds = interleaved(trainers, flags.seconds, flags.rounds, clock)
        ways = (*candidates(Setting(), plain_convolutions=True), 'map')
        ours = min(seconds[way] for way in ways if way in seconds)
        row = {
            'runs': runs,
            'batch': flags.batch,
            'images_per_second': {
                name: runs * flags.batch / value for name, value in seconds.items()
            },
            'ratios': {name: value / ours for name, value in seconds.items()},
        }
        rows.append(row)
        speeds = ', '.join(f'{name} {one:,.0f}' for name, one in row['images_per_second'].items())
        print(f'{runs} runs, batch {flags.batch}: {speeds} img/s', flush=True)
    setup.write(flags.out, rows=rows)


if __name__ == '__main__':
    main()
