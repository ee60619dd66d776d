"""What a verdict says besides: what kept it open, who only guesses, who still learns."""

import dataclasses
import json
import math

import numpy as np
import pytest
from claim_cases import ARMS, claim, results_of

from jaxtweaks.claims import claims, remarks, sequential
from jaxtweaks.claims.claim import Open
from jaxtweaks.results import guess


def verdict_of(one, results):
    (verdict,) = claims.evaluate([one], results)
    return remarks.remarked(verdict, results)


@pytest.mark.parametrize(
    ('metric', 'value'),
    [
        ('test_accuracy', 0.25),
        ('1-test_accuracy', 0.75),
        ('test_error', 0.75),
        ('validation_loss', math.log(4)),
        ('log_train_loss', math.log10(math.log(4))),
        ('gap_accuracy', 0.0),
        ('test_gap_accuracy', 0.0),
    ],
)
def test_a_guess_by_hand(metric, value):
    assert guess.of(metric, guess.values('guess', 4, cross_entropy=True)) == pytest.approx(value)


def test_where_guessing_means_nothing_there_is_no_number():
    guesses = guess.values('guess', 4, cross_entropy=False)
    for metric in ('train_loss', 'gap_loss', 'weight_norm', 'test_accuracy_gain', 'regret'):
        assert math.isnan(guess.of(metric, guesses))
    assert guess.values('drop', 4, cross_entropy=True) == {}
    assert math.isnan(guess.of('test_accuracy', {}))


def test_diverged_runs_guess_or_are_dropped():
    """Of an unstable setting only the survivors would count: 3 of 6 seeds, all good."""
    lost = [(1, s) for s in range(3)]
    one = claim('greater', **ARMS)
    dropped = verdict_of(one, results_of([0.8, 0.9], 6, diverged=lost))
    assert (dropped.n, dropped.effect) == (3, pytest.approx(-0.1, abs=0.02))
    results = results_of([0.8, 0.9], 6, diverged=lost)
    results.guesses.update(guess.values('guess', 2, cross_entropy=True))
    counted = verdict_of(one, results)
    assert (counted.n, counted.dropped) == (6, 0)
    assert counted.effect == pytest.approx(0.8 - (0.9 + 0.5) / 2, abs=0.02)
    assert '3 diverged runs count as guessing, 50.00% (x 1: 3)' in counted.note
    # All of a setting: what was inconclusive before is settled.
    all_lost = results_of([0.8, 0.9], 6, diverged=[(1, s) for s in range(6)])
    assert verdict_of(one, all_lost).n == 0
    all_lost.guesses.update(results.guesses)
    assert verdict_of(one, all_lost).verdict == 'supported'


def test_a_run_that_diverged_later_is_not_said_to_guess():
    curve = np.full((2, 6, 4), 0.7) + 0.01 * np.arange(6)[None, :, None]
    curve[1, 0, 2:] = np.nan
    results = results_of([0.7, 0.7], 6, curves={'validation_accuracy': curve}, diverged=[(1, 0)])
    results = dataclasses.replace(results, guesses={'accuracy': 0.5})
    asked = {**ARMS, 'metric': 'validation_accuracy'}
    assert 'guessing' not in verdict_of(claim('greater', **asked, at=2), results).note
    assert 'guessing' in verdict_of(claim('greater', **asked, at=3), results).note


def test_a_diverged_run_keeps_what_it_had_at_an_epoch_before():
    curve = np.full((2, 6, 4), 0.7) + np.arange(6)[:, None] / 100
    curve[1, 0, 2:] = np.nan
    results = results_of([0.7, 0.7], 6, curves={'validation_accuracy': curve}, diverged=[(1, 0)])
    results.guesses.update(guess.values('guess', 2, cross_entropy=True))
    at = lambda epoch: remarks.claim_data.measured(
        claim('greater', metric='validation_accuracy', at=epoch, **ARMS), results
    )[1, 0]
    assert (at(2), at(3), at('last_epoch')) == (0.7, 0.5, 0.5)


# Of each step of a trend that would be clear: its noise is small next to it.
CALM = np.zeros((4, 6))
CALM[2] = [0.01, -0.01, 0.006, -0.006, 0.002, -0.002]


