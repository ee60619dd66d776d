"""Figures with a metric on the y axis: by epoch, against another one, against a swept field."""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.base.words import count, value_label
from jaxtweaks.figures import figure_axes, figure_legend, figure_style, register
from jaxtweaks.figures.figure_data import Seeds, arrange, column, ordered, seeds_of
from jaxtweaks.figures.figure_legend import titles
from jaxtweaks.figures.figure_page import ALONE, PANEL, Page
from jaxtweaks.figures.figure_spec import Figure
from jaxtweaks.figures.figure_style import is_number
from jaxtweaks.figures.kind import Finish, Kind, means, to_the_edge
from jaxtweaks.figures.kinds import line_panels
from jaxtweaks.results.intervals import mean_interval
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

_WIDEST = 14.0  # inches, of panels next to each other that are wider than usual


class _Lines(Kind):
    """What curves, paths and effects have in common.

    Attributes:
      mark: of each of the lines of a colour bar.
      interval: what it draws intervals as, in words; '' if it draws none.
      crosses: whether diverged runs are crosses in a row of their own, below the rest.
    """

    mark: ClassVar[str]
    interval: ClassVar[str] = ''
    crosses: ClassVar[bool] = False

    def panel_size(
        self, figure: Figure, cells: dict[tuple[Any, ...], int], usual: tuple[float, float]
    ) -> tuple[float, float, float]:
        """Width and height of a panel, and of the latter that of its axes, in inches."""
        return *usual, figure_axes.axes_height(usual[1])

    @abc.abstractmethod
    def paint(self, panel: line_panels.Panel) -> None:
        """Draws one panel."""

    def draw(self, figure: Figure, results: Results, finish: Finish) -> Sheet:
        """See `Kind`."""
        cells = arrange(results, self.fields(figure), figure.where, figure.name)
        shown = list(cells.values())
        if figure.log_y and not self._any_positive(figure, results, shown):
            figure = dataclasses.replace(figure, log_y=False)  # nothing has a place on such an axis
        panels = ordered([key[0] for key in cells])
        hues = ordered([key[1] for key in cells])
        looks = dict(zip(hues, figure_style.styles(hues), strict=True))
        metrics = figure.metrics
        if figure_legend.is_bar(hues):  # too many for a mark each
            looks = {hue: {**look, 'marker': self.mark} for hue, look in looks.items()}
        many = len(panels) * len(metrics)
        columns = len(metrics) if len(panels) > 1 and len(metrics) > 1 else 0
        size = self.panel_size(figure, cells, ALONE if many == 1 else PANEL)
        if size[0] > ALONE[0]:  # as wide as a page, or nearly so
            columns = max(1, min(many, int(_WIDEST / size[0])))
        page = Page(many, (size[0], size[1]), columns=columns)
        width = size[0]
        headings = titles(figure, figure.panels, panels, width)
        for i, panel in enumerate(panels):
            inside = {key[1:]: k for key, k in cells.items() if key[0] == panel}
            for j, metric in enumerate(metrics):
                axes = page.axes[i * len(metrics) + j]
                figure_axes.set_metric(axes, metric, figure.log_y, size[2])
                inches = width - figure_axes.AROUND
                self.paint(line_panels.Panel(axes, figure, results, metric, inside, looks, inches))
                if figure.panels:
                    axes.set_title(headings[panel], loc='left')
        for j, metric in enumerate(metrics):
            lowest = self._lowest(results, metric, shown)
            figure_axes.set_limits(page.axes[j :: len(metrics)], metric, figure.log_y, lowest)
        crowded = line_panels.is_crowded(len(hues), len({key[2] for key in cells}))
        room = 0.04 + line_panels.cross_row(len(hues)) * len(hues)
        if self.crosses and results.diverged[shown].any() and not crowded:
            for i, axes in enumerate(page.axes):
                figure_axes.make_room(axes, room, metrics[i % len(metrics)], figure.log_y)
        further = line_panels.extra_handles(figure, results, shown, crowded)
        label = functools.partial(line_panels.entry, results, cells)
        return finish(page, figure_legend.key(figure, looks, label, further))

    def is_crowded(self, figure: Figure, results: Results) -> bool:
        """See `Kind`."""
        cells = arrange(results, self.fields(figure), figure.where, figure.name)
        hues, xs = ({key[i] for key in cells} for i in (1, 2))
        return line_panels.is_crowded(len(hues), len(xs))

    def notes(self, figure: Figure, results: Results) -> list[str]:
        """See `Kind`."""
        crowded = self.is_crowded(figure, results)
        edge = self._edge_notes(figure, results, crowded)
        if not crowded:
            return self._notes(results) + edge
        several = len(results.seeds) > 1
        which = 'the means over seeds' if several else 'the one seed'
        return [
            f'Lines or points: {which}, without {"intervals and " * several}single runs, which '
            'would hide one another.',
            *edge,
        ]

    def _edge_notes(self, figure: Figure, results: Results, crowded: bool) -> list[str]:
        """What leaves a logarithmic y axis at its lower edge, and what that means."""
        shown = results.select(figure.where)
        if not figure.log_y or not self._any_positive(figure, results, shown):
            return []
        runs = []
        for metric in figure.metrics:
            values = self._drawn(figure, results, metric)
            runs += [(metric, seeds_of(results, values, k)) for k in shown]
        notes = self._below([seeds for _, seeds in runs], crowded)
        if self.interval and not crowded and any(_reaches_zero(*one) for one in runs):
            notes.append(to_the_edge(self.interval))
        return notes

    def _below(self, runs: Sequence[Seeds], crowded: bool) -> list[str]:
        """What it means that a line falls from a logarithmic y axis, if one does."""
        lines = [mean_interval(seeds.whole, axis=0)[0] for seeds in runs]
        if not crowded:
            lines += [run for seeds in runs for run in self._alone(seeds)]
        lines = [line[np.isfinite(line)] for line in lines]
        lines = [line for line in lines if (line <= 0).any()]
        if not lines:
            return []
        if any((line < 0).any() for line in lines):
            return ['A line that falls to the lower edge is 0 or less there.']
        if all((np.diff((line == 0).astype(int)) >= 0).all() for line in lines):
            return ['A line that ends at the lower edge is 0 from there on.']
        return ['A line that falls to the lower edge is 0 there.']

    def _alone(self, seeds: Seeds) -> Sequence[np.ndarray]:
        """The runs of a setting that have a line of their own, [E] each."""
        return ()

    @abc.abstractmethod
    def _notes(self, results: Results) -> list[str]:
        """`notes`, where it is not crowded."""

    def _any_positive(self, figure: Figure, results: Results, settings: Sequence[int]) -> bool:
        """Whether each metric of the figure has a value above 0."""
        return all(
            (self._measured(results, metric)[settings] > 0).any() for metric in figure.metrics
        )

    def _lowest(self, results: Results, metric: str, settings: Sequence[int]) -> float:
        """The lowest value of the metric in the figure; ∞ if there is none."""
        values = self._measured(results, metric)[settings]
        return float(values[np.isfinite(values)].min(initial=np.inf))

    def _measured(self, results: Results, metric: str) -> np.ndarray:
        return results.curve(metric) if self.by_epoch else results.final(metric)

    def _drawn(self, figure: Figure, results: Results, metric: str) -> np.ndarray:
        """The values that lines or marks are drawn of, [K, S] or [K, S, points]."""
        return self._measured(results, metric)


