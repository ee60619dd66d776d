"""Claims on curves: at which moment they are asked, and who gets there sooner."""

import dataclasses
import math

import numpy as np
import pytest
from claim_cases import (
    ARMS,
    claim,
    curve_results,
    results_of,
    sooner,
    verdict_on,
)
from scipy import stats

from jaxtweaks.claims import claims


def test_sooner_counts_epochs():
    # 0.52 is reached at 0.1 an epoch in epoch 6, at 0.06 in epoch 9.
    verdict = verdict_on(sooner(level=0.52), curve_results([0.1, 0.06]))
    assert verdict.effect == 3
    assert verdict.verdict == 'supported'  # by sign flips: 2/2⁶
    assert verdict.p == 2 / 64
    assert 'never reach' not in verdict.note
    assert 'sign-flip p decides' in verdict.note
    assert verdict_on(sooner(level=0.52), curve_results([0.06, 0.1])).verdict == 'contradicted'
    assert verdict_on(sooner(level=0.52), curve_results([0.1, 0.1])).verdict == 'inconclusive'


def test_sooner_in_numbers():
    """Times are whole epochs: to the variance of a difference come 2 · 1/12 of their rounding."""
    times = np.array([[3, 4, 3, 5, 4, 3], [5, 5, 6, 6, 4, 7]])
    results = curve_results([0.0, 0.0])
    results.curves['validation_accuracy'] = 0.6 * (results.epochs >= times[..., None])
    verdict = verdict_on(sooner(level=0.5), results)
    d = times[1] - times[0]
    error = math.sqrt((d.var(ddof=1) + 1 / 6) / 6)
    assert verdict.effect == pytest.approx(d.mean())
    assert verdict.p == pytest.approx(2 * stats.t.sf(d.mean() / error, 5))
    interval = stats.t.interval(0.95, 5, d.mean(), error)
    assert (verdict.low, verdict.high) == pytest.approx(interval)


def test_sooner_censors_runs_that_never_reach_the_level():
    verdict = verdict_on(sooner(level=0.52), curve_results([0.1, 0.01]))
    assert verdict.effect == 11 - 6
    assert verdict.n == 6
    assert verdict.note.startswith(
        '6 of 6 runs (x 1) never reach 52% and count as epoch 11: the effect is at least that large'
    )
    assert ' reaches 52%: x 1 minus x 0' in verdict.what
    other = verdict_on(sooner(level=0.52), curve_results([0.01, 0.01])).note
    assert '6 of 6 runs (x 0) and 6 of 6 runs (x 1) never reach 52%' in other
    assert 'nothing is known of the difference' in other


def test_sooner_censors_runs_that_diverge_before_the_level():
    results = curve_results([0.1, 0.06], diverged=[(1, 0)])
    results.curves['validation_accuracy'][1, 0, 3:] = np.nan
    verdict = verdict_on(sooner(level=0.52), results)
    assert (verdict.n, verdict.dropped) == (6, 0)
    assert verdict.effect == pytest.approx((5 * 3 + 5) / 6)
    assert '1 of 6 runs (x 1) never reaches 52% and counts as epoch 11, a lower' in verdict.note


def test_sooner_to_the_common_level():
    # b's best is 0.06 · 10 = 0.6, which a reaches in epoch 6 (or 7, by its start).
    verdict = verdict_on(sooner(), curve_results([0.1, 0.0601]))
    assert 3 <= verdict.effect <= 4
    assert verdict.verdict == 'supported'
    results = curve_results([0.1, 0.06], diverged=[(1, 0)])
    assert verdict_on(sooner(), results).dropped == 1


def test_sooner_gives_both_arms_the_time_of_the_shorter():
    # The level is reached in epochs 6 and 9; but b was trained for 7 epochs alone.
    lengths = [{'train.epochs': 10}, {'train.epochs': 7}]
    results = curve_results([0.06, 0.1], extra=lengths)
    results.curves['validation_accuracy'][1, :, 7:] = np.nan
    verdict = verdict_on(sooner(level=0.52), results)
    assert verdict.effect == 6 - 8  # a has not reached it after seven epochs
    assert 'count as epoch 8' in verdict.note
    neither = verdict_on(sooner(level=0.9), results)
    assert (neither.effect, neither.verdict) == (0, 'inconclusive')


def test_sooner_for_a_loss_is_downwards():
    results = curve_results([0.1, 0.06])
    results.curves['train_loss'] = 2 - results.curves['validation_accuracy']
    falling = claim('sooner', **ARMS, metric='train_loss', level=1.48)
    assert verdict_on(falling, results).effect == 3


@pytest.mark.parametrize(
    ('at', 'expected'),
    [
        (3, 0.3),
        ('last_epoch', 1.0),
        ('best_epoch', 1.0),
        ('chosen_epoch', 0.2),
        (10, 1.0),
        ('mean_epoch', 0.55),
    ],
)
def test_moments(at, expected):
    results = curve_results([0.1, 0.0])
    best = {'goal': 'max'} if at == 'best_epoch' else {}
    one = claim('level', a={'x': 0}, level=0, direction='above', at=at, metric='running', **best)
    results.curves['running'] = np.broadcast_to(0.1 * np.arange(1, 11), (2, 6, 10))
    assert verdict_on(one, results).effect == pytest.approx(expected)


