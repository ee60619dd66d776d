"""The programs of the configs as a sweep compiles them, for the benchmarks that go through them."""

import argparse
import importlib
from collections.abc import Iterator
from pathlib import Path

from jaxtweaks.config import trace
from jaxtweaks.lab.experiment import build
from jaxtweaks.run.compiled import GroupProgram, candidates, stack_runs
from jaxtweaks.run.layout import most_side_by_side
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.plan import Group, by_program, into_groups
from jaxtweaks.train.program import DeviceData

# Such modules in configs/ are no experiments.
NOT_EXPERIMENTS = ('__init__', 'common', 'all')


def configs() -> list[str]:
    """Names of all experiments."""
    folder = Path(__file__).parents[1] / 'configs'
    return sorted(path.stem for path in folder.glob('*.py') if path.stem not in NOT_EXPERIMENTS)


def parser(description: str) -> argparse.ArgumentParser:
    """Flags that name the configs, their size, how many programs of each, and the JSON file."""
    found = argparse.ArgumentParser(description=description)
    found.add_argument('--only', nargs='+', choices=configs(), default=configs())
    found.add_argument('--size', choices=('smoke', 'quick', 'paper'), default='quick')
    found.add_argument(
        '--first', type=int, help='only so many programs of each config (default: %(default)s)'
    )
    found.add_argument('--out', help='a JSON file')
    return found


def first_groups(name: str, size: str, first: int | None) -> Iterator[Group]:
    """The first group of each program of a config, or of the first so many of its programs.

    None of a config that trains nothing.
    """
    experiment = build(importlib.import_module(f'configs.{name}').get_config(size))
    if experiment.plain is not None:
        return
    runs = experiment.runs
    off = trace.off_everywhere(run.setting for run in runs)
    for static, members in list(by_program(runs, off).items())[:first]:
        way = candidates(static)[0]
        yield into_groups(members, most_side_by_side(way), way, off)[0]


def compiled(group: Group, machine: Machine) -> tuple[GroupProgram, tuple, DeviceData]:
    """A group's program, not yet compiled; the numbers and seeds of its runs; its data."""
    numbers = stack_runs(group.padded(), group.off)
    return machine.compiled(group), numbers, machine.data(group.static.data)
