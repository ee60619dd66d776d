"""What the test of a claim finds, and what the kinds of claims have in common to find it.

Every test returns `p_support`, `p_contradict` and perhaps `p_negligible` such that, whatever
the truth is, the chance that one that is wrong is at most α is at most α. docs/statistics.md says
why.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxtweaks.claims import claim_data, statistics
from jaxtweaks.claims.claim import Claim
from jaxtweaks.claims.shares import HALF, Shares
from jaxtweaks.claims.statistics import Test
from jaxtweaks.results.results import Results

# Of a run 0 or 1, for which Student's t is no test: what compares two arms of them, or one with one
# half (`claims.check` allows no more), is `of_shares`.
TWO_VALUED = ('diverged', 'stopped')
_WHOLE_EPOCHS = ('stop_epoch',)

# The verdicts that a test can come to, in the order of the p values that it returns.
VERDICTS = ('supported', 'contradicted', 'negligible')
# From numbers by seed, [A, ..., n], to p that it is so, p that the opposite is, and, if the claim
# says what the smallest difference is that matters, p that there is less than that; each [...].
Ways = Callable[[np.ndarray, Any], tuple[Any, ...]]


@dataclasses.dataclass(frozen=True)
class Finding:
    """The test of one claim, before the other claims of the experiment are considered.

    Attributes:
      effect, low, high, what, n, dropped: as in `Verdict`.
      p_support, p_contradict: p of the claim and of its opposite.
      p_negligible: p that the effect is smaller than what matters; NaN where none is named.
      p_permutation: the smallest of them by sign flips.
      notes: what else to know.
      measured: words and mean of each thing compared.
      deciding: per-seed numbers [n], positive where the claim is so of exact results, NaN where
        that is not known; None if its kind is not for them.
      flips: whether sign flips decide, whose p is 2/2ⁿ at least (one-sided 1/2ⁿ).
      small: whether all seeds lie within what does not matter, of exact results.
      at_level: the interval of the effect at another level than 95%; None if there is none.
      rows, test, ways: the numbers by seed [A, n] that were tested, and how: `ways(rows, test)`
        are the p values. For samples that might have been, `rows` may be [A, ..., n].
    """

    effect: float
    low: float
    high: float
    what: str
    n: int
    dropped: int
    p_support: float
    p_contradict: float
    p_permutation: float
    p_negligible: float = math.nan
    flips: bool = False
    small: bool = False
    notes: tuple[str, ...] = ()
    measured: tuple[tuple[str, float], ...] = ()
    deciding: np.ndarray | None = None
    rows: np.ndarray | None = None
    test: Test | Shares | None = None
    ways: Ways | None = None
    at_level: Callable[[float], tuple[float, float]] | None = None

    @property
    def p(self) -> float:
        """Of the test that decides: the smallest; NaN if nothing could be tested."""
        return float(np.fmin.reduce([self.p_support, self.p_contradict, self.p_negligible]))

    @property
    def tests(self) -> tuple[float, float]:
        """p that it is so or the opposite, whichever is smaller, and p that it is negligible."""
        return min(self.p_support, self.p_contradict), self.p_negligible

    @property
    def side(self) -> str:
        """The verdict if the first of `tests` is significant."""
        return 'supported' if self.p_support < self.p_contradict else 'contradicted'


@dataclasses.dataclass(frozen=True)
class Arms:
    """What a claim compares: the means of `a` and, if there is one, of `b`.

    Attributes:
      rows: by seed, [1 or 2, n], of the seeds that have all.
      settings: how many settings each has.
      words: each in words.
      dropped: seeds that lack a number.
      notes: what to say of them.
    """

    rows: np.ndarray
    settings: tuple[int, ...]
    words: list[str]
    dropped: int
    notes: list[str]


def arms(claim: Claim, results: Results, values: np.ndarray | None = None) -> Arms:
    """The arms of a claim; `values`: of each run [K, S], those of the claim's metric if None."""
    values = claim_data.measured(claim, results) if values is None else values
    sides = [claim.a, claim.b] if claim.b else [claim.a]
    settings = [claim_data.group(results, claim.where, side) for side in sides]
    rows = np.stack([values[ks].mean(axis=0) for ks in settings])
    used = [k for ks in settings for k in ks]
    rows, dropped, notes = claim_data.complete(rows, used, results)
    _, words = claim_data.sides(claim, results)
    return Arms(rows, tuple(map(len, settings)), words, dropped, notes)


