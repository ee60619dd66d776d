"""The seeds that are said to settle a claim do so in experiments drawn independently."""

from unittest import mock

import numpy as np
import pytest
from scipy import stats

from jaxtweaks.claims import claims, power, statistics
from jaxtweaks.claims.claim import Claim
from jaxtweaks.results.results import Results

ARMS = {'a': {'x': 1}, 'b': {'x': 0}}


def results_of(values):
    """Results whose settings x = 0, 1, … have these test accuracies, [K, S]."""
    values = np.asarray(values, float)
    return Results(
        settings=tuple({'x': x} for x in range(len(values))),
        seeds=np.arange(values.shape[1]),
        epochs=np.arange(1, 3),
        curves={},
        finals={'test_accuracy': values},
        confusion=np.zeros((*values.shape, 2, 2), int),
        chosen_epoch=np.full(values.shape, 2),
        diverged_at=np.full(values.shape, -1),
        classes=('no', 'yes'),
        label_counts={},
        data_label='made up',
        fallback=False,
    )


def claim(kind, **given):
    return Claim(
        sentence='so it is', source='TEST', kind=kind, metric='test_accuracy', **ARMS | given
    )


def found(kind, values, **given):
    return claims.find(claim(kind, **given), results_of(values))


def pilot(means, std, seeds=5):
    """Values [K, seeds] of exactly these means and standard deviation, uncorrelated as can be."""
    noise = np.random.default_rng(0).standard_normal((len(means), seeds))
    noise -= noise.mean(axis=1, keepdims=True)
    if len(means) < seeds:
        noise = np.linalg.svd(noise, full_matrices=False)[2]
    noise /= noise.std(axis=1, ddof=1, keepdims=True)
    return np.asarray(means)[:, None] + std * noise


def paired_power(effect, std, n, alpha):
    """Of the two-sided paired t test, by the noncentral t distribution."""
    critical = stats.t.ppf(1 - alpha / 2, n - 1)
    return stats.nct.sf(critical, n - 1, effect / std * np.sqrt(n))


@pytest.mark.parametrize('alpha', [0.05, 0.01])
@pytest.mark.parametrize('effect', [0.6, 1.2])
def test_a_difference_needs_what_the_noncentral_t_distribution_says(effect, alpha):
    needed = power.need(found('greater', pilot([0, effect], 0.5)), alpha)
    std = 0.5 * np.sqrt(2)
    exact = next(n for n in range(3, 200) if paired_power(effect, std, n, alpha) >= power.POWER)
    assert needed.seeds == pytest.approx(exact, rel=0.08, abs=1)
    assert needed.verdict == 'supported'
    against = power.need(found('less', pilot([0, effect], 0.5)), alpha)
    assert against == power.Need(needed.seeds, 'contradicted')


@pytest.mark.parametrize('shift', [0.0, 0.4])
def test_an_equivalence_is_settled_in_four_of_five_experiments(shift):
    alpha, margin, std = 0.05 / 3, 1.0, 0.5
    needed = power.need(found('equivalent', pilot([0, shift], std), margin=margin), alpha)
    rng = np.random.default_rng(1)

    def share(n):
        d = rng.normal(shift, std * np.sqrt(2), (20_000, n))
        above = stats.ttest_1samp(d, -margin, axis=1, alternative='greater').pvalue
        below = stats.ttest_1samp(d, margin, axis=1, alternative='less').pvalue
        return np.mean(np.maximum(above, below) <= alpha)

    assert needed.verdict == 'supported'
    assert share(needed.seeds) >= power.POWER - 0.05
    assert share(needed.seeds - 2) < power.POWER


def test_one_arm_needs_more_because_its_test_is_wider():
    values = pilot([0.8], 1.0)
    needed = power.need(found('level', values, a={}, b={}, level=0.0, direction='above'), 0.05)
    rng = np.random.default_rng(2)

    def share(n):
        test = statistics.Test('single')
        return np.mean([test.differs(x) <= 0.05 for x in rng.normal(0.8, 1.0, (400, n))])

    assert share(needed.seeds) >= power.POWER - 0.07
    assert share(int(0.8 * needed.seeds)) < power.POWER
    assert paired_power(0.8, 1.0, needed.seeds, 0.05) > 0.95  # Student's t would do with fewer


