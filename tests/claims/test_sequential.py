"""Verdicts after looks: which look they rest on, and what claims that are added change."""

import dataclasses
import math
import types

import numpy as np
import pytest
from claim_cases import claim, curve_results, results_of, sooner

from jaxtweaks.claims import remarks, sequential
from jaxtweaks.claims.claim import Open
from jaxtweaks.claims.sequential import Looked
from jaxtweaks.lab import settle
from jaxtweaks.run.manifest import LookRecord

ONE, OTHER, THIRD = (claim('greater', a={'x': k}, b={'x': 3}) for k in range(3))


def key(one):
    return sequential.key(one)


def look(seeds, going=(), planned=8, **p):
    """A look by the p of ONE, OTHER and THIRD; the shares of 8 planned seeds are 1/2 and 3/10."""
    named = {'one': ONE, 'other': OTHER, 'third': THIRD}
    pairs = {key(named[name]): (value, math.nan) for name, value in p.items()}
    return Looked(seeds, pairs, tuple(map(key, going)), planned)


def records(looks, **changes):
    """Looks as a manifest has them."""
    return [
        LookRecord(
            seeds=one.seeds, design='settled', p=sequential.as_plain(one.p), going=one.going,
            planned=one.planned, **changes,
        )
        for one in looks
    ]  # fmt: skip


RESULTS = results_of([0.6, 0.7, 0.8, 0.5], 8)


def verdicts(claims, looks, results=RESULTS, ahead=None):
    return sequential.evaluate(claims, results, looks, ahead=ahead)


def test_a_claim_that_others_leave_open_is_looked_at_again():
    # Alone 0.02 / 0.5 = 0.04; among two twice that.
    first = [look(5, one=0.02)]
    assert [one.verdict for one in verdicts([ONE], first)] == ['supported']
    assert sequential.still_going([ONE], first) == []
    both = [ONE, OTHER]
    assert sequential.still_going(both, first) == [key(ONE), key(OTHER)]
    found = verdicts(both, first)
    assert [one.verdict for one in found] == ['inconclusive'] * 2
    assert found[0].p_adjusted == pytest.approx(0.08)
    assert [one.open_because[0] for one in found] == [Open.BUDGET, Open.NOT_LOOKED_AT]
    assert verdicts(both, first, ahead=8)[0].open_because == (Open.NEXT_LOOK,)
    # The next look is at both of them.
    assert {*sequential.look(both, RESULTS, first, 8, 8).p} == {key(ONE), key(OTHER)}
    # Where the other one was looked at without it, it is open all the same.
    assert sequential.still_going(both, [*first, look(8, other=0.9)]) == [key(ONE)]


def test_what_a_second_look_leaves_open_is_given_up():
    looks = [look(5, one=0.02), look(8, one=0.5, other=0.9)]
    assert sequential.still_going([ONE, OTHER], looks) == []
    found = verdicts([ONE, OTHER], looks)
    assert {one.open_because for one in found} == {(Open.GIVEN_UP,)}
    # So does a claim that was given up before another came.
    given_up = [look(5, one=0.5)]
    assert sequential.still_going([ONE, OTHER], given_up) == [key(OTHER)]
    assert verdicts([ONE, OTHER], given_up)[0].open_because == (Open.GIVEN_UP,)


def test_after_the_last_look_there_is_none_for_what_others_leave_open():
    looks = [look(5, one=0.02), look(50, other=1e-9)]
    assert verdicts([ONE, OTHER], looks)[0].verdict == 'supported'
    assert verdicts([ONE, OTHER, THIRD], looks)[0].open_because == (Open.LAST_LOOK,)


def test_a_claim_of_which_others_are_settled_needs_no_more_seeds():
    """Holm's adjustment asks less of it then: 0.03 / 0.5 among two is open, and alone is not."""
    looks = [look(5, [ONE], one=0.04, other=0.9), look(8, one=0.004, other=0.9)]
    assert sequential.still_going([ONE, OTHER], looks[:1]) == [key(ONE)]
    assert sequential.still_going([ONE, OTHER], looks) == []


