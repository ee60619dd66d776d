"""Dropout: exact at both ends, right on average, and a function of its key alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.nn.dropout import dropout, dropout_at_test, is_off

pytestmark = pytest.mark.usefixtures('optimised')
KEY = jax.random.key(7, impl='threefry2x32')
FORMS = ('inverted', 'vanilla')


def numbers(shape=(5, 6)):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x.flat[:4] = [0.0, -0.0, np.inf, 1e-42]
    return x


def same_bits(a, b):
    return np.asarray(a).dtype == np.asarray(b).dtype and (
        np.asarray(a).tobytes() == np.asarray(b).tobytes()
    )


def test_is_off_knows_only_python_numbers():
    assert is_off(0)
    assert is_off(0.0)
    assert not is_off(0.1)
    assert not is_off(jnp.float32(0))
    assert not jax.jit(lambda rate: jnp.asarray(is_off(rate)))(0.0)


@pytest.mark.parametrize('form', FORMS)
def test_rate_0_is_the_identity_bitwise(form):
    x = numbers()
    assert dropout(KEY, x, 0.0, form) is x
    assert dropout_at_test(x, 0.0, form) is x
    for f in (
        lambda x, rate: dropout(KEY, x, rate, form),
        lambda x, r: dropout_at_test(x, r, form),
    ):
        # 1e-42 is subnormal, which XLA's CPU code flushes to zero in a product.
        normal = np.where(np.abs(x) == np.float32(1e-42), 1, x)
        assert same_bits(jax.jit(f)(normal, 0.0), normal)
        gradient = jax.jit(jax.grad(lambda x, r, f=f: jnp.sum(jnp.cos(f(x, r)))))
        finite = np.where(np.isfinite(normal), normal, 2)
        assert same_bits(
            gradient(finite, 0.0), jax.jit(jax.grad(lambda x: jnp.sum(jnp.cos(x))))(finite)
        )


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('traced', [False, True])
def test_rate_1_is_zero_with_a_finite_gradient(form, traced):
    x = numbers()
    x[np.isinf(x)] = 3
    jit = jax.jit if traced else lambda f: f
    f = lambda x, rate: dropout(KEY, x, rate, form)
    assert not np.any(jit(f)(x, 1.0))
    loss = lambda x, rate: jnp.sum(jnp.sin(f(x, rate)))
    to_x, to_rate = jit(jax.grad(loss, (0, 1)))(x, 1.0)
    assert not np.any(to_x)
    assert np.isfinite(to_rate)
    if form == 'vanilla':
        assert not np.any(dropout_at_test(x, 1.0, form))


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('rate', [0.1, 0.5, 0.8])
def test_what_is_kept_is_scaled_and_how_often(form, rate):
    x = np.random.default_rng(1).uniform(1, 2, 20_000).astype(np.float32)
    y = np.asarray(jax.jit(lambda r: dropout(KEY, x, r, form))(rate))
    kept = y != 0
    scale = 1 / (1 - rate) if form == 'inverted' else 1
    np.testing.assert_allclose(y[kept], x[kept] * scale, rtol=3e-7)
    error = (rate * (1 - rate) / x.size) ** 0.5
    assert abs(kept.mean() - (1 - rate)) < 4 * error
    # Neighbours are dropped independently.
    both = np.mean(kept[1:] & kept[:-1])
    assert abs(both - (1 - rate) ** 2) < 5 / x.size**0.5


@pytest.mark.parametrize('rate', [0.3, 0.75])
def test_both_forms_have_the_expectation_of_their_test_time(rate):
    """Over many masks training equals test, so vanilla ÷ keep and inverted are the same."""
    x = np.random.default_rng(2).normal(size=40).astype(np.float32)
    keys = jax.random.split(KEY, 4_000)
    means = {}
    for form in FORMS:
        masks = jax.jit(jax.vmap(lambda key, form=form: dropout(key, x, rate, form)))(keys)
        means[form] = np.mean(np.asarray(masks, np.float64), 0)
        at_test = np.asarray(dropout_at_test(x, rate, form), np.float64)
        spread = np.asarray(masks).std(0) / len(keys) ** 0.5
        assert np.all(np.abs(means[form] - at_test) < 4.5 * spread)
    np.testing.assert_allclose(means['vanilla'] / (1 - rate), means['inverted'], rtol=1e-5)
    np.testing.assert_allclose(dropout_at_test(x, rate, 'vanilla'), x * (1 - rate), rtol=1e-6)
    assert dropout_at_test(x, rate, 'inverted') is x


def test_in_bfloat16_the_scale_is_not_rounded():
    """1 / 0.9 and 0.9 in bfloat16 are 1.109 and 0.898: of everything 0.16% would be missing."""
    x = jnp.asarray(np.random.default_rng(4).uniform(1, 2, 20_000), jnp.bfloat16)
    exact = np.asarray(x, np.float64)
    half = lambda values: np.asarray(jnp.asarray(values, jnp.float32).astype(x.dtype), np.float64)
    y = dropout(KEY, x, 0.1)
    assert y.dtype == x.dtype
    kept, y = np.asarray(y) != 0, np.asarray(y, np.float64)
    np.testing.assert_array_equal(y[kept], half(exact[kept] / np.float32(0.9)))
    assert np.mean(y[kept]) == pytest.approx(np.mean(exact[kept]) / 0.9, rel=2e-4)
    at_test = dropout_at_test(x, 0.1, 'vanilla')
    assert at_test.dtype == x.dtype
    np.testing.assert_array_equal(np.asarray(at_test, np.float64), half(exact * np.float32(0.9)))


@pytest.mark.parametrize('form', FORMS)
def test_the_mask_depends_on_the_key_alone(form):
    ones = np.ones(300, np.float32)
    mask = np.asarray(dropout(KEY, ones, 0.4, form)) != 0
    other_values = np.random.default_rng(3).uniform(1, 2, 300).astype(np.float32)
    assert np.array_equal(np.asarray(dropout(KEY, other_values, 0.4, form)) != 0, mask)
    assert np.array_equal(
        np.asarray(jax.jit(dropout, static_argnums=3)(KEY, ones, 0.4, form)) != 0, mask
    )
    other = np.asarray(dropout(jax.random.fold_in(KEY, 1), ones, 0.4, form)) != 0
    assert 0.3 < np.mean(other == mask) < 0.75
    # One key, several rates: what a smaller rate drops, a larger one drops too.
    rates = jnp.asarray([0.2, 0.4, 0.6])
    masks = np.asarray(jax.vmap(lambda rate: dropout(KEY, ones, rate, form))(rates)) != 0
    assert np.array_equal(masks[1], mask)
    assert np.all(masks[2] <= masks[1])
    assert np.all(masks[1] <= masks[0])


def test_one_compilation_for_all_rates():
    f = jax.jit(lambda rate: dropout(KEY, numbers(), rate))
    results = [np.asarray(f(rate)) for rate in (0.0, 0.25, 0.5, 1.0)]
    assert f._cache_size() == 1
    assert [np.count_nonzero(r) for r in results] == sorted(
        (np.count_nonzero(r) for r in results), reverse=True
    )
