"""Kinds of figures that are a plain function of one panel, as a config registers them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxtweaks.base.words import field_label, shortened, value_label
from jaxtweaks.config.config_file import blaming
from jaxtweaks.figures import figure_axes, figure_legend, figure_style
from jaxtweaks.figures.figure_data import arrange, ordered, seeds_of
from jaxtweaks.figures.figure_legend import titles
from jaxtweaks.figures.figure_page import ALONE, PANEL, Page
from jaxtweaks.figures.figure_spec import Figure
from jaxtweaks.figures.kind import Finish, Kind
from jaxtweaks.results.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

_LETTERS = 22  # of a group's label


@dataclasses.dataclass(frozen=True)
class Group:
    """The runs of one setting of a panel.

    Attributes:
      hue, x: the values of the figure's fields `hue` and `x`; '' where it has none.
      label: the value of x (of hue, without x) in words, short enough for an axis.
      values: the metric of each run that did not diverge, [n] with n ≥ 1; by epoch [n, E].
      look: colour, line and marker of its hue, as keywords of `axes.plot`.
    """

    hue: Any
    x: Any
    label: str
    values: np.ndarray
    look: dict[str, Any]

    @property
    def color(self) -> str:
        """The colour of its hue."""
        return self.look['color']


@dataclasses.dataclass(frozen=True)
class Panel:
    """What one panel shows.

    Attributes:
      figure: all that the config says of the figure.
      metric: on the y axis.
      groups: hues in order, and for each of them x in order; those with runs to show.
      epochs: what the curves run over, [E].
    """

    figure: Figure
    metric: str
    groups: tuple[Group, ...]
    epochs: np.ndarray


@dataclasses.dataclass(frozen=True)
class OfFunction(Kind):
    """A kind whose panels are drawn by a function (axes, panel)."""

    function: Callable[..., Any] = lambda axes, panel: None

    published = ('(value, label)', '(x, value, label)')

    def draw(self, figure: Figure, results: Results, finish: Finish) -> Sheet:
        """See `Kind`."""
        cells = arrange(results, self.fields(figure), figure.where, figure.name)
        panels, hues = (ordered([key[i] for key in cells]) for i in (0, 1))
        looks = dict(zip(hues, figure_style.styles(hues), strict=True))
        metrics, many = figure.metrics, len(panels) * len(figure.metrics)
        columns = len(metrics) if len(panels) > 1 and len(metrics) > 1 else 0
        page = Page(many, ALONE if many == 1 else PANEL, columns=columns)
        height = figure_axes.axes_height(page.panel_size[1])
        headings = titles(figure, figure.panels, panels, page.panel_size[0])
        for j, metric in enumerate(metrics):
            same, lowest = page.axes[j :: len(metrics)], np.inf
            for axes, panel in zip(same, panels, strict=True):
                figure_axes.set_metric(axes, metric, figure.log_y, height)
                axes.set_xlabel(self._x_label(figure, results))
                if figure.panels:
                    axes.set_title(headings[panel], loc='left')
                inside = {key: k for key, k in cells.items() if key[0] == panel}
                groups = tuple(self._groups(figure, results, metric, inside, looks))
                with blaming(f"figure '{figure.name}' of kind '{self.name}'"):
                    self.function(axes, Panel(figure, metric, groups, results.epochs))
                lowest = min([lowest, *(float(np.nanmin(one.values)) for one in groups)])
            figure_axes.set_limits(same, metric, figure.log_y, lowest)
        return finish(page, figure_legend.key(figure, looks))

    def _x_label(self, figure: Figure, results: Results) -> str:
        field = figure.x or ('' if figure.hue else figure.panels)
        return results.axis if self.by_epoch else field and field_label(field, figure.names)

    def _groups(
        self,
        figure: Figure,
        results: Results,
        metric: str,
        cells: dict[tuple[Any, ...], int],
        looks: dict[Any, dict[str, Any]],
    ) -> Iterator[Group]:
        """Those of one panel, in order."""
        values = results.curve(metric) if self.by_epoch else results.final(metric)
        field, place = (figure.x, 2) if figure.x else (figure.hue, 1)
        among = ordered([key[place] for key in cells])
        words = [value_label(field, value, figure.names) if field else '' for value in among]
        label = dict(zip(among, shortened(words, _LETTERS), strict=True))
        ranks = {value: rank for rank, value in enumerate(ordered([key[2] for key in cells]))}
        for hue, look in looks.items():
            own = sorted((key for key in cells if key[1] == hue), key=lambda key: ranks[key[2]])
            for key in own:
                whole = seeds_of(results, values, cells[key]).whole
                if len(whole):
                    yield Group(hue, key[2], label[key[place]], whole, look)


@dataclasses.dataclass(frozen=True)
class OfCurves(OfFunction):
    """The same, of metrics by epoch."""

    by_epoch = True
