"""What a long sweep shows while it works: a live bar on a terminal, plain lines elsewhere."""

import dataclasses
import html
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from jaxtweaks.base import metrics
from jaxtweaks.base.numbers import fixed, number, percent
from jaxtweaks.config.expand import Point
from jaxtweaks.run.result import GroupResult


@dataclasses.dataclass(frozen=True)
class Now:
    """How the group under way stands.

    Attributes:
      epoch, epochs: the epoch under way, from 1, and the last one.
      loss, accuracy: mean of the epoch so far over the runs that have not diverged, as trained; NaN
        where there is no accuracy.
      best: the best of a run after an epoch so far, on validation; NaN before the first ends.
      runs, diverged, stopped: how many runs there are, have diverged, have been stopped early.
      measure: what `best` is the best of.
      masks: of a training that has ended, how many dropout masks predictions are averaged over so
        far, and over how many they will be; () before.
      so_far: makes the results as far as they are; only while the reporter is called.
    """

    epoch: int
    epochs: int
    loss: float
    accuracy: float
    best: float
    runs: int
    diverged: int
    stopped: int
    measure: str = 'accuracy'
    masks: tuple[int, ...] = ()
    so_far: Callable[[], GroupResult] | None = None


def notice(console: Console, text: str) -> None:
    """Prints what the user should know, wrapped on a terminal and one line long in a log."""
    console.print(Text(text, style='yellow'), soft_wrap=not console.is_terminal)


class Shown(Protocol):
    """A table, as views may show it."""

    def to_rich(self, width: int = 0) -> RenderableType:
        """For a terminal of so many characters in a line."""
        ...

    def to_html(self) -> str:
        """For a notebook."""
        ...


class View:
    """Where a reporter shows how a sweep stands; this one shows nothing."""

    def start(self) -> None:
        """The sweep begins."""

    def group(self, text: str, settings: str) -> None:
        """A group starts, with runs of these settings, in words."""

    def look(self, text: str) -> None:
        """Which look at the claims is trained for, where seeds are added until they are settled."""

    def means(self, table: Shown) -> None:
        """The means so far of each setting, from time to time."""

    def show(self, share: float, now: str, left: str) -> None:
        """The share of the work that is done, how the group stands, and the time left, in words."""

    def stop(self) -> None:
        """The sweep is over or interrupted."""


class Reporter:
    """Called by the runner with what happens; notes are reported at once, the rest is in a view."""

    def __init__(self, console: Console, view: View | None = None):
        """`view`: None to show nothing but notes."""
        self._console = console
        self._view = view or View()
        self._clock = Clock()
        self._sweep = _Sweep()

    def begin(self, total: float, done: float) -> None:
        """Work of the whole sweep, in image passes, and what an earlier launch did of it."""
        self._clock.begin(total, done)
        self._view.start()

    def group(self, text: str, settings: Sequence[Point] = (), where: str = '') -> None:
        """A group starts, or is spoken of again: several under way are reported in turn.

        Args:
          text: which, in words.
          settings: the swept fields of the settings of its runs.
          where: what else is under way, and where, in words.
        """
        self._sweep.group(text)
        self._view.group(f'{text} ({where})' if where else text, self.named(settings))

    def named(self, settings: Sequence[Point]) -> str:
        """Settings in words; '' if they are not named."""
        return ''

    def regrouped(self) -> None:
        """The runs under way are put together in other groups, which start again."""
        self._sweep.regrouped()

    def resumed(self, work: float) -> None:
        """An earlier launch did so much of the group."""
        self._clock.resumed(work)

    def dropped(self, work: float) -> None:
        """Some work need not be done: runs have stopped early, or leave."""
        self._clock.dropped(work)

    def advance(self, work: float, now: Now) -> None:
        """Some work is done, and so the group stands."""
        self._advance(work, self._sweep.words(now))

    def finished(self, work: float) -> None:
        """Some work is done of which there is nothing else to say."""
        self._advance(work, '')

    def _advance(self, work: float, now: str) -> None:
        self._clock.advance(work)
        self._view.show(self._clock.share(), now, self._clock.left())

    def note(self, text: str) -> None:
        """Something the user should know."""
        notice(self._console, text)

    def end(self) -> None:
        """The sweep is over or interrupted."""
        self._view.stop()


