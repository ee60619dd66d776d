"""A trained network is also tested with noise on its weights, and without some of its units."""

import jax
import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from tiny_training import Trained, data, group_of, setting

from jaxtweaks.base.rng import stream_key
from jaxtweaks.train.finish import PERTURBATIONS

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

DATA, SIGMA, LOST = data(), 0.2, 0.4


RATES = {'hidden': 0.9, 'input': 0.5}


@pytest.fixture(scope='module', params=['inverted', 'vanilla'])
def trained(request):
    """One run with dropout on inputs and units, which the tests have to do without."""
    one = setting(
        model__norm='none',
        dropout__form=request.param,
        dropout__hidden=RATES['hidden'],
        dropout__input=RATES['input'],
        train__sensitivity=True,
        train__perturbation=SIGMA,
        train__lost_units=LOST,
    )
    group, hyper, seeds = group_of([(one, 3)])
    found = Trained(group, hyper, seeds, DATA)
    vanilla = request.param == 'vanilla'
    found.keep = {name: 1 - rate * vanilla for name, rate in RATES.items()}
    return found


def of(trained, split):
    """Its weights and biases by layer, and the standardised images of a split, times `keep`."""
    layers = [
        {name: leaf[0].astype(float) for name, leaf in trained.final.params[layer].items()}
        for layer in ('Dense_0', 'Dense_1')
    ]
    x = np.asarray(split.images, float) - np.asarray(DATA.mean)
    x = x * np.asarray(DATA.inverse_std)
    return layers, x.reshape(len(x), -1) * trained.keep['input']


def units_of(trained, layers, x):
    return np.maximum(x @ layers[0]['kernel'] + layers[0]['bias'], 0) * trained.keep['hidden']


def logits(trained, layers, x):
    hidden = units_of(trained, layers, x)
    return hidden @ layers[1]['kernel'] + layers[1]['bias']


def loss(outputs):
    labels = np.asarray(DATA.test.labels)
    return -log_softmax(outputs, -1)[np.arange(len(labels)), labels].mean()


def test_noise_on_the_weights_is_averaged_over_draws(trained):
    layers, x = of(trained, DATA.test)
    losses = []
    for draw in range(PERTURBATIONS):
        key = stream_key(3, 'perturb', draw)
        # The leaves in their order: bias and kernel of each layer.
        noisy = [
            layer | {'kernel': layer['kernel'] + SIGMA * drawn(key, 2 * i + 1, layer['kernel'])}
            for i, layer in enumerate(layers)
        ]
        losses.append(loss(logits(trained, noisy, x)))
    assert np.std(losses) > 1e-3
    found = trained.found.finals['perturbed_test_loss'][0]
    assert found == pytest.approx(np.mean(losses), rel=1e-4)


def drawn(key, leaf, kernel):
    return np.asarray(jax.random.normal(jax.random.fold_in(key, leaf), kernel.shape))


def test_lost_units_are_of_the_hidden_layers_alone(trained):
    layers, x = of(trained, DATA.test)
    # Every way to lose units of one image: the loss lies between the best and the worst of them.
    hidden = units_of(trained, layers, x)
    units = hidden.shape[1]
    masks = (np.arange(2**units)[:, None] >> np.arange(units)) & 1
    kept = hidden[None] * masks[:, None] / (1 - LOST)
    outputs = kept @ layers[1]['kernel'] + layers[1]['bias']
    labels = np.asarray(DATA.test.labels)
    losses = -log_softmax(outputs, -1)[:, np.arange(len(labels)), labels]
    found = trained.found.finals['lesioned_test_loss'][0]
    assert losses.min(0).mean() < found < losses.max(0).mean()
    # As far from the mean over all masks as the spread over masks allows.
    chance = np.prod(np.where(masks, 1 - LOST, LOST), 1)
    mean = chance @ losses
    variance = chance @ np.square(losses - mean)
    assert abs(found - mean.mean()) < 4 * np.sqrt(variance.sum()) / len(labels)
    assert abs(found - trained.found.finals['test_loss'][0]) > 1e-4


def test_sensitivity_is_the_norm_of_the_jacobian(trained):
    layers, x = of(trained, DATA.validation)
    active = (x @ layers[0]['kernel'] + layers[0]['bias']) > 0
    p = softmax(logits(trained, layers, x), -1)
    of_logits = np.einsum('ij,nj,jk->nki', layers[0]['kernel'], active, layers[1]['kernel'])
    of_softmax = p[:, :, None] * (np.eye(p.shape[1]) - p[:, None])
    of_logits *= trained.keep['input'] * trained.keep['hidden']
    norms = np.linalg.norm(of_softmax @ of_logits, axis=(1, 2))
    assert trained.found.finals['sensitivity'][0] == pytest.approx(norms.mean(), rel=1e-3)
