"""Published numbers next to measured ones: a table of them, and how many lie within seed noise.

What `claims.published` measured, as `claims.json` holds it, is put into words here. The words of
the last column are counted, so that a page put together from published tables counts alike.
"""

import collections
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxtweaks.base.words import count
from jaxtweaks.report import verdict_words
from jaxtweaks.report.markdown import escaped
from jaxtweaks.report.table import Table

TITLE = 'Published numbers'
SIZES = ('smoke', 'quick', 'paper')
COLUMNS = ('what', 'where', 'published', 'measured', '95% interval', 'seeds', 'seed noise')
INSIDE, REACHED, OUTSIDE = 'inside', 'within one run', 'outside'
SAME, OTHER = 'as published', 'not as published'
UNKNOWN, UNMEASURED = 'too few seeds', 'not measured'
_NOT_COUNTED, _READ = ', not counted: ', 'read as '
NOTE = (
    "'inside': the published number lies in the 95% Student-t interval of the mean over seeds. The "
    'documents give single runs and no spread; so '
    f"'{REACHED}': outside of it, but where one more run would fall (95%; √(n + 1) times the "
    "interval's half width around the mean). Where no seed changes a number: 'as published' to the "
    'rounding of the document. What is measured of other data, size or network, or by another '
    'reading of the document, is shown and not counted.'
)

OMITTED = 'Seeds with a diverged run, or one without a value, are omitted, and counted as such.'


def state(published: float, effect: float, low: float, high: float, n: int) -> str:
    """Whether a published number lies within seed noise, as a word of the last column.

    Args:
      published: the number.
      effect: the mean over seeds; low, high: its 95% interval.
      n: the seeds.
    """
    if n < 2 or not all(map(math.isfinite, (published, effect, low, high))):
        return UNKNOWN
    rounding = 1e-6 * max(abs(published), abs(effect))  # of float32
    if low - rounding <= published <= high + rounding:
        return INSIDE
    wider = math.sqrt(n + 1)
    reach = effect + wider * (low - effect), effect + wider * (high - effect)
    return REACHED if reach[0] <= published <= reach[1] else OUTSIDE


def exact(published: float, effect: float, margin: float) -> str:
    """The same of a number that no seed changes; `margin`: what the document's rounding allows."""
    return SAME if abs(effect - published) <= margin else OTHER


def said(found: str, reading: str = '', differs: str = '') -> str:
    """The cell of the last column: the word, and why it is not counted, if it is not."""
    why = '; '.join(filter(None, [f'{_READ}{reading}' if reading else '', differs]))
    return f'{found}{_NOT_COUNTED}{why}' if why else found


def counted(cells: Iterable[str]) -> list[str]:
    """How many numbers lie within seed noise, in sentences; none for no numbers.

    `cells`: the last column.
    """
    pairs = [cell.partition(_NOT_COUNTED)[::2] for cell in cells]
    ours = collections.Counter(word for word, why in pairs if not why)
    by_reading: dict[str, collections.Counter[str]] = {}
    other = 0
    for word, why in pairs:
        if why.startswith(_READ) and ';' not in why:
            by_reading.setdefault(why.removeprefix(_READ), collections.Counter())[word] += 1
        elif why:
            other += 1
    found = []
    if by_seeds := ours[INSIDE] + ours[REACHED] + ours[OUTSIDE]:
        within = ours[INSIDE] + ours[REACHED]
        found.append(
            f'{ours[INSIDE]} of {count(by_seeds, "published number")} lie within seed noise: '
            f'inside the 95% interval of the measured mean. {within} of {by_seeds} lie where one '
            'more run would fall.'
        )
    if same := ours[SAME] + ours[OTHER]:
        found.append(f'Of {same} that no seed changes, {ours[SAME]} are as published.')
    if ours[UNKNOWN]:
        found.append(f'Of {ours[UNKNOWN]} there are too few seeds.')
    if ours[UNMEASURED]:
        found.append(f'Of {ours[UNMEASURED]} nothing was measured.')
    if by_reading:
        parts = [
            f'{reading} {words[INSIDE] + words[REACHED]} of {words.total()}'
            for reading, words in by_reading.items()
        ]
        found.append(f'Where one more run would fall by another reading: {"; ".join(parts)}.')
    if other:
        found.append(f'Not counted, as the last column says: {other}.')
    return found


