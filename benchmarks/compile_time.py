"""Seconds to compile each config's programs from an empty cache, at the size `quick`.

    python -m benchmarks.compile_time [--only dropout_rate] [--size quick] [--out compile_time.json]

For each program of a config (runs that share their static part): tracing and compiling of the
initial weights, a step, an epoch's end and the final test, as the first group of a sweep does it,
without JAX's cache on disk; what the same calls take when all is compiled is subtracted. What
later programs share with earlier ones is compiled once, as in a sweep. Configs that train nothing
are left out.
"""

import argparse
import importlib
import time
from collections.abc import Sequence
from pathlib import Path

import jax

from benchmarks import setup
from jaxtweaks import data as data_lib
from jaxtweaks.config import trace
from jaxtweaks.experiment import Experiment, build
from jaxtweaks.sweep.compiled import GroupProgram, candidates, stack_runs
from jaxtweaks.sweep.layout import most_side_by_side
from jaxtweaks.sweep.machine import Machine
from jaxtweaks.sweep.plan import by_program, into_groups
from jaxtweaks.train.program import DeviceData

# Such modules in configs/ are no experiments.
NOT_EXPERIMENTS = ('__init__', 'common', 'all')


def configs() -> list[str]:
    """Names of all experiments."""
    folder = Path(__file__).parents[1] / 'configs'
    return sorted(path.stem for path in folder.glob('*.py') if path.stem not in NOT_EXPERIMENTS)


def measure(experiment: Experiment, machine: Machine, first: int | None) -> list[float]:
    """Seconds for each program, or the first so many of them."""
    runs = experiment.runs
    off = trace.off_everywhere(run.setting for run in runs)
    found = []
    for static, members in list(by_program(runs, off).items())[:first]:
        way = candidates(static)[0]
        group = into_groups(members, most_side_by_side(way), way, off)[0]
        compiled, data = machine.compiled(group), machine.data(group.static.data)
        args = stack_runs(group.padded(), off)
        first, again = (_seconds(compiled, args, data) for _ in range(2))
        found.append(first - again)
    return found


def _seconds(compiled: GroupProgram, args: tuple, data: DeviceData) -> float:
    """Of one call of each function."""
    started = time.perf_counter()
    state = compiled.init(*args, data)
    state, _ = compiled.train(*args, state, data, 0, 0, 0, 1)
    jax.block_until_ready(compiled.finish(*args, state, data))
    return time.perf_counter() - started


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', nargs='+', choices=configs(), default=configs())
    parser.add_argument('--size', choices=('smoke', 'quick', 'paper'), default='quick')
    parser.add_argument('--first', type=int, help='only so many programs of each config')
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    machine = Machine(lambda config: data_lib.load(config, print))
    found = {}
    for name in flags.only:
        config = importlib.import_module(f'configs.{name}').get_config(flags.size)
        experiment = build(config)
        if experiment.plain is not None:
            continue
        found[name] = measure(experiment, machine, flags.first)
        machine.keep_only(())
        each = ', '.join(f'{seconds:.1f}' for seconds in found[name])
        print(
            f'{name}: {len(found[name])} programs, the slowest {max(found[name]):.1f} s ({each})',
            flush=True,
        )
    setup.write(flags.out, seconds=found)


if __name__ == '__main__':
    main()
