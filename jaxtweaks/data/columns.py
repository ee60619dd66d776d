"""Columns of a table: numbers or words, with what has no value marked."""

import contextlib
import dataclasses
import datetime
import re
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.data.labels import is_missing

_WHOLE = re.compile(r'[+-]?\d+')
_DATE = re.compile(r'\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}.*)?|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}')
_TRUTH = (bool, np.bool_)
_NUMBERS = (int, float, np.number, *_TRUTH)

# Numbers float64 [N] with NaN where one is missing, or words [N] with None there.
Column = np.ndarray


@dataclasses.dataclass(frozen=True)
class Reading:
    """How columns are read.

    Attributes:
      na_values: texts that stand for no value, in any case; and so do the numbers they are.
      words: columns of words, whatever their texts look like.
      classes: columns whose texts are words even if all of them are numbers, and truth values too.
      otherwise: texts that stand for no value if `na_values` names none.
      found: the keys (`_key`) of the texts that stood for no value in the columns read so far.
    """

    na_values: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()
    found: set[str] = dataclasses.field(default_factory=set)

    def texts(self, column: Sequence[str | None]) -> list[str | None]:
        """Texts stripped and in NFC, None where one is blank or stands for no value."""
        plain = [_plain(text or '') for text in column]
        keys = {text: _key(text) for text in set(plain)}
        lacking = set(keys.values()) & {'', *map(_key, self._no_value)}
        self.found.update(lacking)
        return [None if keys[text] in lacking else text for text in plain]

    def numbers(self, column: np.ndarray) -> Column:
        """Numbers [N] as float64, NaN where one stands for no value."""
        numbers = column.astype(np.float64)
        for text, value in self._no_numbers:
            with np.errstate(over='ignore'):  # of a number beyond the column's type
                lacking = column == value  # in its type: to float32 -99.9 is another number
            if np.isnan(value):
                lacking = np.isnan(numbers)
            if lacking.any():
                self.found.add(_key(text))
                numbers[lacking] = np.nan
        return numbers

    def objects(self, column: Sequence[Any]) -> list[Any]:
        """Values, None where one is missing or a number that stands for no value."""
        no_numbers = self._no_numbers

        def lacks(one: Any) -> bool:
            if is_missing(one) or not isinstance(one, _NUMBERS) or isinstance(one, _TRUTH):
                return is_missing(one)
            same = [_key(text) for text, value in no_numbers if one == value]
            self.found.update(same)
            return bool(same)

        return [None if lacks(one) else one for one in column]

    def not_found(self) -> list[str]:
        """Those of `na_values` that no column had; blank ones are no value in any case."""
        return [text for text in self.na_values if _key(text) not in {'', *self.found}]

    @property
    def _no_value(self) -> tuple[str, ...]:
        return self.na_values or self.otherwise

    @property
    def _no_numbers(self) -> list[tuple[str, float]]:
        """Texts that stand for no value and are numbers, and those."""
        return [(text, float(text)) for text in self._no_value if _is_number(text)]


def _plain(text: str) -> str:
    return unicodedata.normalize('NFC', text.strip())


def _key(text: str) -> str:
    """What texts have in common that stand for no value together."""
    return _plain(text).casefold()


def of_texts(texts: Sequence[str | None], name: str, what: str, reading: Reading) -> Column:
    """A column of texts: numbers if every one is one, else words. Raises UserError."""
    return _of_known(reading.texts(texts), name, what, reading)


def _of_known(texts: Sequence[str | None], name: str, what: str, reading: Reading) -> Column:
    """A column of texts as `Reading.texts` returns them. Raises UserError."""
    known = [text for text in texts if text is not None]
    if name not in (*reading.words, *reading.classes):
        if all(map(_is_number, known)):
            _check_apart([int(one) for one in known if _WHOLE.fullmatch(one)], what)
            return reading.numbers(_numbers(texts))
        if all(_DATE.fullmatch(text) for text in known):
            _refuse_dates(what, known[0])
    return _words(texts, name, what, reading)


