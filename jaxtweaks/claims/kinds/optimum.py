"""Claims on where a curve over a swept number is best: optimum, peak."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxtweaks.base import numbers
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.numbers import percent
from jaxtweaks.base.words import field_label
from jaxtweaks.claims import claim_data, finding, statistics
from jaxtweaks.claims.claim import Claim
from jaxtweaks.claims.finding import Finding
from jaxtweaks.claims.kind import Kind, Say
from jaxtweaks.claims.register import claim
from jaxtweaks.claims.statistics import Test
from jaxtweaks.results.results import Results

_READS = ('at', 'goal', 'a', 'b')


@claim('optimum', needs=('along', 'within'), reads=_READS)
class Optimum(Kind):
    """The metric is best somewhere within a range of a swept number."""

    with_goal = True

    def check_curve(self, claim: Claim, xs: Sequence[float]) -> None:
        """See `Kind`."""
        super().check_curve(claim, xs)
        low, high = _range(claim)
        inside = [x for x in xs if low <= x <= high]
        if not inside or len(inside) == len(xs):
            values = ', '.join(repr(x).removesuffix('.0') for x in xs)
            where = 'no value' if not inside else 'every value'
            raise UserError(f"within [{low}, {high}] lies {where} of '{claim.along}' ({values})")

    def test(self, claim: Claim, results: Results, alpha: float) -> Finding:
        """Some setting in the range beats every setting outside it (intersection-union test)."""
        xs, rows, dropped, notes = finding.curve(claim, results)
        test = finding.zero_test(claim, rows)
        lower = claim_data.falls(claim)
        better = -rows if lower else rows
        low, high = _range(claim)
        says = functools.partial(results.words.number, claim.along)
        inside = (xs >= low) & (xs <= high)

        def ways(better: np.ndarray, test: Test) -> tuple[Any, ...]:
            return (
                _one_beats_all(better[inside], better[~inside], test),
                _one_beats_all(better[~inside], better[inside], test),
            )

        n = rows.shape[1]
        location, ends, at_level = math.nan, (math.nan, math.nan), None
        if n:
            location = float(xs[better.mean(axis=1).argmax()])
        if n > 1:
            drawn = xs[(better @ statistics.bootstrap_counts(n).T).argmax(axis=0)]
            at_level = functools.partial(_middle, drawn)
            ends = at_level(0.95)
            share = float(np.mean((drawn >= low) & (drawn <= high)))
            notes.append(
                f'in {percent(share, 0)}% of resamples of the seeds the optimum lies within '
                f'[{says(low)}, {says(high)}]'
            )
        field = field_label(claim.along, results.names)
        end = 'lowest' if lower else 'highest'
        what = f'{field} with the {end} {finding.subject(claim, results)}'
        found = finding.of_rows(location, ends, what, better, test, ways, dropped, notes)
        return dataclasses.replace(found, at_level=at_level)

    def effect(self, metric: str, verdict: Mapping[str, Any]) -> tuple[Say, str]:
        """A place on the axis of the swept field, in that field's unit."""
        return _places(verdict).__getitem__, ''

    def published(self, metric: str, verdict: Mapping[str, Any]) -> Say:
        """See `effect`."""
        return _places(verdict).__getitem__


@claim('peak', needs=('along',), reads=_READS)
class Peak(Kind):
    """The metric is better somewhere between the ends of a swept number than at both of them."""

    with_goal = True
    least_points = 3

    def test(self, claim: Claim, results: Results, alpha: float) -> Finding:
        """Some setting between the ends beats both of them (intersection-union test)."""
        xs, rows, dropped, notes = finding.curve(claim, results)
        test = finding.zero_test(claim, rows)
        lower = claim_data.falls(claim)
        better = -rows if lower else rows
        ends, interior = better[[0, -1]], better[1:-1]
        n = rows.shape[1]
        effect, interval, at_level = math.nan, (math.nan, math.nan), None
        where = against = ''
        if n:
            top, end = _deciding(interior, ends, test)
            d = interior[top] - ends[end]
            effect = float(d.mean())
            # The point is the best of several: its interval is widened for the choice.
            of_two = finding.between(test, interior[top], ends[end])
            at_level = lambda level: of_two.interval(d, 1 - (1 - level) / len(interior))
            interval = at_level(0.95)
            field = field_label(claim.along, results.words)
            places = (results.words.number(claim.along, x) for x in (xs[1 + top], xs[-end]))
            where, against = (f' (at {field} {place})' for place in places)
        what = (
            f'{finding.subject(claim, results)}: how much the clearest point between the ends'
            f'{where} is {"below" if lower else "above"} the end that it beats least clearly'
            f'{against}'
        )
        found = finding.of_rows(effect, interval, what, better, test, _peaks, dropped, notes)
        return dataclasses.replace(found, at_level=at_level)


def _deciding(interior: np.ndarray, ends: np.ndarray, test: Test) -> tuple[int, int]:
    """The point [I, n] that p speaks of, and the end [2, n] that it is above least clearly.

    The highest point need not be the one: another may be above both ends more evenly by seed. One
    seed has no p, and where several have the same the higher one counts.
    """
    height = interior.mean(axis=1)
    higher = int(ends.mean(axis=1).argmax())
    if interior.shape[1] < 2:
        return int(height.argmax()), higher
    p = np.array([[float(_above(row, end, test)) for end in ends] for row in interior])
    top = int(np.lexsort((-height, p.max(axis=1)))[0])
    return top, int(p[top].argmax()) if p[top, 0] != p[top, 1] else higher


def _peaks(better: np.ndarray, test: Test) -> tuple[Any, ...]:
    return (
        _one_beats_all(better[1:-1], better[[0, -1]], test),
        _one_beats_all(better[[0, -1]], better[1:-1], test),
    )


def _one_beats_all(winners: np.ndarray, losers: np.ndarray, test: Test) -> np.ndarray:
    """p that a row of `winners` [I, ..., n] has a higher mean than all of `losers` [J, ..., n].

    An intersection-union test for each winner (Berger 1982, Technometrics 24:295), Bonferroni
    over the winners, and twice that because the opposite is tested as well.
    """
    weakest = [np.max([_above(w, other, test) for other in losers], axis=0) for w in winners]
    return np.minimum(1.0, 2 * len(winners) * np.min(weakest, axis=0))


def _above(one: np.ndarray, other: np.ndarray, test: Test) -> Any:
    """One-sided p that a row [..., n] has a higher mean than another."""
    return finding.between(test, one, other).greater(one - other)


def _middle(drawn: np.ndarray, level: float) -> tuple[float, float]:
    """The interval that holds the share `level` of resampled places."""
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(drawn, tails, method='inverted_cdf')
    return float(low), float(high)


def _range(claim: Claim) -> tuple[float, float]:
    assert claim.within is not None, 'claims.check sees to it'
    return claim.within


def _places(verdict: Mapping[str, Any]) -> dict[float, str]:
    """All places on the axis that a verdict speaks of, in as many digits as keep them apart."""
    published = verdict.get('published') or {}
    found = [verdict['effect'], verdict['low'], verdict['high'], *dict(published).values()]
    places = {value: _without_noise(value) for value in found if _is_number(value)}
    words = numbers.apart(places.values())
    return {value: words[place] for value, place in places.items()}


def _without_noise(value: float) -> float:
    """Without what averaging leaves over: the mean of ten 0.00725 is 0.007250000000000001."""
    return float(f'{value:.12g}') if math.isfinite(value) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
