"""The two kinds of figure that count images: confusion of classes, and labels by split."""

from collections.abc import Callable

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure as Sheet
from matplotlib.ticker import FuncFormatter

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import metric_interval, metric_value, named
from jaxtweaks.figures.figure_axes import percent
from jaxtweaks.figures.figure_data import arrange, ordered, seeds_of
from jaxtweaks.figures.figure_page import Page
from jaxtweaks.figures.figure_spec import Figure, fields_of
from jaxtweaks.figures.figure_style import HATCHES, OKABE_ITO
from jaxtweaks.results.intervals import mean_interval
from jaxtweaks.results.results import Results

_COLORS = 'Blues'


def confusion_shares(results: Results, setting: int) -> np.ndarray:
    """Of the test images of each true class, the share given to each class, [C, C].

    Counts are summed over the runs that did not diverge, then divided by the row's sum; a class
    without images has a row of NaN.
    """
    counts = results.confusion[setting][~results.diverged[setting]].sum(0).astype(float)
    total = counts.sum(1, keepdims=True)
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)


def draw_confusion(figure: Figure, results: Results, finish: Callable[..., Sheet]) -> Sheet:
    """A panel for each value of the hue, with its test accuracy above."""
    cells = arrange(results, fields_of(figure), figure.where, figure.name)
    hues = ordered([key[1] for key in cells])
    classes = results.classes
    side = 1.5 + 0.32 * max(len(classes), 5)
    page = Page(len(hues), (side, side + 0.35))
    for i, hue in enumerate(hues):
        k = cells['', hue, '']
        axes = page.axes[i]
        shares = confusion_shares(results, k)
        axes.imshow(shares, cmap=_COLORS, vmin=0, vmax=1, aspect='equal')
        for row, column in np.ndindex(shares.shape):
            share = shares[row, column]
            if np.isfinite(share):
                axes.text(
                    column,
                    row,
                    f'{100 * share:.0f}',
                    ha='center',
                    va='center',
                    size=8,
                    color=ink_on(colormaps[_COLORS](share)),
                )
        long = max(map(len, classes)) > 2
        axes.set_xticks(range(len(classes)), classes, rotation=45 if long else 0)
        if long:
            for label in axes.get_xticklabels():
                label.set(ha='right', rotation_mode='anchor')
        axes.set_yticks(range(len(classes)), classes)
        axes.tick_params(length=0)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        if i >= len(hues) - page.columns:
            axes.set_xlabel('predicted class')
        if i % page.columns == 0:
            axes.set_ylabel('true class')
        axes.set_title('\n'.join(_heading(figure, results, hue, k)), loc='left', size=9)
    return finish(page, [], '')


def draw_labels(figure: Figure, results: Results, finish: Callable[..., Sheet]) -> Sheet:
    """Bars: the share of each class in each split."""
    if not results.label_counts:
        raise UserError(f"figure '{figure.name}': the labels were not counted")
    classes = results.classes
    page = Page(1, (max(5.2, 0.62 * len(classes) + 1.2), 3.3))
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
            label=f'{split}\n({total:,} images)'.replace(',', ' '),
            color=OKABE_ITO[i % len(OKABE_ITO)],
            edgecolor='white',
            linewidth=0.5,
            hatch=HATCHES[i % len(HATCHES)],
        )
        handles.append(bars)
    long = max(map(len, classes)) > 5
    axes.set_xticks(places, classes, rotation=30 if long else 0)
    if long:
        for label in axes.get_xticklabels():
            label.set(ha='right', rotation_mode='anchor')
    axes.tick_params(axis='x', length=0)
    axes.grid(False, axis='x')
    axes.yaxis.set_major_formatter(FuncFormatter(percent))
    axes.set_ylabel('share of the split')
    axes.set_xlabel('class')
    return finish(page, handles, 'split')


def ink_on(background: tuple[float, ...]) -> str:
    """Black or white, whichever is the easier to read on a colour (red, green, blue in 0…1)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in background[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 'white' if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else 'black'


def _heading(figure: Figure, results: Results, hue: object, setting: int) -> list[str]:
    lines = []
    if figure.hue:
        lines = [named(figure.hue, hue, figure.names)]
    seeds = seeds_of(results, results.final('test_accuracy'), setting)
    mean, half = mean_interval(seeds.whole)
    accuracy = metric_interval('test_accuracy', float(mean), float(half))
    tally = f', {seeds.tally()}' if seeds.tally() else ''
    lines.append(f'test accuracy {accuracy} (n = {len(seeds.whole)}{tally})')
    for x, value, label in figure.published:
        if x == hue:
            lines.append(f'published {metric_value("test_accuracy", value)} {label}'.rstrip())
    return lines
