"""What a verdict says besides: what kept it open, who only guesses, who still learns."""

import dataclasses
import json
import math

import numpy as np
import pytest
from claim_cases import ARMS, claim, results_of

from jaxtweaks.claims import claims, remarks, sequential
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
    assert '3 diverged runs count as guessing, 50.00 % (x 1: 3)' in counted.note
    # All of a setting: what was inconclusive before is settled.
    all_lost = results_of([0.8, 0.9], 6, diverged=[(1, s) for s in range(6)])
    assert verdict_of(one, all_lost).n == 0
    all_lost.guesses.update(results.guesses)
    assert verdict_of(one, all_lost).verdict == 'supported'


def test_a_diverged_run_keeps_what_it_had_at_an_epoch_before():
    curve = np.full((2, 6, 4), 0.7) + np.arange(6)[:, None] / 100
    curve[1, 0, 2:] = np.nan
    results = results_of([0.7, 0.7], 6, curves={'validation_accuracy': curve}, diverged=[(1, 0)])
    results.guesses.update(guess.values('guess', 2, cross_entropy=True))
    at = lambda epoch: remarks.claim_data.measured(
        claim('greater', metric='validation_accuracy', at=epoch, **ARMS), results
    )[1, 0]
    assert (at(2), at(3), at('last_epoch')) == (0.7, 0.5, 0.5)


def test_one_step_of_four_kept_it_open():
    # Up by 0.1 at each step but one, which goes down by as much as is clear.
    results = results_of([0.5, 0.6, 0.7, 0.65, 0.75], 6)
    verdict = verdict_of(claim('increasing', along='x'), results)
    assert verdict.verdict == 'inconclusive' or 'goes the other way' in verdict.note
    noise = np.zeros((5, 6))
    noise[3] = [0.1, -0.1, 0.06, -0.06, 0.02, -0.02]
    noise[0] = [0.03, 0.02, -0.03, -0.02, 0.01, -0.01]
    shaky = results_of([0.5, 0.6, 0.7, 0.68, 0.75], 6, noise=noise)
    found = claims.evaluate([claim('increasing', along='x')], shaky)[0]
    if found.verdict == 'inconclusive':
        assert '1 of 4 steps goes the other way from 2 to 3' in remarks.kept_open(found, shaky)
    assert remarks._steps_against(claim('increasing', along='x'), shaky) == (
        '1 of 4 steps goes the other way from 2 to 3'
    )


def test_an_interval_that_holds_zero_is_why():
    noise = np.array([[0.1, -0.1, 0.05, -0.05, 0.02, -0.01], [0.0] * 6])
    results = results_of([0.5, 0.5], 6, noise=noise)
    note = verdict_of(claim('greater', **ARMS), results).note
    assert note.startswith('open: the interval holds zero')
    note = verdict_of(claim('greater', smallest=0.01, **ARMS), results).note
    assert 'and reaches beyond 1.00 points' in note
    note = verdict_of(claim('equivalent', margin=0.01, **ARMS), results).note
    assert note.startswith('open: the interval lies on both sides of the margin')


def test_what_only_the_correction_keeps_open_says_so():
    results = results_of([0.52, 0.5], 5)
    (found,) = claims.evaluate([claim('greater', **ARMS)], results)
    found = dataclasses.replace(found, verdict='inconclusive', p=0.02, p_adjusted=0.27, looks=(5,))
    words = remarks.kept_open(found, results)
    assert words.startswith('open: asked alone and at one look it would be settled (p 0.02)')
    assert words.endswith('(p 0.27)')
    assert remarks.kept_open(dataclasses.replace(found, looks=()), results) == ''


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
    assert 'with x 0, more than the effect' in verdict.note
    assert remarks.unfinished([verdict], small) == [0]
    assert 'x 0.' in remarks.unfinished_words([0], small)
    # An effect that is larger than what they still gain stands.
    large = results_of([0.52, 0.7], 6, curves=curves)
    assert 'not finished' not in verdict_of(claim('greater', **ARMS), large).note
    assert remarks.unfinished([verdict_of(claim('greater', **ARMS), large)], large) == []


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
