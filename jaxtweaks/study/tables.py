"""Tables of a study: what each setting gave, what each run gave, and the verdicts.

A `Table` holds its cells twice: as they read, and as values to sort by. It renders to the
terminal, to Markdown, LaTeX and HTML.
"""

import dataclasses
import functools
import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import rich.table
import rich.text

from jaxtweaks.study import latex, power
from jaxtweaks.study.figure_data import mean_interval, seeds_of
from jaxtweaks.study.figure_style import is_number
from jaxtweaks.study.power import Need
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
    count,
    field_label,
    metric_interval,
    metric_value,
    number,
    together,
    value_label,
)

METRICS = (
    'test_accuracy', 'test_loss', 'validation_accuracy', 'validation_loss', 'gap_accuracy',
)  # fmt: skip
_SENTENCE = 30  # letters; a longer cell may be broken into lines
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

    def to_rich(self, width: int = 0) -> rich.table.Table:
        """For the terminal; brackets in a cell are text, not rich's markup.

        Args:
          width: of the terminal, in characters; what has no room is left out, and the note says
            so. 0: everything is shown.
        """
        shown, left_out = self._that_fit(width)
        if self.settings and 0 < width < self._room(shown):
            return self._in_words().to_rich(width)
        widths = self._widths(shown, width)
        note = self.note
        if left_out:
            note += f' {count(left_out, "more column")} in the report.'
        table = rich.table.Table(
            title=rich.text.Text(self.title), caption=rich.text.Text(note.strip()) or None
        )
        for i in shown:
            table.add_column(
                rich.text.Text(self._heading(i)),
                justify='right' if self.numeric[i] else 'left',
                overflow='fold',
                no_wrap=any(_style(row[i]) for row in self.rows),  # a verdict stays in one piece
                width=widths.get(i),
            )
        for row in self.rows:
            table.add_row(*(rich.text.Text(row[i], style=_style(row[i])) for i in shown))
        return table

    def _in_words(self) -> 'Table':
        """The table with one column for the setting instead of one for each of its fields."""
        after = slice(self.fields, None)
        put = lambda rows: tuple(
            (words, *row[after]) for words, row in zip(self.settings, rows, strict=True)
        )
        return dataclasses.replace(
            self,
            columns=('setting', *self.columns[after]),
            rows=put(self.rows),
            raw=put(self.raw),
            brief=('setting', *self.brief) if self.brief else (),
            settings=(),
        )

    def _heading(self, i: int) -> str:
        return self.columns[i].partition(' (t')[0]  # a gap's definition is too long here

    def _least_width(self, i: int) -> int:
        """The letters that column i must have so that no word or number is torn apart."""
        cells = [row[i] for row in self.rows]
        whole = self.numeric[i] or any(map(_style, cells))
        pieces = cells if whole else [word for cell in cells for word in cell.split()]
        return max(map(len, [*pieces, *self._heading(i).split(), '']))

    def _that_fit(self, width: int) -> tuple[list[int], int]:
        """The brief columns that fit, the last ones left out first, and how many those are.

        The first column that was measured (with a ±) stays, whether it fits or not.
        """
        brief = [i for i, name in enumerate(self.columns) if name in (self.brief or self.columns)]
        measured = (j for j, i in enumerate(brief) if any('±' in row[i] for row in self.rows))
        least, shown = next(measured, 1) + 1, brief
        while width and len(shown) > least and self._room(shown) > width:
            shown = shown[:-1]
        return shown, len(brief) - len(shown)

    def _room(self, columns: Sequence[int]) -> int:
        """The letters in a line that these columns need, with their borders."""
        return 1 + sum(self._least_width(i) + 3 for i in columns)

    def _widths(self, columns: Sequence[int], width: int) -> dict[int, int]:
        """How wide each column is, if all fit; what room is left over goes to the first ones."""
        left = width - self._room(columns)
        widths = {}
        for i in columns if left >= 0 else ():
            longest = max(map(len, [self._heading(i), *(row[i] for row in self.rows)]))
            more = min(left, max(0, longest - self._least_width(i)))
            widths[i] = self._least_width(i) + more
            left -= more
        return widths

    def to_markdown(self) -> str:
        """A GitHub table under its title, ending in a newline."""
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
    swept = _told(results, names)
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
        cells: list[str] = [value_label(name, _value(setting, name), names) for name in swept]
        keys: list[Any] = [_key(_value(setting, name)) for name in swept]
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
    words = [
        together({name: setting[name] for name in _varied(results) if name in setting}, names)
        for setting in results.settings
    ]
    return Table(
        title, columns, tuple(rows), tuple(raw), note, tuple(brief), tuple(words), len(swept)
    )


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
    swept = _told(results, names)
    columns = (
        *(field_label(name, names) for name in swept),
        'seed',
        'state',
        *(['epoch chosen'] if results.trained else []),
        *(metric_label(metric) for metric in metrics),
        *(['run'] if results.ids is not None else []),
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
        named = [] if results.ids is None else [str(results.ids[k, s])]
        rows.append(
            (
                *(value_label(name, _value(setting, name), names) for name in swept),
                str(seed),
                state,
                *([ABSENT if epoch is None else str(epoch)] if results.trained else []),
                *(metric_value(m, v) for m, v in zip(metrics, finals, strict=True)),
                *named,
            )
        )
        keys = [_key(_value(setting, name)) for name in swept]
        keys += [seed, state] + [epoch] * results.trained
        raw.append((*keys, *map(_key, finals), *named))
    note = f'Data: {results.data_label}.'
    if results.ids is not None and results.trained:
        note += ' A run is trained again alone, and compared bit by bit, by --replay=RUN.'
    return Table(title, columns, tuple(rows), tuple(raw), note)


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


def seeds_table(
    verdicts: Sequence[Mapping[str, Any]],
    needs: Sequence[Need | None],
    title: str = 'Seeds that would settle each claim',
) -> Table:
    """One row for each claim: what is known, and how many seeds would settle it.

    Args:
      verdicts: what `Verdict.to_dict` gives.
      needs: for each claim, as `power.need` gives; None where nothing is known.
      title: what the table shows.
    """
    columns = ('claim', 'effect', '95% interval', 'so far', 'seeds', 'to settle', 'it would be')
    rows, raw = [], []
    for verdict, needed in zip(verdicts, needs, strict=True):
        effect, interval = effect_words(verdict)
        kind = verdict['verdict']
        seeds = None if needed is None else needed.seeds
        if needed is None:
            words = 'exact' if verdict['smallest_permutation_p'] is None else ABSENT
        else:
            words = f'more than {power.MOST:,}' if seeds is None else f'{seeds:,}'
        then = needed.verdict if needed else ''
        shown = f'{ICONS[then]} {then}' if then else ABSENT
        sentence = verdict['claim']['sentence']
        now = f'{ICONS[kind]} {kind}'
        rows.append((sentence, effect, interval, now, seeds_words(verdict), words, shown))
        keys = _key(verdict['effect']), _key(verdict['low'])
        raw.append((sentence, *keys, kind, verdict['n'], seeds, then))
    brief = (columns[0], *columns[3:])
    return Table(title, columns, tuple(rows), tuple(raw), _planning_note(verdicts), brief)


def _planning_note(verdicts: Sequence[Mapping[str, Any]]) -> str:
    tested = [verdict for verdict in verdicts if verdict['smallest_permutation_p'] is not None]
    seen = [verdict['n'] for verdict in tested if verdict['n'] > 1]
    if not seen:
        return 'Nothing to plan: fewer than two seeds are known, or no seed changes a number.'
    n = min(seen)
    low, high = power.spread_known(n)
    return (
        f'For a chance of {power.POWER:.0%} at 5% over all {count(len(tested), "claim")} (Holm), '
        f'if effect and scatter are as seen. In {n} seeds the scatter is seen only roughly: the '
        f'true deviation is {low:.2g} to {high:.2g} times as large (95%), and the seeds needed '
        'grow with its square.'
    )


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


def _told(results: Results, names: Mapping[str, str] | None) -> list[str]:
    """The fields that differ; those that `names` has one word for are one, as 'a + b'."""
    told = _varied(results)
    for key in names or ():
        fields = key.split(' + ')
        if len(fields) > 1 and '=' not in key and set(fields) <= set(told):
            values = [_value(setting, key) for setting in results.settings]
            if all(f'{key}={value}' in names for value in values):
                first = min(told.index(field) for field in fields)
                told = [*told[:first], key, *(f for f in told[first:] if f not in fields)]
    return told


def _value(setting: Mapping[str, Any], name: str) -> Any:
    """The value of a field, or of several joined by ' + ' the tuple of theirs."""
    if ' + ' in name:
        return tuple(setting.get(field) for field in name.split(' + '))
    return setting.get(name)


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