def _is_number(text: str) -> bool:
    with contextlib.suppress(ValueError):
        float(text)
        return '_' not in text  # which Python allows within numbers
    return False


def _check_apart(whole: Sequence[int], what: str) -> None:
    """Whether float64 tells whole numbers apart. Raises UserError."""
    long = {one for one in whole if abs(one) >= 2**53}  # which stands for 2**53 + 1 too
    if any(abs(one) > sys.float_info.max for one in long) or len(set(map(float, long))) < len(long):
        raise UserError(
            f'{what} has whole numbers such as {str(min(long))[:30]}, which float64 cannot tell '
            'apart; subtract the smallest one, or, if they are names, make words of them (words)'
        )


def of_values(column: Any, name: str, what: str, reading: Reading) -> Column:
    """One column: numbers, or words, with what is missing marked. Raises UserError."""
    if np.ma.isMaskedArray(column):
        masked, column = np.ma.getmaskarray(column), np.ma.getdata(column).astype(object)
        column[masked] = None
    array = _objects(column) if isinstance(column, list | tuple) else np.asarray(column)
    if array.ndim != 1:
        raise UserError(f'{what} is {list(array.shape)}; it must have one value for each row')
    if array.dtype.kind in 'mM':
        _refuse_dates(what, array[0] if len(array) else '')
    if array.dtype.kind in 'iuf' and name not in reading.words:
        if array.dtype.kind != 'f' and array.dtype.itemsize == 8:
            _check_apart(array[(array >= 2**53) | (array <= -(2**53))].tolist(), what)
        return reading.numbers(array)
    return _of_objects(array.tolist(), name, what, reading)


def _of_objects(values: list[Any], name: str, what: str, reading: Reading) -> Column:
    """A column of Python's objects. Raises UserError."""
    values = reading.objects(values)
    if name in reading.words:
        values = [None if one is None else str(one) for one in values]
    texts = reading.texts([one if isinstance(one, str) else None for one in values])
    pairs = zip(values, texts, strict=True)
    values = [text if isinstance(one, str) else one for one, text in pairs]
    known = [one for one in values if one is not None]
    if all(isinstance(one, str) for one in known):
        return _of_known(values, name, what, reading)
    if all(isinstance(one, _TRUTH) for one in known):
        if name in reading.classes:
            return _objects([None if one is None else str(one) for one in values])
        return _numbers(values)  # of which none stands for no value: they are no numbers
    if all(isinstance(one, _NUMBERS) for one in known):
        _check_apart([int(one) for one in known if isinstance(one, int | np.integer)], what)
        return reading.numbers(_numbers(values))
    odd = [one for one in known if not isinstance(one, str)]
    dates = [one for one in odd if isinstance(one, datetime.date | datetime.time)]
    if dates:
        _refuse_dates(what, dates[0])
    raise UserError(
        f'{what}: {len(odd):,} of {len(values):,} values are {type(odd[0]).__name__}, such as '
        f'{str(odd[0])[:40]!r}; a column must be of numbers, or of words'
    )


def _words(texts: Sequence[str | None], name: str, what: str, reading: Reading) -> Column:
    """Texts, None where one stands for no value, as a column.

    Raises:
      UserError: most are numbers, or all but one without a letter are, and `words` does not name
        the column: it would become a feature for each number.
    """
    known = [one for one in texts if one is not None]
    others = [one for one in known if not _is_number(one)]
    one_sign = len(set(others)) == 1 and not any(map(str.isalnum, others[0]))
    mixed = 0 < len(others) < len(known) and (one_sign or 2 * len(others) < len(known))
    if mixed and name not in reading.words:
        row = texts.index(others[0]) + 1
        raise UserError(
            f'{what}: {len(others):,} of {len(known):,} values are no numbers, such as '
            f'{others[0][:40]!r} in row {row:,}; if it stands for no value, say so by na_values; '
            'if the column is of words, by words'
        )
    return _objects(texts)


def _numbers(values: Sequence[Any]) -> np.ndarray:
    """Numbers, or texts of numbers, as float64, NaN for None."""
    return np.array([np.nan if one is None else float(one) for one in values])


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
