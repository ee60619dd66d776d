"""Derived results against numbers computed by hand and by plain NumPy."""

import dataclasses

import numpy as np
import pytest
from fake_results import sweep

from jaxtweaks import experiment
from jaxtweaks.errors import UserError
from jaxtweaks.study import derive
from jaxtweaks.study.derive.combine import combine, score
from jaxtweaks.study.derive.stopping import Rule, stop_of
from jaxtweaks.sweep.expand import grid, product, union

LOG = np.log


def config(**values):
    values = {'name': 'it', **values}
    return experiment.build(values)


def test_probabilities_are_averaged():
    # Two networks that give class 1 the probabilities 0.2 and 0.6: together 0.4.
    logits = LOG([[[0.8, 0.2]], [[0.4, 0.6]]])
    predicted, together = combine(logits, 'probabilities')
    assert predicted.tolist() == [0]
    np.testing.assert_allclose(np.exp(together), [[0.6, 0.4]])
    found = score(logits, np.array([1]), 'probabilities')
    assert found['loss'] == pytest.approx(-LOG(0.4))
    assert found['accuracy'] == 0
    assert found['confusion'].tolist() == [[0, 0], [1, 0]]


def test_logits_are_averaged():
    # The mean of the logits (4, 0) and (0, 2) is (2, 1): class 0 with 1 / (1 + e⁻¹).
    logits = np.array([[[4.0, 0.0]], [[0.0, 2.0]]])
    predicted, together = combine(logits, 'logits')
    assert predicted.tolist() == [0]
    np.testing.assert_allclose(np.exp(together[0, 0]), 1 / (1 + np.exp(-1)))


def test_the_two_means_differ_where_one_network_is_very_sure():
    logits = np.array([[[9.0, 0.0]], [[0.0, 3.0]], [[0.0, 3.0]]])
    assert combine(logits, 'logits')[0].tolist() == [0]
    assert combine(logits, 'probabilities')[0].tolist() == [1]


@pytest.mark.parametrize(
    ('votes', 'wins'),
    [
        ([0, 1, 1], 1),
        ([2, 2, 0], 2),
        ([1, 0], 1),  # a tie: the first network decides
        ([2, 0, 1], 2),
        ([2, 0, 1, 0, 1], 0),  # tied are 0 and 1; the first who voted for one of them chose 0
    ],
)
def test_the_majority_wins_and_ties_go_to_the_first(votes, wins):
    logits = np.eye(3)[np.array(votes)][:, None, :]
    predicted, together = combine(logits, 'votes')
    assert predicted.tolist() == [wins]
    assert together is None
    assert np.isnan(score(logits, np.array([0]), 'votes')['loss'])


@pytest.mark.parametrize('how', ['probabilities', 'logits', 'votes'])
def test_an_ensemble_of_one_is_the_member(how):
    logits = np.random.default_rng(0).normal(size=(1, 50, 4))
    labels = np.random.default_rng(1).integers(4, size=50)
    found = score(logits, labels, how)
    shares = np.exp(logits[0]) / np.exp(logits[0]).sum(-1, keepdims=True)
    assert found['accuracy'] == (shares.argmax(-1) == labels).mean()
    if how != 'votes':
        assert found['loss'] == pytest.approx(-LOG(shares[np.arange(50), labels]).mean())
    assert found['confusion'].sum() == 50


def test_a_member_that_diverged_spoils_the_ensemble():
    logits = np.zeros((2, 3, 2))
    logits[1, 0, 0] = np.nan
    found = score(logits, np.zeros(3, int), 'probabilities')
    assert np.isnan(found['accuracy'])
    assert found['confusion'].sum() == 0


MEMBERS, IMAGES, CLASSES = 5, 40, 3


