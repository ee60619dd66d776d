"""Figures of a study: from a few words in a config and the results to PNG, SVG and PDF.

Every figure says which data it shows, over how many seeds, what its bands are, and which runs
diverged. The same results give the same bytes.
"""

import dataclasses
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure as Sheet

from jaxtweaks.base import atomic
from jaxtweaks.base.words import Names, count, field_label, together
from jaxtweaks.figures import (
    figure_arrays,
    figure_counts,
    figure_fit,
    figure_lines,
    figure_plane,
    figure_style,
)
from jaxtweaks.figures.figure_data import arrange, ordered
from jaxtweaks.figures.figure_legend import Key
from jaxtweaks.figures.figure_page import Page
from jaxtweaks.figures.figure_spec import Figure, check, check_one, fields_of
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

__all__ = ['Figure', 'caption', 'check', 'draw', 'save', 'svg']

_KINDS: dict[str, Callable[[Figure, Results, Callable[..., Sheet]], Sheet]] = {
    'curves': figure_lines.draw_curves,
    'paths': figure_lines.draw_paths,
    'effect': figure_lines.draw_effect,
    'confusion': figure_counts.draw_confusion,
    'labels': figure_counts.draw_labels,
    'fit': figure_fit.draw_fit,
    'reliability': figure_arrays.draw_reliability,
    'boundary': figure_plane.draw_boundary,
    'histogram': figure_arrays.draw_histogram,
}
_DPI, _PIXELS = 150, 4000  # of a PNG: per inch, and at most along a side
_PANELS = 24  # of a figure; of more, as many are chosen
_LISTED = 6  # settings with diverged runs that are named, before '… and 3 more'


def draw(figure: Figure, results: Results) -> Sheet:
    """The figure, drawn, without pyplot and its global state.

    Args:
      figure: what to show.
      results: K settings, S seeds, E epochs.

    Raises:
      UserError: the results do not have what the figure asks for (see `check`).
    """
    check_one(figure, results, _recorded(results))
    figure = _bounded(_with_words(figure, results), results)

    def finish(page: Page, key: Key) -> Sheet:
        return page.finish(
            title=figure.title,
            data=_data(figure, results),
            stand_in=results.fallback,
            notes=_notes(figure, results),
            warnings=_warnings(figure, results),
            key=key,
        )

    with figure_style.look():
        return _KINDS[figure.kind](figure, results, finish)


def _with_words(figure: Figure, results: Results) -> Figure:
    """A figure whose words keep the values of a field apart."""
    return dataclasses.replace(figure, names=Names(figure.names, results.settings))


def _bounded(figure: Figure, results: Results) -> Figure:
    """A figure of as many panels as can be looked at, evenly spread over those there are."""
    cells = _cells(figure, results)
    kept, notes = {}, []
    for i, most in _most_panels(figure, results).items():
        values = ordered([key[i] for key in cells])
        if len(values) > most:
            ranks = [round(j * (len(values) - 1) / max(1, most - 1)) for j in range(most)]
            field = fields_of(figure)[i]
            kept[field] = tuple(values[rank] for rank in ranks)
            label = field_label(field, figure.names)
            notes.append(f'Of {len(values):,} values of {label} {most} are shown, evenly spread.')
    if not kept:
        return figure
    words = ' '.join([*([figure.caption] if figure.caption else []), *notes])
    return dataclasses.replace(figure, where=figure.where | kept, caption=words)


