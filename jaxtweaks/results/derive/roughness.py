"""`roughness`: how smooth the curve of the cost against the epoch is, as two final metrics.

'roughness' is the sum of all rises of the cost from one epoch to the next, in the unit of the loss:
0 for a curve that only falls, however steeply. 'relative_roughness' is the root mean square of the
second differences of its logarithm: 0 for a curve that falls by the same share in each epoch, and
the same for a cost that is a thousand times as high, so that a cost that goes to 0 is not smooth
for that reason alone. It needs 3 epochs, and a cost above 0. The cost is J = L + λΣw² or L + ½λΣw²
(`penalty.l2_form`), the training loss as it was trained and the penalty of the weights at the end
of the epoch. Of Σ|w| no curve is kept, nor of the biases' share: a run whose penalty has them has
no roughness.
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

METRIC, RELATIVE = 'roughness', 'relative_roughness'


@derivation('roughness')
class Roughness(Derivation):
    """Adds the metrics `roughness` and `relative_roughness`."""

    def points(self, points: Sequence[Point], base: Setting) -> list[Point]:
        """The same as before."""
        return list(points)

    def recorded(self, recorded: Recorded, base: Setting) -> Recorded:
        """With the new metrics. Raises UserError if there are too few epochs for any."""
        if recorded.epochs is not None and recorded.epochs < 2:
            raise UserError(
                f"derive: 'roughness' needs 2 epochs or more, train.epochs is {recorded.epochs}"
            )
        new = (METRIC,) if recorded.epochs == 2 else (METRIC, RELATIVE)
        return dataclasses.replace(recorded, finals=(*recorded.finals, *new))

    def results(self, results: Results, base: Setting) -> Results:
        """With the new metrics; NaN for a run without all its epochs."""
        penalties = [setting_of(point, base).penalty for point in results.settings]
        weight = np.array([weight_of_squares(penalty) for penalty in penalties])[:, None, None]
        cost = results.curve('running_loss') + weight * np.square(results.curve('weight_norm'))
        finals = {METRIC: np.maximum(np.diff(cost, axis=2), 0).sum(axis=2)}
        if cost.shape[2] > 2:
            logarithm = np.log(cost, where=cost > 0, out=np.full_like(cost, np.nan))
            turns = np.diff(logarithm, 2, axis=2)
            finals[RELATIVE] = np.sqrt(np.mean(np.square(turns), axis=2))
        return dataclasses.replace(results, finals={**results.finals, **finals})