def ensemble_case(**options):
    """Results with two drop rates × 5 members × 2 seeds, and the experiment they are of."""
    asked = config(
        seeds=2,
        sweep=product(grid('dropout.hidden', 0.0, 0.5), grid('train.member', *range(MEMBERS))),
        model={'name': 'mlp'},
        train={'keep_logits': True, 'snapshots': 3, 'ema_decay': 0.9},
        derive=('ensemble',),
        ensemble=options,
    )
    results = sweep({'dropout.hidden': (0.0, 0.5), 'train.member': tuple(range(MEMBERS))}, seeds=2)
    random = np.random.default_rng(0)
    logits = lambda *more: random.normal(size=(10, 2, *more, IMAGES, CLASSES)).astype(np.float32)
    arrays = {
        'test_logits': logits(),
        'validation_logits': logits(),
        'snapshot_test_logits': logits(3),
        'ema_test_logits': logits(),
    }
    labels = {name: random.integers(CLASSES, size=IMAGES) for name in ('validation', 'test')}
    return asked, dataclasses.replace(results, arrays=arrays, labels=labels)


def accuracy(logits, labels):
    return np.mean(logits.argmax(-1) == labels)


def row_of(found, **fields):
    wanted = {name.replace('__', '.'): value for name, value in fields.items()}
    (k,) = found.select(wanted)
    return k


def test_members_of_a_seed_are_put_together():
    asked, results = ensemble_case()
    found = derive.derived(results, asked)
    assert found.settings == tuple(derive.plan(asked.points, recorded_of(asked), asked)[0])
    assert len(found.settings) == 2 * 4 * 3  # M = 1, 2, 4, 5
    assert 'train.member' not in found.swept
    labels = results.labels['test']
    k = row_of(found, dropout__hidden=0.5, ensemble__size=4, ensemble__combine='logits')
    for seed in range(2):
        mean = results.arrays['test_logits'][5:9, seed].astype(float).mean(0)
        assert found.finals['test_accuracy'][k, seed] == accuracy(mean, labels)
        mean = results.arrays['validation_logits'][5:9, seed].astype(float).mean(0)
        expected = accuracy(mean, results.labels['validation'])
        assert found.finals['validation_accuracy'][k, seed] == expected
        expected = results.curves['train_loss'][5:9, seed].mean(0)
        np.testing.assert_allclose(found.curves['train_loss'][k, seed], expected)


def recorded_of(asked):
    from jaxtweaks.study.recorded import metrics_of

    return metrics_of([run.setting for run in asked.runs])


def test_size_one_is_the_mean_of_all_members():
    asked, results = ensemble_case(combine=('probabilities', 'votes'))
    found = derive.derived(results, asked)
    logits, labels = results.arrays['test_logits'], results.labels['test']
    for how in ('probabilities', 'votes'):
        k = row_of(found, dropout__hidden=0.0, ensemble__size=1, ensemble__combine=how)
        expected = np.mean([accuracy(logits[member, 1], labels) for member in range(MEMBERS)])
        assert found.finals['test_accuracy'][k, 1] == pytest.approx(expected)
    assert found.confusion[k, 1].sum() == MEMBERS * IMAGES


def test_snapshots_and_the_running_average_are_means_over_the_runs():
    asked, results = ensemble_case(kinds=('snapshots', 'ema'), combine=('probabilities',))
    found = derive.derived(results, asked)
    assert [point['ensemble.size'] for point in found.settings] == [1, 2, 3, 1, 2, 3, 1, 1]
    labels = results.labels['test']
    k = row_of(found, dropout__hidden=0.5, ensemble__kind='snapshots', ensemble__size=2)
    shares = np.exp(results.arrays['snapshot_test_logits'][5:, 0].astype(float))
    shares /= shares.sum(-1, keepdims=True)
    last_two = shares[:, 1:].mean(1)
    expected = np.mean([accuracy(last_two[member], labels) for member in range(MEMBERS)])
    assert found.finals['test_accuracy'][k, 0] == pytest.approx(expected)
    picked = last_two[:, np.arange(IMAGES), labels]
    assert found.finals['test_loss'][k, 0] == pytest.approx(-LOG(picked).mean(), rel=1e-6)
    assert np.isnan(found.finals['validation_loss'][k, 0])
    k = row_of(found, dropout__hidden=0.0, ensemble__kind='ema')
    ema = results.arrays['ema_test_logits'][:5, 1]
    expected = np.mean([accuracy(ema[member], labels) for member in range(MEMBERS)])
    assert found.finals['test_accuracy'][k, 1] == pytest.approx(expected)


