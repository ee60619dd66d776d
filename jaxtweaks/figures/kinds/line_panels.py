"""Single panels of figures with a metric on the y axis, and what their legends say."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxtweaks.base.metrics import label as metric_label
from jaxtweaks.base.metrics import of as metric_of
from jaxtweaks.base.words import field_label, value_label
from jaxtweaks.figures import figure_axes, figure_style
from jaxtweaks.figures.figure_data import Seeds, ordered, seeds_of
from jaxtweaks.figures.figure_legend import MANY
from jaxtweaks.figures.figure_spec import Figure
from jaxtweaks.figures.figure_style import INK, MUTED, is_number
from jaxtweaks.results.intervals import mean_interval
from jaxtweaks.results.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.transforms import Transform


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


_MOST_POINTS = 300  # epochs that are drawn one by one; noise would hide the lines of more
_POINTS = 150  # of each line then, at most
_OF_HUE = 4  # items of a published value that is one hue's
_MARK = 0.075  # inches: how wide a mark is, about
_DOT_OFFSET, _PUBLISHED_OFFSET = 5.5 / 72, 7.5 / 72  # inches from a mark
_STRIDE = 17  # in which the lines of a crowd are drawn
_BARS = 150  # places on an x axis that can each have a bar
_CAPS = 60  # bars that have caps
_RASTER = 1000  # dots or lines from which on they are pixels in an SVG too
_CROSS_ROW, _CROSS_ROOM = 0.055, 0.3  # of the height of the axes, for diverged runs: a hue, all


def is_crowded(hues: int, xs: int) -> bool:
    """Whether bands, bars and single runs of so many would hide one another."""
    return hues > MANY or xs > _BARS


def epochs_of_point(figure: Figure, results: Results) -> int:
    """Over how many epochs each point of a curve is the mean: 1 unless there are very many."""
    epochs = _last_epoch(figure, results) + 1
    if epochs <= _MOST_POINTS:
        return 1
    sizes = (step * 10**power for power in itertools.count() for step in (1, 2, 5))
    return next(size for size in sizes if epochs <= _POINTS * size)


def _binned(values: np.ndarray, size: int) -> np.ndarray:
    """Means over so many epochs, of those that there are. values: [..., E], to [..., E/size]."""
    if size == 1:
        return values
    short = -values.shape[-1] % size
    values = np.pad(values.astype(float), [(0, 0)] * (values.ndim - 1) + [(0, short)],
                    constant_values=np.nan)  # fmt: skip
    bins = values.reshape(*values.shape[:-1], -1, size)
    known = np.isfinite(bins)
    total = np.where(known, bins, 0).sum(-1)
    return np.divide(total, known.sum(-1), out=np.full_like(total, np.nan), where=known.any(-1))


def points(figure: Figure, results: Results, metric: str) -> np.ndarray:
    """The values of a metric by epoch that `curves` draws, [K, S, points]."""
    values = results.curve(metric)[..., : _last_epoch(figure, results) + 1]
    return _binned(values, epochs_of_point(figure, results))


def single(seeds: Seeds) -> list[np.ndarray]:
    """The runs that `curves` draws alone: those that end before others, and those that diverged.

    Where some of the runs have ended, the mean of the rest would mislead: it ends too.
    """
    mean, _ = mean_interval(seeds.whole, axis=0)
    ended = [run for run in seeds.whole if (np.isfinite(run) & ~np.isfinite(mean)).any()]
    return [*ended, *seeds.broken]


def curves(panel: Panel) -> None:
    """Draws metrics by epoch: the mean over seeds, its band, and the runs that it omits."""
    axes, figure, results = panel.axes, panel.figure, panel.results
    reached = results.epochs[: _last_epoch(figure, results) + 1]
    values = points(figure, results, panel.metric)
    epochs = _binned(reached, epochs_of_point(figure, results))
    every = max(1, len(epochs) // 10)
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
        if np.isfinite(mean).any():
            axes.plot(epochs, mean, label=label, markevery=(i % every, every), **look)
        if np.isfinite(half).any():
            axes.fill_between(
                epochs,
                *ends(panel.metric, mean, half),
                color=look['color'],
                alpha=0.16,
                linewidth=0,
            )
        for run in single(seeds):
            axes.plot(epochs, run, color=look['color'], linewidth=0.7, alpha=0.8)
        for run in seeds.broken:
            known = np.flatnonzero(np.isfinite(run))
            if known.size:
                end = known[-1]
                axes.plot(epochs[end], run[end], **_cross(look['color']))
    _draw_crowd(axes, crowd)
    for j, (place, _) in enumerate(figure.marks):
        axes.axvline(_epoch_of(place, results), **_vertical(j))
    figure_axes.set_epochs(axes, reached, results.axis, panel.inches)
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


def _of_mean(place: Any, results: Results) -> str:
    """What its label says of a mark that stands at a mean over runs that do not stop together."""
    if not isinstance(place, Mapping):
        return ''
    stops = results.final('stop_epoch')[results.select(place)]
    return ' (mean over seeds)' if len(np.unique(stops[np.isfinite(stops)])) > 1 else ''


def paths(panel: Panel) -> None:
    """Draws one metric by epoch against another."""
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


def effect(panel: Panel) -> None:
    """Draws a final metric against a swept field: means, error bars and single seeds."""
    axes, figure, settings = panel.axes, panel.figure, panel.settings
    values = panel.results.final(panel.metric)
    xs = [x for _, x in settings]
    known = [item[0] for item in figure.published if len(item) > 2 and is_number(item[0])]
    on_axis = [*xs, *known] if all(is_number(x) for x in xs) else xs
    scale = figure_axes.scale(figure.x, on_axis, figure.log_x, figure.names, panel.inches)
    crowded = is_crowded(len(panel.looks), len(set(xs)))
    dodge = _dodge(panel, scale)
    # Dots next to their bar would lie on the next hue's.
    offset = 0.0 if len(panel.looks) > 1 else _offset(panel, scale, _DOT_OFFSET)
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
            lower, upper = ends(panel.metric, mean, half)
            lows.append(float(mean - lower))
            highs.append(float(upper - mean))
            found.append(seeds)
        if crowded:
            crowd.append((np.array(places) - shift * scale.numeric, np.array(means), look))
            continue
        _dots(axes, places, found, look, offset, 0.03 + cross_row(len(panel.looks)) * i)
        line = look if scale.numeric else {**look, 'linestyle': 'none'}
        axes.errorbar(
            places, means, yerr=(lows, highs), label=_label(figure, hue), zorder=3,
            elinewidth=1.3, capsize=3 if len(places) <= _CAPS else 0, **line,
        )  # fmt: skip
    _draw_crowd(axes, crowd, joined=scale.numeric and len(panel.looks) > MANY and len(set(xs)) > 1)
    figure_axes.set_scale(axes, scale, panel.inches)
    for j, (place, _) in enumerate(figure.marks):
        at = float(np.log10(place) if figure.log_x else place)
        low, high = axes.get_xlim()
        margin = figure_axes.margin_of(scale, panel.inches)
        axes.axvline(at, **_vertical(j))
        axes.set_xlim(min(low, at - margin), max(high, at + margin))
    axes.set_xlabel(field_label(figure.x, figure.names))
    _published(panel, scale)


def _dodge(panel: Panel, scale: figure_axes.Scale) -> float:
    """How far the marks of neighbouring hues are from one another, in units of the x axis."""
    hues = len(panel.looks)
    mark = _MARK * figure_axes.units_per_inch(scale, panel.inches)
    if not scale.numeric:
        return min(0.7 / hues, max(0.14, mark))
    # So little that no mark seems to be at another x.
    return min(0.06 * scale.gap, 0.3 * scale.gap / hues, mark)


def _offset(panel: Panel, scale: figure_axes.Scale, inches: float) -> float:
    """So many inches, or less where the next mark is near."""
    return min(inches, 0.3 * scale.gap / figure_axes.units_per_inch(scale, panel.inches))


def ends(metric: str, mean: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of an interval, of a share within 0 and 1.

    On a logarithmic axis one that is not above 0 lies below the lower edge, and so does its cap.
    """
    low, high = metric_of(metric).bounds
    lower = np.where(mean - half < low, np.minimum(mean, low), mean - half)
    upper = np.where(mean + half > high, np.maximum(mean, high), mean + half)
    return lower, upper


