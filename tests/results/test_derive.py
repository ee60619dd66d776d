"""Derived results against numbers computed by hand and by plain NumPy."""

import dataclasses

import numpy as np
import pytest
from derive_cases import config, derived, planned, row_of
from fake_results import sweep

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.expand import grid, product
from jaxtweaks.results.derive.stopping import Rule, stop_of

LOG = np.log


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'derive': ('ensembel',)}, "did you mean 'ensemble'"),
        ({'derive': ('mc',)}, 'needs train.mc_samples'),
        ({'derive': ('tested',)}, 'needs train.ema_decay, train.swa_start or'),
        ({'derive': ('stopping',)}, 'needs stopping.rules'),
        ({'derive': ('ensemble',)}, 'needs train.member in the sweep'),
        (
            {'derive': ('ensemble',), 'sweep': grid('train.member', 0, 1)},
            'needs train.keep_logits',
        ),
        (
            {'derive': ('ensemble',), 'ensemble': {'kinds': ('snapshots',)}},
            'needs train.snapshots',
        ),
        (
            {
                'derive': ('ensemble',),
                'sweep': grid('train.member', 0, 1),
                'ensemble': {'sizes': (4,)},
            },
            r'ensemble.sizes: \(4,\) are all more',
        ),
        (
            # The logits of one split would be held against the labels of another.
            {
                'derive': ('ensemble',),
                'train': {'keep_logits': True},
                'sweep': product(grid('train.member', 0, 1), grid('data.split_seed', 0, 1)),
            },
            'data.split_seed cannot be swept with train.keep_logits',
        ),
        (
            {'derive': ('stopping',), 'stopping': {'rules': ({'name': 'a', 'kind': 'drop'},)}},
            'needs train.test_curve',
        ),
    ],
)
def test_what_cannot_be_derived_is_refused_before_training(values, message):
    with pytest.raises(UserError, match=message):
        config(**values)


CURVES = {'train': {'test_curve': True}, 'derive': ('stopping',)}


@pytest.mark.parametrize(
    ('rule', 'message'),
    [
        ({'kind': 'epochs'}, 'needs epochs'),
        ({'kind': 'patience'}, 'needs patience'),
        ({'kind': 'drop', 'patience': 3}, "kind 'drop' does not read patience"),
        ({'kind': 'drop', 'metric': 'train_accuracy'}, 'is not a loss or an error'),
        ({'kind': 'drop', 'metric': 'ema_validation_loss'}, "no metric by epoch 'ema_"),
    ],
)
def test_a_rule_that_cannot_be_carried_out_is_refused(rule, message):
    with pytest.raises(UserError, match=message):
        config(**CURVES, stopping={'rules': ({'name': 'it', **rule},)})


FALLING = np.array([0.50, 0.40, 0.33, 0.30, 0.31, 0.29, 0.292, 0.295, 0.30, 0.31])


@pytest.mark.parametrize(
    ('rule', 'expected'),
    [
        ({'kind': 'epochs', 'epochs': 4}, (3, 3, True)),
        ({'kind': 'epochs', 'epochs': 10}, (9, 9, True)),
        ({'kind': 'epochs', 'epochs': 11}, (9, 9, False)),
        ({'kind': 'threshold', 'level': 0.3}, (3, 3, True)),
        ({'kind': 'threshold', 'level': 0.1}, (9, 9, False)),
        # Over one epoch: −20%, −17.5%, −9.1%, then it rises.
        ({'kind': 'drop', 'window': 1, 'drop': 0.05}, (4, 4, True)),
        ({'kind': 'drop', 'window': 1, 'drop': 0.1}, (3, 3, True)),
        # Over three: −40%, −22.5%, −12.1%, then 0.30 → 0.292 is −2.7%.
        ({'kind': 'drop', 'window': 3, 'drop': 0.05}, (6, 6, True)),
        ({'kind': 'drop', 'window': 10, 'drop': 0.05}, (9, 9, False)),
        ({'kind': 'patience', 'patience': 1}, (4, 3, True)),
        ({'kind': 'patience', 'patience': 3}, (8, 5, True)),
        # 0.30 and 0.29 are not 0.05 better than 0.33.
        ({'kind': 'patience', 'patience': 3, 'min_improvement': 0.05}, (5, 2, True)),
        ({'kind': 'patience', 'patience': 5}, (9, 5, False)),
    ],
)
def test_where_a_rule_stops(rule, expected):
    assert stop_of(Rule(name='it', **rule), FALLING) == expected


