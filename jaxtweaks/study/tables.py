"""Tables of a study: what each setting gave, what each run gave, and the verdicts.

A `Table` holds its cells twice: as they read, and as values to sort by. It renders to the
terminal, to Markdown, LaTeX and HTML.
"""

import dataclasses
import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import rich.table
import rich.text

from jaxtweaks.study import latex
from jaxtweaks.study.figure_data import mean_interval, seeds_of
from jaxtweaks.study.figure_style import is_number
from jaxtweaks.study.results import Results
from jaxtweaks.study.results import label as metric_label
from jaxtweaks.study.studies.study import Sheet
from jaxtweaks.study.verdict_words import (
    COLORS,
    ICONS,
    effect_words,
    p_words,
    published_words,
    seeds_words,
)
from jaxtweaks.study.words import (
    ABSENT,
    field_label,
    metric_interval,
    metric_value,
    number,
    value_label,
)

METRICS = (
    'test_accuracy', 'test_loss', 'validation_accuracy', 'validation_loss', 'gap_accuracy',
)  # fmt: skip
_BRIEF = ('test_accuracy', 'validation_loss')


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
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    raw: tuple[tuple[Any, ...], ...]
    note: str = ''
    brief: tuple[str, ...] = ()

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Whether a column holds numbers (and is set flush right)."""
        return tuple(
            any(is_number(row[i]) for row in self.raw)
            and all(row[i] is None or is_number(row[i]) for row in self.raw)
            for i in range(len(self.columns))
        )

    def to_rich(self) -> rich.table.Table:
        """For the terminal; brackets in a cell are text, not rich's markup."""
        table = rich.table.Table(
            title=rich.text.Text(self.title), caption=rich.text.Text(self.note) or None
        )
        shown = [i for i, name in enumerate(self.columns) if name in (self.brief or self.columns)]
        for i in shown:
            heading = self.columns[i].partition(' (t')[0]  # a gap's definition is too long here
            justify = 'right' if self.numeric[i] else 'left'
            table.add_column(
                rich.text.Text(heading),
                justify=justify,
                overflow='fold',
                no_wrap=any(_style(row[i]) for row in self.rows),  # a verdict stays in one piece
            )
        for row in self.rows:
            table.add_row(*(rich.text.Text(row[i], style=_style(row[i])) for i in shown))
        return table

    def to_markdown(self) -> str:
        """A GitHub table under its title, ending in a newline."""
        align = ['---:' if numeric else '---' for numeric in self.numeric]
        lines = [f'**{escaped(self.title)}**', '']
        lines += [_row(self.columns), f'| {" | ".join(align)} |', *map(_row, self.rows)]
        if self.note:
            lines += ['', escaped(self.note)]
        return '\n'.join(lines) + '\n'

    def to_latex(self) -> str:
        """A LaTeX table (package booktabs) with its title as caption, ending in a newline."""
        align = ''.join('r' if numeric else 'l' for numeric in self.numeric)
        line = lambda cells: ' & '.join(map(latex.escaped, cells)) + r' \\'
        lines = [r'\begin{table}', r'\centering', rf'\caption{{{latex.escaped(self.title)}}}']
        lines += [rf'\begin{{tabular}}{{{align}}}', r'\toprule', line(self.columns), r'\midrule']
        lines += [*map(line, self.rows), r'\bottomrule', r'\end{tabular}']
        if self.note:
            lines += [r'\par\smallskip\footnotesize ' + latex.escaped(self.note)]
        return '\n'.join([*lines, r'\end{table}']) + '\n'

    def to_html(self) -> str:
        """A plain HTML table, for a notebook."""
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
        return {name: [row[i] for row in self.raw] for i, name in enumerate(self.columns)}

    def _repr_html_(self) -> str:
        return self.to_html()


def latex_document(tables: Sequence[Table]) -> str:
    """The tables of a study, to be \\input into a LaTeX document."""
    return '% needs \\usepackage{booktabs}\n\n' + '\n'.join(table.to_latex() for table in tables)


def settings_table(
    results: Results,
    metrics: Sequence[str] | None = None,
    title: str = 'Results by setting',
    names: Mapping[str, str] | None = None,
) -> Table:
    """One row for each setting: its swept values, its runs, and the final metrics.

    Args:
      results: K settings, S seeds.
      metrics: final metrics; None for those of `METRICS` that were measured.
      title: what the table shows.
      names: words for fields and values, as in a figure.

    Raises:
      UserError: a metric was not measured.
    """
    chosen = metrics
    metrics = _measured(results, metrics)
    swept = _varied(results)
    columns = (
        *(field_label(name, names) for name in swept),
        *([] if results.exact else ['seeds']),
        *(['diverged'] if results.trained else []),
        *(metric_label(metric) for metric in metrics),
    )
    values = {metric: results.final(metric) for metric in metrics}
    rows, raw = [], []
    for k, setting in enumerate(results.settings):
        diverged = int(results.diverged[k].sum())
        cells: list[str] = [value_label(name, setting.get(name), names) for name in swept]
        keys: list[Any] = [_key(setting.get(name)) for name in swept]
        counts = [len(results.seeds)] * (not results.exact) + [diverged] * results.trained
        cells += map(str, counts)
        keys += counts
        for metric in metrics:
            seeds = seeds_of(results, values[metric], k)
            mean, half = (float(x) for x in mean_interval(seeds.whole))
            cell = metric_interval(metric, mean, half)
            if seeds.missing:
                cell += f' (n = {len(seeds.whole)})'
            cells.append(cell)
            keys.append(_key(mean))
        rows.append(tuple(cells))
        raw.append(tuple(keys))
    several = len(results.seeds) > 1
    note = f'Data: {results.data_label}. ' + (
        'Mean over seeds ± half the width of its 95% Student-t interval.'
        if several
        else ('Exact: no seed changes it.' if results.exact else 'One seed: no interval.')
    )
    if results.diverged.any():
        note += ' Diverged runs are counted, and left out of the means.'
    left_out = [metric_label(metric) for metric in metrics if metric not in _BRIEF]
    every = chosen or not results.trained
    brief = columns if every else tuple(name for name in columns if name not in left_out)
    return Table(title, columns, tuple(rows), tuple(raw), note, brief)