def test_a_step_the_other_way_is_reported_once():
    trend = claim('increasing', along='x')
    against = '1 of 3 steps goes the other way from 1 to 2 by 5.00 points'
    # It contradicts by itself, and the change alone would support.
    contradicted = verdict_of(trend, results_of([0.5, 0.6, 0.55, 0.7], noise=CALM))
    assert (contradicted.verdict, contradicted.open_because) == ('contradicted', ())
    assert contradicted.note.count('the other way') == 1
    assert 'it goes the other way from 1 to 2 by 5.00 points' in contradicted.note
    # Open although the change is clear, and open for that it may be none.
    found = dataclasses.replace(contradicted, verdict='inconclusive', p=0.2, note='')
    results = results_of([0.5, 0.6, 0.55, 0.7], noise=CALM)
    for low, because, begins in (
        (0.01, Open.STEP, 'open: the change is clear, but '),
        (-0.01, Open.ZERO, 'open: the change may be none, and '),
    ):
        verdict = remarks.remarked(dataclasses.replace(found, low=low, high=0.3), results)
        assert verdict.open_because == (because,)
        assert verdict.note == begins + against
    # Only the correction keeps it open: which step it is has not been said yet.
    many = remarks.remarked(dataclasses.replace(found, p=0.02, p_adjusted=0.3), results)
    assert many.open_because == (Open.CORRECTED,)
    assert many.note.count('the other way') == 1


def test_the_step_that_contradicts_an_exact_trend_is_named():
    results = dataclasses.replace(results_of([0.5, 0.6, 0.55, 0.7], noise=0 * CALM), exact=True)
    found = verdict_of(claim('increasing', along='x'), results)
    assert found.verdict == 'contradicted'
    assert found.note.endswith('; it goes the other way from 1 to 2 by 5.00 points')
    assert found.against == 'from 1 to 2 by 5.00 points'
    rises = dataclasses.replace(results_of([0.5, 0.6, 0.7], noise=0 * CALM[:3]), exact=True)
    assert 'other way' not in verdict_of(claim('increasing', along='x'), rises).note


def test_an_interval_that_holds_zero_is_why():
    noise = np.array([[0.1, -0.1, 0.05, -0.05, 0.02, -0.01], [0.0] * 6])
    results = results_of([0.5, 0.5], 6, noise=noise)
    verdict = verdict_of(claim('greater', **ARMS), results)
    assert verdict.open_because == (Open.ZERO,)
    assert verdict.note.startswith('open: the interval holds zero')
    note = verdict_of(claim('greater', smallest=0.01, **ARMS), results).note
    assert 'and reaches beyond 1.00 points' in note
    verdict = verdict_of(claim('equivalent', margin=0.01, **ARMS), results)
    assert verdict.open_because == (Open.MARGIN,)
    assert verdict.note.startswith('open: the interval lies on both sides of the margin')


def test_what_only_the_correction_keeps_open_says_so():
    results = results_of([0.52, 0.5], 5)
    (found,) = claims.evaluate([claim('greater', **ARMS)], results)
    found = dataclasses.replace(found, verdict='inconclusive', p=0.02, p_adjusted=0.27, looks=(5,))
    words = remarks.remarked(found, results).note
    assert words.startswith('open: asked alone and at one look it would be settled (p 0.02)')
    assert 'not corrected for the looks and the other claims (p 0.27)' in words
    words = remarks.remarked(dataclasses.replace(found, looks=()), results).note
    assert words.startswith('open: asked alone it would be settled (p 0.02)')
    assert 'not corrected for the other claims (p 0.27)' in words


@pytest.mark.parametrize('because', Open)
def test_every_reason_has_words(because):
    """But those that have a sentence of their own: runs that still improve, and exact results."""
    results = results_of([0.6, 0.5, 0.55, 0.7], 6)
    one = claim('increasing', along='x')
    if because is Open.PLACE:
        one = claim('peak', along='x')
    if because is Open.MARGIN:
        one = claim('equivalent', margin=0.01, **ARMS)
    (found,) = claims.evaluate([one], results)
    words = remarks.kept_open(dataclasses.replace(found, open_because=(because,)), results)
    of_themselves = (Open.UNFINISHED, Open.NOT_EXACT, Open.NOT_REACHED, Open.NEXT_LOOK)
    assert bool(words) == (because not in of_themselves)


def test_too_few_seeds_are_said_of_what_is_compared():
    without = results_of([0.5, 0.5], 6)
    found = verdict_of(claim('less', metric='diverged', **ARMS), without)
    assert found.open_because == (Open.ZERO,)
    assert found.note.startswith('open: no run of either diverged')
    assert 'seeds would settle' not in found.note
    assert 'cannot tell' not in found.note
    share = {'level': 0.2, 'direction': 'above'}
    assert 'both shares are 100%' in verdict_of(claim('share', **share, **ARMS), without).note
    some = results_of([0.5, 0.5], 6, diverged=[(0, 0)])
    found = verdict_of(claim('greater', metric='diverged', **ARMS), some)
    assert found.open_because == (Open.ZERO,)
    assert found.note.startswith('open: the interval holds zero')


