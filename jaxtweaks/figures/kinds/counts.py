"""The two kinds of figure that count images: confusion of classes, and labels by split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import metric_interval, metric_value, shortened
from jaxtweaks.figures import register
from jaxtweaks.figures.figure_axes import percent, sheet_of
from jaxtweaks.figures.figure_data import Seeds, arrange, ordered, seeds_of, seeds_words
from jaxtweaks.figures.figure_legend import Key, titles
from jaxtweaks.figures.figure_page import Page
from jaxtweaks.figures.figure_spec import Figure
from jaxtweaks.figures.figure_style import HATCHES, LETTERS, MOST_NUMBERED, OKABE_ITO
from jaxtweaks.figures.kind import PANELS, Finish, Kind
from jaxtweaks.results.intervals import mean_interval
from jaxtweaks.results.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

_COLORS = 'Blues'
_LARGE = 6.0  # inches: the side of a matrix of more classes
_WIDEST = 13.0  # inches, of the bars of all classes
_ROOM = 0.125  # inches, of a line of words


def confusion_shares(results: Results, setting: int) -> np.ndarray:
    """Of the test images of each true class, the share given to each class, [C, C].

    Counts are summed over the runs that did not diverge, then divided by the row's sum; a class
    without images has a row of NaN.
    """
    counts = results.confusion[setting][~results.diverged[setting]].sum(0).astype(float)
    total = counts.sum(1, keepdims=True)
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)


@register.figure('confusion', reads=('hue', 'where', 'published'), arrays=('confusion',))
class Confusion(Kind):
    """Which classes are taken for which: a panel for each hue, its test accuracy above."""

    reports_test = True
    published = ('(x, value, label)',)

    def published_at(self, figure: Figure) -> str:
        """See `Kind`."""
        return figure.hue

    def draw(self, figure: Figure, results: Results, finish: Finish) -> Sheet:
        """See `Kind`."""
        cells = arrange(results, self.fields(figure), figure.where, figure.name)
        hues = ordered([key[1] for key in cells])
        classes = results.classes
        numbered = len(classes) <= MOST_NUMBERED
        side = 1.5 + (0.32 * max(len(classes), 5) if numbered else _LARGE)
        page = Page(len(hues), (side + 0.7 * (not numbered), side + 0.35))
        headings = titles(figure, figure.hue, hues, side)
        for i, hue in enumerate(hues):
            k = cells['', hue, '']
            axes = page.axes[i]
            shares = confusion_shares(results, k)
            if numbered:
                axes.imshow(shares, cmap=_COLORS, vmin=0, vmax=1, aspect='equal')
                _write_shares(axes, shares)
            else:
                _paint_shares(axes, shares)
            _name_classes(axes, classes, side - 1.5)
            axes.grid(False)
            axes.spines[:].set_visible(False)
            if i >= len(hues) - page.columns:
                axes.set_xlabel('predicted class')
            if i % page.columns == 0:
                axes.set_ylabel('true class')
            heading = [headings[hue]] if headings else []
            heading += _accuracy(figure, results, hue, k)
            axes.set_title('\n'.join(heading), loc='left', size=9)
        return finish(page, Key())

    def most_panels(self, figure: Figure, results: Results) -> dict[int, int]:
        """See `Kind`."""
        return {1: PANELS // 2 if len(results.classes) <= MOST_NUMBERED else 6}

    def notes(self, figure: Figure, results: Results) -> list[str]:
        """See `Kind`."""
        cells = arrange(results, self.fields(figure), figure.where, figure.name)
        runs = [len(_tested(results, k).whole) for k in cells.values()]
        over = 'of one seed' if max(runs) == 1 else f'summed over {seeds_words(runs)}'
        numbered = len(results.classes) <= MOST_NUMBERED
        return [
            f'{"Cells: %" if numbered else "Colour: the share"} of the test images of the true '
            f'class (rows add up to 100{"%" * (not numbered)}), {over}. '
            + ('± is the 95% Student-t interval of the mean over seeds.' if max(runs) > 1 else '')
        ]


@register.figure('labels', reads=())
class Labels(Kind):
    """The share of each class in each split of the data, as bars."""

    shows_settings = False
    of_one_split = True

    def draw(self, figure: Figure, results: Results, finish: Finish) -> Sheet:
        """See `Kind`."""
        from matplotlib.ticker import FuncFormatter

        if not results.label_counts:
            raise UserError(f"figure '{figure.name}': the labels were not counted")
        classes = results.classes
        inches = min(max(5.2, 0.62 * len(classes) + 1.2), _WIDEST)
        few = len(classes) <= MOST_NUMBERED
        every = -(-len(classes) // int(inches / (2 * _ROOM)))
        words = shortened(classes, LETTERS)[::every]
        long = max(map(len, words))
        steep = 60 if not few else 30
        page = Page(1, (inches, 3.3 + max(0, long - 10) * (0.07 if steep > 30 else 0.04)))
        axes = page.axes[0]
        width = 0.8 / len(results.label_counts)
        places = np.arange(len(classes))
        handles = []
        for i, (split, counts) in enumerate(results.label_counts.items()):
            total = int(counts.sum())
            shift = (i - (len(results.label_counts) - 1) / 2) * width
            bars = axes.bar(
                places + shift,
                counts / max(total, 1),
                width,
                label=f'{split}\n({total:,} images)',
                color=OKABE_ITO[i % len(OKABE_ITO)],
                edgecolor='white' if few else 'none',
                linewidth=0.5 if few else 0,
                hatch=HATCHES[i % len(HATCHES)] if few else '',
            )
            handles.append(bars)
        axes.set_xticks(places[::every], words, rotation=steep if long > 5 else 0)
        axes.set_xlim(-0.7, len(classes) - 0.3)
        if long > 5:
            for label in axes.get_xticklabels():
                label.set(ha='right', rotation_mode='anchor')
        axes.tick_params(axis='x', length=0)
        axes.grid(False, axis='x')
        axes.yaxis.set_major_formatter(FuncFormatter(percent))
        axes.set_ylabel('share of the split')
        axes.set_xlabel('class')
        return finish(page, Key(handles, 'split'))

    def most_panels(self, figure: Figure, results: Results) -> dict[int, int]:
        """See `Kind`."""
        return {}


def ink_on(background: Sequence[float] | np.ndarray) -> str:
    """Black or white, whichever is the easier to read on a colour (red, green, blue in 0…1)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in background[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 'white' if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else 'black'


def _write_shares(axes: Axes, shares: np.ndarray) -> None:
    """Whole percents; what is not none or all does not read so."""
    from matplotlib import colormaps

    for row, column in np.ndindex(shares.shape):
        share = shares[row, column]
        if np.isfinite(share):
            words = f'{100 * share:.0f}'
            words = '<1' if words == '0' and share > 0 else words
            words = '>99' if words == '100' and share < 1 else words
            ink = ink_on(colormaps[_COLORS](share))
            axes.text(column, row, words, ha='center', va='center', size=8, color=ink)


def _paint_shares(axes: Axes, shares: np.ndarray) -> None:
    """Colours alone, of the root of the share, so that rare confusions are seen."""
    from matplotlib.colors import PowerNorm

    image = axes.imshow(shares, cmap=_COLORS, norm=PowerNorm(0.5, 0, 1), aspect='equal')
    bar = sheet_of(axes).colorbar(image, ax=axes, shrink=0.6, aspect=30, pad=0.02)
    bar.set_ticks([0, 0.01, 0.1, 0.25, 0.5, 1], labels=['0%', '1%', '10%', '25%', '50%', '100%'])
    bar.ax.tick_params(length=2, labelsize=7.5)
    bar.outline.set_visible(False)


def _name_classes(axes: Axes, classes: Sequence[str], inches: float) -> None:
    """Every class that has room along axes so long, from the first on."""
    every = -(-len(classes) // int(inches / _ROOM))
    places = range(0, len(classes), every)
    words = shortened(classes, LETTERS)[::every]
    long = max(map(len, words)) > 2
    size: dict[str, Any] = {'fontsize': 7} if len(classes) > MOST_NUMBERED else {}
    axes.set_xticks(places, words, rotation=45 if long and every == 1 else 90 * long, **size)
    if long:
        for label in axes.get_xticklabels():
            label.set(ha='right', rotation_mode='anchor', va='center' if every > 1 else 'baseline')
    axes.set_yticks(places, words, **size)
    axes.tick_params(length=0 if every == 1 else 2)


def _tested(results: Results, setting: int) -> Seeds:
    """The runs of a setting by their test accuracy."""
    return seeds_of(results, results.final('test_accuracy'), setting)


def _accuracy(figure: Figure, results: Results, hue: object, setting: int) -> list[str]:
    lines = []
    seeds = _tested(results, setting)
    mean, half = mean_interval(seeds.whole)
    accuracy = metric_interval('test_accuracy', float(mean), float(half))
    tally = f', {seeds.tally()}' if seeds.tally() else ''
    lines.append(f'test accuracy {accuracy} (n = {len(seeds.whole)}{tally})')
    for x, value, label in figure.published:
        if x == hue:
            lines.append(f'published {metric_value("test_accuracy", value)} {label}'.rstrip())
    return lines