# Claims whose test is more than one mean compared with zero: (kind, what else it says, means by x).
CURVES = {
    'trend': ('increasing', {'along': 'x', 'a': {}, 'b': {}}, [0.0, 0.7, 1.4]),
    'optimum': ('optimum', {'along': 'x', 'within': (1, 1), 'a': {}, 'b': {}}, [0.0, 1.6, 0.2]),
    'peak': ('peak', {'along': 'x', 'a': {}, 'b': {}}, [0.0, 1.7, 0.0]),
}


@pytest.mark.parametrize('case', CURVES)
def test_verdicts_on_a_curve_come_as_often_as_planned(case):
    kind, given, means = CURVES[case]
    said = claim(kind, **given)
    needed = power.need(claims.find(said, results_of(pilot(means, 0.8, seeds=8))), 0.05)
    assert needed.verdict == 'supported'
    rng = np.random.default_rng(3)

    def share(n):
        noise = rng.standard_normal((200, len(means), n))
        with mock.patch.object(power, 'need', return_value=None):
            verdicts = [
                claims.evaluate([said], results_of(np.asarray(means)[:, None] + 0.8 * one))[0]
                for one in noise
            ]
        return np.mean([verdict.verdict == 'supported' for verdict in verdicts])

    assert share(needed.seeds) >= power.POWER - 0.09
    assert share(max(3, needed.seeds // 2)) < power.POWER - 0.1


def test_no_difference_is_found_negligible_as_often_as_planned():
    values, smallest = pilot([0, 0.1], 0.5), 0.6
    needed = power.need(found('greater', values, smallest=smallest), 0.05)
    assert needed.verdict == 'negligible'
    assert power.need(found('greater', values), 0.05).seeds > 10 * needed.seeds
    rng = np.random.default_rng(5)

    def share(n):
        d = rng.normal(0.1, 0.5 * np.sqrt(2), (4000, n))
        above = stats.ttest_1samp(d, -smallest, axis=1, alternative='greater').pvalue
        below = stats.ttest_1samp(d, smallest, axis=1, alternative='less').pvalue
        return np.mean(np.maximum(above, below) <= 0.05)

    assert share(needed.seeds) >= power.POWER - 0.04
    assert share(needed.seeds - 2) < power.POWER


def test_without_scatter_sign_flips_set_the_least_number_of_seeds():
    values = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    assert power.need(found('greater', values), 0.05).seeds == 6  # 2/2⁶ = 0.03
    assert power.need(found('greater', np.zeros((2, 3))), 0.05) == power.Need(None, '')


def test_what_cannot_be_planned():
    assert power.need(found('greater', [[0.0], [1.0]]), 0.05) is None
    nothing = found('greater', [[0.0, 0.0, 0.0, 0.0], [1.0, -1.0, 1.0, -1.0]])
    assert power.need(nothing, 0.05) == power.Need(None, '')


def test_several_claims_are_held_to_a_stricter_level():
    results = results_of(pilot([0, 0.6], 0.5))
    (alone,) = claims.seeds_needed([claim('greater')], results)
    among = claims.seeds_needed([claim('greater'), claim('less')], results)
    assert alone.seeds < among[0].seeds == among[1].seeds
    verdicts = claims.evaluate([claim('greater'), claim('less')], results)
    assert f'about {among[0].seeds} seeds would settle it' in verdicts[0].note
    (verdict,) = claims.evaluate([claim('greater')], results_of(pilot([0, 0.001], 0.5)))
    assert 'not even 1,000 seeds would settle it' in verdict.note


def test_the_spread_is_known_as_well_as_the_seeds_allow():
    assert power.spread_known(3) == pytest.approx((0.5207, 6.285), rel=1e-3)
    assert power.spread_known(30) == pytest.approx((0.796, 1.344), rel=1e-2)