@pytest.mark.parametrize(
    ('n', 'because', 'begins'),
    [
        (5, Open.TOO_FEW, '5 seeds cannot tell'),  # 2/2⁵ is above 5%
        (6, Open.ZERO, 'the interval holds'),
        (20, Open.ZERO, 'the interval holds'),
    ],
)
def test_shares_are_open_for_too_few_seeds_only_where_none_could_settle_them(n, because, begins):
    two = results_of([0.5, 0.5], n, diverged=[(0, 0)])
    # Half of the runs diverged, or of an odd number nearly half.
    half = results_of([0.5, 0.5], n, diverged=[(0, s) for s in range(n // 2)])
    level = {'a': {'x': 0}, 'metric': 'diverged', 'level': 0.5, 'direction': 'above'}
    noise = np.zeros((2, n))
    noise[0] = np.where(np.arange(n) % 2, 0.1, -0.1)
    swing = results_of([0.5, 0.5], n, noise=noise)
    share = {'level': 0.5, 'direction': 'above'}
    for one, results, what in (
        (claim('greater', metric='diverged', **ARMS), two, ('the two apart', 'zero')),
        (claim('level', **level), half, ('it from 50%', '50%')),
        (claim('share', a={'x': 0}, **share), swing, ('it from 50%', '50%')),
    ):
        found = verdict_of(one, results)
        assert (found.verdict, found.open_because) == ('inconclusive', (because,))
        assert found.note.startswith(f'open: {begins} {what[because is Open.ZERO]}')
        # At a look that may spend a thousandth of α, six seeds have no p that is small enough.
        early = dataclasses.replace(found, level=1 - 5e-5, open_because=())
        early = remarks.remarked(early, results)
        assert early.open_because == (Open.TOO_FEW if n < 16 else because,)


@pytest.mark.parametrize(
    ('kind', 'margin', 'words'),
    [
        ('greater', -0.01, '−1.00 points'),
        ('greater', 0.01, '+1.00 points'),
        ('less', 0.01, '−1.00 points'),
        ('less', -0.01, '+1.00 points'),
        ('equivalent', 0.01, 'the margin, 1.00 points'),
        ('different', 0.01, 'the margin, 1.00 points'),
    ],
)
def test_an_interval_is_on_both_sides_of_the_end_that_is_tested(kind, margin, words):
    noise = np.array([[0.02, -0.02, 0.02, -0.02, 0.02, -0.02], [0.0] * 6])
    side = {'−': -1, '+': 1}.get(words[0], 1)
    results = results_of([0.5 + 0.01 * side, 0.5], noise=noise)
    found = verdict_of(claim(kind, margin=margin, **ARMS), results)
    assert found.open_because == (Open.MARGIN,)
    assert found.note.startswith(f'open: the interval lies on both sides of {words}')
    assert found.low < 0.01 * side < found.high


def test_a_place_at_zero_is_no_lack_of_an_effect():
    """The optimum is found at x = 0, and alike noise keeps it from being settled by any seeds."""
    noise = 0.1 * np.array([[1.0, -1, 1, -1, 1, -1], [-1.0, 1, -1, 1, -1, 1]])
    results = results_of([0.50001, 0.5], noise=noise)
    one = claim('optimum', along='x', within=[0, 0])
    found = verdict_of(one, results)
    assert (found.verdict, found.effect) == ('inconclusive', 0.0)
    assert 'not even 1,000 seeds would settle it' in found.note
    assert 'seeds would settle' not in verdict_of(one, results_of([0.5, 0.5], noise=noise)).note


def test_all_that_keeps_a_claim_open_is_listed_and_why_there_are_no_more_seeds_first():
    noise = np.array([[0.1, -0.1, 0.05, -0.05, 0.02, -0.01], [0.0] * 6])
    results = results_of([0.5, 0.5], 6, noise=noise)
    (found,) = claims.evaluate([claim('greater', **ARMS)], results)
    found = dataclasses.replace(found, open_because=(Open.BUDGET,), note='')
    verdict = remarks.remarked(found, results)
    assert verdict.open_because == (Open.BUDGET, Open.ZERO)
    assert verdict.note == (
        'open: the interval holds zero; more seeds may settle it, but the budget was spent'
    )
    stored = json.loads(json.dumps(verdict.to_dict()))
    assert stored['open_because'] == ['budget spent', 'interval holds no difference']


def test_one_seed_is_too_few_and_a_kind_may_not_be_for_exact_results():
    lost = [(1, s) for s in range(5)]
    (one,) = claims.evaluate([claim('greater', **ARMS)], results_of([0.5, 0.5], 6, diverged=lost))
    assert (one.n, one.open_because) == (1, (Open.TOO_FEW,))


def test_the_change_over_the_last_quarter_by_hand():
    assert remarks.late_change(np.arange(12) / 10) == pytest.approx(0.2)  # 3 epochs, 2 steps
    assert remarks.late_change(np.array([0.0, 1, 2, 3, np.nan])) == pytest.approx(1)
    assert math.isnan(remarks.late_change(np.arange(3.0)))


def test_runs_that_still_learn_by_more_than_the_effect_are_named():
    epochs = np.arange(12)
    still = 0.3 + 0.02 * epochs  # 4 points in the last quarter
    flat = np.where(epochs < 6, 0.1 * epochs, 0.6)
    noise = np.random.default_rng(0).normal(0, 1e-3, (2, 6, 12))
    curves = {'validation_accuracy': np.stack([[still] * 6, [flat] * 6]) + noise}
    small = results_of([0.52, 0.54], 6, curves=curves)
    verdict = verdict_of(claim('greater', **ARMS), small)
    assert 'not finished learning: in the last quarter of the epochs' in verdict.note
    assert 'points (x 0), more than the effect' in verdict.note
    assert remarks.unfinished([verdict], small) == [0]
    assert 'x 0.' in remarks.unfinished_words([0], small)
    alike = verdict_of(claim('greater', **ARMS), results_of([0.5, 0.5], 6, curves=curves))
    assert alike.open_because == (Open.ZERO, Open.UNFINISHED)
    # An effect that is larger than what they still gain stands.
    large = results_of([0.52, 0.7], 6, curves=curves)
    assert 'not finished' not in verdict_of(claim('greater', **ARMS), large).note
    assert remarks.unfinished([verdict_of(claim('greater', **ARMS), large)], large) == []


@pytest.mark.parametrize('metric', ['gap_accuracy', 'test_gap_accuracy'])
@pytest.mark.parametrize('way', [1, -1])
@pytest.mark.parametrize(
    ('scatter', 'named'),
    [(1.016, False), (0.7, True)],  # t(5) 2.20 and 3.19: p 0.079 and 0.024 two-sided
)
def test_a_gap_that_changes_either_way_is_tested_on_both_sides(metric, way, scatter, named):
    """One-sided, by the side that the data are on, p would be 0.04 and the test one of 10%."""
    gains = way * 0.01 * (1 + scatter * np.array([-1, -1, -1, 1, 1, 1]))
    # Of 12 epochs the last 3 count, two steps.
    gap = 0.1 + gains[:, None] / 2 * np.clip(np.arange(12) - 9, 0, 2)
    still = np.full((6, 12), 0.1)
    curves = {
        'validation_accuracy': np.full((2, 6, 12), 0.5),
        'train_accuracy': 0.5 + np.stack([gap, still]),
    }
    results = results_of([0.5, 0.5], 6, curves=curves)
    train = np.array([[0.6] * 6, [0.6001, 0.6002] * 3])
    same = {'train_accuracy': train, 'validation_accuracy': np.full((2, 6), 0.5)}
    finals = results.finals | same | {'test_accuracy': np.full((2, 6), 0.5)}
    results = dataclasses.replace(results, finals=finals)
    note = verdict_of(claim('less', **ARMS, metric=metric), results).note
    assert ('still changed by 1.00 points (x 0)' in note) is named
    assert ('not finished learning' in note) is named


def test_a_claim_is_known_by_what_is_tested():
    one = claim('greater', **ARMS)
    assert sequential.key(one) == sequential.key(claim('greater', sentence='else', **ARMS))
    assert sequential.key(one) == sequential.key(claim('greater', answers=True, **ARMS))
    assert sequential.key(one) != sequential.key(claim('greater', smallest=0.1, **ARMS))


def test_p_values_go_there_and_back_as_json():
    p = {'a': (0.01, math.nan), 'b': (math.nan, math.nan)}
    plain = sequential.as_plain(p)
    assert plain == {'a': (0.01, None), 'b': (None, None)}
    back = sequential.as_numbers(json.loads(json.dumps(plain)))
    assert back['a'][0] == 0.01
    assert all(map(math.isnan, (*back['b'], back['a'][1])))
