"""Derivations: what turns results into results with further fields; see `derivation.Derivation`.

Their fields have names like those of a setting ('ensemble.size'), so that figures, tables and
claims take them as they take a field that was swept. Several derivations follow one another.
"""

import dataclasses
from collections.abc import Sequence

from jaxtweaks.config.expand import Point
from jaxtweaks.config.settings import Setting
from jaxtweaks.results.derive.derivation import DERIVATIONS, Derivation, Options, Selected
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

__all__ = ['DERIVATIONS', 'Derivation', 'Options', 'Selected', 'derived', 'plan', 'selected']


def plan(
    points: Sequence[Point],
    recorded: Recorded,
    derivations: Sequence[Derivation],
    base: Setting,
) -> tuple[list[Point], Recorded]:
    """What the settings and what is recorded of them become by derivations, one after another.

    Raises:
      UserError: a derivation needs what these runs will not record.
    """
    points = list(points)
    for one in derivations:
        points, recorded = one.points(points, base), one.recorded(recorded, base)
    return points, recorded


def selected(
    points: Sequence[Point], derivations: Sequence[Derivation], base: Setting
) -> list[Selected | None]:
    """By what each setting that `plan` returns was chosen by the last derivation that chose it."""
    points = list(points)
    known: list[Selected | None] = [None] * len(points)
    for one in derivations:
        new = one.points(points, base)
        chosen = zip(new, one.selected(points, base), strict=True)
        known = [by or _kept(point, points, known) for point, by in chosen]
        points = new
    return known


def _kept(
    point: Point, points: Sequence[Point], known: Sequence[Selected | None]
) -> Selected | None:
    """By what a setting was chosen that is made of these: it agrees with one in all they share."""
    return next(
        (
            by
            for before, by in zip(points, known, strict=True)
            if by and all(point[name] == before[name] for name in point.keys() & before.keys())
        ),
        None,
    )


def derived(results: Results, derivations: Sequence[Derivation], base: Setting) -> Results:
    """What the results become by derivations; the results themselves if there are none."""
    for one in derivations:
        results = one.results(dataclasses.replace(results, ids=None), base)
    return results
