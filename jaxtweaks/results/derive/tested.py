"""`tested`: the several sets of parameters that one run leaves, as settings of their own.

The field 'tested' is 'last' (or 'chosen', where `train.select` chooses an epoch), 'ema' (the
running average of the parameters), 'swa' (their mean over the last epochs) or 'snapshots' (the mean
prediction of those kept on the way).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.metrics import EMA, SNAPSHOTS, SWA
from jaxtweaks.config.expand import Point
from jaxtweaks.config.settings import Setting
from jaxtweaks.results.derive.derivation import Derivation, derivation
from jaxtweaks.results.derive.settings import picked, setting_of
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

FIELD = 'tested'
_OTHERS = {family.removesuffix('_'): family for family in (EMA, SWA, SNAPSHOTS)}


@derivation('tested')
class Tested(Derivation):
    """Makes settings of the sets of parameters that each run leaves."""

    def points(self, points: Sequence[Point], base: Setting) -> list[Point]:
        """Each setting with each set of parameters that it tests."""
        found = [point | {FIELD: which} for point in points for which in _sets(point, base)]
        if len(found) == len(points):
            raise UserError(
                "derive: 'tested' needs train.ema_decay, train.swa_start or train.snapshots"
            )
        return found

    def recorded(self, recorded: Recorded, base: Setting) -> Recorded:
        """The metrics without those that have become settings."""
        return dataclasses.replace(
            recorded,
            curves=tuple(name for name in recorded.curves if not _of(name)),
            finals=tuple(name for name in recorded.finals if not _of(name)),
            arrays=(),
        )

    def results(self, results: Results, base: Setting) -> Results:
        """Each setting once for each set of parameters; NaN for what was not measured of it."""
        pairs = [
            (k, which) for k, point in enumerate(results.settings) for which in _sets(point, base)
        ]
        new = self.points(results.settings, base)
        found = picked(results, [k for k, _ in pairs], new, _pick(results.finals, pairs))
        return dataclasses.replace(found, curves=_pick(results.curves, pairs))


def _pick(
    measured: dict[str, np.ndarray], chosen: Sequence[tuple[int, str]]
) -> dict[str, np.ndarray]:
    """Each metric of the parameters chosen, [J, …]; `chosen`: setting and which."""
    found = {}
    for name, values in measured.items():
        if _of(name):
            continue
        absent = np.full_like(values, np.nan)
        found[name] = np.stack(
            [measured.get(_OTHERS.get(which, '') + name, absent)[k] for k, which in chosen]
        )
    return found


def _sets(point: Point, base: Setting) -> list[str]:
    train = setting_of(point, base).train
    first = 'last' if train.select == 'last' else 'chosen'
    kept = {'ema': train.ema_decay, 'swa': train.swa_start, 'snapshots': train.snapshots}
    return [first, *(name for name in _OTHERS if kept[name])]


def _of(metric: str) -> bool:
    """Whether a metric is of another set of parameters than the plain one."""
    return metrics.family(metric)[0] in _OTHERS.values()
