"""How each kind of claim is tested: from a claim and results to p values of each verdict.

Every function returns `p_support`, `p_contradict` and perhaps `p_negligible` such that, whatever
the truth is, the chance that one that is wrong is at most α is at most α. docs/statistics.md says
why.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from jaxtweaks.base.numbers import percent
from jaxtweaks.base.words import amount, field_label, value_label
from jaxtweaks.claims import claim_data, statistics
from jaxtweaks.claims.claim import Claim
from jaxtweaks.claims.statistics import Test
from jaxtweaks.results.results import Results

# Of a run 0 or 1: Student's t has no business there, and sign flips only where the two mirror
# each other (`claims.check` sees to it).
TWO_VALUED = ('diverged', 'stopped')
_WHOLE_EPOCHS = ('stop_epoch',)

# The verdicts that a test can come to, in the order of the p values that it returns.
VERDICTS = ('supported', 'contradicted', 'negligible')
# From numbers by seed, [A, ..., n], to p that it is so, p that the opposite is, and, if the claim
# says what the smallest difference is that matters, p that there is less than that; each [...].
Ways = Callable[[np.ndarray, Test], tuple[np.ndarray, ...]]


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
      deciding: per-seed numbers [n], positive where the claim is so of exact results; None if
        its kind is not for them.
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
    small: bool = False
    notes: tuple[str, ...] = ()
    measured: tuple[tuple[str, float], ...] = ()
    deciding: np.ndarray | None = None
    rows: np.ndarray | None = None
    test: Test | None = None
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


def find(claim: Claim, results: Results, alpha: float = 0.05) -> Finding:
    """Tests a claim that has passed `claims.check`."""
    if claim.kind in ('greater', 'less', 'equivalent', 'different'):
        return _difference(claim, results)
    if claim.kind in ('increasing', 'decreasing'):
        return _trend(claim, results, alpha)
    if claim.kind in ('level', 'published'):
        return _constant(claim, results)
    others = {
        'identical': _identical,
        'optimum': _optimum,
        'peak': _peak,
        'sooner': _sooner,
    }
    return others[claim.kind](claim, results)


def _identical(claim: Claim, results: Results) -> Finding:
    """Every setting of a and of b has the same number, seed by seed, to the last bit."""
    settings = [
        k for side in (claim.a, claim.b) for k in claim_data.group(results, claim.where, side)
    ]
    values = claim_data.measured(claim, results)[settings]
    rows, dropped, notes = claim_data.complete(values, settings, results)
    apart = np.ptp(rows, axis=0)
    sides = [claim_data.spoken(side, results) for side in (claim.a, claim.b)]
    what = (
        f'{claim_data.label(claim, results)}: largest difference of a seed between {sides[0]} and '
        f'{sides[1]}'
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


def _difference(claim: Claim, results: Results) -> Finding:
    rows, settings, sides = _arms(claim, results)
    rows, dropped, notes = claim_data.complete(rows, settings, results)
    d = rows[0] - rows[1]
    test = _test(claim, rows)
    what = _compared(claim, sides, results)
    if claim.kind in ('equivalent', 'different'):
        toward, ways = _room(d, claim.margin), _within(claim.margin)
        if claim.kind == 'different':
            toward, ways = -toward, _beyond(claim.margin)
        found = _finding(d, toward, d[None], test, ways, what, dropped, notes)
    else:
        toward = (d if claim.kind == 'greater' else -d) - (claim.margin or 0.0)
        ways = directional(claim.smallest)
        found = _finding(d, toward, toward[None], test, ways, what, dropped, notes)
        found = _small(found, claim, toward[None])
    return _with_means(found, sides, rows)


def _constant(claim: Claim, results: Results) -> Finding:
    """The mean of `a` (or of a minus b) next to a number."""
    single = not claim.b
    rows, settings, sides = _arms(claim, results)
    rows, dropped, notes = claim_data.complete(rows, settings, results)
    x = rows[0] if single else rows[0] - rows[1]
    level = claim.level
    if level is None:
        (level,) = claim.published.values()
    test = _test(claim, rows, 'single' if single else 'paired', abs(level))
    what = _compared(claim, sides, results)
    if claim.kind == 'published' or claim.direction == 'equal':
        beyond = x - level
        ways, toward = _within(claim.margin), _room(beyond, claim.margin)
        found = _finding(x, toward, beyond[None], test, ways, what, dropped, notes)
    else:
        toward = x - level if claim.direction == 'above' else level - x
        ways = directional(claim.smallest)
        found = _finding(x, toward, toward[None], test, ways, what, dropped, notes)
        found = _small(found, claim, toward[None])
    return _with_means(found, sides, rows)


def _trend(claim: Claim, results: Results, alpha: float) -> Finding:
    """Least-squares slope of each seed's curve over the rank of x, and no step against it."""
    xs, rows, dropped, notes = _curve(claim, results)
    says = functools.partial(results.words.number, claim.along)
    test = _test(claim, rows)
    ranks = np.arange(len(xs)) - (len(xs) - 1) / 2
    sign = 1.0 if claim.kind == 'increasing' else -1.0
    changes = lambda rows: (len(xs) - 1) * np.tensordot(ranks, rows, 1) / (ranks @ ranks)
    change, steps = changes(rows), sign * np.diff(rows, axis=0)

    def apart(rows: np.ndarray) -> np.ndarray:
        """All that is small of a flat curve: the change, and every two of its points."""
        pairs = [rows[j] - rows[i] for i, j in itertools.combinations(range(len(xs)), 2)]
        return np.stack([changes(rows), *pairs])

    def both(rows: np.ndarray, test: Test) -> tuple[np.ndarray, ...]:
        support, opposite = directional()(sign * changes(rows)[None], test)
        if len(xs) == 2:
            return support, opposite
        # Holm's first step over the steps; twice more for two ways to contradict.
        steps = sign * np.diff(rows, axis=0)
        against = np.min([test.greater(-step) for step in steps], axis=0)
        reversal = np.minimum(1.0, 2 * len(steps) * against)
        contradicted = np.minimum(1.0, 2 * np.minimum(opposite, reversal))
        return np.where(reversal <= alpha, 1.0, support), contradicted

    def ways(rows: np.ndarray, test: Test) -> tuple[np.ndarray, ...]:
        if claim.smallest is None:
            return both(rows, test)
        flat = [statistics.tost_p(d, claim.smallest, test) for d in apart(rows)]
        return *both(rows, test), np.max(flat, axis=0)

    if len(rows[0]) > 1 and len(xs) > 2:
        worst = int(np.argmin([test.greater(-step) for step in steps]))
        if 2 * len(steps) * test.greater(-steps[worst]) <= alpha:
            notes.append(
                f'it goes the other way from {says(xs[worst])} to {says(xs[worst + 1])}'
                f' (by {amount(claim.metric, steps[worst].mean())})'
            )
    field = field_label(claim.along, results.words)
    what = (
        f'{_subject(claim, results)}: fitted change from {field} {says(xs[0])} to'
        f' {says(xs[-1])} (least squares over ranks)'
    )
    # Where nothing is left to chance, a step the other way is enough.
    toward = np.where((steps < 0).any(axis=0), steps.min(axis=0), sign * change)
    found = _finding(change, toward, rows, test, ways, what, dropped, notes)
    found = _small(found, claim, apart(rows))
    ends = [f'{field} {says(x)}' for x in xs[[0, -1]]]
    return _with_means(found, ends, rows[[0, -1]])


