"""Runs carried out by calling the function of a study, one run after the other."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxtweaks import data as data_lib
from jaxtweaks.base.errors import Unfinished
from jaxtweaks.base.words import count
from jaxtweaks.config import settings as settings_lib
from jaxtweaks.config.settings import Setting
from jaxtweaks.data import Dataset
from jaxtweaks.run.group import Interrupted
from jaxtweaks.run.plan import ALONE, Group, Processes, Run
from jaxtweaks.run.progress import Reporter
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.runner import unfinished
from jaxtweaks.run.signals import stop_on_signal
from jaxtweaks.run.workdir import Workdir
from jaxtweaks.run.workers import Workers, carry_out, failed_words
from jaxtweaks.studies.study import Measured, Study, measured


class Calls:
    """See `run.method.Method`. Each run is a group of its own, so a finished one is kept."""

    def __init__(self, study: Study, data: settings_lib.Data, notify: Callable[[str], None]):
        """`data`: for a study that reads a data set; `notify`: reports what happens meanwhile."""
        self._study = study
        self.failed: dict[str, str] = {}
        self.measured: list[dict[str, float]] = []
        self.seconds: float | None = None
        self.dataset = (
            data_lib.nothing(study.generated) if study.generated else data_lib.load(data, notify)
        )

    def check(self, settings: Sequence[Setting]) -> None:
        """See `Method`."""
        for setting in settings:
            self._study.check_data(setting, self.dataset)

    def plan(
        self, missing: Sequence[Run], runs: Sequence[Run], processes: Processes = ALONE
    ) -> tuple[list[Group], str]:
        """See `Method`; what a function costs is not known before it is called."""
        return [Group((run,), 1, 'call', frozenset()) for run in missing], ''

    def guess(
        self, missing: Sequence[Run], runs: Sequence[Run], processes: Processes = ALONE
    ) -> tuple[list[Group], str]:
        """See `Method`."""
        return self.plan(missing, runs, processes)

    def count(self, groups: Sequence[Group], runs: Sequence[Run]) -> str:
        """See `Method`."""
        return count(len(runs), 'run')

    def carry_out(
        self,
        groups: Sequence[Group],
        workdir: Workdir,
        reporter: Reporter,
        workers: Workers | None = None,
    ) -> list[Group]:
        """See `Method`. A signal is obeyed when the run under way is finished."""
        waiting = unfinished(groups, workdir, reporter.note)
        places = {one.id: f'run {i}/{len(groups)}' for i, one in enumerate(groups, 1)}
        failed: dict[str, str] = {}
        with stop_on_signal() as asked_to_stop:
            reporter.begin(len(groups), len(groups) - len(waiting))
            try:
                if workers is not None:
                    work = dict.fromkeys(places, 1.0)
                    failed = carry_out(
                        waiting, work, workers, workdir, asked_to_stop, reporter, places
                    ).failed
                for group in waiting if workers is None else ():
                    reporter.group(places[group.id], [group.runs[0].point])
                    self.carry_out_one(group, workdir, reporter, asked_to_stop, None)
                    if came := asked_to_stop():
                        raise Interrupted(came)
            finally:
                reporter.end()
        if failed:
            raise Unfinished(failed_words(failed, len(groups)))
        return list(groups)

    def carry_out_one(
        self,
        group: Group,
        workdir: Workdir,
        reporter: Reporter,
        asked_to_stop: Callable[[], int],
        until: int | None,
    ) -> bool:
        """See `Method`."""
        (run,) = group.runs
        workdir.save_result(group, _result(self._study, run, self.dataset))
        reporter.finished(1)
        return True

    def measure_again(self, group: Group, reporter: Reporter) -> GroupResult:
        """See `Method`."""
        (run,) = group.runs
        return _result(self._study, run, self.dataset)


def _result(study: Study, run: Run, dataset: Dataset) -> GroupResult:
    """Of a group of this one run."""
    started = time.monotonic()
    # A Python integer would be traced as int32, which half of the seeds do not fit in.
    seed: Any = np.uint32(run.seed)
    found = measured(run.setting, seed, dataset)
    _check_metrics(study, found)
    classes = len(dataset.classes)
    return GroupResult(
        runs=(run.id,),
        history={name: np.asarray(curve)[:, None] for name, curve in found.curves.items()},
        finals={name: np.asarray([value], float) for name, value in found.finals.items()},
        chosen_epoch=np.zeros(1, np.int32),
        diverged_at=np.full(1, -1, np.int32),
        seconds=time.monotonic() - started,
        confusion=np.zeros((1, classes, classes), np.int32),
        arrays={name: np.asarray(values)[None] for name, values in found.arrays.items()},
    )


def _check_metrics(study: Study, found: Measured) -> None:
    """A study measures what it says, no more and no less: claims were checked by that."""
    for said, returned in (
        (study.curves, found.curves),
        (study.finals, found.finals),
        (study.arrays, found.arrays),
    ):
        if set(said) != set(returned):
            raise ValueError(f'a study said it measures {sorted(said)}: {sorted(returned)}')