def test_a_threshold_may_be_zero():
    rule = {'name': 'fits', 'kind': 'threshold', 'level': 0.0}
    config(**CURVES, stopping={'rules': (rule,)})
    assert stop_of(Rule(**rule), np.array([0.5, 0.0, 0.1])) == (1, 1, True)


def test_an_error_of_zero_cannot_fall_further():
    rule = Rule(name='it', kind='drop', window=1)
    assert stop_of(rule, np.array([0.5, 0.0, 0.0])).stop == 2


def test_stopping_gives_the_error_there_and_the_regret():
    rules = (
        {'name': 'two epochs', 'kind': 'epochs', 'epochs': 2},
        {'name': 'patient', 'kind': 'patience', 'patience': 2},
    )
    asked = config(
        **CURVES, seeds=2, sweep=grid('train.batch_size', 8, 16), stopping={'rules': rules}
    )
    results = sweep({'train.batch_size': (8, 16)}, seeds=2, epochs=5, diverged=[(1, 1, 3)])
    results.curves['validation_loss'][0, 0] = [1.0, 0.8, 0.7, 0.75, 0.72]
    results.curves['test_accuracy'][0, 0] = [0.3, 0.4, 0.5, 0.6, 0.55]
    found = derived(results, asked)
    points, recorded = planned(asked)
    assert found.settings == tuple(points)
    assert {'regret', 'stop_epoch', 'validation_loss'} <= set(recorded.finals)
    k = row_of(found, train__batch_size=8, stopping__rule='patient')
    assert found.finals['stop_epoch'][k, 0] == 5
    assert found.finals['stopped'][k, 0] == 1
    assert found.chosen_epoch[k, 0] == 3
    assert found.finals['test_error'][k, 0] == pytest.approx(0.5)
    assert found.finals['regret'][k, 0] == pytest.approx(0.1)
    assert found.finals['validation_loss'][k, 0] == pytest.approx(0.7)
    k = row_of(found, train__batch_size=8, stopping__rule='two epochs')
    assert found.finals['regret'][k, 0] == pytest.approx(0.2)
    np.testing.assert_array_equal(found.curves['train_loss'][k], results.curves['train_loss'][0])
    k = row_of(found, train__batch_size=16, stopping__rule='two epochs')
    assert np.isnan(found.finals['regret'][k, 1])
    assert found.diverged[k, 1]


def test_a_run_ends_where_its_curves_do():
    """One that was trained for three epochs is not stopped by a rule that stops after four."""
    rules = tuple({'name': f'{n}', 'kind': 'epochs', 'epochs': n} for n in (3, 4))
    asked = config(
        **CURVES, seeds=2, sweep=grid('train.batch_size', 8, 16), stopping={'rules': rules}
    )
    results = sweep({'train.batch_size': (8, 16)}, seeds=2, epochs=5)
    for curve in results.curves.values():
        curve[1, 0, 3:] = np.nan
    results.curves['test_accuracy'][1, 0, :3] = [0.3, 0.5, 0.4]
    found = derived(results, asked)
    stop = lambda k, seed: (found.finals['stop_epoch'][k, seed], found.finals['stopped'][k, seed])
    third, fourth = (row_of(found, train__batch_size=16, stopping__rule=n) for n in '34')
    assert (stop(third, 0), stop(fourth, 0)) == ((3, 1), (3, 0))
    assert (stop(third, 1), stop(fourth, 1)) == ((3, 1), (4, 1))
    assert found.finals['test_error'][fourth, 0] == pytest.approx(0.6)
    assert found.finals['regret'][fourth, 0] == pytest.approx(0.1)


