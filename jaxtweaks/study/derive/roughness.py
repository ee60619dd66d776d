"""`roughness`: how far the training loss by epoch is from a smooth curve, as a final metric.

The root mean square of the second differences of `running_loss`: 0 for a straight line. It is in
the unit of the loss, as the curve is drawn.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxtweaks.errors import UserError
from jaxtweaks.study.recorded import Recorded
from jaxtweaks.study.results import Results
from jaxtweaks.sweep.expand import Point

if TYPE_CHECKING:
    from jaxtweaks.experiment import Experiment

METRIC = 'roughness'


def points(points: Sequence[Point], experiment: 'Experiment') -> list[Point]:
    """The same as before."""
    return list(points)


def recorded(recorded: Recorded, experiment: 'Experiment') -> Recorded:
    """With the new metric. Raises UserError if there are too few epochs for it."""
    if recorded.epochs is not None and recorded.epochs < 3:
        raise UserError(
            f"derive: 'roughness' needs 3 epochs or more, train.epochs is {recorded.epochs}"
        )
    return dataclasses.replace(recorded, finals=(*recorded.finals, METRIC))


def results(results: Results, experiment: 'Experiment') -> Results:
    """With the new metric; NaN for a run without all its epochs."""
    second = np.diff(results.curve('running_loss'), n=2, axis=2)
    roughness = np.sqrt(np.mean(np.square(second), axis=2))
    return dataclasses.replace(results, finals={**results.finals, METRIC: roughness})