def compared(claim: Claim, results: Results) -> str:
    """What the effect of a difference is."""
    return claim_data.contrast(claim_data.label(claim, results), *claim_data.sides(claim, results))


def with_means(found: Finding, words: Sequence[str], rows: np.ndarray) -> Finding:
    """The finding with the means of the rows, [A, n], by their words, [A]."""
    if not rows.size:
        return found
    means = tuple((name, float(row.mean())) for name, row in zip(words, rows, strict=True))
    return dataclasses.replace(found, measured=means)


def curve(claim: Claim, results: Results) -> tuple[np.ndarray, np.ndarray, int, list[str]]:
    """x ascending [X], the metric (of a, or of a minus b) at each [X, n]; dropped; notes."""
    values = claim_data.measured(claim, results)
    xs, rows, used = [], [], []
    for x, a, b in claim_data.curve_points(claim, results):
        xs.append(x)
        rows.append(values[a].mean(axis=0) - (values[b].mean(axis=0) if b else 0.0))
        used += [*a, *b]
    kept, dropped, notes = claim_data.complete(np.stack(rows), used, results)
    return np.array(xs), kept, dropped, notes


def zero_test(claim: Claim, rows: np.ndarray, design: str = 'paired', scale: float = 0.0) -> Test:
    """How numbers of the claim's metric [A, n] are compared with zero."""
    grain = 1.0 if claim.metric in _WHOLE_EPOCHS else 0.0
    scale = max(scale, float(np.abs(rows).max(initial=0.0)))
    if claim.metric in TWO_VALUED:
        return Test('permutation', scale=scale, span=(0.0 if design == 'single' else -1.0, 1.0))
    return Test(design, grain, scale)


def between(test: Test, *rows: np.ndarray) -> Test:
    """The test for a difference of these rows [..., n]: how large others are is not its scale.

    One point of a curve may be a loss of 1e6, next to which all others would look constant.
    """
    return dataclasses.replace(test, scale=max(float(np.abs(row).max(initial=0)) for row in rows))


def steps_down(rows: np.ndarray, test: Test) -> list[Any]:
    """One-sided p of each step of curves [X, ..., n] that it goes down."""
    pairs = itertools.pairwise(rows)
    return [between(test, one, other).greater(one - other) for one, other in pairs]


def subject(claim: Claim, results: Results) -> str:
    """What the claim's curve is of, in words."""
    name = claim_data.label(claim, results)
    if claim.b:
        common, (a, b) = claim_data.sides(claim, results)
        return f'{name} ({f"{common}: " if common else ""}{a} minus {b})'
    return name


def directional(smallest: float | None = None) -> Ways:
    """The mean of the row is positive (the claim), negative (its opposite) or within ±`smallest`.

    For one claim the three need no correction: of a mean beyond ±`smallest` the wrong ones are that
    it is within and that it lies on the other side, and who says either says that it is nearer.
    """

    def ways(rows: np.ndarray, test: Test) -> tuple[Any, ...]:
        (d,) = rows
        p, positive = test.differs(d), d.mean(axis=-1) > 0
        both = np.where(positive, p, 1.0), np.where(positive, 1.0, p)
        return both if smallest is None else (*both, statistics.tost_p(d, smallest, test))

    return ways


def with_small(found: Finding, claim: Claim, rows: np.ndarray) -> Finding:
    """The finding, with whether all of `rows` [A, n] lie within what does not matter."""
    if claim.smallest is None or not rows.size:
        return found
    return dataclasses.replace(found, small=bool((abs(rows) < claim.smallest).all()))


def within(margin: float) -> Ways:
    """The mean of the one row is within ±margin (the claim) or beyond it (its opposite)."""
    return lambda rows, test: (
        statistics.tost_p(rows[0], margin, test),
        statistics.outside_p(rows[0], margin, test),
    )


