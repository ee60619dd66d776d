"""Flax's own layers inside `plain.layers`: dropout with a traced rate, batch norm by ours."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.nn import dropout, plain

KEY = jax.random.key(1)
X = jax.random.normal(jax.random.key(0), (40, 6))


def dropped(rate, x=X, draw_masks=False, rngs=None, **options):
    module = nn.Dropout(rate, **options)
    with plain.layers(draw_masks):
        return module.apply({}, x, rngs={'dropout': KEY} if rngs is None else rngs)


def traced(rate, **options):
    return jax.jit(lambda rate: dropped(rate, **options))(rate)


@pytest.mark.parametrize('rate', [0.5, 0.25])
@pytest.mark.parametrize('broadcast', [(), (0,)])
def test_a_traced_rate_drops_what_a_fixed_one_does(rate, broadcast):
    options = {'deterministic': False, 'broadcast_dims': broadcast}
    fixed = nn.Dropout(rate, **options).apply({}, X, rngs={'dropout': KEY})
    assert (fixed == 0).any()
    for got in (traced(rate, **options), dropped(rate, **options)):
        np.testing.assert_array_equal(got == 0, fixed == 0)
        np.testing.assert_allclose(got, fixed, rtol=1e-6)


def test_a_rate_of_zero_is_bitwise_nothing():
    np.testing.assert_array_equal(traced(0.0, deterministic=False), X)
    with plain.layers():
        text = str(jax.make_jaxpr(lambda x: dropped(0, x, deterministic=False, rngs={}))(X))
    assert 'random' not in text


def test_in_bfloat16_the_scale_of_a_broadcast_mask_is_not_rounded():
    x = jnp.linspace(1, 2, 240).reshape(40, 6).astype(jnp.bfloat16)
    got = dropped(0.1, x, deterministic=False, broadcast_dims=(0,))
    exact = np.asarray(x, np.float64) / np.float32(0.9)
    expected = jnp.asarray(exact, jnp.float32).astype(jnp.bfloat16)
    assert got.dtype == jnp.bfloat16
    np.testing.assert_array_equal(got[got != 0], expected[got != 0])


def test_what_dropout_does_at_test_is_done_to_another_network():
    """By the place of each: one is called twice, and one is off in the other network."""

    class Two(nn.Module):
        rates: tuple[float, float]

        @nn.compact
        def __call__(self, x):
            first, second = (nn.Dropout(rate, deterministic=True) for rate in self.rates)
            return first(second(first(x)) + 1)

    with plain.layers(form='vanilla'), dropout.at_test() as recorded:
        expected = Two((0.75, 0.5)).apply({}, X)
    with plain.layers(), dropout.at_test(recorded):
        got = Two((0.1, 0.0)).apply({}, X)
    np.testing.assert_allclose(expected, (X * 0.25 * 0.5 + 1) * 0.25, rtol=1e-6)
    np.testing.assert_array_equal(got, expected)


def test_at_rate_one_nothing_is_kept_and_gradients_are_finite():
    assert not traced(1.0, deterministic=False).any()
    slope = jax.grad(lambda x, rate: dropped(rate, x, deterministic=False).sum())(X, 1.0)
    assert np.isfinite(slope).all()
    assert not slope.any()


def test_at_test_masks_are_drawn_only_where_they_are_asked_for():
    np.testing.assert_array_equal(traced(0.5, deterministic=True), X)
    np.testing.assert_array_equal(dropped(0.5, deterministic=True), X)
    wanted = nn.Dropout(0.5).apply({}, X, deterministic=False, rngs={'dropout': KEY})
    asked = {'deterministic': True, 'draw_masks': True}
    np.testing.assert_array_equal(traced(0.5, **asked), wanted)
    np.testing.assert_array_equal(dropped(0.5, **asked), wanted)
    np.testing.assert_array_equal(dropped(0.5, rngs={}, **asked), X)


class Normed(nn.Module):
    options: tuple = ()

    @nn.compact
    def __call__(self, x, train):
        return nn.BatchNorm(momentum=0.8, epsilon=1e-3, **dict(self.options))(
            x, use_running_average=not train
        )


def normed(module, variables, x, train=True, by_us=True):
    how = {'train': train, 'mutable': ['batch_stats']}
    if not by_us:
        return module.apply(variables, x, **how)
    with plain.layers():
        return module.apply(variables, x, **how)


@pytest.mark.parametrize('shape', [(40, 6), (5, 4, 2, 6)])
@pytest.mark.parametrize('options', [(), (('use_scale', False),), (('use_bias', False),)], ids=str)
def test_batch_norm_is_flax_s_with_a_better_variance(shape, options):
    module, x = Normed(options), jax.random.normal(KEY, shape)
    variables = module.init(KEY, x, train=False)
    variables = jax.tree.map(lambda leaf: leaf + jnp.linspace(0, 1, 6), variables)
    weights = jnp.sin(jnp.arange(x.size, dtype=jnp.float32)).reshape(shape)

    def found(by_us, params, x):
        def loss(params, x):
            y, stats = normed(module, variables | {'params': params}, x, by_us=by_us)
            return jnp.sum(y * weights), stats

        return jax.value_and_grad(loss, (0, 1), has_aux=True)(params, x)

    both = jax.jit(lambda *args: (found(True, *args), found(False, *args)))
    ours, theirs = both(variables.get('params', {}), x)
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for got, wanted in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_batch_norm_keeps_the_digits_of_features_with_a_large_mean():
    x = 1000 + X
    module = Normed()
    variables = module.init(KEY, x, train=False)
    exact = (wide := np.asarray(x, np.float64)) - wide.mean(0)
    exact /= np.sqrt((exact**2).mean(0) + 1e-3)
    error = lambda by_us: np.abs(normed(module, variables, x, by_us=by_us)[0] - exact).max()
    assert error(True) < 1e-3 < error(False)


@pytest.mark.parametrize(
    ('x', 'options', 'train'),
    [
        (X, (), False),
        (X, (('axis', 0),), True),
        (X.astype(jnp.bfloat16), (), True),
        (X, (('dtype', jnp.bfloat16),), True),
    ],
    ids=['at test', 'axis', 'narrow images', 'narrow results'],
)
def test_what_does_not_fit_is_left_to_flax(x, options, train):
    module = Normed(options)
    variables = module.init(KEY, x, train=False)
    ours, theirs = (normed(module, variables, x, train, by_us) for by_us in (True, False))
    for got, wanted in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_statistics_that_cannot_be_kept_are_an_error_as_in_flax():
    module = Normed()
    variables = module.init(KEY, X, train=False)
    with plain.layers(), pytest.raises(Exception, match='batch_stats'):
        module.apply(variables, X, train=True)
