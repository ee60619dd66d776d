"""Claims on curves over noisy seeds: their p and their intervals, next to SciPy's."""

import itertools

import numpy as np
import pytest
from claim_cases import claim, final_of, results_of, verdict_on
from scipy import stats

from jaxtweaks.claims import claims

# By setting and seed. The second setting is best, and what follows goes down.
CURVE = np.array(
    [
        [0.32, 0.25, 0.26, 0.06, 0.48, 0.41],
        [0.59, 0.70, 0.65, 0.56, 0.72, 0.59],
        [0.47, 0.42, 0.55, 0.49, 0.55, 0.44],
        [0.36, 0.26, 0.43, 0.37, 0.38, 0.39],
    ]
)


def above(one, other):
    """One-sided p that a row has the higher mean."""
    return stats.ttest_1samp(one - other, 0, alternative='greater').pvalue


def test_a_peak_in_numbers():
    x = CURVE
    verdict = verdict_on(claim('peak', along='x'), final_of('test_accuracy', x))
    # Each of two points against both ends; twice more, since the opposite is tested too.
    p = [max(above(x[i], x[end]) for end in (0, 3)) for i in (1, 2)]
    assert verdict.verdict == 'supported'
    assert verdict.p == pytest.approx(2 * 2 * min(p))
    d = x[1] - x[0]  # the end that it is above less clearly
    assert verdict.effect == pytest.approx(d.mean())
    interval = stats.t.interval(1 - 0.05 / 2, 5, d.mean(), stats.sem(d))
    assert (verdict.low, verdict.high) == pytest.approx(interval)


def test_an_optimum_in_numbers():
    x = CURVE
    near = final_of('test_accuracy', x)
    verdict = verdict_on(claim('optimum', along='x', within=[1, 1]), near)
    assert verdict.p == pytest.approx(2 * max(above(x[1], x[j]) for j in (0, 2, 3)))
    verdict = verdict_on(claim('optimum', along='x', within=[1, 2]), near)
    p = [max(above(x[i], x[j]) for j in (0, 3)) for i in (1, 2)]
    assert verdict.p == pytest.approx(2 * 2 * min(p))


def test_the_interval_of_an_optimum_holds_95_percent_of_resamples():
    x = CURVE + np.array([[0], [0], [0.12], [0]])
    verdict = verdict_on(claim('optimum', along='x', within=[1, 1]), final_of('test_accuracy', x))
    drawn = np.array(list(itertools.product(range(6), repeat=6)))  # all there are
    shares = np.bincount(x[:, drawn].mean(axis=-1).argmax(axis=0), minlength=4) / len(drawn)
    assert shares == pytest.approx([0, 0.85, 0.15, 0], abs=0.01)
    assert (verdict.effect, verdict.low, verdict.high) == (1, 1, 2)


def test_a_trend_that_a_step_contradicts_in_numbers():
    x = CURVE
    verdict = verdict_on(claim('increasing', along='x'), final_of('test_accuracy', x))
    change = 3 * np.polyfit(range(4), x, 1)[0]
    assert change.mean() > 0
    down = min(above(x[i], x[i + 1]) for i in range(3))
    assert verdict.verdict == 'contradicted'
    assert verdict.p == pytest.approx(2 * 2 * 3 * down)  # of three steps; two ways; two sides
    assert verdict.effect == pytest.approx(change.mean())
    interval = stats.t.interval(0.95, 5, change.mean(), stats.sem(change))
    assert (verdict.low, verdict.high) == pytest.approx(interval)


def test_a_trend_that_its_change_decides_in_numbers():
    x = CURVE + np.array([[0], [0.05], [0.3], [0.6]])
    change = 3 * np.polyfit(range(4), x, 1)[0]
    p = stats.ttest_1samp(change, 0).pvalue
    rising = final_of('test_accuracy', x)
    verdict = verdict_on(claim('increasing', along='x'), rising)
    assert (verdict.verdict, verdict.p) == ('supported', pytest.approx(p))
    # No single step up has so small a p, three times it and twice.
    assert p < 2 * 3 * min(above(x[i + 1], x[i]) for i in range(3))
    verdict = verdict_on(claim('decreasing', along='x'), rising)
    assert (verdict.verdict, verdict.p) == ('contradicted', pytest.approx(2 * p))


@pytest.mark.parametrize(('late', 'p'), [(6, 2 / 2**6), (4, 2 / 2**4)])
def test_a_trend_of_what_runs_do_is_tested_by_sign_flips(late, p):
    """By Student's t four of six would be p = 0.025; two of the six flip nothing."""
    rises = claim('increasing', along='x', metric='diverged')
    found = verdict_on(rises, results_of([0.5, 0.5], diverged=[(1, s) for s in range(late)]))
    assert (found.effect, found.p) == (pytest.approx(late / 6), pytest.approx(p))
    assert found.verdict == ('supported' if p < 0.05 else 'inconclusive')
    stopped = final_of('stopped', [[0] * 6, [1] * late + [0] * (6 - late)])
    assert verdict_on(claim('increasing', along='x', metric='stopped'), stopped).p == found.p


def test_a_place_of_what_runs_do_is_tested_by_sign_flips():
    """Of five seeds that differ 1/2⁵, and twice that because the opposite is tested too."""
    stopped = final_of('stopped', [[0] * 6, [1] * 5 + [0], [0] * 6])
    for kind, given in (('peak', {}), ('optimum', {'within': [1, 1]})):
        one = claim(kind, along='x', metric='stopped', goal='max', **given)
        assert verdict_on(one, stopped).p == pytest.approx(2 / 2**5)
        assert claims.find(one, stopped).test.design == 'permutation'