def test_masks_become_settings():
    asked = config(
        seeds=2,
        sweep=grid('dropout.hidden', 0.0, 0.5),
        train={'mc_samples': (5, 50)},
        derive=('mc',),
    )
    results = sweep({'dropout.hidden': (0.0, 0.5)}, seeds=2)
    results.finals['test_calibration_error'] = np.full((2, 2), 0.05)
    for n in (5, 50):
        results.finals[f'mc_{n}_test_accuracy'] = np.array([[n, n + 1], [n + 2, n + 3]]) / 100
    found = derived(results, asked)
    assert [point['mc.samples'] for point in found.settings] == [0, 5, 50, 0, 5, 50]
    plain = results.finals['test_accuracy']
    np.testing.assert_allclose(
        found.finals['test_accuracy'],
        [plain[0], [0.05, 0.06], [0.5, 0.51], plain[1], [0.07, 0.08], [0.52, 0.53]],
    )
    assert np.isfinite(found.finals['test_calibration_error']).all(1).tolist() == [
        True, False, False, True, False, False,
    ]  # fmt: skip
    np.testing.assert_array_equal(
        found.finals['train_loss'][:3], results.finals['train_loss'][[0, 0, 0]]
    )
    assert not any(name.startswith('mc_') for name in found.finals)


def test_ways_to_average_over_masks_become_settings():
    asked = config(
        seeds=2,
        sweep=grid('dropout.hidden', 0.5, 0.2),
        train={'mc_samples': (5,), 'mc_combine': ('probabilities', 'logits')},
        derive=('mc',),
    )
    results = sweep({'dropout.hidden': (0.5, 0.2)}, seeds=2)
    results.finals['mc_5_test_accuracy'] = np.array([[0.1, 0.2], [0.3, 0.4]])
    results.finals['mc_logits_5_test_accuracy'] = np.array([[0.5, 0.6], [0.7, 0.8]])
    found = derived(results, asked)
    assert found.settings == tuple(planned(asked)[0])
    plain = results.finals['test_accuracy']
    np.testing.assert_allclose(
        found.finals['test_accuracy'],
        [plain[0], [0.1, 0.2], plain[0], [0.5, 0.6], plain[1], [0.3, 0.4], plain[1], [0.7, 0.8]],
    )
    k = row_of(found, dropout__hidden=0.2, mc__combine='logits', mc__samples=5)
    assert k == 7
    assert not any(name.startswith('mc_') for name in found.finals)


def test_parameter_sets_become_settings():
    asked = config(
        seeds=2,
        sweep=grid('train.ema_decay', 0.0, 0.9),
        train={'snapshots': 3, 'select': 'best_loss'},
        derive=('tested',),
    )
    results = sweep({'train.ema_decay': (0.0, 0.9)}, seeds=2)
    for name, value in (('ema', 0.7), ('snapshots', 0.8)):
        results.finals[f'{name}_test_accuracy'] = np.full((2, 2), value)
    results.curves['ema_validation_loss'] = results.curves['validation_loss'] / 2
    found = derived(results, asked)
    assert [point['tested'] for point in found.settings] == [
        'chosen', 'snapshots', 'chosen', 'ema', 'snapshots',
    ]  # fmt: skip
    plain = results.finals['test_accuracy']
    np.testing.assert_allclose(
        found.finals['test_accuracy'], [plain[0], [0.8] * 2, plain[1], [0.7] * 2, [0.8] * 2]
    )
    np.testing.assert_allclose(
        found.curves['validation_loss'][3], results.curves['validation_loss'][1] / 2
    )
    assert np.isnan(found.curves['train_loss'][3]).all()
    assert np.isfinite(found.curves['train_loss'][2]).all()


def test_one_derivation_follows_another():
    asked = config(
        seeds=2,
        dropout={'hidden': 0.5},
        train={'mc_samples': (5,), 'test_curve': True, 'epochs': 8},
        derive=('mc', 'stopping'),
        stopping={'rules': ({'name': 'early', 'kind': 'epochs', 'epochs': 2},)},
        figures=(
            {'name': 'f', 'kind': 'effect', 'title': 'F', 'metrics': ('regret',),
             'x': 'mc.samples'},
        ),
        claims=(
            {'sentence': 'S', 'source': 'T', 'kind': 'level', 'metric': 'regret', 'level': 0.5,
             'direction': 'below', 'a': {'stopping.rule': 'early', 'mc.samples': 0}},
        ),
    )  # fmt: skip
    results = dataclasses.replace(sweep({'x': (1,)}, seeds=2), settings=({},))
    results.finals['mc_5_test_accuracy'] = results.finals['test_accuracy']
    found = derived(results, asked)
    assert [point['mc.samples'] for point in found.settings] == [0, 5]
    assert {point['stopping.rule'] for point in found.settings} == {'early'}
