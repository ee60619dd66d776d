"""Claims of every kind on results made so that the verdict is known; and the error rate."""

import dataclasses
import importlib.util
import json
import math
import pathlib

import numpy as np
import pytest
from claim_cases import (
    ARMS,
    LEVEL,
    NOISE,
    OPTIMUM,
    PUBLISHED,
    SMALLEST,
    centred,
    claim,
    results_of,
    verdict_on,
)
from scipy import stats

from jaxtweaks.base.errors import UserError
from jaxtweaks.claims import claims, statistics
from jaxtweaks.claims.claim import KINDS

HUMP = [0.1, 0.3, 0.5, 0.3, 0.1]
SLOPE = [0.1, 0.2, 0.3, 0.4, 0.5]
DIP = [0.1, 0.3, 0.2, 0.5, 0.6]  # rises on the whole, falls once


@pytest.mark.parametrize(
    ('kind', 'given', 'means', 'expected'),
    [
        ('greater', ARMS, [0.6, 0.5], 'supported'),
        ('greater', ARMS, [0.4, 0.5], 'contradicted'),
        ('greater', ARMS, [0.5, 0.5], 'inconclusive'),
        ('greater', {**ARMS, 'margin': 0.2}, [0.6, 0.5], 'contradicted'),
        ('greater', {**ARMS, 'margin': 0.05}, [0.6, 0.5], 'supported'),
        ('less', ARMS, [0.4, 0.5], 'supported'),
        ('less', ARMS, [0.6, 0.5], 'contradicted'),
        ('less', ARMS, [0.5, 0.5], 'inconclusive'),
        # 'does not beat': at most 0.05 above.
        ('less', {**ARMS, 'margin': -0.05}, [0.51, 0.5], 'supported'),
        ('equivalent', {**ARMS, 'margin': 0.05}, [0.51, 0.5], 'supported'),
        ('equivalent', {**ARMS, 'margin': 0.05}, [0.6, 0.5], 'contradicted'),
        ('equivalent', {**ARMS, 'margin': 0.05}, [0.55, 0.5], 'inconclusive'),
        ('different', {**ARMS, 'margin': 0.05}, [0.6, 0.5], 'supported'),
        ('different', {**ARMS, 'margin': 0.05}, [0.4, 0.5], 'supported'),
        ('different', {**ARMS, 'margin': 0.05}, [0.51, 0.5], 'contradicted'),
        ('different', {**ARMS, 'margin': 0.05}, [0.55, 0.5], 'inconclusive'),
        ('increasing', {'along': 'x'}, SLOPE, 'supported'),
        ('increasing', {'along': 'x'}, SLOPE[::-1], 'contradicted'),
        ('increasing', {'along': 'x'}, DIP, 'contradicted'),
        ('increasing', {'along': 'x'}, [0.3] * 5, 'inconclusive'),
        ('increasing', {'along': 'x'}, [0.1, 0.2], 'supported'),
        ('increasing', {'along': '1-x'}, SLOPE, 'contradicted'),
        ('decreasing', {'along': 'x'}, SLOPE[::-1], 'supported'),
        ('decreasing', {'along': 'x'}, SLOPE, 'contradicted'),
        ('decreasing', {'along': 'x'}, [0.3] * 5, 'inconclusive'),
        ('optimum', OPTIMUM, HUMP, 'supported'),
        ('optimum', OPTIMUM, SLOPE, 'contradicted'),
        ('optimum', OPTIMUM, [0.3] * 5, 'inconclusive'),
        ('optimum', {**OPTIMUM, 'goal': 'min'}, HUMP, 'contradicted'),
        ('peak', {'along': 'x'}, HUMP, 'supported'),
        ('peak', {'along': 'x'}, SLOPE, 'contradicted'),
        ('peak', {'along': 'x'}, [0.3] * 5, 'inconclusive'),
        ('peak', {'along': 'x', 'goal': 'min'}, [1, 0.5, 1], 'supported'),
        ('level', {**LEVEL, 'direction': 'above'}, [0.5], 'supported'),
        ('level', {**LEVEL, 'direction': 'above'}, [0.1], 'contradicted'),
        ('level', {**LEVEL, 'direction': 'above'}, [0.2], 'inconclusive'),
        ('level', {**LEVEL, 'direction': 'below'}, [0.1], 'supported'),
        ('level', {**LEVEL, 'direction': 'equal', 'margin': 0.05}, [0.2], 'supported'),
        ('level', {**LEVEL, 'direction': 'equal', 'margin': 0.05}, [0.5], 'contradicted'),
        ('published', PUBLISHED, [0.5], 'supported'),
        ('published', PUBLISHED, [0.7], 'contradicted'),
        ('published', PUBLISHED, [0.55], 'inconclusive'),
        ('share', {**LEVEL, 'direction': 'above'}, [0.5], 'supported'),
        ('share', {**LEVEL, 'direction': 'above'}, [0.1], 'contradicted'),
        ('share', {**LEVEL, 'direction': 'above'}, [0.2], 'inconclusive'),
        ('share', {**LEVEL, 'direction': 'equal', 'margin': 0.1}, [0.25], 'supported'),
        ('share', {**LEVEL, **ARMS, 'direction': 'below'}, [0.1, 0.3], 'supported'),
        ('share', {**LEVEL, **ARMS, 'direction': 'below'}, [0.3, 0.3], 'inconclusive'),
    ],
)
@pytest.mark.parametrize('n', [6, 20])
def test_verdicts(kind, given, means, expected, n):
    verdict = verdict_on(claim(kind, **given), results_of(means, n))
    assert verdict.verdict == expected
    assert verdict.n == n
    assert verdict.dropped == 0
    assert verdict.p_adjusted == verdict.p
    assert (verdict.p <= 0.05) == (expected != 'inconclusive')