def test_a_claim_that_comes_later_gets_the_seeds_that_its_settings_were_spared():
    def asked(seeds):
        points = [{'x': k} for k in range(4)]
        runs = [types.SimpleNamespace(seed=seed) for _ in points for seed in range(seeds)]
        return types.SimpleNamespace(
            claims=(ONE, OTHER), points=points, derive=(), seeds=seeds, first_seed=0, runs=runs
        )

    first, then = (
        dataclasses.replace(one, next=after, going=tuple(map(key, going)))
        for one, after, going in zip(
            records([look(5, one=0.5, other=1e-9), look(8, one=0.5)]),
            (8, 12),
            ([ONE], [ONE, OTHER]),
            strict=True,
        )
    )
    # Of settings 0 and 3 eight seeds, of 1 and 2 five; then of 0, 1 and 3 all twelve.
    assert len(settle.wanted(asked(8), [first])) == 2 * 8 + 2 * 5
    assert len(settle.wanted(asked(12), [first, then])) == 3 * 12 + 5


def test_a_verdict_goes_by_the_seeds_of_the_look_that_it_rests_on():
    """At 5 seeds 0.03 / 0.5 is open among two, and settled once the other one is, at 8."""
    looks = [look(5, [ONE, OTHER], one=0.02, other=0.5), look(8, one=0.9, other=1e-9)]
    assert verdicts([ONE, OTHER], looks[:1])[0].verdict == 'inconclusive'
    # A run of the sixth seed diverged, and counts as a guess at the later look only.
    results = results_of([0.6, 0.7, 0.8, 0.5], 8, diverged=[(0, 5)])
    results = dataclasses.replace(results, guesses={'accuracy': 0.5})
    found = verdicts([ONE, OTHER], looks, results)
    assert [(one.verdict, one.n, one.looks, one.rests_on) for one in found] == [
        ('supported', 5, (5, 8), 5),
        ('supported', 8, (5, 8), 8),
    ]
    asked = types.SimpleNamespace(claims=(ONE, OTHER), plain=None)
    said = settle.verdicts(asked, results, records(looks))
    assert 'as guessing' not in said[0].note
    late = [look(5, [ONE, OTHER], one=0.9, other=0.5), look(8, one=1e-9, other=1e-9)]
    assert '1 diverged run counts' in settle.verdicts(asked, results, records(late))[0].note


def test_runs_of_later_looks_do_not_say_what_had_not_finished_learning():
    curve = np.full((4, 8, 12), 0.6) + 1e-4 * np.random.default_rng(0).normal(size=(4, 8, 12))
    curve[0, 5:] += np.linspace(0, 3, 12)
    results = dataclasses.replace(RESULTS, curves={'test_accuracy': curve})
    results = dataclasses.replace(results, epochs=np.arange(1, 13))
    (found,) = verdicts([ONE], [look(5, one=1e-9)], results)
    at = lambda seeds: remarks.unfinished([dataclasses.replace(found, rests_on=seeds)], results)
    assert (at(5), at(8), at(0)) == ([], [0], [0])  # 0: of a verdict without looks


def test_a_recorded_p_of_what_cannot_be_negligible_makes_nothing_negligible():
    """Earlier versions called a difference small of which nothing is known: no run got there."""
    one = sooner(level=0.52, smallest=2.0)
    looks = [Looked(5, {key(one): (1.0, 1 / 32)}, planned=5)]
    assert verdicts([one], looks, curve_results([0.01, 0.01], 5))[0].verdict == 'inconclusive'
    assert verdicts([one], looks, curve_results([0.1, 0.1], 5))[0].verdict == 'negligible'


@pytest.mark.parametrize(
    ('by_hand', 'later', 'words'),
    [
        (5, [], ''),
        (5, [look(8, one=0.9, other=0.9)], ''),
        (4, [], 'not corrected for an earlier look at 4 seeds'),
    ],
)
def test_a_look_by_hand_is_earlier_only_than_looks_at_more_seeds(by_hand, later, words):
    fixed = LookRecord(
        seeds=by_hand, design='fixed', p=sequential.as_plain({key(ONE): (0.001, math.nan)})
    )
    looks = [look(5, [OTHER], one=1e-9, other=0.9), *later]
    asked = types.SimpleNamespace(claims=(ONE, OTHER), plain=None)
    found, _ = settle.verdicts(asked, RESULTS, [fixed, *records(looks)])
    assert (found.verdict, found.rests_on) == ('supported', 5)
    assert ('not corrected' in found.note) == bool(words)
    assert words in found.note
    # One that rests on more seeds than were looked at by hand says so.
    late = [look(5, [ONE], one=0.9), look(8, one=1e-9)]
    (found,) = settle.verdicts(
        types.SimpleNamespace(claims=(ONE,), plain=None), RESULTS, [fixed, *records(late)]
    )
    assert f'an earlier look at {by_hand} seeds' in found.note
