"""`best`: besides the settings of the sweep, the one that is best on validation, seed by seed.

The field 'best.setting' comes: 'each' for the settings there are, 'best' for the new one, whose
swept fields have no value, since each seed chooses its own.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxtweaks.config import measured
from jaxtweaks.config.expand import Point
from jaxtweaks.config.settings import Setting
from jaxtweaks.results.derive.derivation import Derivation, derivation
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

FIELD = 'best.setting'


@derivation('best')
class Best(Derivation):
    """Adds what each seed would have chosen."""

    def points(self, points: Sequence[Point], base: Setting) -> list[Point]:
        """Each setting, and the best."""
        return [
            *(point | {FIELD: 'each'} for point in points),
            dict.fromkeys(points[0]) | {FIELD: 'best'},
        ]

    def recorded(self, recorded: Recorded, base: Setting) -> Recorded:
        """The same as before."""
        return recorded

    def results(self, results: Results, base: Setting) -> Results:
        """With each seed's run of the highest validation accuracy (of a loss without accuracy: the
        best of its first metric); the first of equals.

        If all runs of a seed diverged, the best did as well.
        """
        by = measured.usual(base)
        score = by.sign * results.final(by.on('validation'))
        score = np.where(results.diverged, np.nan, score)
        chosen = np.where(np.isfinite(score), score, -np.inf).argmax(axis=0)
        seeds = np.arange(len(results.seeds))

        def with_best(values: np.ndarray) -> np.ndarray:
            return np.concatenate([values, values[chosen, seeds][None]])

        return dataclasses.replace(
            results,
            settings=tuple(self.points(results.settings, base)),
            curves={name: with_best(values) for name, values in results.curves.items()},
            finals={name: with_best(values) for name, values in results.finals.items()},
            confusion=with_best(results.confusion),
            chosen_epoch=with_best(results.chosen_epoch),
            diverged_at=with_best(results.diverged_at),
            arrays={name: with_best(values) for name, values in results.arrays.items()},
        )
