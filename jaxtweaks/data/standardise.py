"""Mean and standard deviation by which images are standardised, from the training split alone."""

import dataclasses
import math
from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.settings import Data
from jaxtweaks.data.dataset import Dataset

# Images summed at once: squares of a chunk are held as uint32, so this bounds the memory.
_CHUNK = 2_048


def standardiser(training_images: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray]:
    """The (mean, inverse standard deviation) of `x = (float32(images) - mean) * inverse_std`.

    The standard deviation is that of the population (divided by N). The sums over uint8 values are
    exact integers, and all else is float64 until the result is rounded to float32.

    A channel or pixel that is the same in all training images has no standard deviation. Its
    inverse is 1/255 for uint8, as with 'unit', so that x stays finite, and small, whatever value
    the pixel takes in other images; and 1 for others.

    Images are float64 where float32 cannot tell them apart (`data.inputs.narrowed`): then the
    result is float64 too, and x must be computed with it, by `standardised`, before it is rounded.

    Args:
      training_images: uint8, float32 or float64 [N, H, W, C], the training split and nothing else.
      how: 'channel' (one mean and standard deviation for each channel), 'pixel' (for each pixel of
        each channel), 'unit' (0 and 1/255, for uint8), or 'none' (0 and 1).

    Returns:
      Two float32 (of float64 images: float64) arrays [H, W, C], in the unit of the images (uint8:
      0 … 255) and its inverse.

    Raises:
      UserError: if `how` is none of the four, the images are not uint8, float32 or float64
        [N ≥ 1, H, W, C], 'unit' is asked of other than uint8, or 'none' of float64.
    """
    if how not in ('channel', 'pixel', 'unit', 'none'):
        raise UserError(f"data.standardise is '{how}', it should be channel, pixel, unit or none")
    exact = training_images.dtype == np.uint8
    known = exact or training_images.dtype in (np.float32, np.float64)
    if not known or training_images.ndim != 4 or not training_images.size:
        raise UserError(
            f'images to standardise are {training_images.dtype} {list(training_images.shape)}, '
            f'they should be uint8, float32 or float64 [N, H, W, C] with N ≥ 1'
        )
    if how == 'unit' and not exact:
        raise UserError(
            "data.standardise is 'unit', but these images have no largest value to divide by; it "
            'should be channel, pixel or none'
        )
    if how == 'none' and training_images.dtype == np.float64:
        raise UserError(
            "data.standardise is 'none', but float32, in which networks compute, cannot tell these "
            'numbers apart or hold them; it should be channel or pixel'
        )
    n, height, width, channels = training_images.shape
    shape = (height, width, channels)
    if how in ('unit', 'none'):
        factor = 1 / 255 if how == 'unit' else 1
        return np.zeros(shape, np.float32), np.full(shape, factor, np.float32)
    if not exact:
        return _of_floats(training_images, (0, 1, 2) if how == 'channel' else (0,))

    total, squares = _sums(training_images)
    if how == 'channel':
        n *= height * width
        total, squares = total.sum((0, 1)), squares.sum((0, 1))
    moments = [_moments(n, int(s), int(q)) for s, q in zip(total.flat, squares.flat, strict=True)]
    mean, inverse = np.array(moments, np.float64).T.reshape(2, *total.shape)
    return _whole(mean, shape, np.float32), _whole(inverse, shape, np.float32)


