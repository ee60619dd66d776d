"""Data sets from outside the package: a function that returns arrays, registered by its name.

    @dataset('spirals')
    def spirals():
        return from_arrays(points, labels)

From then on `data.name = 'spirals'` is a data set like those that are known.
"""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.config_file import blaming
from jaxtweaks.config.settings import DATASETS
from jaxtweaks.data import inputs, target_values
from jaxtweaks.data import labels as labels_lib
from jaxtweaks.data.catalogue import CATALOGUE, TABLES
from jaxtweaks.data.dataset import Source, Split, check_trained, frozen
from jaxtweaks.data.split import held_out

F = TypeVar('F', bound=Callable[[], Any])

# By name. Names live as long as the process; a config file that is loaded again registers again.
REGISTRY: dict[str, Callable[[], Any]] = {}


def dataset(name: str) -> Callable[[F], F]:
    """Registers a function without arguments as the data set `data.name = name`.

    The function is called when an experiment needs the data, and returns what `from_arrays`,
    `from_frame`, `from_folder` or `from_tfds` returns, or just the tuple (images,
    labels). It must return the same each time; an experiment whose data changed since it began is
    refused. A name that is registered again is replaced.

    Returns:
      A decorator that returns the function.

    Raises:
      UserError: the name is that of a data set that comes with the package, or cannot be.
    """
    if not isinstance(name, str):
        raise UserError("data set: it is registered by a name, as in @jt.dataset('mine')")
    if name in CATALOGUE or name in TABLES:
        raise UserError(f"data set '{name}': comes with jaxtweaks; choose another name")
    if not re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9_-]*', name):
        raise UserError(f'data set {name!r}: the name must be letters, digits, - and _')

    def register(function: F) -> F:
        REGISTRY[name] = function
        DATASETS.add(name)
        return function

    return register


def registered(name: str) -> Source:
    """A registered data set's data. Raises UserError if its function returns something else."""
    from jaxtweaks.base.pinned import as_the_user_has_them  # imports JAX, which data do not need

    with blaming(f"data set '{name}'"), as_the_user_has_them():
        found = REGISTRY[name]()
        if isinstance(found, tuple) and len(found) == 2:
            found = from_arrays(*found, title=name)
    if not isinstance(found, Source):
        raise UserError(
            f"data set '{name}': its function gave {type(found).__name__}; it must give (images, "
            'labels), or what from_arrays, from_frame, from_folder or from_tfds returns'
        )
    return found


def from_arrays(
    images: Any,
    labels: Any,
    test: tuple[Any, Any] | None = None,
    *,
    classes: Sequence[str] | None = None,
    title: str = 'arrays',
    source: str = 'arrays',
    channels_last: bool = False,
    targets: str = 'classes',
    notify: Callable[[str], None] = print,
) -> Source:
    """A data set of images, or of anything else that has a label, or other targets.

    Args:
      images: [N, height, width, channels], [N, height, width], or features [N, D], which become
        images [N, 1, 1, D]. uint8 (0 … 255) stays uint8; other numbers become float32, or, where
        that would lose what tells them apart, float64 until they are standardised.
      labels: [N], integers from 0 without gaps, or words of any type, which become numbers in the
        order of the alphabet. Or what else `targets` says.
      test: images and labels of the test set; if None, a fifth of the images, always the same ones.
      classes: the name of each label, at least two; None for the words, or the numbers. Of other
        targets the name of each output.
      title: what figures and tables call it.
      source: where it came from, for the report.
      channels_last: that the last axis is the channels, of images whose sizes look otherwise.
      targets: what `labels` are. 'classes', or, for the losses that take them, 'float': numbers [N]
        or [N, outputs], in their own unit; they are standardised for training
        (`data.standardise_targets`), and metrics but for the loss are in this unit. 'multilabel': 0
        or 1 for each of several labels, [N, labels].
      notify: reports what to know of the data; that is also kept in the source's `notices`.

    Raises:
      UserError: shapes that do not fit, numbers that are not finite, labels that are missing, have
        gaps or are beyond `classes`, or a test set of other labels or images than the training set.
    """
    target_values.check_kind(targets, title)
    if targets == 'classes':
        found = assembled(images, labels, test, classes, title, source, channels_last)
    else:
        found = _of_targets(images, labels, test, classes, title, source, channels_last, targets)
    notices = _notices(found)
    for text in notices:
        notify(f'notice: {title}: {text}')
    return dataclasses.replace(found, notices=tuple(notices))


