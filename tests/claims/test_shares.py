"""Shares of runs: tests and intervals against SciPy, enumeration and simulation."""

import itertools
import math

import numpy as np
import pytest
from claim_cases import ARMS, claim, final_of, results_of, verdict_on
from scipy import stats

from jaxtweaks.claims import claims as claims_lib
from jaxtweaks.claims import power, settling
from jaxtweaks.claims.shares import Shares

ONE, PAIR = Shares((1,)), Shares((1, 1))


def arms(*shares):
    """By arm the runs of each seed, of which the first so many do it, [A, n]."""
    return np.array([[1.0] * ones + [0.0] * zeros for ones, zeros in shares])


@pytest.mark.parametrize('ones', [0, 2, 5, 8])
def test_one_run_of_a_seed_next_to_one_half_is_a_binomial_test(ones):
    rows = arms((ones, 8 - ones))
    more, less = ONE.more(rows)
    assert more == pytest.approx(stats.binomtest(ones, 8, alternative='greater').pvalue)
    assert less == pytest.approx(stats.binomtest(ones, 8, alternative='less').pvalue)
    exact = stats.binomtest(ones, 8).proportion_ci(0.95, 'exact')
    assert ONE.interval(rows) == pytest.approx((exact.low, exact.high), abs=1e-6)
    exact = stats.binomtest(ones, 8).proportion_ci(0.99, 'exact')
    assert ONE.interval(rows, 0.99) == pytest.approx((exact.low, exact.high), abs=1e-6)


def test_two_runs_of_a_seed_are_mcnemars_exact_test():
    # Seeds: 5 in which only a does it, 1 in which only b does, 4 in which both do.
    rows = np.array([[1.0] * 5 + [0] + [1] * 4, [0.0] * 5 + [1] + [1] * 4])
    more, less = PAIR.more(rows)
    assert more == pytest.approx(stats.binomtest(5, 6, alternative='greater').pvalue)
    assert less == pytest.approx(stats.binomtest(5, 6, alternative='less').pvalue)


def test_arms_of_unequal_size_by_enumeration():
    """Within a seed any of the runs may be called a's."""
    does = np.array([[1, 0, 0, 0], [1, 1, 0, 1], [1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 0, 0]])
    differences = [
        [runs[i] - (sum(runs) - runs[i]) / 3 for i in range(4)] for runs in does.tolist()
    ]
    sums = np.array([sum(one) for one in itertools.product(*differences)])
    seen = sum(one[0] for one in differences)
    rows = np.stack([does[:, 0], does[:, 1:].mean(axis=1)])
    more, less = Shares((1, 3)).more(rows)
    assert more == pytest.approx(np.mean(sums >= seen - 1e-9))
    assert less == pytest.approx(np.mean(sums <= seen + 1e-9))


@pytest.mark.parametrize('counts', [(1, 1), (1, 4), (3, 3)])
@pytest.mark.parametrize('rate', [0.05, 0.2, 0.5])
def test_arms_of_one_rate_seldom_differ(counts, rate):
    """Sign flips of one run against the mean of several erred in up to 10% of cases."""
    rng = np.random.default_rng(0)
    for n in (8, 20):
        rows = np.stack([rng.binomial(k, rate, (1_000, n)) / k for k in counts])
        p = np.array([min(Shares(counts).more(rows[:, k])) for k in range(1_000)])
        assert (p >= 0.5**n * 0.01).all()
        assert np.mean(2 * p <= 0.05) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 1_000)


@pytest.mark.parametrize('rates', [(0.9,), (0.95,), (0.9, 0.2), (0.05, 0.5), (1.0, 0.7)])
@pytest.mark.parametrize('n', [6, 20])
def test_intervals_hold_the_true_share_as_often_as_they_say(rates, n):
    """Those of sign flips held 0.9 in 47% of samples of 6 seeds."""
    rng = np.random.default_rng(1)
    shares = Shares((1,) * len(rates))
    true = rates[0] - sum(rates[1:])
    held = 0
    for _ in range(200):
        rows = rng.binomial(1, np.array(rates)[:, None], (len(rates), n)).astype(float)
        low, high = shares.interval(rows)
        held += low - 1e-9 <= true <= high + 1e-9
        if len(rates) == 2:
            if 2 * min(shares.more(rows)) <= 0.05:
                assert low >= 0 or high <= 0
            else:
                assert low <= 0 <= high
    assert held / 200 >= 0.95 - 2 * math.sqrt(0.95 * 0.05 / 200)


