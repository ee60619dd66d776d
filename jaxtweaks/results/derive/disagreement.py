"""`disagreement`: how far the gradients of batches disagree, for their size, as a final metric.

'gradient_disagreement' is the variance of the batches' gradients divided by the square of the norm
of their mean: the noise for one part of signal. It needs `train.gradient_batches`, and a gradient
that is not 0.
"""

import dataclasses

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.settings import Setting
from jaxtweaks.results.derive.derivation import Derivation, derivation
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

METRIC = 'gradient_disagreement'


@derivation('disagreement')
class Disagreement(Derivation):
    """Adds the metric `gradient_disagreement`."""

    def recorded(self, recorded: Recorded, base: Setting) -> Recorded:
        """With the new metric. Raises UserError if no gradients are compared."""
        if 'gradient_variance' not in recorded.finals:
            raise UserError("derive: 'disagreement' needs train.gradient_batches")
        return dataclasses.replace(recorded, finals=(*recorded.finals, METRIC))

    def results(self, results: Results, base: Setting) -> Results:
        """With the new metric; NaN where the gradient is 0."""
        variance, norm = (results.final(f'gradient_{of}') for of in ('variance', 'norm'))
        squared = np.square(np.asarray(norm, np.float64))
        ratio = np.divide(variance, squared, where=squared > 0, out=np.full(norm.shape, np.nan))
        return dataclasses.replace(results, finals={**results.finals, METRIC: ratio})
