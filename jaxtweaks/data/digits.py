"""scikit-learn's embedded handwritten digits: real data that needs neither disk nor network."""

from typing import Any, cast

import numpy as np

from jaxtweaks.data.catalogue import CATALOGUE, Known
from jaxtweaks.data.dataset import Source, checked

_TEST = 360  # the last 20% of the 1797 images


def source(stand_in_for: Known | None = None) -> Source:
    """The 1797 digits, 1437 to train on and the last 360 to test on, values 0 … 255.

    Images are [8, 8, 1]. Standing in for other data they take its shape: every pixel becomes a
    square of equal pixels, as large as fits; what is missing is a border of 0, and grey is repeated
    in all channels: ×4 and three channels for CIFAR-10, ×3 and a border of 2 for MNIST.
    """
    from sklearn import datasets  # here, since it takes a second to import

    # Inferred is what `return_X_y` would give as well.
    raw = cast(Any, datasets.load_digits())
    # Published in 17 levels, 0 … 16.
    images = np.rint(raw.images * (255 / 16)).astype(np.uint8)[..., None]
    digits = CATALOGUE['digits']
    shape, label = digits.shape, digits.title
    if stand_in_for is not None:
        shape, label = stand_in_for.shape, f'{label} (stand-in for {stand_in_for.title})'
        images = _resized(images, shape)
    labels = raw.target.astype(np.int32)
    where = "scikit-learn's embedded digits"
    check = (shape, len(digits.classes), where)
    return Source(
        label=label,
        training=checked(images[:-_TEST], labels[:-_TEST], *check),
        test=checked(images[-_TEST:], labels[-_TEST:], *check),
        classes=digits.classes,
        source=f'{where} (sklearn.datasets.load_digits)',
    )


def _resized(images: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Images, uint8 [N, 8, 8, 1], as [N, *shape], for H = W ≥ 8."""
    side, channels = shape[0], shape[2]
    scale = side // images.shape[1]
    images = images.repeat(scale, axis=1).repeat(scale, axis=2).repeat(channels, axis=3)
    before = (side - images.shape[1]) // 2
    border = (before, side - images.shape[1] - before)
    return np.pad(images, ((0, 0), border, border, (0, 0)))
