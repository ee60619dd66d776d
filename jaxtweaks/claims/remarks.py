"""What else a verdict says: what kept it open, which runs only guess, which still improve.

Sentences for the note of a verdict, made from the claim, its verdict and the results. They change
no verdict.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.numbers import p_value, percent
from jaxtweaks.base.words import amount, count, level_value, metric_value
from jaxtweaks.claims import claim_data
from jaxtweaks.claims.claim import KINDS, Claim, Open, Verdict
from jaxtweaks.claims.finding import TWO_VALUED, curve, steps_down, zero_test
from jaxtweaks.claims.settling import FUTILE, GRID
from jaxtweaks.claims.statistics import Test
from jaxtweaks.results import guess
from jaxtweaks.results.results import Results

LATE = 4  # the last quarter of the epochs
_FEWEST = 4  # epochs from which there is a last quarter to speak of
_ALPHA = 0.05
_SIGNS = {'greater': 1.0, 'less': -1.0}  # of the difference that is claimed
_TRENDS = ('increasing', 'decreasing')
_LISTED = 3  # settings that are named


@dataclasses.dataclass(frozen=True)
class Improving:
    """A setting whose runs were still improving when their training ended.

    Attributes:
      setting: its index.
      metric: the curve that shows it.
      gain: by how much in the last quarter of the epochs, mean over the seeds, in its unit.
    """

    setting: int
    metric: str
    gain: float


def remarked(verdict: Verdict, results: Results) -> Verdict:
    """The verdict with all that keeps it open, and with all that is to be remarked in its note.

    `results`: of all seeds, also if it rests on fewer.
    """
    results = seen(verdict, results)
    if not results.exact:
        verdict = dataclasses.replace(verdict, open_because=open_because(verdict, results))
    against = turned(verdict, results)
    found = [verdict.note, against and f'it goes the other way {against}']
    if not results.exact:
        found = [
            kept_open(verdict, results),
            *found,
            guessing(verdict.claim, results),
            not_finished(verdict, results),
        ]
    return dataclasses.replace(verdict, note='; '.join(filter(None, found)), against=against)


def seen(verdict: Verdict, results: Results) -> Results:
    """The results that a verdict rests on: of the seeds of its look, or all of them."""
    return results.first_seeds(verdict.rests_on) if verdict.rests_on else results


def open_because(verdict: Verdict, results: Results) -> tuple[Open, ...]:
    """All that keeps a verdict open, what is known of it already first; none of a settled one."""
    if verdict.verdict != 'inconclusive':
        return ()
    found = set(verdict.open_because)
    if verdict.n >= 2:
        found.add(_left_open(verdict, results))
    if improving(verdict, results):
        found.add(Open.UNFINISHED)
    return tuple(one for one in Open if one in found)


def _left_open(verdict: Verdict, results: Results) -> Open:
    """What the numbers of an open verdict, of two seeds or more, leave open."""
    claim, low, high = verdict.claim, verdict.low, verdict.high
    if verdict.p <= _ALPHA:
        return Open.CORRECTED
    if claim.kind in ('optimum', 'peak'):
        return Open.PLACE
    if _all_alike(verdict):
        return Open.ZERO
    shares = claim.kind == 'share' or claim.metric in TWO_VALUED
    # Sign flips decide of shares: whatever comes out, few seeds have no p that is small enough.
    few = verdict.smallest_permutation_p > 1 - verdict.level
    if (shares and few) or not (math.isfinite(low) and math.isfinite(high)):
        return Open.TOO_FEW
    if claim.kind in _TRENDS and not low <= 0 <= high and _steps_against(claim, results):
        return Open.STEP
    return Open.MARGIN if claim.margin else Open.ZERO


def kept_open(verdict: Verdict, results: Results) -> str:
    """The sentence on what keeps a verdict open, made from `open_because`; '' for nothing.

    Runs that have not finished learning have one of their own, whatever the verdict
    (`not_finished`).
    """
    said = [_words(one, verdict, results) for one in verdict.open_because]
    # First what the numbers leave open, then why there are no more of them.
    order = sorted(
        (words for words in zip(verdict.open_because, said, strict=True) if words[1]),
        key=lambda words: words[0] in _NO_MORE_SEEDS,
    )
    return f'open: {"; ".join(words for _, words in order)}' if order else ''


def _words(because: Open, verdict: Verdict, results: Results) -> str:
    """What keeps a verdict open, as part of a sentence."""
    claim = verdict.claim
    match because:
        case Open.TOO_FEW:  # of one seed its note speaks
            return _too_few(verdict) if verdict.n >= 2 else ''
        case Open.CORRECTED:
            return _corrected_away(verdict)
        case Open.STEP:
            return f'the change is clear, but {_steps_against(claim, results)}'
        case Open.PLACE if claim.kind == 'optimum':
            return 'no setting in the range beats every one outside, nor the other way round'
        case Open.PLACE:
            return 'no setting between the ends beats both ends, and no end all between'
        case Open.MARGIN:
            return f'the interval lies on both sides of {_boundary(verdict)}'
        case Open.ZERO:
            return _holds(verdict, results)
        case _:
            return _NO_MORE_SEEDS.get(because, '')


_NO_MORE_SEEDS = {
    Open.BUDGET: 'more seeds may settle it, but the budget was spent',
    Open.LAST_LOOK: f'{GRID[-1]} seeds are the last look',
    Open.GIVEN_UP: (
        f'given up, because no look up to {GRID[-1]} seeds would settle it with a chance of '
        f'{percent(FUTILE, 0)}%'
    ),
    Open.NOT_LOOKED_AT: 'not looked at as seeds were added',
}


def _all_alike(verdict: Verdict) -> str:
    """That no run, or every run, does what two shares are compared in; '' if some do."""
    claim, means = verdict.claim, {*verdict.measured.values()}
    if not claim.b or not (claim.kind == 'share' or claim.metric in TWO_VALUED):
        return ''
    if means not in ({0.0}, {1.0}):
        return ''
    some = 'no run of either' if means == {0.0} else 'every run of both'
    did = {'diverged': 'diverged', 'stopped': 'was stopped'}
    if claim.kind != 'share':
        return f'{some} {did[claim.metric]}'
    return f'both shares are {percent(means.pop(), 0)}%'


def _too_few(verdict: Verdict) -> str:
    """What so few seeds cannot tell apart."""
    claim, seeds = verdict.claim, f'{verdict.n} seeds'
    if claim.along:
        return f'{seeds} cannot settle it'
    if claim.b:
        return f'{seeds} cannot tell the two apart'
    return f'{seeds} cannot tell it from {_turn(claim)}'


def _holds(verdict: Verdict, results: Results) -> str:
    """That the interval holds what is no difference, and what of a trend's steps."""
    claim = verdict.claim
    if alike := _all_alike(verdict):
        return alike
    if claim.kind in _TRENDS and (against := _steps_against(claim, results)):
        return f'the change may be none, and {against}'
    words = _turn(claim)
    beyond = f', and reaches beyond {_size(claim, claim.smallest)}' if claim.smallest else ''
    return f'the interval holds {words}{beyond}'


