"""Derivations: what turns results into results with further fields; see `derivation.Derivation`.

Their fields have names like those of a setting ('ensemble.size'), so that figures, tables and
claims take them as they take a field that was swept. Several derivations follow one another.
"""

import dataclasses
from collections.abc import Sequence

from jaxtweaks.config.expand import Point
from jaxtweaks.config.settings import Setting
from jaxtweaks.results.derive.derivation import DERIVATIONS, Derivation, Options
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

__all__ = ['DERIVATIONS', 'Derivation', 'Options', 'derived', 'plan']


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


def derived(results: Results, derivations: Sequence[Derivation], base: Setting) -> Results:
    """What the results become by derivations; the results themselves if there are none."""
    for one in derivations:
        results = one.results(dataclasses.replace(results, ids=None), base)
    return results