def _reaches_zero(metric: str, seeds: Seeds) -> bool:
    """Whether an interval of a setting reaches 0 or below, and what is above 0 is drawn."""
    lower, upper = line_panels.ends(metric, *mean_interval(seeds.whole, axis=0))
    return bool(((lower <= 0) & (upper > 0)).any())


@register.figure(
    'curves',
    reads=('metrics', 'hue', 'panels', 'where', 'log_y', 'marks', 'published'),
    needs=('metrics',),
)
class Curves(_Lines):
    """Metrics by epoch: mean over seeds, band, and the runs that the mean omits."""

    by_epoch = True
    x_is = 'the epoch'
    published = ('(value, label)',)
    lost = ', drawn alone as thin lines up to a ×'
    mark = ''
    interval = 'a band'

    def paint(self, panel: line_panels.Panel) -> None:
        """See `_Lines`."""
        line_panels.curves(panel)

    def _alone(self, seeds: Seeds) -> Sequence[np.ndarray]:
        """See `_Lines`."""
        return line_panels.single(seeds)

    def _drawn(self, figure: Figure, results: Results, metric: str) -> np.ndarray:
        """See `_Lines`."""
        return line_panels.points(figure, results, metric)

    def notes(self, figure: Figure, results: Results) -> list[str]:
        """See `Kind`."""
        size = line_panels.epochs_of_point(figure, results)
        each = f'Each point: the mean over {count(size, results.axis)}.'
        return super().notes(figure, results) + [each] * (size > 1)

    def _notes(self, results: Results) -> list[str]:
        return [f'Lines: {means(results, "the band")}.']


@register.figure(
    'paths',
    reads=('metrics', 'hue', 'panels', 'x', 'where', 'log_y'),
    needs=('metrics', 'x'),
)
class Paths(_Lines):
    """Metrics by epoch against another one: the mean over seeds, and where it ends."""

    by_epoch = True
    x_is = 'a metric by epoch'
    mark = '.'

    def paint(self, panel: line_panels.Panel) -> None:
        """See `_Lines`."""
        line_panels.paths(panel)

    def _notes(self, results: Results) -> list[str]:
        which = 'the mean over seeds' if len(results.seeds) > 1 else 'the one seed'
        return [f'Lines: {which}, from the first epoch to the last, which has the mark.']


