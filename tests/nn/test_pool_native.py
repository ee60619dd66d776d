"""The custom max-pools for a CPU: bitwise XLA's, however run."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.nn.conv import lowering
from jaxtweaks.nn.pool import max_pool
from jaxtweaks.run import native


@pytest.fixture(autouse=True)
def _built():
    if reason := native.why_not('float32'):
        pytest.skip(f'no native kernels: {reason}')


def both(window):
    """A function of its own each time: jit does not see in what it is traced."""

    def pooled(x, g):
        y, back = jax.vjp(lambda x: max_pool(x, window), x)
        return y, *back(g)

    return pooled


def arrays(dtype, size, window, channels):
    rng = np.random.default_rng(0)
    # Few values, so that many are equal; zeros of either sign; infinities; and two that are no
    # number, the second with the sign that a processor gives it.
    x = rng.integers(-2, 3, (3, *size, channels)) * 0.5
    x[0, 0, 0, 0], x[1, -1, -1, 0], x[2, 0, 0, -1] = np.nan, -np.nan, np.inf
    x[1, 0, 1 % size[1], :] *= -0.0
    x[2, :, :, 0] = -np.inf
    g = rng.normal(size=(3, size[0] // window, size[1] // window, channels))
    return jnp.asarray(x, dtype), jnp.asarray(g, dtype)


# Channels of 64, 32 and 16 bytes at once, and one by one, of numbers of 4 and of 2 bytes.
@pytest.mark.parametrize('channels', [1, 37, 4, 8, 16, 24, 32, 64])
@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(
    ('size', 'window'),
    [((4, 4), 2), ((5, 7), 2), ((2, 3), 2), ((2, 3), 1), ((9, 6), 3), ((4, 8), 3)],
)
def test_they_are_bitwise_those_of_xla(dtype, size, window, channels):
    x, g = arrays(dtype, size, window, channels)
    with lowering('native'):
        made = jax.jit(both(window)).lower(x, g)
    assert 'max_pool_gradient' in made.as_text()
    expected = jax.jit(both(window)).lower(x, g)
    assert 'max_pool_gradient' not in expected.as_text()
    for got, wanted in zip(made.compile()(x, g), expected.compile()(x, g), strict=True):
        np.testing.assert_array_equal(np.asarray(got, np.float32), np.asarray(wanted, np.float32))


def test_other_numbers_are_left_to_xla():
    x = jnp.ones((1, 4, 4, 2), jnp.float16)
    with lowering('native'):
        assert 'jaxtweaks' not in jax.jit(both(2)).lower(x, x[:, :2, :2]).as_text()


def test_the_bits_are_the_same_side_by_side_and_in_many_threads():
    x, g = arrays(jnp.float32, (10, 12), 2, 16)
    with lowering('native'):
        alone = jax.jit(both(2)).lower(x, g).compile()
        doubled = [jnp.stack([a, a[::-1]]) for a in (x, g)]
        side_by_side = jax.jit(jax.vmap(both(2))).lower(*doubled).compile()
    expected = alone(x, g)
    for got, wanted in zip(side_by_side(*doubled), expected, strict=True):
        np.testing.assert_array_equal(got[0], wanted)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: alone(x, g), range(20)):
            for got, wanted in zip(found, expected, strict=True):
                np.testing.assert_array_equal(got, wanted)
