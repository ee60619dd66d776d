"""Images and features as people have them: checked, and of a type that keeps what they say."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxtweaks.base.errors import UserError

_SHAPES = '[N, height, width, channels], [N, height, width] or [N, features]'
_CHANNELS = (1, 3, 4)
# Numbers within these bounds, and their squares, are far from where float32 ends.
_SMALLEST, _LARGEST = 1e-30, 1e30
# How far rounding to float32 may move a number, in standard deviations of its channel.
_ROUNDING = 2.0**-20


def read(images: Any, what: str, channels_last: bool = False) -> np.ndarray:
    """Images, or features [N, D], as [N, height, width, channels] of numbers that are all finite.

    uint8 stays; what float32 holds exactly is float32, all else float64: see `narrowed`.

    Args:
      images: what the user gave.
      what: begins errors, such as 'mine: images'.
      channels_last: whether the last axis is the channels even where it does not look so.

    Raises:
      UserError: what is wrong, and where.
    """
    array, names = _array(images, what)
    shape = list(array.shape)
    if array.dtype.kind not in 'uif' or array.ndim not in (2, 3, 4):
        raise UserError(f'{what} are {array.dtype} {shape}; they must be numbers {_SHAPES}')
    if not array.size:
        raise UserError(f'{what} are {shape}: there are none')
    if array.ndim == 4 and not channels_last:
        _check_channels(array.shape, what)
    _check_finite(array, names, what)
    if array.dtype.kind in 'iu' and array.dtype.itemsize == 8:
        _check_whole(array, names, what)
    if array.ndim == 2:
        array = array[:, None, None, :]
    elif array.ndim == 3:
        array = array[..., None]
    if array.dtype == np.uint8:
        return array
    exact = array.dtype.itemsize < 4 or array.dtype == np.float32
    return array.astype(np.float32 if exact else np.float64)


def narrowed(parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Parts of a data set, the training images first, all of one type of numbers.

    That is float32, unless rounding to it would lose what tells the training images apart (seconds
    since 1970 within an hour), or they lie near its ends: then float64, which is standardised
    before it is rounded. uint8 stays.
    """
    if parts[0].dtype == np.uint8:
        return list(parts)
    wide = any(_needs_float64(part) for part in parts)
    return [part.astype(np.float64 if wide else np.float32, copy=False) for part in parts]


def remarks(training: np.ndarray, test: np.ndarray) -> list[str]:
    """What may be wrong with numbers that are valid, in sentences."""
    found = []
    low, high = training.min((0, 1, 2)), training.max((0, 1, 2))
    constant = np.flatnonzero(low == high)
    if training.shape[1:3] == (1, 1) and len(constant):
        found.append(
            f'{len(constant):,} of {len(low):,} features have one value in all training rows, such '
            f'as feature {constant[0]} ({low[constant[0]]:g})'
        )
    ends = [(float(part.min()), float(part.max())) for part in (training, test)]
    small = [a >= 0 and b <= 1 for a, b in ends]
    large = [a >= 0 and 16 < b <= 255 for a, b in ends]
    if training.dtype != np.uint8 and ((small[0] and large[1]) or (large[0] and small[1])):
        found.append(
            'training images go from {:g} to {:g}, test images from {:g} to {:g}; they should be '
            'in one unit'.format(*ends[0], *ends[1])
        )
    return found


def copies(training: np.ndarray, test: np.ndarray) -> int:
    """How many test images are also training images, number for number."""
    digest = lambda image: hashlib.blake2b(image.tobytes(), digest_size=16).digest()
    seen = set(map(digest, training))
    return sum(digest(image) in seen for image in test)


def as_array(given: Any, what: str, shapes: str) -> np.ndarray:
    """What the user gave as an array.

    Args:
      given: an array, or lists of one shape.
      what: begins errors.
      shapes: those that it may have, in words.

    Raises:
      UserError: numbers are masked, or rows are of several lengths.
    """
    if np.ma.isMaskedArray(given) and np.ma.getmaskarray(given).any():
        masked = np.ma.getmaskarray(given)
        raise UserError(
            f'{what}: {int(masked.sum()):,} of {masked.size:,} numbers are masked; fill them '
            '(.filled(0)) or omit their rows'
        )
    try:
        return np.asarray(given)
    except ValueError as error:  # NumPy's word for it: inhomogeneous
        raise UserError(
            f'{what} are not of one shape, so they are no array; they must be {shapes}'
        ) from error


