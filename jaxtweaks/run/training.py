"""Runs carried out by training: groups side by side on this machine."""

import dataclasses
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from jaxtweaks import data as data_lib
from jaxtweaks.config import settings as settings_lib
from jaxtweaks.config import trace
from jaxtweaks.config.check import check_image, check_training_size
from jaxtweaks.config.reach import check_reach_on_data
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import models, tweak
from jaxtweaks.run import compaction, devices, layout, runner
from jaxtweaks.run.compiled import lacks_native
from jaxtweaks.run.group import Execution, train_group
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.plan import Group, Run
from jaxtweaks.run.progress import Reporter, duration
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.search import Rungs, Search, share_of_epochs
from jaxtweaks.run.workdir import Workdir
from jaxtweaks.train import precision


class Training:
    """See `method.Method`."""

    def __init__(
        self,
        data: settings_lib.Data,
        execution: Execution,
        search: Search,
        notify: Callable[[str], None],
    ):
        """`data`: what is trained on; `notify`: is told what happens while it is loaded."""
        self._machine = Machine(lambda config: data_lib.load(config, notify))
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
            images = self._machine.dataset(setting.data).training.images
            check_training_size([setting], len(images), self.dataset.label)
            check_image([setting], images.shape[1:3])
            check_reach_on_data([setting], len(images), images.shape[1:3], self.dataset.label)
        precision.check(settings)
        tweaked = next((setting for setting in settings if setting.tweaks), None)
        if tweaked is not None:
            self._check_tweaks(tweaked)

    def _check_tweaks(self, setting: Setting) -> None:
        """Whether the functions of registered tweaks can be traced. Raises UserError."""
        static, hyper = trace.split(setting)
        dataset = self._machine.dataset(setting.data)
        images = jax.ShapeDtypeStruct((2, *dataset.training.images.shape[1:]), np.float32)

        def network(hyper, key, x):
            rngs = {'params': key, 'dropout': key} | tweak.keys(setting.tweaks, key)
            network = models.build(trace.join(static, hyper), len(dataset.classes))
            return network.init(rngs, x, train=True)

        jax.eval_shape(network, hyper, jax.random.key(0), images)

    def plan(
        self, missing: Sequence[Run], runs: Sequence[Run], processes: int = 1
    ) -> tuple[list[Group], str]:
        """See `Method`."""
        off = trace.off_everywhere(run.setting for run in runs)
        groups, probes = layout.make_groups(
            missing, self._execution, self._machine, off, self._notify, processes
        )
        self.failed = {way: reason for probe in probes for way, reason in probe.failed.items()}
        self.measured = [dict(probe.measured) for probe in probes if probe.measured]
        for way, reason in self.failed.items():
            self._notify(f'batching {way} does not work here and is omitted ({reason})')
        lacking = {lacks_native(group.static) for group in groups} - {''}
        if lacking and self._execution.batching == 'auto':
            self._notify(f'convolutions go by XLA, at about half the speed: {", ".join(lacking)}')
        cost = layout.estimate(groups, probes, self._machine)
        each = f' on each of {devices.count()} devices' if devices.count() > 1 else ''
        # As long as the others do their part.
        seconds = self._share(missing) * cost.seconds / min(processes, max(len(groups), 1))
        self.seconds = seconds if groups else None
        words = f'about {max(cost.gibibytes, 0.01):.2g} GiB{each}, about {duration(seconds)}'
        return groups, words if groups else ''

    def _share(self, runs: Sequence[Run]) -> float:
        """The share of their epochs that these runs are trained for, if some are dropped."""
        if not (self._search.rungs and runs):
            return 1.0
        settings = len({tuple(run.point.items()) for run in runs})
        return share_of_epochs(self._search, settings, runs[0].setting.train.epochs)

    def count(self, groups: Sequence[Group], runs: Sequence[Run]) -> str:
        """See `Method`."""
        programs = len({group.program for group in groups})
        words = '1 program' if programs == 1 else f'{programs} programs'
        return f'{words} × {len(runs) / programs:g} runs'

    def carry_out(
        self, groups: Sequence[Group], workdir: Workdir, reporter: Reporter
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
        )

    def measure_again(self, group: Group, reporter: Reporter) -> GroupResult:
        """See `Method`."""
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