def _optimum(claim: Claim, results: Results) -> Finding:
    """Some setting in the range beats every setting outside it (intersection-union test)."""
    xs, rows, dropped, notes = _curve(claim, results)
    test = _test(claim, rows)
    lower = claim_data.falls(claim)
    better = -rows if lower else rows
    low, high = claim.within
    says = functools.partial(results.words.number, claim.along)
    inside = (xs >= low) & (xs <= high)

    def ways(better: np.ndarray, test: Test) -> tuple[np.ndarray, np.ndarray]:
        return (
            _one_beats_all(better[inside], better[~inside], test),
            _one_beats_all(better[~inside], better[inside], test),
        )

    n = rows.shape[1]
    location, ends = math.nan, (math.nan, math.nan)
    if n:
        location = float(xs[better.mean(axis=1).argmax()])
    if n > 1:
        drawn = xs[(better @ statistics.bootstrap_counts(n).T).argmax(axis=0)]
        ends = _middle(drawn, 0.95)
        share = np.mean((drawn >= low) & (drawn <= high))
        notes.append(
            f'in {percent(share, 0)}% of resamples of the seeds the optimum lies within '
            f'[{says(low)}, {says(high)}]'
        )
    field = field_label(claim.along, results.names)
    what = f'{field} with the {"lowest" if lower else "highest"} {_subject(claim, results)}'
    found = _tested(location, ends, what, better, test, ways, dropped, notes)
    at_level = functools.partial(_middle, drawn) if n > 1 else None
    return dataclasses.replace(found, at_level=at_level)


def _middle(drawn: np.ndarray, level: float) -> tuple[float, float]:
    """The interval that holds the share `level` of resampled places."""
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(drawn, tails, method='inverted_cdf')
    return float(low), float(high)


