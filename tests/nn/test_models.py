"""The networks: sizes from the document, and forward passes recomputed in NumPy."""

import itertools

import jax
import jax.numpy as jnp
import narrow
import numpy as np
import pytest
from reference_networks import (
    KEY,
    SCHEMES,
    Reference,
    images,
    random_variables,
    setting,
    tiny,
)

from jaxtweaks.config import trace
from jaxtweaks.config.settings import DISTRIBUTIONS, Init, Model, Setting
from jaxtweaks.nn import models
from jaxtweaks.nn.conv import lowering
from jaxtweaks.nn.network import LINEARITY
from jaxtweaks.run import native


def described(network, shape):
    """Parameter count and, by module name, the shapes of its outputs.

    As they are where units are measured: otherwise a pool may stand before the bias of a layer.
    """
    x = jnp.zeros(shape)
    variables = jax.eval_shape(lambda: network.init(KEY, x, train=False))
    measured = ['intermediates', LINEARITY]
    _, captured = jax.eval_shape(
        lambda v: network.apply(v, x, train=False, capture_intermediates=True, mutable=measured),
        variables,
    )
    shapes = {
        name: found['__call__'][0].shape
        for name, found in captured['intermediates'].items()
        if name != '__call__'
    }
    return sum(leaf.size for leaf in jax.tree.leaves(variables['params'])), shapes


def test_cnn_is_that_of_the_document():
    network = models.build(setting(Model()), 10)
    count, shapes = described(network, (2, 32, 32, 3))
    assert count == 1_250_858
    shapes = {name: shape for name, shape in shapes.items() if not name.startswith('NoNorm')}
    assert shapes == {
        'Dropout_0': (2, 32, 32, 3),
        'Conv_0': (2, 32, 32, 32),
        'Conv_1': (2, 30, 30, 32),
        'Dropout_1': (2, 15, 15, 32),
        'Conv_2': (2, 15, 15, 64),
        'Conv_3': (2, 13, 13, 64),
        'Dropout_2': (2, 6, 6, 64),
        'Dense_0': (2, 512),
        'Dropout_3': (2, 512),
        'Dense_1': (2, 10),
    }


@pytest.mark.parametrize('place', ['before', 'after'])
def test_batch_norm_adds_two_numbers_for_each_feature(place):
    network = models.build(setting(Model(norm='batch', norm_place=place)), 10)
    count, _ = described(network, (2, 32, 32, 3))
    assert count == 1_250_858 + 2 * (32 + 32 + 64 + 64 + 512)


def test_mlp_parameters_by_hand():
    network = models.build(setting(Model('mlp', hidden=(50, 50))), 10)
    count, _ = described(network, (2, 32, 32, 3))
    assert count == (3072 * 50 + 50) + (50 * 50 + 50) + (50 * 10 + 10)
    deep = models.build(setting(Model('mlp', hidden=(50, 30, 20, 20, 10, 10, 10, 10))), 10)
    widths = [3072, 50, 30, 20, 20, 10, 10, 10, 10, 10]
    expected = sum((a + 1) * b for a, b in itertools.pairwise(widths))
    assert described(deep, (2, 32, 32, 3))[0] == expected


def test_local_network_is_the_cnn_with_a_kernel_and_a_bias_for_each_place():
    network = models.build(setting(Model('local')), 10)
    count, shapes = described(network, (2, 32, 32, 3))
    _, of_cnn = described(models.build(setting(Model()), 10), (2, 32, 32, 3))
    assert shapes == {name.replace('Conv', 'Local'): shape for name, shape in of_cnn.items()}
    # Places × (9 × channels in + 1) × channels out.
    local = 32**2 * 28 * 32 + 30**2 * 289 * 32 + 15**2 * 289 * 64 + 13**2 * 577 * 64
    assert count == local + 2305 * 512 + 513 * 10


def test_lenet5_is_that_of_the_document():
    network = models.build(setting(Model('lenet5')), 10)
    for shape in ((2, 28, 28, 1), (2, 32, 32, 1), (2, 8, 8, 1)):
        count, shapes = described(network, shape)
        assert count == 156 + 2_416 + 48_120 + 10_164 + 850 == 61_706
        assert shapes['Conv_0'] == (2, 28, 28, 6)
        assert shapes['Conv_1'] == (2, 10, 10, 16)
        assert shapes['Dropout_2'] == (2, 5, 5, 16)


