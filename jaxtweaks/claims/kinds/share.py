"""The claim on the share of runs that lie above or below a level, or near it: share."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxtweaks.base import numbers
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import amount, level_value
from jaxtweaks.claims import claim_data, finding
from jaxtweaks.claims.claim import Claim
from jaxtweaks.claims.finding import Finding
from jaxtweaks.claims.kind import Kind, Say
from jaxtweaks.claims.register import claim
from jaxtweaks.results.results import Results


@claim('share', needs=('level', 'direction'), reads=('at', 'goal', 'a', 'b', 'margin'))
class Share(Kind):
    """More than half of a's runs (or with b: more of a's than of b's) lie on a side of a level.

    With direction 'equal': within `margin` of it. For what a run does or does not do, such as
    getting stuck, which a mean over runs hides.
    """

    def two_sided(self, claim: Claim) -> bool:
        """See `Kind`."""
        return claim.direction == 'equal'

    def by_flips(self, claim: Claim) -> bool:
        """See `Kind`."""
        return True

    def check(self, claim: Claim) -> None:
        """See `Kind`."""
        if not self.two_sided(claim) and claim.margin is not None:
            raise UserError("margin goes with direction 'equal'; otherwise move the level")

    def test(self, claim: Claim, results: Results, alpha: float) -> Finding:
        """By seed the share of settings whose run does it, see `finding.of_shares`."""
        subject = f'share of runs whose {claim_data.label(claim, results)} is {_side(claim)}'
        return finding.of_shares(claim, results, _does(claim, results), 1.0, subject)

    def effect(self, metric: str, verdict: Mapping[str, Any]) -> tuple[Say, str]:
        """A share of runs, or the difference of two."""
        if verdict['claim'].get('b'):
            return (lambda value: numbers.percent(value, sign='+')), ' points'
        return _percent, ''

    def measured(self, metric: str) -> Say:
        """Shares of runs."""
        return _percent


def _percent(value: float) -> str:
    return f'{numbers.percent(value, 0)}%'


def _does(claim: Claim, results: Results) -> np.ndarray:
    """1 for each run that lies on the side, else 0, [K, S]; NaN where it has no value."""
    values, level = claim_data.measured(claim, results), _number(claim.level)
    if claim.direction == 'equal':
        does = np.abs(values - level) <= _number(claim.margin)
    else:
        does = values > level if claim.direction == 'above' else values < level
    return np.where(np.isfinite(values), does, np.nan)


def _side(claim: Claim) -> str:
    level = level_value(claim.metric, _number(claim.level))
    if claim.direction == 'equal':
        return f'within {amount(claim.metric, _number(claim.margin))} of {level}'
    return f'{claim.direction} {level}'


def _number(given: float | None) -> float:
    """What a claim says, where its kind needs it."""
    assert given is not None, 'claims.check sees to it'
    return given
