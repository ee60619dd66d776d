"""What a long sweep shows while it works: a live bar on a terminal, plain lines elsewhere."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from jaxtweaks.base.numbers import fixed, percent
from jaxtweaks.config.expand import Point
from jaxtweaks.run.result import GroupResult


@dataclasses.dataclass(frozen=True)
class Now:
    """How the group under way stands.

    Attributes:
      epoch, epochs: the epoch under way, from 1, and the last one.
      loss, accuracy: mean of the epoch so far over the runs that have not diverged, as trained.
      best: the best validation accuracy of a run after an epoch so far; NaN before the first ends.
      runs, diverged, stopped: how many runs there are, have diverged, have been stopped early.
      settings: of the runs, each by the fields that are swept.
      so_far: makes the results as far as they are; only while the reporter is told.
    """

    epoch: int
    epochs: int
    loss: float
    accuracy: float
    best: float
    runs: int
    diverged: int
    stopped: int
    settings: tuple[Point, ...] = ()
    so_far: Callable[[], GroupResult] | None = None


class Reporter(Protocol):
    """Told by the runner what happens."""

    def begin(self, total: float, done: float) -> None:
        """Work of the whole sweep, in image passes, and what an earlier launch did of it."""

    def group(self, text: str) -> None:
        """A group starts."""

    def regrouped(self) -> None:
        """The runs under way are put together in other groups, which start again."""

    def resumed(self, work: float) -> None:
        """An earlier launch did so much of the group."""

    def advance(self, work: float, now: Now) -> None:
        """Some work is done, and so the group stands."""

    def finished(self, work: float) -> None:
        """Some work is done of which there is nothing else to say."""

    def note(self, text: str) -> None:
        """Something the user should know."""

    def end(self) -> None:
        """The sweep is over or interrupted."""


def notice(console: Console, text: str) -> None:
    """Prints what the user should know, wrapped on a terminal and one line long in a log."""
    console.print(Text(text, style='yellow'), soft_wrap=not console.is_terminal)


class Silent:
    """Shows nothing but notes."""

    def __init__(self, console: Console):
        self._console = console

    def begin(self, total, done):
        """See `Reporter`."""

    def group(self, text):
        """See `Reporter`."""

    def regrouped(self):
        """See `Reporter`."""

    def resumed(self, work):
        """See `Reporter`."""

    def advance(self, work, now):
        """See `Reporter`."""

    def finished(self, work):
        """See `Reporter`."""

    def note(self, text):
        """See `Reporter`."""
        notice(self._console, text)

    def end(self):
        """See `Reporter`."""


class Lines(Silent):
    """One line at most every `interval` seconds, for logs and pipes."""

    def __init__(self, console: Console, interval: float = 15.0):
        super().__init__(console)
        self._interval = interval
        self._clock = Clock()
        self._sweep = _Sweep()
        self._printed = time.monotonic()
        self._group = ''

    def begin(self, total, done):
        """See `Reporter`."""
        self._clock.begin(total, done)

    def group(self, text):
        """See `Reporter`."""
        self._group = text
        self._sweep.group()

    def regrouped(self):
        """See `Reporter`."""
        self._sweep.regrouped()

    def resumed(self, work):
        """See `Reporter`."""
        self._clock.resumed(work)

    def advance(self, work, now):
        """See `Reporter`."""
        self._clock.advance(work)
        self._print(f'{self._sweep.words(now)}  ')

    def finished(self, work):
        """See `Reporter`."""
        self._clock.advance(work)
        self._print('')

    def _print(self, now: str) -> None:
        if time.monotonic() - self._printed >= self._interval:
            self._printed = time.monotonic()
            self._console.print(
                f'{self._clock.share():4.0%}  {self._group}  {now}{self._clock.left()}',
                highlight=False,
                soft_wrap=True,
            )


class Live(Silent):
    """A progress bar with the time left, and below it how the group under way stands."""

    def __init__(self, console: Console):
        super().__init__(console)
        self._clock = Clock()
        self._sweep = _Sweep()
        self._bar = _Bar(
            TextColumn('{task.description}'),
            BarColumn(bar_width=24),
            TextColumn('{task.percentage:>3.0f}%'),
            TimeElapsedColumn(),
            TextColumn('{task.fields[left]}'),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task('', total=1, left='')

    def begin(self, total, done):
        """See `Reporter`."""
        self._clock.begin(total, done)
        self._bar.start()

    def group(self, text):
        """See `Reporter`."""
        self._sweep.group()
        self._bar.below = 'compiling …'
        self._bar.update(self._task, description=text)

    def regrouped(self):
        """See `Reporter`."""
        self._sweep.regrouped()

    def resumed(self, work):
        """See `Reporter`."""
        self._clock.resumed(work)

    def advance(self, work, now):
        """See `Reporter`."""
        self._clock.advance(work)
        self._show(self._sweep.words(now))

    def finished(self, work):
        """See `Reporter`."""
        self._clock.advance(work)
        self._show('')

    def _show(self, now: str) -> None:
        self._bar.below = now
        self._bar.update(self._task, completed=self._clock.share(), left=self._clock.left())

    def end(self):
        """See `Reporter`."""
        self._bar.stop()


def for_console(console: Console, quiet: bool) -> Reporter:
    """The reporter that suits where the output goes."""
    if quiet:
        return Silent(console)
    return Live(console) if console.is_terminal else Lines(console)


class _Bar(Progress):
    """A progress bar with a line of text below it."""

    below = ''

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is shown, from top to bottom; rich asks for it."""
        yield from super().get_renderables()
        if self.below:
            yield Text(self.below, style='cyan', no_wrap=True, overflow='ellipsis')


