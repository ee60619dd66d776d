"""Gradients next to finite differences: the comparison itself, and what it says of the layers."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import register, trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.data import Dataset
from jaxtweaks.data.dataset import Split
from jaxtweaks.studies import gradcheck, gradcheck_layers, gradients, measured

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

PUBLISHED = 1.0063e-6  # the largest error without normalisation, MLP-BN §2


def setting_of(**values):
    return trace.replace(Setting(), {name.replace('__', '.'): v for name, v in values.items()})


@pytest.fixture(scope='module')
def data():
    random = np.random.default_rng(0)
    splits = [
        Split(
            random.integers(0, 256, (20, 3, 2, 2)).astype(np.uint8),
            random.integers(0, 3, 20).astype(np.int32),
        )
        for _ in range(3)
    ]
    return Dataset(
        label='noise', training=splits[0], validation=splits[1], test=splits[2],
        classes=('a', 'b', 'c'), source='here', fingerprint='f', fallback=False,
    )  # fmt: skip


MLP = {
    'model__name': 'mlp',
    'model__hidden': (4,),
    'data__standardise': 'pixel',
    'study__name': 'gradcheck',
}


def both(f, at, *args):
    with gradients.float64():
        return [np.asarray(x) for x in gradients.both(f, gradients.wide(at), *args)]


def test_the_error_of_a_cubic_is_the_square_of_the_step():
    """((x + h)³ − (x − h)³)/2h = 3x² + h²."""
    x = np.array([0.5, -1.0, 2.0])
    gradient, differences = both(lambda at: jnp.sum(at['x'] ** 3), {'x': x}, 1e-2)
    assert gradient.dtype == differences.dtype == np.float64
    np.testing.assert_allclose(gradient, 3 * x**2, rtol=1e-15)
    np.testing.assert_allclose(differences - gradient, 1e-4, rtol=1e-8)


def test_forward_differences_are_off_by_the_second_derivative():
    """((x + h)³ − x³)/h = 3x² + 3xh + h²."""
    x = np.array([0.5, -1.0, 2.0])
    cubed = lambda at: jnp.sum(at['x'] ** 3)
    gradient, differences = both(cubed, {'x': x}, 1e-2, 0, 2, gradients.FORWARD)
    np.testing.assert_allclose(gradient, 3 * x**2, rtol=1e-15)
    expected = np.where([True, True, False], 3 * x**2 + 3 * x * 1e-2 + 1e-4, 0.0)
    np.testing.assert_allclose(differences, expected, rtol=1e-12)


def test_only_the_entries_asked_for_are_differenced():
    at = {'a': np.ones(2), 'b': {'c': np.ones((2, 2))}}
    assert gradients.places(jax.tree.map(jnp.asarray, at)) == {
        'a': slice(0, 2),
        'b/c': slice(2, 6),
        '': slice(0, 6),
    }
    f = lambda at: jnp.sum(at['a']) + 2 * jnp.sum(at['b']['c'])
    _, differences = both(f, at, 1e-3, 2, 6)
    np.testing.assert_allclose(differences, [0, 0, 2, 2, 2, 2], atol=1e-9)


def test_a_wrong_gradient_is_found():
    @jax.custom_vjp
    def square(x):
        return x**2

    square.defvjp(lambda x: (x**2, x), lambda x, g: (2.002 * x * g,))
    at = {'x': np.array([1.0, 3.0, 1e-7])}
    found = gradients.compared(*both(lambda at: jnp.sum(square(at['x'])), at, 1e-6), 1e-6)
    assert found.finals['share_within'] == pytest.approx(1 / 3)
    assert found.finals['max_difference'] == pytest.approx(0.006, rel=1e-6)
    assert found.finals['largest_gradient'] == pytest.approx(6.006)
    assert found.finals['entries'] == 3


def test_a_share_of_all_is_one_exactly():
    """A mean in float32 would be 1 − 2⁻²⁴."""
    values = np.zeros(328)
    assert gradients.compared(values, values, 1e-6).finals['share_within'] == 1.0


@pytest.mark.parametrize('layer', gradcheck_layers.LAYERS)
def test_every_layer_is_below_the_published_error(layer):
    setting = setting_of(study__name='gradcheck_layers', gradcheck_layers__layer=layer)
    found = measured(setting, 0, None).finals
    assert found['largest_gradient'] > 0.01  # there is something to be right about
    assert found['max_difference'] < PUBLISHED
    assert found['share_within'] == 1


def test_a_data_set_is_looked_at_once_for_all_runs(data, monkeypatch):
    real, asked = gradcheck.data_lib.standardiser, []
    count = lambda images, how: asked.append(how) or real(images, how)
    monkeypatch.setattr(gradcheck.data_lib, 'standardiser', count)
    one, other = (dataclasses.replace(data) for _ in range(2))
    by_channel = MLP | {'data__standardise': 'channel'}
    for values, dataset in ((MLP, one), (MLP, one), (by_channel, one), (MLP, other)):
        with gradients.float64():
            gradcheck._inputs(setting_of(**values), dataset)
    assert asked == ['pixel', 'channel', 'pixel']


@pytest.mark.parametrize(
    'values',
    [MLP, {'study__name': 'gradcheck_layers', 'gradcheck_layers__layer': 'cross_entropy'}],
    ids=lambda values: values['study__name'],
)
def test_a_study_takes_the_differences_that_are_asked_for(data, values):
    """With h = 1e-4 forward ones are off by about h/2, central ones by rounding and h²."""
    name = values['study__name']
    error = {}
    for way in (gradients.CENTRAL, gradients.FORWARD):
        asked = {f'{name}__differences': way, f'{name}__step': 1e-4}
        error[way] = measured(setting_of(**values, **asked), 0, data).finals['max_difference']
    assert error[gradients.CENTRAL] < 1e-7
    assert 1e-6 < error[gradients.FORWARD] < 1e-3


def test_an_unknown_layer_is_named():
    with pytest.raises(UserError, match=r"unknown layer 'densse'.*'dense'"):
        gradcheck_layers.check(
            setting_of(study__name='gradcheck_layers', gradcheck_layers__layer='densse')
        )


@pytest.mark.parametrize(
    ('norm', 'place'), [('none', 'before'), ('batch', 'before'), ('batch', 'after')]
)
def test_a_network_with_penalty_and_dropout(data, norm, place):
    setting = setting_of(
        **MLP,
        model__norm=norm,
        model__norm_place=place,
        dropout__hidden=0.3,
        penalty__l2=0.1,
        cross_entropy__smoothing=0.1,
    )
    found = measured(setting, 0, data).finals
    batch_norm_numbers = 8 if norm != 'none' else 0
    assert found['entries'] == 10 * 4 + 4 + 4 * 3 + 3 + batch_norm_numbers
    assert found['max_difference'] < PUBLISHED
    assert jnp.ones(1).dtype == jnp.float32  # what is outside is as it was


class Convolution(nn.Module):
    outputs: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.outputs)(nn.Conv(2, (2, 2))(x).mean((1, 2)))


def losses_of(data, base, *more):
    """The loss with each of some more values, and the kernels; seed 7."""
    found = []
    for values in more:
        setting = setting_of(**base | values, penalty__l2_form='full')
        with gradients.float64():
            shown, labels = gradcheck._inputs(setting, data)
            network = gradcheck._Network(trace.as_numbers(setting), 3)
            params = network.variables(shown, 7)['params']
            found.append(float(network.loss(params, {}, 7, shown, labels)))
    return found, [np.asarray(layer['kernel']) for layer in params.values()]


def test_the_loss_has_its_penalty_and_its_masks(data):
    more = {}, {'penalty__l2': 0.1}, {'dropout__hidden': 0.5}
    (plain, penalised, dropped), kernels = losses_of(data, MLP, *more)
    squares = sum(np.sum(np.square(kernel)) for kernel in kernels)
    assert penalised - plain == pytest.approx(0.1 * squares, rel=1e-5)
    assert abs(dropped - plain) > 1e-3


def test_the_penalty_is_of_the_weights_before_they_are_standardised(data):
    register.network('convolution')(Convolution)
    base = MLP | {'model__name': 'convolution', 'model__weight_standardisation': True}
    (plain, penalised), kernels = losses_of(data, base, {}, {'penalty__l2': 0.1})
    squares = sum(np.sum(np.square(kernel)) for kernel in kernels)
    assert penalised - plain == pytest.approx(0.1 * squares, rel=1e-5)


def test_the_loss_is_that_of_the_first_images(data):
    """By hand, in NumPy, without hidden layers: gradient of the bias = mean(softmax − one hot)."""
    setting = setting_of(**MLP | {'model__hidden': ()}, gradcheck__parameter='Dense_0/bias')
    images = data.training.images.astype(np.float64)
    x = ((images - images.mean(0)) / images.std(0))[:5].reshape(5, -1)[:, :10]
    with gradients.float64():
        shown, labels = gradcheck._inputs(setting, data)
        np.testing.assert_allclose(np.asarray(shown).reshape(5, 10), x, rtol=1e-5)
        network = gradcheck._Network(trace.as_numbers(setting), 3)
        weights = np.asarray(network.variables(shown, 7)['params']['Dense_0']['kernel'])
        assert weights.dtype == np.float64
        gradient, _ = gradcheck._both(network, 7, shown, labels, 0, 3)
    odds = np.exp(x @ weights)
    residual = odds / odds.sum(1, keepdims=True) - np.eye(3)[data.training.labels[:5]]
    np.testing.assert_allclose(np.asarray(gradient)[:3], residual.mean(0), rtol=1e-4)
    np.testing.assert_allclose(np.asarray(gradient)[3:].reshape(10, 3), x.T @ residual / 5,
                               rtol=1e-3, atol=1e-6)  # fmt: skip
    assert measured(setting, 7, data).finals['entries'] == 3


def test_an_unknown_parameter_is_named(data):
    setting = setting_of(**MLP, gradcheck__parameter='Dense_2/kernel')
    with pytest.raises(UserError, match=r"no 'Dense_2/kernel'.*Dense_1/kernel"):
        gradcheck.check_data(setting, data)
    gradcheck.check_data(setting_of(**MLP, gradcheck__parameter='Dense_1/kernel'), data)


def test_images_that_do_not_survive_the_layers_are_refused(data):
    with pytest.raises(UserError, match=r'model\.channels: block 1 of 2 has no pixels left'):
        gradcheck.check_data(setting_of(study__name='gradcheck'), data)
