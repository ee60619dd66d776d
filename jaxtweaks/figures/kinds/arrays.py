"""The kinds of figure drawn from what a run keeps besides its metrics: calibration and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jaxtweaks.base.words import metric_interval, number, shortened, value_label
from jaxtweaks.figures import figure_axes, figure_legend, figure_style, register
from jaxtweaks.figures.figure_data import arrange, ordered, seeds_words
from jaxtweaks.figures.figure_legend import titles
from jaxtweaks.figures.figure_page import Page
from jaxtweaks.figures.figure_spec import Figure
from jaxtweaks.figures.figure_style import MUTED, SMALL_SIZE
from jaxtweaks.figures.kind import Finish, Kind, means, to_the_edge
from jaxtweaks.results.intervals import mean_interval
from jaxtweaks.results.results import Results
from jaxtweaks.train.evaluate import calibration_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

_ECE = 'test_calibration_error'
# Wider than high: the square in it must not take the room of the label at its left.
_PANEL = (3.8, 3.4)
_ALONE = (4.8, 4.1)
_WIDE = (4.0, 3.0)
_WIDE_ALONE = (5.6, 3.6)
_DIAGONAL: dict[str, Any] = {'color': MUTED, 'linewidth': 1.1, 'linestyle': (0, (4, 3))}
_ERRORS = 8  # hues whose calibration error stands in their panel
FEWEST = 10  # images in a range of confidence that has a mark
_RANGE = 0.9995  # of the weights, what the x axis of a histogram shows


def common_shares(counts: np.ndarray, edges: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Histograms with edges of their own, put on common ones.

    Args:
      counts: [S, B].
      edges: of each histogram, rising, [S, B + 1].
      common: rising, [D + 1]. Within a bin the entries are taken to lie evenly.

    Returns:
      The share of all entries in each common bin, [S, D].
    """
    below = np.concatenate([np.zeros((len(counts), 1)), counts.cumsum(-1)], -1)
    below = below / below[:, -1:]
    return np.array(
        [np.diff(np.interp(common, own, share)) for own, share in zip(edges, below, strict=True)]
    )


@register.figure('reliability', reads=('hue', 'panels', 'where'), arrays=('calibration',))
class Reliability(Kind):
    """The share of correct predictions against confidence; a line for each value of the hue."""

    reports_test = True

    def draw(self, figure: Figure, results: Results, finish: Finish) -> Sheet:
        """See `Kind`."""
        from matplotlib.lines import Line2D

        cells = arrange(results, self.fields(figure), figure.where, figure.name)
        panels, hues = (ordered([key[i] for key in cells]) for i in (0, 1))
        looks = dict(zip(hues, figure_style.styles(hues), strict=True))
        page = Page(len(panels), _ALONE if len(panels) == 1 else _PANEL)
        headings = titles(figure, figure.panels, panels, page.panel_size[0])
        kept = {key: _finite(results.arrays['calibration'][k]) for key, k in cells.items()}
        for axes, panel in zip(page.axes, panels, strict=True):
            axes.plot([0, 1], [0, 1], **_DIAGONAL)
            inside = {key[1]: values for key, values in kept.items() if key[0] == panel}
            for hue in (hue for hue in hues if hue in inside):
                _reliability_line(axes, inside[hue], looks[hue])
            _square(axes)
            if figure.panels:
                axes.set_title(headings[panel], loc='left')
                some = list(inside)[:_ERRORS]
                words = [value_label(figure.hue, hue, figure.names) for hue in some]
                words = [f'{text}: ' if figure.hue else '' for text in shortened(words, 20)]
                errors = [text + _error(inside[hue]) for text, hue in zip(words, some, strict=True)]
                errors += [f'… and {len(inside) - len(some):,} more'] * (len(inside) > len(some))
                text = '\n'.join(['calibration error', *errors])
                axes.text(0.03, 0.97, text, transform=axes.transAxes, va='top', size=SMALL_SIZE)

        def label(hue: Any, words: str) -> str:
            if figure.panels:
                return words
            return f'{words}\n(calibration error {_error(kept["", hue, ""])})'

        further = (
            [] if figure.hue else [Line2D([], [], label=label('', 'the network'), **looks[''])]
        )
        further.append(Line2D([], [], label='perfectly calibrated', **_DIAGONAL))
        return finish(page, figure_legend.key(figure, looks, label, further))

    def notes(self, figure: Figure, results: Results) -> list[str]:
        """See `Kind`."""
        cells = arrange(results, self.fields(figure), figure.where, figure.name)
        runs = [len(_finite(results.arrays['calibration'][k])) for k in cells.values()]
        pooled = '' if max(runs) == 1 else f', pooled over {seeds_words(runs)}'
        return [
            'Marks: the test images of a range of confidence, at their mean confidence, if there '
            f'are {FEWEST} or more; their area is the share of the images{pooled}. '
            'Below the diagonal a network is overconfident.'
            + (' ± is the 95% Student-t interval of the mean over seeds.' if max(runs) > 1 else '')
        ]