class Lines(View):
    """One line at most every `interval` seconds, for logs and pipes."""

    def __init__(self, console: Console, interval: float = 15.0):
        self._console = console
        self._interval = interval
        self._printed = time.monotonic()
        self._group = ''

    def group(self, text: str, settings: str) -> None:
        """The name of the group stands in every line."""
        self._group = f'{text}: {settings}' if settings else text

    def look(self, text: str) -> None:
        """A line of its own."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, share: float, now: str, left: str) -> None:
        """Prints, if it is time to."""
        if time.monotonic() - self._printed >= self._interval:
            self._printed = time.monotonic()
            words = f'{now}  ' if now else ''
            self._console.print(
                f'{share:4.0%}  {self._group}  {words}{left}',
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


class Live(View):
    """A progress bar with the time left, and below it how the group under way stands."""

    def __init__(self, console: Console):
        self._bar = _Bar(
            TextColumn('{task.description}', markup=False),
            BarColumn(bar_width=24),
            TextColumn('{task.percentage:>3.0f}%'),
            TimeElapsedColumn(),
            TextColumn('{task.fields[left]}', markup=False),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task('', total=1, left='')
        self._console, self._settings = console, ''

    def start(self) -> None:
        """The bar appears."""
        self._bar.start()

    def group(self, text: str, settings: str) -> None:
        """Its name stands before the bar, the settings of its runs below."""
        self._settings = settings
        self._bar.below = self._below('compiling …')
        self._bar.update(self._task, description=text)

    def show(self, share: float, now: str, left: str) -> None:
        """Moves the bar."""
        self._bar.below = self._below(now)
        self._bar.update(self._task, completed=share, left=left)

    def look(self, text: str) -> None:
        """A line below the bar."""
        self._bar.look = text

    def means(self, table: Shown) -> None:
        """A table below the bar."""
        self._bar.table = table.to_rich(self._console.width)

    def _below(self, now: str) -> str:
        return f'{self._settings}: {now}' if self._settings and now else self._settings or now

    def stop(self) -> None:
        """The bar disappears."""
        self._bar.stop()


def for_console(console: Console, quiet: bool) -> Reporter:
    """The reporter that suits where the output goes."""
    return Reporter(console, view_for(console, quiet))


def view_for(console: Console, quiet: bool) -> View:
    """The view that suits where the output goes."""
    if quiet:
        return View()
    if console.is_jupyter:
        return InPlace()
    return Live(console) if console.is_terminal else Lines(console)


class InPlace(View):
    """A bar in the output of a notebook's cell, with the means so far below it."""

    def __init__(self, interval: float = 0.5):
        """`interval`: seconds between two updates, at least."""
        self._interval = interval
        self._handle: Any = None
        self._shown, self._group, self._table, self._look = -math.inf, '', '', ''

    def start(self) -> None:
        """There is one display, which is updated."""
        self._put('<p>starting …</p>')

    def group(self, text: str, settings: str) -> None:
        """Its name stands above the bar."""
        self._group = f'{text}: {settings}' if settings else text

    def look(self, text: str) -> None:
        """A line above the bar."""
        self._look = text

    def means(self, table: Shown) -> None:
        """A table below the bar."""
        self._table = table.to_html()

    def show(self, share: float, now: str, left: str) -> None:
        """Moves the bar, if it is time to."""
        if time.monotonic() - self._shown >= self._interval:
            self._shown = time.monotonic()
            words = '  ·  '.join(filter(None, (f'{math.floor(100 * share)}%', left, now)))
            bar = f'<progress max="1" value="{share:.4f}" style="width:100%"></progress>'
            above = '<br>'.join(html.escape(one) for one in (self._look, self._group) if one)
            lines = f'{above}<br>{bar}<br>{html.escape(words)}'
            self._put(f'<div style="max-width:60em">{lines}{self._table}</div>')

    def stop(self) -> None:
        """Nothing is left of it: the answer comes instead."""
        self._put('')

    def _put(self, content: str) -> None:
        from IPython.display import HTML, display  # where there is a notebook, this is there

        if self._handle is None:
            self._handle = display(HTML(content), display_id=True)
        else:
            self._handle.update(HTML(content))


class _Bar(Progress):
    """A progress bar with lines of text below it."""

    below = ''
    look = ''
    table: RenderableType | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is shown, from top to bottom; rich asks for it."""
        yield from super().get_renderables()
        if self.below:
            yield Text(self.below, style='cyan', no_wrap=True, overflow='ellipsis')
        if self.look:
            yield Text(self.look, no_wrap=True, overflow='ellipsis')
        if self.table is not None:
            yield self.table


class _Sweep:
    """The best of all groups so far, and how many runs of them diverged or were stopped."""

    def __init__(self):
        self._best = math.nan
        self._group = ''
        self._counts: dict[str, tuple[int, int]] = {}  # of each group

    def group(self, name: str) -> None:
        """A group is spoken of from now on."""
        self._group = name

    def regrouped(self) -> None:
        """The runs are counted again."""
        self._counts = {}

    def words(self, now: Now) -> str:
        """How the group under way stands, and what there is to say of the sweep."""
        sign = metrics.measure(now.measure).sign
        score = lambda x: -math.inf if math.isnan(x) else sign * x
        self._best = max((self._best, now.best), key=score)
        self._counts[self._group] = now.diverged, now.stopped
        parts = [f'epoch {now.epoch}/{now.epochs}']
        if now.masks:
            parts.append(f'dropout mask {"/".join(map(str, now.masks))}')
        if now.diverged < now.runs:
            parts.append(f'loss {fixed(now.loss, 3)}')
            if math.isfinite(now.accuracy):
                parts.append(f'accuracy {percent(now.accuracy, 1)}%')
        if math.isfinite(self._best):
            parts.append(f'best validation {_best_words(now.measure, self._best)}')
        counts = map(sum, zip(*self._counts.values(), strict=True))
        names = 'diverged', 'stopped early'
        parts += [f'{n} {name}' for n, name in zip(counts, names, strict=True) if n]
        return '  '.join(parts)


def _best_words(measure: str, value: float) -> str:
    one = metrics.measure(measure)
    if measure == metrics.ACCURACY.name:
        return f'{percent(value, 1)}%'
    return f'{one.label} {f"{percent(value, 1)}%" if one.is_share else number(value, 4)}'


class Clock:
    """How much is done, and at the speed so far how long the rest takes.

    Of the first heartbeat most of the time goes into loading and compiling: it says nothing of
    the speed, which is counted from there.
    """

    def __init__(self):
        self.begin(1, 0)

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

    def dropped(self, work: float) -> None:
        self._total = max(self._total - work, 1)

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
