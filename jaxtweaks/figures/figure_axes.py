"""Axes of a figure: positions and ticks of a swept field, units and limits of a metric."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.metrics import label as metric_label
from jaxtweaks.base.words import is_share, shortened, value_label
from jaxtweaks.figures import figure_ticks
from jaxtweaks.figures.figure_data import ordered
from jaxtweaks.figures.figure_style import is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

_MANY = 12  # tick labels that would lie upon each other if they were turned only a little
_LETTERS = 36  # of a tick label
_ROOM = 0.17  # inches, of a tick label that stands upright
_LETTER = 0.075  # inches: the mean width of a letter of a tick label
_LABEL_LETTER = 0.078  # inches: that of a letter of an axis' label
_REACH = 0.15  # inches: how far what stands next to a mark reaches
_SLANTED, _STEEP = 30, 55  # degrees by which tick labels are turned
AROUND = 0.9  # inches of a panel's width that its y axis takes
_BELOW = 0.75  # inches of a panel's height that its x axis takes, with tick labels that lie
_CATEGORY, _HUE, _WIDEST = 0.3, 0.09, 0.9  # inches of a category: the least, for a hue, the most
_PAGE = 13.0  # inches of categories from which on each has less
_APART = 0.12  # of a logarithmic axis, between its 0 and its least value, at least
MANY_WORDS = 150  # on an axis; of more, not every one is named


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
        every = 1 if len(words) <= MANY_WORDS else -(-len(words) // max(1, int(inches / _ROOM)))
        words = words[::every]
        slanted = max(map(len, words)) * _LETTER > 0.95 * inches / len(words)
        places = list(position.values())[::every]
        return Scale(position, places, words, 1.0, False, None, slanted)
    words = figure_ticks.alike(words)
    if not log:
        position = {value: float(value) for value in values}
        zero = None
    else:
        # The axis is laid out here, not by matplotlib, so that 0 has a place on it.
        logs = [float(np.log10(value)) for value in values if value > 0]
        step = float(np.median(np.diff(logs))) if len(logs) > 1 else 1.0
        if logs:  # so far that the words of both have room
            step = max(step, _APART * (max(logs) - min(logs)))
        apart = min(logs, default=0.0) - step
        zero = apart if 0 in values else None
        position = {v: float(np.log10(v)) if v > 0 else apart for v in values}
    places = list(position.values())
    gaps = np.diff(places)
    gap = float(gaps.min()) if len(places) > 1 else 1.0
    on_inch = (places[-1] - places[0] or 1.0) / inches
    ticks, labels = _thin(places, words, on_inch)
    if log and len(ticks) < len(places) and len(logs) > 1:
        before = [] if zero is None else [(zero, words[0])]
        ticks, labels = _powers(min(logs), max(logs), before, on_inch) or (ticks, labels)
    return Scale(position, ticks, labels, gap, True, zero)


def _powers(
    low: float, high: float, first: list[tuple[float, str]], per_inch: float
) -> tuple[list[float], list[str]] | None:
    """As many ticks of a logarithmic axis as fit, after `first`; None if hardly any do.

    low, high: the logarithms of its ends.
    """
    ends = 10**low, 10**high
    tried = [figure_ticks.logarithmic(*ends, most) for most in range(9, 2, -1)]
    if tried[0] == tried[-1]:  # few powers: with 2 and 5; else with 3, else alone
        tried[1:] = [figure_ticks.logarithmic(*ends, between=some) for some in ((1, 3), (1,))]
    for values in tried:
        ticks = [place for place, _ in first] + [float(np.log10(value)) for value in values]
        labels = [word for _, word in first] + figure_ticks.words_of(values)
        if len(values) > 1 and len(_thin(ticks, labels, per_inch, 0.03)[0]) == len(ticks):
            return ticks, labels
    return None


def category_room(names: int, hues: int) -> float:
    """The length in inches of an axis of so many words, each with a mark for each hue."""
    each = min(_WIDEST, max(_CATEGORY, _HUE * hues))
    return names * max(_ROOM, min(each, _PAGE / names)) if names <= MANY_WORDS else _PAGE


def label_room(scale: Scale) -> float:
    """The height in inches of tick labels that are turned, beyond that of those that lie."""
    if not scale.slanted:
        return 0.0
    return max(map(len, scale.labels)) * _LETTER * np.sin(np.radians(_turned(scale)))


def _turned(scale: Scale) -> int:
    return _STEEP if len(scale.ticks) > _MANY else _SLANTED


def _thin(
    places: list[float], words: list[str], per_inch: float, around: float = 0.05
) -> tuple[list[float], list[str]]:
    """The ticks that fit next to each other, from left to right."""
    ticks, labels, free = [], [], -np.inf
    for place, word in zip(places, words, strict=True):
        half = (len(word) * _LETTER / 2 + around) * per_inch
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


def set_scale(axes: Axes, scale: Scale, inches: float) -> None:
    """Gives `axes`, about so long, the ticks of `scale` and a margin for dots next to marks."""
    axes.set_xticks(scale.ticks, scale.labels)
    axes.tick_params(axis='x', length=3)
    if scale.slanted:
        for label in axes.get_xticklabels():
            label.set(rotation=_turned(scale), ha='right', rotation_mode='anchor')
    places = scale.position.values()
    margin = margin_of(scale, inches)
    axes.set_xlim(min(places) - margin, max(places) + margin)
    if scale.zero is not None and len(places) > 1:
        axes.axvline(scale.zero + scale.gap / 2, color='#b0b0b8', linewidth=0.8, linestyle=':')
    if not scale.numeric:
        axes.grid(False, axis='x')


def margin_of(scale: Scale, inches: float) -> float:
    """How far the axis reaches beyond its values, in its own units."""
    places = scale.position.values()
    span = max(places) - min(places)
    reach = _REACH * span / (inches - 2 * _REACH)
    return max(reach, 0.5 if not scale.numeric else max(0.06 * span, scale.gap / 4))


def units_per_inch(scale: Scale, inches: float) -> float:
    """Units of the x axis on an inch of it."""
    places = scale.position.values()
    return (max(places) - min(places) + 2 * margin_of(scale, inches)) / inches


def set_epochs(axes: Axes, epochs: np.ndarray, name: str, inches: float) -> None:
    """Whole epochs on the x axis. epochs: [E]; name: what they count, such as 'epoch'."""
    if len(epochs):
        first, last = int(epochs[0]), int(epochs[-1])
        margin = max(0.25, 0.03 * (last - first))
        width = len(f'{last:,}') * _LETTER + 0.1
        ticks = figure_ticks.of_epochs(first, last, width * (last - first + 2 * margin) / inches)
        axes.set_xticks(ticks, [f'{tick:,}' for tick in ticks])
        axes.set_xlim(first - margin, last + margin)
    axes.set_xlabel(name)


def axes_height(panel: float) -> float:
    """The height of the axes of a panel so high, in inches, about."""
    return panel - _BELOW


def set_metric(axes: Axes, metric: str, log: bool, inches: float) -> None:
    """Label, unit and scale of a metric on the y axis, which is about so long."""
    from matplotlib.ticker import FuncFormatter

    head, bracket, rest = metric_label(metric).partition(' (')
    letters = int(inches / _LABEL_LETTER)
    lines = _balanced(head, letters) + (_balanced(f'({rest}', letters) if bracket else [])
    axes.set_ylabel('\n'.join(lines))
    if log:
        axes.set_yscale('log', nonpositive='clip', subs=[])
    elif is_share(metric):
        axes.yaxis.set_major_formatter(FuncFormatter(percent))


def _balanced(text: str, letters: int) -> list[str]:
    """`text` in as few lines of so many letters as there can be, of about one length."""
    fewest = len(textwrap.wrap(text, letters))
    for width in range(max(1, len(text) // fewest), letters):
        lines = textwrap.wrap(text, width, break_long_words=False)
        if len(lines) == fewest and max(map(len, lines)) <= letters:
            return lines
    return textwrap.wrap(text, letters)


def _set_powers(axes: Axes, metric: str) -> None:
    """Ticks of a logarithmic y axis, within its limits."""
    from matplotlib.ticker import NullLocator

    low, high = axes.get_ylim()
    ticks = figure_ticks.logarithmic(low, high)
    if is_share(metric):
        words = [f'{word}%' for word in figure_ticks.words_of([100 * tick for tick in ticks])]
    else:
        words = figure_ticks.words_of(ticks)
    axes.set_yticks(ticks, words)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(low, high)


def percent(share: float, _: int = 0) -> str:
    """A share as a tick: '70%', '0.5%', '99.9925%'."""
    return f'{100 * share:.10g}%'.replace('-', '−')


def set_limits(same: Sequence[Axes], metric: str, log: bool, lowest: float) -> None:
    """One y range for all panels of a metric, without values it cannot have.

    An interval of few seeds can reach below 0 or above 100%; the axis does not, unless the lowest
    value measured does.
    """
    low = min(axes.get_ylim()[0] for axes in same)
    high = max(axes.get_ylim()[1] for axes in same)
    if not metrics.of(metric).signed and not log and lowest >= 0:
        low = max(low, -0.02 * (high - max(low, 0)))
        if is_share(metric):
            high = min(high, 1.02)
    for axes in same:
        axes.set_ylim(low, high)
        if log:
            _set_powers(axes, metric)


def make_room(axes: Axes, share: float, metric: str, log: bool) -> None:
    """Moves the lower end of the y axis down, so that nothing lies in the last `share`.

    There is no tick there either, of a value that there is not, as an error below 0%.
    """
    least, most = axes.get_ylim()
    low, high = np.log([least, most]) if log else (least, most)
    low -= share / (1 - share) * (high - low)
    axes.set_ylim(*(np.exp([low, high]) if log else (low, high)))
    if log:
        _set_powers(axes, metric)
    else:
        axes.set_yticks([tick for tick in axes.get_yticks() if least <= tick <= most])
