"""A search: who is dropped at a rung, where the next round looks, and what is refused."""

import dataclasses

import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.expand import grid, log_uniform, points, product, rounds
from jaxtweaks.config.settings import Setting
from jaxtweaks.lab.experiment import build
from jaxtweaks.run import search
from jaxtweaks.run.compaction import Standing
from jaxtweaks.run.plan import all_runs
from jaxtweaks.run.search import Rungs, Search, closer, possible

RATE = 'optim.learning_rate'


def standing(accuracies, select='best_accuracy', done=()):
    """Runs of a setting a row and a seed a column, each with its accuracies by epoch."""
    train = dataclasses.replace(Setting().train, select=select)
    base = dataclasses.replace(Setting(), train=train)
    rates = [{RATE: 0.1 * (k + 1)} for k in range(len(accuracies))]
    runs = all_runs(base, rates, range(len(accuracies[0])))
    curves = [np.asarray(curve, float) for row in accuracies for curve in row]
    return [
        Standing(run, {'validation_accuracy': curve, 'validation_loss': 1 - curve}, i in done)
        for i, (run, curve) in enumerate(zip(runs, curves, strict=True))
    ]


def left(standing, keep):
    gone = Rungs((1,), keep).leaving(standing)
    return [one.run.point[RATE] for one in standing if one.run.id in gone]


def test_the_worst_settings_leave_by_the_mean_over_seeds():
    # Means 0.5, 0.6 and 0.4; the first has the best seed of all.
    there = standing([[[0.9], [0.1]], [[0.6], [0.6]], [[0.4], [0.4]]])
    assert left(there, keep=0.34) == pytest.approx([0.1, 0.1, 0.3, 0.3])
    assert left(there, keep=0.67) == pytest.approx([0.3, 0.3])


@pytest.mark.parametrize(
    ('select', 'gone'), [('last', 0.1), ('best_accuracy', 0.2), ('best_loss', 0.2)]
)
def test_a_setting_is_judged_by_what_would_be_kept_of_it(select, gone):
    # The first was at 0.8 once and is at 0.3 now; the second is at 0.5.
    there = standing([[[0.8, 0.3]], [[0.4, 0.5]]], select)
    assert left(there, keep=0.5) == [gone]


def test_a_setting_of_which_a_seed_has_diverged_is_the_worst():
    there = standing([[[0.9], [0.9]], [[0.2], [0.2]]], done={1})
    assert left(there, keep=0.5) == [0.1, 0.1]
    there = standing([[[np.nan], [0.9]], [[0.2], [0.2]]])
    assert left(there, keep=0.5) == [0.1, 0.1]


def test_of_equals_the_first_stay_and_one_always_does():
    there = standing([[[0.5]], [[0.5]], [[0.5]]])
    assert left(there, keep=0.1) == pytest.approx([0.2, 0.3])
    assert left(there[:1], keep=0.1) == []


def test_at_each_rung_of_two_or_more_settings_one_leaves():
    there = standing([[[0.5]], [[0.6]]])
    assert left(there, keep=0.99) == [0.1]


def test_the_share_of_the_epochs_by_hand():
    # 9 settings for 1 epoch, 3 for 2 more, 1 for 6 more: 21 of 81.
    assert Rungs((1, 3), 1 / 3).share(9, 9) == pytest.approx(21 / 81)
    assert Rungs((), 1 / 3).share(9, 9) == 1
    # Of the 3 that go on at 1: 3 epochs each, and 6 more of one.
    assert Rungs((1, 3), 1 / 3).share(3, 9, since=1) == pytest.approx(15 / 27)
    # 100 for 1 epoch, 29 (not 28, as 100 · 0.29 = 28.999999999999996 says) for 1 more.
    assert Rungs((1,), 0.29).share(100, 2) == 129 / 200
    there = standing([[[k / 100]] for k in range(100)])
    assert len(left(there, keep=0.29)) == 71


def drawn(found, field):
    return np.array([point[field] for point in found])


def test_the_next_round_is_drawn_around_the_best():
    swept = [{RATE: rate, 'model.activation': 'tanh'} for rate in (1e-5, 1e-3, 1e-1)]
    search = Search(samples=400, zoom=0.25)
    found = closer(search, Setting(), swept, swept[1], 2)
    assert found == closer(search, Setting(), swept, swept[1], 2)
    assert found != closer(search, Setting(), swept, swept[1], 3)
    exponents = np.log10(drawn(found, RATE))
    # A quarter of four decades, around 10^-3, filled evenly.
    assert exponents.min() == pytest.approx(-3.5, abs=0.01)
    assert exponents.max() == pytest.approx(-2.5, abs=0.01)
    assert exponents.mean() == pytest.approx(-3, abs=0.05)
    assert set(drawn(found, 'model.activation')) == {'tanh'}