def test_convnet1d_is_that_of_the_document():
    network = models.build(setting(Model('convnet1d', norm='batch')), 462)
    count, shapes = described(network, (2, 262, 1, 1))
    kernels = 251 * 80 + 5 * 80 * 60 + 3 * 60 * 60 + 3 * 60 * 400 + 400 * 462
    # Of each convolution a bias and batch norm's two numbers, of each dense layer a bias.
    assert count == kernels + 3 * (80 + 60 + 60) + 400 + 462
    assert shapes['Conv_0'] == (2, 12, 1, 80)
    assert shapes['Dropout_3'] == (2, 3, 1, 60)
    assert shapes['Dense_0'] == (2, 400)


def test_width_stands_in_place_of_the_widths():
    _, shapes = described(
        models.build(setting(Model('mlp', hidden=(7, 8), width=5)), 3), (2, 4, 4, 1)
    )
    assert [shapes[f'Dense_{i}'] for i in range(3)] == [(2, 5), (2, 5), (2, 3)]


def test_identity_makes_a_linear_network():
    network, x = models.build(setting(tiny('mlp', activation='identity')), 3), images()
    variables = random_variables(network, x)
    f = lambda x: np.asarray(network.apply(variables, x, train=False), np.float64)
    other = x[::-1] * 0.5
    np.testing.assert_allclose(f(x + other), f(x) + f(other) - f(0 * x), rtol=1e-4, atol=1e-3)
    assert not np.allclose(f(x), f(0 * x))


CASES = [
    ('mlp', 'none', 'relu'),
    ('mlp', 'before', 'relu'),
    ('mlp', 'after', 'tanh'),
    ('cnn', 'none', 'sigmoid'),
    ('cnn', 'none', 'relu'),
    ('cnn', 'before', 'relu'),
    ('cnn', 'after', 'relu'),
    ('local', 'none', 'relu'),
    ('local', 'before', 'tanh'),
    ('lenet5', 'none', 'tanh'),
    ('lenet5', 'none', 'relu'),
    ('lenet5', 'after', 'relu'),
    ('convnet1d', 'none', 'tanh'),
    ('convnet1d', 'before', 'tanh'),
]


def test_forward_pass_of_a_narrow_vgg16():
    narrow.narrow('vgg16')
    network, x = models.build(setting(tiny(narrow.NAME)), 3), images(narrow.NAME)
    variables = random_variables(network, x)
    expected = Reference(tiny(narrow.NAME), variables, False)(x)
    logits = jax.jit(lambda v, x: network.apply(v, x, train=False))(variables, x)
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize(('name', 'place', 'activation'), CASES)
@pytest.mark.parametrize('train', [False, True])
def test_forward_pass(name, place, activation, train):
    norm = {'norm': 'batch', 'norm_place': place} if place != 'none' else {}
    model = tiny(name, activation=activation, **norm)
    one = trace.replace(setting(model), {'batch.momentum': 0.75})
    network, x = models.build(one, 3), images(name)
    variables = random_variables(network, x)
    reference = Reference(model, variables, train)
    expected = reference(x)
    logits, mutated = jax.jit(
        lambda v, x: network.apply(v, x, train=train, mutable=['batch_stats'])
    )(variables, x)
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4 * max(scale, 1))
    for index, (mean, variance) in enumerate(reference.stats):
        name = f'BatchNorm_{index}'
        before, after = variables['batch_stats'][name], mutated['batch_stats'][name]
        for key, batch in (('mean', mean), ('var', variance)):
            np.testing.assert_allclose(
                after[key], 0.75 * np.asarray(before[key]) + 0.25 * batch, rtol=1e-4, atol=1e-4
            )


