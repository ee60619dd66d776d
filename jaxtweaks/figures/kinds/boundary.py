"""The kind of figure that shows what a network makes of the points of a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import metric_value, shortened
from jaxtweaks.figures import register
from jaxtweaks.figures.figure_data import arrange, ordered
from jaxtweaks.figures.figure_legend import Key, cut, titles
from jaxtweaks.figures.figure_page import Page
from jaxtweaks.figures.figure_spec import Figure
from jaxtweaks.figures.figure_style import INK, MARKERS, MUTED, OKABE_ITO
from jaxtweaks.figures.kind import PANELS, Finish, Kind
from jaxtweaks.results.results import Plane, Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

_SIDE = 2.55
_ALONE = 4.0
_MOST_POINTS = 300
_LETTERS = 30  # of a class in the legend
_TINT = 0.55  # how far a background goes from white to its class's colour


def shown_seed(results: Results, setting: int) -> int | None:
    """The first seed whose run has a boundary to show; None if there is none."""
    kept = results.arrays['grid_probabilities'][setting]
    whole = np.flatnonzero(np.isfinite(kept).all((1, 2)))
    return int(whole[0]) if whole.size else None


@register.figure('boundary', reads=('hue', 'panels', 'where'), arrays=('grid_probabilities',))
class Boundary(Kind):
    """Class probabilities of one network over the plane, its boundary, the training points."""

    of_one_split = True
    reports_test = True

    def draw(self, figure: Figure, results: Results, finish: Finish) -> Sheet:
        """See `Kind`."""
        from matplotlib.lines import Line2D

        plane = results.plane
        if plane is None:
            raise UserError(f"figure '{figure.name}': the inputs of these data are not points")
        cells = arrange(results, self.fields(figure), figure.where, figure.name)
        rows, columns = (ordered([key[i] for key in cells]) for i in (0, 1))
        grid = len(rows) > 1 and len(columns) > 1
        side = _SIDE if len(cells) > 1 else _ALONE
        if grid:
            page = Page(len(rows) * len(columns), (side, side + 0.35), columns=len(columns))
            places = [(row, column) for row in rows for column in columns]
        else:
            page = Page(len(cells), (side, side + 0.35))
            places = [key[:2] for key in cells]
        headings = [
            titles(figure, field, values, side)
            for field, values in ((figure.panels, rows), (figure.hue, columns))
        ]
        for axes, place in zip(page.axes, places, strict=True):
            if (*place, '') not in cells:
                axes.set_visible(False)
                continue
            k = cells[(*place, '')]
            seed = shown_seed(results, k)
            heading = [
                words[value] for words, value in zip(headings, place, strict=True) if value in words
            ]
            if seed is None:
                axes.text(0.5, 0.5, 'every run diverged', ha='center', transform=axes.transAxes)
            else:
                _paint(axes, plane, results.arrays['grid_probabilities'][k, seed])
                accuracy = results.final('test_accuracy')[k, seed]
                heading.append(f'test accuracy {metric_value("test_accuracy", float(accuracy))}')
            _frame(axes, plane)
            axes.set_title('\n'.join(heading), loc='left', size=9)
        classes = enumerate(shortened(results.classes, _LETTERS))
        handles = cut([Line2D([], [], label=name, **_point(c, 5.5)) for c, name in classes])
        handles.append(Line2D([], [], label='decision boundary', color=INK, linewidth=1.3))
        return finish(page, Key(handles, 'class'))

    def most_panels(self, figure: Figure, results: Results) -> dict[int, int]:
        """See `Kind`."""
        return {0: 8, 1: 6} if figure.hue and figure.panels else {0: PANELS, 1: PANELS}

    def notes(self, figure: Figure, results: Results) -> list[str]:
        """See `Kind`."""
        cells = arrange(results, self.fields(figure), figure.where, figure.name)
        shown = [shown_seed(results, k) for k in cells.values()]
        seeds = sorted({int(results.seeds[s]) for s in shown if s is not None})
        which = f'seed {seeds[0]}' if len(seeds) == 1 else 'the first seed that did not diverge'
        points = 0 if results.plane is None else len(results.plane.points)
        some = f' (every {step}th)' if (step := step_of(points)) > 1 else ''
        return [
            f'One network a panel, that of {which}: the paler the background, the less sure. '
            f'Points: training data{some}, in the units they were given in.'
        ]


def _paint(axes: Axes, plane: Plane, probabilities: np.ndarray) -> None:
    """Background, boundary and points. probabilities: [G, C]."""
    xs, ys, field = on_axes(plane.grid, probabilities)
    axes.imshow(
        background(field),
        origin='lower',
        extent=(*_reach(xs), *_reach(ys)),
        interpolation='bilinear',
        aspect='auto',
    )
    for c in range(field.shape[-1] - 1):
        ahead = field[..., c] - np.delete(field, c, axis=-1).max(-1)
        if ahead.min() < 0 < ahead.max():
            axes.contour(xs, ys, ahead, levels=[0.0], colors=INK, linewidths=1.3)
    step = step_of(len(plane.points))
    points, classes = plane.points[::step], plane.classes[::step]
    for c in range(field.shape[-1]):
        axes.plot(*points[classes == c].T, **_point(c, 3.0))


def background(probabilities: np.ndarray) -> np.ndarray:
    """The colour of the most probable class, white where it is no surer than chance.

    Args:
      probabilities: of C classes, [..., C].

    Returns:
      Red, green and blue in 0 … 1, [..., 3].
    """
    from matplotlib.colors import to_rgb

    classes = probabilities.shape[-1]
    colors = np.array([to_rgb(OKABE_ITO[c % len(OKABE_ITO)]) for c in range(classes)])
    sure = (probabilities.max(-1, keepdims=True) - 1 / classes) / (1 - 1 / classes)
    return 1 - _TINT * np.clip(sure, 0, 1) * (1 - colors[probabilities.argmax(-1)])


def step_of(points: int) -> int:
    """The n for which every nth training point is drawn."""
    return max(1, -(-points // _MOST_POINTS))


def on_axes(grid: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A field given at the points of a grid, in whatever order.

    Args:
      grid: the points, every x with every y, [G, 2].
      values: there, [G, C].

    Returns:
      x ascending [X], y ascending [Y], and the values [Y, X, C].
    """
    xs, column = np.unique(grid[:, 0], return_inverse=True)
    ys, row = np.unique(grid[:, 1], return_inverse=True)
    field = np.full((len(ys), len(xs), values.shape[-1]), np.nan)
    field[row, column] = values
    return xs, ys, field


def _reach(values: np.ndarray) -> tuple[float, float]:
    """The extent of pixels whose centres are `values`, evenly spaced."""
    half = (values[-1] - values[0]) / (2 * max(len(values) - 1, 1))
    return float(values[0] - half), float(values[-1] + half)


def _frame(axes: Axes, plane: Plane) -> None:
    axes.set_xlim(plane.grid[:, 0].min(), plane.grid[:, 0].max())
    axes.set_ylim(plane.grid[:, 1].min(), plane.grid[:, 1].max())
    axes.set_box_aspect(1)
    axes.grid(False)
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(MUTED)
    axes.tick_params(length=3)


def _point(c: int, size: float) -> dict[str, Any]:
    return {
        'color': OKABE_ITO[c % len(OKABE_ITO)],
        'marker': MARKERS[c % len(MARKERS)],
        'markersize': size,
        'markeredgecolor': 'white',
        'markeredgewidth': 0.4,
        'linestyle': 'none',
    }