def _array(images: Any, what: str) -> tuple[np.ndarray, list[str]]:
    """What the user gave as an array, and the names of its columns if it has names."""
    names = [str(name) for name in getattr(images, 'columns', ())]
    array = as_array(images, what, _SHAPES)
    if array.dtype.kind == 'O':
        raise UserError(f'{what} are {_of_objects(array, names)}; they must be numbers {_SHAPES}')
    if array.dtype.kind == 'b':
        raise UserError(
            f'{what} are truth values; they must be numbers: images.astype(np.uint8) * 255, or '
            'features.astype(np.float32)'
        )
    return array, names


def _of_objects(array: np.ndarray, names: list[str]) -> str:
    """What is no number in an array of objects, in words."""
    flat = array.reshape(-1)
    odd = [i for i, one in enumerate(flat) if not isinstance(one, int | float | np.number)]
    if not odd:
        return f'objects {list(array.shape)}, though all are numbers (images.astype(float))'
    where = _place(np.unravel_index(odd[0], array.shape), names)
    return (
        f'objects {list(array.shape)}, of which {len(odd):,} are no numbers, such as '
        f'{str(flat[odd[0]])[:40]!r} in {where}'
    )


def _check_channels(shape: tuple[int, ...], what: str) -> None:
    """Whether the channels come last, as far as sizes show. Raises UserError."""
    _, channels, height, width = shape
    is_colour = channels in (3, 4) and min(height, width) > max(_CHANNELS)
    is_square = channels == 1 and height == width > max(_CHANNELS)
    if is_colour or is_square:
        raise UserError(
            f'{what} are {list(shape)}, as if the channels came first; they must come last: '
            'np.moveaxis(images, 1, -1) (channels_last=True says that they do)'
        )


def _check_finite(array: np.ndarray, names: list[str], what: str) -> None:
    if array.dtype.kind != 'f':
        return
    bad = ~np.isfinite(array)
    if bad.any():
        first = np.unravel_index(int(np.argmax(bad)), array.shape)
        rows = int(bad.reshape(len(bad), -1).any(1).sum())
        raise UserError(
            f'{what}: {int(bad.sum()):,} of {array.size:,} numbers are not finite, in {rows:,} of '
            f'{len(array):,} {"rows" if array.ndim == 2 else "images"}, such as {array[first]} in '
            f'{_place(first, names)}; fill them or omit these'
        )


def _check_whole(array: np.ndarray, names: list[str], what: str) -> None:
    """Whether float64 tells 64-bit integers apart, to 2⁻²⁰ of their spread. Raises UserError."""
    columns = array.reshape(-1, array.shape[-1]) if array.ndim in (2, 4) else array.reshape(-1, 1)
    low, high = columns.min(0), columns.max(0)
    for i, (a, b) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        largest = max(abs(a), abs(b))
        if largest > 2**53 and largest > (b - a) * 2**33 and b > a:
            where = _place((0, i), names).partition(', ')[2]
            raise UserError(
                f'{what}: {where} goes from {a} to {b}, which float64 cannot tell apart; subtract '
                'the smallest value'
            )


def _needs_float64(images: np.ndarray) -> bool:
    axes = (0, 1, 2)
    largest = np.abs(images).max(axes)
    if (largest > _LARGEST).any():
        return True
    spread = images.std(axes, dtype=np.float64)
    near_zero = (largest > 0) & (largest < _SMALLEST)
    if (near_zero | ((spread > 0) & (spread < _SMALLEST))).any():
        return True
    if images.dtype == np.float32:
        return False
    lost = np.abs(images - images.astype(np.float32)).max(axes)
    return bool(((spread > 0) & (lost > spread * _ROUNDING)).any())


def _place(index: Sequence[int | np.integer], names: list[str]) -> str:
    """Where a number is, in words."""
    index = [int(i) for i in index]
    if len(index) != 2:
        return f'image {index[0]}'
    named = f' ({names[index[1]]!r})' if index[1] < len(names) else ''
    return f'row {index[0]}, feature {index[1]}{named}'
