"""Figures with a metric on the y axis: by epoch, against another one, against a swept field."""

import abc
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure as Sheet
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.transforms import ScaledTranslation

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.metrics import label as metric_label
from jaxtweaks.base.metrics import of as metric_of
from jaxtweaks.base.words import field_label, value_label
from jaxtweaks.figures import figure_axes, figure_legend, figure_style, register
from jaxtweaks.figures.figure_data import Seeds, arrange, column, ordered, seeds_of
from jaxtweaks.figures.figure_legend import MANY, titles
from jaxtweaks.figures.figure_page import ALONE, PANEL, Page
from jaxtweaks.figures.figure_spec import Figure
from jaxtweaks.figures.figure_style import INK, MUTED, is_number
from jaxtweaks.figures.kind import Finish, Kind, means
from jaxtweaks.results.intervals import mean_interval
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results


@dataclasses.dataclass(frozen=True)
class Panel:
    """What one panel shows.

    Attributes:
      axes: where it is drawn.
      figure, results, metric: what is drawn.
      settings: the setting for each pair of hue and x ('' for none).
      looks: hue to colour, line and marker.
      inches: the length of the x axis, about.
    """

    axes: Axes
    figure: Figure
    results: Results
    metric: str
    settings: dict[tuple[Any, ...], int]
    looks: dict[Any, dict[str, Any]]
    inches: float


_STRIDE = 17  # in which the lines of a crowd are drawn
_BARS = 150  # places on an x axis that can each have a bar
_CAPS = 60  # bars that have caps
_RASTER = 1000  # dots or lines from which on they are pixels in an SVG too
_CROSS_ROW, _CROSS_ROOM = 0.055, 0.3  # of the height of the axes, for diverged runs: a hue, all


def _is_crowded(hues: int, xs: int) -> bool:
    """Whether bands, bars and single runs of so many would hide one another."""
    return hues > MANY or xs > _BARS


class _Lines(Kind):
    """What curves, paths and effects have in common.

    Attributes:
      mark: of each of the lines of a colour bar.
      crosses: whether diverged runs are crosses in a row of their own, below the rest.
    """

    mark: ClassVar[str]
    crosses: ClassVar[bool] = False

    @abc.abstractmethod
    def paint(self, panel: Panel) -> None:
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
        page = Page(many, ALONE if many == 1 else PANEL, columns=columns)
        width = page.panel_size[0]
        headings = titles(figure, figure.panels, panels, width)
        for i, panel in enumerate(panels):
            inside = {key[1:]: k for key, k in cells.items() if key[0] == panel}
            for j, metric in enumerate(metrics):
                axes = page.axes[i * len(metrics) + j]
                figure_axes.set_metric(axes, metric, figure.log_y)
                self.paint(Panel(axes, figure, results, metric, inside, looks, width - 0.9))
                if figure.panels:
                    axes.set_title(headings[panel], loc='left')
        for j, metric in enumerate(metrics):
            lowest = self._lowest(results, metric, shown)
            figure_axes.set_limits(page.axes[j :: len(metrics)], metric, figure.log_y, lowest)
        crowded = _is_crowded(len(hues), len({key[2] for key in cells}))
        if self.crosses and results.diverged[shown].any() and not crowded:
            for axes in page.axes:
                figure_axes.make_room(axes, 0.04 + _cross_row(len(hues)) * len(hues), figure.log_y)
        further = _extra_handles(figure, results, shown, crowded)
        label = functools.partial(_entry, results, cells)
        return finish(page, figure_legend.key(figure, looks, label, further))

    def is_crowded(self, figure: Figure, results: Results) -> bool:
        """See `Kind`."""
        cells = arrange(results, self.fields(figure), figure.where, figure.name)
        hues, xs = ({key[i] for key in cells} for i in (1, 2))
        return _is_crowded(len(hues), len(xs))

    def notes(self, figure: Figure, results: Results) -> list[str]:
        """See `Kind`."""
        if not self.is_crowded(figure, results):
            return self._notes(results)
        several = len(results.seeds) > 1
        which = 'the means over seeds' if several else 'the one seed'
        return [
            f'Lines or points: {which}, without {"intervals and " * several}single runs, which '
            'would hide one another.'
        ]

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

    def paint(self, panel: Panel) -> None:
        """See `_Lines`."""
        _curves_panel(panel)

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

    def paint(self, panel: Panel) -> None:
        """See `_Lines`."""
        _paths_panel(panel)

    def _notes(self, results: Results) -> list[str]:
        which = 'the mean over seeds' if len(results.seeds) > 1 else 'the one seed'
        return [f'Lines: {which}, from the first epoch to the last, which has the mark.']


