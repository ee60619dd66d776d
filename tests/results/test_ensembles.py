"""The derivation `ensemble`: networks that predict together."""

import dataclasses

import numpy as np
import pytest
from derive_cases import config, derived, planned, row_of
from fake_results import sweep
from scipy.special import log_softmax

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.expand import grid, points, product, union
from jaxtweaks.results import guess
from jaxtweaks.results.derive import Selected, selected
from jaxtweaks.results.derive.combine import HOW, combine, combine_labels, score, ways

LOG = np.log


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


def test_members_of_a_seed_are_put_together():
    asked, results = ensemble_case()
    found = derived(results, asked)
    assert found.settings == tuple(planned(asked)[0])
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


def test_size_one_is_the_mean_of_all_members():
    asked, results = ensemble_case(combine=('probabilities', 'votes'))
    found = derived(results, asked)
    logits, labels = results.arrays['test_logits'], results.labels['test']
    for how in ('probabilities', 'votes'):
        k = row_of(found, dropout__hidden=0.0, ensemble__size=1, ensemble__combine=how)
        expected = np.mean([accuracy(logits[member, 1], labels) for member in range(MEMBERS)])
        assert found.finals['test_accuracy'][k, 1] == pytest.approx(expected)
    assert found.confusion[k, 1].sum() == MEMBERS * IMAGES


def test_snapshots_and_the_running_average_are_means_over_the_runs():
    asked, results = ensemble_case(kinds=('snapshots', 'ema'), combine=('probabilities',))
    found = derived(results, asked)
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


