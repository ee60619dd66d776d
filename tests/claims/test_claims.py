"""Claims of every kind on results made so that the verdict is known."""

import dataclasses
import json
import math

import numpy as np
import pytest
from claim_cases import (
    ARMS,
    DIP,
    HUMP,
    LEVEL,
    NOISE,
    OPTIMUM,
    PUBLISHED,
    SLOPE,
    SMALLEST,
    claim,
    final_of,
    results_of,
    verdict_on,
)

from jaxtweaks.base.errors import UserError
from jaxtweaks.claims import claims, remarks, statistics
from jaxtweaks.claims.claim import KINDS, Open


@pytest.mark.parametrize(
    ('kind', 'given'),
    [('peak', {'along': 'x'}), ('optimum', {'along': 'x', 'within': [1, 1]})],
)
def test_one_huge_point_of_a_curve_makes_the_others_no_constants(kind, given):
    small = results_of([0.3, 0.5, 0.3, 0.2], 5)
    one, far = claim(kind, **given), -1e6 * (1 + NOISE[5, :5])
    huge = final_of('test_accuracy', np.vstack([small.final('test_accuracy')[:3], far]))
    with_huge, without = verdict_on(one, huge), verdict_on(one, small)
    assert with_huge.verdict == without.verdict == 'supported'
    assert with_huge.p == pytest.approx(without.p, rel=0.1)
    assert with_huge.p < 2 / 2**5  # which is as little as sign flips can have


@pytest.mark.parametrize('kind', ['increasing', 'decreasing'])
def test_a_step_next_to_a_huge_one_is_tested_by_its_own_scale(kind):
    sign = 1 if kind == 'increasing' else -1
    rows = sign * (np.array([[0.5], [0.2], [1e6]]) + NOISE[:3, :5])
    assert verdict_on(claim(kind, along='x'), final_of('test_accuracy', rows)).verdict == (
        'contradicted'
    )


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
    assert 'permutation' not in verdict.note  # no sign flips decide
    assert 'seeds would settle it' in verdict.note


def test_a_trend_in_numbers():
    verdict = verdict_on(claim('decreasing', along='x'), results_of([0.4, 0.3, 0.2]))
    assert verdict.effect == pytest.approx(-0.2)
    assert verdict.low < -0.2 < verdict.high < 0


def test_the_optimum_is_located():
    verdict = verdict_on(claim('optimum', **OPTIMUM), results_of(HUMP))
    assert (verdict.effect, verdict.low, verdict.high) == (2, 2, 2)
    assert 'in 100% of resamples' in verdict.note


@pytest.mark.parametrize(('means', 'end'), [([0.456, 0.599, 0.5], 0), ([0.5, 0.599, 0.456], 2)])
@pytest.mark.parametrize('goal', ['max', 'min'])
def test_a_peak_says_which_end_it_is_compared_with(means, end, goal):
    """The noisy end is the farther one, and yet the one that is beaten least clearly."""
    swings = np.array([1.0, -1, 1, -1, 1, -1])
    noise = np.zeros((3, 6))
    noise[1], noise[end] = 0.005 * np.roll(np.sort(swings), 1), 0.1 * swings
    sign = 1 if goal == 'max' else -1
    results = results_of([sign * mean for mean in means], noise=sign * noise)
    verdict = verdict_on(claim('peak', along='x', goal=goal), results)
    assert verdict.verdict == 'supported'
    assert verdict.effect == pytest.approx(0.143)  # to the other end 0.099
    assert (verdict.low + verdict.high) / 2 == pytest.approx(0.143)
    side = 'above' if goal == 'max' else 'below'
    assert verdict.what.endswith(
        f'(at x 1) is {side} the end that it beats least clearly (at x {end})'
    )
    # Where both are beaten alike, it is the better one.
    alike = results_of([0.2, 0.5, 0.3], noise=np.zeros((3, 6)))
    assert verdict_on(claim('peak', along='x'), alike).what.endswith('least clearly (at x 2)')


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


