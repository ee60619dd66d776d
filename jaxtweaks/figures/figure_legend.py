"""What distinguishes the lines of a figure, in a room that does not grow with their number."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxtweaks.base.words import field_label, named, shortened, value_label
from jaxtweaks.figures import figure_ticks
from jaxtweaks.figures.figure_spec import Figure
from jaxtweaks.figures.figure_style import MUTED, is_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY = 24  # entries of a legend; of more lines bands, bars and dots would hide one another
MOST_NUMBERS = 7  # that have an entry each; the colours of more are too alike: a colour bar
_TICKS, _ALL = 7, 12  # of a colour bar: of many values, and up to which number each has one
_LETTERS = 44  # of an entry
_LETTER = 0.085  # inches: the mean width of a letter of a panel's title
_OUTSIDE = 0.8  # inches of a panel that are next to its axes
_LINES = 3  # of a panel's title


class Bar(NamedTuple):
    """A colour bar: its colours from below, and the ticks, in 0 … 1, with their words."""

    colors: list[str]
    ticks: list[float]
    words: list[str]

    def draw(self, axes: Axes) -> None:
        """Draws it from the bottom to the top of axes of its own."""
        from matplotlib.colors import ListedColormap

        colors = ListedColormap(self.colors)
        values = [[i] for i in range(len(self.colors))]
        axes.imshow(values, cmap=colors, origin='lower', extent=(0, 1, 0, 1), aspect='auto')
        axes.set_xticks([])
        axes.yaxis.tick_right()
        axes.set_yticks(self.ticks, self.words)
        axes.tick_params(length=3, color=MUTED)
        axes.grid(False)
        axes.spines[:].set_visible(False)


class Key(NamedTuple):
    """The entries of a legend under a title, and a colour bar that stands for more of them."""

    handles: Sequence[Any] = ()
    title: str = ''
    bar: Bar | None = None


def key(
    figure: Figure,
    looks: Mapping[Any, dict[str, Any]],
    label: Callable[[Any, str], str] = lambda hue, words: words,
    further: Sequence[Any] = (),
) -> Key:
    """The legend of a figure's hues.

    Args:
      figure: its names are the words.
      looks: the colour, line and marker of each hue, in order.
      label: an entry's label from the hue and its words.
      further: entries after those of the hues.
    """
    from matplotlib.lines import Line2D

    if not figure.hue:
        return Key(further)
    title, hues = field_label(figure.hue, figure.names), list(looks)
    if is_bar(hues):
        return Key(further, title, _bar(figure, looks))
    words = shortened([value_label(figure.hue, hue, figure.names) for hue in hues], _LETTERS)
    handles = [
        Line2D([], [], label=label(hue, text), **looks[hue])
        for hue, text in zip(hues, words, strict=True)
    ]
    return Key([*cut(handles), *further], title)


def is_bar(hues: Sequence[Any]) -> bool:
    """Whether these are so many numbers that a colour bar shows them better than entries."""
    return len(hues) > MOST_NUMBERS and is_order(hues)


def cut(handles: Sequence[Any]) -> list[Any]:
    """The first entries, and how many more there are."""
    from matplotlib.lines import Line2D

    if len(handles) <= MANY:
        return list(handles)
    more = f'… and {len(handles) - MANY + 1:,} more'
    return [*handles[: MANY - 1], Line2D([], [], linestyle='none', label=more)]


def titles(figure: Figure, field: str, values: Sequence[Any], inches: float) -> dict[Any, str]:
    """A heading for the panel of each value, within a panel so wide; none without a field."""
    if not field:
        return {}
    letters = max(16, int((inches - _OUTSIDE) / _LETTER))
    words = [named(field, value, figure.names) for value in values]
    words = shortened(words, (_LINES - 1) * letters)
    return {v: textwrap.fill(text, letters) for v, text in zip(values, words, strict=True)}


def _bar(figure: Figure, looks: Mapping[Any, dict[str, Any]]) -> Bar:
    """Colours by rank, as the lines have them; ticks at even ranks."""
    hues, n = list(looks), len(looks)
    ticks = n if n <= _ALL else _TICKS
    ranks = [round(i * (n - 1) / (ticks - 1)) for i in range(ticks)]
    words = [value_label(figure.hue, hues[rank], figure.names) for rank in ranks]
    return Bar(
        [looks[hue]['color'] for hue in hues],
        [(rank + 0.5) / n for rank in ranks],
        shortened(figure_ticks.alike(words), _LETTERS // 2),
    )
