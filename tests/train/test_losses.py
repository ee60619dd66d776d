"""Losses and penalties against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.config.settings import Penalty
from jaxtweaks.train.losses import cross_entropy, penalty

PARAMS = {
    'Dense_0': {'kernel': np.array([[1.0, -2.0], [0.5, 3.0]]), 'bias': np.array([4.0, -1.0])},
    'Conv_0': {'kernel': np.full((1, 2, 1, 2), 0.5), 'bias': np.array([2.0, 0.0])},
    'BatchNorm_0': {'scale': np.array([1.0, 1.0]), 'bias': np.array([0.0, 3.0])},
}
# Kernels: 1 + 4 + 0.25 + 9 and 4 · 0.25; the rest: 16 + 1, 4, 2 and 9.
WEIGHTS, ALL = 15.25, 15.25 + 17 + 4 + 2 + 9


def params():
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), PARAMS)


def test_cross_entropy():
    rng = np.random.default_rng(0)
    logits = 4 * rng.normal(size=(9, 5))
    labels = rng.integers(0, 5, 9)
    e = np.exp(logits - logits.max(1, keepdims=True))
    expected = -np.log((e / e.sum(1, keepdims=True))[np.arange(9), labels])
    got = cross_entropy(jnp.asarray(logits, jnp.float32), jnp.asarray(labels))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    with jax.enable_x64(True):
        got = cross_entropy(jnp.asarray(logits), jnp.asarray(labels))
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)


def test_cross_entropy_by_hand():
    got = cross_entropy(
        jnp.asarray([[0.0, 0.0], [1000.0, 0.0], [1000.0, 0.0]]), jnp.array([0, 0, 1])
    )
    np.testing.assert_allclose(got, [np.log(2), 0, 1000], rtol=1e-6)
    assert np.isnan(cross_entropy(jnp.asarray([[jnp.inf, 0.0]]), jnp.array([0])))[0]


def test_gradient_is_softmax_minus_one_hot():
    logits = np.random.default_rng(1).normal(size=(4, 3))
    labels = np.array([2, 0, 1, 1])
    e = np.exp(logits)
    expected = e / e.sum(1, keepdims=True) - np.eye(3)[labels]
    got = jax.grad(lambda z: jnp.sum(cross_entropy(z, labels)))(jnp.asarray(logits, jnp.float32))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('traced', [False, True])
@pytest.mark.parametrize(
    ('form', 'scope', 'expected'),
    [
        ('half', 'weights', 0.5 * 0.3 * WEIGHTS),
        ('full', 'weights', 0.3 * WEIGHTS),
        ('half', 'all', 0.5 * 0.3 * ALL),
        ('full', 'all', 0.3 * ALL),
    ],
)
def test_penalty_and_its_gradient(form, scope, expected, traced):
    f = lambda params, l2: penalty(params, Penalty(l2, form, scope))
    call = jax.jit(f) if traced else f
    assert float(call(params(), 0.3)) == pytest.approx(expected, rel=1e-6)
    gradient = jax.grad(call)(params(), 0.3)
    for name, layer in PARAMS.items():
        for leaf, value in layer.items():
            inside = scope == 'all' or leaf == 'kernel'
            factor = (0.3 if form == 'half' else 0.6) if inside else 0.0
            np.testing.assert_allclose(gradient[name][leaf], factor * value, rtol=1e-6)


def test_no_penalty():
    assert penalty(params(), Penalty()) == 0.0
    f = jax.jit(jax.value_and_grad(lambda params, l2: penalty(params, Penalty(l2))))
    value, gradient = f(params(), 0.0)
    assert value == 0
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient))