def test_runs_that_do_the_opposite_have_the_wider_interval():
    same = np.array([[1.0, 1, 1, 1, 0, 0, 0, 0], [1.0, 1, 1, 1, 0, 0, 0, 0]])
    low, high = PAIR.interval(same)
    opposite_low, opposite_high = PAIR.interval(np.stack([same[0], 1 - same[1]]))
    assert opposite_low < low < 0 < high < opposite_high
    # Clopper and Pearson's 0.157 to 0.843 of 4 in 8, put together as if independent, and as if not.
    assert high == pytest.approx(math.hypot(0.343, 0.343), abs=1e-3)
    assert opposite_high == pytest.approx(2 * 0.343, abs=1e-3)


def test_one_seed_has_no_interval_and_agreement_is_no_certainty():
    assert all(math.isnan(end) for end in ONE.interval(arms((1, 0))))
    low, high = ONE.interval(arms((6, 0)))
    assert (low, high) == pytest.approx((0.025 ** (1 / 6), 1.0))


def test_many_experiments_meet_nearly_the_exact_test():
    rng = np.random.default_rng(2)
    for counts in ((1,), (1, 1), (1, 3)):
        shares = Shares(counts)
        many = np.stack([rng.binomial(k, 0.4, (40, 20)) / k for k in counts])
        for near, exact in zip(
            np.transpose(shares.more(many)),
            [shares.more(many[:, k]) for k in range(40)],
            strict=True,
        ):
            assert near.tolist() == pytest.approx([float(p) for p in exact], abs=0.02)


def test_shares_without_an_exception_are_not_given_up_at_once():
    """No run of eight diverged in either arm; one in ten may, and 50 seeds would tell."""
    none = results_of([0.1, 0.2, 0.3], 8)
    more = claim('greater', **ARMS, metric='diverged')
    found = claims_lib.find(more, none)
    share = settling.shares()
    assert not settling.hopeless(found, 8, share)
    assert 0 < power.forecast(found, 50, 0.05) < 0.5
    # What they go on from stays as it was, and of equal draws the same comes out.
    samples = found.test.continued(found.rows, 12, 5, 0)
    assert samples.shape == (2, 5, 12)
    assert (samples[:, :, :8] == found.rows[:, None]).all()
    assert set(np.unique(found.test.continued(found.rows, 50, 600, 0))) == {0.0, 1.0}


def test_how_many_seeds_settle_a_share():
    # 6 of 8 against 2 of 8: about as many seeds as McNemar's test wants for 0.75 and 0.25.
    values = np.array([[1.0] * 6 + [0] * 2, [1.0] + [0] * 6 + [1]])
    found = claims_lib.find(claim('greater', **ARMS, metric='stopped'), final_of('stopped', values))
    needed = power.need(found, 0.05)
    assert needed.verdict == 'supported'
    rng = np.random.default_rng(3)

    def settled(n):
        draws = [values[:, rng.integers(8, size=n)] for _ in range(400)]
        return np.mean([2 * min(PAIR.more(rows)) <= 0.05 for rows in draws])

    assert settled(needed.seeds) >= power.POWER - 0.1
    assert settled(needed.seeds // 2) < power.POWER


@pytest.mark.parametrize(('n', 'note'), [(4, True), (6, False)])
def test_too_few_seeds_for_sign_flips_are_said_where_they_decide(n, note):
    results = final_of('stopped', np.array([[1.0] * n, [0.0] * n]))
    verdict = verdict_on(claim('greater', **ARMS, metric='stopped'), results)
    assert ('no permutation test can reach 0.05; 6 would' in verdict.note) == note
    assert verdict.p == pytest.approx(2 / 2**n)
    # A margin is tested from one side: five seeds without any difference are enough.
    alike = final_of('test_loss', np.full((2, n), 0.5))
    verdict = verdict_on(claim('equivalent', **ARMS, metric='test_loss', margin=0.1), alike)
    assert verdict.p == 1 / 2**n
    assert ('no permutation test can reach 0.05; 5 would' in verdict.note) == note