def from_sheet(sheet: Sheet) -> Table:
    """A table of a study's own: numbers with all their digits, and sorted as numbers."""
    return Table(
        sheet.title,
        sheet.columns,
        tuple(tuple(_cell(value) for value in row) for row in sheet.rows),
        tuple(tuple(_key(value) for value in row) for row in sheet.rows),
        sheet.note,
    )


def runs_table(
    results: Results,
    metrics: Sequence[str] | None = None,
    title: str = 'All runs',
    names: Mapping[str, str] | None = None,
) -> Table:
    """One row for each setting and seed, with the final metrics. Arguments: `settings_table`."""
    metrics = _measured(results, metrics)
    swept = _varied(results)
    columns = (
        *(field_label(name, names) for name in swept),
        'seed',
        'state',
        *(['epoch chosen'] if results.trained else []),
        *(metric_label(metric) for metric in metrics),
    )
    values = {metric: results.final(metric) for metric in metrics}
    rows, raw = [], []
    for k, s in np.ndindex(len(results.settings), len(results.seeds)):
        setting = results.settings[k]
        finals = [float(values[metric][k, s]) for metric in metrics]
        step = int(results.diverged_at[k, s])
        state = 'finished' if any(map(math.isfinite, finals)) or not finals else 'missing'
        state = f'diverged at step {step}' if step >= 0 else state
        epoch = int(results.chosen_epoch[k, s]) if state == 'finished' else None
        seed = int(results.seeds[s])
        rows.append(
            (
                *(value_label(name, setting.get(name), names) for name in swept),
                str(seed),
                state,
                *([ABSENT if epoch is None else str(epoch)] if results.trained else []),
                *(metric_value(m, v) for m, v in zip(metrics, finals, strict=True)),
            )
        )
        keys = [_key(setting.get(name)) for name in swept]
        keys += [seed, state] + [epoch] * results.trained
        raw.append((*keys, *map(_key, finals)))
    return Table(title, columns, tuple(rows), tuple(raw), f'Data: {results.data_label}.')


def verdict_table(verdicts: Sequence[Mapping[str, Any]], title: str = 'Verdicts') -> Table:
    """One row for each claim. verdicts: what `Verdict.to_dict` gives."""
    columns = ('verdict', 'claim', 'effect', '95% interval', 'seeds', 'p (Holm)', 'p (sign flips)')
    columns += ('published', 'source')
    rows, raw = [], []
    for verdict in verdicts:
        claim = verdict['claim']
        effect, interval = effect_words(verdict)
        rows.append(
            (
                f'{ICONS[verdict["verdict"]]} {verdict["verdict"]}',
                claim['sentence'],
                effect,
                interval,
                seeds_words(verdict),
                p_words(verdict['p_adjusted']),
                p_words(verdict['p_permutation']),
                published_words(verdict) or ABSENT,
                claim['source'],
            )
        )
        raw.append(
            (
                verdict['verdict'],
                claim['sentence'],
                _key(verdict['effect']),
                _key(verdict['low']),
                verdict['n'],
                _key(verdict['p_adjusted']),
                _key(verdict['p_permutation']),
                published_words(verdict),
                claim['source'],
            )
        )
    note = 'Intervals are not adjusted for the number of claims; p (Holm) is, and decides.'
    brief = ('verdict', 'claim', 'effect', '95% interval', 'seeds', 'p (Holm)')
    return Table(title, columns, tuple(rows), tuple(raw), note, brief)


def _measured(results: Results, metrics: Sequence[str] | None) -> list[str]:
    if metrics is not None:
        return list(metrics)
    if not results.trained:
        return list(results.finals)
    gaps = {'train_accuracy', 'validation_accuracy'} <= set(results.finals)
    return [m for m in METRICS if m in results.finals or (m == 'gap_accuracy' and gaps)]


def _varied(results: Results) -> list[str]:
    """The fields that differ between settings; all of them if none does."""
    varied = [
        name
        for name in results.swept
        if len({str(setting.get(name)) for setting in results.settings}) > 1
    ]
    return varied or list(results.swept)


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'{value:,}'.replace('-', '−')
    return number(value) if is_number(value) else str(value)


def _key(value: Any) -> Any:
    """What a cell sorts by."""
    if is_number(value):
        return value if math.isfinite(value) else None
    return None if value is None else str(value)


def _style(cell: str) -> str:
    for verdict, color in COLORS.items():
        if cell == f'{ICONS[verdict]} {verdict}':
            return f'bold {color}'
    return ''


def _row(cells: Sequence[str]) -> str:
    return f'| {" | ".join(map(escaped, cells))} |'


def escaped(text: str) -> str:
    """Text that Markdown leaves as it is, on one line."""
    for character in '\\|*_`<>[]':
        text = text.replace(character, f'\\{character}')
    return ' '.join(text.split())