def test_a_difference_in_numbers():
    noise = np.array([[0.1, 0.2, 0.3], [0.0, 0.0, 0.0]])
    verdict = verdict_on(claim('greater', **ARMS), results_of([0, 0], 3, noise=noise))
    assert verdict.effect == pytest.approx(0.2)
    assert (verdict.low, verdict.high) == pytest.approx((0.2 - 0.2484138, 0.2 + 0.2484138))
    assert verdict.p == pytest.approx(0.0741799, abs=1e-6)
    assert verdict.p_permutation == verdict.smallest_permutation_p == 0.25
    assert verdict.seeds_for_permutation == 6
    assert 'with 3 seeds no permutation test can reach 0.05; 6 would' in verdict.note
    assert 'seeds would settle it' in verdict.note


def test_a_trend_in_numbers():
    verdict = verdict_on(claim('decreasing', along='x'), results_of([0.4, 0.3, 0.2]))
    assert verdict.effect == pytest.approx(-0.2)
    assert verdict.low < -0.2 < verdict.high < 0


def test_the_optimum_is_located():
    verdict = verdict_on(claim('optimum', **OPTIMUM), results_of(HUMP))
    assert (verdict.effect, verdict.low, verdict.high) == (2, 2, 2)
    assert 'in 100% of resamples' in verdict.note


def test_the_optimum_needs_more_than_its_share_of_resamples():
    # One setting in range is best in the mean of three noisy seeds: the share alone would say so.
    noise = np.array([[0.0, 0.1, 0.2], [0.21, 0.11, 0.25], [0.1, 0.0, 0.1]])
    verdict = verdict_on(
        claim('optimum', along='x', within=[1, 1]), results_of([0] * 3, 3, noise=noise)
    )
    assert 'in 100% of resamples' in verdict.note
    assert verdict.verdict == 'inconclusive'


