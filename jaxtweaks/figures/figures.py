"""Figures of a study: from a few words in a config and the results to PNG, SVG and PDF.

Every figure says which data it shows, over how many seeds, what its bands are, and which runs
diverged. The same results give the same bytes.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtweaks.base import atomic
from jaxtweaks.base.words import Names, count, field_label, together
from jaxtweaks.figures import figure_style
from jaxtweaks.figures.figure_data import arrange, ordered, seeds_words
from jaxtweaks.figures.figure_legend import Key
from jaxtweaks.figures.figure_page import Page
from jaxtweaks.figures.figure_spec import Figure, check, check_one, fields_of, kind_of
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

__all__ = ['Figure', 'caption', 'check', 'draw', 'save', 'svg']

_DPI, _PIXELS = 150, 4000  # of a PNG: per inch, and at most along a side
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
        return kind_of(figure).draw(figure, results, finish)


def _with_words(figure: Figure, results: Results) -> Figure:
    """A figure whose words keep the values of a field apart."""
    return dataclasses.replace(figure, names=Names(figure.names, results.settings))


def _bounded(figure: Figure, results: Results) -> Figure:
    """A figure of as many panels as can be looked at, evenly spread over those there are."""
    cells = _cells(figure, results)
    kept, notes = {}, []
    for i, most in kind_of(figure).most_panels(figure, results).items():
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


def _cells(figure: Figure, results: Results) -> dict[tuple[Any, ...], int]:
    if not kind_of(figure).shows_settings:
        return {}
    return arrange(results, fields_of(figure), figure.where, figure.name)


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
    import matplotlib

    buffer = io.BytesIO()
    dpi = min(_DPI, _PIXELS / max(sheet.get_size_inches()))
    # Type 42: letters of a PDF stay letters, as journals ask.
    with figure_style.look(), matplotlib.rc_context({'pdf.fonttype': 42}):
        sheet.savefig(buffer, format=kind, metadata=_METADATA[kind], dpi=dpi)
    return buffer.getvalue()


def _data(figure: Figure, results: Results) -> str:
    seeds = f' · {_seeds(figure, results)}'
    if not kind_of(figure).shows_settings or results.exact:
        seeds = ''
    if not results.fallback:
        return f'data: {results.data_label}{seeds}'
    label = results.data_label.removeprefix('stand-in data: ')
    return f'stand-in data: {label}{seeds}'


def _seeds(figure: Figure, results: Results) -> str:
    """How many seeds the settings of a figure have: all the same, or from the fewest on."""
    shown = results.select(figure.where) if kind_of(figure).shows_settings else []
    return seeds_words([results.runs_of(k) for k in shown] or [len(results.seeds)])


def _notes(figure: Figure, results: Results) -> list[str]:
    notes = [figure.caption] if figure.caption else []
    return notes if results.exact else notes + kind_of(figure).notes(figure, results)


def _warnings(figure: Figure, results: Results) -> list[str]:
    """What diverged or is missing among the runs of the figure, named."""
    cells, kind = _cells(figure, results), kind_of(figure)
    diverged = {k: int(results.diverged[k].sum()) for k in sorted(cells.values())}
    lost = [
        f'{_setting(figure, results, k)} ({n} of {results.runs_of(k)})'
        for k, n in diverged.items()
        if n
    ]
    if not lost:
        return []
    more = f', and {len(lost) - _LISTED} more' if len(lost) > _LISTED else ''
    runs = count(sum(diverged.values()), 'run')
    total = sum(map(results.runs_of, cells.values()))
    how = '' if kind.is_crowded(figure, results) else kind.lost
    return [
        f'{runs} of {total} diverged and left the means{how}: {"; ".join(lost[:_LISTED])}{more}.'
    ]


def _setting(figure: Figure, results: Results, k: int) -> str:
    setting = results.settings[k]
    words = together({name: setting.get(name) for name in results.varied}, figure.names)
    return words or 'the one setting'
