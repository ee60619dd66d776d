"""Kinds of claims that a config registers."""

import dataclasses
import math

import claim_cases
import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.claims import claims, power
from jaxtweaks.claims.claim import KINDS
from jaxtweaks.claims.register import claim
from jaxtweaks.report import verdict_words

ARMS = claim_cases.ARMS


@pytest.fixture(autouse=True)
def _registered():
    """Kinds of one's own, for one test each."""
    _register()


def _register():
    @claim('above', needs=('a', 'b'), reads=('at', 'goal', 'smallest'))
    def above(arms, test):
        return test.directional(arms.a - arms.b)

    @claim('more_often', needs=('a', 'b'))
    def more_often(arms, test):
        """Sign test by hand: no test of the package."""
        wins, n = int((arms.a > arms.b).sum()), len(arms.a)
        tail = lambda k: sum(math.comb(n, i) for i in range(k, n + 1)) / 2**n
        return min(1.0, 2 * tail(wins)), min(1.0, 2 * tail(n - wins))

    @claim('ends_higher', needs=('along',))
    def ends_higher(arms, test):
        assert arms.xs.tolist() == sorted(arms.xs)
        return test.directional(arms.curve[-1] - arms.curve[0])


@pytest.mark.parametrize('means', [[0.6, 0.5], [0.5, 0.6], [0.5, 0.5], [0.501, 0.5]])
@pytest.mark.parametrize('smallest', [None, 0.05])
def test_a_function_comes_to_the_verdict_of_the_kind_that_does_the_same(means, smallest):
    results = claim_cases.results_of(means, n=8)
    given = {**ARMS, **({'smallest': smallest} if smallest else {})}
    own, ours = (
        claim_cases.verdict_on(claim_cases.claim(kind, **given), results)
        for kind in ('above', 'greater')
    )
    assert dataclasses.replace(own, claim=ours.claim) == ours
    assert verdict_words.effect_words(own.to_dict()) == verdict_words.effect_words(ours.to_dict())


def test_its_power_is_that_of_the_kind_that_does_the_same():
    results = claim_cases.results_of([0.503, 0.5], n=6)
    needs = [
        power.need(claims.find(claim_cases.claim(kind, **ARMS), results), 0.05)
        for kind in ('above', 'greater')
    ]
    assert needs[0] == needs[1] != power.Need(None, '')


def test_a_test_of_its_own_has_no_sign_flips_but_a_power():
    results = claim_cases.results_of([0.6, 0.5], n=8)
    said = claim_cases.claim('more_often', **ARMS)
    verdict = claim_cases.verdict_on(said, results)
    assert (verdict.verdict, verdict.p) == ('supported', 2 / 2**8)
    assert np.isnan(verdict.p_permutation)
    assert power.need(claims.find(said, results), 0.05) == power.Need(6, 'supported')


def test_it_enters_holms_adjustment():
    results = claim_cases.results_of([0.6, 0.5], n=8)
    both = [claim_cases.claim(kind, **ARMS) for kind in ('more_often', 'greater')]
    found = claims.evaluate(both, results)
    assert found[0].p_adjusted == pytest.approx(2 / 2**8)  # the larger of the two
    assert found[1].p_adjusted == pytest.approx(2 * found[1].p)


def test_a_curve_of_ones_own():
    results = claim_cases.results_of([0.4, 0.5, 0.6])
    verdict = claim_cases.verdict_on(claim_cases.claim('ends_higher', along='x'), results)
    assert (verdict.verdict, round(verdict.effect, 3)) == ('supported', 0.2)
    assert 'change from x 0 to 2' in verdict.what


@pytest.mark.parametrize(
    ('answer', 'words'),
    [
        (lambda arms, test: 1.5, 'must be (p_support, p_contradict)'),
        (lambda arms, test: (0.1, 2.0), 'each from 0 to 1'),
        (lambda arms, test: (0.1, math.nan), 'each from 0 to 1'),
        (lambda arms, test: arms.c, 'AttributeError'),
    ],
)
def test_what_is_no_p_value_is_one_line(answer, words):
    claim('broken', needs=('a', 'b'))(answer)
    with pytest.raises(UserError) as error:
        claim_cases.verdict_on(claim_cases.claim('broken', **ARMS), claim_cases.results_of([1, 0]))
    assert words in str(error.value)
    assert '\n' not in str(error.value)


def test_what_cannot_be_registered_or_asked_is_refused():
    with pytest.raises(UserError, match="'greater': is the name of a built-in claim"):
        claim('greater', needs=('a', 'b'))(lambda arms, test: (1.0, 1.0))
    with pytest.raises(UserError, match="no option 'c'; valid: a, along"):
        claim('it', needs=('c',))
    with pytest.raises(UserError, match=r'must be a function \(arms, test\)'):
        claim('it', needs=('a',))(lambda arms: (1.0, 1.0))
    with pytest.raises(UserError, match='letters, digits and _'):
        claim('it is', needs=('a',))
    with pytest.raises(UserError, match="did you mean 'more_often'"):
        claim_cases.claim('more_oftn', **ARMS)
    settings = claim_cases.results_of([0.5, 0.4]).settings
    for given, words in (({'a': {'x': 0}}, 'needs b'), ({**ARMS, 'level': 1.0}, 'not read level')):
        with pytest.raises(UserError, match=words):
            claims.check([claim_cases.claim('more_often', **given)], settings)


def test_a_stored_verdict_of_a_kind_that_is_not_registered_reads_as_a_difference():
    said = claim_cases.claim('more_often', **ARMS)
    verdict = claim_cases.verdict_on(said, claim_cases.results_of([0.6, 0.5])).to_dict()
    words = verdict_words.effect_words(verdict)
    del KINDS._items['more_often']
    assert verdict_words.effect_words(verdict) == words
    assert words[0] == '+10.00 points'