def _most_panels(figure: Figure, results: Results) -> dict[int, int]:
    """How many values there may be of each of `fields_of` that has panels, by its place there."""
    if figure.kind == 'labels':
        return {}
    if figure.kind == 'confusion':
        return {1: _PANELS // 2 if len(results.classes) <= figure_counts.MOST_NUMBERED else 6}
    if figure.kind == 'boundary':
        return {0: 8, 1: 6} if figure.hue and figure.panels else {0: _PANELS, 1: _PANELS}
    return {0: max(1, _PANELS // max(1, len(figure.metrics)))}


def _cells(figure: Figure, results: Results) -> dict[tuple[Any, ...], int]:
    if figure.kind == 'labels':
        return {}
    return arrange(results, fields_of(figure), figure.where, figure.name)


def _is_crowded(figure: Figure, results: Results) -> bool:
    """Whether its lines are too many to have bands, bars or single runs."""
    if figure.kind not in ('curves', 'paths', 'effect'):
        return False
    hues, xs = ({key[i] for key in _cells(figure, results)} for i in (1, 2))
    return figure_lines.is_crowded(len(hues), len(xs))


def _recorded(results: Results) -> Recorded:
    confusion = ('confusion',) if results.confusion.any() else ()
    return Recorded(tuple(results.curves), tuple(results.finals), (*results.arrays, *confusion))


def caption(figure: Figure, results: Results) -> str:
    """The title and what stands around the panels, as text (for a page or a screen reader)."""
    figure = _bounded(_with_words(figure, results), results)
    parts = [_data(figure, results), *_warnings(figure, results), *_notes(figure, results)]
    parts = [part[0].upper() + part[1:].rstrip('. ') for part in (figure.title, *parts)]
    return '. '.join(parts) + '.'


def svg(sheet: Sheet) -> bytes:
    """A drawn figure as SVG; the same figure has the same bytes."""
    return _render(sheet, 'svg')


def save(
    sheet: Sheet, folder: str | Path, name: str, kinds: Sequence[str] = ('png', 'svg')
) -> tuple[Path, ...]:
    """Writes `name`.png, `name`.svg and what else `kinds` names, each whole or not at all.

    Args:
      sheet: a drawn figure.
      folder: made if there is none.
      name: of the files, without ending.
      kinds: 'png', 'svg', 'pdf'.

    Returns:
      The paths, in the order of `kinds`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for kind in kinds:
        path = folder / f'{name}.{kind}'
        atomic.write(path, _render(sheet, kind))
        paths.append(path)
    return tuple(paths)


# Without these the time of writing and matplotlib's version are in the bytes.
_METADATA = {
    'svg': {'Date': None, 'Creator': None},
    'png': {'Software': None},
    'pdf': {'CreationDate': None, 'Creator': None, 'Producer': None},
}


def _render(sheet: Sheet, kind: str) -> bytes:
    buffer = io.BytesIO()
    dpi = min(_DPI, _PIXELS / max(sheet.get_size_inches()))
    # Type 42: letters of a PDF stay letters, as journals ask.
    with figure_style.look(), matplotlib.rc_context({'pdf.fonttype': 42}):
        sheet.savefig(buffer, format=kind, metadata=_METADATA[kind], dpi=dpi)
    return buffer.getvalue()


def _data(figure: Figure, results: Results) -> str:
    seeds = f' · {_seeds(figure, results)}'
    if figure.kind == 'labels' or results.exact:
        seeds = ''
    if not results.fallback:
        return f'data: {results.data_label}{seeds}'
    label = results.data_label.removeprefix('stand-in data: ')
    return f'stand-in data: {label}{seeds}'


def _seeds(figure: Figure, results: Results) -> str:
    """How many seeds the settings of a figure have: all the same, or from the fewest on."""
    shown = [] if figure.kind == 'labels' else results.select(figure.where)
    fewest = min((results.runs_of(k) for k in shown), default=len(results.seeds))
    every = count(len(results.seeds), 'seed')
    return every if fewest == len(results.seeds) else f'{fewest} to {every}'


def _notes(figure: Figure, results: Results) -> list[str]:
    notes = [figure.caption] if figure.caption else []
    several = len(results.seeds) > 1
    if results.exact:
        return notes
    means = (
        'the mean over seeds, with its 95% Student-t interval as {}'
        if several
        else 'the one seed; with one seed there is no interval'
    )
    if _is_crowded(figure, results):
        which = 'the means over seeds' if several else 'the one seed'
        notes.append(
            f'Lines or points: {which}, without {"intervals and " * several}single runs, which '
            'would hide one another.'
        )
    elif figure.kind == 'curves':
        notes.append(f'Lines: {means.format("the band")}.')
    elif figure.kind == 'paths':
        which = 'the mean over seeds' if several else 'the one seed'
        notes.append(f'Lines: {which}, from the first epoch to the last, which has the mark.')
    elif figure.kind == 'effect':
        notes.append(f'Marks: {means.format("the bar")}; faint dots: single seeds.')
    elif figure.kind == 'confusion':
        over = f'summed over {len(results.seeds)} seeds' if several else 'of one seed'
        numbered = len(results.classes) <= figure_counts.MOST_NUMBERED
        notes.append(
            f'{"Cells: %" if numbered else "Colour: the share"} of the test images of the true '
            f'class (rows add up to 100{"%" * (not numbered)}), {over}. '
            + ('± is the 95% Student-t interval of the mean over seeds.' if several else '')
        )
    elif figure.kind == 'reliability':
        pooled = f', pooled over {len(results.seeds)} seeds' if several else ''
        notes.append(
            'Marks: the test images of a range of confidence, at their mean confidence, if there '
            f'are {figure_arrays.FEWEST} or more; their area is the share of the images{pooled}. '
            'Below the diagonal a network is overconfident.'
            + (' ± is the 95% Student-t interval of the mean over seeds.' if several else '')
        )
    elif figure.kind == 'histogram':
        notes.append(f'Lines: {means.format("the band")}; weight matrices and kernels only.')
    elif figure.kind == 'boundary':
        notes += _boundary_notes(figure, results)
    if figure.kind == 'effect' and figure.log_x and 0 in _xs(figure, results):
        notes.append('0 has no place on a logarithmic axis and stands apart at its left.')
    return notes


def _boundary_notes(figure: Figure, results: Results) -> list[str]:
    cells = arrange(results, fields_of(figure), figure.where, figure.name)
    shown = {figure_plane.shown_seed(results, k) for k in cells.values()} - {None}
    seeds = sorted(int(results.seeds[s]) for s in shown)
    which = f'seed {seeds[0]}' if len(seeds) == 1 else 'the first seed that did not diverge'
    points = 0 if results.plane is None else len(results.plane.points)
    some = f' (every {step}th)' if (step := figure_plane.step_of(points)) > 1 else ''
    return [
        f'One network a panel, that of {which}: the paler the background, the less sure. Points: '
        f'training data{some}, in the units they were given in.'
    ]


def _xs(figure: Figure, results: Results) -> list[Any]:
    """The values on the x axis of the settings that are shown."""
    values = results.values(figure.x)
    return [values[k] for k in results.select(figure.where)]


def _warnings(figure: Figure, results: Results) -> list[str]:
    """What diverged or is missing among the runs of the figure, named."""
    if figure.kind == 'labels':
        return []
    cells = arrange(results, fields_of(figure), figure.where, figure.name)
    diverged = {k: int(results.diverged[k].sum()) for k in sorted(cells.values())}
    lost = [
        f'{_setting(figure, results, k)} ({n} of {len(results.seeds)})'
        for k, n in diverged.items()
        if n
    ]
    if not lost:
        return []
    more = f', and {len(lost) - _LISTED} more' if len(lost) > _LISTED else ''
    runs = count(sum(diverged.values()), 'run')
    total = len(cells) * len(results.seeds)
    how = (
        {}
        if _is_crowded(figure, results)
        else {
            'curves': ', drawn alone as thin lines up to a ×',
            'effect': ', marked by a × on the x axis',
        }
    )
    return [
        f'{runs} of {total} diverged and left the means{how.get(figure.kind, "")}: '
        f'{"; ".join(lost[:_LISTED])}{more}.'
    ]


def _setting(figure: Figure, results: Results, k: int) -> str:
    setting = results.settings[k]
    words = together({name: setting.get(name) for name in results.varied}, figure.names)
    return words or 'the one setting'