class _Sweep:
    """The best of all groups so far, and how many runs of them diverged or were stopped."""

    def __init__(self):
        self._best = math.nan
        self._before: tuple[int, int] = (0, 0)
        self._now: tuple[int, int] = (0, 0)

    def group(self) -> None:
        """The next group starts."""
        (diverged, stopped), now = self._before, self._now
        self._before = diverged + now[0], stopped + now[1]
        self._now = (0, 0)

    def regrouped(self) -> None:
        """The runs are counted again."""
        self._before = self._now = (0, 0)

    def words(self, now: Now) -> str:
        """How the group under way stands, and what there is to say of the sweep."""
        self._best = max((self._best, now.best), key=lambda x: -math.inf if math.isnan(x) else x)
        self._now = now.diverged, now.stopped
        parts = [f'epoch {now.epoch}/{now.epochs}']
        if now.diverged < now.runs:
            parts += [f'loss {fixed(now.loss, 3)}', f'accuracy {percent(now.accuracy, 1)}%']
        if math.isfinite(self._best):
            parts.append(f'best validation {percent(self._best, 1)}%')
        counts = [before + here for before, here in zip(self._before, self._now, strict=True)]
        names = 'diverged', 'stopped early'
        parts += [f'{n} {name}' for n, name in zip(counts, names, strict=True) if n]
        return '  '.join(parts)


class Clock:
    """How much is done, and at the speed so far how long the rest takes.

    Of the first heartbeat most of the time goes into loading and compiling: it tells nothing of
    the speed, which is counted from there.
    """

    def begin(self, total: float, done: float) -> None:
        self._total, self._done = max(total, 1), done
        self._since: tuple[float, float] | None = None

    def advance(self, work: float) -> None:
        self._done += work
        if self._since is None:
            self._since = time.monotonic(), self._done

    def resumed(self, work: float) -> None:
        self._done += work
        if self._since is not None:
            self._since = self._since[0], self._since[1] + work

    def share(self) -> float:
        return min(self._done / self._total, 1.0)

    def seconds_left(self) -> float | None:
        if self._since is None or self._done <= self._since[1]:
            return None
        started, before = self._since
        seconds = (time.monotonic() - started) / (self._done - before) * (self._total - self._done)
        return max(seconds, 0)

    def left(self) -> str:
        seconds = self.seconds_left()
        return '' if seconds is None else f'{duration(seconds)} left'


def duration(seconds: float) -> str:
    """A time in words: '45 s', '3 min', '2.5 h'."""
    if seconds < 90:
        return f'{seconds:.0f} s'
    return f'{seconds / 60:.0f} min' if seconds < 5400 else f'{seconds / 3600:.1f} h'