@register.figure(
    'histogram',
    reads=('hue', 'panels', 'where', 'log_y'),
    arrays=('weight_histogram', 'weight_edges'),
)
class Histogram(Kind):
    """The distribution of the final weights; a line for each value of the hue."""

    def draw(self, figure: Figure, results: Results, finish: Finish) -> Sheet:
        """See `Kind`."""
        common, shares = self._shares(figure, results)
        cells = arrange(results, self.fields(figure), figure.where, figure.name)
        panels, hues = (ordered([key[i] for key in cells]) for i in (0, 1))
        looks = dict(zip(hues, figure_style.styles(hues), strict=True))
        page = Page(len(panels), _WIDE_ALONE if len(panels) == 1 else _WIDE)
        headings = titles(figure, figure.panels, panels, page.panel_size[0])
        for axes, panel in zip(page.axes, panels, strict=True):
            for hue, look in looks.items():
                if (panel, hue, '') in shares:
                    _histogram_line(axes, shares[panel, hue, ''], common, look, figure.log_y)
            axes.set_xlim(common[0], common[-1])
            axes.set_xlabel('weight')
            _shares_axis(axes, figure.log_y)
            if figure.panels:
                axes.set_title(headings[panel], loc='left')
        shown = [line.get_ydata() for axes in page.axes for line in axes.get_lines()]
        finite = np.concatenate([np.ones(1) if not shown else np.zeros(0), *shown])
        finite = finite[np.isfinite(finite)]
        low, high = finite.min(), finite.max()
        for axes in page.axes:
            axes.set_ylim(*((low / 2, 2 * high) if figure.log_y else (0, 1.05 * high)))
        plain = {hue: _plain(look) for hue, look in looks.items()}
        return finish(page, figure_legend.key(figure, plain))

    def notes(self, figure: Figure, results: Results) -> list[str]:
        """See `Kind`."""
        notes = [f'Lines: {means(results, "the band")}; weight matrices and kernels only.']
        if figure.log_y:
            _, shares = self._shares(figure, results)
            bands = (mean_interval(values, axis=0) for values in shares.values())
            if any(((mean > 0) & (mean <= half)).any() for mean, half in bands):
                notes.append(to_the_edge('a band'))
        return notes

    def _shares(
        self, figure: Figure, results: Results
    ) -> tuple[np.ndarray, dict[tuple[Any, ...], np.ndarray]]:
        """Common edges [D + 1], and by cell (see `arrange`) the shares of its runs, [n, D].

        Cells without a run that has a histogram are not there.
        """
        cells = arrange(results, self.fields(figure), figure.where, figure.name)
        counts, edges = (results.arrays[f'weight_{name}'] for name in ('histogram', 'edges'))
        kept = {}
        for key, k in cells.items():
            usable = [s for s in range(len(results.seeds)) if _usable(counts[k, s], edges[k, s])]
            if usable:
                kept[key] = counts[k, usable], edges[k, usable]
        if not kept:
            return np.linspace(-1.0, 1.0, 2), {}
        common = _common_edges(*map(np.concatenate, zip(*kept.values(), strict=True)))
        return common, {
            key: common_shares(own, own_edges, common) for key, (own, own_edges) in kept.items()
        }


