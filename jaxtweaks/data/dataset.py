"""The types of a data set: what a source delivers, and what a run is given."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from jaxtweaks.base.errors import UserError


@dataclasses.dataclass(frozen=True)
class Split:
    """Images [N, H, W, C] and labels, int32 [N] (or other targets, see `Dataset`); both read-only.

    Images are uint8 or float32, or float64 if that tells apart what float32 does not.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> 'Split':
        """The images and labels at `indices`, int [M], in that order."""
        return Split(frozen(self.images[indices]), frozen(self.labels[indices]))


@dataclasses.dataclass(frozen=True)
class Source:
    """A whole data set as published, before the training part is split.

    Attributes:
      label: what figures and tables call it.
      training, test: its two parts, in a fixed order.
      classes: the name of each label.
      source: in words, where it came from; no secrets.
      validation: its own validation part, in a fixed order; None if it has none, and validation
        images are taken from the training part.
      notices: what a reader of results must know of how it was read, in sentences.
      targets: see `Dataset`.
      places: of data without a test part of their own, where each image of `training`, and then of
        `test`, was before the test part was held out, int [N]; None for others.
      outline: whether it has the right sizes and nothing else.
      made_for: the only `data.split` whose test part its numbers know nothing of; '' for any.
    """

    label: str
    training: Split
    test: Split
    classes: tuple[str, ...]
    source: str
    validation: Split | None = None
    notices: tuple[str, ...] = ()
    places: np.ndarray | None = None
    targets: str = 'classes'
    outline: bool = False
    made_for: str = ''


def check_trained(source: Source) -> None:
    """Whether all classes that are evaluated are trained on. Raises UserError."""
    if source.targets != 'classes':
        return
    trained = set(source.training.labels.tolist())
    for name, part in (('validation', source.validation), ('test', source.test)):
        labels = np.zeros(0, int) if part is None else part.labels
        for label in np.unique(labels).tolist():
            if label not in trained:
                count = int((labels == label).sum())
                raise UserError(
                    f'{source.label}: class {source.classes[label]!r} has {count:,} {name} images '
                    'but no training images; omit it, or add some'
                )


def arrays_of(parts: Mapping[str, Split]) -> dict[str, np.ndarray]:
    """The parts of a source, by name, as the arrays that the cache keeps."""
    return {
        f'{name}_{field}': getattr(split, field)
        for name, split in parts.items()
        for field in ('images', 'labels')
    }


def parts_of(arrays: Mapping[str, np.ndarray]) -> dict[str, Split]:
    """The inverse of `arrays_of`."""
    names = [name.removesuffix('_labels') for name in arrays if name.endswith('_labels')]
    return {name: Split(arrays[f'{name}_images'], arrays[f'{name}_labels']) for name in names}


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A data set as a run uses it. Two are equal if they are one; see `fingerprint`.

    Attributes:
      label: what every figure and table calls it, such as 'CIFAR-10', 'CIFAR-10 (JPEG q75)' or
        'digits (stand-in for CIFAR-10)'.
      training, validation, test: the three splits; no image is in two of them.
      classes: the name of each label.
      source: in words, where it came from; no secrets.
      fingerprint: `fingerprint` of the three splits, the probes and the grid.
      fallback: whether it stands in for the data asked for.
      probes: further images on which networks are evaluated after each epoch, by name (letters
        and _, which become the beginning of a metric's name); nothing is chosen by them.
      targets: what they are: 'classes'; 'float', numbers, labels float64 [N, outputs]; or
        'multilabel', labels float32 [N, outputs] of 0 and 1. `classes` names the outputs then.
      grid: inputs [N, H, W, C] whose class probabilities are kept at the end (decision
        boundaries), or None.
      notices: see `Source`.
    """

    label: str
    training: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    source: str
    fingerprint: str
    fallback: bool
    probes: Mapping[str, Split] = dataclasses.field(default_factory=dict)
    grid: np.ndarray | None = None
    notices: tuple[str, ...] = ()
    targets: str = 'classes'


def nothing(label: str) -> Dataset:
    """No images: for a study that generates what it works on, which `label` says."""
    empty = Split(
        frozen(np.zeros((0, 0, 0, 0), np.uint8)),
        frozen(np.zeros(0, np.int32)),
    )
    return Dataset(
        label=label,
        training=empty,
        validation=empty,
        test=empty,
        classes=(),
        source='generated by the study',
        fingerprint=fingerprint([empty]),
        fallback=False,
    )


def fingerprint(
    splits: Iterable[Split],
    probes: Mapping[str, Split] | None = None,
    grid: np.ndarray | None = None,
) -> str:
    """SHA-256, in hex, over shape, dtype and bytes of all arrays, in order, and probes' names."""
    digest = hashlib.sha256()

    def add(array: np.ndarray) -> None:
        digest.update(f'{array.shape} {array.dtype.name}\n'.encode())
        little = array.astype(array.dtype.newbyteorder('<'), copy=False)
        digest.update(np.ascontiguousarray(little).data)

    for split in splits:
        add(split.images)
        add(split.labels)
    for name, probe in (probes or {}).items():
        digest.update(f'{name}\n'.encode())
        add(probe.images)
        add(probe.labels)
    if grid is not None:
        digest.update(b'grid\n')
        add(grid)
    return digest.hexdigest()


def checked(
    images: np.ndarray, labels: np.ndarray, shape, classes: int, where: str, dtype: type = np.uint8
) -> Split:
    """A `Split` of `images`, [N, H, W, C], and integer `labels`, [N].

    Raises:
      UserError: naming `where`, if there are no images, if images and labels do not match, if the
        images are not of `dtype` and `shape` = (H, W, C), or if a label is not in 0 … classes - 1.
    """
    if images.dtype != dtype or images.shape[1:] != tuple(shape):
        raise UserError(
            f'{where}: images are {images.dtype} {list(images.shape[1:])}, '
            f'they should be {np.dtype(dtype)} {list(shape)}'
        )
    if len(images) == 0:
        raise UserError(f'{where}: holds no images')
    if labels.shape != (len(images),):
        raise UserError(f'{where}: {len(images)} images but labels of shape {list(labels.shape)}')
    if labels.min() < 0 or labels.max() >= classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise UserError(f'{where}: a label is {wrong}, labels should be 0 to {classes - 1}')
    return Split(frozen(images), frozen(labels.astype(np.int32, copy=False)))


def frozen(array: np.ndarray) -> np.ndarray:
    """The array, made read-only: it is shared by everything that runs."""
    array.flags.writeable = False
    return array
