"""Initial weights: every σ by hand, and the distribution of the draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.config import parts, trace
from jaxtweaks.config.settings import DISTRIBUTIONS, Setting
from jaxtweaks.nn import init
from jaxtweaks.nn.init import standard_draw

KEY = jax.random.key(3, impl='threefry2x32')
NORMAL, UNIFORM, CONSTANT = (DISTRIBUTIONS.index(n) for n in ('normal', 'uniform', 'constant'))

SCHEMES = list(parts.of_slot('init'))


def given(sigma):
    return init.schemes(trace.replace(Setting(), {'sigma.sigma': sigma}))


def standard_deviation(scheme, fan_in, fan_out, sigma):
    return init.standard_deviation(scheme, fan_in, fan_out, given(sigma))


def initial_weights(key, shape, scheme, distribution, sigma):
    return init.initial_weights(key, shape, scheme, distribution, given(sigma))


LARGE = jax.jit(
    lambda scheme, distribution: initial_weights(KEY, (300, 100), scheme, distribution, 0.05)
)

# Of a layer with 300 inputs and 100 outputs.
BY_HAND = {
    'sigma': 0.05,
    'lecun': 0.0577350269,  # √(1/300)
    'glorot': 0.0707106781,  # √(2/400)
    'he': 0.0816496581,  # √(2/300)
    'he_2_over_sqrt_n': 0.1154700538,  # 2/√300
    'heuristic': 0.0333333333,  # √(1/900)
    'glorot_2_over_n': 0.005,  # 2/400
    'he_2_over_n': 0.0066666667,  # 2/300
}


def test_every_scheme_is_tested():
    assert set(BY_HAND) == set(SCHEMES)


@pytest.mark.parametrize('scheme', SCHEMES)
def test_standard_deviation_by_hand(scheme):
    index = SCHEMES.index(scheme)
    assert float(standard_deviation(index, 300, 100, 0.05)) == pytest.approx(
        BY_HAND[scheme], rel=1e-6
    )
    traced = jax.jit(standard_deviation, static_argnums=(1, 2))(index, 300, 100, 0.05)
    assert float(traced) == pytest.approx(BY_HAND[scheme], rel=1e-6)


def moments(x):
    x = np.asarray(x, np.float64).ravel()
    centred = x - x.mean()
    return x.mean(), x.std(), np.mean(centred**4) / np.mean(centred**2) ** 2


@pytest.mark.parametrize('scheme', SCHEMES)
@pytest.mark.parametrize('distribution', ['normal', 'uniform'])
def test_moments_tell_normal_from_uniform(scheme, distribution):
    weights = LARGE(SCHEMES.index(scheme), DISTRIBUTIONS.index(distribution))
    mean, spread, kurtosis = moments(weights)
    sigma, n = BY_HAND[scheme], weights.size
    assert abs(mean) < 4 * sigma / n**0.5
    # The error of a standard deviation is σ √((kurtosis − 1)/4n).
    expected = {'normal': 3.0, 'uniform': 1.8}[distribution]
    assert abs(spread - sigma) < 4 * sigma * ((expected - 1) / (4 * n)) ** 0.5
    assert kurtosis == pytest.approx(expected, abs=0.1)
    largest = float(jnp.max(jnp.abs(weights)))
    if distribution == 'uniform':
        assert 0.999 * 3**0.5 * sigma < largest <= 3**0.5 * sigma * (1 + 1e-6)
    else:
        assert largest > 3.5 * sigma


def test_heuristic_uniform_reaches_one_over_root_n():
    weights = np.asarray(initial_weights(KEY, (400, 50), SCHEMES.index('heuristic'), UNIFORM, 9.0))
    assert np.max(np.abs(weights)) <= 0.05 * (1 + 1e-6)
    assert np.max(weights) > 0.04999
    assert np.min(weights) < -0.04999


TRACED = jax.jit(
    lambda scheme, distribution, sigma: initial_weights(KEY, (3, 4), scheme, distribution, sigma)
)


@pytest.mark.parametrize('sigma', [0.0, 1.0, 0.05, 1e-4, 0.3])
@pytest.mark.parametrize('traced', [False, True])
def test_constants_are_exact(sigma, traced):
    f = lambda scheme, distribution, sigma: initial_weights(
        KEY, (3, 4), scheme, distribution, sigma
    )
    weights = (TRACED if traced else f)(SCHEMES.index('sigma'), CONSTANT, sigma)
    assert np.array_equal(weights, np.full((3, 4), sigma, np.float32))


@pytest.mark.parametrize(
    ('scheme', 'expected'),
    [
        ('lecun', (1 / 45) ** 0.5),
        ('he', (2 / 45) ** 0.5),
        ('glorot', (2 / (45 + 60)) ** 0.5),
        ('he_2_over_sqrt_n', 2 / 45**0.5),
        ('heuristic', (1 / 135) ** 0.5),
        ('glorot_2_over_n', 2 / (45 + 60)),
        ('he_2_over_n', 2 / 45),
    ],
)
def test_fans_of_a_kernel(scheme, expected):
    """3 × 5 over 3 channels to 4: 45 in, 60 out; at each of 7 × 6 places, if it has places."""
    for places in ((), (7, 6)):
        shape = (*places, 3, 5, 3, 4)
        weights = initial_weights(KEY, shape, SCHEMES.index(scheme), CONSTANT, 9.0)
        assert weights.shape == shape
        np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_traced_choices_equal_python_ones():
    f = lambda scheme, distribution: initial_weights(KEY, (7, 5), scheme, distribution, 0.2)
    compiled = jax.jit(f)
    pairs = [(s, d) for s in range(len(SCHEMES)) for d in range(len(DISTRIBUTIONS))]
    mapped = jax.vmap(f)(*(jnp.asarray(column) for column in zip(*pairs, strict=True)))
    for row, pair in zip(mapped, pairs, strict=True):
        np.testing.assert_allclose(row, compiled(*pair), rtol=1e-6)
    assert compiled._cache_size() == 1
    # With Python numbers each pair is a program of its own; a few will do.
    for pair in ((0, NORMAL), (2, UNIFORM), (5, CONSTANT)):
        np.testing.assert_allclose(f(*pair), compiled(*pair), rtol=1e-6)


def test_schemes_of_one_seed_share_the_standard_draw():
    compiled = jax.jit(lambda s, d: initial_weights(KEY, (30, 10), s, d, 0.07))
    sigmas = [0.07, (1 / 30) ** 0.5, (2 / 40) ** 0.5, (2 / 30) ** 0.5, 2 / 30**0.5, (1 / 90) ** 0.5]
    draw = jax.jit(lambda key, distribution: standard_draw(key, (30, 10), distribution))
    for distribution in (NORMAL, UNIFORM):
        standard = np.asarray(draw(KEY, distribution))
        for index, sigma in enumerate(sigmas):
            np.testing.assert_allclose(compiled(index, distribution), sigma * standard, rtol=1e-6)
    other = draw(jax.random.fold_in(KEY, 1), NORMAL)
    assert not np.any(np.asarray(other) == np.asarray(draw(KEY, NORMAL)))
