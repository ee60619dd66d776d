"""The report while it is in the making: a page in the work folder that reloads itself."""

import dataclasses
import time
from collections.abc import Callable, Sequence

import numpy as np
from rich.console import Console

from jaxtweaks.base.errors import OF_DISK
from jaxtweaks.base.words import together
from jaxtweaks.claims.claim import Claim, Verdict
from jaxtweaks.config.expand import Point
from jaxtweaks.lab import answers, partial, settle
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.report import report
from jaxtweaks.report.contents import Contents
from jaxtweaks.results.results import Results, without_runs
from jaxtweaks.run.manifest import Launch, LookRecord
from jaxtweaks.run.method import Method
from jaxtweaks.run.progress import Now, Reporter, View
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.workdir import Workdir

SECONDS = 10.0  # between two pages, at least
_SHARE = 0.02  # of the time that pages may take; one that takes longer comes less often
_NAMED = 4  # settings under way that are named
_LISTED = 12  # settings whose means so far a view is shown


class LivePage(Reporter):
    """A reporter that also keeps the page up to date.

    Nothing here is needed for the results: a page that cannot be written is passed over, which is
    noted once.
    """

    def __init__(
        self,
        console: Console,
        view: View,
        experiment: Experiment,
        workdir: Workdir,
        method: Method,
        record: Launch,
        now: Callable[[], float] = time.monotonic,
        looks: Sequence[LookRecord] | None = None,
    ):
        """
        Args:
          console: reports notes.
          view: is shown the rest.
          experiment: what is asked.
          workdir: gets the page; results appear there.
          method: how they come about, with the data.
          record: of this launch.
          now: a clock, in seconds.
          looks: those so far, if seeds are added until the claims are settled; else None.
        """
        super().__init__(console, view)
        self._experiment, self._workdir = experiment, workdir
        self._method, self._record = method, record
        self._now, self._group = now, ''
        self._looks = [] if looks is None else looks
        self._look = None if looks is None else settle.under_way(experiment, looks)
        names = dict(experiment.names)
        self._settings = dataclasses.replace(without_runs(experiment.points), names=names)
        self._finished: dict[str, GroupResult] = {}
        self._under_way: dict[str, GroupResult] = {}
        self._waiting: list[str] = []
        self._written, self._took, self._failed = -float('inf'), 0.0, False
        self.spent = 0.0  # seconds, on all pages

    def begin(self, total: float, done: float) -> None:
        """See `Reporter`."""
        super().begin(total, done)
        if self._look:
            self._view.look(self._look.line)
        self._write()

    def group(self, text: str, settings: Sequence[Point] = (), where: str = '') -> None:
        """See `Reporter`."""
        super().group(text, settings, where)
        shown = f'{text} ({where})' if where else text
        self._group = ': '.join(filter(None, (shown, self.named(settings))))

    def named(self, settings: Sequence[Point]) -> str:
        """See `Reporter`: by the fields that differ, in the config's words."""
        words, varied = self._settings.words, self._settings.varied
        found = [
            together({name: point[name] for name in varied if name in point}, words)
            for point in settings[:_NAMED]
        ]
        more = [f'{len(settings) - _NAMED} more'] if len(settings) > _NAMED else []
        return '; '.join(filter(None, found + more))

    def advance(self, work: float, now: Now) -> None:
        """See `Reporter`."""
        super().advance(work, now)
        if self._is_due():
            self._write(now)

    def finished(self, work: float) -> None:
        """See `Reporter`."""
        super().finished(work)
        if self._is_due():
            self._write()

    def end(self) -> None:
        """See `Reporter`. The page says that it stands still; the report takes its place."""
        super().end()
        self._write(stopped=True)

    def _is_due(self) -> bool:
        wait = max(SECONDS, self._took / _SHARE)
        return not self._failed and self._now() - self._written >= wait

    def _write(self, now: Now | None = None, *, stopped: bool = False) -> None:
        started = self._now()
        try:
            if now is not None and now.so_far is not None:
                so_far = now.so_far()
                # Last: of runs that came into another group, the latest numbers count.
                self._under_way.pop(so_far.runs[0], None)
                self._under_way[so_far.runs[0]] = so_far
            self._load()
            contents = self._contents()
            report.write_live(self._workdir.path / 'report.html', contents, self._live(stopped))
        except Exception as error:  # whatever it is, the training is worth more than the page
            # Of a full disk the training says itself what it could not write.
            full = isinstance(error, OSError) and error.errno in OF_DISK
            if not (self._failed or full):
                reason = f'{type(error).__name__}: {error}'
                self.note(f'the report is not written while it trains ({reason})')
            self._failed = True
        self._written = self._now()
        self._took = self._written - started
        self.spent += self._took

    def _load(self) -> None:
        """Reads the results that have come since; what is large in them is of no use here."""
        for group in self._workdir.with_results() - self._finished.keys():
            if result := self._workdir.load_result_of(group, lambda text: None):
                self._finished[group] = dataclasses.replace(result, arrays={}, confusion=None)
        done = {run for result in self._finished.values() for run in result.runs}
        self._under_way = {
            key: one for key, one in self._under_way.items() if not done.issuperset(one.runs)
        }

    def _contents(self) -> Contents:
        experiment = self._experiment
        done = list(self._finished.values())
        results = answers.measure(
            experiment, [*self._under_way.values(), *done], self._method.dataset
        )
        finished = partial.finished(results, done)
        found, waiting = self._verdicts(results, finished)
        self._waiting = [claim.sentence for claim in waiting]
        meta = answers.about(experiment, [self._record])
        means = partial.means(results, finished)
        self._view.means(means.first(_LISTED, 'report.html'))
        return Contents(results, [one.to_dict() for one in found], [], [means], meta)

    def _verdicts(
        self, results: Results, finished: np.ndarray
    ) -> tuple[list[Verdict], list[Claim]]:
        """Those by the looks so far, or on what is finished; and the claims that have none yet."""
        if settle.goes_by(self._experiment, self._looks) and not self._experiment.derive:
            return settle.verdicts(self._experiment, results, self._looks), []
        return partial.verdicts(self._experiment, results, finished)

    def _live(self, stopped: bool) -> report.Live:
        return report.Live(
            share=self._clock.share(),
            left=self._clock.left(),
            group=self._group,
            waiting=self._waiting,
            every=max(SECONDS, self._took / _SHARE),
            written=time.time(),
            stopped=stopped,
            look=self._look.words if self._look else '',
            going=self._look.going if self._look else (),
        )
