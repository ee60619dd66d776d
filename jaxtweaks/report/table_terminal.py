"""A table on a terminal: which columns have room, and how wide they are."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import rich.table
import rich.text

from jaxtweaks.base.words import count
from jaxtweaks.report.verdict_words import COLORS, ICONS

if TYPE_CHECKING:
    from jaxtweaks.report.table import Table


def fitted(table: 'Table', width: int = 0) -> rich.table.Table:
    """A table for a terminal; brackets in a cell are text, not rich's markup.

    Args:
      table: what to show.
      width: of the terminal, in characters; what has no room is omitted, and the note says
        so. 0: everything is shown.
    """
    shown, omitted = _that_fit(table, width)
    if table.settings and 0 < width < _room(table, shown):
        return fitted(_in_words(table), width)
    widths = _widths(table, shown, width)
    note = table.note
    if omitted:
        note += f' {count(omitted, "more column")} in the report.'
    drawn = rich.table.Table(
        title=rich.text.Text(table.title), caption=rich.text.Text(note.strip()) or None
    )
    for i in shown:
        drawn.add_column(
            rich.text.Text(_heading(table, i)),
            justify='right' if table.numeric[i] else 'left',
            overflow='fold',
            no_wrap=any(_style(row[i]) for row in table.rows),  # a verdict stays in one piece
            width=widths.get(i),
        )
    for row in table.rows:
        drawn.add_row(*(rich.text.Text(row[i], style=_style(row[i])) for i in shown))
    return drawn


def _in_words(table: 'Table') -> 'Table':
    """The table with one column for the setting instead of one for each of its fields."""
    after = slice(table.fields, None)
    put = lambda rows: tuple(
        (words, *row[after]) for words, row in zip(table.settings, rows, strict=True)
    )
    return dataclasses.replace(
        table,
        columns=('setting', *table.columns[after]),
        rows=put(table.rows),
        raw=put(table.raw),
        brief=('setting', *table.brief) if table.brief else (),
        settings=(),
    )


def _heading(table: 'Table', i: int) -> str:
    heading = table.columns[i]
    if heading.startswith('generalisation gap'):  # its definition is too long here
        return heading.partition(' (')[0]
    return heading


def _least_width(table: 'Table', i: int) -> int:
    """The letters that column i must have so that no word or number is torn apart."""
    cells = [row[i] for row in table.rows]
    whole = table.numeric[i] or any(map(_style, cells))
    pieces = cells if whole else [word for cell in cells for word in cell.split()]
    return max(map(len, [*pieces, *_heading(table, i).split(), '']))


def _that_fit(table: 'Table', width: int) -> tuple[list[int], int]:
    """The brief columns that fit, the last ones omitted first, and how many those are.

    The first column that was measured (with a ±) stays, whether it fits or not.
    """
    brief = [i for i, name in enumerate(table.columns) if name in (table.brief or table.columns)]
    measured = (j for j, i in enumerate(brief) if any('±' in row[i] for row in table.rows))
    least, shown = next(measured, 1) + 1, brief
    while width and len(shown) > least and _room(table, shown) > width:
        shown = shown[:-1]
    return shown, len(brief) - len(shown)


def _room(table: 'Table', columns: Sequence[int]) -> int:
    """The letters in a line that these columns need, with their borders."""
    return 1 + sum(_least_width(table, i) + 3 for i in columns)


def _widths(table: 'Table', columns: Sequence[int], width: int) -> dict[int, int]:
    """How wide each column is, if all fit; what room is left over goes to the first ones."""
    left = width - _room(table, columns)
    widths = {}
    for i in columns if left >= 0 else ():
        longest = max(map(len, [_heading(table, i), *(row[i] for row in table.rows)]))
        more = min(left, max(0, longest - _least_width(table, i)))
        widths[i] = _least_width(table, i) + more
        left -= more
    return widths


def _style(cell: str) -> str:
    for verdict, color in COLORS.items():
        if cell == f'{ICONS[verdict]} {verdict}':
            return f'bold {color}'
    return ''