def _peak(claim: Claim, results: Results) -> Finding:
    """Some setting between the ends beats both of them (intersection-union test)."""
    xs, rows, dropped, notes = _curve(claim, results)
    test = _test(claim, rows)
    lower = claim_data.falls(claim)
    better = -rows if lower else rows
    ends, interior = better[[0, -1]], better[1:-1]

    def ways(better: np.ndarray, test: Test) -> tuple[np.ndarray, np.ndarray]:
        return (
            _one_beats_all(better[1:-1], better[[0, -1]], test),
            _one_beats_all(better[[0, -1]], better[1:-1], test),
        )

    n = rows.shape[1]
    effect, interval, where, at_level = math.nan, (math.nan, math.nan), '', None
    if n:
        top = int(interior.mean(axis=1).argmax())
        d = interior[top] - ends[int(ends.mean(axis=1).argmax())]
        effect = float(d.mean())
        # The top is the best of several: its interval is widened for the choice.
        at_level = lambda level: test.interval(d, 1 - (1 - level) / len(interior))
        interval = at_level(0.95)
        place = results.words.number(claim.along, xs[1 + top])
        where = f' (at {field_label(claim.along, results.words)} {place})'
    what = (
        f'{_subject(claim, results)}: how much the {"lowest" if lower else "highest"} point between'
        f' the ends{where} is {"below" if lower else "above"} the better end'
    )
    found = _tested(effect, interval, what, better, test, ways, dropped, notes)
    return dataclasses.replace(found, at_level=at_level)


def _sooner(claim: Claim, results: Results) -> Finding:
    """Restricted mean epochs to a level (Royston and Parmar 2013): b's minus a's."""
    settings = [claim_data.group(results, claim.where, side) for side in (claim.a, claim.b)]
    both = [*settings[0], *settings[1]]
    curve = np.asarray(results.curve(claim.metric), dtype=float)
    sign = -1.0 if claim_data.falls(claim) else 1.0
    risen = sign * np.where(np.isfinite(curve), curve, np.nan)
    never = float(results.epochs[-1] + 1)
    if claim.level is None:
        # The worse of the best values of a seed's runs: every one of them reaches it.
        reached = claim_data.best(risen, lower=False)
        reached = np.where(results.diverged, np.nan, reached)
        target = reached[both].min(axis=0)[None, :, None]
        words = 'the best value that both reach'
    else:
        target = np.array(sign * claim.level)
        words = value_label('', claim.level)
    hit = risen >= target
    epochs = np.where(hit.any(axis=2), results.epochs[hit.argmax(axis=2)], never)
    if claim.level is None:
        epochs = np.where(np.isnan(target[:, :, 0]), np.nan, epochs)
    missing = np.isnan(risen).all(axis=2) & ~results.diverged
    epochs = np.where(missing, np.nan, epochs)
    rows = np.stack([epochs[ks].mean(axis=0) for ks in settings])
    rows, dropped, notes = claim_data.complete(rows, both, results)
    counts = [int((epochs[ks] == never).sum()) for ks in settings]
    if any(counts):
        totals = [int(np.isfinite(epochs[ks]).sum()) for ks in settings]
        notes.append(
            f'censored: {counts[0]} of {totals[0]} runs of a and {counts[1]} of {totals[1]} of b'
            f' never reach {words} and count as epoch {never:g}, a lower bound'
        )
    d = rows[1] - rows[0]
    sides = [claim_data.spoken(side, results) for side in (claim.a, claim.b)]
    what = (
        f'{results.axis}s until {claim_data.label(claim, results)} reaches {words}:'
        f' {sides[1]} minus {sides[0]}'
    )
    ways = directional(claim.smallest)
    found = _finding(d, d, d[None], Test(grain=1.0), ways, what, dropped, notes)
    return _with_means(_small(found, claim, d[None]), sides, rows)


def _arms(claim: Claim, results: Results) -> tuple[np.ndarray, list[int], list[str]]:
    """Seeds' values of `a` and, if there is one, `b`, [1 or 2, S]; settings used; each in words."""
    values = claim_data.measured(claim, results)
    sides = [claim.a, claim.b] if claim.b else [claim.a]
    settings = [claim_data.group(results, claim.where, side) for side in sides]
    rows = np.stack([values[ks].mean(axis=0) for ks in settings])
    words = [claim_data.spoken(side, results) or 'all settings' for side in sides]
    return rows, [k for ks in settings for k in ks], words


def _compared(claim: Claim, sides: Sequence[str], results: Results) -> str:
    """What the effect of a difference is, from the sides in words."""
    return f'{claim_data.label(claim, results)}: {" minus ".join(sides)}'


def _with_means(found: Finding, words: Sequence[str], rows: np.ndarray) -> Finding:
    """The finding with the means of the rows, [A, n], by their words, [A]."""
    if not rows.size:
        return found
    means = tuple((name, float(row.mean())) for name, row in zip(words, rows, strict=True))
    return dataclasses.replace(found, measured=means)


