"""`mc`: predictions averaged over dropout masks as settings of their own.

The field 'mc.samples' is the number of masks; 0 is the one deterministic pass. `test_loss` and
`test_accuracy` are those of that prediction; other metrics of the test set belong to 0 only. With
several ways in `train.mc_combine` the field 'mc.combine' comes too; 0 is there once for each.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError
from jaxtweaks.config.expand import Point
from jaxtweaks.config.settings import Setting
from jaxtweaks.results.derive.derivation import Derivation, derivation
from jaxtweaks.results.derive.settings import picked, setting_of
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

FIELD, WAY = 'mc.samples', 'mc.combine'


@derivation('mc')
class MeanOverMasks(Derivation):
    """Makes settings of the numbers of dropout masks."""

    def points(self, points: Sequence[Point], base: Setting) -> list[Point]:
        """Each setting with 0 and with each number of `train.mc_samples`."""
        found = [point | made for point in points for made in _made(points, point, base)]
        if len(found) == len(points):
            raise UserError("derive: 'mc' needs train.mc_samples, the numbers of dropout masks")
        return found

    def recorded(self, recorded: Recorded, base: Setting) -> Recorded:
        """The metrics without those that have become settings."""
        finals = tuple(name for name in recorded.finals if not _of_masks(name))
        return dataclasses.replace(recorded, finals=finals, arrays=())

    def results(self, results: Results, base: Setting) -> Results:
        """Each setting once for 0 and once for each number of masks."""
        new = self.points(results.settings, base)
        parents = [
            k
            for k, point in enumerate(results.settings)
            for _ in _made(results.settings, point, base)
        ]  # fmt: skip
        finals = {}
        for name, values in results.finals.items():
            if _of_masks(name):
                continue
            finals[name] = values[parents]
            if metrics.is_of_test(name):
                for j, point in enumerate(new):
                    if n := point[FIELD]:
                        absent = np.full_like(results.finals[name], np.nan)
                        way = point.get(WAY) or _ways(point, base)[0]
                        measured = results.finals.get(metrics.over_masks(n, way) + name, absent)
                        finals[name][j] = measured[parents[j]]
        return picked(results, parents, new, finals)


def _of_masks(metric: str) -> bool:
    return metrics.family(metric)[0].startswith('mc_')


def _made(points: Sequence[Point], point: Point, base: Setting) -> list[Point]:
    """What is added to a point: the numbers of masks, and the ways if there are several."""
    samples = 0, *setting_of(point, base).train.mc_samples
    if len({way for one in points for way in _ways(one, base)}) < 2:
        return [{FIELD: n} for n in samples]
    return [{WAY: way, FIELD: n} for way in _ways(point, base) for n in samples]


def _ways(point: Point, base: Setting) -> tuple[str, ...]:
    return setting_of(point, base).train.mc_combine
