"""`roughness`: how much the cost rises on its way down, as a final metric.

The sum of all rises of the cost from one epoch to the next, in the unit of the loss: 0 for a curve
that only falls, however steeply. The cost is J = L + λΣw² or L + ½λΣw² (`penalty.l2_form`), the
training loss as it was trained and the penalty of the weights at the end of the epoch. Of Σ|w| no
curve is kept, nor of the biases' share: a run whose penalty has them has no roughness.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.expand import Point
from jaxtweaks.config.settings import Setting
from jaxtweaks.results.derive.derivation import Derivation, derivation
from jaxtweaks.results.derive.settings import setting_of, weight_of_squares
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

METRIC = 'roughness'


@derivation('roughness')
class Roughness(Derivation):
    """Adds the metric `roughness`."""

    def points(self, points: Sequence[Point], base: Setting) -> list[Point]:
        """The same as before."""
        return list(points)

    def recorded(self, recorded: Recorded, base: Setting) -> Recorded:
        """With the new metric. Raises UserError if there are too few epochs for it."""
        if recorded.epochs is not None and recorded.epochs < 2:
            raise UserError(
                f"derive: 'roughness' needs 2 epochs or more, train.epochs is {recorded.epochs}"
            )
        return dataclasses.replace(recorded, finals=(*recorded.finals, METRIC))

    def results(self, results: Results, base: Setting) -> Results:
        """With the new metric; NaN for a run without all its epochs."""
        penalties = [setting_of(point, base).penalty for point in results.settings]
        weight = np.array([weight_of_squares(penalty) for penalty in penalties])[:, None, None]
        cost = results.curve('running_loss') + weight * np.square(results.curve('weight_norm'))
        rises = np.maximum(np.diff(cost, axis=2), 0).sum(axis=2)
        return dataclasses.replace(results, finals={**results.finals, METRIC: rises})
