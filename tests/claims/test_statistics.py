"""Statistics against numbers computed by hand, by brute force, and by SciPy."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from benchmarks import sign_flips
from jaxtweaks.claims import statistics
from jaxtweaks.claims.statistics import Test

D = np.array([1.0, 2.0, 3.0])


def test_student_interval_by_hand():
    # mean 2, sd 1, t(0.975, 2) = 4.302653: 2 ± 4.302653 / √3
    low, high = statistics.paired_interval(D)
    assert (low, high) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-5)


def test_student_p_by_hand():
    # t = 2√3 with 2 degrees of freedom: the tail is ½(1 − t/√(t² + 2)).
    t = 2 * math.sqrt(3)
    tail = 0.5 * (1 - t / math.sqrt(t**2 + 2))
    assert Test().greater(D) == pytest.approx(tail)
    assert Test().differs(D) == pytest.approx(2 * tail)
    assert Test().greater(-D) == pytest.approx(1 - tail)


def test_permutation_p_equals_brute_force():
    d = np.array([0.3, -0.1, 0.7, 0.2, 0.4])
    flips = np.array([np.dot(s, d) for s in itertools.product([1, -1], repeat=5)])
    greater = np.mean(flips >= d.sum() - 1e-12)
    both = np.mean(np.abs(flips) >= abs(d.sum()) - 1e-12)
    assert statistics.permutation_p(d, 'greater') == greater == 2 / 32
    assert statistics.permutation_p(d) == both == 4 / 32


def test_permutation_p_counts_ties():
    assert statistics.permutation_p(np.zeros(4)) == 1.0
    assert statistics.permutation_p(np.full(4, 0.1)) == 2 / 16


def test_drawn_permutation_p_is_near_the_exact_one_and_never_zero():
    d = np.random.default_rng(0).normal(0.4, 1.0, 17)
    all_flips = statistics._all_flips(d)
    exact = np.mean(np.abs(all_flips) >= abs(d.sum()) - 1e-9)
    assert statistics.permutation_p(d) == pytest.approx(exact, abs=0.01)
    assert statistics.permutation_p(np.arange(1.0, 41)) == pytest.approx(1 / 20_000)
    assert statistics.permutation_p(d) == statistics.permutation_p(d)


@pytest.mark.parametrize('alternative', ['two-sided', 'greater'])
def test_sign_flips_of_many_samples_are_those_of_each(alternative):
    d = np.random.default_rng(1).normal(0.3, 1, (3, 20))
    each = [statistics.permutation_p(one, alternative) for one in d]
    assert sign_flips.flips_p(d, alternative) == pytest.approx(each)


@pytest.mark.parametrize(('n', 'p'), [(0, 1.0), (1, 1.0), (3, 0.25), (5, 0.0625), (6, 0.03125)])
def test_smallest_permutation_p(n, p):
    assert statistics.smallest_permutation_p(n) == p


def test_seeds_for_permutation():
    assert statistics.seeds_for_permutation(0.05) == 6
    assert statistics.seeds_for_permutation(0.01) == 8
    assert statistics.smallest_permutation_p(5) > 0.05 >= statistics.smallest_permutation_p(6)


def test_holm_by_hand():
    # sorted 0.01 0.02 0.03 0.04: ×4 ×3 ×2 ×1 = 0.04 0.06 0.06 0.04, made monotone
    adjusted = statistics.holm(np.array([0.03, 0.01, 0.04, 0.02]))
    assert adjusted == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_holm_counts_what_could_not_be_tested():
    adjusted = statistics.holm(np.array([0.02, math.nan, 0.9]))
    assert adjusted[0] == pytest.approx(0.06)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == 1.0
    assert statistics.holm(np.array([])).size == 0


def test_a_claim_counts_until_none_of_its_tests_can_err_any_more():
    p = np.array([[0.001, 0.02], [0.002, math.nan], [math.nan, math.nan], [0.03, 0.5]])
    # 0.001 and 0.002 times 4; the second claim is done with, the first is not: 0.02 times 3; now
    # it is, and two are left.
    expected = np.array([[0.004, 0.06], [0.008, math.nan], [math.nan, math.nan], [0.06, 1.0]])
    assert statistics.holm(p) == pytest.approx(expected, nan_ok=True)
    alone = np.random.default_rng(0).random(7) ** 3
    pairs = np.stack([alone, np.full(7, math.nan)], axis=1)
    assert statistics.holm(pairs)[:, 0] == pytest.approx(statistics.holm(alone))


def test_equivalence_equals_two_scipy_tests():
    d = np.random.default_rng(1).normal(0.1, 0.3, 8)
    above = stats.ttest_1samp(d, -0.5, alternative='greater').pvalue
    below = stats.ttest_1samp(d, 0.5, alternative='less').pvalue
    assert statistics.tost_p(d, 0.5, Test()) == pytest.approx(max(above, below))


def test_outside_the_margin_equals_scipy():
    d = np.random.default_rng(1).normal(-2, 0.3, 8)
    expected = stats.ttest_1samp(d, -0.5).pvalue
    assert statistics.outside_p(d, 0.5, Test()) == pytest.approx(expected)
    assert statistics.outside_p(d, 5.0, Test()) == 1.0


@pytest.mark.parametrize('n', [3, 14, 15, 40])
@pytest.mark.parametrize('level', [0.9, 0.95, 0.999])
def test_differences_go_by_students_t_at_every_n(n, level):
    d = np.random.default_rng(n).exponential(size=n) - 0.5
    exact = stats.ttest_1samp(d, 0)
    assert Test().interval(d, level) == pytest.approx(tuple(exact.confidence_interval(level)))
    assert Test().differs(d) == pytest.approx(exact.pvalue)
    above = stats.ttest_1samp(d, 0, alternative='greater')
    assert Test().greater(d) == pytest.approx(above.pvalue)


@pytest.mark.parametrize('design', ['paired', 'permutation'])
@pytest.mark.parametrize('n', [3, 6, 12, 20])
def test_an_interval_excludes_zero_where_its_test_is_significant(design, n):
    rng = np.random.default_rng(n)
    verdicts = set()
    for shift in (0.02, 0.25, 0.4, 0.6, 0.99):
        # Differences of 0 or 1 of a run, or any number.
        arms = rng.random((2, n)) < np.array([[shift], [0.02]])
        d = arms[0] * 1.0 - arms[1] if design == 'permutation' else rng.normal(2 * shift, 1, n)
        test = Test(design, span=(-1, 1))
        low, high = test.interval(d)
        significant = test.differs(d) <= 0.05
        verdicts.add(bool(significant))
        assert significant == (not low <= 0 <= high)
    assert verdicts == ({False} if (design, n) == ('permutation', 3) else {False, True})


def test_the_interval_of_sign_flips_by_hand():
    # By sign flips 1 1 1 1 0 0 is no more than 0: 8 of 64 (p of 1 1 1 1 alone, with two ties).
    d = np.array([1.0, 1, 1, 1, 0, 0])
    low, high = Test('permutation', span=(-1, 1)).interval(d)
    assert low <= 0 < d.mean() < high <= 1
    # Student's t says 0.12 to 1.21, against its own test.
    assert statistics.paired_interval(d)[0] > 0.1
    assert Test('permutation', span=(0, 1)).interval(d[:5]) == (0, 1)


@pytest.mark.parametrize('n', [2, 5, 20])
def test_no_variance_gives_the_permutation_p_and_a_point_where_it_can_be_significant(n):
    d = np.full(n, 0.25)
    for test in (Test(), Test('single')):
        assert test.differs(d) == statistics.permutation_p(d) > 0
        if n < 6:
            assert all(math.isnan(end) for end in test.interval(d))
        else:
            assert test.interval(d) == (0.25, 0.25)


def test_rounding_is_no_variance():
    d = 0.25 + np.array([0.0, 1e-9, -1e-9])
    assert Test().differs(d) == 0.25
    # Differences of float32 losses near 2.3 that are nothing but rounding.
    assert Test(scale=2.3).differs(np.array([1e-7, 2e-7, 1.1e-7])) == 0.25
    assert Test().differs(np.array([1.0, 1.01, 0.99])) < 0.001


def test_whole_epochs_carry_the_variance_of_their_rounding():
    d = np.array([1.0, 1, 1, 1, 0, 0])
    assert Test().differs(d) == pytest.approx(stats.ttest_1samp(d, 0).pvalue)
    assert Test().differs(d) < 0.03
    t = d.mean() / math.sqrt((d.var(ddof=1) + 1 / 6) / 6)
    assert Test(grain=1.0).differs(d) == pytest.approx(2 * stats.t.sf(t, 5))
    assert Test(grain=1.0).differs(d) > 0.05
    low, high = Test(grain=1.0).interval(d)
    assert low < 0 < high


@pytest.mark.parametrize('d', [np.zeros(0), np.ones(1)])
def test_fewer_than_two_seeds_say_nothing(d):
    for design in ('paired', 'single'):
        assert math.isnan(Test(design).differs(d))
        assert math.isnan(Test(design).greater(d))
        assert all(math.isnan(end) for end in Test(design).interval(d))


@pytest.mark.parametrize('n', [3, 10, 20])
def test_one_arm_is_never_surer_than_student(n):
    x = np.random.default_rng(n).normal(1.0, 1.0, n)
    assert Test('single').differs(x) >= stats.ttest_1samp(x, 0).pvalue
    low, high = statistics.single_interval(x)
    half = stats.t.ppf(0.975, n - 1) * stats.sem(x)
    assert low < x.mean() - half < x.mean() + half < high
    # The interval and the test say the same.
    assert (low > 0) == (Test('single').differs(x) <= 0.05)


def test_one_arm_errs_in_five_percent_under_the_skewed_reference():
    rng = np.random.default_rng(4)
    noise = np.exp(rng.standard_normal((2000, 6))) - math.exp(0.5)
    wrong = np.mean([Test('single').differs(x) <= 0.05 for x in noise])
    student = np.mean(stats.ttest_1samp(noise, 0, axis=1).pvalue <= 0.05)
    assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
    assert student > 0.15


def test_bootstrap_counts_draw_n_seeds():
    counts = statistics.bootstrap_counts(4)
    assert counts.shape == (2000, 4)
    assert (counts.sum(axis=1) == 4).all()
    assert counts.mean() == 1
