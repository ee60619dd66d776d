"""Differences that are smaller than what matters."""

import dataclasses

import numpy as np
import pytest
from claim_cases import (
    ARMS,
    HUMP,
    LEVEL,
    claim,
    final_of,
    results_of,
    verdict_on,
)
from scipy import stats

from jaxtweaks.base.errors import UserError
from jaxtweaks.claims import claims, remarks
from jaxtweaks.claims.claim import Open

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


def test_holm_holds_for_negligible_too():
    results = results_of([0.516, 0.5], 6)
    one = claim('greater', **ARMS, smallest=0.026)
    alone = verdict_on(one, results)
    assert alone.verdict == 'negligible'
    assert 0.01 < alone.p <= 0.05
    among = claims.evaluate([one, *[claim('less', **ARMS)] * 5], results)[0]
    assert among.verdict != 'negligible'


def test_what_is_negligible_but_for_the_correction_says_so():
    """Both adjusted p are 1 among so many claims, and the difference is small by itself."""
    one = claim('greater', **ARMS, smallest=0.026)
    noise = np.zeros((2, 6))
    noise[0] = 0.025 * np.array([1, -1, 1, -1, 1, -1])
    results = results_of([0.5, 0.5], noise=noise)
    d = noise[0]
    small = max(
        stats.ttest_1samp(d, end, alternative=side).pvalue
        for end, side in ((-0.026, 'greater'), (0.026, 'less'))
    )
    assert 0.025 < small < 0.05
    others = [claim('level', a={'x': 0}, level=0.5, direction='above')] * 40
    found = claims.evaluate([one, *others], results)[0]
    assert (found.verdict, found.p_adjusted) == ('inconclusive', 1.0)
    assert found.p == pytest.approx(small)
    said = remarks.remarked(found, results)
    assert said.open_because == (Open.CORRECTED,)
    assert 'asked alone it would be settled (p 0.0' in said.note


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
    # Epochs are no differences of the metric: that claim says itself how many matter.
    soon = claim('sooner', **ARMS, metric='validation_accuracy')
    higher = claim('greater', **ARMS, metric='validation_accuracy')
    own = dataclasses.replace(soon, smallest=2.0)
    filled = claims.with_smallest([soon, higher, own], {'validation_accuracy': 0.01})
    assert [one.smallest for one in filled] == [None, 0.01, 2.0]
    with pytest.raises(UserError, match='smallest: no claim that may be negligible'):
        claims.with_smallest([soon], {'validation_accuracy': 0.01})
    with pytest.raises(UserError, match=r"'test_acuracy'; did you mean 'test_accuracy'"):
        claims.with_smallest(every, {'test_acuracy': 0.01})
    with pytest.raises(UserError, match='smallest: no claim that may be negligible'):
        claims.with_smallest([peak], {'test_accuracy': 0.01})
