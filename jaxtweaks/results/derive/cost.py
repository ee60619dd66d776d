"""`cost`: what is minimised, on training and validation images, as metrics by epoch and at the end.

The cost is J = L + λΣw² or L + ½λΣw² (`penalty.l2_form`): the loss of the split and the penalty of
the weights. Of Σ|w| no curve is kept, nor of the biases' share: a run whose penalty has them has no
cost.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from jaxtweaks.config.settings import Setting
from jaxtweaks.results.derive.derivation import Derivation, derivation
from jaxtweaks.results.derive.settings import setting_of, weight_of_squares
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

_SPLITS = ('train', 'validation')
METRICS = tuple(f'{split}_cost' for split in _SPLITS)


@derivation('cost')
class Cost(Derivation):
    """Adds the metrics `train_cost` and `validation_cost`."""

    def recorded(self, recorded: Recorded, base: Setting) -> Recorded:
        """With the new metrics."""
        return dataclasses.replace(
            recorded,
            curves=(*recorded.curves, *METRICS),
            finals=(*recorded.finals, *METRICS),
        )

    def results(self, results: Results, base: Setting) -> Results:
        """With the new metrics; NaN where the penalty is not of the kernels' squares alone."""
        penalties = [setting_of(point, base).penalty for point in results.settings]
        weights = np.array([weight_of_squares(penalty) for penalty in penalties])
        return dataclasses.replace(
            results,
            curves={**results.curves, **_costs(results.curves, weights[:, None, None])},
            finals={**results.finals, **_costs(results.finals, weights[:, None])},
        )


def _costs(measured: Mapping[str, np.ndarray], weights: np.ndarray) -> dict[str, np.ndarray]:
    penalty = weights * np.square(measured['weight_norm'])
    return {f'{split}_cost': measured[f'{split}_loss'] + penalty for split in _SPLITS}
