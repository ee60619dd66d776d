"""Labels as people have them, words or numbers of any type: checked, then numbered."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxtweaks.base.errors import UserError, did_you_mean

_NUMBERING = 'names, labels = np.unique(labels, return_inverse=True); classes=names keeps the names'
_ONE_EACH = 'they must be [N], one for each image'


def read(labels: Any, what: str) -> np.ndarray:
    """Labels as a NumPy array [N]: integers from 0, int64, or words, whose names are NFC.

    Words may be str, bytes or bool, in arrays of any dtype (pandas' too) or lists; a column [N, 1]
    is a list.

    Args:
      labels: what the user gave.
      what: begins errors, such as 'mine: labels'.

    Raises:
      UserError: some are missing, negative, neither words nor whole numbers, or both.
    """
    array = _array(labels, what)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise UserError(f'{what} are {array.dtype} {list(array.shape)}; {_hint(array)}')
    if array.dtype.kind == 'O':
        array = _of_objects(array, what)
    if array.dtype.kind in 'fc' or array.dtype.kind in 'mM':
        _refuse_measurements(array, what)
    if array.dtype.kind in 'iu':
        return _of_integers(array, what)
    if array.dtype.kind not in 'OUSb':
        raise UserError(f'{what} are {array.dtype}; they must be integers from 0 or words')
    return _of_words(array, what)


def names_of(
    labels: np.ndarray, classes: Sequence[Any] | None, title: str, has_test: bool = False
) -> tuple[str, ...]:
    """The name of each class: those given, or the words or numbers of the training labels.

    Args:
      labels: as `read` returns them.
      classes: what the user gave, or None.
      title: begins errors.
      has_test: whether there are labels of a test set too.

    Raises:
      UserError: `classes` are no names, or numbers have gaps.
    """
    if classes is not None:
        return _given(classes, title)
    found = np.unique(labels)
    if found.dtype.kind == 'U':
        return tuple(found.tolist())
    if len(found) and (found[-1] != len(found) - 1):
        raise UserError(
            f'{title}: labels are {_counted(len(found), "number")} from {found[0]} to {found[-1]}; '
            f'they must be integers from 0 to {len(found) - 1} without gaps: {_NUMBERING}'
            f'{", and np.searchsorted(names, test_labels) numbers the others" if has_test else ""}'
        )
    return tuple(map(str, found.tolist()))


def numbered(labels: np.ndarray, names: tuple[str, ...], what: str) -> np.ndarray:
    """Labels as numbers of the classes, int32 [N].

    Args:
      labels: as `read` returns them.
      names: of the classes.
      what: begins errors.

    Raises:
      UserError: a label is not among the classes.
    """
    found, index = np.unique(labels, return_inverse=True)
    if found.dtype.kind == 'U':
        unknown = [word for word in found.tolist() if word not in names]
        if unknown:
            images = _counted(int((labels == unknown[0]).sum()), 'image')
            raise UserError(
                f'{what}: {unknown[0]!r} ({images}) is a label but not among the classes; '
                f'{_shortened(did_you_mean(unknown[0], names))}'
            )
        number = {name: i for i, name in enumerate(names)}
        return np.array([number[word] for word in found.tolist()], np.int32)[index]
    if len(found) and found[-1] >= len(names):
        images = _counted(int((labels == found[-1]).sum()), 'image')
        raise UserError(
            f'{what} go from {found[0]} to {found[-1]} ({images}); with {len(names)} classes they '
            f'must go from 0 to {len(names) - 1}'
        )
    return labels.astype(np.int32)


def check_test(
    training: np.ndarray, test: np.ndarray, classes: Sequence[Any] | None, title: str
) -> None:
    """Whether test labels are of the kind of the training labels, and among these.

    Raises:
      UserError: words and numbers are mixed, or a class that is named nowhere is only in the test.
    """
    kinds = ['words' if labels.dtype.kind == 'U' else 'numbers' for labels in (training, test)]
    if kinds[0] != kinds[1]:
        raise UserError(
            f'{title}: training labels are {kinds[0]}, test labels {kinds[1]}; both must be words, '
            'or both integers from 0'
        )

    new = np.setdiff1d(test, training)
    if classes is None and len(new):
        images = _counted(int((test == new[0]).sum()), 'test image')
        known = _shortened(did_you_mean(str(new[0]), map(str, np.unique(training).tolist())))
        raise UserError(
            f'{title}: class {new[0].item()!r} has {images} but no training images ({known})'
        )


def odd_names(names: tuple[str, ...]) -> list[str]:
    """What may be wrong with the names of classes, in sentences."""
    found = []
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(' '.join(name.casefold().split()), name)
        if other != name:
            found.append(f'classes {other!r} and {name!r} differ in spaces or capitals alone')
        if name.casefold() in ('nan', 'none', 'null', '<na>', 'nat'):
            found.append(f'a class is called {name!r}, which may be what is left of missing labels')
    return found


def _array(labels: Any, what: str) -> np.ndarray:
    """What the user gave as an array in which nothing has become a word that was none."""
    if np.ma.isMaskedArray(labels):
        found = np.array(np.ma.getdata(labels), object)
        found[np.ma.getmaskarray(labels)] = None
        return found
    if hasattr(labels, '__array__'):
        return np.asarray(labels)
    try:
        listed = list(labels)
    except TypeError:
        raise UserError(f'{what} are {type(labels).__name__}; {_ONE_EACH}') from None
    if listed and all(isinstance(one, list | tuple | np.ndarray) for one in listed):
        try:
            return np.array(listed)
        except ValueError:
            raise UserError(f'{what} are lists of different lengths; {_ONE_EACH}') from None
    array = np.empty(len(listed), object)
    array[:] = listed
    return array


def _hint(array: np.ndarray) -> str:
    """What to do with labels of too many dimensions."""
    numbers = array.ndim == 2 and array.dtype.kind in 'iufb' and array.size
    if numbers and np.all((array == 0) | (array == 1)) and np.all(array.sum(1) == 1):
        return 'these are one-hot; they must be numbers: labels.argmax(axis=1)'
    if numbers and np.all((array == 0) | (array == 1)):
        return f"{_ONE_EACH}; from_arrays(…, targets='multilabel') takes several labels of each"
    return _ONE_EACH


def _of_objects(array: np.ndarray, what: str) -> np.ndarray:
    """Objects as an array of words, truth values, integers or floats."""
    _check_none_missing([is_missing(one) for one in array], array, what)
    kinds: dict[str, Any] = {}
    for one in array:
        kinds.setdefault(_kind(one), one)
    if len(kinds) > 1:
        listed = ', '.join(f'{name} ({kinds[name]!r})' for name in sorted(kinds))
        raise UserError(f'{what} mix {listed}; they must be integers from 0, or words')
    kind = next(iter(kinds), 'whole numbers')
    if kind in ('words', 'bytes'):
        return array  # not yet of one width: that would drop zero bytes
    if kind not in ('truth values', 'whole numbers', 'numbers'):
        raise UserError(f'{what} are {kind}; they must be integers from 0 or words')
    if kind == 'whole numbers' and (largest := max(array.tolist(), default=0)) >= 2**63:
        _refuse_large(largest, what)
    return np.array(array.tolist())


def _kind(one: Any) -> str:
    if isinstance(one, str):
        return 'words'
    if isinstance(one, bytes):
        return 'bytes'
    if isinstance(one, bool | np.bool_):
        return 'truth values'
    if isinstance(one, int | np.integer):
        return 'whole numbers'
    return 'numbers' if isinstance(one, float | np.floating) else type(one).__name__


def is_missing(one: Any) -> bool:
    """Whether it stands for no value: None, NaN, NaT, pandas' NA."""
    if one is None or type(one).__name__ in ('NAType', 'NaTType', 'MaskedConstant'):
        return True
    return isinstance(one, float | np.floating | np.datetime64) and bool(one != one)


def _check_none_missing(missing: Any, array: np.ndarray, what: str) -> None:
    where = np.flatnonzero(missing)
    if len(where):
        raise UserError(
            f'{what}: {len(where):,} of {len(array):,} are missing, such as that of image '
            f'{where[0]} ({array[where[0]]!r}); omit these images or label them'
        )


def _refuse_measurements(array: np.ndarray, what: str) -> None:
    """Raises UserError: these are no labels."""
    if array.dtype.kind == 'f':
        _check_none_missing(np.isnan(array), array, what)
        if len(array) and np.all(array == np.rint(array)) and np.all(np.abs(array) < 2**53):
            raise UserError(
                f'{what} are {array.dtype}, such as {array[0]}; they must be integers from 0 or '
                'words: labels.astype(int) makes these integers'
            )
    raise UserError(
        f'{what} are {array.dtype}, such as {array[0] if len(array) else "none"}; they must be '
        "integers from 0 or words: from_arrays(…, targets='float') takes numbers to be learned, "
        'and np.digitize(labels, bounds) makes classes of them'
    )


def _of_integers(array: np.ndarray, what: str) -> np.ndarray:
    where = np.flatnonzero(array < 0)
    if len(where):
        raise UserError(
            f'{what}: {len(where):,} of {len(array):,} are negative, such as {array[where[0]]} of '
            f'image {where[0]}; they must be integers from 0: omit unlabelled images, or '
            f'number the classes: {_NUMBERING}'
        )
    if len(array) and array.max() > np.iinfo(np.int64).max:
        _refuse_large(array.max(), what)
    return array.astype(np.int64)


def _refuse_large(largest: int, what: str) -> None:
    raise UserError(f'{what} go up to {largest}; they must be integers from 0: {_NUMBERING}')


def _of_words(array: np.ndarray, what: str) -> np.ndarray:
    """Words as str in NFC: names that look alike are one class."""
    words, seen = [], {}
    for i, one in enumerate(array.tolist()):
        if one not in seen:
            seen[one] = _word(one, f'{what}: that of image {i} ({one!r})')
        words.append(seen[one])
    blank = [not word.strip() for word in words]
    _check_none_missing(blank, array, what)
    return np.array(words, np.str_)


def _word(one: Any, what: str) -> str:
    try:
        word = one.decode() if isinstance(one, bytes) else str(one)
        word.encode()
    except UnicodeError:
        raise UserError(f'{what} is not valid UTF-8') from None
    return unicodedata.normalize('NFC', word)


def _given(classes: Sequence[Any], title: str) -> tuple[str, ...]:
    if isinstance(classes, str):
        raise UserError(f'{title}: classes is the word {classes!r}; it must be a list of names')
    listed = list(classes)
    if any(is_missing(one) for one in listed):
        raise UserError(f'{title}: a name among the classes is missing')
    names = tuple(_word(one, f'{title}: {one!r} among the classes') for one in listed)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UserError(f'{title}: classes has {twice[0]!r} twice; each must have its own name')
    return names


def _counted(count: int, word: str) -> str:
    return f'{count:,} {word}{"" if count == 1 else "s"}'


def _shortened(text: str, length: int = 300) -> str:
    return text if len(text) <= length else text[: length - 1] + '…'
