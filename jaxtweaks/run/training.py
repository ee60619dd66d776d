"""Runs carried out by training: groups side by side on this machine."""

import dataclasses
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks import data as data_lib
from jaxtweaks.base import numbers
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import count
from jaxtweaks.config import measured, trace
from jaxtweaks.config import settings as settings_lib
from jaxtweaks.config.check import check_image, check_training_size
from jaxtweaks.config.parts import CLASSES
from jaxtweaks.config.reach import check_reach_on_data
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import tweak
from jaxtweaks.nn.weights import is_convolution
from jaxtweaks.run import compaction, devices, layout, memory, rough, runner
from jaxtweaks.run.compiled import lacks_native
from jaxtweaks.run.group import Execution, train_group
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.plan import ALONE, Group, Processes, Run
from jaxtweaks.run.progress import Reporter, duration
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.search import Rungs, Search
from jaxtweaks.run.workdir import Workdir
from jaxtweaks.run.workers import Workers
from jaxtweaks.train import precision
from jaxtweaks.train.applied import Applied, besides, kept
from jaxtweaks.train.data import DeviceData, DeviceSplit
from jaxtweaks.train.program import Program

_WELL_KNOWN = ('none', 'batch')  # normalisations that go with any network and any batch

# By precision, what it means that there are no native kernels.
_BY_XLA = {
    'float32': 'convolutions go by XLA, at about half the speed',
    'bf16': "bfloat16 goes by XLA, more slowly than train.precision='float32' on a CPU",
}


def _network_of(setting: Setting) -> tuple[Any, ...]:
    """What decides whether a network can be traced."""
    static = trace.split(setting)[0]
    train = static.train
    return (
        static.data,
        static.model,
        static.dropout,
        train.precision,
        train.batch_size,
        static.parts,
    )


def _check_kernels(setting: Setting, params: Any) -> None:
    named = jax.tree_util.tree_leaves_with_path(params)
    some = any(is_convolution(path, leaf, params) for path, leaf in named)
    if setting.model.weight_standardisation and not some:
        raise UserError(
            'model.weight_standardisation: True has no effect because the network has no '
            'convolutions'
        )


# The fields that say what becomes of the same data, and may make the same of them.
_HOW = ('split', 'split_seed', 'standardise', 'standardise_targets')

_DATA_SAID = 0.1  # gibibytes of data from which on a plan says how many


def _shape(leaf: Any) -> tuple[Any, ...]:
    return leaf.shape, leaf.dtype


