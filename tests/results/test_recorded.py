"""What a run will record is known before it is trained, and every metric has words."""

import dataclasses
import io

import numpy as np
import pytest
from fake_results import sweep
from rich.console import Console

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.metrics import label
from jaxtweaks.base.words import is_share, metric_value
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.lab import experiment, laboratory
from jaxtweaks.results.recorded import metrics_of

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')


def recorded(**fields):
    values = {name.replace('__', '.'): value for name, value in fields.items()}
    return metrics_of([trace.replace(Setting(), values)])


def test_a_plain_run():
    plain = recorded()
    assert 'test_accuracy' in plain.finals
    assert 'test_accuracy' not in plain.curves
    assert 'gap_loss' in plain.all_curves
    assert 'test_gap_loss' not in plain.all_curves  # without a test curve
    assert {'gap_accuracy', 'test_gap_accuracy'} <= set(plain.all_finals)
    assert '1-test_accuracy' in plain.all_finals
    assert plain.epochs == Setting().train.epochs
    assert not any(name.startswith(('mc_', 'ema_', 'snap')) for name in plain.finals)


@pytest.mark.parametrize(
    ('fields', 'kind', 'names'),
    [
        ({'train__test_curve': True}, 'curves', ['test_loss', 'test_accuracy']),
        ({'train__mc_samples': (5, 50)}, 'finals', ['mc_5_test_loss', 'mc_50_test_accuracy']),
        ({'train__ema_decay': 0.9}, 'finals', ['ema_test_loss', 'ema_test_accuracy']),
        ({'train__ema_decay': 0.9}, 'curves', ['ema_validation_loss']),
        ({'train__snapshots': 3}, 'finals', ['snapshots_test_accuracy']),
        ({'train__gradient_batches': 3}, 'finals', ['gradient_variance', 'gradient_norm']),
        ({'train__keep_logits': True}, 'arrays', ['test_logits', 'validation_logits']),
        ({'train__weight_bins': 9}, 'arrays', ['weight_histogram', 'weight_edges']),
        ({'data__name': 'circles'}, 'arrays', ['grid_probabilities']),
        ({'data__name': 'patterns'}, 'curves', ['p_only_loss', 'q_only_accuracy']),
    ],
)
def test_what_a_field_adds(fields, kind, names):
    assert set(names) <= set(getattr(recorded(**fields), kind))
    assert not set(names) & set(getattr(recorded(), kind))


def test_one_setting_that_has_it_is_enough_and_the_longest_counts():
    settings = [
        trace.replace(Setting(), {'train.epochs': epochs, 'train.snapshots': snapshots})
        for epochs, snapshots in ((3, 0), (7, 2))
    ]
    both = metrics_of(settings)
    assert both.epochs == 7
    assert 'snapshots_test_loss' in both.finals


@pytest.mark.parametrize('everything', [False, True])
def test_it_is_what_runs_record(tmp_path, everything):
    asked = {
        'name': 'it',
        'seeds': 2,
        'data': {'name': 'digits', 'train_size': 60, 'validation_size': 20, 'test_size': 30},
        'model': {'name': 'mlp', 'hidden': (8,)},
        'train': {'batch_size': 20, 'epochs': 2},
        'execution': {'batching': 'map'},
    }
    if everything:
        asked['data']['train_size'] = 200  # two batches of gradients
        asked['dropout'] = {'hidden': 0.1}
        asked['train'] |= {
            'select': 'best_loss',
            'patience': 1,
            'ema_decay': 0.9,
            'snapshots': 2,
            'mc_samples': (2, 3),
            'mc_combine': ('probabilities', 'logits'),
            'test_curve': True,
            'keep_logits': True,
            'gradient_batches': 2,
            'weight_bins': 5,
            'linearity': True,
            'sensitivity': True,
            'perturbation': 0.1,
            'lost_units': 0.5,
        }
    asked = experiment.build(asked)
    console = Console(file=io.StringIO())
    found = laboratory.run(asked, tmp_path, console, command='test').results
    expected = metrics_of([asked.base])
    assert sorted(found.curves) == sorted(expected.curves)
    assert sorted(found.finals) == sorted(expected.finals)
    assert sorted([*found.arrays, 'confusion']) == sorted(expected.arrays)
    assert len(found.epochs) == expected.epochs


