"""Tables with named columns, of numbers and words, as data sets.

Of a frame (pandas, polars, Arrow, or a dict of columns) only the names and the columns are asked
for, so that none of these libraries is imported.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.data import own, target_values
from jaxtweaks.data.columns import Column, Reading, of_values
from jaxtweaks.data.dataset import Source, Split, frozen
from jaxtweaks.data.split import held_out

MISSING = ('error', 'drop', 'mean')
_MOST_WORDS = 100  # different ones in a column that becomes one-hot
_SHOWN = 6  # columns that a message names


def from_frame(
    frame: Any,
    target: str | Sequence[str],
    *,
    targets: str = '',
    missing: str = 'error',
    columns: str | Sequence[str] | None = None,
    na_values: str | float | Sequence[str | float] = (),
    words: str | Sequence[str] = (),
    title: str = 'table',
    source: str = 'a table',
    notify: Callable[[str], None] = print,
) -> Source:
    """A data set of the rows of a table.

    Numbers become a feature each, and are standardised as images are (`data.standardise`); words
    become a feature for each word (of two words one), 1 where it stands and 0 elsewhere. Truth
    values are 0 and 1.

    Args:
      frame: a frame of pandas, polars or Arrow, or a dict of columns by name.
      target: the column to be predicted, or several of numbers.
      targets: what they are, see `from_arrays`; '' for 'classes' if they are words or truth values,
        and 'float' if some are no whole numbers. Whole numbers may be either, so that one must be
        said.
      missing: what to do with rows that lack a value: 'error' refuses them; 'drop' drops them;
        'mean' puts the mean of the column there, over the rows that are not held out for the test
        (see `from_arrays`), which words and targets do not have.
      columns: those to predict from; None for all but the target.
      na_values: texts and numbers that stand for no value, such as '?' and -999, in any column
        that is used.
      words: columns of words, though some or all of these are numbers. Without it a column of texts
        that are numbers is of numbers, but for a target, which is of classes; and one of which most
        are numbers is an error: more often than not the others stand for no value.
      title: what figures and tables call it.
      source: where it came from, for the report.
      notify: reports what to know of the data.

    Raises:
      UserError: a column is not there, lacks values, or holds dates or anything else that is
        neither number nor word.
    """
    classes = names_of(target) if targets in ('', 'classes') else ()
    return of_columns(
        _columns(frame, title),
        of_values,
        target=target,
        targets=targets,
        missing=missing,
        columns=columns,
        reading=Reading(names_of(na_values), names_of(words), classes),
        title=title,
        source=source,
        notify=notify,
    )


def names_of(given: Any) -> tuple[str, ...]:
    """One name or several, which may be numbers."""
    one = isinstance(given, str) or not isinstance(given, Iterable)
    return (str(given),) if one else tuple(map(str, given))


def of_columns(
    table: Mapping[str, Any],
    read: Callable[[Any, str, str, Reading], Column],
    *,
    target: str | Sequence[str],
    targets: str,
    missing: str,
    columns: str | Sequence[str] | None,
    reading: Reading,
    title: str,
    source: str,
    notify: Callable[[str], None],
) -> Source:
    """The data set of columns by name, of which `read` makes a `Column` each; see `from_frame`."""
    if missing not in MISSING:
        raise UserError(
            f'{title}: missing is {missing!r}; it must be one of {", ".join(map(repr, MISSING))}'
        )
    names = names_of(target)
    for name in reading.words:
        if name not in table:
            raise UserError(f"{title}: words: no column '{name}'; {did_you_mean(name, table)}")
    chosen = _chosen(table, names, None if columns is None else names_of(columns), title)
    if unused := [name for name in reading.words if name not in chosen]:
        raise UserError(
            f'{title}: words names {unused[0]!r}, which is not used; omit it there, or name it in '
            'columns'
        )
    # Only these: what is in others need be neither number nor word.
    read_columns = {
        name: read(column, name, f'{title}: column {name!r}', reading)
        for name, column in chosen.items()
    }
    _check_lengths(read_columns, title)
    if unused := reading.not_found():
        stand = f'{_listed(list(map(repr, unused)))} {"is" if len(unused) == 1 else "are"}'
        notify(f'notice: {title}: na_values: {stand} nowhere in the columns that are used')
    whole = _complete(read_columns, names, missing, title, notify)
    _check_finite(whole, title)
    given, kind, classes = _targets({name: whole[name] for name in names}, targets, title)
    rest = {name: column for name, column in whole.items() if name not in names}
    features, of = _features(rest, title)
    lacking = np.isnan(features)
    if lacking.any():
        features = _filled(features, lacking, of, given, kind, title)
    found = own.from_arrays(
        features,
        given,
        classes=classes,
        targets=kind,
        title=title,
        source=source,
        notify=notify,
    )
    features_of = f'{len(of):,} features of {len(rest):,} columns: {_listed(of)}'
    notify(f'notice: {title}: {features_of}')
    # Of targets that are no classes every split holds out the same rows.
    by_class = lacking.any() and kind == 'classes'
    return dataclasses.replace(found, made_for='stratified') if by_class else found


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
    if not targets:
        raise UserError(f'{title}: target names no column; which one is predicted?')
    for what, given in (('target', targets), ('columns', columns or ())):
        if twice := [name for name in given if list(given).count(name) > 1]:
            raise UserError(f'{title}: {what} names {twice[0]!r} twice')
    if both := [name for name in columns or () if name in targets]:
        raise UserError(f'{title}: column {both[0]!r} is the target; omit it from columns')
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
    lack = f'{int(rows.sum()):,} of {len(rows):,} rows lack a value ({words})'
    if missing == 'error':
        raise UserError(
            f"{title}: {lack}; missing='drop' drops these rows, missing='mean' puts the mean of a "
            'column of numbers there'
        )
    if missing == 'drop':
        if rows.all():
            raise UserError(f'{title}: {lack}; nothing is left without them')
        notify(f'notice: {title}: {lack}, and are dropped')
        return {name: column[~rows] for name, column in table.items()}
    for name in counts:
        if name in targets or table[name].dtype.kind != 'f':
            what = 'the target' if name in targets else 'of words'
            raise UserError(
                f'{title}: {lack}, but column {name!r} is {what}, which has no mean; '
                "missing='drop' drops these rows"
            )
        if counts[name] == len(rows):
            raise UserError(f'{title}: column {name!r} has no value at all; omit it')
    notify(f'notice: {title}: {lack}, and get the mean of the column')
    return table


def _check_finite(table: Mapping[str, Column], title: str) -> None:
    for name, column in table.items():
        if column.dtype.kind == 'f' and (count := int(np.isinf(column).sum())):
            raise UserError(
                f'{title}: column {name!r} is infinite in {count:,} of {len(column):,} rows; if '
                "that stands for no value, say so by na_values: 'inf', '-inf'"
            )


def _targets(
    table: dict[str, Column], kind: str, title: str
) -> tuple[np.ndarray, str, list[str] | None]:
    """The targets for `from_arrays`, what they are, and the names of classes or outputs.

    Raises:
      UserError: what they are is not clear.
    """
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
                f'{title}: the targets {names} are classes, of which there may be one column '
                "(targets='multilabel' takes several of 0 and 1)"
            )
        column = next(iter(table.values()))
        if words:
            return column, kind, None
        # With every digit, so that they stay apart; -0.0 is 0.
        values, index = np.unique(column + 0.0, return_inverse=True)
        classes = [repr(one).removesuffix('.0') for one in values.tolist()]
        return np.array(classes, object)[index], kind, classes  # in the order of the numbers
    if words:
        raise UserError(f'{title}: the target {words[0]!r} is of words; its targets are classes')
    return np.stack(list(table.values()), 1), kind, list(table)


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
                f'{_MOST_WORDS}): omit it (columns), or put words together'
            )
        # Of two words the second says all.
        for value in values[1:] if len(values) == 2 else values:
            found.append((column == value).astype(np.float64))
            names.append(f'{name}={value}')
    return np.stack(found, 1), names


def _filled(
    features: np.ndarray,
    lacking: np.ndarray,
    names: Sequence[str],
    targets: np.ndarray,
    kind: str,
    title: str,
) -> np.ndarray:
    """With means where numbers are missing: of the rows that `from_arrays` does not hold out.

    Raises:
      UserError: a feature is missing in all of these.
    """
    labels = targets
    if kind == 'classes':
        labels = np.unique(targets.astype(str), return_inverse=True)[1].astype(np.int32)
    rows = np.arange(len(features)).reshape(-1, 1, 1, 1)
    parts = held_out(Split(frozen(rows), frozen(labels)), (), title, '')
    trained = features[parts.training.images.reshape(-1)]
    nowhere = np.isnan(trained).all(0)
    if nowhere.any():
        raise UserError(
            f'{title}: column {names[int(np.argmax(nowhere))]!r} has values only in rows that are '
            'held out for the test, of which no mean may be taken; omit it (columns), or '
            "missing='drop' drops the rows that lack it"
        )
    return np.where(lacking, np.nanmean(trained, axis=0), features)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ', '.join(names[:_SHOWN]) + (f' and {more:,} more' if more > 0 else '')