def test_a_run_of_which_no_epoch_was_chosen_has_no_value_in_it():
    results = curve_results([0.1, 0.0])
    results.chosen_epoch[0, 3] = 0
    one = claim('greater', **ARMS, metric='validation_accuracy', at='chosen_epoch')
    verdict = verdict_on(one, results)
    assert (verdict.n, verdict.dropped) == (5, 1)
    assert '1 seed omitted because a run has no value' in verdict.note


def test_the_last_epoch_is_the_last_a_run_has():
    results = curve_results([0.1, 0.0])
    results.curves['validation_accuracy'][0, :, 5:] = np.nan
    last = claim(
        'greater', **ARMS, metric='validation_accuracy', at='last_epoch', where={'x': [0, 1]}
    )
    assert verdict_on(last, results).effect == pytest.approx(0.5)


def test_the_mean_over_epochs_is_of_those_a_run_has():
    results = curve_results([0.1, 0.0])
    results.curves['validation_accuracy'][0, :, 5:] = np.nan
    results.curves['validation_accuracy'][1, 5, :] = np.nan  # a run without any
    mean = claim('greater', **ARMS, metric='validation_accuracy', at='mean_epoch')
    verdict = verdict_on(mean, results)
    rising, flat = results.curves['validation_accuracy'][:, :5, :5].mean(axis=(1, 2))
    assert verdict.effect == pytest.approx(rising - flat)
    assert (verdict.n, verdict.dropped) == (5, 1)
    assert 'mean over epochs' in verdict.what


def test_a_diverged_run_takes_its_seed_out_and_is_reported():
    results = results_of([0.6, 0.5, 0.5], diverged=[(1, 0), (2, 3)])
    verdict = verdict_on(claim('greater', **ARMS), results)
    assert (verdict.n, verdict.dropped) == (5, 1)
    assert '1 seed omitted because a run diverged (x 1: 1)' in verdict.note
    expected = (results.finals['test_accuracy'][0] - results.finals['test_accuracy'][1])[1:]
    assert verdict.effect == pytest.approx(expected.mean())
    curve = verdict_on(claim('peak', along='x'), results)
    assert (curve.n, curve.dropped) == (4, 2)


def test_a_diverged_run_is_out_even_if_its_number_is_finite():
    results = results_of([0.6, 0.5])
    results.diverged_at[0, 2] = 5
    assert verdict_on(claim('greater', **ARMS), results).dropped == 1


def test_a_missing_run_is_distinguished_from_a_diverged_one():
    results = results_of([0.6, 0.5])
    results.finals['test_accuracy'][0, 2] = np.nan
    verdict = verdict_on(claim('greater', **ARMS), results)
    assert verdict.dropped == 1
    assert '1 seed omitted because a run has no value' in verdict.note


def test_sooner_by_less_than_matters_is_negligible():
    results = curve_results([0.1, 0.1], 20)
    verdict = verdict_on(sooner(level=0.52, smallest=2.0), results)
    assert verdict.verdict == 'negligible'
    assert 'less than 2 epochs either way' in verdict.note
    assert verdict_on(sooner(level=0.52, smallest=2.0), curve_results([0.1, 0.05], 20)).effect > 2


@pytest.mark.parametrize('n', [5, 20])
def test_a_time_that_was_not_reached_is_not_negligible(n):
    one = sooner(level=0.52, smallest=2.0)
    # Neither arm gets there: the differences of the bounds are all 0, of the times unknown.
    neither = curve_results([0.01, 0.01], n)
    verdict = verdict_on(one, neither)
    assert (verdict.verdict, verdict.effect) == ('inconclusive', 0)
    assert 'nothing is known of the difference; it cannot be negligible, because' in verdict.note
    assert math.isnan(claims.find(one, neither).p_negligible)
    assert verdict_on(one, dataclasses.replace(neither, exact=True)).verdict == 'inconclusive'
    # Nor does more of the same settle it.
    assert claims.seeds_needed([one], neither)[0].seeds is None
    # One run is enough: it may be as late as one likes.
    late = curve_results([0.1, 0.1], n)
    late.curves['validation_accuracy'][1, 0] = 0.1
    assert 'cannot be negligible' in verdict_on(one, late).note
    assert verdict_on(one, late).verdict == 'inconclusive'
    # But one of a seed that is omitted says nothing of the others.
    late.curves['validation_accuracy'][0, 0] = np.nan
    other = verdict_on(one, late)
    assert (other.verdict, other.dropped) == ('negligible' if n > 6 else 'inconclusive', 1)
    assert 'cannot be negligible' not in other.note
    assert 'never reach' not in other.note


def test_a_censored_time_may_be_late_by_more_than_matters():
    verdict = verdict_on(sooner(level=0.52, smallest=2.0), curve_results([0.1, 0.01]))
    assert (verdict.verdict, verdict.effect) == ('supported', 11 - 6)


@pytest.mark.parametrize(
    ('rises', 'expected'),
    [
        ([0.1, 0.05], 'supported'),
        ([0.1, 0.01], 'supported'),  # b later still is sooner all the same
        ([0.01, 0.1], 'contradicted'),
        ([0.01, 0.01], 'inconclusive'),
    ],
)
def test_of_exact_results_a_time_that_is_not_known_decides_nothing(rises, expected):
    exact = dataclasses.replace(curve_results(rises), exact=True)
    assert verdict_on(sooner(level=0.52), exact).verdict == expected
