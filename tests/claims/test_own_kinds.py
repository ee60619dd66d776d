"""Kinds of claims that a config registers."""

import dataclasses
import math

import claim_cases
import numpy as np
import pytest
from scipy import stats

from jaxtweaks.base.errors import UserError
from jaxtweaks.claims import claims, power, sequential
from jaxtweaks.claims.claim import KINDS
from jaxtweaks.claims.finding import Finding
from jaxtweaks.claims.kind import Kind
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


def _looked(kinds, results):
    """The verdicts on claims of these kinds after a look with 5 seeds of two that are planned."""
    said = [claim_cases.claim(kind, **ARMS) for kind in kinds]
    look = sequential.look(said, results, [], 5, planned=8)
    return sequential.evaluate(said, results, [look])


def test_its_interval_at_a_look_has_the_level_that_is_said():
    """The look at 5 of 8 seeds has half of α: 5/8 of 80%."""
    results = claim_cases.results_of([0.6, 0.5], n=8)
    own, ours = _looked(['above', 'greater'], results)
    assert dataclasses.replace(own, claim=ours.claim) == ours
    d = -np.diff(results.final('test_accuracy')[:, :5], axis=0)[0]
    half = stats.t.ppf(0.9875, 4) * d.std(ddof=1) / 5**0.5
    assert own.level == pytest.approx(0.975)
    assert (own.low, own.high) == pytest.approx((d.mean() - half, d.mean() + half))


def test_an_interval_that_has_no_other_level_keeps_its_own():
    @claim('plain', needs=('a', 'b'))
    class Plain(Kind):
        """A kind of one's own that has an interval at 95% and no other."""

        def test(self, claim, results, alpha):
            (d,) = -np.diff(results.final(claim.metric)[:2], axis=0)
            interval = stats.t.interval(0.95, len(d) - 1, d.mean(), stats.sem(d))
            p = stats.ttest_1samp(d, 0).pvalue
            return Finding(d.mean(), *interval, 'difference', len(d), 0, p, 1.0, p)

    results = claim_cases.results_of([0.6, 0.5], n=8)
    plain, ours = _looked(['plain', 'greater'], results)
    assert (plain.verdict, plain.p) == ('supported', pytest.approx(ours.p))
    assert plain.level == 0.95
    assert plain.high - plain.low < ours.high - ours.low
    assert 'corrected for it (but not its interval at 95.0%)' in plain.note
    assert 'corrected for it (interval at 97.5%)' in ours.note


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
