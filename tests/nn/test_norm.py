"""Batch norm against NumPy in float64, central differences and autodiff."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.nn import norm
from jaxtweaks.nn.norms import BatchNorm

EPSILON = 1e-3
# Dense, images, feature counts that do and do not fit the rows of `feature_sum`, one example.
SHAPES = [(6, 3), (4, 3, 5, 2), (7, 300), (32, 4, 4, 16), (1, 2, 3, 4)]


def reference(x, scale, shift, epsilon=EPSILON):
    x, scale, shift = (np.asarray(a, np.float64) for a in (x, scale, shift))
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    variance = ((x - mean) ** 2).mean(axes)
    return scale * (x - mean) / np.sqrt(variance + epsilon) + shift, mean, variance


def draw(shape, dtype=np.float64):
    rng = np.random.default_rng(len(shape))
    features = shape[-1]
    x = 2 + 3 * rng.normal(size=shape)
    return tuple(a.astype(dtype) for a in (x, rng.normal(size=features), rng.normal(size=features)))


@pytest.mark.parametrize('shape', SHAPES, ids=str)
def test_forward_and_moments(shape):
    x, scale, shift = draw(shape, np.float32)
    got = norm.batch_norm(x, scale, shift, EPSILON)
    for a, b in zip(got, reference(x, scale, shift), strict=True):
        assert a.dtype == jnp.float32
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)
    with jax.enable_x64(True):
        x, scale, shift = draw(shape)
        got = norm.batch_norm(x, scale, shift, EPSILON)
        for a, b in zip(got, reference(x, scale, shift), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize('shape', SHAPES, ids=str)
def test_feature_sum(shape):
    x = np.random.default_rng(0).integers(-9, 9, shape).astype(np.float32)
    expected = x.sum(tuple(range(x.ndim - 1)))
    assert np.array_equal(norm.feature_sum(x), expected)


@pytest.mark.parametrize('shape', [(6, 3), (2, 3, 2, 2), (1, 2, 2, 3)], ids=str)
def test_gradient_equals_central_differences(shape):
    x, scale, shift = draw(shape)
    weights = np.random.default_rng(9).normal(size=shape)
    value = lambda *args: float(np.sum(np.sin(reference(*args)[0]) * weights))
    with jax.enable_x64(True):
        loss = lambda *args: jnp.sum(jnp.sin(norm.batch_norm(*args, EPSILON)[0]) * weights)
        gradients = jax.grad(loss, (0, 1, 2))(x, scale, shift)
        for place, gradient in enumerate(gradients):
            gradient = np.asarray(gradient)
            for index in np.ndindex(gradient.shape):
                sides = []
                for side in (1e-5, -1e-5):
                    moved = [x.copy(), scale.copy(), shift.copy()]
                    moved[place][index] += side
                    sides.append(value(*moved))
                assert gradient[index] == pytest.approx(
                    (sides[0] - sides[1]) / 2e-5, rel=1e-6, abs=1e-8
                )


@pytest.mark.parametrize('shape', SHAPES, ids=str)
def test_gradient_equals_autodiff_of_the_plain_formula(shape):
    def plain(x, scale, shift):
        axes = tuple(range(x.ndim - 1))
        mean = jnp.mean(x, axes, keepdims=True)
        variance = jnp.mean((x - mean) ** 2, axes, keepdims=True)
        wide = (1,) * (x.ndim - 1) + scale.shape
        scale, shift = scale.reshape(wide), shift.reshape(wide)
        return scale * (x - mean) / jnp.sqrt(variance + EPSILON) + shift

    with jax.enable_x64(True):
        args = tuple(jnp.asarray(a) for a in draw(shape))
        weights = jnp.asarray(np.random.default_rng(9).normal(size=shape))
        own = lambda *args: jnp.sum(norm.batch_norm(*args, EPSILON)[0] * weights)
        expected = jax.jit(jax.grad(lambda *args: jnp.sum(plain(*args) * weights), (0, 1, 2)))
        # Under vmap too, each run with a batch of its own.
        two = tuple(jnp.stack([a, a * 1.5 + 0.5]) for a in args)
        mapped = jax.jit(jax.vmap(jax.grad(own, (0, 1, 2))))(*two)
        for r in range(2):
            for got, want in zip(mapped, expected(*(a[r] for a in two)), strict=True):
                np.testing.assert_allclose(got[r], want, rtol=1e-9, atol=1e-10)


def test_large_mean_keeps_its_digits():
    """Mean 10,000 and standard deviation 1: E[x²] − E[x]² in float32 would have no digit left."""
    x = (10_000 + np.random.default_rng(0).normal(size=(64, 4))).astype(np.float32)
    ones, zeros = np.ones(4, np.float32), np.zeros(4, np.float32)
    y, mean, variance = norm.batch_norm(x, ones, zeros, 1e-5)
    expected = reference(x, ones, zeros, 1e-5)
    np.testing.assert_allclose(mean, expected[1], rtol=1e-6)
    np.testing.assert_allclose(variance, expected[2], rtol=1e-3)
    np.testing.assert_allclose(y, expected[0], atol=2e-3)
    naive = np.mean(x * x, 0) - np.mean(x, 0) ** 2
    assert np.max(np.abs(naive / expected[2] - 1)) > 0.1


def test_one_dense_example_becomes_the_shift_with_no_gradient():
    x, scale, shift = draw((1, 3), np.float32)
    y, mean, variance = norm.batch_norm(x, scale, shift, EPSILON)
    assert np.array_equal(mean, x[0])
    assert np.array_equal(variance, np.zeros(3))
    assert np.array_equal(y[0], shift)
    gradient = jax.grad(lambda x: jnp.sum(norm.batch_norm(x, scale, shift, EPSILON)[0] ** 2))(x)
    assert np.array_equal(gradient, np.zeros((1, 3)))


def test_no_gradient_through_the_moments():
    x, scale, shift = draw((6, 3), np.float32)
    moments = lambda x: sum(map(jnp.sum, norm.batch_norm(x, scale, shift, EPSILON)[1:]))
    assert not np.any(jax.grad(moments)(x))


def test_unbiased():
    assert norm.unbiased(jnp.float32(3.0), 4) == 4.0
    assert norm.unbiased(jnp.float32(0.0), 1) == 0.0


@pytest.mark.parametrize('kind', ['biased', 'unbiased'])
@pytest.mark.parametrize('momentum', [0.0, 0.75, 1.0])
def test_running_averages(kind, momentum):
    """Two steps by hand, then the test mode uses the averages and leaves them."""
    batches = [draw((4, 2, 3))[0].astype(np.float32) * factor for factor in (1.0, 2.0)]
    count = 8

    def apply(variables, x, momentum, train):
        layer = BatchNorm(momentum, EPSILON, kind)
        return layer.apply(variables, x, train, mutable=['batch_stats'])

    variables = BatchNorm().init(jax.random.key(0), batches[0], True)
    # Initialising is not a step.
    assert np.array_equal(variables['batch_stats']['mean'], np.zeros(3))
    assert np.array_equal(variables['batch_stats']['var'], np.ones(3))
    params = {'scale': jnp.asarray([1.0, 2.0, -1.0]), 'bias': jnp.asarray([0.0, 1.0, 0.5])}
    stats, mean, variance = variables['batch_stats'], np.zeros(3), np.ones(3)
    for x in batches:
        y, mutated = jax.jit(apply, static_argnums=3)(
            {'params': params, 'batch_stats': stats}, x, momentum, True
        )
        expected, batch_mean, batch_variance = reference(x, params['scale'], params['bias'])
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
        stats = nn.unbox(mutated['batch_stats'])
        mean = momentum * mean + (1 - momentum) * batch_mean
        correction = count / (count - 1) if kind == 'unbiased' else 1
        variance = momentum * variance + (1 - momentum) * batch_variance * correction
        np.testing.assert_allclose(stats['mean'], mean, rtol=1e-5)
        np.testing.assert_allclose(stats['var'], variance, rtol=1e-5)
    variables = {'params': params, 'batch_stats': stats}
    y, after = apply(variables, batches[0], momentum, False)
    expected = np.asarray(params['scale']) * (batches[0] - mean) / np.sqrt(variance + EPSILON)
    np.testing.assert_allclose(y, expected + np.asarray(params['bias']), rtol=1e-4, atol=1e-5)
    for name in ('mean', 'var'):
        assert np.array_equal(after['batch_stats'][name], stats[name])
