"""Data on the device and compiled programs, shared by all groups of a sweep."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import jax

from jaxtweaks import data as data_lib
from jaxtweaks.config import settings, trace
from jaxtweaks.config.build import rule_of
from jaxtweaks.data.split import folds_of, strata_of
from jaxtweaks.data.standardise import Scale
from jaxtweaks.run import devices, memory
from jaxtweaks.run.compiled import GroupProgram
from jaxtweaks.run.plan import Group
from jaxtweaks.run.work import evaluation_work, training_work
from jaxtweaks.train.applied import Applied
from jaxtweaks.train.program import DeviceData, DeviceSplit, Program

# What loading does not read: traced fields, folds, and how images are standardised on the device.
_AFTER_LOADING = {
    field.name: field.default
    for field in dataclasses.fields(settings.Data)
    if ((rule := rule_of(field)) and rule.kind == 'traced')
    or field.name in ('folds', 'standardise', 'standardise_targets', 'scale')
}


class Machine:
    """Data on the device and compiled programs, made once and used by all groups of a sweep."""

    def __init__(self, load: Callable[[settings.Data], data_lib.Dataset]):
        """`load`: how to get the data set of a setting."""
        self._load = load
        self._data: tuple[settings.Data, DeviceData] | None = None
        self._scale: tuple[settings.Data, Scale] | None = None
        self._datasets: dict[settings.Data, data_lib.Dataset] = {}
        self._programs: dict[tuple, GroupProgram] = {}
        self._plain: dict[settings.Setting, bool] = {}
        self._kept: dict[settings.Setting, int] = {}

    def dataset(self, config: settings.Data) -> data_lib.Dataset:
        """The data set of a setting; the same for all that differ only in what is done with it."""
        config = dataclasses.replace(config, **_AFTER_LOADING)
        if config not in self._datasets:
            self._datasets[config] = self._load(config)
        return self._datasets[config]

    def data(self, config: settings.Data) -> DeviceData:
        """The data set of a setting, on the device; one at a time."""
        if self._data is None or self._data[0] != config:
            self._data = None
            self._data = config, _to_device(self.dataset(config), self.scale(config), config)
        return self._data[1]

    def data_bytes(self, config: settings.Data) -> int:
        """What the data set of a setting takes of each device, whether it is there or not."""
        dataset = self.dataset(config)
        splits = (dataset.training, dataset.validation, dataset.test, *dataset.probes.values())
        arrays = [array for split in splits for array in (split.images, split.labels)]
        arrays += [] if dataset.grid is None else [dataset.grid]
        pixels = math.prod(dataset.training.images.shape[1:])
        numbers = 2 * pixels + (len(dataset.training) if config.folds else 0)
        # On the device nothing is wider than float32 and int32.
        return sum(array.size * min(array.itemsize, 4) for array in arrays) + 4 * numbers

    def held_bytes(self) -> int:
        """What the data that are on the device now take of it."""
        leaves = jax.tree.leaves(None if self._data is None else self._data[1])
        return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)

    def scale(self, config: settings.Data) -> Scale:
        """How the data set of a setting becomes what networks see; of the last one asked for."""
        if self._scale is None or self._scale[0] != config:
            self._scale = config, Scale.of(self.dataset(config), config)
        return self._scale[1]

    def compiled(self, group: Group) -> GroupProgram:
        """The program of a group."""
        key = group.program
        if key not in self._programs:
            program = self._program(group.static)
            self._programs[key] = GroupProgram(program, group.batching, group.size)
        return self._programs[key]

    def plain_convolutions(self, setting: settings.Setting) -> bool:
        """Whether the network of a setting has convolutions that are not those of `nn.conv`."""
        # Nothing of a network depends on how it is trained.
        static, hyper = trace.split(dataclasses.replace(setting, train=settings.Train()))
        if static not in self._plain:
            dataset = self.dataset(setting.data)
            network = Applied(static, len(dataset.training), len(dataset.classes))
            shape = dataset.training.images.shape[1:]
            self._plain[static] = network.plain_convolutions(hyper, shape) > 0
        return self._plain[static]

    def kept_bytes(self, setting: settings.Setting) -> int:
        """What the parameters of a run take that are to be kept; 0 if they are not."""
        if not setting.train.keep_parameters:
            return 0
        static, hyper = trace.split(dataclasses.replace(setting, train=settings.Train()))
        if static not in self._kept:
            dataset = self.dataset(setting.data)
            network = Applied(static, len(dataset.training), len(dataset.classes))
            variables = network.shapes(hyper, dataset.training.images.shape[1:])
            leaves = jax.tree.leaves(variables)
            self._kept[static] = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
        return self._kept[static]

    def left_to_xla(self) -> set[str]:
        """Which convolutions are slow because they could not be taken over, and why."""
        return set().union(*(program.left for program in self._programs.values()))

    def keep_only(self, groups: Iterable[Group]) -> None:
        """Drops the programs that none of the groups needs."""
        needed = {group.program for group in groups}
        self._programs = {key: self._programs[key] for key in self._programs.keys() & needed}

    def probe(self, group: Group) -> memory.Probe:
        """Measures the program of a group."""
        return memory.probe(group, self.compiled(group), self.data(group.static.data))

    def with_finish(self, group: Group, cost: memory.Probe) -> memory.Probe:
        """What `probe` measured, with the memory that the end of a run takes."""
        data = self.data(group.static.data)
        return memory.with_finish(cost, group, self.compiled(group), data)

    def work(self, group: Group, share: float = 1.0) -> float:
        """Images to be trained in the whole group, evaluation included; `share` of its epochs."""
        return self.work_of_run(group.static, share) * len(group.runs)

    def work_of_run(self, static: settings.Setting, share: float = 1.0) -> float:
        """Images to be trained in a run of a program, evaluation included; see `training_work`."""
        return training_work(self._program(static), self.dataset(static.data), share)

    def steps_of_run(self, static: settings.Setting) -> int:
        """Steps of a run of a program."""
        return self._program(static).steps

    def evaluation_of_run(self, static: settings.Setting) -> float:
        """What of that is one epoch's evaluation."""
        return evaluation_work(self._program(static), self.dataset(static.data))

    def _program(self, static: settings.Setting) -> Program:
        dataset = self.dataset(static.data)
        return Program(static, len(dataset.training), len(dataset.classes))


def _put(array: Any) -> Any:
    """An array on the device (on each of several); None as it is."""
    return None if array is None else jax.device_put(array, devices.copied())


def _to_device(dataset: data_lib.Dataset, scale: Scale, config: settings.Data) -> DeviceData:
    on_device = lambda split: DeviceSplit(
        _put(scale.prepared(split.images)), _put(scale.targets(split.labels))
    )
    return DeviceData(
        training=on_device(dataset.training),
        validation=on_device(dataset.validation),
        test=on_device(dataset.test),
        probes={name: on_device(probe) for name, probe in dataset.probes.items()},
        grid=_put(dataset.grid),
        folds=_put(folds_of(strata_of(dataset.training.labels), config.folds, config.split))
        if config.folds
        else None,
        **{name: _put(array) for name, array in scale.on_device().items()},
    )
