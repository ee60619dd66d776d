"""Every nonlinearity against SciPy in float64, with its gradient against differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from jaxtweaks.config import parts, trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import activations

X = np.array([-30.0, -3.0, -1.0, -0.25, -1e-3, 1e-3, 0.25, 1.0, 3.0, 30.0])
BY_HAND = {
    'relu': lambda x: np.maximum(x, 0),
    'tanh': np.tanh,
    'sigmoid': special.expit,
    'identity': lambda x: x,
    'gelu': lambda x: x * stats.norm.cdf(x),
    'silu': lambda x: x * special.expit(x),
    'leaky_relu': lambda x: np.where(x > 0, x, 0.01 * x),
    'elu': lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
}
PARTS = {name: part for name, part in parts.of_slot('activation').items() if part.built_in}


@pytest.mark.parametrize('name', PARTS)
def test_it_is_scipys(name):
    part = PARTS[name]
    np.testing.assert_allclose(part.build(jnp.float32(X)), BY_HAND[name](X), rtol=2e-6, atol=1e-7)
    with jax.enable_x64(True):
        np.testing.assert_allclose(part.build(jnp.asarray(X)), BY_HAND[name](X), rtol=1e-12)
        slopes = jax.grad(lambda x: jnp.sum(part.build(x)))(jnp.asarray(X))
        h = 1e-6
        differences = (BY_HAND[name](X + h) - BY_HAND[name](X - h)) / (2 * h)
        np.testing.assert_allclose(slopes, differences, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize('name', PARTS)
def test_large_inputs_have_finite_gradients(name):
    x = jnp.float32([-1e30, -1e4, 0.0, 1e4, 1e30])
    assert np.isfinite(jax.grad(lambda x: jnp.sum(PARTS[name].build(x)))(x)).all()


@pytest.mark.parametrize(
    ('field', 'value', 'expected'),
    [('leaky_relu.slope', 0.2, [-0.4, 3.0]), ('elu.alpha', 2.0, [2 * np.expm1(-2.0), 3.0])],
)
def test_a_parameter_is_traced(field, value, expected):
    name = field.partition('.')[0]
    setting = lambda value: trace.replace(Setting(), {'model.activation': name, field: value})
    call = jax.jit(lambda value, x: trace.made(setting(value), 'activation', x))
    np.testing.assert_allclose(call(value, jnp.float32([-2.0, 3.0])), expected, rtol=1e-6)
    call(2 * value, jnp.float32([-2.0, 3.0]))
    assert call._cache_size() == 1


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_relu_has_the_bits_of_jax_nn_relu(dtype):
    x = jnp.asarray([-np.inf, -2.5, -0.0, 0.0, 1e-40, 3.0, np.inf, np.nan], dtype)
    g = jnp.asarray(np.linspace(-1, 1, 8), dtype)

    def of(f):
        y, back = jax.vjp(f, x)
        return [np.asarray(a, np.float32) for a in (y, back(g)[0], jax.jvp(f, (x,), (g,))[1])]

    for ours, theirs in zip(of(activations.relu), of(jax.nn.relu), strict=True):
        np.testing.assert_array_equal(ours, theirs)