def test_two_guesses_are_not_identical_runs():
    lost = lambda runs: dataclasses.replace(
        results_of([0.5, 0.7], diverged=runs), guesses={'accuracy': 0.5}
    )
    same, seeds = claim('identical', **ARMS), range(6)
    every = lost([(k, s) for k in (0, 1) for s in seeds])
    verdict = remarks.remarked(verdict_on(same, every), every)
    assert (verdict.verdict, verdict.n, verdict.dropped) == ('inconclusive', 0, 6)
    assert '6 seeds omitted because a run diverged (x 0: 6; x 1: 6)' in verdict.note
    assert 'as guessing' not in verdict.note
    # Seeds of which no run diverged are compared, and those alone.
    some = lost([(0, 0), (1, 0), (1, 1)])
    some.finals['test_accuracy'][1] = some.finals['test_accuracy'][0]
    verdict = verdict_on(same, some)
    assert (verdict.verdict, verdict.n, verdict.dropped) == ('supported', 4, 2)
    # That the same runs diverge can be claimed: it is no guess.
    one = claim('identical', metric='diverged', **ARMS)
    assert verdict_on(one, every).verdict == 'supported'
    assert verdict_on(one, some).verdict == 'contradicted'


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
    # In three seeds one run of three is stuck, and it is a's: 1/27, and for either side 2/27.
    assert verdict.p == pytest.approx(2 / 27)
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
def test_a_step_the_other_way_is_reported_in_the_unit_of_the_metric(metric, by):
    results = final_of(metric, [[0.1] * 8, [0.3] * 8, [0.25] * 8])
    verdict = verdict_on(claim('increasing', along='x', metric=metric), results)
    note = remarks.remarked(verdict, results).note
    assert f'it goes the other way from 1 to 2 by {by}' in note


def test_divergence_itself_can_be_claimed():
    diverged = [(2, s) for s in range(6)]
    results = results_of([0.1, 0.2, 0.3], diverged=diverged)
    more = claim('greater', a={'x': 2}, b={'x': 0}, metric='diverged')
    # Seeds that a setting was spared did not fail to diverge: they are not there.
    spared = results_of([0.1, 0.2, 0.3], diverged=diverged)
    for values in spared.finals.values():
        values[0, 3:] = np.nan
    assert verdict_on(more, spared).n == 3
    verdict = verdict_on(more, results)
    assert (verdict.effect, verdict.n, verdict.dropped) == (1.0, 6, 0)
    assert verdict.verdict == 'supported'
    assert verdict.p == pytest.approx(2 / 64)


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
    assert more.p == more.p_permutation == pytest.approx(2 / 16)  # of four seeds that differ


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
    among = remarks.remarked(among, results)
    assert among.open_because == (Open.CORRECTED,)
    assert 'asked alone it would be settled (p ' in among.note


def test_claims_that_cannot_be_tested_yet_count_among_all():
    results = results_of([0.512, 0.5])
    one, same = claim('greater', **ARMS), claim('identical', **ARMS)
    alone = verdict_on(one, results)
    # Nine others wait; one of 'identical' does not count now, and will not later.
    (first,) = claims.evaluate([one], results, waiting=[*[claim('less', **ARMS)] * 9, same])
    assert first.p == alone.p
    assert first.p_adjusted == pytest.approx(10 * alone.p)
    assert (alone.verdict, first.verdict) == ('supported', 'inconclusive')
    # Of two the smaller p has all ten to count, the larger one nine.
    pair = [claim('greater', a={'x': 0}, b={'x': x}) for x in (1, 2)]
    two = claims.evaluate(pair, results_of([0.512, 0.5, 0.3]), waiting=[one] * 8)
    assert two[1].p < two[0].p
    expected = [min(1, 9 * two[0].p), 10 * two[1].p]
    assert [each.p_adjusted for each in two] == pytest.approx(expected)


def test_a_side_may_be_pairs_of_values():
    extra = [{'y': 0}, {'y': 1}, {'y': 0}]
    results = results_of([0.9, 0.1, 0.5], extra=extra)
    others = {'x + y': ((1, 1), (2, 0))}
    found = verdict_on(claim('greater', a={'x + y': ((0, 0),)}, b=others), results)
    assert found.effect == pytest.approx(0.9 - 0.3)