@register.figure(
    'effect',
    reads=('metrics', 'hue', 'panels', 'x', 'where', 'log_x', 'log_y', 'published'),
    needs=('metrics', 'x'),
)
class Effect(_Lines):
    """Final metrics against a swept field: mean, error bar, a dot for each seed."""

    published = ('(value, label)', '(x, value, label)')
    lost = ', marked by a × on the x axis'
    mark = 'o'
    crosses = True

    def check(self, figure: Figure, results: Results, recorded: Recorded) -> None:
        """See `Kind`."""
        if not figure.log_x:
            return
        chosen = [column(results, figure.x)[k] for k in results.select(figure.where)]
        chosen += [item[0] for item in figure.published if len(item) == 3]
        wrong = [value for value in chosen if not is_number(value) or value < 0]
        if wrong:
            raise UserError(f'log_x needs numbers ≥ 0 on the x axis, not {wrong[0]!r}')

    def paint(self, panel: Panel) -> None:
        """See `_Lines`."""
        _effect_panel(panel)

    def notes(self, figure: Figure, results: Results) -> list[str]:
        """See `Kind`."""
        values = results.values(figure.x)
        zero = figure.log_x and 0 in [values[k] for k in results.select(figure.where)]
        apart = '0 has no place on a logarithmic axis and stands apart at its left.'
        return super().notes(figure, results) + [apart] * zero

    def _notes(self, results: Results) -> list[str]:
        return [f'Marks: {means(results, "the bar")}; faint dots: single seeds.']