def _turn(claim: Claim) -> str:
    """The effect from which on a claim is so, in words."""
    if claim.kind == 'share' and not claim.b:
        return '50%'
    turn = _level(claim) if claim.kind in ('level', 'published') else 0.0
    return 'zero' if turn == 0 else level_value(claim.metric, turn)


def _corrected_away(verdict: Verdict) -> str:
    """That only the correction keeps a claim open."""
    at, what = (' and at one look', 'the looks and ') if verdict.looks else ('', '')
    return (
        f'asked alone{at} it would be settled (p {p_value(verdict.p)}), but not corrected for '
        f'{what}the other claims (p {p_value(verdict.p_adjusted)})'
    )


def _boundary(verdict: Verdict) -> str:
    """What the interval of a claim with a margin holds, in words.

    'greater' says of a minus b that it lies above the margin, 'less' that it lies below minus the
    margin: the sign matters. Of a range ±margin it is either end.
    """
    claim = verdict.claim
    assert claim.margin is not None, 'else there is none to hold'
    if claim.kind not in _SIGNS:
        return f'the margin, {_size(claim, claim.margin)}'
    say, unit = KINDS.find(claim.kind).effect(claim.metric, verdict.to_dict())
    return say(_SIGNS[claim.kind] * claim.margin) + unit


