"""Derivations: plain functions that turn results into results with further fields.

A derivation is a module with three functions, each in the order of the settings it is given:

    points(points, experiment)        what the settings become, known before training
    recorded(recorded, experiment)    what there will be of each of them
    results(results, experiment)      the results themselves

Its fields have names like those of a setting ('ensemble.size'), so that figures, tables and
claims take them as they take a field that was swept. Several derivations follow one another.
"""

import dataclasses
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from jaxtweaks.config.expand import Point
from jaxtweaks.results.derive import best, ensemble, mc, roughness, stopping, tested, tweaks
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

if TYPE_CHECKING:
    from jaxtweaks.lab.experiment import Experiment

DERIVATIONS: dict[str, ModuleType] = {
    'mc': mc,
    'ensemble': ensemble,
    'stopping': stopping,
    'tested': tested,
    'best': best,
    'tweaks': tweaks,
    'roughness': roughness,
}


def plan(
    points: Sequence[Point], recorded: Recorded, experiment: 'Experiment'
) -> tuple[list[Point], Recorded]:
    """What the settings and what is recorded of them become by `experiment.derive`.

    Raises:
      UserError: a derivation needs what these runs will not record.
    """
    points = list(points)
    for name in experiment.derive:
        derivation = DERIVATIONS[name]
        points, recorded = (
            derivation.points(points, experiment),
            derivation.recorded(recorded, experiment),
        )
    return points, recorded


def derived(results: Results, experiment: 'Experiment') -> Results:
    """What the results become by `experiment.derive`; the results themselves if that is empty."""
    for name in experiment.derive:
        results = DERIVATIONS[name].results(dataclasses.replace(results, ids=None), experiment)
    return results