def _curves_panel(panel: Panel) -> None:
    axes, figure, results = panel.axes, panel.figure, panel.results
    epochs = results.epochs
    values = results.curve(panel.metric)
    reached = epochs[: _last_epoch(figure, results) + 1]
    every = max(1, len(reached) // 10)
    crowd = []
    for i, (hue, look) in enumerate(panel.looks.items()):
        if (hue, '') not in panel.settings:
            continue
        seeds = seeds_of(results, values, panel.settings[hue, ''])
        mean, half = mean_interval(seeds.whole, axis=0)
        if len(panel.looks) > MANY:
            crowd.append((epochs, mean, look))
            continue
        label = _label(figure, hue)
        # Where some of the runs have ended, the mean of the rest would mislead: it ends too.
        if np.isfinite(mean).any():
            axes.plot(epochs, mean, label=label, markevery=(i % every, every), **look)
        if np.isfinite(half).any():
            axes.fill_between(
                epochs,
                *_ends(panel, mean, half),
                color=look['color'],
                alpha=0.16,
                linewidth=0,
            )
        ended = [run for run in seeds.whole if (np.isfinite(run) & ~np.isfinite(mean)).any()]
        for run in [*ended, *seeds.broken]:
            axes.plot(epochs, run, color=look['color'], linewidth=0.7, alpha=0.8)
        for run in seeds.broken:
            known = np.flatnonzero(np.isfinite(run))
            if known.size:
                end = known[-1]
                axes.plot(epochs[end], run[end], **_cross(look['color']))
    _draw_crowd(axes, crowd)
    for j, (place, _) in enumerate(figure.marks):
        axes.axvline(_epoch_of(place, results), **_vertical(j))
    figure_axes.set_epochs(axes, reached, results.axis)
    _published(panel, None)


def _last_epoch(figure: Figure, results: Results) -> int:
    """The last epoch, from 0, in which a run of the figure has a value; settings may train less."""
    shown = results.select(figure.where)
    known = [np.isfinite(results.curve(metric)[shown]).any((0, 1)) for metric in figure.metrics]
    return int(np.flatnonzero(np.any(known, axis=0)).max(initial=0))


def _epoch_of(place: Any, results: Results) -> float:
    """Where a mark stands: at an epoch, or where the settings it names stop on average."""
    if not isinstance(place, Mapping):
        return place
    stops = results.final('stop_epoch')[results.select(place)]
    stops = stops[np.isfinite(stops)]
    return float(stops.mean()) if stops.size else np.nan


def _paths_panel(panel: Panel) -> None:
    axes, figure, results = panel.axes, panel.figure, panel.results
    crowd = []
    for hue, look in panel.looks.items():
        if (hue, '') not in panel.settings:
            continue
        setting = panel.settings[hue, '']
        x, y = (
            mean_interval(seeds_of(results, results.curve(name), setting).whole, axis=0)[0]
            for name in (figure.x, panel.metric)
        )
        known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        if known.size and len(panel.looks) > MANY:
            crowd.append((x[known], y[known], look))
        elif known.size:
            axes.plot(x[known], y[known], markevery=[-1], **look)
    _draw_crowd(axes, crowd)
    axes.set_xlabel(metric_label(figure.x))


def _effect_panel(panel: Panel) -> None:
    axes, figure, settings = panel.axes, panel.figure, panel.settings
    values = panel.results.final(panel.metric)
    xs = [x for _, x in settings]
    known = [item[0] for item in figure.published if len(item) == 3 and is_number(item[0])]
    on_axis = [*xs, *known] if all(is_number(x) for x in xs) else xs
    scale = figure_axes.scale(figure.x, on_axis, figure.log_x, figure.names, panel.inches)
    crowded = _is_crowded(len(panel.looks), len(set(xs)))
    widest = (0.06, 0.3) if scale.numeric else (0.14, 0.7)
    dodge = min(widest[0], widest[1] / len(panel.looks)) * scale.gap
    crowd = []
    for i, (hue, look) in enumerate(panel.looks.items()):
        shift = dodge * (i - (len(panel.looks) - 1) / 2)
        places, means, lows, highs, found = [], [], [], [], []
        for x in ordered([x for h, x in settings if h == hue]):
            seeds = seeds_of(panel.results, values, settings[hue, x])
            place = scale.position[x] + shift
            mean, half = mean_interval(seeds.whole)
            places.append(place)
            means.append(float(mean))
            lower, upper = _ends(panel, mean, half)
            lows.append(float(mean - lower))
            highs.append(float(upper - mean))
            found.append(seeds)
        if crowded:
            crowd.append((np.array(places) - shift * scale.numeric, np.array(means), look))
            continue
        _dots(axes, places, found, look, 0.03 + _cross_row(len(panel.looks)) * i)
        line = look if scale.numeric else {**look, 'linestyle': 'none'}
        axes.errorbar(
            places, means, yerr=(lows, highs), label=_label(figure, hue), zorder=3,
            elinewidth=1.3, capsize=3 if len(places) <= _CAPS else 0, **line,
        )  # fmt: skip
    _draw_crowd(axes, crowd, joined=scale.numeric and len(panel.looks) > MANY and len(set(xs)) > 1)
    figure_axes.set_scale(axes, scale)
    axes.set_xlabel(field_label(figure.x, figure.names))
    _published(panel, scale)


def _ends(panel: Panel, mean: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of an interval: of a share within 0 and 1, on a logarithmic axis above 0."""
    low, high = metric_of(panel.metric).bounds
    lower = np.where(mean - half < low, np.minimum(mean, low), mean - half)
    upper = np.where(mean + half > high, np.maximum(mean, high), mean + half)
    if not panel.figure.log_y:
        return lower, upper
    # A mean that is not positive itself has no place on the axis, and no bar.
    return np.where(lower <= 0, np.minimum(mean / 10, mean), lower), upper


def _dots(
    axes: Axes, places: Sequence[float], found: Sequence[Seeds], look: dict[str, Any], low: float
) -> None:
    """Every seed as a faint dot next to its bar; a diverged one, without a value, as a × below."""
    beside = axes.transData + ScaledTranslation(
        5.5 / 72, 0, figure_axes.sheet_of(axes).dpi_scale_trans
    )
    dots = [
        (place, value)
        for place, seeds in zip(places, found, strict=True)
        for value in seeds.whole[np.isfinite(seeds.whole)]
    ]
    if dots:
        axes.plot(
            *zip(*dots, strict=True),
            linestyle='none',
            marker='o',
            markersize=3,
            markeredgewidth=0,
            color=look['color'],
            alpha=0.45,
            transform=beside,
            rasterized=len(dots) > _RASTER,
        )
        # What is not in data coordinates alone does not count for the limits by itself.
        axes.update_datalim(dots, updatex=False)
    broken = [place for place, seeds in zip(places, found, strict=True) if len(seeds.broken)]
    if broken:
        bottom = axes.get_xaxis_transform()
        axes.plot(broken, [low] * len(broken), transform=bottom, **_cross(look['color']))


def _cross_row(hues: int) -> float:
    """The height of the row of each hue's diverged runs, as a share of that of the axes."""
    return min(_CROSS_ROW, _CROSS_ROOM / hues)


def _draw_crowd(
    axes: Axes,
    lines: Sequence[tuple[np.ndarray, np.ndarray, dict[str, Any]]],
    joined: bool = True,
) -> None:
    """Means of more hues than can each have a band: thin lines, or points, and nothing else."""
    lines = [(x[np.isfinite(y)], y[np.isfinite(y)], look) for x, y, look in lines]
    lines = [line for line in lines if len(line[0])]
    raster: dict[str, Any] = {'rasterized': len(lines) > _RASTER}
    # The last ones would hide the others if they came in the order of their colours.
    lines = [line for i in range(_STRIDE) for line in lines[i::_STRIDE]]
    opaque = max(0.2, min(0.75, 150 / max(1, len(lines))))
    if lines and joined:
        axes.add_collection(
            LineCollection(
                [np.column_stack(line[:2]) for line in lines],
                colors=[look['color'] for *_, look in lines],
                linewidths=0.9,
                alpha=opaque,
                **raster,
            )
        )
        axes.autoscale_view()
    elif lines:
        x, y = (np.concatenate(values) for values in list(zip(*lines, strict=True))[:2])
        colors = [look['color'] for xs, _, look in lines for _ in xs]
        size = 12 if len(x) < _RASTER else 6
        axes.scatter(x, y, s=size, c=colors, alpha=0.6, linewidths=0, rasterized=len(x) > _RASTER)


def _published(panel: Panel, scale: figure_axes.Scale | None) -> None:
    if panel.metric != panel.figure.metrics[0]:
        return
    axes = panel.axes
    for item in panel.figure.published:
        j = _source(panel.figure, item)
        if len(item) == 2:
            axes.axhline(item[0], **_line_mark(j))
        elif scale is not None and item[0] in scale.position:
            axes.plot([scale.position[item[0]]], [item[1]], **_point_mark(j))


def _entry(results: Results, cells: dict[tuple[Any, ...], int], hue: Any, words: str) -> str:
    """The label of a hue, with what its means leave out."""
    settings = [k for key, k in cells.items() if key[1] == hue]
    lost = int(results.diverged[settings].sum())
    total = len(settings) * len(results.seeds)
    return f'{words}\n({lost} of {total} diverged)' if lost else words


def _extra_handles(
    figure: Figure, results: Results, settings: Sequence[int], crowded: bool
) -> list[Line2D]:
    handles = []
    if results.diverged[list(settings)].any() and not crowded:
        handles.append(Line2D([], [], label='a run that diverged', **_cross(MUTED)))
    handles += [
        Line2D([], [], label=label, **_vertical(j)) for j, (_, label) in enumerate(figure.marks)
    ]
    by_source = {_source(figure, item): item for item in figure.published}
    for j, item in by_source.items():
        mark = _line_mark(j) if len(item) == 2 else _point_mark(j)
        words = f'published: {item[-1]}' if item[-1] not in ('', 'published') else 'published'
        handles.append(Line2D([], [], label=words, **mark))
    return handles


def _source(figure: Figure, item: tuple[Any, ...]) -> int:
    """Which look a published value has: one for each label and kind of mark."""
    kinds = dict.fromkeys((len(other), other[-1]) for other in figure.published)
    return list(kinds).index((len(item), item[-1]))


def _label(figure: Figure, hue: Any) -> str:
    return value_label(figure.hue, hue, figure.names) if figure.hue else 'mean over seeds'


# A × on its own line would not be seen.
_HALO = (withStroke(linewidth=4, foreground='white'),)


def _cross(color: str) -> dict[str, Any]:
    return {
        'color': color,
        'marker': 'x',
        'markersize': 7,
        'markeredgewidth': 1.8,
        'path_effects': _HALO,
        'linestyle': 'none',
        'zorder': 5,
        'clip_on': False,
    }


def _vertical(j: int) -> dict[str, Any]:
    return {'color': MUTED, 'linewidth': 1.1, 'linestyle': figure_style.PUBLISHED_LINES[j % 3]}


def _line_mark(j: int) -> dict[str, Any]:
    return {'color': INK, 'linewidth': 1.3, 'linestyle': figure_style.PUBLISHED_LINES[j % 3]}


def _point_mark(j: int) -> dict[str, Any]:
    return {
        'color': INK,
        'marker': figure_style.PUBLISHED_MARKERS[j % 4],
        'markerfacecolor': 'white',
        'markersize': 10,
        'markeredgewidth': 1.3,
        'linestyle': 'none',
        'zorder': 4,
    }
