"""The networks: sizes from the document, and forward passes recomputed in NumPy."""

import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import narrow
import numpy as np
import pytest

from jaxtweaks.config import parts, trace
from jaxtweaks.config.settings import DISTRIBUTIONS, Dropout, Init, Model, Setting
from jaxtweaks.nn import layers, models
from jaxtweaks.nn.conv import lowering
from jaxtweaks.nn.network import LINEARITY
from jaxtweaks.run import native

SCHEMES = list(parts.of_slot('init'))
INIT = Init(SCHEMES.index('he'), DISTRIBUTIONS.index('normal'))
KEY = jax.random.key(0, impl='threefry2x32')
ACTIVATIONS = {
    'relu': lambda x: np.maximum(x, 0),
    'tanh': np.tanh,
    'sigmoid': lambda x: 1 / (1 + np.exp(-x)),
}


def setting(model, dropout=None):
    return Setting(model=model, init=INIT, dropout=dropout or Dropout())


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


def convolved(x, kernel, bias, padding):
    """With one kernel [h, w, in, out] for all places, or one for each place."""
    *_, height, width, channels, features = kernel.shape
    if padding == 'SAME':
        x = np.pad(x, ((0, 0), (height // 2,) * 2, (width // 2,) * 2, (0, 0)))
    out = np.zeros((len(x), x.shape[1] - height + 1, x.shape[2] - width + 1, features))
    kernel = np.broadcast_to(kernel, (*out.shape[1:3], height, width, channels, features))
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            seen = x[:, i : i + height, j : j + width]
            out[:, i, j] = np.tensordot(seen, kernel[i, j], 3)
    return out + bias


def pooled(x):
    n, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).max((2, 4))


class Reference:
    """The same network in NumPy float64, from the same variables.

    Attributes:
      before_dropout: what stands in front of each dropout layer, in order.
      stats: mean and unbiased variance of the batch at each batch norm, in order.
    """

    def __init__(self, model, variables, train):
        self.model, self.train = model, train
        self.variables = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
        self.norms, self.before_dropout, self.stats = 0, [], []

    def norm(self, x):
        name = f'BatchNorm_{self.norms}'
        self.norms += 1
        params, stats = self.variables['params'][name], self.variables['batch_stats'][name]
        mean, variance = stats['mean'], stats['var']
        if self.train:
            axes = tuple(range(x.ndim - 1))
            mean, variance = x.mean(axes), x.var(axes)
            count = x.size // x.shape[-1]
            self.stats.append((mean, variance * count / (count - 1)))
        standard = (x - mean) / np.sqrt(variance + 1e-5)
        return params['scale'] * standard + params['bias']

    def finish(self, x):
        place = self.model.norm_place if self.model.norm == 'batch' else ''
        if place == 'before':
            x = self.norm(x)
        x = ACTIVATIONS[self.model.activation](x)
        return self.norm(x) if place == 'after' else x

    def dense(self, x, index):
        params = self.variables['params'][f'Dense_{index}']
        return x @ params['kernel'] + params['bias']

    def conv(self, x, name, padding):
        params = self.variables['params'][name]
        return self.finish(convolved(x, params['kernel'], params['bias'], padding))

    def features(self, x):
        """What the dense layers are given."""
        name = self.model.name
        if name in ('cnn', 'local'):
            for block in range(len(self.model.channels)):
                for i, padding in enumerate(('SAME', 'VALID')):
                    layer = 'Conv' if name == 'cnn' else 'Local'
                    x = self.conv(x, f'{layer}_{2 * block + i}', padding)
                x = pooled(x)
                self.before_dropout.append(x)
        if name == narrow.NAME:  # VGG-16
            index = 0
            for convolutions in (2, 2, 3, 3, 3):
                for _ in range(convolutions):
                    x = self.conv(x, f'Conv_{index}', 'SAME')
                    index += 1
                x = pooled(x)
        if name == 'lenet5':
            for index in range(2):
                x = pooled(self.conv(x, f'Conv_{index}', 'VALID'))
                self.before_dropout.append(x)
        if name == 'convnet1d':
            for index in range(3):
                x = self.conv(x, f'Conv_{index}', 'VALID')
                x = np.maximum(x[:, :-1], x[:, 1:])
                self.before_dropout.append(x)
        return x.reshape(len(x), -1)

    def __call__(self, x):
        x = np.asarray(x, np.float64)
        if self.model.name == 'mlp':
            x = x.reshape(len(x), -1)
        if self.model.name == 'lenet5':  # LeCun's field of 32 × 32, the image in its middle
            borders = [((32 - n) // 2, (33 - n) // 2) for n in x.shape[1:3]]
            x = np.pad(x, ((0, 0), *borders, (0, 0)))
        self.before_dropout.append(x)
        x = self.features(x)
        hidden = {'lenet5': 2, 'convnet1d': 1}.get(self.model.name, len(self.model.hidden))
        for index in range(hidden):
            x = self.dense(x, index)
            x = x if self.model.name == 'convnet1d' else self.finish(x)
            self.before_dropout.append(x)
        return self.dense(x, hidden)


def tiny(name, **more):
    return Model(name, channels=(3, 4), hidden=(6, 5), **more)


def random_variables(network, x):
    """Every parameter and running average away from its start."""
    variables = jax.eval_shape(lambda: network.init(KEY, x, train=False))
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        name = getattr(path[-1], 'key', '')
        value = rng.normal(size=leaf.shape) * (0.4 if name == 'kernel' else 0.7)
        return jnp.asarray(np.abs(value) + 0.3 if name == 'var' else value, jnp.float32)

    return jax.tree_util.tree_map_with_path(draw, dict(variables))


def images(name='mlp'):
    size = {'convnet1d': (262, 1, 1), narrow.NAME: (32, 33, 2)}.get(name, (12, 13, 2))
    return np.random.default_rng(1).normal(size=(5, *size)).astype(np.float32)


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


# Dropout layers of the networks that are `tiny`, by the field that has their rate.
PLACES = {
    'mlp': {'input': [0], 'conv': [], 'hidden': [1, 2]},
    'cnn': {'input': [0], 'conv': [1, 2], 'hidden': [3, 4]},
    'lenet5': {'input': [0], 'conv': [1, 2], 'hidden': [3, 4]},
    'convnet1d': {'input': [0], 'conv': [1, 2, 3], 'hidden': [4]},
}


@pytest.mark.parametrize(
    ('name', 'form'),
    [*((name, 'inverted') for name in PLACES), ('mlp', 'vanilla'), ('cnn', 'vanilla')],
)
def test_dropout_stands_where_the_setting_says(name, form):
    """What a layer with a rate is given is dropped and scaled; the others pass it on."""
    model, x = tiny(name, norm='batch', norm_place='after'), images(name)
    variables = random_variables(models.build(setting(model), 3), x)
    reference = Reference(model, variables, True)
    expected = reference(x)

    @jax.jit
    def apply(rates):
        passed = []

        def record(call, args, kwargs, context):
            found = call(*args, **kwargs)
            if isinstance(context.module, layers.Dropout):
                passed.append((args[0], found))
            return found

        network = models.build(setting(model, Dropout(form, **rates)), 3)
        with nn.intercept_methods(record):
            logits, _ = network.apply(
                variables, x, train=True, rngs={'dropout': KEY}, mutable=['batch_stats']
            )
        return logits, passed

    for field, places in PLACES[name].items():
        logits, passed = apply(dict.fromkeys(PLACES[name], 0.0) | {field: 0.5})
        assert len(passed) == len(reference.before_dropout) == 1 + max(PLACES[name]['hidden'])
        for place, (given, found) in enumerate(map(np.asarray, pair) for pair in passed):
            if not places or place <= places[0]:  # nothing is dropped before it
                before = reference.before_dropout[place]
                np.testing.assert_allclose(given.ravel(), before.ravel(), rtol=1e-3, atol=1e-4)
            if place not in places:
                assert np.array_equal(found, given)
                continue
            dropped, some = found == 0, given != 0
            assert abs(np.mean(dropped[some]) - 0.5) < 4 * 0.5 / some.sum() ** 0.5
            scale = 2 if form == 'inverted' else 1
            np.testing.assert_allclose(found, np.where(dropped, 0, scale * given), rtol=1e-5)
        if places:
            assert float(np.max(np.abs(np.asarray(logits) - expected))) > 1e-2
        else:
            np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4)


def test_each_hidden_layer_may_have_a_rate_of_its_own():
    """Rates by layer, as numbers or traced; where they agree it is as with one rate for all."""
    model, x = Model('mlp', hidden=(64, 48)), images()
    plain = models.build(setting(model), 3)
    variables = random_variables(plain, x)

    @jax.jit
    def dropped(by_layer, hidden=0.0):
        rates = Dropout(hidden=hidden, by_layer=by_layer)
        _, found = models.build(setting(model, rates), 3).apply(
            variables,
            x,
            train=True,
            rngs={'dropout': KEY},
            mutable=['intermediates'],
            capture_intermediates=True,
        )
        kept = found['intermediates']
        return [kept[f'Dropout_{i}']['__call__'][0] for i in (1, 2)]

    without = dropped(())
    for same in (dropped((0.3, 0.3)), dropped(jnp.float32([0.3, 0.3]))):
        for got, expected in zip(same, dropped((), 0.3), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    second = dropped(jnp.float32([0.0, 0.5]))
    np.testing.assert_allclose(second[0], without[0], rtol=1e-5, atol=1e-5)
    kept = np.asarray(second[1]) != 0
    wanted = np.where(kept, 2 * np.asarray(without[1]), 0)
    np.testing.assert_allclose(second[1], wanted, rtol=1e-5, atol=1e-5)
    assert 0.3 < np.mean(kept[np.asarray(without[1]) > 0]) < 0.7
    first = dropped((0.5, 0.0))
    assert np.max(np.abs(np.asarray(first[0]) - np.asarray(without[0]))) > 1


@pytest.mark.parametrize('form', ['inverted', 'vanilla'])
def test_dropout_at_test_time(form):
    """Nothing, or (vanilla) scaling by the keep probability."""
    model, x = tiny('mlp'), images()
    network = models.build(setting(model), 3)
    variables = random_variables(network, x)
    dropping = models.build(setting(model, Dropout(form, input=0.2, hidden=0.4)), 3)
    logits = dropping.apply(variables, x, train=False)
    h = np.asarray(x, np.float64).reshape(len(x), -1) * (0.8 if form == 'vanilla' else 1)
    reference = Reference(model, variables, False)
    for index in range(2):
        h = np.maximum(reference.dense(h, index), 0) * (0.6 if form == 'vanilla' else 1)
    np.testing.assert_allclose(logits, reference.dense(h, 2), rtol=1e-4, atol=1e-4)


def test_layers_have_masks_of_their_own():
    """Two hidden layers of one width, equal inputs: their masks differ; so do those of two keys."""
    model = Model('mlp', hidden=(64, 64))
    network = models.build(setting(model, Dropout(hidden=0.5)), 3)
    x = np.ones((4, 4, 4, 1), np.float32)
    shapes = jax.eval_shape(lambda: network.init(KEY, x, train=False))
    ones = jax.tree.map(jnp.ones_like, shapes)

    def masks(key):
        _, found = network.apply(
            ones, x, train=True, rngs={'dropout': key}, capture_intermediates=True
        )
        layers = found['intermediates']
        return [np.asarray(layers[f'Dropout_{i}']['__call__'][0]) != 0 for i in (1, 2)]

    first, second = masks(KEY)
    other, _ = masks(jax.random.fold_in(KEY, 1))
    assert 0.3 < np.mean(first == second) < 0.7
    assert 0.3 < np.mean(first == other) < 0.7
    assert not np.array_equal(first[0], first[1])
    assert np.array_equal(first, masks(KEY)[0])


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
