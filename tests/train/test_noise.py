"""Noise on inputs, weights and labels: its distribution, what it leaves alone, and 0 as nothing."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxtweaks.train.noise import noisy_inputs, noisy_labels, noisy_weights

KEY = jax.random.key(7)
NEGATIVE_ZERO = -jnp.zeros((3, 4))
PARAMS = {
    'Dense_0': {'kernel': jnp.full((60, 50), 2.0), 'bias': jnp.ones(50)},
    'Dense_1': {'kernel': jnp.full((60, 50), 2.0), 'bias': jnp.ones(50)},
    'BatchNorm_0': {'scale': jnp.ones(50), 'bias': jnp.zeros(50)},
}


def same_bits(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.asarray(x).tobytes() == np.asarray(y).tobytes() for x, y in pairs)


def test_inputs_get_normal_noise_of_this_deviation():
    x = jnp.full((50, 8, 8, 3), 1.5)
    noise = np.asarray(noisy_inputs(KEY, x, 0.3)) - 1.5
    assert stats.kstest(noise.ravel(), stats.norm(scale=0.3).cdf).pvalue > 1e-3
    assert len(np.unique(noise)) > 0.9 * noise.size
    np.testing.assert_allclose(noisy_inputs(KEY, x, 0.6) - 1.5, 2 * noise, atol=1e-6)


def test_only_weights_get_noise_and_each_its_own():
    noisy = noisy_weights(KEY, PARAMS, 0.3)
    assert jax.tree.structure(noisy) == jax.tree.structure(PARAMS)
    noises = []
    for name, layer in PARAMS.items():
        for leaf, value in layer.items():
            if leaf == 'kernel':
                noises.append(np.asarray(noisy[name][leaf] - value).ravel())
                assert stats.kstest(noises[-1], stats.norm(scale=0.3).cdf).pvalue > 1e-3
            else:
                assert same_bits(noisy[name][leaf], value)
    assert abs(np.corrcoef(*noises)[0, 1]) < 4 / np.sqrt(noises[0].size)


def test_the_gradient_is_that_at_the_disturbed_weights():
    loss = lambda params: jnp.sum(noisy_weights(KEY, params, 0.3)['Dense_0']['kernel'] ** 2)
    gradient = jax.grad(loss)(PARAMS)['Dense_0']['kernel']
    expected = 2 * noisy_weights(KEY, PARAMS, 0.3)['Dense_0']['kernel']
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


@pytest.mark.parametrize('classes', [2, 5])
def test_labels_become_each_other_class_equally_often(classes):
    labels = jnp.repeat(jnp.arange(classes, dtype=jnp.int32), 4_000)
    noisy = noisy_labels(KEY, labels, 0.4, classes)
    assert noisy.dtype == labels.dtype
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (np.asarray(labels), np.asarray(noisy)), 1)
    expected = np.full((classes, classes), 4_000 * 0.4 / (classes - 1))
    np.fill_diagonal(expected, 4_000 * 0.6)
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert stats.chi2.sf(statistic, classes * (classes - 1)) > 1e-3


def test_at_rate_1_no_label_is_left():
    labels = jnp.arange(1_000) % 3
    assert not np.any(noisy_labels(KEY, labels, 1.0, 3) == labels)


TWEAKS = {
    'inputs': (noisy_inputs, NEGATIVE_ZERO),
    'weights': (noisy_weights, {'Dense_0': {'kernel': NEGATIVE_ZERO, 'bias': NEGATIVE_ZERO}}),
    'labels': (functools.partial(noisy_labels, classes=3), jnp.arange(12) % 3),
}


@pytest.mark.usefixtures('optimised')
@pytest.mark.parametrize('name', TWEAKS)
def test_zero_is_the_identity(name):
    tweak, value = TWEAKS[name]
    omitted = tweak(KEY, value, 0.0)
    assert all(a is b for a, b in zip(*map(jax.tree.leaves, (omitted, value)), strict=True))
    strengths = jnp.array([0.0, 0.5])
    each = jax.jit(jax.vmap(tweak, (None, None, 0)))(KEY, value, strengths)
    assert same_bits(jax.tree.map(lambda leaf: leaf[0], each), value)
    alone = jax.jit(tweak)(KEY, value, strengths[1])
    assert same_bits(jax.tree.map(lambda leaf: leaf[1], each), alone)
    assert not same_bits(alone, value)
    assert not same_bits(tweak(jax.random.key(8), value, 0.5), alone)
