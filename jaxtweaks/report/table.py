"""A table: cells as they read and as values to sort by, for terminals, Markdown, LaTeX and HTML."""

import dataclasses
import functools
import html
from collections.abc import Sequence
from typing import Any

import rich.table

from jaxtweaks.figures.figure_style import is_number
from jaxtweaks.report import latex, table_terminal
from jaxtweaks.report.markdown import escaped

_ROWS = {'terminal': 100, 'markdown': 500, 'notebook': 200}  # that are shown at most
_SENTENCE = 30  # letters; a longer cell may be broken into lines


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of cells under named columns.

    Attributes:
      title: what the table shows.
      columns: the headings.
      rows: the cells as they read, one tuple a row.
      raw: the same cells as numbers or strings to sort by; None sorts last.
      note: what to know when reading it; '' for nothing.
      brief: the columns that fit on a terminal; () for all.
      settings: each row's setting in words; () if the rows are not settings.
      fields: how many of the first columns it stands for where there is no room for them.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    raw: tuple[tuple[Any, ...], ...]
    note: str = ''
    brief: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    fields: int = 0

    @functools.cached_property
    def numeric(self) -> tuple[bool, ...]:
        """Whether a column holds numbers (and is set flush right)."""
        return tuple(
            any(is_number(row[i]) for row in self.raw)
            and all(row[i] is None or is_number(row[i]) for row in self.raw)
            for i in range(len(self.columns))
        )

    def first(self, most: int, whole: str) -> 'Table':
        """The first rows; if there are more, the note says so, and that `whole` has them all."""
        if len(self.rows) <= most:
            return self
        note = f'Shown are the first {most:,} of {len(self.rows):,} rows; {whole} has all of them.'
        return dataclasses.replace(
            self,
            rows=self.rows[:most],
            raw=self.raw[:most],
            settings=self.settings[:most],
            note=f'{self.note} {note}'.strip(),
        )

    def to_rich(self, width: int = 0) -> rich.table.Table:
        """For a terminal of so many characters in a line; 0: everything is shown."""
        shown = self.first(_ROWS['terminal'], 'the report') if width else self
        return table_terminal.fitted(shown, width)

    def to_markdown(self) -> str:
        """A GitHub table under its title, ending in a newline."""
        if len(self.rows) > _ROWS['markdown']:
            return self.first(_ROWS['markdown'], 'report.html').to_markdown()
        align = ['---:' if numeric else '---' for numeric in self.numeric]
        lines = [f'**{escaped(self.title)}**', '']
        lines += [_row(self.columns), f'| {" | ".join(align)} |', *map(_row, self.rows)]
        if self.note:
            lines += ['', escaped(self.note)]
        return '\n'.join(lines) + '\n'

    def to_latex(self) -> str:
        """A LaTeX table (package booktabs) with its title as caption, ending in a newline.

        Columns of sentences are broken into lines, so that the table fits on a page.
        """
        places = range(len(self.columns))
        long = [max((len(row[i]) for row in self.rows), default=0) > _SENTENCE for i in places]
        wide = rf'p{{{0.5 / max(sum(long), 1):.2g}\linewidth}}'
        kinds = zip(self.numeric, long, strict=True)
        align = ''.join('r' if numeric else wide if text else 'l' for numeric, text in kinds)
        line = lambda cells: ' & '.join(map(latex.escaped, cells)) + r' \\'
        lines = [r'\begin{table}', r'\centering', rf'\caption{{{latex.escaped(self.title)}}}']
        lines += [rf'\begin{{tabular}}{{{align}}}', r'\toprule', line(self.columns), r'\midrule']
        lines += [*map(line, self.rows), r'\bottomrule', r'\end{tabular}']
        if self.note:
            lines += [r'\par\smallskip\footnotesize ' + latex.escaped(self.note)]
        return '\n'.join([*lines, r'\end{table}']) + '\n'

    def to_html(self) -> str:
        """A plain HTML table, for a notebook."""
        if len(self.rows) > _ROWS['notebook']:
            return self.first(_ROWS['notebook'], 'the report').to_html()
        style = ['text-align:right' if numeric else 'text-align:left' for numeric in self.numeric]

        def line(tag: str, cells: Sequence[str]) -> str:
            cells = [
                f'<{tag} style="{how}">{html.escape(cell)}</{tag}>'
                for cell, how in zip(cells, style, strict=True)
            ]
            return f'<tr>{"".join(cells)}</tr>'

        rows = ''.join(line('td', row) for row in self.rows)
        note = f'<p>{html.escape(self.note)}</p>' if self.note else ''
        return (
            f'<table><caption>{html.escape(self.title)}</caption>'
            f'<thead>{line("th", self.columns)}</thead><tbody>{rows}</tbody></table>{note}'
        )

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns of the values to sort by, for `pandas.DataFrame` and the like."""
        found: dict[str, list[Any]] = {}
        for i, name in enumerate(self.columns):
            again = sum(name == other for other in self.columns[:i])
            found[f'{name} ({again + 1})' if again else name] = [row[i] for row in self.raw]
        return found

    def _repr_html_(self) -> str:
        return self.to_html()


def latex_document(tables: Sequence[Table]) -> str:
    """The tables of a study, to be \\input into a LaTeX document."""
    return '% needs \\usepackage{booktabs}\n\n' + '\n'.join(table.to_latex() for table in tables)


def _row(cells: Sequence[str]) -> str:
    return f'| {" | ".join(map(escaped, cells))} |'
