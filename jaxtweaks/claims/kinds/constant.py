"""Claims on a mean next to a number: level, published."""

import math
from collections.abc import Mapping
from typing import Any

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import metric_value
from jaxtweaks.claims import finding
from jaxtweaks.claims.claim import Claim
from jaxtweaks.claims.finding import Finding
from jaxtweaks.claims.kind import Kind, Say
from jaxtweaks.claims.register import claim
from jaxtweaks.results.results import Results


class _Constant(Kind):
    def test(self, claim: Claim, results: Results, alpha: float) -> Finding:
        """The mean of `a` (or of a minus b) next to a number."""
        if claim.metric in finding.TWO_VALUED:
            sign = 1.0 if claim.direction == 'above' else -1.0
            return finding.of_two_values(claim, results, sign)
        single = not claim.b
        arms = finding.arms(claim, results)
        rows, dropped, notes = arms.rows, arms.dropped, arms.notes
        x = rows[0] if single else rows[0] - rows[1]
        level = claim.level
        if level is None:
            (level,) = claim.published.values()
        test = finding.zero_test(claim, rows, 'single' if single else 'paired', abs(level))
        what = finding.compared(claim, results)
        if self.two_sided(claim):
            assert claim.margin is not None, 'claims.check sees to it'
            beyond = x - level
            # The very end of a margin is within it, whatever a subtraction leaves over.
            least = 1e-9 * max(1.0, abs(level))
            ways, toward = finding.within(claim.margin), finding.room(beyond, claim.margin) + least
            found = finding.of_mean(x, toward, beyond[None], test, ways, what, dropped, notes)
        else:
            toward = x - level if claim.direction == 'above' else level - x
            ways = finding.directional(claim.smallest)
            found = finding.of_mean(x, toward, toward[None], test, ways, what, dropped, notes)
            found = finding.with_small(found, claim, toward[None])
        return finding.with_means(found, arms.words, rows)

    def effect(self, metric: str, verdict: Mapping[str, Any]) -> tuple[Say, str]:
        """A mean, not a difference: an interval of a share ends at 0 and 1."""
        low, high = metrics.of(metric).bounds
        if verdict['claim'].get('b'):
            low, high = -math.inf, math.inf
        return (lambda value: metric_value(metric, min(max(value, low), high))), ''


@claim(
    'level',
    needs=('level', 'direction'),
    reads=('at', 'goal', 'a', 'b', 'margin', 'smallest'),
)
class Level(_Constant):
    """The metric lies above or below a level, or equals it within the margin."""

    def two_sided(self, claim: Claim) -> bool:
        """See `Kind`."""
        return claim.direction == 'equal'

    def check(self, claim: Claim) -> None:
        """See `Kind`."""
        if not self.two_sided(claim) and claim.margin is not None:
            raise UserError("margin goes with direction 'equal'; otherwise move the level")


@claim('published', needs=('margin',), reads=('at', 'goal', 'a', 'b', 'level'))
class Published(_Constant):
    """The metric equals a published figure within the margin."""

    def two_sided(self, claim: Claim) -> bool:
        """See `Kind`."""
        return True

    def check(self, claim: Claim) -> None:
        """See `Kind`."""
        if claim.level is None and len(claim.published) != 1:
            raise UserError('published must be one figure, or level must say which is tested')