def _of_floats(images: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and inverse standard deviation over `axes`, in two passes."""
    low, high = images.min(axes), images.max(axes)
    constant = low == high  # where rounding may leave a standard deviation
    if images.dtype == np.float64:
        mean, inverse = _of_wide(images, axes, low, high)
    else:
        mean = images.mean(axes, dtype=np.float64)
        inverse = 1 / np.where(
            constant, 1, np.sqrt(np.square(images - mean).mean(axes, dtype=np.float64))
        )
    inverse = np.where(constant, 1, inverse)
    shape, dtype = images.shape[1:], images.dtype
    return _whole(mean, shape, dtype), _whole(inverse, shape, dtype)


def _whole(array: np.ndarray, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """A number of each pixel, from those of a pixel or of a channel."""
    return np.broadcast_to(array, shape).astype(dtype)


def _of_wide(
    images: np.ndarray, axes: tuple[int, ...], low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and inverse standard deviation of numbers far from zero, huge or tiny: of their places
    between the lowest and the highest, 0 … 1, whose sums and squares cannot overflow.
    """
    width = high / 2 - low / 2  # of half the range, which may be beyond float64 as a whole
    width = np.where(width > 0, width, 1)
    places = (images / 2 - low / 2) / width
    middle = places.mean(axes)
    std = np.sqrt(np.square(places - middle).mean(axes))
    with np.errstate(over='ignore'):
        inverse = 0.5 / np.where(std > 0, std, 1) / width
    if not np.isfinite(inverse).all():
        raise UserError(
            'the training images have numbers that differ by less than 10⁻³⁰⁷, which cannot be '
            'standardised; multiply them by a constant'
        )
    return 2 * (low / 2 + middle * width), inverse


def standardised(images: np.ndarray, mean: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Float64 images as networks see them, float32; mean and inverse are the standardiser's."""
    with np.errstate(over='ignore'):
        found = ((images - mean) * inverse).astype(np.float32)
    if not np.isfinite(found).all():
        raise UserError(
            'some images lie more than 10³⁸ standard deviations from the mean of the training '
            'images; their numbers must be of one unit'
        )
    return found


def target_scale(targets: np.ndarray, standardise: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of training targets [N, outputs] by output, float64 [outputs].

    0 and 1 if they are not standardised; the standard deviation is 1 where all are equal.
    """
    targets = np.asarray(targets, np.float64)
    if not standardise:
        return np.zeros(targets.shape[1]), np.ones(targets.shape[1])
    # Equal numbers can have a standard deviation by rounding of their mean.
    return targets.mean(0), np.where(np.ptp(targets, 0) > 0, targets.std(0), 1)


def standardised_targets(targets: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Targets [N, outputs] as networks learn them, float32; `target_scale` returns the rest."""
    return ((np.asarray(targets, np.float64) - mean) / std).astype(np.float32)


def _sums(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum and sum of squares over the images, uint64 [H, W, C]; exact."""
    total = np.zeros(images.shape[1:], np.uint64)
    squares = np.zeros(images.shape[1:], np.uint64)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK].astype(np.uint32)
        total += chunk.sum(0, dtype=np.uint64)
        squares += np.square(chunk).sum(0, dtype=np.uint64)
    return total, squares


def _moments(n: int, total: int, squares: int) -> tuple[float, float]:
    """Mean and inverse standard deviation of n numbers of this sum and sum of squares."""
    # In Python's integers: n Σx² - (Σx)² exceeds 64 bits and would cancel in floating point.
    spread = n * squares - total * total
    return total / n, n / math.sqrt(spread) if spread else 1 / 255


@dataclasses.dataclass(frozen=True)
class Scale:
    """How images and targets become what a network sees, by the training split alone.

    Attributes:
      kind: the type of the images' numbers: 'uint8', 'float32' or 'float64'.
      mean, inverse_std: of the images, as `standardiser` returns them, [H, W, C].
      factor: what standardised images are multiplied by.
      target_mean, target_std: of targets that are numbers, float64 [outputs]; else None.
    """

    kind: str
    mean: np.ndarray
    inverse_std: np.ndarray
    factor: float
    target_mean: np.ndarray | None = None
    target_std: np.ndarray | None = None

    @classmethod
    def of(cls, dataset: Dataset, config: Data) -> Self:
        """Of a data set, as a setting says. Raises UserError, see `standardiser`."""
        images, targets = dataset.training.images, None
        if dataset.targets == 'float':
            targets = target_scale(dataset.training.labels, config.standardise_targets)
        mean_and_inverse = standardiser(images, config.standardise)
        return cls(str(images.dtype), *mean_and_inverse, config.scale, *(targets or ()))

    def prepared(self, images: np.ndarray) -> np.ndarray:
        """Images as they go to the device: float64 is standardised before it is rounded."""
        if self.kind != 'float64':
            return images
        return standardised(images, self.mean, self.inverse_std)

    def targets(self, targets: np.ndarray) -> np.ndarray:
        """Targets as they go to the device."""
        if self.target_mean is None or self.target_std is None:
            return targets
        return standardised_targets(targets, self.target_mean, self.target_std)

    def on_device(self) -> dict[str, np.ndarray | None]:
        """What is done on the device, by the names of `train.data.DeviceData`; float32."""
        mean, inverse = self.mean, self.inverse_std
        if self.kind == 'float64':  # that is done
            mean, inverse = np.zeros(mean.shape, np.float32), np.ones(mean.shape, np.float32)
        narrow = lambda array: None if array is None else array.astype(np.float32)
        return {
            'mean': mean,
            'inverse_std': inverse * np.float32(self.factor),
            'target_mean': narrow(self.target_mean),
            'target_std': narrow(self.target_std),
        }
