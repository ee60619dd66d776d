"""Sweeps as plain data, and the settings they stand for.

A sweep is a nested tuple that a config file builds with the functions below, so that it prints,
compares and freezes as JSON:

    grid('train.batch_size', 8, 16, 32)              one field, listed values
    points({'optim.name': 'sgd', 'optim.learning_rate': 0.1}, {...})     explicit settings
    log_uniform('penalty.l2', 1e-5, 1e-1, count=10, seed=0)     a random sample
    product(a, b)      every setting of a with every one of b, b varying fastest
    zipped(a, b)       the first of a with the first of b, and so on
    union(a, b)        the settings of a, then those of b
    rounds(a, b)       the same; b is what a search found to look at after a (`search.py`)
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config import trace

Sweep = tuple
Point = dict[str, Any]


def grid(name: str, *values: Any) -> Sweep:
    """The field `name` (dotted) at each of the values."""
    return ('grid', name, tuple(values))


def points(*settings: Point) -> Sweep:
    """Explicit settings, each a dict from dotted field name to value."""
    return ('points', *(tuple(setting.items()) for setting in settings))


def log_uniform(name: str, low: float, high: float, count: int, seed: int = 0) -> Sweep:
    """`count` values of the field `name`, their logarithms uniform in [log low, log high]."""
    return ('log_uniform', name, low, high, count, seed)


def product(*sweeps: Sweep) -> Sweep:
    """Every combination; the last sweep varies fastest."""
    return ('product', *sweeps)


def zipped(*sweeps: Sweep) -> Sweep:
    """Sweeps of equal length side by side."""
    return ('zip', *sweeps)


def union(*sweeps: Sweep) -> Sweep:
    """One sweep after the other; a setting that comes twice counts once."""
    return ('union', *sweeps)


def rounds(sweep: Sweep, *later: Sweep) -> Sweep:
    """A sweep, and the later rounds of its search; a setting that comes twice counts once."""
    return ('rounds', sweep, *later)


def parts_by_round(sweep: Sweep) -> tuple[Sweep, ...]:
    """What `rounds` was given; any other sweep alone."""
    return tuple(sweep[1:]) if len(sweep) > 1 and sweep[0] == 'rounds' else (sweep,)


def expand(sweep: Any, where: str = 'sweep') -> list[Point]:
    """The settings of a sweep in order, each a dict from dotted field name to checked value.

    An empty sweep is one setting: the config's own.

    Raises:
      UserError: the sweep is not made as described above, names an unknown field, or gives a
        value that is not allowed.
    """
    unique: dict[tuple, Point] = {}
    for point in _expanded(sweep, where):
        unique.setdefault(tuple(sorted(point.items())), point)
    return list(unique.values())


def _expanded(sweep: Any, where: str) -> list[Point]:
    """`expand` with what is there twice: a zip pairs its columns as they stand."""
    if not isinstance(sweep, tuple | list):
        raise UserError(f'{where}: {sweep!r} is not a sweep; {_usage()}')
    if not sweep:
        return [{}]
    kind, *parts = sweep
    if not isinstance(kind, str) or kind not in _EXPANDERS:
        raise UserError(f'{where}: unknown kind of sweep {kind!r}; {_usage(str(kind))}')
    found = _EXPANDERS[kind](parts, where)
    if not found:
        raise UserError(f'{where}: {kind} has no settings; give it at least one value')
    return found


def _usage(name: str = '') -> str:
    return did_you_mean(name, _EXPANDERS)


def _expand_grid(parts: list, where: str) -> list[Point]:
    if len(parts) != 2 or not isinstance(parts[1], tuple | list):
        raise UserError(f"{where}: a grid is ('grid', field, (value, …)), not {parts!r}")
    name, values = parts
    return [{name: trace.checked(str(name), value, where)} for value in values]


def _expand_points(parts: list, where: str) -> list[Point]:
    try:
        pairs = [[(str(name), value) for name, value in part] for part in parts]
    except (TypeError, ValueError):
        raise UserError(
            f"{where}: points are ('points', ((field, value), …), …), not {parts!r}"
        ) from None
    for names in ([name for name, _ in point] for point in pairs):
        if len(set(names)) < len(names):
            raise UserError(f'{where}: a point sets one field twice: {", ".join(names)}')
    return [{name: trace.checked(name, value, where) for name, value in point} for point in pairs]


def _expand_log_uniform(parts: list, where: str) -> list[Point]:
    usage = (
        "('log_uniform', field, low, high, count, seed) with 0 < low < high and 1 ≤ count ≤ 100000"
    )
    numbers = [p for p in parts[1:] if isinstance(p, int | float) and not isinstance(p, bool)]
    if len(parts) != 5 or len(numbers) != 4 or not all(isinstance(n, int) for n in parts[3:]):
        raise UserError(f'{where}: a random sample is {usage}, not {parts!r}')
    name, low, high, count, seed = parts
    if not (0 < low < high <= sys.float_info.max and 1 <= count <= 100_000 and seed >= 0):
        raise UserError(f'{where}: a random sample is {usage}, not {parts!r}')
    ends = np.log10(float(low)), np.log10(float(high))  # NumPy takes no integers above 2⁶⁴
    exponents = np.random.default_rng(seed).uniform(*ends, count)
    return [{name: trace.checked(str(name), float(10**u), where)} for u in exponents]


def _parts(parts: list, kind: str, where: str) -> list[list[Point]]:
    return [_expanded(part, f'{where}.{kind}[{i}]') for i, part in enumerate(parts)]


def _merge(left: Point, right: Point, where: str) -> Point:
    twice = sorted(left.keys() & right.keys())
    if twice:
        raise UserError(f"{where}: '{twice[0]}' is swept twice; give it one place in the sweep")
    return left | right


def _expand_product(parts: list, where: str) -> list[Point]:
    found: list[Point] = [{}]
    for column in _parts(parts, 'product', where):
        found = [_merge(left, right, where) for left in found for right in column]
    return found


def _expand_zip(parts: list, where: str) -> list[Point]:
    columns = _parts(parts, 'zip', where)
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise UserError(f'{where}: the parts of a zip have {lengths} settings; they must be equal')
    found: list[Point] = [{}] * (lengths[0] if lengths else 0)
    for column in columns:
        found = [_merge(left, right, where) for left, right in zip(found, column, strict=True)]
    return found


def _expand_union(parts: list, where: str) -> list[Point]:
    return [point for column in _parts(parts, 'union', where) for point in column]


_EXPANDERS: dict[str, Callable[[list, str], list[Point]]] = {
    'grid': _expand_grid,
    'points': _expand_points,
    'log_uniform': _expand_log_uniform,
    'product': _expand_product,
    'zip': _expand_zip,
    'union': _expand_union,
    'rounds': _expand_union,
}
