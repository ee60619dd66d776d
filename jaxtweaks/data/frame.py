"""Tables with named columns, of numbers and words, as data sets: frames and CSV files.

Of a frame (pandas, polars, Arrow, or a dict of columns) only the names and the columns are asked
for, so that none of these libraries is imported.
"""

import contextlib
import csv
import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from jaxtweaks.base import home
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.data import own, target_values
from jaxtweaks.data.dataset import Source, Split, frozen
from jaxtweaks.data.labels import is_missing
from jaxtweaks.data.split import held_out

MISSING = ('error', 'drop', 'mean')
_MOST_WORDS = 100  # different ones in a column that becomes one-hot
_SHOWN = 6  # columns that a message names
# What stands for no value in a CSV file.
_NO_VALUE = ('', 'na', 'n/a', 'nan', 'null', 'none')
_DATE = re.compile(r'\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}.*)?|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}')
_OPTIONS = ('target', 'targets', 'missing', 'columns')  # of data.name 'csv:PATH?…'

# A column: numbers float64 [N] with NaN where one is missing, or words [N] with None there.
Column = np.ndarray


def from_frame(
    frame: Any,
    target: str | Sequence[str],
    *,
    targets: str = '',
    missing: str = 'error',
    columns: Sequence[str] | None = None,
    title: str = 'table',
    source: str = 'a table',
    notify: Callable[[str], None] = print,
) -> Source:
    """A data set of the rows of a table.

    Numbers become a feature each, and are standardised as images are (`data.standardise`); words
    become a feature for each word, 1 where it stands and 0 elsewhere. Truth values are 0 and 1.

    Args:
      frame: a frame of pandas, polars or Arrow, or a dict of columns by name.
      target: the column to be predicted, or several of numbers.
      targets: what they are, see `from_arrays`; '' for 'classes' if they are words, and 'float' if
        some are no whole numbers. Whole numbers may be either, so that one must be said.
      missing: what to do with rows that lack a value: 'error' refuses them; 'drop' drops them;
        'mean' puts the mean of the column there, over the rows that are not held out for the test
        (see `from_arrays`), which words and targets do not have.
      columns: those to predict from; None for all but the target.
      title: what figures and tables call it.
      source: where it came from, for the report.
      notify: reports what to know of the data.

    Raises:
      UserError: a column is not there, lacks values, or holds dates or anything else that is
        neither number nor word.
    """
    if missing not in MISSING:
        raise UserError(
            f'{title}: missing is {missing!r}; it must be one of {", ".join(map(repr, MISSING))}'
        )
    names = (target,) if isinstance(target, str) else tuple(target)
    table = _chosen(_columns(frame, title), names, columns, title)
    table = _complete(table, names, missing, title, notify)
    given, kind = _targets({name: table[name] for name in names}, targets, title)
    rest = {name: column for name, column in table.items() if name not in names}
    features, of = _features(rest, title)
    lacking = np.isnan(features)
    if lacking.any():
        features = _filled(features, lacking, given, kind)
    # Of a frame with names, so that what is wrong with a feature is said by its name.
    found = own.from_arrays(
        features,
        given,
        classes=list(names) if kind != 'classes' else None,
        targets=kind,
        title=title,
        source=source,
        notify=notify,
    )
    told = f'{len(of):,} features of {len(rest):,} columns: {_listed(of)}'
    notify(f'notice: {title}: {told}')
    return found


def from_csv(text: str, notify: Callable[[str], None] = print) -> Source:
    """The table that `data.name` 'csv:PATH?target=NAME' says; further options with & between.

    The file is in UTF-8, has commas between and the names of its columns in the first line. A
    column is of numbers if every value in it is one. `%26` stands for & in a name, as on the web.

    Args:
      text: what stands behind 'csv:'.
      notify: reports what to know of the data.

    Raises:
      UserError: the file or an option is not what it should be.
    """
    path, _, query = text.rpartition('?')
    where = f"data.name 'csv:{text}'"
    options = {}
    for pair in query.split('&') if path else ():
        name, _, value = pair.partition('=')
        if name not in _OPTIONS:
            raise UserError(f"{where}: unknown option '{name}'; {did_you_mean(name, _OPTIONS)}")
        options[name] = unquote(value)
    if not options.get('target'):
        raise UserError(f"{where}: which column is predicted? write 'csv:PATH?target=NAME'")
    target = options['target'].split(',') if ',' in options['target'] else options['target']
    columns = options['columns'].split(',') if options.get('columns') else None
    file = Path(home.expanded(path))
    return from_frame(
        read_csv(file),
        target,
        targets=options.get('targets', ''),
        missing=options.get('missing', 'error'),
        columns=columns,
        title=file.name,
        source=f'the file {file.name}',
        notify=notify,
    )


