"""Axes of a figure: positions and ticks of a swept field, units and limits of a metric."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.metrics import label as metric_label
from jaxtweaks.base.words import is_share, number, shortened, value_label
from jaxtweaks.figures.figure_data import ordered
from jaxtweaks.figures.figure_style import is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

_MANY = 12  # tick labels that would lie upon each other if they were turned only a little
_DECADES = 3  # of a logarithmic axis on which 2 and 5 have ticks
_LINE = 34  # letters of a label next to a y axis that is as low as they come
_LETTERS = 36  # of a tick label
_ROOM = 0.17  # inches, of a tick label that stands upright
_LETTER = 0.075  # inches: the mean width of a letter of a tick label


class Scale(NamedTuple):
    """Where the values of a swept field lie on the x axis.

    Attributes:
      position: value to x.
      ticks, labels: the ticks and their words.
      gap: the smallest distance of two neighbours, 1 if there is one value.
      numeric: whether x is an order, so that a line between values means something.
      zero: where a 0 stands apart from the rest of a logarithmic axis, or None.
      slanted: whether the tick labels need to be turned to fit.
    """

    position: dict[Any, float]
    ticks: list[float]
    labels: list[str]
    gap: float
    numeric: bool
    zero: float | None
    slanted: bool = False


def scale(name: str, values: Sequence[Any], log: bool, names: dict, inches: float) -> Scale:
    """The x axis for the values of the field `name`, `inches` long."""
    values = ordered(list(values))
    words = shortened([value_label(name, value, names) for value in values], _LETTERS)
    if not all(is_number(value) for value in values):
        position = {value: float(i) for i, value in enumerate(values)}
        every = -(-len(words) // max(1, int(inches / _ROOM)))
        words = words[::every]
        slanted = max(map(len, words)) * _LETTER > 0.95 * inches / len(words)
        places = list(position.values())[::every]
        return Scale(position, places, words, 1.0, False, None, slanted)
    if not log:
        position = {value: float(value) for value in values}
        zero = None
    else:
        # The axis is laid out here, not by matplotlib, so that 0 has a place on it.
        logs = [float(np.log10(value)) for value in values if value > 0]
        step = float(np.median(np.diff(logs))) if len(logs) > 1 else 1.0
        apart = min(logs, default=0.0) - step
        zero = apart if 0 in values else None
        position = {v: float(np.log10(v)) if v > 0 else apart for v in values}
    places = list(position.values())
    gaps = np.diff(places)
    gap = float(gaps.min()) if len(places) > 1 else 1.0
    span = places[-1] - places[0] or 1.0
    ticks, labels = _thin(places, words, span / inches)
    if log and len(ticks) < len(places):
        first, last = min(logs), max(logs)
        powers = range(int(np.ceil(first - 1e-9)), int(np.floor(last + 1e-9)) + 1)
        if len(powers) >= 2:
            powers = [*powers][:: max(1, len(powers) // 8)]
            ticks, labels = [float(p) for p in powers], [number(10.0**p) for p in powers]
            if zero is not None:
                ticks, labels = [zero, *ticks], ['0', *labels]
    return Scale(position, ticks, labels, gap, True, zero)


def _thin(places: list[float], words: list[str], per_inch: float) -> tuple[list[float], list[str]]:
    """The ticks that fit next to each other, from left to right."""
    ticks, labels, free = [], [], -np.inf
    for place, word in zip(places, words, strict=True):
        half = (len(word) * _LETTER / 2 + 0.05) * per_inch
        if place - half >= free:
            ticks.append(place)
            labels.append(word)
            free = place + half
    return ticks, labels


def sheet_of(axes: Axes) -> Sheet:
    """The figure that axes are a part of."""
    from matplotlib.figure import Figure as Sheet

    sheet = axes.get_figure()
    assert isinstance(sheet, Sheet)
    return sheet


def set_scale(axes: Axes, scale: Scale) -> None:
    """Gives `axes` the ticks of `scale` and a margin for dodged points."""
    axes.set_xticks(scale.ticks, scale.labels)
    axes.tick_params(axis='x', length=3)
    if scale.slanted:
        for label in axes.get_xticklabels():
            steep = len(scale.ticks) > _MANY
            label.set(rotation=55 if steep else 30, ha='right', rotation_mode='anchor')
    places = scale.position.values()
    margin = 0.5 if not scale.numeric else max(0.06 * (max(places) - min(places)), scale.gap / 4)
    axes.set_xlim(min(places) - margin, max(places) + margin)
    if scale.zero is not None and len(places) > 1:
        axes.axvline(scale.zero + scale.gap / 2, color='#b0b0b8', linewidth=0.8, linestyle=':')
    if not scale.numeric:
        axes.grid(False, axis='x')


def set_epochs(axes: Axes, epochs: np.ndarray, name: str) -> None:
    """Whole epochs on the x axis. epochs: [E]; name: what they count, such as 'epoch'."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    if len(epochs):
        margin = max(0.25, 0.03 * (epochs[-1] - epochs[0]))
        axes.set_xlim(epochs[0] - margin, epochs[-1] + margin)
    axes.set_xlabel(name)


def set_metric(axes: Axes, metric: str, log: bool) -> None:
    """Label, unit and scale of a metric on the y axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    head, bracket, rest = metric_label(metric).partition(' (')
    lines = textwrap.wrap(head, _LINE) + (textwrap.wrap(f'({rest}', _LINE) if bracket else [])
    axes.set_ylabel('\n'.join(lines))
    if log:
        axes.set_yscale('log', nonpositive='clip', subs=[])
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    if is_share(metric):
        axes.yaxis.set_major_formatter(FuncFormatter(percent))
    elif log:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def percent(share: float, _: int = 0) -> str:
    """A share as a tick: '70%', '0.5%', '99.9925%'."""
    return f'{100 * share:.10g}%'.replace('-', '−')


def set_limits(same: Sequence[Axes], metric: str, log: bool, lowest: float) -> None:
    """One y range for all panels of a metric, without values it cannot have.

    An interval of few seeds can reach below 0 or above 100%; the axis does not, unless the lowest
    value measured does.
    """
    from matplotlib.ticker import LogLocator

    low = min(axes.get_ylim()[0] for axes in same)
    high = max(axes.get_ylim()[1] for axes in same)
    if not metrics.of(metric).signed and not log and lowest >= 0:
        low = max(low, -0.02 * (high - max(low, 0)))
        if is_share(metric):
            high = min(high, 1.02)
    for axes in same:
        axes.set_ylim(low, high)
        if log and high > low * 10**_DECADES:
            axes.yaxis.set_major_locator(LogLocator(numticks=9))


def make_room(axes: Axes, share: float, log: bool) -> None:
    """Moves the lower end of the y axis down, so that nothing lies in the last `share`."""
    low, high = np.log(axes.get_ylim()) if log else axes.get_ylim()
    low -= share / (1 - share) * (high - low)
    axes.set_ylim(*(np.exp([low, high]) if log else (low, high)))