def _dots(
    axes: Axes,
    places: Sequence[float],
    found: Sequence[Seeds],
    look: dict[str, Any],
    offset: float,
    low: float,
) -> None:
    """Every seed as a faint dot; a diverged one, without a value, as a × below.

    offset: how far the dots are from their mark, in inches; 0: they are behind it.
    """
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
            zorder=1.8,
            transform=_shifted(axes, offset),
            rasterized=len(dots) > _RASTER,
        )
        # What is not in data coordinates alone does not count for the limits by itself.
        axes.update_datalim(dots, updatex=False)
    broken = [place for place, seeds in zip(places, found, strict=True) if len(seeds.broken)]
    if broken:
        bottom = axes.get_xaxis_transform()
        axes.plot(broken, [low] * len(broken), transform=bottom, **_cross(look['color']))


def _shifted(axes: Axes, inches: float) -> Transform:
    """The places of data, so far to the right."""
    from matplotlib.transforms import ScaledTranslation

    scale = figure_axes.sheet_of(axes).dpi_scale_trans
    return axes.transData + ScaledTranslation(inches, 0, scale)


def cross_row(hues: int) -> float:
    """The height of the row of each hue's diverged runs, as a share of that of the axes."""
    return min(_CROSS_ROW, _CROSS_ROOM / hues)


