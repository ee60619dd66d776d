"""What else a verdict says: what kept it open, which runs only guess, which still improve.

Sentences for the note of a verdict, made from the claim, its verdict and the results. They change
no verdict.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.numbers import p_value
from jaxtweaks.base.words import amount, count, metric_value, together
from jaxtweaks.claims import claim_data
from jaxtweaks.claims.claim import KINDS, Claim, Verdict
from jaxtweaks.claims.finding import TWO_VALUED
from jaxtweaks.claims.statistics import Test
from jaxtweaks.results import guess
from jaxtweaks.results.results import Results

LATE = 4  # the last quarter of the epochs
_FEWEST = 4  # epochs from which there is a last quarter to speak of
_ALPHA = 0.05
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
    """The verdict with all that is to be remarked on it in its note."""
    if results.exact:
        return verdict
    found = [
        kept_open(verdict, results),
        guessing(verdict.claim, results),
        not_finished(verdict, results),
    ]
    note = '; '.join(filter(None, [*found[:1], verdict.note, *found[1:]]))
    return dataclasses.replace(verdict, note=note)


def kept_open(verdict: Verdict, results: Results) -> str:
    """Why a verdict is inconclusive, '' if it is not or if its note says it already."""
    if verdict.verdict != 'inconclusive' or verdict.n < 2:
        return ''
    if verdict.p <= _ALPHA:
        return _corrected_away(verdict)
    claim = verdict.claim
    if claim.kind == 'optimum':
        return 'open: no setting in the range beats every one outside, nor the other way round'
    if claim.kind == 'peak':
        return 'open: no setting between the ends beats both ends, and no end all between'
    against = _steps_against(claim, results) if claim.kind in _TRENDS else ''
    low, high = verdict.low, verdict.high
    turn = _level(claim) if claim.kind in ('level', 'published') else 0.0
    shares = claim.kind == 'share' or claim.metric in TWO_VALUED
    if shares or not (math.isfinite(low) and math.isfinite(high)):
        return 'open: so few seeds cannot tell the two apart'
    if against and not low <= turn <= high:
        return f'open: the change is clear, but {against}'
    if against:
        return f'open: the change may be none, and {against}'
    margin = claim.margin or claim.smallest
    within = claim.kind in ('equivalent', 'different', 'published') or claim.direction == 'equal'
    if within and margin is not None:
        return f'open: the interval lies on both sides of the margin, {_size(claim, margin)}'
    words = 'zero' if turn == 0 else metric_value(claim.metric, turn)
    if margin and claim.margin:
        return f'open: the interval lies on both sides of {_size(claim, margin)}'
    beyond = f', and reaches beyond {_size(claim, margin)}' if margin else ''
    return f'open: the interval holds {words}{beyond}'


def _corrected_away(verdict: Verdict) -> str:
    """That only the correction keeps a claim open; without looks its note says it already."""
    if not (verdict.looks and verdict.p_adjusted > _ALPHA):
        return ''
    return (
        f'open: asked alone and at one look it would be settled (p {p_value(verdict.p)}), but not '
        f'corrected for the looks and the other claims (p {p_value(verdict.p_adjusted)})'
    )


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
    values = claim_data.measured(claim, results)
    xs, rows = [], []
    for x, a, b in claim_data.curve_points(claim, results):
        xs.append(x)
        rows.append(values[a].mean(axis=0) - (values[b].mean(axis=0) if b else 0.0))
    kept = np.stack(rows)[:, np.isfinite(rows).all(axis=0)]
    if not kept.shape[1]:
        return ''
    steps = np.diff(kept.mean(axis=1)) * (1 if claim.kind == 'increasing' else -1)
    against = int((steps < 0).sum())
    if not against:
        return ''
    worst = int(steps.argmin())
    ends = [results.words.number(claim.along, x) for x in xs[worst : worst + 2]]
    goes = 'goes' if against == 1 else 'go'
    most = ', most' if against > 1 else ''
    return (
        f'{against} of {count(len(steps), "step")} {goes} the other way{most} from {ends[0]} to '
        f'{ends[1]}'
    )


def guessing(claim: Claim, results: Results) -> str:
    """Which diverged runs count as guesses in a claim; '' for none."""
    worth = guess.of(claim.metric, results.guesses)
    if claim.kind == 'sooner' or not math.isfinite(worth):
        return ''
    lost = {k: int(results.diverged[k].sum()) for k in claim_data.settings_of(claim, results)}
    lost = {k: runs for k, runs in lost.items() if runs}
    if not lost:
        return ''
    total = sum(lost.values())
    places = [f'{_setting(k, results)}: {runs}' for k, runs in lost.items()]
    places = places[:_LISTED] + ['…'] * (len(places) > _LISTED)
    runs = '1 diverged run counts' if total == 1 else f'{total} diverged runs count'
    value = metric_value(claim.metric, worth)
    return f'{runs} as guessing, {value} ({"; ".join(places)})'


def improving(verdict: Verdict, results: Results) -> list[Improving]:
    """The settings of a claim that still improved at the end by more than its effect.

    By how much a run improves is the least-squares slope of its curve over the last quarter of its
    epochs, times their number. A setting improves if the mean of its seeds does significantly
    (one-sided, 5%), and by more than the size of the effect.
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
        if _is_gap(metric):  # neither way is better: it is not at rest
            sign = float(np.sign(gains.mean())) if len(gains) else 1.0
        gain = sign * gains
        if len(gain) > 1 and gain.mean() > effect and Test().greater(gain) <= 0.05:
            found.append(Improving(k, metric, float(gain.mean())))
    return found


def late_change(curve: np.ndarray) -> float:
    """The change of a curve [E] over the last quarter of the epochs that it has; NaN if too few."""
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
    if not metrics.is_of_test(metric):
        return metric
    how, before = metrics.parents(metric)
    return how + metrics.on(before[0] if how else metric, 'validation')


def _is_gap(metric: str) -> bool:
    return metrics.parents(metric)[0] == 'gap_'


def not_finished(verdict: Verdict, results: Results) -> str:
    """Which runs had not finished learning, as far as the effect may be of that; '' for none."""
    found = improving(verdict, results)
    if not found:
        return ''
    most = max(found, key=lambda one: one.gain)
    what = metrics.label(most.metric)
    changed = 'changed' if _is_gap(most.metric) else 'improved'
    others = f' (and {count(len(found) - 1, "other setting")})' if len(found) > 1 else ''
    return (
        f'not finished learning: in the last quarter of the epochs the {what} still {changed} by '
        f'{amount(most.metric, most.gain)} with {_setting(most.setting, results)}{others}, more '
        'than the effect'
    )


def _setting(k: int, results: Results) -> str:
    return together(results.settings[k], results.words) or 'the only setting'


def unfinished(verdicts: Sequence[Verdict], results: Results) -> list[int]:
    """The settings that still improved at the end by more than the effect of some claim."""
    if results.exact:
        return []
    return sorted({one.setting for v in verdicts for one in improving(v, results)})


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