def test_settings_may_take_different_numbers_of_snapshots():
    """They fill the first places of an array that has room for the most."""
    asked = config(
        seeds=1,
        sweep=grid('train.snapshots', 2, 3),
        train={'keep_logits': True},
        derive=('ensemble',),
        ensemble={'kinds': ('snapshots',), 'combine': ('logits',)},
    )
    random = np.random.default_rng(0)
    logits = random.normal(size=(2, 1, 3, IMAGES, CLASSES)).astype(np.float32)
    logits[0, 0, 2] = np.nan
    labels = {'test': random.integers(CLASSES, size=IMAGES)}
    results = dataclasses.replace(
        sweep({'train.snapshots': (2, 3)}, seeds=1),
        arrays={'snapshot_test_logits': logits},
        labels=labels,
    )
    found = derived(results, asked)
    sizes = [(point['train.snapshots'], point['ensemble.size']) for point in found.settings]
    assert sizes == [(2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]
    last = [logits[0, 0, 1:2], logits[0, 0, :2]] + [logits[1, 0, 3 - m :] for m in (1, 2, 3)]
    places = np.arange(IMAGES), labels['test']
    losses = [-log_softmax(team.astype(float).mean(0), -1)[places].mean() for team in last]
    assert found.finals['test_loss'][:, 0] == pytest.approx(losses, rel=1e-5)


def test_the_top_settings_are_chosen_on_validation_for_each_seed():
    asked, results = ensemble_case(kinds=('top',), combine=('logits',))
    results.finals['validation_accuracy'][[0, 5]] = [[0.9, 0.1], [0.2, 0.3]]
    found = derived(results, asked)
    assert [point['ensemble.size'] for point in found.settings] == [1, 2]
    assert found.settings[0]['dropout.hidden'] is None
    logits, labels = results.arrays['test_logits'], results.labels['test']
    assert found.finals['test_accuracy'][0, 0] == accuracy(logits[0, 0], labels)
    assert found.finals['test_accuracy'][0, 1] == accuracy(logits[5, 1], labels)
    both = logits[[0, 5], 0].astype(float).mean(0)
    assert found.finals['test_accuracy'][1, 0] == accuracy(both, labels)


def test_by_what_the_top_settings_were_chosen():
    asked, results = ensemble_case(kinds=('members', 'top'), combine=('logits', 'alone'))
    found = selected(results.settings, asked.derivations, asked.base)
    kinds = [(point['ensemble.kind'], point['ensemble.size']) for point in planned(asked)[0]]
    # Of two rates the best one is a choice, both are none.
    best = Selected('validation', 2, 1)
    assert found == [best if kind == ('top', 1) else None for kind in kinds]
    assert found.count(best) == 2


def fold_case(sweep_of_folds, *kinds):
    """Results of two rates, each whole and lacking some folds, one seed."""
    asked = config(
        seeds=1,
        sweep=sweep_of_folds,
        data={'folds': 3},
        train={'keep_logits': True},
        derive=('ensemble',),
        ensemble={'kinds': kinds, 'combine': ('logits',)},
    )
    points = tuple(run.point for run in asked.runs)
    few = sweep({'train.member': tuple(range(len(points)))}, seeds=1)
    random = np.random.default_rng(0)
    arrays = {
        name: random.normal(size=(len(points), 1, IMAGES, CLASSES)).astype(np.float32)
        for name in ('test_logits', 'validation_logits')
    }
    labels = {name: random.integers(CLASSES, size=IMAGES) for name in ('validation', 'test')}
    finals = {name: random.uniform(size=(len(points), 1)) for name in few.finals}
    changed = {'settings': points, 'arrays': arrays, 'labels': labels, 'finals': finals}
    return asked, dataclasses.replace(few, **changed)


RATES = grid('optim.learning_rate', 1e-3, 1e-2)


def test_the_top_settings_are_chosen_by_cross_validation_where_there_are_folds():
    members = product(RATES, grid('train.member', 0, 1))
    lacking = product(RATES, grid('data.fold', 1, 2, 3))
    asked, results = fold_case(union(members, lacking), 'members', 'top')
    assert [point['data.fold'] for point in results.settings] == [0] * 4 + [1, 2, 3] * 2
    results.finals['validation_accuracy'][:4, 0] = 0.9, 0.9, 0.1, 0.1
    results.finals['fold_accuracy'] = np.full((10, 1), np.nan)
    results.finals['fold_accuracy'][4:, 0] = 0.1, 0.1, 0.9, 0.4, 0.4, 0.4
    found = derived(results, asked)
    assert not any('data.fold' in point for point in found.settings)
    # That the best of two was chosen, and by what: no claim may compare it by that.
    chosen = selected(results.settings, asked.derivations, asked.base)
    kinds = [(point['ensemble.kind'], point['ensemble.size']) for point in found.settings]
    assert chosen == [Selected('fold', 2, 1) if kind == ('top', 1) else None for kind in kinds]
    # Two rates by M = 1, 2 members, and the best 1 and 2 rates.
    assert len(found.settings) == 6
    logits, labels = results.arrays['test_logits'][:, 0], results.labels['test']
    best = row_of(found, ensemble__kind='top', ensemble__size=1)
    assert found.finals['test_accuracy'][best, 0] == accuracy(logits[2], labels)
    one = row_of(found, ensemble__kind='members', ensemble__size=1, optim__learning_rate=1e-3)
    alone = np.mean([accuracy(logits[member], labels) for member in (0, 1)])
    assert found.finals['test_accuracy'][one, 0] == pytest.approx(alone)
    # A run that diverged without a fold puts its setting last.
    results.finals['fold_accuracy'][9, 0] = np.nan
    found = derived(results, asked)
    assert found.finals['test_accuracy'][best, 0] == accuracy(logits[0], labels)


RATE = 'optim.learning_rate'


@pytest.mark.parametrize(
    ('folds', 'message'),
    [
        (union(RATES, points({RATE: 1e-3, 'data.fold': 1})), '1 … 3'),
        (union(RATES, points({RATE: 1e-3, 'data.fold': 1}, {RATE: 1e-2, 'data.fold': 2})), '1 … 3'),
        (product(RATES, grid('data.fold', 0, 1, 2)), '1 … 3'),
        (
            product(RATES, grid('data.fold', 0, 1, 2, 3), grid('train.member', 0, 1)),
            '1 … 3',
        ),
        (product(RATES, grid('data.fold', 1, 2)), 'data.fold = 0'),
        (union(RATES, product(grid(RATE, 0.1), grid('data.fold', 1, 2, 3))), '0.1.*judge'),
        (
            union(
                product(RATES, grid('data.folds', 2), grid('data.fold', 1, 2)),
                product(RATES, grid('data.folds', 3), grid('data.fold', 0, 1, 2, 3)),
            ),
            "'data.folds': 2.*judge",
        ),
    ],
)
def test_settings_that_lack_other_folds_cannot_be_compared(folds, message):
    with pytest.raises(UserError, match=message):
        fold_case(folds, 'top')


def test_folds_that_nothing_reads_are_refused():
    with pytest.raises(UserError, match="only for the kind 'top'"):
        fold_case(product(RATES, grid('data.fold', 0, 1, 2, 3)), 'snapshots')


def test_a_setting_that_takes_snapshots_is_no_rival_of_those_that_do_not():
    asked = config(
        seeds=1,
        sweep=union(grid('optim.learning_rate', 1e-3, 1e-2), grid('train.snapshots', 2)),
        train={'keep_logits': True},
        derive=('ensemble',),
        ensemble={'kinds': ('top', 'snapshots'), 'combine': ('logits',)},
    )
    points, _ = planned(asked)
    sizes = [(point['ensemble.kind'], point['ensemble.size']) for point in points]
    assert sizes == [('top', 1), ('top', 2), ('snapshots', 1), ('snapshots', 2)]


def test_the_gain_is_over_the_mean_of_the_members_alone():
    asked, results = ensemble_case(kinds=('members', 'top', 'ema'), combine=('votes',))
    results.finals['validation_accuracy'][[0, 5]] = [[0.9, 0.1], [0.2, 0.3]]
    found = derived(results, asked)
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


@pytest.mark.parametrize('how', ['probabilities', 'votes'])
def test_the_members_not_combined_are_what_the_gain_is_over(how):
    kinds = ('members', 'top', 'snapshots')
    asked, results = ensemble_case(kinds=kinds, combine=(how, 'alone'), sizes=(3,))
    found = derived(results, asked)
    accuracies, gains = found.finals['test_accuracy'], found.finals['test_accuracy_gain']
    together, alone = (found.select({'ensemble.combine': one}) for one in (how, 'alone'))
    np.testing.assert_allclose(accuracies[together] - accuracies[alone], gains[together])
    np.testing.assert_allclose(gains[alone], 0, atol=1e-12)
    labels, logits = results.labels['test'], results.arrays['snapshot_test_logits'][5:, 1]
    fields = {'ensemble__kind': 'snapshots', 'dropout__hidden': 0.5, 'ensemble__combine': 'alone'}
    expected = np.mean([accuracy(one, labels) for run in logits for one in run])
    assert accuracies[row_of(found, **fields), 1] == pytest.approx(expected)
    assert found.confusion[row_of(found, **fields), 1].sum() == 5 * 3 * IMAGES


def test_the_median_of_numbers_is_not_moved_by_one_network():
    outputs = np.array([[[1.0], [5.0]], [[2.0], [4.0]], [[90.0], [3.0]]])
    assert combine_labels(outputs, 'median').tolist() == [[2.0], [4.0]]
    assert combine_labels(outputs, 'outputs').tolist() == [[31.0], [4.0]]
    assert ways(HOW, 'float') == ('outputs',)
    assert ways(('median', 'alone'), 'float') == ('median', 'alone')


def test_an_ensemble_with_a_diverged_member_has_diverged():
    asked, results = ensemble_case(sizes=(2, 5), combine=('votes',))
    results.diverged_at[3, 0] = 7
    results.arrays['test_logits'][3, 0] = np.nan
    found = derived(results, asked)
    assert found.diverged.tolist() == [[False, False], [True, False], [False] * 2, [False] * 2]
    assert np.isnan(found.finals['test_accuracy'][1, 0])


def diverged_case(guesses, **options):
    """An ensemble case in which member 3 of the first rate diverged in seed 0, after 2 epochs."""
    asked, results = ensemble_case(**options)
    results.diverged_at[3, 0] = 7
    for values in results.arrays.values():
        values[3, 0] = np.nan
    for values in results.curves.values():
        values[3, 0, 2:] = np.nan
    return asked, dataclasses.replace(results, guesses=guesses)


GUESSES = guess.values('guess', 10, cross_entropy=True)


@pytest.mark.parametrize('guesses', [GUESSES, {}], ids=['guess', 'drop'])
def test_in_a_mean_over_members_only_the_diverged_one_guesses(guesses):
    asked, results = diverged_case(guesses, sizes=(1, 5), combine=('probabilities', 'alone'))
    found = derived(results, asked)
    logits, labels = results.arrays['test_logits'][:5, 0], results.labels['test']
    others = [accuracy(logits[member], labels) for member in (0, 1, 2, 4)]
    expected = (sum(others) + 0.1) / 5 if guesses else np.mean(others)
    of = lambda size, how: row_of(
        found, dropout__hidden=0.0, ensemble__size=size, ensemble__combine=how
    )
    for place in (of(1, 'probabilities'), of(1, 'alone'), of(5, 'alone')):
        assert found.finals['test_accuracy'][place, 0] == pytest.approx(expected)
        assert not found.diverged[place].any()
        # Nothing is gained by one alone, diverged or not.
        assert found.finals['test_accuracy_gain'][place, 0] == pytest.approx(0, abs=1e-12)
        assert found.confusion[place, 0].sum() == 4 * IMAGES
        curve, mine = found.curves['validation_loss'][place, 0], results.curves['validation_loss']
        left = mine[[0, 1, 2, 4], 0].mean(0)
        with_guess = (4 * left + np.where(np.arange(8) < 2, mine[3, 0], LOG(10))) / 5
        np.testing.assert_allclose(curve, with_guess if guesses else left)
    # Together they have diverged.
    assert found.diverged[of(5, 'probabilities')].tolist() == [True, False]
    assert np.isnan(found.finals['test_accuracy'][of(5, 'probabilities'), 0])


def test_a_mean_over_runs_that_all_diverged_has_diverged():
    asked, results = diverged_case(GUESSES, kinds=('members', 'ema'), combine=('logits',))
    results.diverged_at[5:, 1] = np.arange(5) + 3
    for values in results.arrays.values():
        values[5:, 1] = np.nan
    found = derived(results, asked)
    for kind in ('members', 'ema'):
        k = row_of(found, dropout__hidden=0.5, ensemble__kind=kind, ensemble__size=1)
        assert found.diverged[k].tolist() == [False, True]
        assert np.isnan(found.finals['test_accuracy'][k, 1])
    # Of the running averages of five runs one guesses.
    k = row_of(found, dropout__hidden=0.0, ensemble__kind='ema')
    logits, labels = results.arrays['ema_test_logits'][:5, 0], results.labels['test']
    others = [accuracy(logits[member], labels) for member in (0, 1, 2, 4)]
    assert found.finals['test_accuracy'][k, 0] == pytest.approx((sum(others) + 0.1) / 5)
