"""Layers counted, next to counts by hand."""

import jax
import numpy as np
import optax
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.rng import stream_key
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import models
from jaxtweaks.studies import measured, model_summary
from jaxtweaks.train import optimisers

CNN = {'model.name': 'cnn', 'model_summary.input_shape': (32, 32, 3), 'model_summary.classes': 10}
MLP = {'model.name': 'mlp', 'model.hidden': (7,), 'model_summary.input_shape': (3, 2, 1)}


def setting_of(values):
    return trace.replace(Setting(), {'study.name': 'model_summary', **values})


def test_the_cnn_of_role():
    rows = model_summary.summarise(setting_of(CNN))
    assert [(row.name, row.shape, row.weights, row.others) for row in rows] == [
        ('input', (32, 32, 3), 0, 0),
        ('Conv_0', (32, 32, 32), 3 * 3 * 3 * 32, 32),
        ('Conv_1', (30, 30, 32), 3 * 3 * 32 * 32, 32),
        ('pool', (15, 15, 32), 0, 0),
        ('Conv_2', (15, 15, 64), 3 * 3 * 32 * 64, 64),
        ('Conv_3', (13, 13, 64), 3 * 3 * 64 * 64, 64),
        ('pool', (6, 6, 64), 0, 0),
        ('Dense_0', (512,), 2304 * 512, 512),
        ('Dense_1', (10,), 512 * 10, 10),
    ]
    found = measured(setting_of(CNN), 0, None)
    assert found.finals['parameters'] == 1_250_858
    assert found.finals['weights'] == 1_250_858 - 32 - 32 - 64 - 64 - 512 - 10
    assert found.finals['parameter_megabytes'] == pytest.approx(5.003432)
    assert found.finals['share_dense'] == pytest.approx((2304 * 512 + 5120) / 1_250_144)
    assert found.curves['layer_weights'].tolist() == [864, 9216, 18432, 36864, 1179648, 5120]
    assert found.curves['layer_activations'][1] == 30 * 30 * 32
    assert found.finals['input_activations'] == 32 * 32 * 3
    none = np.nan
    pools = [none, 15 * 15 * 32, none, 6 * 6 * 64, none, none]
    np.testing.assert_array_equal(found.curves['pool_activations'], pools)


VGG16 = {
    'model.name': 'vgg16',
    'model_summary.input_shape': (224, 224, 3),
    'model_summary.classes': 1000,
}


def test_vgg16_is_the_lectures_table_row_by_row():
    """DEEPREG, VGG-16: activations and weights; the pools have none."""
    rows = model_summary.summarise(setting_of(VGG16))
    expected = [
        (224, 3, 0),
        (224, 64, 1_728), (224, 64, 36_864), (112, 64, 0),
        (112, 128, 73_728), (112, 128, 147_456), (56, 128, 0),
        (56, 256, 294_912), (56, 256, 589_824), (56, 256, 589_824), (28, 256, 0),
        (28, 512, 1_179_648), (28, 512, 2_359_296), (28, 512, 2_359_296), (14, 512, 0),
        (14, 512, 2_359_296), (14, 512, 2_359_296), (14, 512, 2_359_296), (7, 512, 0),
    ]  # fmt: skip
    assert [(*row.shape, row.weights) for row in rows[:-3]] == [
        (side, side, channels, weights) for side, channels, weights in expected
    ]
    assert [(row.shape, row.weights) for row in rows[-3:]] == [
        ((4096,), 102_760_448),
        ((4096,), 16_777_216),
        ((1000,), 4_096_000),
    ]
    found = measured(setting_of(VGG16), 0, None).finals
    assert found['activations'] == sum(s * s * c for s, c, _ in expected) + 4096 + 4096 + 1000
    assert found['weights'] == 138_344_128


@pytest.mark.parametrize(
    ('optimiser', 'expected'),
    [
        (optimisers.sgd(lambda step: 0.1), 2),
        (optax.trace(0.9), 3),
        (optimisers.adam(lambda step: 0.1), 4),
    ],
)
def test_what_training_keeps_of_each_parameter(optimiser, expected):
    """DEEPREG, VGG-16: twice the parameters for plain SGD, four times for Adam."""
    assert model_summary.training_multiple(optimiser) == expected


def test_signals_are_pooled_in_one_direction():
    """262 − 250 = 12, pooled 11; − 4 = 7, 6; − 2 = 4, 3 places of 60 channels."""
    values = {
        'model.name': 'convnet1d',
        'model_summary.input_shape': (262, 1, 1),
        'model_summary.classes': 462,
    }
    rows = model_summary.summarise(setting_of(values))
    assert [(row.shape, row.weights) for row in rows] == [
        ((262, 1, 1), 0), ((12, 1, 80), 251 * 80), ((11, 1, 80), 0),
        ((7, 1, 60), 5 * 80 * 60), ((6, 1, 60), 0),
        ((4, 1, 60), 3 * 60 * 60), ((3, 1, 60), 0),
        ((400,), 180 * 400), ((462,), 400 * 462),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('norm', 'place'), [('none', 'before'), ('batch', 'before'), ('batch', 'after')]
)
def test_as_many_parameters_as_the_network_really_has(norm, place):
    setting = setting_of(MLP | {'model.norm': norm, 'model.norm_place': place})
    network = models.build(trace.as_numbers(setting), 10)
    params = network.init(stream_key(0, 'init'), np.zeros((1, 3, 2, 1)), train=False)['params']
    found = measured(setting, 0, None)
    assert found.finals['parameters'] == sum(leaf.size for leaf in jax.tree.leaves(params))
    assert found.finals['weights'] == 6 * 7 + 7 * 10
    rows = [row for row in model_summary.summarise(setting) if 'Norm' in row.name]
    assert [(row.shape, row.weights, row.others) for row in rows] == (
        [] if norm == 'none' else [((7,), 0, 14)]
    )
    assert found.finals['activations'] == 6 + 7 + 10  # batch norm works in place


def test_nothing_is_allocated():
    """A dense layer of 10¹² weights would need 4 TB."""
    setting = setting_of(MLP | {'model.hidden': (1_000_000, 1_000_000)})
    assert measured(setting, 0, None).finals['weights'] > 1e12


def test_the_table_of_layers_adds_up():
    (sheet,) = model_summary.sheets({'the MLP': setting_of(MLP)})
    assert sheet.title == 'Layers of the MLP'
    assert sheet.rows == (
        ('input', '3 × 2 × 1', 6, '', 0, 0),
        ('Dense_0', '7', 7, '6 × 7', 42, 49),
        ('Dense_1', '10', 10, '7 × 10', 70, 80),
        ('total', '', 23, '', 112, 129),
    )


def test_an_input_that_is_too_small_is_refused():
    with pytest.raises(UserError, match='no pixels left of 16 × 16'):
        model_summary.check(setting_of(VGG16 | {'model_summary.input_shape': (16, 16, 3)}))


def test_an_input_that_is_no_image_is_refused():
    with pytest.raises(UserError, match=r'input_shape.*height, width, channels'):
        model_summary.check(setting_of({'model_summary.input_shape': (784,)}))
