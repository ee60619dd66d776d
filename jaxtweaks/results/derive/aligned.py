"""`aligned`: besides the settings of the sweep, those at shares of where a metric reaches a level.

Each seed has a threshold of its own: the smallest value of the field `aligned.along` whose final
`aligned.metric` is at most `aligned.level`. The field 'aligned.share' comes: 0 for the settings
there are, and for a new one the share of the threshold at which it lies. Its numbers are those of
each seed's setting nearest to it (by ratio, and by no more than √2), so it has no value of the
field itself; without such a setting, and where no setting reaches the level, it has no numbers.

The metric 'threshold' is the threshold of a seed.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config.expand import Point
from jaxtweaks.config.fields import plain
from jaxtweaks.config.settings import Setting
from jaxtweaks.results.derive.derivation import Derivation, derivation
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

FIELD, METRIC = 'aligned.share', 'threshold'
_NEAREST = math.sqrt(2)  # the largest ratio of what is asked for and what there is


@derivation('aligned')
class Aligned(Derivation):
    """Adds settings by how far they are, as a ratio, from where a metric reaches a level."""

    along: str = plain('', 'the swept number; it must be the only field that differs')
    metric: str = plain('1-train_accuracy', 'the final metric that falls to the level')
    level: float = plain(0.0, "in the metric's unit: what it must be at most")
    shares: tuple[float, ...] = plain((), 'shares of the threshold', above=0.0)

    def points(self, points: Sequence[Point], base: Setting) -> list[Point]:
        """Each setting, and one for each share. Raises UserError if there is no such field."""
        if not self.shares:
            raise UserError("derive: 'aligned' needs aligned.shares")
        fields = list(points[0])
        if self.along not in fields:
            hint = did_you_mean(self.along, fields)
            raise UserError(f"aligned.along: '{self.along}' is not swept; {hint}")
        for field in fields:
            if field != self.along and len({str(point[field]) for point in points}) > 1:
                raise UserError(
                    f"aligned.along: '{field}' is swept besides '{self.along}'; only that may be"
                )
        for value in (point[self.along] for point in points):
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise UserError(
                    f"aligned.along: '{self.along}' has the value {value!r}; every one must be a "
                    'number above 0'
                )
        new = [dict(points[0]) | {self.along: None, FIELD: share} for share in self.shares]
        return [*(point | {FIELD: 0.0} for point in points), *new]

    def recorded(self, recorded: Recorded, base: Setting) -> Recorded:
        """With the threshold. Raises UserError if there is no such metric."""
        if self.metric not in recorded.all_finals:
            hint = did_you_mean(self.metric, recorded.all_finals)
            raise UserError(f"aligned.metric: no final metric '{self.metric}'; {hint}")
        return dataclasses.replace(recorded, finals=(*recorded.finals, METRIC))

    def results(self, results: Results, base: Setting) -> Results:
        """Each seed's settings at the shares of its own threshold."""
        values = np.array(results.values(self.along), float)
        score = np.where(results.diverged, np.nan, results.final(self.metric))
        reached = np.where(score <= self.level, values[:, None], np.inf)
        threshold = reached.min(axis=0)
        wanted = np.array(self.shares)[:, None] * threshold
        ratio = np.abs(np.log(values[:, None, None]) - np.log(wanted))
        chosen, seeds = ratio.argmin(axis=0), np.arange(len(results.seeds))
        there = ratio.min(axis=0) <= math.log(_NEAREST) + 1e-9

        def with_new(values: np.ndarray, absent: float | None = None) -> np.ndarray:
            new = values[chosen, seeds]
            if absent is not None:
                known = there.reshape(there.shape + (1,) * (new.ndim - 2))
                new = np.where(known, new, absent)
            return np.concatenate([values, new])

        finals = {name: with_new(values, np.nan) for name, values in results.finals.items()}
        shape = len(values) + len(self.shares), len(seeds)
        known = np.where(np.isfinite(threshold), threshold, np.nan)
        finals[METRIC] = np.broadcast_to(known, shape).copy()
        return dataclasses.replace(
            results,
            settings=tuple(self.points(results.settings, base)),
            curves={name: with_new(values, np.nan) for name, values in results.curves.items()},
            finals=finals,
            confusion=with_new(results.confusion, 0),
            chosen_epoch=with_new(results.chosen_epoch, 0),
            diverged_at=with_new(results.diverged_at, -1),
            arrays={name: with_new(values, np.nan) for name, values in results.arrays.items()},
        )