@pytest.mark.parametrize('how', ['loop', 'native', 'bfloat16'])
@pytest.mark.parametrize('name', ['cnn', 'lenet5', narrow.NAME])
def test_a_pool_before_bias_and_relu_has_the_same_bits(name, how):
    if name == narrow.NAME:
        narrow.narrow('vgg16')
    kernels = {'native': 'float32', 'bfloat16': 'bf16'}
    if how in kernels and (reason := native.why_not(kernels[how])):
        pytest.skip(f'no native kernels: {reason}')
    network, x = models.build(setting(tiny(name)), 3), images(name)
    variables = random_variables(network, x)
    if how == 'bfloat16':
        # Without biases: rounded to 8 bits, numbers of a window are often equal after adding one.
        without = lambda leaf: leaf.astype(jnp.bfloat16) * (leaf.ndim > 1)
        variables = jax.tree.map(without, variables)
    x = jnp.asarray(x)

    def loss(variables, measured):
        """And logits; measured, every layer is found as it is written down."""
        kept = [LINEARITY] if measured else []
        logits, _ = network.apply(variables, x, train=True, mutable=kept)
        return (logits.astype(jnp.float32) ** 2).sum(), logits

    with lowering('loop' if how == 'loop' else 'native', how == 'bfloat16'):
        differ = jax.jit(jax.grad(loss, has_aux=True), static_argnums=1)
        gradients, logits = differ(variables, False)
        expected, written_down = differ(variables, True)
    np.testing.assert_array_equal(logits, written_down)
    # Biases are summed over a quarter of the numbers, in another order.
    rounding = 2e-2 if how == 'bfloat16' else 1e-5
    for found, wanted in zip(*map(jax.tree.leaves, (gradients, expected)), strict=True):
        found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=rounding * np.abs(wanted).max())


def test_initial_values_of_a_local_network():
    """A kernel's fans are those of one place."""
    constant = Init(SCHEMES.index('lecun'), DISTRIBUTIONS.index('constant'))
    network = models.build(Setting(model=tiny('local'), init=constant), 3)
    params = jax.jit(lambda x: network.init(KEY, x, train=False))(images())['params']
    for name, fan in {'Local_0': 18, 'Local_1': 27, 'Local_2': 27, 'Local_3': 36}.items():
        np.testing.assert_allclose(params[name]['kernel'], fan**-0.5, rtol=1e-6)
        assert not np.any(params[name]['bias'])


def test_initial_values():
    """Kernels by the scheme with their own fans, biases and shifts 0, scales 1."""
    model = tiny('cnn', norm='batch')
    constant = Init(SCHEMES.index('lecun'), DISTRIBUTIONS.index('constant'))
    network = models.build(Setting(model=model, init=constant), 3)
    params = jax.jit(lambda x: network.init(KEY, x, train=False))(images())['params']
    # 12 × 13 images: 10 × 11, pooled 5 × 5; 3 × 3, pooled 1 × 1, 4 channels.
    fans = {'Conv_0': 18, 'Conv_1': 27, 'Conv_2': 27, 'Conv_3': 36}
    fans |= {'Dense_0': 4, 'Dense_1': 6, 'Dense_2': 5}
    for name, fan in fans.items():
        np.testing.assert_allclose(params[name]['kernel'], fan**-0.5, rtol=1e-6)
        assert not np.any(params[name]['bias'])
    for index in range(6):
        assert np.all(np.asarray(params[f'BatchNorm_{index}']['scale']) == 1)
        assert not np.any(params[f'BatchNorm_{index}']['bias'])
    assert set(params) == set(fans) | {f'BatchNorm_{i}' for i in range(6)}


def test_biases_of_an_mlp_as_those_of_pytorch():
    """From U(±1/√inputs) in every layer, the weights the same; 0 by default."""
    plain = setting(Model(name='mlp', hidden=(400, 900)))
    drawn = trace.replace(plain, {'mlp.biases': 'uniform'})
    x = jnp.zeros((1, 5, 5, 1))
    zeros, found = (models.build(one, 10).init(KEY, x, train=False)['params']
                    for one in (plain, drawn))  # fmt: skip
    for name, inputs in (('Dense_0', 25), ('Dense_1', 400), ('Dense_2', 900)):
        assert not zeros[name]['bias'].any()
        np.testing.assert_array_equal(zeros[name]['kernel'], found[name]['kernel'])
        biases = np.asarray(found[name]['bias'], np.float64)
        assert np.abs(biases).max() <= inputs**-0.5
        if len(biases) > 100:
            # The error of a standard deviation is σ √((1.8 − 1)/4n).
            sigma = (3 * inputs) ** -0.5
            assert abs(biases.std() - sigma) < 4 * sigma * (0.2 / len(biases)) ** 0.5
            assert abs(biases.mean()) < 4 * sigma / len(biases) ** 0.5
