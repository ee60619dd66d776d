"""Plans a sweep on this machine and carries it out."""

import dataclasses
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax

from jaxtweaks import data as data_lib
from jaxtweaks.config import settings, trace
from jaxtweaks.sweep import files, memory
from jaxtweaks.sweep.compiled import GroupProgram, default_batching
from jaxtweaks.sweep.group import Execution, Interrupted, train_group, training_work
from jaxtweaks.sweep.plan import Group, Run, by_program, into_groups
from jaxtweaks.sweep.progress import Reporter
from jaxtweaks.sweep.workdir import Workdir
from jaxtweaks.train.program import DeviceData, DeviceSplit, Program

# More runs side by side than this gain nothing, and less often finish a group.
_MOST_SIDE_BY_SIDE = {'map': 32, 'vmap': 128}


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a plan costs: memory of its largest group, and time. `seconds` is None if unknown."""

    programs: int
    runs: int
    gibibytes: float
    seconds: float | None


class Machine:
    """Data on the device and compiled programs, made once and used by all groups of a sweep."""

    def __init__(self, load: Callable[[settings.Data], data_lib.Dataset]):
        """`load`: how to get the data set of a setting."""
        self._load = load
        self._data: tuple[settings.Data, DeviceData] | None = None
        self._datasets: dict[settings.Data, data_lib.Dataset] = {}
        self._programs: dict[tuple, GroupProgram] = {}

    def dataset(self, config: settings.Data) -> data_lib.Dataset:
        """The data set of a setting."""
        if config not in self._datasets:
            self._datasets[config] = self._load(config)
        return self._datasets[config]

    def data(self, config: settings.Data) -> DeviceData:
        """The data set of a setting, on the device; one at a time."""
        if self._data is None or self._data[0] != config:
            self._data = None
            self._data = config, _to_device(self.dataset(config), config)
        return self._data[1]

    def compiled(self, group: Group) -> GroupProgram:
        """The program of a group."""
        key = (group.static, group.size, group.batching)
        if key not in self._programs:
            dataset = self.dataset(group.static.data)
            program = Program(group.static, len(dataset.training), len(dataset.classes))
            self._programs[key] = GroupProgram(program, group.batching)
        return self._programs[key]

    def probe(self, group: Group) -> memory.Probe:
        """Measures the program of a group."""
        return memory.probe(group, self.compiled(group), self.data(group.static.data))

    def work(self, group: Group) -> float:
        """Images to be trained in the whole group, evaluation included."""
        data = self.data(group.static.data)
        return training_work(self.compiled(group).program, data) * len(group.runs)


def _to_device(dataset: data_lib.Dataset, config: settings.Data) -> DeviceData:
    mean, inverse = data_lib.standardiser(dataset.training.images, config.standardise)
    splits = [
        DeviceSplit(jax.device_put(split.images), jax.device_put(split.labels))
        for split in (dataset.training, dataset.validation, dataset.test)
    ]
    return DeviceData(*splits, jax.device_put(mean), jax.device_put(inverse))


def make_groups(
    runs: Sequence[Run], execution: Execution, machine: Machine, off: frozenset[str]
) -> tuple[list[Group], list[memory.Probe]]:
    """Groups of runs, as large as the measured memory allows, and what was measured.

    Programs that differ only in the batch size or the length of training are measured at their
    largest and smallest batch.
    """
    budget = memory.free_bytes() * execution.memory_share
    families: dict[Any, list[list[Run]]] = {}
    for static, members in by_program(runs, off).items():
        train = dataclasses.replace(static.train, batch_size=1, epochs=1)
        families.setdefault(dataclasses.replace(static, train=train), []).append(members)
    groups, probes = [], []
    for programs in families.values():
        ordered = sorted(programs, key=lambda runs: runs[0].setting.train.batch_size)
        measured = []
        for members in {id(p): p for p in (ordered[-1], ordered[0])}.values():
            tentative = _cut(members, execution, off, largest=None)[0]
            measured.append(machine.probe(tentative))
        probes += measured
        largest = max(1, int(budget // max(probe.bytes_per_run for probe in measured)))
        for members in programs:
            groups += _cut(members, execution, off, largest)
    return groups, probes


def _cut(
    runs: Sequence[Run], execution: Execution, off: frozenset[str], largest: int | None
) -> list[Group]:
    static = trace.split(runs[0].setting, off)[0]
    batching = execution.batching
    if batching == 'auto':
        batching = default_batching(static)
    by_memory = min(largest or len(runs), _MOST_SIDE_BY_SIDE[batching])
    return into_groups(runs, execution.group_size or by_memory, batching, off)


def estimate(groups: Sequence[Group], probes: Sequence[memory.Probe], machine: Machine) -> Estimate:
    """Memory and time of the groups, from what was measured of some of their programs."""
    programs = len({(group.static, group.size, group.batching) for group in groups})
    runs = sum(len(group.runs) for group in groups)
    if not probes:
        return Estimate(programs, runs, 0.0, None)
    per_run = max(probe.bytes_per_run for probe in probes)
    speed = sum(probe.seconds_per_image for probe in probes) / len(probes)
    compiling = sum(probe.compile_seconds for probe in probes) / len(probes)
    seconds = speed * sum(machine.work(group) for group in groups) + 1.5 * compiling * programs
    return Estimate(programs, runs, per_run * max(group.size for group in groups) / 2**30, seconds)


def run_groups(
    groups: Sequence[Group],
    workdir: Workdir,
    machine: Machine,
    execution: Execution,
    reporter: Reporter,
) -> None:
    """Trains every group that has no result yet; results and checkpoints go to the workdir.

    Raises:
      Interrupted: by SIGINT (Ctrl-C) or SIGTERM, after the state was saved.
    """
    waiting = [g for g in groups if workdir.load_result(g, reporter.note) is None]
    work = {group.id: machine.work(group) for group in groups}
    left = sum(work[group.id] for group in waiting)
    with _stop_on_signal() as asked_to_stop:
        reporter.begin(sum(work.values()), sum(work.values()) - left)
        try:
            for group in waiting:
                reporter.group(f'group {groups.index(group) + 1}/{len(groups)}')
                _run_group(group, workdir, machine, execution, asked_to_stop, reporter)
        finally:
            reporter.end()


def _run_group(group, workdir, machine, execution, asked_to_stop, reporter) -> None:
    started = time.monotonic()
    path = workdir.checkpoint_path(group)
    result = train_group(
        group,
        machine.compiled(group),
        machine.data(group.static.data),
        path,
        execution,
        asked_to_stop,
        reporter,
    )
    workdir.save_result(group, result | {'seconds': time.monotonic() - started})
    files.remove_generations(path)


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], int]]:
    """Turns the first SIGINT or SIGTERM into a request; a second one acts as usual.

    Yields:
      A function that gives the number of the signal that came, 0 for none.
    """
    came = 0

    def handler(number, frame):
        nonlocal came
        came = number
        signal.signal(number, before[number])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, handler)
        yield lambda: came
    finally:
        for number, old in before.items():
            signal.signal(number, old)


__all__ = [
    'Estimate',
    'Interrupted',
    'Machine',
    'estimate',
    'make_groups',
    'run_groups',
]
