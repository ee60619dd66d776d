"""Tables with named columns, of numbers and words, as data sets: frames and CSV files.

Of a frame (pandas, polars, Arrow, or a dict of columns) only the names and the columns are asked
for, so that none of these libraries is imported.
"""

import contextlib
import csv
import dataclasses
import datetime
import re
import sys
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
_WHOLE = re.compile(r'[+-]?\d+')
_DATE = re.compile(r'\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}.*)?|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}')
# Of data.name 'csv:PATH?…', which begin behind the first ? that one of them follows.
_OPTIONS = ('target', 'targets', 'missing', 'columns', 'na_values', 'words')
_QUERY = re.compile(rf'\?(?=({"|".join(_OPTIONS)})=)')

# A column: numbers float64 [N] with NaN where one is missing, or words [N] with None there.
Column = np.ndarray


def from_frame(
    frame: Any,
    target: str | Sequence[str],
    *,
    targets: str = '',
    missing: str = 'error',
    columns: str | Sequence[str] | None = None,
    na_values: str | Sequence[str] = (),
    words: str | Sequence[str] = (),
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
      na_values: texts that stand for no value, such as '?'.
      words: columns of words, though most of these are numbers. Without it such a column is an
        error: more often than not the others stand for no value.
      title: what figures and tables call it.
      source: where it came from, for the report.
      notify: reports what to know of the data.

    Raises:
      UserError: a column is not there, lacks values, or holds dates or anything else that is
        neither number nor word.
    """
    return _source(
        _columns(frame, title),
        _column,
        target=target,
        targets=targets,
        missing=missing,
        columns=columns,
        reading=_Reading(_names(na_values), _names(words)),
        title=title,
        source=source,
        notify=notify,
    )


@dataclasses.dataclass(frozen=True)
class _Reading:
    """How texts are read.

    Attributes:
      no_value: those that stand for no value, in lower case.
      words: columns of words, whatever their texts look like.
    """

    no_value: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def _names(given: Any) -> tuple[str, ...]:
    """One name or several."""
    return (str(given),) if isinstance(given, str | int) else tuple(map(str, given))


def _source(
    table: Mapping[str, Any],
    read: Callable[[Any, str, str, _Reading], Column],
    *,
    target: str | Sequence[str],
    targets: str,
    missing: str,
    columns: str | Sequence[str] | None,
    reading: _Reading,
    title: str,
    source: str,
    notify: Callable[[str], None],
) -> Source:
    """The data set of columns by name, of which `read` makes a `Column` each; see `from_frame`."""
    if missing not in MISSING:
        raise UserError(
            f'{title}: missing is {missing!r}; it must be one of {", ".join(map(repr, MISSING))}'
        )
    names = _names(target)
    for name in reading.words:
        if name not in table:
            raise UserError(f"{title}: words: no column '{name}'; {did_you_mean(name, table)}")
    chosen = _chosen(table, names, None if columns is None else _names(columns), title)
    # Only these: what is in others need be neither number nor word.
    read_columns = {
        name: read(column, name, f'{title}: column {name!r}', reading)
        for name, column in chosen.items()
    }
    _check_lengths(read_columns, title)
    whole = _complete(read_columns, names, missing, title, notify)
    given, kind = _targets({name: whole[name] for name in names}, targets, title)
    rest = {name: column for name, column in whole.items() if name not in names}
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
    return dataclasses.replace(found, made_for='stratified') if lacking.any() else found


def from_csv(text: str, notify: Callable[[str], None] = print) -> Source:
    """The table that `data.name` 'csv:PATH?target=NAME' says; further options with & between.

    The file is in UTF-8, has commas between and the names of its columns in the first line. A
    column is of numbers if every value in it is one. No value is an empty one, NA, N/A, NaN, null
    or none in any case; with `na_values=?,-` an empty one and these. `%26` stands for & in a name
    and `%2C` for a comma, as on the web. The options are those of `from_frame`.

    Args:
      text: what stands behind 'csv:'.
      notify: reports what to know of the data.

    Raises:
      UserError: the file or an option is not what it should be.
    """
    path, query = split_query(text)
    where = f"data.name 'csv:{text}'"
    options: dict[str, list[str]] = {}
    for pair in query.split('&') if query else ():
        name, _, value = pair.partition('=')
        if name not in _OPTIONS:
            raise UserError(f"{where}: unknown option '{name}'; {did_you_mean(name, _OPTIONS)}")
        options[name] = list(map(unquote, value.split(',')))
    if not any(options.get('target', ())):
        raise UserError(f"{where}: which column is predicted? write 'csv:PATH?target=NAME'")
    one = lambda name, default: options.get(name, [default])[0]
    no_value = (text.casefold() for text in ('', *options.get('na_values', _NO_VALUE)))
    file = Path(home.expanded(path))
    return _source(
        read_csv(file),
        _of_texts,
        target=options['target'],
        targets=one('targets', ''),
        missing=one('missing', 'error'),
        columns=options.get('columns'),
        reading=_Reading(tuple(no_value), tuple(options.get('words', ()))),
        title=file.name,
        source=f'the file {file.name}',
        notify=notify,
    )


def split_query(text: str) -> tuple[str, str]:
    """The path and the options in what stands behind 'csv:'."""
    found = _QUERY.search(text)
    if found:
        return text[: found.start()], text[found.end() :]
    path, _, query = text.rpartition('?')
    return (path, query) if path else (text, '')


def read_csv(path: Path) -> dict[str, list[str]]:
    """The texts of the columns of a CSV file by name. Raises UserError naming the line."""
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
    return {name: [row[i].strip() for row in rows] for i, name in enumerate(header)}


def _of_texts(texts: list[str], name: str, what: str, reading: _Reading) -> Column:
    """Numbers if every text is one, else words."""
    given = [None if text.casefold() in reading.no_value else text for text in texts]
    known = [text for text in given if text is not None]
    if name not in reading.words:
        if all(map(_is_number, known)):
            _check_apart([int(one) for one in known if _WHOLE.fullmatch(one)], what)
            return np.array([np.nan if one is None else float(one) for one in given])
        if all(_DATE.fullmatch(text) for text in known):
            _refuse_dates(what, known[0])
    return _words(given, name, what, reading)


def _is_number(text: str) -> bool:
    with contextlib.suppress(ValueError):
        float(text)
        return '_' not in text  # which Python allows within numbers
    return False


def _check_apart(whole: Sequence[int], what: str) -> None:
    """Whether float64 tells whole numbers apart. Raises UserError."""
    long = {one for one in whole if abs(one) > 2**53}
    if any(abs(one) > sys.float_info.max for one in long) or len(set(map(float, long))) < len(long):
        raise UserError(
            f'{what} has whole numbers such as {str(min(long))[:30]}, which float64 cannot tell '
            'apart; subtract the smallest one, or, if they are names, make words of them (words)'
        )


def _columns(frame: Any, title: str) -> dict[str, Any]:
    """The columns of a frame by name, through what frames have in common."""
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
    if not names:
        raise UserError(f'{title}: has no columns')
    return {str(name): frame[name] for name in names}


def _check_lengths(table: Mapping[str, Column], title: str) -> None:
    lengths = {name: len(column) for name, column in table.items()}
    if len(set(lengths.values())) > 1:
        short = min(lengths, key=lengths.__getitem__)
        raise UserError(
            f'{title}: column {short!r} has {lengths[short]} rows, others '
            f'{max(lengths.values())}; all must have as many'
        )
    if not max(lengths.values()):
        raise UserError(f'{title}: has no rows')


def _column(column: Any, name: str, what: str, reading: _Reading) -> Column:
    """One column: numbers, or words, with what is missing marked. Raises UserError."""
    if np.ma.isMaskedArray(column):
        masked, column = np.ma.getmaskarray(column), np.ma.getdata(column).astype(object)
        column[masked] = None
    array = _objects(column) if isinstance(column, list | tuple) else np.asarray(column)
    if array.ndim != 1:
        raise UserError(f'{what} is {list(array.shape)}; it must have one value for each row')
    if array.dtype.kind in 'mM':
        _refuse_dates(what, array[0] if len(array) else '')
    if array.dtype.kind in 'iu' and array.dtype.itemsize == 8:
        _check_apart(array[(array > 2**53) | (array < -(2**53))].tolist(), what)
    if array.dtype.kind in 'iufb' and name not in reading.words:
        return array.astype(np.float64)
    values = [None if is_missing(one) else one for one in array.tolist()]
    if name in reading.words:
        return _words([one if one is None else str(one) for one in values], name, what, reading)
    known = [one for one in values if one is not None]
    if all(isinstance(one, bool | int | float | np.number | np.bool_) for one in known):
        _check_apart([one for one in known if isinstance(one, int)], what)
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
    return _words(values, name, what, reading)


def _words(values: Sequence[str | None], name: str, what: str, reading: _Reading) -> Column:
    """Texts, None where one stands for no value.

    Raises:
      UserError: most are numbers, or all but one without a letter are, and `words` does not name
        the column: it would become a feature for each number.
    """
    texts = [one.strip() or None if one is not None else None for one in values]
    texts = [None if one and one.casefold() in reading.no_value else one for one in texts]
    known = [one for one in texts if one is not None]
    others = [one for one in known if not _is_number(one)]
    signs = len(set(others)) == 1 and not any(map(str.isalnum, others[0]))
    mixed = 0 < len(others) < len(known) and (signs or 2 * len(others) < len(known))
    if mixed and name not in reading.words:
        row = texts.index(others[0]) + 1
        raise UserError(
            f'{what}: {len(others):,} of {len(known):,} values are no numbers, such as '
            f'{others[0][:40]!r} in row {row:,}; if it stands for no value, say so by na_values; '
            'if the column is of words, by words'
        )
    return _objects(texts)


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
    table: Mapping[str, Any],
    targets: tuple[str, ...],
    columns: Sequence[str] | None,
    title: str,
) -> dict[str, Any]:
    """The columns that are used. Raises UserError if one is not there."""
    for name in (*targets, *(columns or ())):
        if name not in table:
            raise UserError(f"{title}: no column '{name}'; {did_you_mean(name, table)}")
    if twice := [name for name in columns or () if list(columns or ()).count(name) > 1]:
        raise UserError(f'{title}: columns names {twice[0]!r} twice')
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
        if not words and not np.isfinite(column).all():
            raise UserError(f'{title}: the target {names} is infinite in a row, which is no class')
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
