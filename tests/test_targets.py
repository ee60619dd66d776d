"""Regression and several labels, from the data to verdicts, figures and tables."""

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

import jaxtweaks as jt
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.data import load
from jaxtweaks.lab import experiment, laboratory
from jaxtweaks.report.choice import choose
from jaxtweaks.results.derive import derived
from jaxtweaks.run import search

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

CONSOLE = Console(file=io.StringIO(), width=200)
CLAIM = {'sentence': 'S.', 'source': '§'}


def hills():
    """Two numbers of three features, far from 0 and of different sizes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(320, 3))
    y = np.stack([500 + 100 * np.sin(x[:, 0]) + 50 * x[:, 1], x[:, 2] ** 2], 1)
    return jt.from_arrays(x, y, targets='float', classes=('height', 'width'), title='hills')


def tags():
    """Three labels of each example, which overlap."""
    x = np.random.default_rng(1).normal(size=(120, 4))
    return jt.from_arrays(x, (x[:, :3] > 0.3).astype(int), targets='multilabel', title='tags')


def worst(outputs, targets):
    """The largest error of all, which is no mean over batches."""
    return abs(outputs - targets).max()


@pytest.fixture(scope='module', autouse=True)
def _registered(of_module):
    jt.dataset('hills')(hills)
    jt.dataset('tags')(tags)
    jt.metric('worst', label='largest error', better='low', targets='float')(worst)


def config_of(name, loss, **values):
    train = {'batch_size': 20, 'epochs': 3, 'select': 'last'} | values.pop('train', {})
    return {
        'name': 'it',
        'seeds': 2,
        'data': {'name': name, 'train_size': 70, 'validation_size': 20} | values.pop('data', {}),
        'model': {'name': 'mlp', 'hidden': (8,)},
        'loss': {'name': loss},
        'optim': {'learning_rate': 0.05},
        'train': train,
        'execution': {'batching': 'map'},
        **values,
    }


def run(tmp_path, config):
    return laboratory.run(experiment.build(config), tmp_path, CONSOLE, command='test')


@pytest.fixture(scope='module')
def regression(tmp_path_factory):
    """Two settings, two seeds; chosen by a metric of a user's; everything kept that there is."""
    config = config_of(
        'hills',
        'mse',
        sweep=jt.grid('optim.learning_rate', 0.0, 0.05, 1e30),
        dropout={'hidden': 0.1},
        data={'train_size': 200},
        train={
            'select': 'best_worst', 'metrics': ('worst',), 'patience': 2, 'ema_decay': 0.5,
            'snapshots': 2, 'mc_samples': (1, 3), 'test_curve': True, 'keep_logits': True,
            'gradient_batches': 2, 'keep_parameters': True,
        },
        figures=(
            {'name': 'r2', 'kind': 'curves', 'title': 'R²', 'metrics': ('validation_r2',),
             'hue': 'optim.learning_rate'},
            {'name': 'gap', 'kind': 'effect', 'title': 'Gap', 'x': 'optim.learning_rate',
             'metrics': ('gap_worst', 'log_test_mse')},
        ),
        claims=(
            {**CLAIM, 'kind': 'less', 'metric': 'test_mse', 'a': {'optim.learning_rate': 0.05},
             'b': {'optim.learning_rate': 0.0}},
            {**CLAIM, 'sentence': 'It is best.', 'kind': 'optimum', 'metric': 'test_r2',
             'along': 'optim.learning_rate', 'within': (0.05, 0.05),
             'where': {'optim.learning_rate': (0.0, 0.05)}},
        ),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp('regression')
    return folder, run(folder, config)


@pytest.mark.parametrize(
    ('field', 'values', 'same'),
    [
        ('data.split', ('stratified', 'random'), True),  # numbers have no classes to hold out by
        ('data.standardise', ('channel', 'pixel'), True),  # each feature is a channel
        ('data.standardise', ('channel', 'none'), False),
        ('data.split_seed', (0, 1), False),
    ],
)
def test_settings_that_make_the_same_of_the_data_are_refused(tmp_path, field, values, same):
    config = config_of('hills', 'mse', sweep=jt.grid(field, *values), train={'epochs': 1})
    if same:
        with pytest.raises(UserError, match=f'{field}: {values[0]!r} and .* are the same run'):
            run(tmp_path / 'w', config)
    else:
        assert len(run(tmp_path / 'w', config).results.settings) == 2


def test_a_regression_has_claims_figures_and_tables(regression):
    folder, found = regression
    results = found.results
    assert results.usual == 'mse'
    assert not any('accuracy' in name for name in (*results.finals, *results.curves))
    assert (results.finals['test_r2'][1] > results.finals['test_r2'][0]).all()
    effects = [verdict.effect for verdict in found.verdicts]
    assert effects[0] < 0
    assert effects[1] == 0.05
    report = (folder / 'report.html').read_text()
    assert 'test mean squared error' in report
    shown = report.split('<main')[-1].replace('1-train_accuracy', '')  # an option of the config
    assert 'accuracy' not in shown.lower()
    assert {path.stem for path in (folder / 'figures').glob('*.svg')} == {'r2', 'gap'}


def test_metrics_are_in_the_unit_of_the_target_and_of_whole_splits(regression):
    results = regression[1].results
    labels = results.labels['test']
    outputs = results.arrays['test_logits']
    for k, s in np.ndindex(2, 2):
        error = np.asarray(outputs[k, s], np.float64) - labels
        spread = np.square(labels - labels.mean(0)).sum(0)
        expected = {
            'mse': np.mean(error**2),
            'rmse': np.sqrt(np.mean(error**2)),
            'mae': np.mean(abs(error)),
            'worst': abs(error).max(),
            'r2': np.mean(1 - np.square(error).sum(0) / spread),
            # The loss is of standardised targets.
            'loss': np.mean(np.square(error / results.labels['training'].std(0))),
        }
        for name, value in expected.items():
            assert results.finals[f'test_{name}'][k, s] == pytest.approx(value, rel=1e-4), name


def test_an_untrained_mean_is_averaged_over_snapshots_and_masks(regression):
    results = regression[1].results
    mean = results.arrays['snapshot_test_logits'].mean(2)
    mse = np.square(mean - results.labels['test']).mean((2, 3))
    np.testing.assert_allclose(results.finals['snapshots_test_mse'][:2], mse[:2], rtol=1e-4)
    assert np.isfinite(results.finals['mc_3_test_worst'][:2]).all()
    assert (results.finals['mc_1_test_mse'] != results.finals['mc_3_test_mse'])[:2].all()


def test_the_best_epoch_is_that_of_the_metric(regression):
    results = regression[1].results
    curve = results.curves['validation_worst'][:2]
    np.testing.assert_array_equal(results.chosen_epoch[:2], np.nanargmin(curve, -1) + 1)


def test_what_a_network_predicts_is_in_the_unit_of_the_target(regression):
    _, found = regression
    test = load(found.experiment.base.data, CONSOLE.print).test
    outputs = found.predict(test.images.reshape(-1, 3), {'learning_rate': 0.05}, seed=1)
    recorded = found.results.arrays['test_logits'][1, 1]
    np.testing.assert_allclose(outputs, recorded, rtol=1e-6)
    mse = np.square(outputs - test.labels).mean()
    assert found['test_mse'].sel(learning_rate=0.05, seed=1) == pytest.approx(mse, rel=1e-5)
    with pytest.raises(UserError, match=r'seed 0 .* diverged, so it predicts nothing'):
        found.predict(test.images, {'learning_rate': 1e30}, seed=0)
    with pytest.raises(UserError, match='some numbers are beyond float32'):
        found.predict(np.full((1, 3), 1e300), {'learning_rate': 0.05}, seed=1)


def test_several_labels(tmp_path):
    found = run(
        tmp_path,
        config_of(
            'tags',
            'binary_cross_entropy',
            sweep=jt.grid('train.member', 0, 1),
            derive=('ensemble',),
            train={'keep_logits': True, 'keep_parameters': True, 'select': 'best_micro_f1'},
            claims=(
                {**CLAIM, 'kind': 'level', 'metric': 'test_label_accuracy', 'level': 0.5,
                 'direction': 'above'},
            ),
        ),
    )  # fmt: skip
    assert {setting['ensemble.combine'] for setting in found.results.settings} == {
        'probabilities', 'logits'
    }  # fmt: skip
    assert (found.results.finals['test_label_accuracy'] > 0.5).all()
    images = load(found.experiment.base.data, CONSOLE.print).test.images
    for k in (0, 1):  # a network of each member, though the results are of both together
        logits = found.predict(images, {'train.member': k}, seed=1)
        np.testing.assert_allclose(logits, found.measured.arrays['test_logits'][k, 1], atol=1e-6)


def test_an_ensemble_of_numbers_predicts_the_mean(regression):
    """Of results that are made up, with two members of each of the seeds."""
    found = regression[1].results
    config = config_of(
        'hills', 'huber', sweep=jt.grid('train.member', 0, 1), huber={'delta': 0.5},
        train={'keep_logits': True}, derive=('ensemble',),
    )  # fmt: skip
    asked = experiment.build(config)
    members = ({'train.member': 0}, {'train.member': 1})
    together = derived(dataclasses.replace(found, settings=members), asked.derivations, asked.base)
    (two,) = together.select({'ensemble.size': 2, 'ensemble.combine': 'outputs'})
    error = found.arrays['test_logits'][:2].astype(np.float64).mean(0) - found.labels['test']
    np.testing.assert_allclose(together.finals['test_mae'][two], abs(error).mean((1, 2)), rtol=1e-5)
    size = abs(error / found.labels['training'].std(0))
    loss = np.where(size < 0.5, size**2 / 2, 0.5 * (size - 0.25)).mean((1, 2))
    np.testing.assert_allclose(together.finals['test_loss'][two], loss, rtol=1e-5)
    assert 'test_accuracy_gain' not in together.finals


def test_a_search_chooses_by_the_metric_of_the_loss(regression):
    results = regression[1].results
    setting = regression[1].experiment.runs[0].setting
    metric = search.score_of(trace.replace(setting, {'train.select': 'last'}))
    assert (metric.name, metric.better) == ('validation_mse', 'low')
    assert choose(results, metric).setting == {'optim.learning_rate': 0.05}
    assert search.score_of(setting).name == 'validation_worst'


def test_a_run_that_diverges_has_no_metrics(regression):
    """A rate of 10³⁰ in the sweep."""
    results = regression[1].results
    assert results.diverged[2].all()
    assert np.isnan(results.finals['test_mse'][2]).all()


REFUSED = {
    'another kind of targets': (config_of('hills', 'cross_entropy'), 'loss.name: .* numbers'),
    'classes': (config_of('digits', 'mse'), "loss.name: 'mse' takes numbers"),
    'labels in place of numbers': (config_of('tags', 'mae'), 'several labels'),
}


@pytest.mark.parametrize('case', REFUSED)
def test_a_loss_takes_the_targets_that_there_are(tmp_path, case):
    config, message = REFUSED[case]
    with pytest.raises(UserError, match=message):
        run(tmp_path, config)


BEFORE = {
    'noise of labels': ({'noise': {'labels': 0.1}}, 'noise.labels: 0.1 has no effect'),
    'wrong labels': ({'data': {'label_noise': 0.1}}, 'data.label_noise: 0.1 has no effect'),
    'an unmeasured choice': ({'train': {'select': 'best_accuracy'}}, "select: 'best_accuracy'"),
    'a metric it has': ({'train': {'metrics': ('mae',)}}, "metrics: 'mae' has no effect"),
    'a metric of labels': ({'train': {'metrics': ('micro_f1',)}}, 'several labels'),
    'confusion': (
        {'figures': ({'name': 'f', 'kind': 'confusion', 'title': 'F'},)},
        'no run records confusion',
    ),
    'shares of classes': (
        {'figures': ({'name': 'f', 'kind': 'labels', 'title': 'F'},)}, "'labels' shows classes",
    ),
    'accuracy': (
        {'claims': ({**CLAIM, 'kind': 'level', 'metric': 'test_accuracy', 'level': 0.5,
                     'direction': 'above'},)},
        "no final metric 'test_accuracy'",
    ),
    'votes': (
        {'sweep': jt.grid('train.member', 0, 1), 'derive': ('ensemble',),
         'train': {'keep_logits': True}, 'ensemble': {'combine': ('votes',)}},
        "combine: 'votes'",
    ),
    'losses of two kinds': (
        {'sweep': jt.grid('loss.name', 'mse', 'cross_entropy')}, 'different kinds',
    ),
}  # fmt: skip


@pytest.mark.parametrize('case', BEFORE)
def test_what_numbers_do_not_have_is_refused_before_training(case):
    values, message = BEFORE[case]
    with pytest.raises(UserError, match=message) as raised:
        experiment.build(config_of('hills', 'mse', **values))
    assert '\n' not in str(raised.value)


def test_standardised_targets_have_no_effect_on_classes():
    with pytest.raises(UserError, match=r'data\.standardise_targets: False has no effect'):
        experiment.build(config_of('digits', 'cross_entropy', data={'standardise_targets': False}))
