"""The kind of figure that shows a curve fitted to points, with the truth behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jaxtweaks.figures import register
from jaxtweaks.figures.figure_data import arrange, ordered
from jaxtweaks.figures.figure_legend import Key, titles
from jaxtweaks.figures.figure_page import Page
from jaxtweaks.figures.figure_spec import Figure
from jaxtweaks.figures.figure_style import INK, MUTED, OKABE_ITO
from jaxtweaks.figures.kind import Finish, Kind
from jaxtweaks.results.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

_PANEL = (2.9, 2.5)
_TRUTH: dict[str, Any] = {'color': MUTED, 'linewidth': 1.4, 'linestyle': (0, (4, 2))}
_FIT: dict[str, Any] = {'color': OKABE_ITO[1], 'linewidth': 1.8}
_OTHERS: dict[str, Any] = {'color': OKABE_ITO[1], 'linewidth': 0.7, 'alpha': 0.3}
_POINTS: dict[str, Any] = {
    'color': INK,
    'marker': 'o',
    'markersize': 3.2,
    'linestyle': 'none',
    'alpha': 0.75,
}


@register.figure(
    'fit',
    reads=('panels', 'where'),
    arrays=('fit_x', 'fit_truth', 'fit', 'points_x', 'points_y'),
)
class Fit(Kind):
    """Curves fitted to points: the first seed's points and fit, and the fits of the others."""

    def draw(self, figure: Figure, results: Results, finish: Finish) -> Sheet:
        """See `Kind`."""
        from matplotlib.lines import Line2D

        cells = arrange(results, self.fields(figure), figure.where, figure.name)
        panels = ordered([key[0] for key in cells])
        page = Page(len(panels), _PANEL, columns=min(len(panels), 3))
        arrays = results.arrays
        headings = titles(figure, figure.panels, panels, _PANEL[0])
        for axes, panel in zip(page.axes, panels, strict=True):
            k = cells[panel, '', '']
            x = arrays['fit_x'][k, 0]
            axes.plot(x, arrays['fit_truth'][k, 0], **_TRUTH)
            axes.plot(arrays['points_x'][k, 0], arrays['points_y'][k, 0], **_POINTS)
            for fit in arrays['fit'][k, 1:]:
                axes.plot(x, fit, **_OTHERS)
            axes.plot(x, arrays['fit'][k, 0], **_FIT)
            axes.set_ylim(*_limits(arrays['fit_truth'][k, 0], arrays['points_y'][k]))
            axes.set_xlabel('x')
            axes.set_ylabel('y')
            if figure.panels:
                axes.set_title(headings[panel], loc='left')
        handles = [
            Line2D([], [], label='the curve without noise', **_TRUTH),
            Line2D([], [], label='training points (first seed)', **_POINTS),
            Line2D([], [], label='fit (first seed)', **_FIT),
        ]
        if len(results.seeds) > 1:
            handles.append(Line2D([], [], label='fits of the other seeds', **_OTHERS))
        return finish(page, Key(handles))


def _limits(truth: np.ndarray, points: np.ndarray) -> tuple[float, float]:
    """The y range of curve and points; a fit that shoots out of it is cut."""
    low, high = min(truth.min(), points.min()), max(truth.max(), points.max())
    return low - 0.15 * (high - low), high + 0.15 * (high - low)