def read_csv(path: Path) -> dict[str, Column]:
    """The columns of a CSV file by name. Raises UserError naming the line."""
    try:
        with path.open(encoding='utf-8-sig', newline='') as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            rows = []
            for row in reader:
                if row and len(row) != len(header):
                    raise UserError(
                        f'{path}: line {reader.line_num} has {len(row)} values, the first line '
                        f'{len(header)} names; every line must have as many'
                    )
                rows += [row] if row else []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f'{path}: {getattr(error, "strerror", None) or error}') from None
    if not rows:
        raise UserError(f'{path}: has no rows; its first line must be the names of its columns')
    if twice := [name for name in header if header.count(name) > 1 or not name]:
        which = f'the name {twice[0]!r} twice' if twice[0] else 'a column without a name'
        raise UserError(f'{path}: the first line has {which}; each column must have its own')
    return {
        name: _of_texts([row[i].strip() for row in rows], f'{path}: column {name!r}')
        for i, name in enumerate(header)
    }


def _of_texts(texts: list[str], what: str) -> Column:
    """Numbers if every text is one, else words."""
    given = [None if text.casefold() in _NO_VALUE else text for text in texts]
    known = [text for text in given if text is not None]
    with contextlib.suppress(ValueError):
        if not any('_' in text for text in known):  # which Python allows within numbers
            found = iter([float(text) for text in known])
            return np.array([np.nan if text is None else next(found) for text in given])
    if known and all(_DATE.fullmatch(text) for text in known):
        _refuse_dates(what, known[0])
    return _words(given)


def _columns(frame: Any, title: str) -> dict[str, Column]:
    """The columns of a frame by name, read through what frames have in common."""
    names = getattr(frame, 'column_names', None)  # Arrow's
    if names is None:
        names = frame.keys() if isinstance(frame, Mapping) else getattr(frame, 'columns', None)
    if names is None:
        raise UserError(
            f'{title}: is {type(frame).__name__}; it must be a frame of pandas, polars or Arrow, '
            'or a dict of columns'
        )
    names = list(names)
    texts = list(map(str, names))
    if twice := [name for name in texts if texts.count(name) > 1]:
        raise UserError(f'{title}: two columns have the name {twice[0]!r}')
    found = {str(name): _column(frame[name], f'{title}: column {name!r}') for name in names}
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        short = min(lengths, key=lengths.__getitem__)
        raise UserError(
            f'{title}: column {short!r} has {lengths[short]} rows, others '
            f'{max(lengths.values())}; all must have as many'
        )
    if not found or not max(lengths.values()):
        raise UserError(f'{title}: has no rows')
    return found


def _column(column: Any, what: str) -> Column:
    """One column: numbers, or words, with what is missing marked. Raises UserError."""
    array = _objects(column) if isinstance(column, list | tuple) else np.asarray(column)
    if array.ndim != 1:
        raise UserError(f'{what} is {list(array.shape)}; it must have one value for each row')
    if array.dtype.kind in 'mM':
        _refuse_dates(what, array[0] if len(array) else '')
    if array.dtype.kind in 'iufb':
        return array.astype(np.float64)
    values = [None if is_missing(one) else one for one in array.tolist()]
    known = [one for one in values if one is not None]
    if all(isinstance(one, bool | int | float | np.number | np.bool_) for one in known):
        return np.array([np.nan if one is None else float(one) for one in values])
    odd = [one for one in known if not isinstance(one, str)]
    dates = [one for one in odd if isinstance(one, datetime.date | datetime.time)]
    if dates:
        _refuse_dates(what, dates[0])
    if odd:
        raise UserError(
            f'{what}: {len(odd):,} of {len(values):,} values are {type(odd[0]).__name__}, such as '
            f'{str(odd[0])[:40]!r}; a column must be of numbers, or of words'
        )
    return _words(values)


def _words(values: Sequence[str | None]) -> Column:
    return _objects([one.strip() or None if one is not None else None for one in values])