def _size(claim: Claim, size: float) -> str:
    return KINDS.find(claim.kind).amount(claim, size)


def _level(claim: Claim) -> float:
    """What a value is compared with: the level of a claim, or else the one value published."""
    if claim.level is not None:
        return claim.level
    (level,) = claim.published.values()
    return level


def _steps_against(claim: Claim, results: Results) -> str:
    """How many steps of a trend go the other way, and the largest of them; '' for none."""
    xs, rows = _as_claimed(claim, results)
    if not rows.shape[1]:
        return ''
    steps = np.diff(rows, axis=0)
    means = steps.mean(axis=1)
    against = int((means < 0).sum())
    if not against:
        return ''
    goes = 'goes' if against == 1 else 'go'
    most = ', most' if against > 1 else ''
    worst = int(means.argmin())
    where = _step(claim, results, xs[worst : worst + 2], means[worst])
    return f'{against} of {count(len(steps), "step")} {goes} the other way{most} {where}'


def turned(verdict: Verdict, results: Results) -> str:
    """The step of a trend that goes significantly the other way; '' if none, or said already.

    An open claim whose change or steps are not clear says it by `kept_open`. Of exact results every
    step the other way counts.
    """
    claim = verdict.claim
    if claim.kind not in _TRENDS or {Open.STEP, Open.ZERO} & {*verdict.open_because}:
        return ''
    xs, rows = _as_claimed(claim, results)
    if rows.shape[1] < 2 - results.exact or len(rows) < 3:
        return ''
    steps = np.diff(rows, axis=0)
    if results.exact:
        worst = int(steps.min(axis=1).argmin())
        against = steps[worst].min() < 0
    else:
        p = steps_down(rows, zero_test(claim, rows))
        worst = int(np.argmin(p))
        against = 2 * len(steps) * p[worst] <= _ALPHA
    if not against:
        return ''
    return _step(claim, results, xs[worst : worst + 2], steps[worst].mean())


def _as_claimed(claim: Claim, results: Results) -> tuple[np.ndarray, np.ndarray]:
    """The curve of a trend, x [X] and values [X, n], turned so that the claim says it rises."""
    xs, rows, _, _ = curve(claim, results)
    return xs, rows if claim.kind == 'increasing' else -rows


def _step(claim: Claim, results: Results, ends: np.ndarray, size: float) -> str:
    """Between which x a step is, [2], and how large."""
    start, end = (results.words.number(claim.along, x) for x in ends)
    return f'from {start} to {end} by {amount(claim.metric, size)}'


def guessing(claim: Claim, results: Results) -> str:
    """Which diverged runs count as guesses in a claim; '' for none."""
    if claim.kind in ('sooner', 'identical'):
        return ''
    taken = claim_data.guessed(claim, results)
    lost = {k: int(taken[k].sum()) for k in claim_data.settings_of(claim, results)}
    lost = {k: runs for k, runs in lost.items() if runs}
    if not lost:
        return ''
    total = sum(lost.values())
    places = [f'{_setting(k, results)}: {runs}' for k, runs in lost.items()]
    places = places[:_LISTED] + ['…'] * (len(places) > _LISTED)
    runs = '1 diverged run counts' if total == 1 else f'{total} diverged runs count'
    value = metric_value(claim.metric, guess.of(claim.metric, results.guesses))
    return f'{runs} as guessing, {value} ({"; ".join(places)})'