def test_what_is_0_whole_or_a_word_in_the_best_setting_stays():
    best = {RATE: 0.1, 'penalty.l2': 0.0, 'train.batch_size': 16}
    swept = [best, {RATE: 0.001, 'penalty.l2': 0.1, 'train.batch_size': 64}]
    swept.append({RATE: 0.01, 'penalty.l2': 0.01, 'train.batch_size': 32})
    found = closer(Search(samples=20), Setting(), swept, best, 2)
    assert set(drawn(found, 'penalty.l2')) == {0.0}
    assert set(drawn(found, 'train.batch_size')) == {16}
    assert len(set(drawn(found, RATE))) > 10


def test_what_the_best_setting_does_not_read_is_not_drawn():
    sgd = {'optim.name': 'sgd', 'momentum.momentum': 0.9, RATE: 0.1}
    swept = [
        sgd,
        *({'optim.name': 'momentum', 'momentum.momentum': m, RATE: 0.01} for m in (0.5, 0.9)),
    ]
    found = closer(Search(samples=20), Setting(), swept, sgd, 2)
    assert set(drawn(found, 'momentum.momentum')) == {0.9}
    assert len(set(drawn(found, RATE))) > 10
    assert len(set(drawn(closer(Search(), Setting(), swept, swept[1], 2), 'momentum.momentum'))) > 1


def test_a_range_is_cut_off_where_the_field_ends():
    """β₂ of 0.9, 0.99 and 0.999, the last the best: a range of 0.9 to 1, not to 1.11."""
    b2 = 'adam.b2'
    base = trace.replace(Setting(), {'optim.name': 'adam'})
    swept = [{b2: value} for value in (0.9, 0.99, 0.999)]
    found = drawn(closer(Search(samples=400, zoom=1.0), base, swept, swept[2], 2), b2)
    # Half of a width of ln(0.999 / 0.9) below the best; uniform in the logarithm up to the end.
    least = 0.999 * (0.9 / 0.999) ** 0.5
    assert least <= found.min() < least + 0.001
    assert 0.9995 < found.max() < 1
    assert np.log(found).mean() == pytest.approx(np.log(least) / 2, abs=0.003)
    assert np.mean(found > 0.999) == pytest.approx(np.log(0.999) / np.log(least), abs=0.02)
    # As the review found it: of eight, three were 1.0.
    eight = closer(Search(samples=8, zoom=0.3), base, swept, swept[2], 2)
    assert len({point[b2] for point in eight}) == 8
    assert possible(base, swept, eight) == eight


def test_the_next_round_stays_within_what_a_field_allows():
    swept = [{'dropout.hidden': rate} for rate in (0.1, 0.9)]
    found = closer(Search(samples=50, zoom=1.0), Setting(), swept, swept[1], 2)
    assert 0.95 < drawn(found, 'dropout.hidden').max() < 1.0
    # The best at the very end of its field: all others are below it.
    found = closer(Search(samples=50, zoom=1.0), Setting(), swept, {'dropout.hidden': 1.0}, 2)
    assert drawn(found, 'dropout.hidden').max() < 1.0


@pytest.mark.parametrize('ends', [{'low': 0.12346}, {'low': None, 'above': 0.12346}])
def test_the_ends_of_a_field_are_not_drawn_though_it_is_rounded(monkeypatch, ends):
    field = trace.FIELDS['dropout.hidden']
    rule = dataclasses.replace(field.rule, high=0.12354, **ends)
    narrowed = dataclasses.replace(field, rule=rule)
    monkeypatch.setitem(trace.FIELDS.maps[-1], 'dropout.hidden', narrowed)
    swept = [{'dropout.hidden': rate} for rate in (0.1, 0.2)]
    best = {'dropout.hidden': 0.1235}
    points = closer(Search(samples=50, zoom=1.0), Setting(), swept, best, 2)
    found = drawn(points, 'dropout.hidden')
    assert all(0.12346 < value < 0.12354 for value in found)
    assert all(map(rule.admits, found))
    assert 0.1235 in found  # four digits where they are inside
    # Below 0.12345 and above 0.12355 four digits would be 0.1234 and 0.1236.
    wide = dataclasses.replace(rule, high=0.12360)
    monkeypatch.setitem(
        trace.FIELDS.maps[-1], 'dropout.hidden', dataclasses.replace(field, rule=wide)
    )
    points = closer(Search(samples=50, zoom=1.0), Setting(), swept, best, 2)
    found = drawn(points, 'dropout.hidden')
    assert 0.12355 < found.max() < 0.1236