def room(d: np.ndarray, margin: float) -> np.ndarray:
    """Distance of each seed's `d` [n] from the end of ±margin that is nearer to their mean."""
    return margin - d if len(d) and d.mean() > 0 else margin + d


def of_mean(
    d: np.ndarray,
    toward: np.ndarray | None,
    rows: np.ndarray,
    test: Test,
    ways: Ways,
    what: str,
    dropped: int,
    notes: list[str],
) -> Finding:
    """The finding of a claim on the mean of `d` [n]; `toward`: `Finding.deciding`."""
    effect = float(d.mean()) if len(d) else math.nan
    found = of_rows(effect, test.interval(d), what, rows, test, ways, dropped, notes, d[None])
    at_level = functools.partial(test.interval, d)
    return dataclasses.replace(found, deciding=toward, at_level=at_level)


def of_shares(
    claim: Claim, results: Results, values: np.ndarray, sign: float, subject: str
) -> Finding:
    """Whether more of a's runs than of b's (or than half) do something; or fewer, if `sign` is −1.

    Args:
      values: 1 for each run that does it, else 0, [K, S]; NaN where there is no run.
      subject: what the share is of, in words.
    """
    compared = arms(claim, results, values)
    rows, test, n = compared.rows, Shares(compared.settings), compared.rows.shape[1]
    x = rows[0] - rows[1] if claim.b else rows[0]

    def ways(rows: np.ndarray, test: Shares) -> tuple[np.ndarray, ...]:
        # Doubled, since either may be the side that was seen.
        more, less = (np.minimum(1.0, 2 * p) for p in test.more(rows))
        return (more, less) if sign > 0 else (less, more)

    support, contradict = map(float, ways(rows, test)) if n > 1 else (math.nan, math.nan)
    low, high = test.interval(rows)
    found = Finding(
        effect=float(x.mean()) if n else math.nan,
        low=low,
        high=high,
        what=claim_data.contrast(subject, *claim_data.sides(claim, results)),
        n=n,
        dropped=compared.dropped,
        p_support=support,
        p_contradict=contradict,
        p_permutation=min(support, contradict),
        notes=tuple(compared.notes),
        flips=max(test.counts) == 1,
        deciding=sign * (x if claim.b else x - HALF),
        rows=rows,
        test=test,
        ways=ways,
        at_level=functools.partial(test.interval, rows),
    )
    return with_means(found, compared.words, rows)


def of_two_values(claim: Claim, results: Results, sign: float) -> Finding:
    """`of_shares` of a metric that is 0 or 1 of a run."""
    values = claim_data.measured(claim, results)
    return of_shares(claim, results, values, sign, claim_data.label(claim, results))


def by_sign_flips(rows: np.ndarray, ways: Ways) -> float:
    """The smallest of the p values by sign flips: stands next to the one that decides."""
    return float(min(ways(rows, Test('permutation'))))


def of_rows(
    effect: float,
    interval: tuple[float, float],
    what: str,
    rows: np.ndarray,
    test: Test,
    ways: Ways,
    dropped: int,
    notes: list[str],
    compared: np.ndarray | None = None,
) -> Finding:
    """`compared`: the numbers [A, n] whose spread t rests on, if they are not `rows`."""
    n = rows.shape[1]
    if n < 2:
        support = contradict = negligible = flips = math.nan
        decide = False
    else:
        support, contradict, negligible = (*map(float, ways(rows, test)), math.nan)[:3]
        flips = by_sign_flips(rows, ways)
        compared = rows if compared is None else compared
        constant = all(statistics.is_constant(row, test.scale) for row in compared)
        decide = constant or test.design == 'permutation'
        if constant:
            notes = [*notes, 'the seeds do not differ, so the sign-flip p decides']
    return Finding(
        effect,
        *interval,
        what,
        n,
        dropped,
        support,
        contradict,
        flips,
        negligible,
        notes=tuple(notes),
        flips=decide,
        rows=rows,
        test=test,
        ways=ways,
    )