def test_the_top_settings_are_chosen_on_validation_for_each_seed():
    asked, results = ensemble_case(kinds=('top',), combine=('logits',))
    results.finals['validation_accuracy'][[0, 5]] = [[0.9, 0.1], [0.2, 0.3]]
    found = derive.derived(results, asked)
    assert [point['ensemble.size'] for point in found.settings] == [1, 2]
    assert found.settings[0]['dropout.hidden'] is None
    logits, labels = results.arrays['test_logits'], results.labels['test']
    assert found.finals['test_accuracy'][0, 0] == accuracy(logits[0, 0], labels)
    assert found.finals['test_accuracy'][0, 1] == accuracy(logits[5, 1], labels)
    both = logits[[0, 5], 0].astype(float).mean(0)
    assert found.finals['test_accuracy'][1, 0] == accuracy(both, labels)


def test_a_setting_that_takes_snapshots_is_no_rival_of_those_that_do_not():
    asked = config(
        seeds=1,
        sweep=union(grid('optim.learning_rate', 1e-3, 1e-2), grid('train.snapshots', 2)),
        train={'keep_logits': True},
        derive=('ensemble',),
        ensemble={'kinds': ('top', 'snapshots'), 'combine': ('logits',)},
    )
    recorded = recorded_of(asked)
    points, _ = derive.plan([run.point for run in asked.runs], recorded, asked)
    sizes = [(point['ensemble.kind'], point['ensemble.size']) for point in points]
    assert sizes == [('top', 1), ('top', 2), ('snapshots', 1), ('snapshots', 2)]


def test_the_gain_is_over_the_mean_of_the_members_alone():
    asked, results = ensemble_case(kinds=('members', 'top', 'ema'), combine=('votes',))
    results.finals['validation_accuracy'][[0, 5]] = [[0.9, 0.1], [0.2, 0.3]]
    found = derive.derived(results, asked)
    logits, labels = results.arrays['test_logits'], results.labels['test']
    fields = {'ensemble__kind': 'members', 'dropout__hidden': 0.5, 'ensemble__size': 4}
    k = row_of(found, **fields)
    alone = np.mean([accuracy(logits[member, 1], labels) for member in range(5, 9)])
    expected = found.finals['test_accuracy'][k, 1] - alone
    assert found.finals['test_accuracy_gain'][k, 1] == pytest.approx(expected)
    k = row_of(found, ensemble__kind='top', ensemble__size=2)
    alone = np.mean([accuracy(logits[member, 0], labels) for member in (0, 5)])
    expected = found.finals['test_accuracy'][k, 0] - alone
    assert found.finals['test_accuracy_gain'][k, 0] == pytest.approx(expected)
    ema = found.select({'ensemble.kind': 'ema'})
    np.testing.assert_allclose(found.finals['test_accuracy_gain'][ema], 0, atol=1e-12)


def test_an_ensemble_with_a_diverged_member_has_diverged():
    asked, results = ensemble_case(sizes=(2, 5), combine=('votes',))
    results.diverged_at[3, 0] = 7
    results.arrays['test_logits'][3, 0] = np.nan
    found = derive.derived(results, asked)
    assert found.diverged.tolist() == [[False, False], [True, False], [False] * 2, [False] * 2]
    assert np.isnan(found.finals['test_accuracy'][1, 0])


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'derive': ('ensembel',)}, "did you mean 'ensemble'"),
        ({'derive': ('mc',)}, 'needs train.mc_samples'),
        ({'derive': ('tested',)}, 'needs train.ema_decay or train.snapshots'),
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
    found = derive.derived(results, asked)
    planned, recorded = derive.plan(asked.points, recorded_of(asked), asked)
    assert found.settings == tuple(planned)
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
    found = derive.derived(results, asked)
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
    found = derive.derived(results, asked)
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
    found = derive.derived(results, asked)
    assert [point['mc.samples'] for point in found.settings] == [0, 5]
    assert {point['stopping.rule'] for point in found.settings} == {'early'}