def test_only_settings_that_are_new_and_go_together_make_a_round():
    schedule = {'schedule.name': 'triangular', 'triangular.minimum': 0.01}
    base = trace.replace(Setting(), schedule)
    known = [{RATE: rate, 'optim.name': name} for rate in (0.1, 0.02) for name in ('sgd', 'adam')]
    low, there, new = ({RATE: rate, 'optim.name': 'sgd'} for rate in (0.005, 0.1, 0.05))
    assert possible(base, known, [low, there, new]) == [new]
    assert possible(base, known, [there, new]) == [new]
    assert possible(base, known, [there]) == []
    assert possible(base, known, [new, there, dict(new)]) == [new]  # a repeat is one omitted
    # Nothing reads β₂ in the new setting, but others do.
    base = trace.replace(base, {'adam.b2': 0.9})
    assert possible(base, known, [low, new]) == [new]
    assert possible(base, known, [{RATE: -1.0, 'optim.name': 'sgd'}]) == []


def test_what_is_checked_grows_with_the_settings_and_not_with_their_product(monkeypatch):
    schedule = {'schedule.name': 'triangular', 'triangular.minimum': 0.01}
    base = trace.replace(Setting(), schedule)
    known = [{RATE: 0.1 + 0.001 * k} for k in range(50)]
    low, high = ([{RATE: start + 0.0001 * k} for k in range(20)] for start in (0.001, 0.02))
    checked, check = [], search.check_settings
    monkeypatch.setattr(
        search, 'check_settings', lambda settings: (checked.append(len(settings)), check(settings))
    )
    assert possible(base, known, [*low, *high]) == high
    assert sum(checked) == 40 + (50 + 20)


def config(**search):
    return {
        'name': 'x',
        'data': {'name': 'digits', 'train_size': 100, 'validation_size': 50},
        'model': {'name': 'mlp', 'hidden': (8,)},
        'train': {'epochs': 5, 'batch_size': 20, 'select': 'best_accuracy'},
        'sweep': log_uniform(RATE, 1e-3, 1e-1, 4),
        'search': search,
    }


def test_the_rounds_of_a_search_are_a_sweep():
    experiment = build(config(rounds=2))
    more = points({RATE: 0.5}, {RATE: 0.25})
    grown = experiment.grown((more,))
    assert [len(part) for part in grown.points_by_round] == [4, 2]
    assert len(grown.points) == 6
    assert grown.points[-1] == {RATE: 0.25}
    assert grown.asked == experiment
    assert experiment.grown(()) == experiment
    assert build(config() | {'sweep': rounds(*grown.sweep[1:])}).points == grown.points


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'search': {'rungs': (2,)}}, 'search.rungs: are read by a search; set search.rounds'),
        ({'search': {'rounds': 1, 'rungs': (3, 2)}}, r'\(3, 2\) must rise and end before the last'),
        ({'search': {'rounds': 1, 'rungs': (2, 5)}}, r'before the last epoch \(5\)'),
        ({'search': {'rounds': 1}, 'sweep': ()}, 'must have two settings at least'),
        (
            {'search': {'rounds': 2}, 'sweep': grid('train.batch_size', 4, 8)},
            'search.rounds',
        ),
        (
            {
                'search': {'rounds': 1},
                'sweep': product(grid('train.select', 'last', 'best_loss'), grid(RATE, 0.1, 0.2)),
            },
            'train.select keeps, so that cannot be swept',
        ),
        (
            {'search': {'rounds': 1, 'rungs': (2,)}, 'sweep': grid('train.epochs', 4, 5)},
            'train.epochs cannot be swept',
        ),
        (
            {
                'search': {'rounds': 1, 'rungs': (2,)},
                'train': {'epochs': 5, 'select': 'best_loss', 'patience': 2.0},
            },
            'train.patience must be 0',
        ),
        ({'search': {'rounds': 1, 'rungs': (2,)}, 'derive': ('best',)}, 'so derive cannot compare'),
        ({'search': {'rounds': 1, 'keep': 1.0}}, 'search.keep: 1.0 is not allowed'),
        ({'sweep': ('rounds',)}, 'rounds has no settings'),
    ],
)
def test_what_makes_no_search_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        build(config() | changes)
