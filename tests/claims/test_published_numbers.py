"""Published numbers stand next to what was measured of the same, and change nothing else."""

import dataclasses
import json
import math

import numpy as np
import pytest
import scipy.stats
from claim_cases import claim, results_of

from jaxtweaks.base.errors import UserError
from jaxtweaks.claims import published, sequential
from jaxtweaks.claims.published import PublishedNumber
from jaxtweaks.config import build
from jaxtweaks.config.expand import grid
from jaxtweaks.lab import experiment


def number(**given):
    given = {'value': 0.5, 'what': 'it', 'source': 'TEST §1', 'metric': 'test_accuracy', **given}
    return build.from_dict(PublishedNumber, given)


def test_of_one_arm_the_mean_and_students_interval():
    results = results_of([0.1, 0.4], n=7)
    found = published.measure(number(a={'x': 1}), results)
    values = results.finals['test_accuracy'][1]
    half = scipy.stats.t.ppf(0.975, 6) * values.std(ddof=1) / math.sqrt(7)
    assert found.effect == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half))
    assert (found.n, found.dropped, found.exact) == (7, 0, False)


def test_several_settings_are_one_number_by_seed():
    results = results_of([0.1, 0.4, 0.9], n=5)
    found = published.measure(number(a={'x': (1, 2)}), results)
    values = results.finals['test_accuracy'][1:].mean(axis=0)
    assert found.effect == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(
        2 * scipy.stats.t.ppf(0.975, 4) * values.std(ddof=1) / math.sqrt(5)
    )


def test_of_a_difference_the_seeds_are_paired():
    results = results_of([0.1, 0.4], n=6)
    found = published.measure(number(a={'x': 1}, b={'x': 0}), results)
    a, b = results.finals['test_accuracy'][[1, 0]]
    interval = scipy.stats.t.interval(0.95, 5, (a - b).mean(), scipy.stats.sem(a - b))
    assert (found.low, found.high) == pytest.approx(interval)
    assert found.claim.kind == 'greater'


def test_of_a_place_each_seed_has_its_own():
    noise = np.zeros((3, 4))
    noise[2, 1] = 0.3  # its best is at x = 2, that of the others at x = 1
    results = results_of([0.1, 0.5, 0.3], n=4, noise=noise)
    found = published.measure(number(value=2.0, along='x', goal='max'), results)
    assert found.effect == pytest.approx(1.25)
    down = published.measure(number(value=2.0, along='x', goal='min'), results)
    assert down.effect == 0


def test_without_seeds_or_chance_there_is_no_interval():
    results = results_of([0.1, 0.4], n=1)
    assert math.isnan(published.measure(number(a={'x': 1}), results).low)
    exact = dataclasses.replace(results_of([0.1, 0.4], n=3), exact=True)
    found = published.measure(number(a={'x': 1}), exact)
    assert found.exact
    assert math.isnan(found.low)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))['low'] is None


def test_a_diverged_run_that_cannot_be_guessed_is_omitted():
    results = results_of([0.1, 0.4], n=6, diverged=[(1, 2)])
    found = published.measure(number(a={'x': 1}), results)
    assert (found.n, found.dropped) == (5, 1)


def test_a_diverged_run_is_no_guess_among_the_seeds():
    """Ten seeds at 0.9 with one guess of 0.1 would be 0.82, in an interval up to 1."""
    noise = np.array([[-5, -4, -3, -2, 0, 0, 2, 3, 4, 5]]) / 1000
    results = results_of([0.9], n=10, diverged=[(0, 4)], noise=noise)
    results.guesses.update({'accuracy': 0.1})
    found = published.measure(number(), results)
    assert (found.n, found.dropped, found.effect) == (9, 1, pytest.approx(0.9))
    # The variance of nine values with a sum of squares of 108 / 1000²; t(8) is 2.306.
    half = 2.306004 * math.sqrt(108e-6 / 8 / 9)
    assert (found.low, found.high) == pytest.approx((0.9 - half, 0.9 + half), abs=1e-8)
    # And so of a place: the seed has a guess at one of three points.
    curve = results_of([0.2, 0.9, 0.3], n=6, diverged=[(1, 2)])
    curve.guesses.update({'accuracy': 0.1})
    place = published.measure(number(value=1.0, along='x', goal='max'), curve)
    assert (place.n, place.dropped, place.effect) == (5, 1, 1.0)
    # A diverged run is one where their share is the number.
    share = published.measure(number(metric='diverged'), results)
    assert (share.n, share.dropped, share.effect) == (10, 0, pytest.approx(0.1))


