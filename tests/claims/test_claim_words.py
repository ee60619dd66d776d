"""What verdicts say: fields, ends and arms in the words of the config."""

import dataclasses
import json

import numpy as np
import pytest
from claim_cases import (
    ARMS,
    PUBLISHED,
    SLOPE,
    claim,
    curve_results,
    results_of,
    sooner,
    verdict_on,
)

from jaxtweaks.claims import claim_data
from jaxtweaks.report.verdict_words import effect_words


def test_to_dict_is_json_and_complete():
    results = results_of([0.5], diverged=[(0, s) for s in range(6)])
    kept = verdict_on(claim('published', **PUBLISHED), results).to_dict()
    assert kept['effect'] is None
    assert kept['published'] == {'report': 0.5}
    assert kept['claim']['source'] == 'TEST §1'
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept


NAMED = {'model.norm=batch': 'with BN', 'model.norm=none': 'without BN'}


def test_a_peak_shows_the_point_that_decides_it():
    # x = 1 is the highest on average, by one seed; x = 2 is above both ends in every seed.
    results = results_of([0.5] * 4)
    rises = [[0] * 6, [0.6, 0, 0, 0, 0, 0], [0.05, 0.06, 0.04, 0.05, 0.06, 0.05], [0.01] * 6]
    results.finals['test_accuracy'] = 0.5 + np.asarray(rises)
    verdict = verdict_on(claim('peak', along='x'), results)
    assert verdict.verdict == 'supported'
    assert '(at x 2)' in verdict.what
    assert verdict.effect == pytest.approx(np.mean(rises[2]) - 0.01)
    assert 0 < verdict.low < verdict.effect < verdict.high


def test_verdicts_speak_the_words_of_the_config():
    extra = [{'model.norm': 'batch'}, {'model.norm': 'none'}]
    results = results_of([0.6, 0.5], extra=extra, diverged=[(1, 0)])
    sides = {'a': extra[0], 'b': extra[1]}
    one = claim('greater', **sides)
    plain = verdict_on(one, results)
    assert plain.what == ('test accuracy: batch norm minus without normalisation')
    results = dataclasses.replace(results, names=NAMED)
    verdict = verdict_on(one, results)
    assert verdict.what == 'test accuracy: with BN minus without BN'
    assert 'a run diverged (x 1, without BN: 1)' in verdict.note
    assert list(verdict.measured) == ['with BN', 'without BN']
    assert verdict.measured['with BN'] - verdict.measured['without BN'] == pytest.approx(
        verdict.effect
    )


def test_several_fields_are_named_by_the_one_word_that_the_config_has_for_them():
    extra = [{'data.standardise': kind, 'data.scale': 1.0} for kind in ('none', 'channel')]
    names = {
        'data.standardise + data.scale': 'data',
        "data.standardise + data.scale=('none', 1.0)": 'raw',
    }
    results = dataclasses.replace(
        results_of([0.6, 0.5], extra=extra, diverged=[(0, 0)]), names=names
    )
    verdict = verdict_on(claim('greater', a=extra[0], b={**extra[1], 'x': (1, 2)}), results)
    assert verdict.what == (
        'test accuracy: raw minus inputs standardised by channel, scale of the inputs 1, x 1 or 2'
    )
    assert '(x 0, raw: 1)' in verdict.note
    hidden = [{'model.hidden': (50, 50)}, {'model.hidden': (9,)}]  # a value, not alternatives
    verdict = verdict_on(
        claim('greater', **ARMS), results_of([0.6, 0.5], extra=hidden, diverged=[(0, 0)])
    )
    assert 'hidden units 50, 50: 1' in verdict.note


def test_remarks_name_settings_by_what_differs():
    extra = [{'y': 5, 'z': None}, {'y': 5, 'z': 0.1}]
    results = results_of([0.5, 0.6], extra=extra, diverged=[(0, 0), (1, 1)])
    (note,) = claim_data.complete(results.finals['test_accuracy'], [0, 1], results)[2]
    assert note == '2 seeds omitted because a run diverged (x 0: 1; x 1, z 0.1: 1)'


def test_a_trend_names_its_field_and_its_ends():
    results = dataclasses.replace(results_of(SLOPE), names={'1-x': 'keep'})
    verdict = verdict_on(claim('decreasing', along='1-x'), results)
    assert 'fitted change from keep −3 to 1' in verdict.what
    assert verdict.measured == pytest.approx({'keep −3': 0.5, 'keep 1': 0.1})
    sooner_one = verdict_on(sooner(level=0.52), curve_results([0.1, 0.06]))
    assert sooner_one.measured == {'x 0': 6, 'x 1': 9}
    assert 'epochs until' in sooner_one.what
    assert 'x 1 minus x 0' in sooner_one.what


def test_an_interval_of_a_share_ends_where_shares_do():
    shown = {'claim': {'kind': 'level', 'metric': 'test_accuracy'}}
    shown |= {'effect': 0.964, 'low': 0.92, 'high': 1.0073}
    assert effect_words(shown) == ('96.40%', '92.00% to 100.00%')
    assert effect_words(shown | {'low': -0.0131})[1] == '0.00% to 100.00%'
    difference = shown | {'claim': shown['claim'] | {'b': {'x': 1}}, 'low': -0.0131}
    assert effect_words(difference)[1] == '−1.31% to 100.73%'
    loss = shown | {'claim': shown['claim'] | {'metric': 'test_loss'}}
    assert effect_words(loss)[1] == '0.92 to 1.007'


def test_what_both_arms_share_is_said_once():
    rates = [
        {'x': x, 'optim.name': name, 'model.norm': norm}
        for x in (1, 2)
        for name, norm in (('adam', 'batch'), ('sgd', 'none'))
    ]
    results = results_of([0.6, 0.5, 0.4, 0.3], extra=rates)
    joint = {
        'optim.name + model.norm': 'arm',
        "optim.name + model.norm=('adam', 'batch')": 'A',
        "optim.name + model.norm=('sgd', 'batch')": 'B',
    }
    results = dataclasses.replace(results, names=joint)
    a = {'x': 1, 'optim.name': 'adam', 'model.norm': 'batch'}
    one = claim('greater', a=a, b={**a, 'optim.name': 'sgd', 'model.norm': 'none'})
    assert claim_data.sides(one, results)[0] == 'x 1'
    # One word is for both fields, though one of them is the same.
    one = dataclasses.replace(one, b={**a, 'optim.name': 'sgd'})
    assert claim_data.sides(one, results) == ('x 1', ['A', 'B'])
    # What is left must say something.
    one = dataclasses.replace(one, b={'x': 1})
    assert claim_data.sides(one, results) == ('', ['x 1, A', 'x 1'])
    assert claim_data.sides(claim('level', a={'x': 1}), results) == ('', ['x 1'])
