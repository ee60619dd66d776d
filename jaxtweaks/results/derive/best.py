"""`best`: besides the settings of the sweep, the one that is best on validation, seed by seed.

The field 'best.setting' comes: 'each' for the settings there are, 'best' for the new one, whose
swept fields have no value, since each seed chooses its own. With `best.within` there is one for
each value of the fields named there, chosen from the settings that have it.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config import measured
from jaxtweaks.config.expand import Point
from jaxtweaks.config.fields import plain
from jaxtweaks.config.settings import Setting
from jaxtweaks.results.derive.derivation import Derivation, derivation
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

FIELD = 'best.setting'


@derivation('best')
class Best(Derivation):
    """Adds what each seed would have chosen."""

    within: tuple[str, ...] = plain((), 'swept fields for each of whose values a best is chosen')

    def points(self, points: Sequence[Point], base: Setting) -> list[Point]:
        """Each setting, and the best. Raises UserError if `within` names a field not swept."""
        for name in self.within:
            if not all(name in point for point in points):
                swept = dict.fromkeys(name for point in points for name in point)
                raise UserError(f"best.within: '{name}' is not swept; {did_you_mean(name, swept)}")
        swept = dict.fromkeys(name for point in points for name in point)
        return [
            *(point | {FIELD: 'each'} for point in points),
            *(
                dict.fromkeys(swept) | dict(zip(self.within, values, strict=True)) | {FIELD: 'best'}
                for values in self._groups(points)
            ),
        ]

    def _groups(self, points: Sequence[Point]) -> dict[tuple, list[int]]:
        """The settings that a best is chosen from, by the values of `within`, in their order."""
        found: dict[tuple, list[int]] = {}
        for k, point in enumerate(points):
            found.setdefault(tuple(point[name] for name in self.within), []).append(k)
        return found

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
        score = np.where(np.isfinite(score), score, -np.inf)
        groups = [np.array(ks) for ks in self._groups(results.settings).values()]
        chosen = np.stack([ks[score[ks].argmax(axis=0)] for ks in groups])  # [bests, seeds]
        seeds = np.arange(len(results.seeds))

        def with_best(values: np.ndarray) -> np.ndarray:
            return np.concatenate([values, values[chosen, seeds]])

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
