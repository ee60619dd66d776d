"""Kinds of claims that are a plain function of the arms, as a config registers them."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import field_label
from jaxtweaks.claims import finding
from jaxtweaks.claims.claim import Claim
from jaxtweaks.claims.finding import Finding, Ways
from jaxtweaks.claims.kind import Kind
from jaxtweaks.claims.statistics import Test
from jaxtweaks.config.config_file import blaming
from jaxtweaks.results.results import Results


@dataclasses.dataclass(frozen=True)
class Arms:
    """What a claim compares, a number a seed: n seeds, none of them missing.

    Attributes:
      claim: all that the config says of it.
      a: the metric of the settings `a` (their mean), [n]; empty for a claim along a curve.
      b: of the settings `b`; empty if the claim has none.
      xs: along a curve the values of the swept number, ascending, [X].
      curve: the metric (of a, or of a minus b) at each of them, [X, n].
    """

    claim: Claim
    a: np.ndarray
    b: np.ndarray
    xs: np.ndarray
    curve: np.ndarray


class Tests:
    """Tests of numbers by seed `d` [n] against zero; what decides follows from the metric.

    Student's t for differences, its worst case for the values of one arm, sign flips for shares of
    runs (`statistics.Test`).
    """

    __test__ = False  # not test cases of pytest

    def __init__(self, test: Test, claim: Claim):
        self._test, self._claim = test, claim
        self.used = False

    def greater(self, d: np.ndarray) -> float:
        """One-sided p against 'the mean is at most 0'."""
        self.used = True
        return float(self._test.greater(d))

    def differs(self, d: np.ndarray) -> float:
        """Two-sided p against 'the mean is 0'."""
        self.used = True
        return float(self._test.differs(d))

    def directional(self, d: np.ndarray) -> tuple[float, ...]:
        """p that the mean is positive (the claim) and that it is negative (its opposite).

        And, if the claim says what is the `smallest` difference that matters, p that it is less.
        """
        self.used = True
        return tuple(map(float, finding.directional(self._claim.smallest)(d[None], self._test)))

    def within(self, d: np.ndarray, margin: float) -> tuple[float, ...]:
        """p that the mean lies within ±margin (the claim), and that it lies beyond."""
        self.used = True
        return tuple(map(float, finding.within(margin)(d[None], self._test)))


@dataclasses.dataclass(frozen=True)
class OfFunction(Kind):
    """A kind whose test is a function (arms, test) → (p_support, p_contradict).

    Its effect is the mean difference of a and b, the mean of a, or the change from one end of a
    curve to the other. The function meets one sample at a time, also where its power is asked for.
    """

    function: Callable[..., Any] = lambda arms, test: (math.nan, math.nan)

    def test(self, claim: Claim, results: Results, alpha: float) -> Finding:
        """See `Kind`."""
        if 'along' in self.needs:
            xs, rows, dropped, notes = finding.curve(claim, results)
            d, what = rows[-1] - rows[0], _ends(claim, xs, results)
            design, words, shown = 'paired', [], rows[:0]
        else:
            arms = finding.arms(claim, results)
            rows, words, dropped, notes = arms.rows, arms.words, arms.dropped, arms.notes
            xs, shown = np.zeros(0), rows
            d = rows[0] - rows[1] if claim.b else rows[0]
            design, what = (
                'paired' if claim.b else 'single',
                finding.compared(claim, results),
            )
        test = finding.zero_test(claim, rows, design, abs(claim.level or 0.0))
        found = finding.of_mean(d, None, rows, test, self._ways(claim, xs), what, dropped, notes)
        found = finding.with_means(found, words, shown)
        if len(d) >= 2 and not self._p(claim, xs, rows, test)[1]:
            # A test of its own says nothing by sign flips, and rests on nothing but itself.
            found = dataclasses.replace(found, p_permutation=math.nan, notes=tuple(notes))
        return found

    def _ways(self, claim: Claim, xs: np.ndarray) -> Ways:
        def ways(rows: np.ndarray, test: Test) -> tuple[Any, ...]:
            count, *lead, n = rows.shape
            samples = np.moveaxis(rows.reshape(count, -1, n), 1, 0)
            found = np.array([self._p(claim, xs, sample, test)[0] for sample in samples])
            return tuple(p.reshape(lead) for p in found.T)

        return ways

    def _p(
        self, claim: Claim, xs: np.ndarray, rows: np.ndarray, test: Test
    ) -> tuple[tuple[float, ...], bool]:
        """What the function says of one sample [A, n], and whether by the tests it was given."""
        none = np.zeros(0)
        if 'along' in self.needs:
            arms = Arms(claim, none, none, xs, rows)
        else:
            arms = Arms(claim, rows[0], rows[1] if claim.b else none, none, rows[:0])
        tests = Tests(test, claim)
        with blaming(f"claim '{self.name}'"):
            found = self.function(arms, tests)
        try:
            p = tuple(map(float, found))
        except (TypeError, ValueError):
            p = ()
        if len(p) not in (2, 3) or not all(0 <= one <= 1 for one in p):
            raise UserError(
                f"claim '{self.name}': returned {found!r}; it must be (p_support, p_contradict), "
                'each from 0 to 1'
            )
        return p, tests.used


def _ends(claim: Claim, xs: np.ndarray, results: Results) -> str:
    """What the effect along a curve is, in words."""
    field = field_label(claim.along, results.words)
    first, last = (results.words.number(claim.along, x) for x in xs[[0, -1]])
    return f'{finding.subject(claim, results)}: change from {field} {first} to {last}'