def _draw_crowd(
    axes: Axes,
    lines: Sequence[tuple[np.ndarray, np.ndarray, dict[str, Any]]],
    joined: bool = True,
) -> None:
    """Means of more hues than can each have a band: thin lines, or points, and nothing else."""
    from matplotlib.collections import LineCollection

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
            # Left of the marks of all hues, where it hides none of them.
            place = scale.position[item[0]] - _dodge(panel, scale) * (len(panel.looks) - 1) / 2
            look = panel.looks.get(item[1]) if len(item) == _OF_HUE else None
            mark = _point_mark(j) | ({'color': look['color']} if look else {})
            shifted = _shifted(axes, -_offset(panel, scale, _PUBLISHED_OFFSET))
            axes.plot([place], [item[-2]], transform=shifted, **mark)
            axes.update_datalim([(place, item[-2])], updatex=False)
    axes.autoscale_view(scalex=False)


def entry(results: Results, cells: dict[tuple[Any, ...], int], hue: Any, words: str) -> str:
    """The label of a hue, with what its means omit, and their runs if others have other numbers."""
    settings = [k for key, k in cells.items() if key[1] == hue]
    runs = sorted({results.runs_of(k) for k in settings})
    lost = int(results.diverged[settings].sum())
    uneven = len({results.runs_of(k) for k in cells.values()}) > 1
    if uneven and not (lost and len(settings) == 1):
        words += f' (n = {runs[0]})' if len(runs) == 1 else f' (n = {runs[0]} to {runs[-1]})'
    total = sum(map(results.runs_of, settings))
    return f'{words}\n({lost} of {total} diverged)' if lost else words


def extra_handles(
    figure: Figure, results: Results, settings: Sequence[int], crowded: bool
) -> list[Line2D]:
    """What stands in the legend besides the hues: marks, published values, diverged runs."""
    from matplotlib.lines import Line2D

    handles = []
    if results.diverged[list(settings)].any() and not crowded:
        handles.append(Line2D([], [], label='a run that diverged', **_cross(MUTED)))
    handles += [
        Line2D([], [], label=label + _of_mean(place, results), **_vertical(j))
        for j, (place, label) in enumerate(figure.marks)
    ]
    by_source = {_source(figure, item): item for item in figure.published}
    for j, item in by_source.items():
        mark = _line_mark(j) if len(item) == 2 else _point_mark(j)
        words = f'published: {item[-1]}' if item[-1] not in ('', 'published') else 'published'
        handles.append(Line2D([], [], label=words, **mark))
    return handles


def _source(figure: Figure, item: tuple[Any, ...]) -> int:
    """Which look a published value has: one for each label and kind of mark."""
    kinds = dict.fromkeys((len(other) > 2, other[-1]) for other in figure.published)
    return list(kinds).index((len(item) > 2, item[-1]))


def _label(figure: Figure, hue: Any) -> str:
    return value_label(figure.hue, hue, figure.names) if figure.hue else 'mean over seeds'


def _cross(color: str) -> dict[str, Any]:
    from matplotlib.patheffects import withStroke

    return {
        'color': color,
        'marker': 'x',
        'markersize': 7,
        'markeredgewidth': 1.8,
        # A × on its own line would not be seen.
        'path_effects': (withStroke(linewidth=4, foreground='white'),),
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
        'markerfacecolor': 'none',
        'markersize': 7,
        'markeredgewidth': 1.0,
        'linestyle': 'none',
        'zorder': 1.9,  # behind what was measured
    }
