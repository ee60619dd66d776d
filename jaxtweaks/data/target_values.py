"""Targets that are no classes, as people have them: numbers, or 0 and 1 for several labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.data.inputs import as_array

KINDS = ('classes', 'float', 'multilabel')
# Metrics are computed in float32 in the unit of the target: so far it may lie from 0, in its
# standard deviations, and so large or small it may be.
_FARTHEST, _LARGEST, _SMALLEST = 2.0**14, 1e15, 1e-15


def check_kind(targets: str, title: str) -> None:
    """Whether there are such targets. Raises UserError."""
    if targets not in KINDS:
        raise UserError(
            f'{title}: targets is {targets!r}; it must be one of {", ".join(map(repr, KINDS))}'
        )


def read(targets: Any, kind: str, what: str) -> np.ndarray:
    """Targets [N] or [N, outputs] as [N, outputs]: float64, or, of several labels, float32.

    Args:
      targets: what the user gave.
      kind: 'float' or 'multilabel'.
      what: begins errors, such as 'mine: targets'.

    Raises:
      UserError: what is wrong, and where.
    """
    wanted = 'numbers [N] or [N, outputs]' if kind == 'float' else 'numbers [N, labels]'
    array = as_array(targets, what, wanted)
    if array.ndim == 1 and kind == 'float':
        array = array[:, None]
    kinds = 'iuf' if kind == 'float' else 'iufb'
    if array.ndim != 2 or not array.size or array.dtype.kind not in kinds:
        raise UserError(f'{what} are {array.dtype} {list(array.shape)}; they must be {wanted}')
    array = array.astype(np.float64)
    _check_finite(array, what)
    if kind == 'multilabel':
        return _zeros_and_ones(array, what)
    return array


def check_numbers(targets: np.ndarray, names: Sequence[str], what: str) -> None:
    """Whether training targets, float64 [N, outputs], can be learned. Raises UserError."""
    mean, std = targets.mean(0), targets.std(0)
    largest, spread = np.abs(targets).max(0), np.ptp(targets, 0)
    for name, m, d, most, apart in zip(names, mean, std, largest, spread, strict=True):
        if apart == 0:
            raise UserError(f'{what}: all of {name!r} are {m:g}, so there is nothing to learn')
        if abs(m) > _FARTHEST * d:
            raise UserError(
                f'{what}: {name!r} lies around {m:g} with a standard deviation of {d:g}, which '
                'float32 cannot tell apart; subtract a constant'
            )
        if most > _LARGEST or d < _SMALLEST:
            raise UserError(
                f'{what}: {name!r} is of size {most:g} with a standard deviation of {d:g}, near '
                'the ends of float32; choose another unit'
            )


def names_of(count: int, given: Sequence[Any] | None, title: str) -> tuple[str, ...]:
    """The names of so many outputs: those given, or 'target', or numbers. Raises UserError."""
    if given is None:
        return ('target',) if count == 1 else tuple(map(str, range(count)))
    names = (given,) if isinstance(given, str) else tuple(map(str, given))
    if len(names) != count or len(set(names)) < count:
        raise UserError(
            f'{title}: classes has the names {list(names)}; there must be one, and another one, '
            f'for each of the {count} outputs'
        )
    return names


def _check_finite(array: np.ndarray, what: str) -> None:
    bad = ~np.isfinite(array)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise UserError(
            f'{what}: {int(bad.sum()):,} of {array.size:,} are not finite, such as '
            f'{array[row, column]} in row {row}, output {column}; fill them or omit these rows'
        )


def _zeros_and_ones(array: np.ndarray, what: str) -> np.ndarray:
    odd = (array != 0) & (array != 1)
    if odd.any():
        row, column = np.argwhere(odd)[0]
        raise UserError(
            f'{what}: {int(odd.sum()):,} of {array.size:,} are neither 0 nor 1, such as '
            f'{array[row, column]:g} in row {row}, label {column}'
        )
    return array.astype(np.float32)