def assembled(
    images: Any,
    labels: Any,
    test: tuple[Any, Any] | None,
    classes: Sequence[str] | None,
    title: str,
    source: str,
    channels_last: bool = False,
) -> Source:
    """`from_arrays` without its notices."""
    training = labels_lib.read(labels, f'{title}: labels')
    names = labels_lib.names_of(training, classes, title, test is not None)
    given = [_read(images, training, f'{title}: images', channels_last)]
    if test is not None:
        if not isinstance(test, tuple | list) or len(test) != 2:
            raise UserError(f'{title}: test must be the test images and their labels, as (x, y)')
        tested = labels_lib.read(test[1], f'{title}: test labels')
        labels_lib.check_test(training, tested, classes, title)
        given.append(_read(test[0], tested, f'{title}: test images', channels_last))
        _check_alike(given[0], given[1], title)
    numbers = inputs.narrowed(given)
    whole = _split(numbers[0], labels_lib.numbered(training, names, f'{title}: labels'))
    if len(names) == 1:
        raise UserError(f'{title}: there is 1 class, {names[0]!r}; there must be at least 2')
    _check_some_alike(whole, title)
    if test is None:
        found = held_out(whole, names, title, source)
    else:
        tested = labels_lib.numbered(tested, names, f'{title}: test labels')
        found = Source(title, whole, _split(numbers[1], tested), names, source)
        check_trained(found)
    return found


def _of_targets(
    images: Any,
    given: Any,
    test: tuple[Any, Any] | None,
    names: Sequence[str] | None,
    title: str,
    source: str,
    channels_last: bool,
    targets: str,
) -> Source:
    """A data set whose targets are no classes."""
    values = [target_values.read(given, targets, f'{title}: targets')]
    inputs_of = [_read(images, values[0], f'{title}: images', channels_last)]
    if test is not None:
        if not isinstance(test, tuple | list) or len(test) != 2:
            raise UserError(f'{title}: test must be the test images and their targets, as (x, y)')
        values.append(target_values.read(test[1], targets, f'{title}: test targets'))
        inputs_of.append(_read(test[0], values[1], f'{title}: test images', channels_last))
        _check_alike(inputs_of[0], inputs_of[1], title)
        if values[0].shape[1] != values[1].shape[1]:
            raise UserError(
                f'{title}: there are {values[0].shape[1]} targets to train on and '
                f'{values[1].shape[1]} to test; they must be as many'
            )
    outputs = target_values.names_of(values[0].shape[1], names, title)
    if targets == 'float':
        target_values.check_numbers(values[0], outputs, f'{title}: targets')
    numbers = inputs.narrowed(inputs_of)
    whole = _split(numbers[0], values[0])
    _check_not_equal(whole, title)
    if test is None:
        return held_out(whole, outputs, title, source, targets=targets)
    tested = _split(numbers[1], values[1])
    return Source(title, whole, tested, outputs, source, targets=targets)


def _read(images: Any, labels: np.ndarray, what: str, channels_last: bool) -> np.ndarray:
    """The images, as many as labels."""
    array = inputs.read(images, what, channels_last)
    if len(array) != len(labels):
        raise UserError(f'{what}: {len(array)} images but labels [{len(labels)}]')
    return array


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    # Copies: what the caller does to its arrays later does not change the data.
    return Split(frozen(np.array(images)), frozen(np.array(labels)))


def _check_alike(training: np.ndarray, test: np.ndarray, title: str) -> None:
    """Whether training and test images are of one kind. Raises UserError."""
    if training.shape[1:] != test.shape[1:]:
        raise UserError(
            f'{title}: training images are {list(training.shape[1:])}, test images '
            f'{list(test.shape[1:])}; they must be of one size'
        )
    if (training.dtype == np.uint8) != (test.dtype == np.uint8):
        raise UserError(
            f'{title}: training images are {training.dtype}, test images {test.dtype}; both must '
            'be uint8 (0 … 255), or neither'
        )


def _check_some_alike(whole: Split, title: str) -> None:
    """Whether labels say what images have in common, and images differ. Raises UserError."""
    if len(np.unique(whole.labels)) == len(whole) > 1:
        raise UserError(
            f'{title}: no two of the {len(whole):,} images have the same label; labels must be '
            'classes, not identifiers'
        )
    _check_not_equal(whole, title)


def _check_not_equal(whole: Split, title: str) -> None:
    if len(whole) > 1 and (whole.images == whole.images[0]).all():
        raise UserError(
            f'{title}: all {len(whole):,} images are equal, so there is nothing to learn'
        )


def _notices(source: Source) -> list[str]:
    """What may be wrong with valid data, in sentences."""
    training, test = source.training.images, source.test.images
    names = source.classes if source.targets == 'classes' else ()
    found = [*labels_lib.odd_names(names), *inputs.remarks(training, test)]
    if training.shape[1:3] != (1, 1) and (copies := inputs.copies(training, test)):
        found.append(f'{copies:,} of {len(test):,} test images are also training images')
    return found
