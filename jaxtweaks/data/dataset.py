"""The types of a data set: what a source delivers, and what a run is given."""

import dataclasses
import hashlib
from collections.abc import Iterable

import numpy as np

from jaxtweaks.errors import UserError


@dataclasses.dataclass(frozen=True)
class Split:
    """Images, uint8 [N, H, W, C], and their labels, int32 [N]; both read-only."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> 'Split':
        """The images and labels at `indices`, int [M], in that order."""
        return Split(_frozen(self.images[indices]), _frozen(self.labels[indices]))


@dataclasses.dataclass(frozen=True)
class Source:
    """A whole data set as published, before the training part is split.

    Attributes:
      label: what figures and tables call it.
      training, test: its two parts, in a fixed order.
      classes: the name of each label.
      source: in words, where it came from; no secrets.
    """

    label: str
    training: Split
    test: Split
    classes: tuple[str, ...]
    source: str


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set as a run uses it.

    Attributes:
      label: what every figure and table calls it, such as 'CIFAR-10', 'CIFAR-10 (JPEG q75)' or
        'digits (stand-in for CIFAR-10)'.
      training, validation, test: the three splits; no image is in two of them.
      classes: the name of each label.
      source: in words, where it came from; no secrets.
      fingerprint: `fingerprint` of the three splits.
      fallback: whether it stands in for the data asked for.
    """

    label: str
    training: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    source: str
    fingerprint: str
    fallback: bool


def fingerprint(splits: Iterable[Split]) -> str:
    """SHA-256, in hex, over shape, dtype and bytes of all arrays of `splits`, in order."""
    digest = hashlib.sha256()
    for split in splits:
        for array in (split.images, split.labels):
            digest.update(f'{array.shape} {array.dtype.name}\n'.encode())
            little = array.astype(array.dtype.newbyteorder('<'), copy=False)
            digest.update(np.ascontiguousarray(little).data)
    return digest.hexdigest()


def checked(images: np.ndarray, labels: np.ndarray, shape, classes: int, where: str) -> Split:
    """A `Split` of `images`, [N, H, W, C], and integer `labels`, [N].

    Raises:
      UserError: naming `where`, if there are no images, if images and labels do not match, if the
        images are not uint8 of `shape` = (H, W, C), or if a label is not in 0 … classes - 1.
    """
    if images.dtype != np.uint8 or images.shape[1:] != tuple(shape):
        raise UserError(
            f'{where}: images are {images.dtype} {list(images.shape[1:])}, '
            f'they should be uint8 {list(shape)}'
        )
    if len(images) == 0:
        raise UserError(f'{where}: holds no images')
    if labels.shape != (len(images),):
        raise UserError(f'{where}: {len(images)} images but labels of shape {list(labels.shape)}')
    if labels.min() < 0 or labels.max() >= classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise UserError(f'{where}: a label is {wrong}, labels should be 0 to {classes - 1}')
    return Split(_frozen(images), _frozen(labels.astype(np.int32, copy=False)))


def _frozen(array: np.ndarray) -> np.ndarray:
    """The array, made read-only: it is shared by everything that runs."""
    array.flags.writeable = False
    return array