def test_conditions_average_settings_and_where_restricts():
    extra = [{'bn': k % 2 == 1} for k in range(4)]
    results = results_of([0.1, 0.2, 0.3, 0.6], extra=extra)
    verdict = verdict_on(claim('greater', a={'bn': True}, b={'bn': False}), results)
    assert verdict.effect == pytest.approx(0.2)
    where = {'a': {'bn': True}, 'b': {'bn': False}, 'where': {'x': [2, 3]}}
    assert verdict_on(claim('greater', **where), results).effect == pytest.approx(0.3)


def test_a_trend_of_a_contrast():
    # With batch norm the metric rises with the size, without it rises faster.
    extra = [{'size': (8, 16, 32)[k // 2], 'bn': k % 2 == 1} for k in range(6)]
    results = results_of([0.1, 0.1, 0.3, 0.2, 0.5, 0.3], extra=extra)
    contrast = {'along': 'size', 'a': {'bn': True}, 'b': {'bn': False}}
    verdict = verdict_on(claim('decreasing', **contrast), results)
    assert verdict.verdict == 'supported'
    assert verdict.effect == pytest.approx(-0.2)
    with_bn = claim('increasing', along='size', a={'bn': True})
    assert verdict_on(with_bn, results).verdict == 'supported'


def test_the_gap_is_derived():
    verdict = verdict_on(claim('greater', **ARMS, metric='gap_loss'), results_of([0.4, 0.5]))
    assert verdict.effect == pytest.approx(0.1)  # gap = 1 − accuracy here
    assert verdict.verdict == 'supported'


def curve_results(rises, n=6, **given):
    """Setting k rises by rises[k] an epoch, from 0, for 10 epochs; seeds start a little apart."""
    epochs = np.arange(1, 11)
    curve = (
        np.asarray(rises, float)[:, None, None] * epochs
        + 0.3 * centred(NOISE[: len(rises), :n])[..., None]
    )
    return results_of([0.5] * len(rises), n, curves={'validation_accuracy': curve}, **given)


def sooner(**given):
    return claim('sooner', **ARMS, metric='validation_accuracy', **given)


def test_sooner_counts_epochs():
    # 0.52 is reached at 0.1 an epoch in epoch 6, at 0.06 in epoch 9.
    verdict = verdict_on(sooner(level=0.52), curve_results([0.1, 0.06]))
    assert verdict.effect == 3
    assert verdict.verdict == 'supported'  # by sign flips: 2/2⁶
    assert verdict.p == 2 / 64
    assert 'censored' not in verdict.note
    assert 'sign-flip p decides' in verdict.note
    assert verdict_on(sooner(level=0.52), curve_results([0.06, 0.1])).verdict == 'contradicted'
    assert verdict_on(sooner(level=0.52), curve_results([0.1, 0.1])).verdict == 'inconclusive'


def test_sooner_censors_runs_that_never_reach_the_level():
    verdict = verdict_on(sooner(level=0.52), curve_results([0.1, 0.01]))
    assert verdict.effect == 11 - 6
    assert verdict.n == 6
    assert 'censored: 0 of 6 runs of a and 6 of 6 of b never reach 0.52' in verdict.note


def test_sooner_censors_runs_that_diverge_before_the_level():
    results = curve_results([0.1, 0.06], diverged=[(1, 0)])
    results.curves['validation_accuracy'][1, 0, 3:] = np.nan
    verdict = verdict_on(sooner(level=0.52), results)
    assert (verdict.n, verdict.dropped) == (6, 0)
    assert verdict.effect == pytest.approx((5 * 3 + 5) / 6)
    assert '1 of 6 of b never reach' in verdict.note


def test_sooner_to_the_common_level():
    # b's best is 0.06 · 10 = 0.6, which a reaches in epoch 6 (or 7, by its start).
    verdict = verdict_on(sooner(), curve_results([0.1, 0.0601]))
    assert 3 <= verdict.effect <= 4
    assert verdict.verdict == 'supported'
    results = curve_results([0.1, 0.06], diverged=[(1, 0)])
    assert verdict_on(sooner(), results).dropped == 1


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


def test_a_diverged_run_takes_its_seed_out_and_is_told():
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


def test_a_missing_run_is_told_apart_from_a_diverged_one():
    results = results_of([0.6, 0.5])
    results.finals['test_accuracy'][0, 2] = np.nan
    verdict = verdict_on(claim('greater', **ARMS), results)
    assert verdict.dropped == 1
    assert '1 seed omitted because a run has no value' in verdict.note


def same_but(k, s, by):
    """Three settings alike in every seed, but for one run."""
    results = results_of([0.5, 0.5, 0.5], noise=np.tile(NOISE[:1, :6], (3, 1)))
    results.finals['test_accuracy'][k, s] += by
    return results


def test_identical_is_so_or_not_whatever_the_number_of_seeds():
    same = claim('identical', a={'x': [0, 1]}, b={'x': 2})
    verdict = verdict_on(same, same_but(0, 0, 0.0))
    assert (verdict.verdict, verdict.effect, verdict.n) == ('supported', 0.0, 6)
    assert math.isnan(verdict.p_adjusted)
    assert 'largest difference' in verdict.what
    for k in range(3):
        verdict = verdict_on(same, same_but(k, 4, 1e-15))
        assert verdict.verdict == 'contradicted'
        assert 0 < verdict.effect < 1e-14
    verdict = verdict_on(same, results_of([0.5, 0.5, 0.5], diverged=[(0, s) for s in range(6)]))
    assert (verdict.verdict, verdict.n) == ('inconclusive', 0)


def test_identical_takes_nothing_from_the_other_claims():
    results = results_of([0.512, 0.5])
    one, same = claim('greater', **ARMS), claim('identical', **ARMS)
    alone = verdict_on(one, results)
    found = claims.evaluate([same, one, same], results)
    assert found[1] == alone
    assert [verdict.verdict for verdict in found] == ['contradicted', 'supported', 'contradicted']
    assert claims.seeds_needed([same, one], results)[0] is None


@pytest.mark.parametrize(
    ('values', 'verdict'),
    [
        ([1, 4, 5, 9], 'supported'),
        ([1, 4, 4, 9], 'supported'),
        ([1, 5, 4, 9], 'contradicted'),  # though its slope is positive
        ([4, 4, 4, 4], 'contradicted'),
        ([9, 5, 4, 1], 'contradicted'),
    ],
)
def test_an_exact_trend_has_no_step_the_other_way(values, verdict):
    exact = dataclasses.replace(final_of('parameters', np.array(values)[:, None]), exact=True)
    rises = claim('increasing', along='x', metric='parameters')
    assert verdict_on(rises, exact).verdict == verdict
    mirrored = {**exact.finals, 'parameters': -exact.finals['parameters']}
    falls = claim('decreasing', along='x', metric='parameters')
    assert verdict_on(falls, dataclasses.replace(exact, finals=mirrored)).verdict == verdict


def test_a_share_counts_runs_where_a_mean_is_that_of_the_stuck_one():
    """Three settings, of which one gets stuck in three of eight seeds."""
    values = np.full((3, 8), 0.95)
    values[0, :3] = 0.1
    results = results_of([0.0] * 3, 8, noise=values)
    stuck = {'level': 0.9, 'direction': 'below'}
    verdict = verdict_on(claim('share', a={'x': 0}, b={'x': (1, 2)}, **stuck), results)
    assert verdict.measured == {'x 0': 0.375, 'x 1 or 2': 0.0}
    assert verdict.effect == 0.375
    assert verdict.p == 0.25  # the flips of three seeds: 2 of 8
    verdict = verdict_on(claim('share', a={'x': (0, 1, 2)}, **stuck), results)
    assert verdict.effect == pytest.approx(1 / 8)
    assert verdict.verdict == 'contradicted'
    with pytest.raises(UserError, match='margin must be a number'):
        verdict_on(claim('share', level=0.9, direction='equal'), results)


@pytest.mark.parametrize('kind', [kind for kind in KINDS if kind != 'identical'])
@pytest.mark.parametrize('left', [0, 1])
def test_too_few_seeds_are_inconclusive(kind, left):
    diverged = [(k, s) for k in range(3) for s in range(2 - left)]
    results = results_of([0.1, 0.2, 0.3], 2, diverged=diverged)
    results.curves['test_accuracy'] = np.full((3, 2, 4), np.nan)
    results.curves['test_accuracy'][:, 2 - left :] = 0.5
    verdict = verdict_on(claim(kind, **SMALLEST[kind]), results)
    assert verdict.verdict == 'inconclusive'
    assert verdict.n == left
    assert math.isnan(verdict.p)
    assert 'at least two are needed' in verdict.note
    json.dumps(verdict.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ('metric', 'by'), [('test_accuracy', '5.00 points'), ('weight_norm', '0.05')]
)
def test_a_step_the_other_way_is_told_in_the_unit_of_the_metric(metric, by):
    results = final_of(metric, [[0.1] * 8, [0.3] * 8, [0.25] * 8])
    verdict = verdict_on(claim('increasing', along='x', metric=metric), results)
    assert f'it goes the other way from 1 to 2 (by {by})' in verdict.note


def test_divergence_itself_can_be_claimed():
    diverged = [(2, s) for s in range(6)]
    results = results_of([0.1, 0.2, 0.3], diverged=diverged)
    more = claim('greater', a={'x': 2}, b={'x': 0}, metric='diverged')
    verdict = verdict_on(more, results)
    assert (verdict.effect, verdict.n, verdict.dropped) == (1.0, 6, 0)
    assert verdict.verdict == 'supported'
    assert verdict.p == 2 / 64


def final_of(metric, values):
    """Results with one more final metric, [K, S]."""
    values = np.asarray(values, float)
    results = results_of([0.5] * len(values), values.shape[1])
    return dataclasses.replace(results, finals={**results.finals, metric: values})


def test_the_metric_says_how_coarse_it_is():
    # By Student's t p = 0.025: ties in whole epochs make the sample variance too small.
    epochs = final_of('stop_epoch', [[6, 6, 6, 6, 5, 5], [5] * 6])
    later = verdict_on(claim('greater', **ARMS, metric='stop_epoch'), epochs)
    d = np.array([1.0, 1, 1, 1, 0, 0])
    assert later.p == statistics.Test(grain=1.0).differs(d) > 0.05
    assert later.verdict == 'inconclusive'
    assert later.low < 0 < later.high
    # The same numbers of a metric that is not rounded are significant.
    fine = final_of('weight_norm', [[6, 6, 6, 6, 5, 5], [5] * 6])
    assert verdict_on(claim('greater', **ARMS, metric='weight_norm'), fine).p < 0.03
    # Runs that a rule stops or does not.
    stopped = final_of('stopped', [[1, 1, 1, 1, 0, 0], [0] * 6])
    more = verdict_on(claim('greater', **ARMS, metric='stopped'), stopped)
    assert more.p == more.p_permutation == 8 / 64


def test_the_epochs_of_one_arm_carry_the_rounding_of_one_number():
    epochs = final_of('stop_epoch', [[6, 6, 6, 6, 5, 5]])
    late = claim('level', a={'x': 0}, metric='stop_epoch', level=5.0, direction='above')
    verdict, d = verdict_on(late, epochs), np.array([1.0, 1, 1, 1, 0, 0])
    plain = statistics.single_interval(d)
    wider = math.sqrt((d.var(ddof=1) + 1 / 12) / d.var(ddof=1))
    assert verdict.high - verdict.low == pytest.approx(wider * (plain[1] - plain[0]))
    assert verdict.p > statistics.Test('single').differs(d)


def test_seeds_without_variance_need_enough_of_them():
    flat = np.zeros((1, 6))
    few = flat[:, :3]
    chance = claim('level', a={'x': 0}, level=0.1, direction='equal', margin=0.02)
    three = verdict_on(chance, results_of([0.1], 3, noise=few))
    assert (three.verdict, three.p) == ('inconclusive', 0.125)
    assert math.isnan(three.low)  # an interval of no width would contradict the verdict
    assert math.isnan(three.high)
    assert 'the seeds do not differ' in three.note
    six = verdict_on(chance, results_of([0.1], 6, noise=flat))
    assert (six.verdict, six.low, six.high) == ('supported', 0.1, 0.1)


def test_holm_decides():
    results = results_of([0.512, 0.5])
    one = claim('greater', **ARMS)
    alone = verdict_on(one, results)
    assert 0.01 < alone.p <= 0.05
    assert alone.verdict == 'supported'
    among = claims.evaluate([one] * 6, results)[0]
    assert among.verdict == 'inconclusive'
    assert among.p_adjusted == pytest.approx(6 * alone.p)
    assert 'not among 6 claims (Holm)' in among.note


SMALL = {'smallest': 0.05}


@pytest.mark.parametrize(
    ('kind', 'given', 'means', 'expected'),
    [
        ('greater', ARMS, [0.5, 0.5], 'negligible'),
        ('greater', ARMS, [0.47, 0.5], 'negligible'),  # significant, but of no matter
        ('greater', ARMS, [0.7, 0.5], 'supported'),
        ('greater', ARMS, [0.3, 0.5], 'contradicted'),
        ('greater', ARMS, [0.552, 0.5], 'supported'),
        ('less', ARMS, [0.5, 0.5], 'negligible'),
        ('less', ARMS, [0.7, 0.5], 'contradicted'),
        ('increasing', {'along': 'x'}, [0.3] * 5, 'negligible'),
        ('increasing', {'along': 'x'}, [0.3, 0.4], 'supported'),
        ('increasing', {'along': 'x'}, [0.3, 0.3], 'negligible'),
        # A hump has no slope, and yet it matters where one is.
        ('increasing', {'along': 'x'}, HUMP, 'contradicted'),
        ('decreasing', {'along': 'x'}, [0.3, 0.32, 0.31], 'negligible'),
        ('level', {**LEVEL, 'direction': 'above'}, [0.2], 'negligible'),
        ('level', {**LEVEL, 'direction': 'above'}, [0.5], 'supported'),
        ('level', {**LEVEL, 'direction': 'below'}, [0.5], 'contradicted'),
    ],
)
@pytest.mark.parametrize('n', [6, 20])
def test_less_than_what_matters_is_negligible(kind, given, means, expected, n):
    verdict = verdict_on(claim(kind, **given, **SMALL), results_of(means, n))
    assert verdict.verdict == expected
    assert ('two one-sided tests' in verdict.note) == (expected == 'negligible')
    if expected == 'negligible' and kind in ('greater', 'less', 'level'):
        assert verdict.low - (kind == 'level') * 0.2 > -0.05
        assert verdict.high - (kind == 'level') * 0.2 < 0.05


def test_a_negligible_difference_in_numbers():
    noise = np.array([[0.01, 0.02, 0.03, 0.02], [0.0, 0.0, 0.0, 0.0]])
    results = results_of([0, 0], 4, noise=noise)
    verdict = verdict_on(claim('greater', **ARMS, smallest=0.05), results)
    d = noise[0]
    both = [stats.ttest_1samp(d, end, alternative=side).pvalue
            for end, side in ((-0.05, 'greater'), (0.05, 'less'))]  # fmt: skip
    assert verdict.p == verdict.p_adjusted == pytest.approx(max(both))
    assert verdict.verdict == 'negligible'
    assert 'less than 5.00 points either way, though significantly as claimed' in verdict.note
    # With a smallest difference that it may exceed it is open, or what it is without one.
    assert verdict_on(claim('greater', **ARMS, smallest=0.025), results).verdict == 'supported'
    assert verdict_on(claim('greater', **ARMS), results).verdict == 'supported'


def test_sooner_by_less_than_matters_is_negligible():
    results = curve_results([0.1, 0.1], 20)
    verdict = verdict_on(sooner(level=0.52, smallest=2.0), results)
    assert verdict.verdict == 'negligible'
    assert 'less than 2 epochs either way' in verdict.note
    assert verdict_on(sooner(level=0.52, smallest=2.0), curve_results([0.1, 0.05], 20)).effect > 2


def test_holm_holds_for_negligible_too():
    results = results_of([0.516, 0.5], 6)
    one = claim('greater', **ARMS, smallest=0.026)
    alone = verdict_on(one, results)
    assert alone.verdict == 'negligible'
    assert 0.01 < alone.p <= 0.05
    among = claims.evaluate([one, *[claim('less', **ARMS)] * 5], results)[0]
    assert among.verdict != 'negligible'


def test_exact_results_may_be_negligible():
    exact = dataclasses.replace(final_of('parameters', [[100.0], [101.0]]), exact=True)
    less = claim('less', **ARMS, metric='parameters')
    assert verdict_on(less, exact).verdict == 'supported'
    assert verdict_on(dataclasses.replace(less, smallest=2.0), exact).verdict == 'negligible'
    assert verdict_on(dataclasses.replace(less, smallest=1.0), exact).verdict == 'supported'


def test_an_experiment_may_say_what_matters_by_metric():
    mine = claim('less', **ARMS, smallest=0.2)
    margin = claim('greater', **ARMS, margin=0.1)
    loss = claim('less', **ARMS, metric='train_loss')
    peak = claim('peak', along='x')
    every = [claim('greater', **ARMS), mine, margin, loss, peak]
    filled = claims.with_smallest(every, {'test_accuracy': 0.01})
    assert [one.smallest for one in filled] == [0.01, 0.2, None, None, None]
    with pytest.raises(UserError, match=r"'test_acuracy'; did you mean 'test_accuracy'"):
        claims.with_smallest(every, {'test_acuracy': 0.01})
    with pytest.raises(UserError, match='smallest: no claim that may be negligible'):
        claims.with_smallest([peak], {'test_accuracy': 0.01})


def test_to_dict_is_json_and_complete():
    results = results_of([0.5], diverged=[(0, s) for s in range(6)])
    kept = verdict_on(claim('published', **PUBLISHED), results).to_dict()
    assert kept['effect'] is None
    assert kept['published'] == {'report': 0.5}
    assert kept['claim']['source'] == 'TEST §1'
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept


def test_a_side_may_be_pairs_of_values():
    extra = [{'y': 0}, {'y': 1}, {'y': 0}]
    results = results_of([0.9, 0.1, 0.5], extra=extra)
    others = {'x + y': ((1, 1), (2, 0))}
    found = verdict_on(claim('greater', a={'x + y': ((0, 0),)}, b=others), results)
    assert found.effect == pytest.approx(0.9 - 0.3)


def _simulation():
    path = pathlib.Path(__file__).parents[2] / 'benchmarks' / 'claims_error_rates.py'
    spec = importlib.util.spec_from_file_location('claims_error_rates', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SIMULATION = _simulation()
COUNT = 100
# What 100 experiments that err in exactly 5% of cases stay below, but for once in 5,000.
BOUND = 0.05 + 3.5 * math.sqrt(0.05 * 0.95 / COUNT)


@pytest.mark.parametrize('n', [SIMULATION.SEEDS[0], SIMULATION.SEEDS[-1]])
@pytest.mark.parametrize('shape', SIMULATION.SHAPES)
@pytest.mark.parametrize('name', SIMULATION.EXPERIMENTS)
def test_experiments_without_effect_err_in_five_percent(name, shape, n):
    names = SIMULATION.EXPERIMENTS[name]
    assert SIMULATION.error_rate(names, shape, n, COUNT) <= BOUND


@pytest.mark.parametrize('shape', ['normal', 'log-normal'])
@pytest.mark.parametrize('name', ['greater', 'increasing', 'level (one arm)'])
def test_single_claims_without_effect_err_in_five_percent(name, shape):
    for n in (3, 10):
        assert SIMULATION.error_rate([name], shape, n, COUNT) <= BOUND


def test_true_claims_are_found():
    assert SIMULATION.power('greater', 4.0, 6, 50) > 0.9
    assert SIMULATION.power('peak', 4.0, 10, 50) > 0.9


NAMED = {'model.norm=batch': 'with BN', 'model.norm=none': 'without BN'}


def test_a_peak_shows_the_point_that_decides_it():
    # x = 1 is the highest on average, by one seed; x = 2 is above both ends in every seed.
    results = results_of([0.5] * 4)
    rises = [[0] * 6, [0.6, 0, 0, 0, 0, 0], [0.05, 0.06, 0.04, 0.05, 0.06, 0.05], [0.01] * 6]
    results.finals['test_accuracy'] = 0.5 + np.asarray(rises)
    verdict = verdict_on(claim('peak', along='x'), results)
    assert verdict.verdict == 'supported'
    assert '(at x 2)' in verdict.what
    assert verdict.effect == pytest.approx(np.mean(rises[2]) - 0.01)
    assert 0 < verdict.low < verdict.effect < verdict.high


def test_verdicts_speak_the_words_of_the_config():
    extra = [{'model.norm': 'batch'}, {'model.norm': 'none'}]
    results = results_of([0.6, 0.5], extra=extra, diverged=[(1, 0)])
    sides = {'a': extra[0], 'b': extra[1]}
    one = claim('greater', **sides)
    plain = verdict_on(one, results)
    assert plain.what == ('test accuracy: batch norm minus without normalisation')
    results = dataclasses.replace(results, names=NAMED)
    verdict = verdict_on(one, results)
    assert verdict.what == 'test accuracy: with BN minus without BN'
    assert 'a run diverged (x 1, without BN: 1)' in verdict.note
    assert list(verdict.measured) == ['with BN', 'without BN']
    assert verdict.measured['with BN'] - verdict.measured['without BN'] == pytest.approx(
        verdict.effect
    )


def test_several_fields_are_told_by_the_one_word_that_the_config_has_for_them():
    extra = [{'data.standardise': kind, 'data.scale': 1.0} for kind in ('none', 'channel')]
    names = {
        'data.standardise + data.scale': 'data',
        "data.standardise + data.scale=('none', 1.0)": 'raw',
    }
    results = dataclasses.replace(
        results_of([0.6, 0.5], extra=extra, diverged=[(0, 0)]), names=names
    )
    verdict = verdict_on(claim('greater', a=extra[0], b={**extra[1], 'x': (1, 2)}), results)
    assert verdict.what == (
        'test accuracy: raw minus inputs standardised by channel, scale of the inputs 1, x 1 or 2'
    )
    assert '(x 0, raw: 1)' in verdict.note
    hidden = [{'model.hidden': (50, 50)}, {'model.hidden': (9,)}]  # a value, not alternatives
    verdict = verdict_on(
        claim('greater', **ARMS), results_of([0.6, 0.5], extra=hidden, diverged=[(0, 0)])
    )
    assert 'hidden units 50, 50: 1' in verdict.note


def test_a_trend_names_its_field_and_its_ends():
    results = dataclasses.replace(results_of(SLOPE), names={'1-x': 'keep'})
    verdict = verdict_on(claim('decreasing', along='1-x'), results)
    assert 'fitted change from keep −3 to 1' in verdict.what
    assert verdict.measured == pytest.approx({'keep −3': 0.5, 'keep 1': 0.1})
    sooner_one = verdict_on(sooner(level=0.52), curve_results([0.1, 0.06]))
    assert sooner_one.measured == {'x 0': 6, 'x 1': 9}
    assert 'epochs until' in sooner_one.what
    assert 'x 1 minus x 0' in sooner_one.what