@pytest.mark.parametrize(
    ('metric', 'words'),
    [
        ('test_accuracy', 'test accuracy'),
        ('1-test_accuracy', 'test error'),
        ('1-running_accuracy', 'training error (as trained, mean over the epoch)'),
        ('1-test_loss', '1 − test loss'),
        ('mc_50_test_accuracy', 'test accuracy (mean over 50 dropout masks)'),
        ('1-mc_50_test_accuracy', 'test error (mean over 50 dropout masks)'),
        ('ema_validation_loss', 'validation loss (running average of the parameters)'),
        ('snapshots_test_loss', 'test loss (mean over the snapshots)'),
        ('perturbed_test_loss', 'test loss (weights perturbed)'),
        ('lesioned_test_accuracy', 'test accuracy (hidden units lost)'),
        ('p_only_accuracy', 'accuracy on P alone'),
        ('fold_accuracy', 'accuracy on the held-out fold'),
        ('1-p_only_accuracy', 'error on P alone'),
        ('patch_only_loss', 'loss on patches alone'),
        ('mine_too_loss', 'loss on mine too'),
        ('log_train_loss', 'log₁₀ of the training loss'),
        ('gap_accuracy', 'generalisation gap (training − validation accuracy)'),
        ('test_gap_accuracy', 'generalisation gap (training − test accuracy)'),
        ('test_gap_loss', 'generalisation gap (test − training loss)'),
        ('some_thing', 'some thing'),
    ],
)
def test_every_metric_has_words(metric, words):
    assert label(metric) == words


def test_shares_are_distinguished_from_numbers():
    assert is_share('1-test_accuracy')
    assert is_share('small_weights')
    assert not is_share('gradient_variance')
    assert not is_share('log_test_accuracy')
    assert metric_value('test_calibration_error', 0.0312) == '3.12%'


def test_the_complement_is_derived():
    results = sweep({'x': (1, 2)})
    np.testing.assert_allclose(
        results.curve('1-test_accuracy'), 1 - results.curves['test_accuracy']
    )
    np.testing.assert_allclose(results.final('1-gap_accuracy'), 1 - results.final('gap_accuracy'))
    with pytest.raises(UserError, match="did you mean 'test_accuracy'"):
        results.final('1-test_acuracy')


def test_the_gap_to_test_is_derived():
    measured = {'train_accuracy': 0.9, 'test_accuracy': 0.7, 'train_loss': 0.2, 'test_loss': 0.5}
    finals = {name: np.full((2, 5), value) for name, value in measured.items()}
    results = dataclasses.replace(sweep({'x': (1, 2)}), finals=finals)
    np.testing.assert_allclose(results.final('test_gap_accuracy'), 0.2)
    np.testing.assert_allclose(results.final('test_gap_loss'), 0.3)
    gaps = [name for name in metrics.derived(finals) if metrics.parents(name)[0] in metrics.GAPS]
    assert gaps == ['test_gap_accuracy', 'test_gap_loss']
    assert metrics.splits('test_gap_loss') == {'train', 'test'}
    assert metrics.splits('gap_loss') == {'train', 'validation'}
    assert metrics.is_of_test('1-test_gap_accuracy')
    assert not metrics.is_of_test('gap_accuracy')
    assert metrics.on('test_gap_loss', 'validation') == 'gap_loss'
    one = metrics.of('test_gap_accuracy')
    assert (one.better, one.signed, one.is_share) == ('low', True, True)


def test_the_logarithm_is_derived():
    results = sweep({'x': (1, 2)})
    assert metrics.derived(('test_loss', 'test_accuracy')) == ['1-test_accuracy', 'log_test_loss']
    losses = np.array([[1e3, 1e-2], [0.0, np.inf]])
    results = dataclasses.replace(results, finals={'test_loss': losses})
    np.testing.assert_allclose(results.final('log_test_loss'), [[3, -2], [np.nan, np.inf]])
    assert metrics.of('log_test_loss').better == 'low'


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'table': ('mc_5_test_loss',)}, "table: no final metric 'mc_5_test_loss'"),
        ({'figures': ({'metrics': ('test_accuracy',)},)}, "no metric by epoch 'test_accuracy'"),
        ({'claims': ({'metric': 'ema_test_loss'},)}, "no final metric 'ema_test_loss'"),
        ({'claims': ({'metric': 'test_loss', 'at': 11},)}, 'the epochs are 1 to 10'),
    ],
)
def test_what_no_run_will_record_is_refused_before_training(values, message):
    figure = {'name': 'f', 'kind': 'curves', 'title': 'F'}
    claim = {'sentence': 'S', 'source': 'T', 'kind': 'level', 'level': 1.0, 'direction': 'above'}
    values = {
        'name': 'it',
        'table': values.get('table', ()),
        'figures': tuple(figure | given for given in values.get('figures', ())),
        'claims': tuple(claim | given for given in values.get('claims', ())),
    }
    with pytest.raises(UserError, match=message):
        experiment.build(values)
