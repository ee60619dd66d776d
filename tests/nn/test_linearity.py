"""How linear hidden units are, against NumPy's correlations."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.nn.linearity import linearity


def inputs(*shape, scale=1.0):
    return np.random.default_rng(0).normal(size=shape) * scale


@pytest.mark.parametrize('shape', [(500, 6), (40, 5, 5, 6)])
def test_it_is_the_mean_squared_correlation(shape):
    x = inputs(*shape, scale=2.0) + np.arange(6)
    y = np.tanh(x)
    pairs = zip(x.reshape(-1, 6).T, y.reshape(-1, 6).T, strict=True)
    expected = np.mean([np.corrcoef(a, b)[0, 1] ** 2 for a, b in pairs])
    got = linearity(jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32))
    assert float(got) == pytest.approx(expected, rel=1e-4)
    assert 0.5 < expected < 0.95


@pytest.mark.parametrize('scale', [1e-30, 1e-13, 1e9, 1e30])
def test_it_is_the_same_whatever_the_scale(scale):
    x = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    y = np.maximum(x, 0)
    expected = float(linearity(x, y))
    assert float(linearity(scale * x, scale * y)) == pytest.approx(expected, abs=1e-5)


def test_a_linear_unit_and_one_that_never_changes():
    x = jnp.asarray(inputs(300, 2), jnp.float32)
    assert float(linearity(x, 3 - 2 * x)) == pytest.approx(1, rel=1e-5)
    assert float(linearity(x - 100, jnp.maximum(x - 100, 0))) == 1
    assert float(linearity(x, jnp.full_like(x, 0.7310586))) == 1


def test_small_inputs_make_tanh_linear_and_not_relu():
    x = inputs(20_000, 1)
    found = {
        scale: float(linearity(jnp.asarray(scale * x), jnp.tanh(scale * x)))
        for scale in (0.01, 0.5, 2.0)
    }
    assert found[0.01] > 0.9999 > found[0.5] > found[2.0]
    for scale in (0.01, 2.0):
        relu = linearity(jnp.asarray(scale * x), jnp.maximum(scale * x, 0))
        assert float(relu) == pytest.approx(np.pi / (2 * np.pi - 2), abs=0.01)
