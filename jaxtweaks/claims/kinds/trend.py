"""Claims on the direction of a curve over a swept number: increasing, decreasing."""

import functools
import itertools
from typing import Any, ClassVar

import numpy as np

from jaxtweaks.base.words import field_label
from jaxtweaks.claims import finding, statistics
from jaxtweaks.claims.claim import Claim
from jaxtweaks.claims.finding import Finding, Ways
from jaxtweaks.claims.kind import Kind
from jaxtweaks.claims.register import claim
from jaxtweaks.claims.statistics import Test
from jaxtweaks.results.results import Results

_READS = ('at', 'goal', 'a', 'b', 'smallest')


class _Trend(Kind):
    sign: ClassVar[float]

    def test(self, claim: Claim, results: Results, alpha: float) -> Finding:
        """Least-squares slope of each seed's curve over the rank of x, and no step against it."""
        xs, rows, dropped, notes = finding.curve(claim, results)
        says = functools.partial(results.words.number, claim.along)
        test = finding.zero_test(claim, rows)
        change, steps = _changes(rows), self.sign * np.diff(rows, axis=0)
        field = field_label(claim.along, results.words)
        what = (
            f'{finding.subject(claim, results)}: fitted change from {field} {says(xs[0])} to'
            f' {says(xs[-1])} (least squares over ranks)'
        )
        # Where nothing is left to chance, a step the other way is enough.
        toward = np.where((steps < 0).any(axis=0), steps.min(axis=0), self.sign * change)
        ways = _ways(self.sign, claim.smallest, alpha)
        found = finding.of_mean(change, toward, rows, test, ways, what, dropped, notes)
        found = finding.with_small(found, claim, _apart(rows))
        ends = [f'{field} {says(x)}' for x in xs[[0, -1]]]
        return finding.with_means(found, ends, rows[[0, -1]])


@claim('increasing', needs=('along',), reads=_READS)
class Increasing(_Trend):
    """The metric rises along the values of a swept number, without a step down."""

    sign = 1.0


@claim('decreasing', needs=('along',), reads=_READS)
class Decreasing(_Trend):
    """The metric falls along the values of a swept number, without a step up."""

    sign = -1.0


def _ways(sign: float, smallest: float | None, alpha: float) -> Ways:
    """The tests of a curve [X, ..., n] that rises (`sign` 1) or falls (−1)."""

    def both(rows: np.ndarray, test: Test) -> tuple[Any, ...]:
        support, opposite = finding.directional()(sign * _changes(rows)[None], test)
        if len(rows) == 2:
            return support, opposite
        # Holm's first step over the steps; twice more for two ways to contradict.
        against = np.min(finding.steps_down(sign * rows, test), axis=0)
        reversal = np.minimum(1.0, 2 * (len(rows) - 1) * against)
        contradicted = np.minimum(1.0, 2 * np.minimum(opposite, reversal))
        return np.where(reversal <= alpha, 1.0, support), contradicted

    def ways(rows: np.ndarray, test: Test) -> tuple[Any, ...]:
        if smallest is None:
            return both(rows, test)
        pairs = itertools.combinations(rows, 2)
        flat = [statistics.tost_p(b - a, smallest, finding.between(test, a, b)) for a, b in pairs]
        flat.append(statistics.tost_p(_changes(rows), smallest, test))
        return *both(rows, test), np.max(flat, axis=0)

    return ways


def _changes(rows: np.ndarray) -> np.ndarray:
    """From the first point of each curve [X, ..., n] to the last, by least squares over ranks."""
    ranks = np.arange(len(rows)) - (len(rows) - 1) / 2
    return (len(rows) - 1) * np.tensordot(ranks, rows, 1) / (ranks @ ranks)


def _apart(rows: np.ndarray) -> np.ndarray:
    """All that is small of a flat curve: the change, and every two of its points."""
    pairs = [rows[j] - rows[i] for i, j in itertools.combinations(range(len(rows)), 2)]
    return np.stack([_changes(rows), *pairs])
