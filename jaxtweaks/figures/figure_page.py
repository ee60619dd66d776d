"""The sheet a figure is drawn on: title, data, panels, legend and notes, with no overlap."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jaxtweaks.figures.figure_legend import Key
from jaxtweaks.figures.figure_style import MUTED, SMALL_SIZE, TEXT_SIZE, TITLE_SIZE, WARNING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

PANEL, ALONE = (3.7, 2.9), (5.2, 3.5)  # inches: a panel with a metric, and one that is alone
_COLUMNS = {1: 1, 2: 2, 3: 3, 4: 2}
_MARGIN = 0.14  # inches
_NARROWEST = 5.4
_BAR_HEIGHT, _BAR_ROOM, _BAR_LETTERS = 2.0, 1.75, 22  # a colour bar: inches, and of its title
NO_KEY = Key()


class Page:
    """A matplotlib figure whose head, panels, legend and foot have room of their own.

    Sizes are in inches. The panels are made first, the rest when `finish` knows their number.
    """

    def __init__(self, panels: int, size: tuple[float, float], columns: int = 0):
        from jaxtweaks.figures.figure_picture import picture

        self.columns = columns or _COLUMNS.get(panels, 3)
        self.rows = -(-panels // self.columns)
        self.panel_size = size
        self.sheet = picture()
        grid = self.sheet.add_gridspec(self.rows, self.columns)
        self.axes: list[Axes] = [
            self.sheet.add_subplot(grid[i // self.columns, i % self.columns]) for i in range(panels)
        ]

    def finish(
        self,
        title: str,
        data: str,
        stand_in: bool,
        notes: Sequence[str],
        warnings: Sequence[str],
        key: Key = NO_KEY,
    ) -> Sheet:
        """Writes what stands around the panels and places everything.

        Args:
          title: the figure's title.
          data: the data used and the number of seeds.
          stand_in: whether the data stand in for others: `data` is marked by a box.
          notes, warnings: what stands under the panels, a line each; warnings in colour.
          key: the legend, and what its entries are values of.
        """
        sheet = self.sheet
        sheet.set_dpi(100)
        heading = '' if key.bar else key.title
        legend = self._legend(key.handles, heading) if key.handles else None
        legend_width, legend_height = _size(legend)
        legend_width += 0.12 if legend else 0
        bar_height = 0.0
        if key.bar:
            bar_title = textwrap.wrap(key.title, _BAR_LETTERS)
            bar_top = 0.08 + len(bar_title) * _line(SMALL_SIZE + 0.5)
            legend_width = max(legend_width, _BAR_ROOM)
            bar_height = bar_top + _BAR_HEIGHT + 0.25
        panels = self.columns * self.panel_size[0]
        width = max(_NARROWEST, panels + legend_width + 2 * _MARGIN)
        words = _Words(title, data, stand_in, notes, warnings, width - 2 * _MARGIN)
        middle = max(self.rows * self.panel_size[1], legend_height + bar_height)
        height = words.above + middle + words.below + 2 * _MARGIN
        sheet.set_size_inches(width, height)
        bottom = (words.below + _MARGIN) / height
        top = 1 - (words.above + _MARGIN) / height
        right = 1 - (_MARGIN + legend_width) / width
        left = _MARGIN / width
        engine: Any = sheet.get_layout_engine()
        engine.set(
            rect=(left, bottom, right - left, top - bottom), w_pad=0.05, h_pad=0.05,
            wspace=0.03, hspace=0.04,
        )  # fmt: skip
        if legend:
            place = (right + 0.12 / width, top - 0.02 - bar_height / height)
            legend.set_bbox_to_anchor(place, sheet.transFigure)
        if key.bar:
            x = right + 0.2 / width
            sheet.text(x, top - 0.02, '\n'.join(bar_title), size=SMALL_SIZE + 0.5, va='top')
            y = top - 0.02 - (bar_top + _BAR_HEIGHT) / height
            bar = sheet.add_axes((x, y, 0.16 / width, _BAR_HEIGHT / height))
            bar.set_in_layout(False)
            key.bar.draw(bar)
        words.write(sheet)
        # Laid out once: each rendering would move the panels a little, by what was rendered before.
        sheet.draw_without_rendering()
        # Not 'none', which leaves a placeholder, for which every file is drawn twice.
        sheet.set_layout_engine(None)
        return sheet

    def _legend(self, handles: Sequence[Any], title: str) -> Any:
        return self.sheet.legend(
            handles=list(handles),
            title=textwrap.fill(title, 30) or None,
            loc='upper left',
            alignment='left',
            borderaxespad=0,
            handlelength=3.4,
            labelspacing=0.55,
        )


class _Words:
    """What stands above and below the panels, in lines that fit.

    Attributes:
      above, below: the height of both, in inches.
    """

    def __init__(
        self,
        title: str,
        data: str,
        stand_in: bool,
        notes: Sequence[str],
        warnings: Sequence[str],
        room: float,
    ):
        """See `Page.finish`; `room` is the width of a line in inches."""
        self._title = _wrap(title, TITLE_SIZE, room, 0.66)
        self._data = _wrap(data, TEXT_SIZE, room - 0.2, 0.62 if stand_in else 0.56)
        self._stand_in = stand_in
        self._foot = [
            (line, color)
            for texts, color in ((warnings, WARNING), (notes, MUTED))
            for text in texts
            for line in _wrap(text, SMALL_SIZE, room)
        ]
        self._frame = 0.09 if stand_in else 0.0  # the box's padding, above and below its text
        title_and_data = len(self._title) * _line(TITLE_SIZE) + len(self._data) * _line(TEXT_SIZE)
        self.above = title_and_data + 2 * self._frame + 0.1
        self.below = len(self._foot) * _line(SMALL_SIZE) + 0.08

    def write(self, sheet: Sheet) -> None:
        """Puts them on a sheet of the right size."""
        width, height = sheet.get_size_inches()
        left, y = _MARGIN / width, height - _MARGIN
        title = '\n'.join(self._title)
        sheet.text(left, y / height, title, size=TITLE_SIZE, weight='bold', va='top')
        y -= len(self._title) * _line(TITLE_SIZE) + self._frame
        sheet.text(
            (_MARGIN + self._frame) / width,
            y / height,
            '\n'.join(self._data),
            size=TEXT_SIZE,
            color=WARNING if self._stand_in else MUTED,
            weight='bold' if self._stand_in else 'normal',
            bbox=_BOX if self._stand_in else None,
            va='top',
        )
        y = _MARGIN + self.below - 0.08
        for line, color in self._foot:
            y -= _line(SMALL_SIZE)
            sheet.text(left, y / height, line, size=SMALL_SIZE, color=color)


_BOX: dict[str, Any] = {'boxstyle': 'square,pad=0.3', 'facecolor': '#fff1d6', 'edgecolor': WARNING}


def _line(size: float) -> float:
    """The height of a line of text of `size` points, in inches."""
    return size * 1.45 / 72


def _wrap(text: str, size: float, inches: float, em: float = 0.56) -> list[str]:
    """`text` in lines that fit; `em`: the mean width of a letter as a share of its size."""
    return textwrap.wrap(text, max(20, int(inches * 72 / (size * em))))


def _size(legend: Any) -> tuple[float, float]:
    """Width and height of a legend in inches."""
    if legend is None:
        return 0.0, 0.0
    sheet = legend.get_figure()
    extent = legend.get_window_extent(sheet.canvas.get_renderer())
    return extent.width / sheet.dpi, extent.height / sheet.dpi
