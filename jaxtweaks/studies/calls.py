"""Runs carried out by calling the function of a study, as many at once as it allows."""

import concurrent.futures
import contextvars
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxtweaks import data as data_lib
from jaxtweaks.base import limits
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
        """See `Method`. A signal is obeyed when the runs under way are finished."""
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
                elif self._threads == 1:
                    for group in waiting:
                        reporter.group(places[group.id], [group.runs[0].point])
                        self.carry_out_one(group, workdir, reporter, asked_to_stop, None)
                        if came := asked_to_stop():
                            raise Interrupted(came)
                else:
                    self._in_threads(waiting, places, workdir, reporter, asked_to_stop)
            finally:
                reporter.end()
        if failed:
            raise Unfinished(failed_words(failed, len(groups)))
        return list(groups)

    @property
    def _threads(self) -> int:
        """In how many threads the function is called at once."""
        return limits.cores() if self._study.threads and jax.default_backend() == 'cpu' else 1

    def _in_threads(
        self,
        waiting: Sequence[Group],
        places: Mapping[str, str],
        workdir: Workdir,
        reporter: Reporter,
        asked_to_stop: Callable[[], int],
    ) -> None:
        """Calls the function for several groups at once.

        After an error, and after a signal, what is under way is finished and saved first.
        """
        to_do, under_way = iter(waiting), {}
        error: BaseException | None = None
        with concurrent.futures.ThreadPoolExecutor(self._threads) as pool:
            while True:
                stop = bool(asked_to_stop() or error)
                for group in itertools.islice(to_do, 0 if stop else self._threads - len(under_way)):
                    reporter.group(places[group.id], [group.runs[0].point])
                    given = self._study, group.runs[0], self.dataset, self._threads
                    within = contextvars.copy_context().run
                    under_way[pool.submit(within, _result, *given)] = group
                if not under_way:
                    break
                done, _ = concurrent.futures.wait(
                    under_way, return_when=concurrent.futures.FIRST_COMPLETED
                )
                for call in done:
                    group = under_way.pop(call)
                    if raised := call.exception():
                        error = error or raised
                        continue
                    workdir.save_result(group, call.result())
                    reporter.finished(1)
        if error:
            raise error
        if came := asked_to_stop():
            raise Interrupted(came)

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


def _result(study: Study, run: Run, dataset: Dataset, at_once: int = 1) -> GroupResult:
    """Of a group of this one run, which has a part of the time if several are called at once."""
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
        seconds=(time.monotonic() - started) / at_once,
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