def _reliability_line(axes: Axes, calibration: np.ndarray, look: dict[str, Any]) -> None:
    """One setting, its seeds pooled; the area of a mark is the share of images in the bin."""
    images, confidence, correct = calibration.sum(0)
    some = images >= FEWEST
    if not some.any():
        return
    x, y = confidence[some] / images[some], correct[some] / images[some]
    share = images[some] / images.sum()
    line = {name: look[name] for name in ('color', 'linestyle')}
    axes.plot(x, y, linewidth=1.3, **line)
    axes.scatter(
        x, y, s=8 + 160 * share, color=look['color'], marker=look['marker'], zorder=3,
        edgecolors='white', linewidths=0.6, clip_on=False,
    )  # fmt: skip


def _histogram_line(
    axes: Axes, shares: np.ndarray, edges: np.ndarray, look: dict[str, Any], log: bool
) -> None:
    """One setting: mean over seeds with its interval. shares: [S, D]; edges: [D + 1]."""
    mean, half = mean_interval(shares, axis=0)
    step = {**_plain(look), 'drawstyle': 'steps-mid'}
    middle = (edges[1:] + edges[:-1]) / 2
    axes.plot(middle, np.where(mean > 0, mean, np.nan) if log else mean, **step)
    if np.isfinite(half).any():
        lower = np.maximum(mean - half, 0)  # below the lower edge of a logarithmic axis
        axes.fill_between(
            middle, lower, mean + half, step='mid', color=look['color'], alpha=0.16, linewidth=0
        )


def _common_edges(counts: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Edges that reach as far as nearly all weights of every histogram, [B + 1]."""
    reach = 0.0
    for count, own in zip(counts, edges, strict=True):
        far = np.maximum(np.abs(own[1:]), np.abs(own[:-1]))
        order = np.argsort(far)
        inside = np.searchsorted(count[order].cumsum(), _RANGE * count.sum())
        reach = max(reach, float(far[order[min(inside, len(order) - 1)]]))
    reach = reach or float(np.abs(edges).max()) or 1.0
    bins = counts.shape[1]
    return np.linspace(-reach, reach, bins + 1)


def _usable(counts: np.ndarray, edges: np.ndarray) -> bool:
    finite = np.isfinite(counts).all() and np.isfinite(edges).all()
    return bool(finite and counts.sum() > 0 and edges[-1] > edges[0])


def _finite(calibration: np.ndarray) -> np.ndarray:
    """The runs that have one, [S, 3, B] to [n, 3, B]."""
    return calibration[np.isfinite(calibration).all((1, 2))]


def _error(calibration: np.ndarray) -> str:
    error = np.asarray(calibration_error(np.moveaxis(calibration, 1, 0)))
    mean, half = mean_interval(error)
    return metric_interval(_ECE, float(mean), float(half))


def _square(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter

    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_box_aspect(1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(figure_axes.percent))
    axes.set_xlabel('confidence')
    axes.set_ylabel('share of correct predictions')


def _shares_axis(axes: Axes, log: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_ylabel('share of the weights')
    axes.yaxis.set_major_formatter(FuncFormatter(figure_axes.percent))
    if log:
        axes.set_yscale('log', nonpositive='clip')
        axes.yaxis.set_major_locator(LogLocator())
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f'{number(100 * share)}%'))


def _plain(look: dict[str, Any]) -> dict[str, Any]:
    """A look without marks: a histogram has too many points for them."""
    return {**look, 'marker': ''}
