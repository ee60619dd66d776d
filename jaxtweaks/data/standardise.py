"""The mean and deviation by which images are standardised, from the training split alone."""

import math

import numpy as np

from jaxtweaks.errors import UserError

# Images summed at once: squares of a chunk are held as uint32, so this bounds the memory.
_CHUNK = 2_048


def standardiser(training_images: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray]:
    """The (mean, inverse deviation) of `x = (float32(images) - mean) * inverse_deviation`.

    The deviation is that of the population (divided by N). The sums over the uint8 values are
    exact integers, and all that follows is float64 until the result is rounded to float32.

    A channel or pixel that is the same in all training images has no deviation; its inverse
    deviation is 1/255, as with 'unit', so that x stays finite, and small, whatever value the pixel
    takes in other images.

    Args:
      training_images: uint8 [N, H, W, C], the training split and nothing else.
      how: 'channel' (one mean and deviation for each channel), 'pixel' (for each pixel of each
        channel), or 'unit' (mean 0 and inverse deviation 1/255, whatever the images).

    Returns:
      Two float32 arrays [H, W, C], in units of pixel values (0 … 255) and their inverse.

    Raises:
      UserError: if `how` is none of the three, or the images are not uint8 [N ≥ 1, H, W, C].
    """
    if how not in ('channel', 'pixel', 'unit'):
        raise UserError(f"data.standardise is '{how}', it should be channel, pixel or unit")
    if training_images.dtype != np.uint8 or training_images.ndim != 4 or not training_images.size:
        raise UserError(
            f'images to standardise are {training_images.dtype} {list(training_images.shape)}, '
            f'they should be uint8 [N, H, W, C] with N ≥ 1'
        )
    n, height, width, channels = training_images.shape
    shape = (height, width, channels)
    if how == 'unit':
        return np.zeros(shape, np.float32), np.full(shape, 1 / 255, np.float32)

    total, squares = _sums(training_images)
    if how == 'channel':
        n *= height * width
        total, squares = total.sum((0, 1)), squares.sum((0, 1))
    moments = [_moments(n, int(s), int(q)) for s, q in zip(total.flat, squares.flat, strict=True)]
    mean, inverse = np.array(moments, np.float64).T.reshape(2, *total.shape)
    return tuple(np.broadcast_to(a, shape).astype(np.float32) for a in (mean, inverse))


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
    """Mean and inverse deviation of n numbers of this sum and sum of squares."""
    # In Python's integers: n Σx² - (Σx)² exceeds 64 bits and would cancel in floating point.
    spread = n * squares - total * total
    return total / n, n / math.sqrt(spread) if spread else 1 / 255
