"""The custom sums of batch norm for a CPU against NumPy in float64; the same bits however run."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.config import parts, trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import norm, norm_native
from jaxtweaks.nn.conv import lowering
from jaxtweaks.run import native

EPSILON = 1e-3
# Rows are side by side up to 256 numbers, and a part has 32,768, or 16 rows: each is met exactly,
# and missed by one on either side; one row of more, and one number.
SHAPES = [
    (1, 1), (1, 7), (2, 300), (255, 1), (256, 1), (257, 1), (128, 256), (127, 256), (129, 256),
    (33, 1000), (1, 40_000), (15, 5000), (16, 5000), (17, 5000), (32_769, 1), (4, 32, 32, 8),
    (5, 7, 9, 3), (3, 50, 50, 48),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _built():
    if reason := native.why_not('float32'):
        pytest.skip(f'no native kernels: {reason}')


def arrays(shape, mean=3.0):
    rng = np.random.default_rng(0)
    features = rng.uniform(0.5, 2, (2, shape[-1]))
    x = mean * features[0] + features[1] * rng.normal(size=shape)
    g = rng.normal(0.1, 1, shape)
    return x.astype(np.float32), g.astype(np.float32)


def kernels(x, g):
    mean, variance = norm_native.moments(x)
    return mean, variance, *norm_native.gradient_sums(x, g, mean)


def by_numpy(x, g):
    x, g = (np.asarray(a, np.float64).reshape(-1, x.shape[-1]) for a in (x, g))
    return x.mean(0), x.var(0), g.sum(0), (g * (x - x.mean(0))).sum(0)


@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16], ids=['float32', 'bfloat16'])
@pytest.mark.parametrize('shape', SHAPES, ids=str)
def test_moments_and_sums(shape, dtype):
    x, g = (jnp.asarray(a, dtype) for a in arrays(shape))
    rows = x.size // x.shape[-1]
    found = jax.jit(kernels)(x, g)
    # Of one number a sum of squares or of gradients can be nearly 0: as close as its terms allow.
    tolerances = 1e-6, 1e-6, 1e-5 * rows**0.5, 1e-5 * rows**0.5
    for got, expected, atol in zip(found, by_numpy(x, g), tolerances, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=2e-6, atol=atol)


def test_a_large_mean_keeps_the_digits_of_the_variance():
    x, g = arrays((40, 32, 32, 3), mean=10_000.0)
    for got, expected in zip(jax.jit(kernels)(x, g)[:2], by_numpy(x, g), strict=False):
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def normalised(x, scale, shift, g):
    """Batch norm, its moments and its three gradients."""
    outputs, back = jax.vjp(lambda *args: norm.batch_norm(*args, EPSILON), x, scale, shift)
    return *outputs, *back((g, *map(jnp.zeros_like, outputs[1:])))


def arguments(shape):
    x, g = arrays(shape)
    scale, shift = (np.linspace(a, 2, shape[-1]).astype(np.float32) for a in (0.5, -1))
    return x, scale, shift, g


def compiled(f, *args):
    with lowering('native'):
        return jax.jit(f).lower(*args).compile()


@pytest.mark.parametrize('shape', [(40, 6), (5, 4, 2, 6), (17, 32, 32, 8)], ids=str)
def test_batch_norm_and_its_gradients(shape):
    args = arguments(shape)
    found = compiled(normalised, *args)(*args)
    with jax.enable_x64(True):
        exact = jax.jit(normalised)(*(a.astype(np.float64) for a in args))
    for got, expected in zip(found, exact, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def text(*args):
    # A function of its own each time: JAX keeps what it traced, whatever was asked for then.
    return jax.jit(lambda *args: normalised(*args)).lower(*args).as_text()


def test_they_are_what_is_called_where_custom_kernels_are_wanted():
    args = arguments((5, 4, 2, 6))
    assert '@jaxtweaks' not in text(*args)
    with lowering('native'):
        found = text(*args)
        assert found.count('@jaxtweaks_norm_moments(') == 1
        assert found.count('@jaxtweaks_norm_gradients(') == 1
        x, scale, shift, g = args
        halves = text(x.astype(jnp.bfloat16), scale, shift, g.astype(jnp.bfloat16))
        assert halves.count('@jaxtweaks_bf16_norm_moments(') == 1
        assert halves.count('@jaxtweaks_bf16_norm_gradients(') == 1
        with jax.enable_x64(True):
            assert '@jaxtweaks' not in text(*(a.astype(np.float64) for a in args))


def test_the_bits_are_the_same_alone_side_by_side_and_in_many_threads(optimised):
    x, g = arrays((37, 16, 16, 12))
    alone = jax.jit(kernels).lower(x, g).compile()
    expected = [np.asarray(a) for a in alone(x, g)]
    both = jax.jit(jax.vmap(kernels))(np.stack([x, g]), np.stack([g, x]))
    for got, wanted in zip(both, expected, strict=True):
        np.testing.assert_array_equal(got[0], wanted)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: [np.asarray(a) for a in alone(x, g)], range(40)):
            for got, wanted in zip(found, expected, strict=True):
                np.testing.assert_array_equal(got, wanted)


def test_what_is_not_a_number_stays_with_its_feature():
    x, g = arrays((300, 7))
    clean = jax.jit(kernels)(x, g)
    x[123, 2], g[5, 4] = np.nan, np.inf
    for got, before in zip(jax.jit(kernels)(x, g), clean, strict=True):
        others = [0, 1, 3, 5, 6]
        np.testing.assert_array_equal(np.asarray(got)[others], np.asarray(before)[others])
    assert np.isnan(got[2])
    assert not np.isfinite(got[4])


@pytest.mark.parametrize('name', sorted(parts.of_slot('norm')))
def test_every_norm_trains_where_custom_kernels_are_wanted(name):
    one = trace.replace(Setting(), {'model.norm': name})
    x = jnp.asarray(arrays((16, 5, 4, 8))[0])
    module = trace.made(one, 'norm')
    variables = module.init(jax.random.key(0), x, True)

    def loss(params, x):
        given = {**variables, 'params': params}
        y, kept = module.apply(given, x, True, mutable=['batch_stats'])
        return jnp.sum(jnp.sin(y)), kept

    # A function of its own each time, as above.
    step = lambda: lambda *args: jax.value_and_grad(loss, (0, 1), has_aux=True)(*args)
    args = variables.get('params', {}), x
    found = compiled(step(), *args)(*args)
    expected = jax.jit(step())(*args)
    for got, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5 * max(scale, 1e-3))
