"""Claims on the difference of two arms: greater, less, equivalent, different, identical."""

import math
from typing import Any, ClassVar

import numpy as np

from jaxtweaks.claims import claim_data, finding
from jaxtweaks.claims.claim import Claim
from jaxtweaks.claims.finding import Finding
from jaxtweaks.claims.kind import Kind
from jaxtweaks.claims.register import claim
from jaxtweaks.claims.statistics import Test
from jaxtweaks.results.results import Results

_ARMS = ('a', 'b')


class _Directional(Kind):
    sign: ClassVar[float]

    def test(self, claim: Claim, results: Results, alpha: float) -> Finding:
        """Whether the mean difference lies beyond the margin (0 if none is given)."""
        if claim.metric in finding.TWO_VALUED:
            return finding.of_two_values(claim, results, self.sign)
        arms = finding.arms(claim, results)
        rows, d = arms.rows, arms.rows[0] - arms.rows[1]
        toward = self.sign * d - (claim.margin or 0.0)
        found = finding.of_mean(
            d,
            toward,
            toward[None],
            finding.zero_test(claim, rows),
            finding.directional(claim.smallest),
            finding.compared(claim, results),
            arms.dropped,
            arms.notes,
        )
        found = finding.with_small(found, claim, toward[None])
        return finding.with_means(found, arms.words, rows)


@claim('greater', needs=_ARMS, reads=('at', 'goal', 'margin', 'smallest'))
class Greater(_Directional):
    """The metric of a is greater than that of b, seed by seed on average."""

    sign = 1.0


@claim('less', needs=_ARMS, reads=('at', 'goal', 'margin', 'smallest'))
class Less(_Directional):
    """The metric of a is less than that of b, seed by seed on average."""

    sign = -1.0


@claim('equivalent', needs=(*_ARMS, 'margin'))
class Equivalent(Kind):
    """The metrics of a and b differ by less than the margin (two one-sided tests)."""

    def two_sided(self, claim: Claim) -> bool:
        """See `Kind`."""
        return True

    def test(self, claim: Claim, results: Results, alpha: float) -> Finding:
        """Whether the mean difference lies within the margin."""
        return self._found(claim, results, finding.within(_margin(claim)), 1.0)

    def _found(self, claim: Claim, results: Results, ways: finding.Ways, sign: float) -> Finding:
        arms = finding.arms(claim, results)
        rows, d = arms.rows, arms.rows[0] - arms.rows[1]
        found = finding.of_mean(
            d,
            sign * finding.room(d, _margin(claim)),
            d[None],
            finding.zero_test(claim, rows),
            ways,
            finding.compared(claim, results),
            arms.dropped,
            arms.notes,
        )
        return finding.with_means(found, arms.words, rows)


@claim('different', needs=(*_ARMS, 'margin'))
class Different(Equivalent):
    """The metrics of a and b differ by more than the margin, either way."""

    def test(self, claim: Claim, results: Results, alpha: float) -> Finding:
        """Whether the mean difference lies beyond the margin."""
        within = finding.within(_margin(claim))

        def beyond(rows: np.ndarray, test: Test) -> tuple[Any, ...]:
            return within(rows, test)[::-1]

        return self._found(claim, results, beyond, -1.0)


@claim('identical', needs=_ARMS, reads=('at',))
class Identical(Kind):
    """Every setting of a and of b has bitwise the same number, seed by seed."""

    tested = False

    def test(self, claim: Claim, results: Results, alpha: float) -> Finding:
        """The largest difference of a seed; nothing here is left to chance.

        A seed with a diverged run that counts as a guess is omitted: that two guesses agree says
        nothing of what was trained.
        """
        settings = [
            k for side in (claim.a, claim.b) for k in claim_data.group(results, claim.where, side)
        ]
        trained = ~claim_data.guessed(claim, results)
        values = np.where(trained, claim_data.measured(claim, results), np.nan)[settings]
        rows, dropped, notes = claim_data.complete(values, settings, results)
        apart = np.ptp(rows, axis=0)
        sides = [claim_data.spoken(side, results) for side in (claim.a, claim.b)]
        what = (
            f'{claim_data.label(claim, results)}: largest difference of a seed between {sides[0]} '
            f'and {sides[1]}'
        )
        return Finding(
            effect=float(apart.max()) if apart.size else math.nan,
            low=math.nan,
            high=math.nan,
            what=what,
            n=len(apart),
            dropped=dropped,
            p_support=math.nan,
            p_contradict=math.nan,
            p_permutation=math.nan,
            notes=tuple(notes),
            deciding=np.where(apart == 0, 1.0, -1.0),
        )


def _margin(claim: Claim) -> float:
    """The margin of a claim that needs one."""
    assert claim.margin is not None, 'claims.check sees to it'
    return claim.margin