def improving(verdict: Verdict, results: Results) -> list[Improving]:
    """The settings of a claim that still improved at the end by more than its effect.

    By how much a run improves is `late_change` of its curve. A setting improves if the mean of its
    seeds does significantly (one-sided, 5%; of a gap, which may change either way, two-sided), and
    by more than the size of the effect.
    """
    effect = _size_of_effect(verdict)
    metric = _curve_of(verdict.claim, results)
    if not metric or not math.isfinite(effect):
        return []
    curve = np.asarray(results.curve(metric), float)
    sign = -1.0 if metrics.of(metric).sign < 0 else 1.0
    found = []
    for k in claim_data.settings_of(verdict.claim, results):
        gains = np.array([late_change(one) for one in curve[k]])
        gains = gains[np.isfinite(gains) & ~results.diverged[k]]
        if len(gains) < 2:
            continue
        test = Test().greater
        if _is_gap(metric):  # neither way is better: it is not at rest
            test, sign = Test().differs, float(np.sign(gains.mean()))
        gain = sign * gains
        if gain.mean() > effect and test(gain) <= _ALPHA:
            found.append(Improving(k, metric, float(gain.mean())))
    return found


def late_change(curve: np.ndarray) -> float:
    """The change of a curve [E] over the last quarter of the epochs that it has; NaN if too few.

    From the first of these epochs to the last, on the line of least squares: its slope times their
    number less one.
    """
    values = curve[np.isfinite(curve)]
    if len(values) < _FEWEST:
        return math.nan
    late = values[-max(2, math.ceil(len(values) / LATE)) :]
    ranks = np.arange(len(late)) - (len(late) - 1) / 2
    return float(ranks @ late / (ranks @ ranks) * (len(late) - 1))


def _size_of_effect(verdict: Verdict) -> float:
    """The size of the effect in the unit of the metric; NaN where it is none, as of a place."""
    claim = verdict.claim
    if claim.kind in ('optimum', 'sooner', 'identical', 'share') or claim.metric in TWO_VALUED:
        return math.nan
    if claim.kind in ('level', 'published'):
        return abs(verdict.effect - _level(claim))
    return abs(verdict.effect)


def _curve_of(claim: Claim, results: Results) -> str:
    """The curve that shows whether a claim's runs still improve; '' for none."""
    if not results.trained or isinstance(claim.at, int):
        return ''
    metric = '1-test_accuracy' if claim.metric == 'test_error' else claim.metric
    known = (*results.curves, *metrics.derived(results.curves))
    for name in (metric, _on_validation(metric)):
        if name in known and metrics.of(name).sign and name != 'regret':
            return name
    return ''


def _on_validation(metric: str) -> str:
    """The metric of the validation set in place of the test set."""
    return metrics.on(metric, 'validation') if metrics.is_of_test(metric) else metric


def _is_gap(metric: str) -> bool:
    return metrics.parents(metric)[0] in metrics.GAPS


def not_finished(verdict: Verdict, results: Results) -> str:
    """Which runs had not finished learning, as far as the effect may be of that; '' for none."""
    found = improving(verdict, results)
    if not found:
        return ''
    most = max(found, key=lambda one: one.gain)
    what = metrics.label(most.metric)
    changed = 'changed' if _is_gap(most.metric) else 'improved'
    others = f'; and {count(len(found) - 1, "other setting")}' if len(found) > 1 else ''
    return (
        f'not finished learning: in the last quarter of the epochs the {what} still {changed} by '
        f'{amount(most.metric, most.gain)} ({_setting(most.setting, results)}{others}), more than '
        'the effect'
    )


def _setting(k: int, results: Results) -> str:
    return claim_data.setting_words(k, results) or 'the only setting'


def unfinished(verdicts: Sequence[Verdict], results: Results) -> list[int]:
    """The settings that still improved at the end by more than the effect of some claim."""
    if results.exact:
        return []
    return sorted({one.setting for v in verdicts for one in improving(v, seen(v, results))})


def unfinished_words(settings: Sequence[int], results: Results) -> str:
    """A sentence on these settings, for a report or a figure; '' for none."""
    if not settings:
        return ''
    named = [_setting(k, results) for k in settings[:_LISTED]]
    more = f'; and {len(settings) - _LISTED} more' if len(settings) > _LISTED else ''
    return (
        'Not finished learning: at the end of training these still improved by more than the '
        f'effect of a claim: {"; ".join(named)}{more}.'
    )
