"""Data sets from outside the package: a function that gives arrays, registered by its name.

    @dataset('spirals')
    def spirals():
        return from_arrays(points, labels)

From then on `data.name = 'spirals'` is a data set like those that are known.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.pinned import as_the_user_has_them
from jaxtweaks.config.config_file import blaming
from jaxtweaks.config.settings import DATASETS
from jaxtweaks.data.catalogue import CATALOGUE
from jaxtweaks.data.dataset import Source, Split, frozen
from jaxtweaks.data.split import held_out

F = TypeVar('F', bound=Callable[[], Any])

# By name. Names live as long as the process; a config file that is loaded again registers again.
REGISTRY: dict[str, Callable[[], Any]] = {}


def dataset(name: str) -> Callable[[F], F]:
    """Registers a function without arguments as the data set `data.name = name`.

    The function is called when an experiment needs the data, and gives what `from_arrays`,
    `from_folder` or `from_tfds` gives, or just the tuple (images, labels). It must give the same
    each time; an experiment whose data changed since it began is refused. A name that is registered
    again is replaced.

    Returns:
      A decorator that gives the function back.

    Raises:
      UserError: the name is that of a data set that comes with the package, or cannot be.
    """
    if name in CATALOGUE:
        raise UserError(f"data set '{name}': comes with jaxtweaks; choose another name")
    if not re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9_-]*', name):
        raise UserError(f'data set {name!r}: the name must be letters, digits, - and _')

    def register(function: F) -> F:
        REGISTRY[name] = function
        DATASETS.add(name)
        return function

    return register


def registered(name: str) -> Source:
    """The data of a registered data set. Raises UserError if its function gives something else."""
    with blaming(f"data set '{name}'"), as_the_user_has_them():
        found = REGISTRY[name]()
        if isinstance(found, tuple) and len(found) == 2:
            found = from_arrays(*found, title=name)
    if not isinstance(found, Source):
        raise UserError(
            f"data set '{name}': its function gave {type(found).__name__}; it must give (images, "
            'labels), or what from_arrays, from_folder or from_tfds gives'
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
) -> Source:
    """A data set of images, or of anything that has a label.

    Args:
      images: [N, height, width, channels], [N, height, width], or features [N, D], which become
        images [N, 1, 1, D]. uint8 (0 … 255) stays uint8; other numbers become float32.
      labels: [N], integers from 0, or words, which become numbers in the order of the alphabet.
      test: images and labels of the test set; if None, a fifth of the images, always the same ones.
      classes: the name of each label, at least two; None for the words, or the numbers.
      title: what figures and tables call it.
      source: where it came from, for the report.

    Raises:
      UserError: shapes that do not fit, numbers that are not finite, labels beyond `classes`, or a
        test set of other labels or images than the training set.
    """
    if test is not None:
        _check_labels_alike(labels, test[1], title)
    names = _names(labels if test is None else [*labels, *test[1]], classes, title)
    whole = _split(images, labels, names, title)
    if test is None:
        found = held_out(whole, names, title, source)
    else:
        found = Source(title, whole, _split(*test, names, f'{title}, test'), names, source)
        if whole.images.shape[1:] != found.test.images.shape[1:]:
            raise UserError(
                f'{title}: training images are {list(whole.images.shape[1:])}, test images '
                f'{list(found.test.images.shape[1:])}; they must be of one size'
            )
        if whole.images.dtype != found.test.images.dtype:
            raise UserError(
                f'{title}: training images are {whole.images.dtype}, test images '
                f'{found.test.images.dtype}; both must be uint8 (0 … 255), or neither'
            )
    if len(names) < 2:
        raise UserError(f'{title}: there is 1 class, {names[0]!r}; there must be at least 2')
    return found


def _check_labels_alike(training: Any, test: Any, title: str) -> None:
    """Whether words are not mixed with numbers, which would become words. Raises UserError."""
    words = [np.asarray(labels).dtype.kind == 'U' for labels in (training, test)]
    if words[0] != words[1]:
        one, other = ('words' if are_words else 'numbers' for are_words in words)
        raise UserError(
            f'{title}: training labels are {one}, test labels {other}; both must be words, or both '
            'integers from 0'
        )


def _names(labels: Any, classes: Sequence[str] | None, title: str) -> tuple[str, ...]:
    """The name of each class."""
    if classes is not None:
        return _given_names(classes, title)
    labels = np.asarray(labels)
    if labels.dtype.kind == 'U':
        return tuple(sorted(set(labels.tolist())))
    if labels.dtype.kind not in 'iu' or labels.size == 0 or labels.min() < 0:
        raise UserError(f'{title}: labels must be integers from 0 or words, one for each image')
    return tuple(str(i) for i in range(int(labels.max()) + 1))


def _given_names(classes: Sequence[str], title: str) -> tuple[str, ...]:
    if isinstance(classes, str):
        raise UserError(f'{title}: classes is the word {classes!r}; it must be a list of names')
    names = tuple(map(str, classes))
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UserError(f'{title}: classes has {twice[0]!r} twice; each must have its own name')
    return names


def _split(images: Any, labels: Any, classes: tuple[str, ...], title: str) -> Split:
    images, labels = np.asarray(images), np.asarray(labels)
    shape = images.shape
    if images.ndim not in (2, 3, 4) or images.dtype.kind not in 'uif' or not images.size:
        raise UserError(
            f'{title}: images are {images.dtype} {list(shape)}; they must be numbers [N, height, '
            'width, channels], [N, height, width] or [N, features]'
        )
    if images.ndim == 2:
        images = images[:, None, None, :]
    elif images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8:
        images = images.astype(np.float32)
        if not np.isfinite(images).all():
            raise UserError(f'{title}: some numbers in the images are not finite')
    if labels.dtype.kind == 'U':
        unknown = set(labels.tolist()) - set(classes)
        if unknown:
            raise UserError(f'{title}: {min(unknown)!r} is a label but not among the classes')
        labels = np.searchsorted(sorted(classes), labels)
        labels = np.argsort(classes, kind='stable')[labels]
    if labels.shape != (len(images),) or labels.dtype.kind not in 'iu':
        raise UserError(
            f'{title}: {len(images)} images but labels {labels.dtype} {list(labels.shape)}'
        )
    if labels.min() < 0 or labels.max() >= len(classes):
        raise UserError(
            f'{title}: labels go from {labels.min()} to {labels.max()}; with {len(classes)} '
            f'classes they must go from 0 to {len(classes) - 1}'
        )
    # Copies: what the caller does to its arrays later does not change the data.
    return Split(frozen(np.array(images)), frozen(labels.astype(np.int32)))