def table(compared: Sequence[Mapping[str, Any]], size: str, stand_in: str = '') -> Table:
    """A row for each published number of an experiment.

    Args:
      compared: what `Comparison.to_dict` returns.
      size: of the experiment; what is measured at 'smoke' is not counted.
      stand_in: the data that stand in for others; '' for none.
    """
    rows = tuple(cells(one, size, stand_in) for one in compared)
    raw = tuple(
        (*row[:2], *_sorted_by(one), row[6]) for row, one in zip(rows, compared, strict=True)
    )
    omitted = [OMITTED] * any(one['dropped'] for one in compared)
    note = ' '.join([*counted(row[-1] for row in rows), NOTE, *omitted])
    return Table(
        TITLE, COLUMNS, rows, raw, note, brief=('what', 'published', 'measured', COLUMNS[-1])
    )


def cells(one: Mapping[str, Any], size: str, stand_in: str = '') -> tuple[str, ...]:
    """A row of the table, see `table`."""
    number = one['number']
    value = number['value']
    verdict = {**one, 'published': {'': value}}
    effect, interval = verdict_words.effect_words(verdict)
    published = verdict_words.published_words(verdict).removeprefix(': ')
    if one['exact'] and one['effect'] is None:  # nothing finite was measured
        found = UNMEASURED
    elif one['exact']:
        found = exact(value, one['effect'], number['margin'])
    else:
        effect_at, low, high = (
            math.nan if one[end] is None else one[end] for end in ('effect', 'low', 'high')
        )
        found = state(value, effect_at, low, high, one['n'])
    differs = [number['differs']]
    if not number['differs']:
        differs = ['the size is smoke'] * (size == 'smoke') + ['stand-in data'] * bool(stand_in)
    seeds = 'exact' if one['exact'] else verdict_words.seeds_words(one)
    last = said(found, number['reading'], '; '.join(filter(None, differs)))
    return number['what'], number['source'], published, effect, interval, seeds, last


@dataclasses.dataclass(frozen=True)
class Row:
    """A published number on a page about many experiments.

    Attributes:
      document: its short name.
      cells: by `COLUMNS`.
      experiment, size, data: of what was measured; `data` with its name, stand-in or not.
      link, text: its report as HTML and as Markdown, as of `overview.Line`.
    """

    document: str
    cells: tuple[str, ...]
    experiment: str
    size: str
    data: str
    link: str = ''
    text: str = ''


def largest(rows: Sequence[Row]) -> list[Row]:
    """The rows without those of which there is one of a larger size of the same experiment."""
    place = {size: i for i, size in enumerate(SIZES)}
    best: dict[tuple[str, ...], int] = {}
    for row in rows:
        size = place.get(row.size, -1)
        best[_of(row)] = max(best.get(_of(row), size), size)
    return [row for row in rows if place.get(row.size, -1) == best[_of(row)]]


def _of(row: Row) -> tuple[str, ...]:
    """The published number of a row, and the experiment: not the size."""
    return row.experiment, row.cells[0]


def summary(rows: Sequence[Row]) -> list[str]:
    """How many numbers lie within seed noise, of all and of each document, in sentences."""
    named = list(dict.fromkeys(row.document for row in rows))
    found = [' '.join(counted(row.cells[-1] for row in rows))]
    for document in named if len(named) > 1 else ():
        words = ' '.join(counted(row.cells[-1] for row in rows if row.document == document))
        found.append(f'{document}: {words}')
    return found


def markdown(rows: Sequence[Row], level: str = '##') -> list[str]:
    """Lines of GitHub Markdown: a heading of this level, the counts, the rule and a table.

    None if there are no rows.
    """
    if not rows:
        return []
    lines = ['', f'{level} {TITLE}', '']
    lines += [f'{escaped(words)}\n' for words in summary(rows)]
    lines += [escaped(NOTE), '', f'| document | {" | ".join(COLUMNS)} | data | from |']
    lines += [f'| --- |{" --- |" * 2}{" ---: |" * 2} --- | ---: |{" --- |" * 3}']
    for row in rows:
        name, link = escaped(f'{row.experiment}:{row.size}'), row.text or row.link
        source = f'[{name}](<{link}>)' if link else name
        found = [row.document, *row.cells, row.data]
        lines.append(f'| {" | ".join(map(escaped, found))} | {source} |')
    return lines


def _sorted_by(one: Mapping[str, Any]) -> tuple[Any, ...]:
    return one['number']['value'], one['effect'], one['low'], one['n']