def _objects(values: Sequence[Any]) -> np.ndarray:
    """A list as an array in which nothing has become a word that was none."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _refuse_dates(what: str, example: Any) -> None:
    raise UserError(
        f'{what} holds dates or times, such as {str(example)!r}; make numbers of them (the days '
        'since the first one, say), or name the other columns (columns)'
    )


def _chosen(
    table: dict[str, Column],
    targets: tuple[str, ...],
    columns: Sequence[str] | None,
    title: str,
) -> dict[str, Column]:
    """The columns that are used. Raises UserError if one is not there."""
    for name in (*targets, *(columns or ())):
        if name not in table:
            raise UserError(f"{title}: no column '{name}'; {did_you_mean(name, table)}")
    if both := [name for name in columns or () if name in targets]:
        raise UserError(f'{title}: column {both[0]!r} is the target; leave it out of columns')
    kept = list(table) if columns is None else [*columns, *targets]
    if len(kept) == len(targets):
        raise UserError(f'{title}: there are no columns besides the target to predict it from')
    return {name: table[name] for name in kept}


def _lacking(column: Column) -> np.ndarray:
    """Which rows have no value, bool [N]."""
    if column.dtype.kind == 'f':
        return np.isnan(column)
    return np.array([one is None for one in column])


def _complete(
    table: dict[str, Column],
    targets: tuple[str, ...],
    missing: str,
    title: str,
    notify: Callable[[str], None],
) -> dict[str, Column]:
    """The rows that have all they must have. Raises UserError with counts by column."""
    lacking = {name: _lacking(column) for name, column in table.items()}
    counts = {name: int(where.sum()) for name, where in lacking.items() if where.any()}
    if not counts:
        return table
    rows = np.any(list(lacking.values()), axis=0)
    words = _listed([f'{name} {count:,}' for name, count in counts.items()])
    told = f'{int(rows.sum()):,} of {len(rows):,} rows lack a value ({words})'
    if missing == 'error':
        raise UserError(
            f"{title}: {told}; missing='drop' drops these rows, missing='mean' puts the mean of a "
            'column of numbers there'
        )
    if missing == 'drop':
        if rows.all():
            raise UserError(f'{title}: {told}; nothing is left without them')
        notify(f'notice: {title}: {told}, and are dropped')
        return {name: column[~rows] for name, column in table.items()}
    for name in counts:
        if name in targets or table[name].dtype.kind != 'f':
            what = 'the target' if name in targets else 'of words'
            raise UserError(
                f'{title}: {told}, but column {name!r} is {what}, which has no mean; '
                "missing='drop' drops these rows"
            )
        if counts[name] == len(rows):
            raise UserError(f'{title}: column {name!r} has no value at all; leave it out')
    notify(f'notice: {title}: {told}, and get the mean of the column')
    return table


def _targets(table: dict[str, Column], kind: str, title: str) -> tuple[np.ndarray, str]:
    """The targets for `from_arrays`, and what they are. Raises UserError if that is not clear."""
    words = [name for name, column in table.items() if column.dtype.kind != 'f']
    names = ', '.join(map(repr, table))
    if kind:
        target_values.check_kind(kind, title)
    elif words:
        kind = 'classes'
    elif any((column != np.rint(column)).any() for column in table.values()):
        kind = 'float'
    else:
        raise UserError(
            f'{title}: the target {names} is of whole numbers, which may be classes or quantities; '
            "say targets='classes' or targets='float'"
        )
    if kind == 'classes':
        if len(table) > 1:
            raise UserError(
                f'{title}: the targets {names} are classes, of which there may be one column'
            )
        column = next(iter(table.values()))
        return (column if words else _as_words(column)), kind
    if words:
        raise UserError(f'{title}: the target {words[0]!r} is of words; its targets are classes')
    return np.stack(list(table.values()), 1), kind


def _as_words(column: Column) -> np.ndarray:
    """Numbers that name classes, as words in the order of the numbers."""
    values, index = np.unique(column, return_inverse=True)
    width = len(f'{int(np.abs(values).max())}')
    if (values == np.rint(values)).all() and (values >= 0).all():
        return np.array([f'{int(one):0{width}d}' for one in values], object)[index]
    # With every digit, so that they stay apart.
    words = [repr(one).removesuffix('.0') for one in values.tolist()]
    return np.array(words, object)[index]


def _features(table: dict[str, Column], title: str) -> tuple[np.ndarray, list[str]]:
    """The features [N, D], NaN where a number is missing, and what they are called."""
    found, names = [], []
    for name, column in table.items():
        if column.dtype.kind == 'f':
            found.append(column)
            names.append(name)
            continue
        values = sorted(set(column.tolist()))
        if len(values) > _MOST_WORDS:
            raise UserError(
                f'{title}: column {name!r} has {len(values):,} different words in '
                f'{len(column):,} rows; a feature for each would be too many (at most '
                f'{_MOST_WORDS}): leave it out (columns), or put words together'
            )
        # Of two words the second says all.
        for value in values[1:] if len(values) == 2 else values:
            found.append((column == value).astype(np.float64))
            names.append(f'{name}={value}')
    return np.stack(found, 1), names


def _filled(
    features: np.ndarray, lacking: np.ndarray, targets: np.ndarray, kind: str
) -> np.ndarray:
    """With means where numbers are missing: of the rows that `from_arrays` does not hold out."""
    labels = targets
    if kind == 'classes':
        labels = np.unique(targets.astype(str), return_inverse=True)[1].astype(np.int32)
    rows = np.arange(len(features)).reshape(-1, 1, 1, 1)
    parts = held_out(Split(frozen(rows), frozen(labels)), (), '', '')
    mean = np.nanmean(features[parts.training.images.reshape(-1)], axis=0)
    return np.where(lacking, mean, features)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ', '.join(names[:_SHOWN]) + (f' and {more:,} more' if more > 0 else '')