@register.figure(
    'effect',
    reads=('metrics', 'hue', 'panels', 'x', 'where', 'log_x', 'log_y', 'marks', 'published'),
    needs=('metrics', 'x'),
)
class Effect(_Lines):
    """Final metrics against a swept field: mean, error bar, a dot for each seed."""

    published = ('(value, label)', '(x, value, label)', '(x, hue, value, label)')
    lost = ', marked by a × on the x axis'
    mark = 'o'
    interval = 'a bar'
    crosses = True

    def check(self, figure: Figure, results: Results, recorded: Recorded) -> None:
        """See `Kind`."""
        chosen = [column(results, figure.x)[k] for k in results.select(figure.where)]
        published = [item[0] for item in figure.published if len(item) > 2]
        hues = [column(results, figure.hue)[k] for k in results.select(figure.where)]
        for hue in [item[1] for item in figure.published if len(item) == 4]:
            if hue not in hues:
                hint = did_you_mean(str(hue), dict.fromkeys(map(str, hues)))
                raise UserError(
                    f'published: no setting has {figure.hue or "hue"} = {hue!r}; {hint}'
                )
        for place, label in figure.marks:
            if not is_number(place) or not all(map(is_number, chosen)):
                raise UserError(f'marks: {(place, label)!r} is not (x, label) with numbers as x')
            if figure.log_x and place <= 0:
                raise UserError(f'marks: log_x needs numbers > 0, not {place!r}')
        if not all(map(is_number, [*chosen, *published])):  # an axis of words has no other places
            for x in published:
                if x not in chosen:
                    hint = did_you_mean(str(x), dict.fromkeys(map(str, chosen)))
                    raise UserError(f'published: no setting has {figure.x} = {x!r}; {hint}')
        if not figure.log_x:
            return
        chosen += published
        wrong = [value for value in chosen if not is_number(value) or value < 0]
        if wrong:
            raise UserError(f'log_x needs numbers ≥ 0 on the x axis, not {wrong[0]!r}')

    def panel_size(
        self, figure: Figure, cells: dict[tuple[Any, ...], int], usual: tuple[float, float]
    ) -> tuple[float, float, float]:
        """See `_Lines`: an axis of words is as long as they need."""
        xs, hues = ({key[i] for key in cells} for i in (2, 1))
        width, height = usual
        axes = figure_axes.axes_height(height)
        if all(map(is_number, xs)):
            return width, height, axes
        width = max(width, figure_axes.AROUND + figure_axes.category_room(len(xs), len(hues)))
        values = [key[2] for key in cells]
        inches = width - figure_axes.AROUND
        scale = figure_axes.scale(figure.x, values, False, figure.names, inches)
        return width, height + figure_axes.label_room(scale), axes

    def paint(self, panel: line_panels.Panel) -> None:
        """See `_Lines`."""
        line_panels.effect(panel)

    def notes(self, figure: Figure, results: Results) -> list[str]:
        """See `Kind`."""
        values = column(results, figure.x)
        zeros = [values[k] for k in results.select(figure.where) if values[k] == 0]
        notes = super().notes(figure, results)
        if figure.log_x and zeros:
            word = value_label(figure.x, zeros[0], figure.names)
            zero = '0' if word == '0' else f"0 ('{word}')"
            notes.append(f'{zero} has no place on a logarithmic axis and stands apart at its left.')
        shown = {values[k] for k in results.select(figure.where)}
        if len(shown) > figure_axes.MANY_WORDS and not all(map(is_number, shown)):
            notes.append(f'Not each of the {len(shown):,} values on the x axis is named.')
        return notes

    def _below(self, runs: Sequence[Seeds], crowded: bool) -> list[str]:
        """See `_Lines`: here of marks and dots, which are not joined to any other."""
        kinds = {'mean': np.array([mean_interval(seeds.whole)[0] for seeds in runs])}
        if not crowded:
            kinds['single seed'] = np.concatenate([seeds.whole for seeds in runs])
        below = {kind: values[values <= 0] for kind, values in kinds.items()}
        below = {kind: values for kind, values in below.items() if len(values)}
        if not below:
            return []
        less = ' or less' * any((values < 0).any() for values in below.values())
        return [f'A {" or ".join(below)} of 0{less} has no place on a logarithmic axis.']

    def _notes(self, results: Results) -> list[str]:
        return [f'Marks: {means(results, "the bar")}; faint dots: single seeds.']
