"""The report while it is in the making: a page in the work folder that reloads itself."""

import dataclasses
import time
from collections.abc import Callable

from jaxtweaks.base.words import together
from jaxtweaks.config.expand import Point
from jaxtweaks.lab import answers, partial
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.report import report
from jaxtweaks.report.contents import Contents
from jaxtweaks.run.manifest import Launch
from jaxtweaks.run.method import Method
from jaxtweaks.run.progress import Clock, Now, Reporter
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.workdir import Workdir

SECONDS = 10.0  # between two pages, at least
_NAMED = 4  # settings under way that are named
_SHARE = 0.02  # of the time that pages may take; one that takes longer comes less often


class LivePage:
    """A reporter that keeps the page up to date, and passes everything on to another.

    Nothing here is needed for the results: a page that cannot be written is passed over, which is
    noted once.
    """

    def __init__(
        self,
        inner: Reporter,
        experiment: Experiment,
        workdir: Workdir,
        method: Method,
        record: Launch,
        now: Callable[[], float] = time.monotonic,
    ):
        """
        Args:
          inner: is told everything too.
          experiment: what is asked.
          workdir: gets the page; results appear there.
          method: how they come about, with the data.
          record: of this launch.
          now: a clock, in seconds.
        """
        self._inner, self._experiment = inner, experiment
        self._workdir, self._method, self._record = workdir, method, record
        self._now, self._clock, self._group = now, Clock(), ''
        self._finished: dict[str, GroupResult] = {}
        self._under_way: dict[str, GroupResult] = {}
        self._settings: tuple[Point, ...] = ()
        self._written, self._took, self._failed = -float('inf'), 0.0, False
        self.spent = 0.0  # seconds, on all pages

    def begin(self, total: float, done: float) -> None:
        """See `Reporter`."""
        self._clock.begin(total, done)
        self._inner.begin(total, done)
        self._write()

    def group(self, text: str) -> None:
        """See `Reporter`."""
        self._group = text
        self._inner.group(text)

    def regrouped(self) -> None:
        """See `Reporter`."""
        self._inner.regrouped()

    def resumed(self, work: float) -> None:
        """See `Reporter`."""
        self._clock.resumed(work)
        self._inner.resumed(work)

    def advance(self, work: float, now: Now) -> None:
        """See `Reporter`."""
        self._clock.advance(work)
        self._inner.advance(work, now)
        self._settings = now.settings
        if self._is_due():
            self._write(now)

    def finished(self, work: float) -> None:
        """See `Reporter`."""
        self._clock.advance(work)
        self._inner.finished(work)
        if self._is_due():
            self._write()

    def note(self, text: str) -> None:
        """See `Reporter`."""
        self._inner.note(text)

    def end(self) -> None:
        """See `Reporter`. The page says that it stands still; the report takes its place."""
        self._inner.end()
        self._write(stopped=True)

    def _is_due(self) -> bool:
        wait = max(SECONDS, self._took / _SHARE)
        return not self._failed and self._now() - self._written >= wait

    def _write(self, now: Now | None = None, *, stopped: bool = False) -> None:
        started = self._now()
        try:
            if now is not None and now.so_far is not None:
                so_far = now.so_far()
                self._under_way[so_far.runs[0]] = so_far
            self._load()
            report.write_live(
                self._workdir.path / 'report.html', self._contents(), self._live(stopped)
            )
        except Exception as error:  # whatever it is, the training is worth more than the page
            if not self._failed:
                reason = f'{type(error).__name__}: {error}'
                self._inner.note(f'the report is not written while it trains ({reason})')
            self._failed = True
        self._written = self._now()
        self._took = self._written - started
        self.spent += self._took

    def _load(self) -> None:
        """Reads the results that have come since; what is large in them is of no use here."""
        for group in self._workdir.with_results() - self._finished.keys():
            if result := self._workdir.load_result_of(group, lambda text: None):
                self._finished[group] = dataclasses.replace(result, arrays={}, confusion=None)

    def _contents(self) -> Contents:
        experiment = self._experiment
        done = list(self._finished.values())
        results = answers.measure(
            experiment, [*self._under_way.values(), *done], self._method.dataset
        )
        self._results = results
        finished = partial.finished(results, done)
        found, waiting = partial.verdicts(experiment, results, finished)
        self._waiting = [claim.sentence for claim in waiting]
        meta = {
            'title': experiment.name,
            'question': experiment.question,
            'document': experiment.document,
            'size': experiment.size,
            **self._record.to_json(),
        }
        means = partial.means(results, finished)
        return Contents(results, [one.to_dict() for one in found], [], [means], meta)

    def _in_training(self) -> str:
        """The settings under way, in the config's words."""
        varied = self._results.varied
        words = [
            together({name: point[name] for name in varied if name in point}, self._results.words)
            for point in self._settings
        ]
        more = f'; and {len(words) - _NAMED} more' if len(words) > _NAMED else ''
        return '; '.join(filter(None, words[:_NAMED])) + more

    def _live(self, stopped: bool) -> report.Live:
        return report.Live(
            share=self._clock.share(),
            left=self._clock.left(),
            group=': '.join([part for part in (self._group, self._in_training()) if part]),
            waiting=self._waiting,
            every=max(SECONDS, self._took / _SHARE),
            written=time.time(),
            stopped=stopped,
        )
