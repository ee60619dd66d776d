"""Sweeps as one writes them in a config file, for error messages."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from jaxtweaks.config.expand import Point

_LONGEST = 1_000  # letters of what is spelled out in full
_SHOWN = 4  # values of a field where it is not


def union(points: Sequence[Point]) -> str:
    """Python for a sweep over these points, none twice; those of the same fields together.

    Shortened by '…' where it would be too long for an error message.
    """
    groups: dict[tuple[str, ...], list[Point]] = {}
    for point in points:
        same = groups.setdefault(tuple(point), [])
        if point not in same:
            same.append(point)
    full = _union(groups, None)
    return full if len(full) <= _LONGEST else _union(groups, _SHOWN)


def grid(name: str, values: Sequence[Any]) -> str:
    """A grid as plain data, as the command line takes it."""
    return repr(('grid', name, tuple(values)))


def listed(values: Sequence[Any]) -> str:
    """The first values, with commas between."""
    shown = ', '.join(map(repr, values[:_SHOWN]))
    return f'{shown}, …' if len(values) > _SHOWN else shown


def _union(groups: dict[tuple[str, ...], list[Point]], most: int | None) -> str:
    parts = [_together(points, most) for points in groups.values()]
    return parts[0] if len(parts) == 1 else f'union({", ".join(parts)})'


def _together(points: Sequence[Point], most: int | None) -> str:
    """Points with the same fields: a grid, a product of grids, or grids side by side."""
    names = list(points[0])
    if len(points) == 1 and len(names) != 1:
        return f'points({points[0]!r})'
    columns = {name: [point[name] for point in points] for name in names}
    if len(names) == 1:
        return _grid(names[0], columns[names[0]], most)
    distinct = {name: list(dict.fromkeys(values)) for name, values in columns.items()}
    full = math.prod(map(len, distinct.values())) == len(points)
    rows = itertools.product(*distinct.values()) if full else ()
    every = [dict(zip(names, row, strict=True)) for row in rows]
    how, chosen = ('product', distinct) if every == list(points) else ('zipped', columns)
    return f'{how}({", ".join(_grid(name, values, most) for name, values in chosen.items())})'


def _grid(name: str, values: Sequence[Any], most: int | None) -> str:
    shown = [*map(repr, values[:most])] + (['…'] if most and len(values) > most else [])
    return f'grid({", ".join([repr(name), *shown])})'