def test_numbers_of_claims_are_read_as_their_sources_say():
    def level(sentence, source, value, **more):
        return claim(
            'published', sentence=sentence, source=source, published={'p': value}, margin=0.01,
            a={'x': 0}, **more,
        )  # fmt: skip

    best, last = (
        '(within 1 percentage point; best epoch)',
        '(within 1 percentage point; last epoch)',
    )
    table = 'A Table I (read as: as written)'
    tested = [
        level(f'It is 50% {best}.', table, 0.5),
        level(f'It is 50% {last}.', table, 0.5),
        level(f'It is 50% {best}.', 'A Table I (read as: ReLU)', 0.5),
        level('It is 50% with He (within 1 percentage point).', 'A §4, read as He et al.', 0.5),
        level('It is 50 (to 1%).', 'A §5', 50.0, where={'y': 1}),
        claim('greater', a={'x': 0}, b={'x': 1}, published={'with': 0.5}),
    ]
    found = [(one.what, one.reading) for one in published.of_claims(tested)]
    assert found == [
        ('It is 50% (best epoch)', ''),
        ('It is 50% (last epoch)', 'last epoch'),
        ('It is 50% (best epoch)', 'ReLU'),
        ('It is 50% with He', 'He et al.'),
        ('It is 50', ''),
    ]
    last = published.of_claims(tested)[-1]
    assert (last.value, last.margin, last.a) == (50.0, 0.01, {'y': 1, 'x': 0})


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        ({'metric': 'test_acuracy'}, "published 'it' (TEST §1): no final metric 'test_acuracy'"),
        ({'goal': 'min'}, "published 'it' (TEST §1): goal goes with along"),
        ({'a': {'z': 1}}, "published 'it' (TEST §1): 'z' is not swept"),
        ({'along': 'x', 'a': {'x': (0, 1)}}, 'it needs 3'),
        ({'a': {'x': 0}, 'b': {'x': 0}}, 'must not overlap'),
    ],
)
def test_a_mistake_is_found_before_the_run(given, words):
    settings = [{'x': 0}, {'x': 1}, {'x': 2}]
    with pytest.raises(UserError) as caught:
        published.check([number(**given)], settings)
    assert words in str(caught.value)


def config(**more):
    found = experiment.default_config('it')
    found.data.name, found.seeds = 'digits', 2
    found.sweep = grid('dropout.hidden', 0.0, 0.5)
    found.claims = (
        {
            'sentence': 'so', 'source': 'A §1', 'kind': 'greater', 'metric': 'test_accuracy',
            'a': {'dropout.hidden': 0.5}, 'b': {'dropout.hidden': 0.0},
        },
    )  # fmt: skip
    found.update(more)
    return found


OF_DROPOUT = {
    'value': 0.5, 'what': 'it', 'source': 'A §1', 'metric': 'test_accuracy',
    'a': {'dropout.hidden': 0.5},
}  # fmt: skip


def test_a_number_of_a_config_changes_no_run_and_no_claim():
    without = experiment.build(config())
    shown = experiment.build(config(published=(OF_DROPOUT,)))
    assert [run.id for run in shown.runs] == [run.id for run in without.runs]
    assert list(map(sequential.key, shown.claims)) == list(map(sequential.key, without.claims))
    # That of a claim is part of what the claim is called in records: why configs have their own.
    (tested,) = without.claims
    said = dataclasses.replace(tested, published={'then': 0.5})
    assert sequential.key(said) != sequential.key(tested)


def test_conditions_that_no_setting_meets_are_reported():
    wrong = {**OF_DROPOUT, 'a': {'dropout.hidden': (0.5, 0.6)}}
    with pytest.raises(UserError, match=r"published 'it' \(A §1\): no setting has dropout.hidden"):
        experiment.build(config(published=(wrong,)))