class Training:
    """See `method.Method`."""

    def __init__(
        self,
        data: settings_lib.Data,
        execution: Execution,
        search: Search,
        notify: Callable[[str], None],
        decode: bool = True,
    ):
        """`data`: what is trained on; `notify`: reports what happens while it is loaded.

        `decode`: see `data.load`; nothing can be trained without it.
        """
        self._machine = Machine(lambda config: data_lib.load(config, notify, decode=decode))
        self._decode = decode
        self._execution = execution
        self._search = search
        self._notify = notify
        self.failed: dict[str, str] = {}
        self.measured: list[dict[str, float]] = []
        self.seconds: float | None = None
        self.dataset = self._machine.dataset(data)

    def check(self, settings: Sequence[Setting]) -> None:
        """See `Method`."""
        for setting in settings:
            dataset = self._machine.dataset(setting.data)
            measured.check_data(setting, dataset.targets, dataset.label)
            images = dataset.training.images
            check_training_size([setting], len(images), self.dataset.label)
            check_image([setting], images.shape[1:3])
            check_reach_on_data([setting], len(images), images.shape[1:3], self.dataset.label)
        if self._decode:
            self._check_data_differ(settings)
        precision.check(settings)
        for setting in {_network_of(setting): setting for setting in settings}.values():
            self._check_network(setting)
        self._check_functions(settings)

    def _check_data_differ(self, settings: Sequence[Setting]) -> None:
        """Whether settings that differ in how data are made have others. Raises UserError."""
        how = lambda setting: {name: getattr(setting.data, name) for name in _HOW}
        if all(how(setting) == how(settings[0]) for setting in settings):
            return
        seen: dict[Any, Setting] = {}
        for setting in settings:
            if setting.data.folds:  # which are chosen in one of these ways too
                continue
            made = self._machine.dataset(setting.data), self._machine.scale(setting.data)
            rest = dataclasses.replace(setting.data, **how(settings[0]))
            arrays = [
                value.tobytes() for value in vars(made[1]).values() if isinstance(value, np.ndarray)
            ]
            key = dataclasses.replace(setting, data=rest), made[0].fingerprint, *arrays
            other = seen.setdefault(key, setting)
            for name in _HOW:
                one, two = (getattr(each.data, name) for each in (other, setting))
                if one != two:
                    raise UserError(
                        f'data.{name}: {one!r} and {two!r} are the same run, for they make the '
                        f'same of {made[0].label}; omit one of them'
                    )

    def _check_network(self, setting: Setting) -> None:
        """Whether a network with parts from outside can be traced. Raises UserError."""
        static, hyper = trace.split(setting)
        if not (static.parts.bound or setting.model.norm not in _WELL_KNOWN):
            return
        dataset = self._machine.dataset(setting.data)
        program = Applied(static, len(dataset.training.images), len(dataset.classes))
        # A whole batch: ghost batch norm divides it.
        shape = (setting.train.batch_size, *dataset.training.images.shape[1:])
        images = jax.ShapeDtypeStruct(shape, np.float32)

        def start(hyper, key, x):
            return dict(program.network(hyper).init(key, x, train=False))

        def step(hyper, key, variables, x):
            others = besides(variables)
            rngs = {'dropout': key} | tweak.keys(setting, key)
            state = {'params': variables['params'], **kept(variables)}
            return program.apply(
                hyper, program.in_use(state), x, train=True, rngs=rngs, mutable=list(others)
            )[1]

        key = jax.random.key(0)
        variables = jax.eval_shape(start, hyper, key, images)
        name = f"network '{setting.model.name}'"
        if 'params' not in variables:
            raise UserError(f'{name}: has no parameters to train')
        _check_kernels(setting, variables['params'])
        after = jax.eval_shape(step, hyper, key, variables, images)
        for collection, before in besides(variables).items():
            if jax.tree.map(_shape, before) != jax.tree.map(_shape, after.get(collection)):
                raise UserError(
                    f"{name}: its collection '{collection}' is another after a step than at first; "
                    'what is kept from step to step must have the same names and shapes (nothing '
                    'can be sown into it)'
                )

    def _check_functions(self, settings: Sequence[Setting]) -> None:
        """Whether a step and what is measured after it, with a user's own parts, can be traced.

        Raises:
          UserError: one of them fails.
        """
        checked = set()
        for setting in settings:
            own = frozenset(part for part, _ in trace.acting(setting) if not part.built_in)
            if own and own not in checked:
                checked.add(own)
                self._trace_step(setting)

    def _trace_step(self, setting: Setting) -> None:
        static, hyper = trace.split(setting)
        dataset = self._machine.dataset(setting.data)
        shape = dataset.training.images.shape[1:]
        program = Program(static, setting.train.batch_size, len(dataset.classes))
        count = setting.train.batch_size
        of_classes = dataset.targets == CLASSES

        def example():
            targets = (
                jnp.zeros(count, jnp.int32)
                if of_classes
                else jnp.zeros((count, program.classes), jnp.float32)
            )
            split = DeviceSplit(jnp.zeros((count, *shape), jnp.float32), targets)
            pixels = jnp.zeros(shape, jnp.float32)
            return DeviceData(split, split, split, pixels, pixels)

        def step(hyper, data, x, y):
            seed = jnp.uint32(0)
            state = program.step(hyper, seed, program.init(hyper, seed, data), x, y)
            return program.evaluate(hyper, state.variables, data, data.validation)

        data = jax.eval_shape(example)
        jax.eval_shape(step, hyper, data, data.training.images, data.training.labels)

    def plan(
        self, missing: Sequence[Run], runs: Sequence[Run], processes: Processes = ALONE
    ) -> tuple[list[Group], str]:
        """See `Method`."""
        off = trace.off_everywhere(run.setting for run in runs)
        groups, costs = layout.make_groups(
            missing, self._execution, self._machine, off, self._notify, processes
        )
        probes = costs.values()
        self.failed = {way: reason for probe in probes for way, reason in probe.failed.items()}
        self.measured = [dict(probe.measured) for probe in probes if probe.measured]
        for way, reason in self.failed.items():
            self._notify(f'batching {way} does not work here and is omitted ({reason})')
        if self._execution.batching == 'auto':
            self._say_what_lacks(groups)
        for reason in sorted(self._machine.left_to_xla()):
            self._notify(f'{reason}: left to XLA, which is slow at them in loops')
        return groups, self._cost(groups, costs, missing, processes)

    def _say_what_lacks(self, groups: Sequence[Group]) -> None:
        """Says why programs do without the native kernels that they could have had."""
        plain = self._machine.plain_convolutions
        programs = {group.static: group.runs[0].setting for group in groups}
        lacking = {
            (static.train.precision, reason)
            for static, one in programs.items()
            if (reason := lacks_native(static, plain(one)))
        }
        for kind, reason in sorted(lacking):
            self._notify(f'{_BY_XLA[kind]}: {reason}')

    def guess(
        self, missing: Sequence[Run], runs: Sequence[Run], processes: Processes = ALONE
    ) -> tuple[list[Group], str]:
        """See `Method`."""
        off = trace.off_everywhere(run.setting for run in runs)
        groups, costs = layout.guess_groups(missing, self._execution, self._machine, off, processes)
        if groups and not costs:
            return groups, self._rough(groups, missing, processes) + self._kept(groups)
        return groups, self._cost(groups, costs, missing, processes)

    def _rough(self, groups: Sequence[Group], missing: Sequence[Run], processes: Processes) -> str:
        """What groups may cost of which nothing is known, in words."""
        found = rough.seconds(groups, self._machine, self._share(missing))
        if found is None:
            return 'time and memory not known here (--dry_run=measure measures them)'
        at_once = processes.at_once(len(groups))
        least, most = (duration(bound / at_once) for bound in found)
        return (
            f'roughly {least} to {most}, guessed from what its networks compute '
            '(--dry_run=measure measures time and memory)'
        )

    def _cost(
        self,
        groups: Sequence[Group],
        costs: layout.Costs,
        missing: Sequence[Run],
        processes: Processes,
    ) -> str:
        """What groups cost, in words; `costs`: of some of their programs."""
        cost = layout.estimate(groups, costs, self._machine, self._share(missing))
        each = f' on each of {devices.count()} devices' if devices.count() > 1 else ''
        seconds = cost.seconds / processes.at_once(len(groups))
        self.seconds = seconds if groups else None
        data = f' ({cost.data:.2g} of it data)' if cost.data >= _DATA_SAID else ''
        gibibytes = f'about {max(cost.gibibytes, 0.01):.2g} GiB{data}{each}'
        words = f'{gibibytes}, about {duration(seconds)}'
        return words + self._kept(groups) if groups else ''

    def _kept(self, groups: Sequence[Group]) -> str:
        """What the networks of the groups take on disk that are to be kept, in words."""
        kept = sum(self._machine.kept_bytes(run.setting) for one in groups for run in one.runs)
        return f', {numbers.of_bytes(kept)} of parameters on disk' if kept else ''

    def _share(self, runs: Sequence[Run]) -> float:
        """The share of their epochs that these runs are trained for, if some are dropped."""
        if not (self._search.rungs and runs):
            return 1.0
        settings = len({tuple(run.point.items()) for run in runs})
        rungs = Rungs(self._search.rungs, self._search.keep)
        return rungs.share(settings, runs[0].setting.train.epochs)

    def count(self, groups: Sequence[Group], runs: Sequence[Run]) -> str:
        """See `Method`."""
        programs = count(len({group.program for group in groups}), 'program')
        return f'{count(len(runs), "run")} in {programs}'

    def carry_out(
        self,
        groups: Sequence[Group],
        workdir: Workdir,
        reporter: Reporter,
        workers: Workers | None = None,
    ) -> list[Group]:
        """See `Method`."""
        stages = Rungs(self._search.rungs, self._search.keep) if self._search.rungs else None
        return runner.run_groups(
            groups,
            workdir,
            self._machine,
            self._execution,
            reporter,
            stages or compaction.Done.among(groups),
            workers,
        )

    def carry_out_one(
        self,
        group: Group,
        workdir: Workdir,
        reporter: Reporter,
        asked_to_stop: Callable[[], int],
        until: int | None,
    ) -> bool:
        """See `Method`."""
        self._machine.keep_only([group])
        return runner.run_group(
            group, workdir, self._machine, self._execution, asked_to_stop, reporter, until
        )

    def measure_again(self, group: Group, reporter: Reporter) -> GroupResult:
        """See `Method`."""
        try:
            return self._trained_again(group, reporter)
        except Exception as error:  # see `memory.is_exhausted`
            if not memory.is_exhausted(error):
                raise
            raise memory.group_too_large(group.size, error) from error

    def _trained_again(self, group: Group, reporter: Reporter) -> GroupResult:
        machine, execution = self._machine, self._execution
        execution = dataclasses.replace(execution, checkpoint_seconds=math.inf)
        data = machine.data(group.static.data)
        reporter.begin(machine.work(group), 0)
        try:
            with tempfile.TemporaryDirectory() as empty:
                checkpoint = Path(empty) / 'none'
                found = train_group(
                    group, machine.compiled(group), data, checkpoint, execution, lambda: 0, reporter
                )
                assert found is not None  # it is never asked to stop
                return found
        finally:
            reporter.end()