def _curve(claim: Claim, results: Results) -> tuple[np.ndarray, np.ndarray, int, list[str]]:
    """x ascending [X], the metric (of a, or of a minus b) at each [X, n]; dropped; notes."""
    values = claim_data.measured(claim, results)
    xs, rows, used = [], [], []
    for x, a, b in claim_data.curve_points(claim, results):
        xs.append(x)
        rows.append(values[a].mean(axis=0) - (values[b].mean(axis=0) if b else 0.0))
        used += [*a, *b]
    kept, dropped, notes = claim_data.complete(np.stack(rows), used, results)
    return np.array(xs), kept, dropped, notes


def _test(claim: Claim, rows: np.ndarray, design: str = 'paired', scale: float = 0.0) -> Test:
    grain = 1.0 if claim.metric in _WHOLE_EPOCHS else 0.0
    scale = max(scale, float(np.abs(rows).max(initial=0.0)))
    if claim.metric in TWO_VALUED:
        return Test('permutation', scale=scale, span=(0.0 if design == 'single' else -1.0, 1.0))
    return Test(design, grain, scale)


def _subject(claim: Claim, results: Results) -> str:
    name = claim_data.label(claim, results)
    if claim.b:
        a, b = (claim_data.spoken(side, results) or 'all settings' for side in (claim.a, claim.b))
        return f'{name} ({a} minus {b})'
    return name


def directional(smallest: float | None = None) -> Ways:
    """The mean of the row is positive (the claim), negative (its opposite) or within ±`smallest`.

    For one claim the three need no correction: of a mean beyond ±`smallest` the wrong ones are that
    it is within and that it lies on the other side, and who says either says that it is nearer.
    """

    def ways(rows: np.ndarray, test: Test) -> tuple[np.ndarray, ...]:
        (d,) = rows
        p, positive = test.differs(d), d.mean(axis=-1) > 0
        both = np.where(positive, p, 1.0), np.where(positive, 1.0, p)
        return both if smallest is None else (*both, statistics.tost_p(d, smallest, test))

    return ways


def _small(found: Finding, claim: Claim, rows: np.ndarray) -> Finding:
    """Whether all of `rows` [A, n] lie within what does not matter, seed by seed."""
    small = claim.smallest is not None and rows.size > 0
    return dataclasses.replace(found, small=small and bool((abs(rows) < claim.smallest).all()))


def _within(margin: float) -> Ways:
    """The mean of the one row is within ±margin (the claim) or beyond it (its opposite)."""
    return lambda rows, test: (
        statistics.tost_p(rows[0], margin, test),
        statistics.outside_p(rows[0], margin, test),
    )


def _beyond(margin: float) -> Ways:
    """The opposite of `_within`."""
    within = _within(margin)
    return lambda rows, test: within(rows, test)[::-1]


def _room(d: np.ndarray, margin: float) -> np.ndarray:
    """Distance of each seed's `d` [n] from the end of ±margin that is nearer to their mean."""
    return margin - d if len(d) and d.mean() > 0 else margin + d


def _one_beats_all(winners: np.ndarray, losers: np.ndarray, test: Test) -> np.ndarray:
    """p that a row of `winners` [I, ..., n] has a higher mean than all of `losers` [J, ..., n].

    An intersection-union test for each winner (Berger 1982, Technometrics 24:295), Bonferroni
    over the winners, and twice that because the opposite is tested as well.
    """
    weakest = [np.max([test.greater(w - other) for other in losers], axis=0) for w in winners]
    return np.minimum(1.0, 2 * len(winners) * np.min(weakest, axis=0))


def _finding(
    d: np.ndarray,
    toward: np.ndarray,
    rows: np.ndarray,
    test: Test,
    ways: Ways,
    what: str,
    dropped: int,
    notes: list[str],
) -> Finding:
    """The finding of a claim on the mean of `d` [n]; `toward` is what decides exact results."""
    effect = float(d.mean()) if len(d) else math.nan
    found = _tested(effect, test.interval(d), what, rows, test, ways, dropped, notes, d[None])
    return dataclasses.replace(found, deciding=toward, at_level=functools.partial(test.interval, d))


def by_sign_flips(rows: np.ndarray, ways: Ways) -> float:
    """The smallest of the p values by sign flips: stands next to the one that decides."""
    return float(min(ways(rows, Test('permutation'))))


def _tested(
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
    else:
        support, contradict, negligible = (*map(float, ways(rows, test)), math.nan)[:3]
        flips = by_sign_flips(rows, ways)
        compared = rows if compared is None else compared
        if all(statistics.is_constant(row, test.scale) for row in compared):
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
        rows=rows,
        test=test,
        ways=ways,
    )
