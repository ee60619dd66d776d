"""Biases, and ReLU with them, against NumPy and against themselves in two steps."""

import re
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.nn import bias as bias_lib
from jaxtweaks.nn.activations import relu
from jaxtweaks.nn.conv import conv, lowering
from jaxtweaks.run import native

DTYPES = [jnp.float32, jnp.bfloat16]
# Parts are of 32,768 numbers, or 16 rows: met exactly, and missed by one on either side.
SHAPES = [(1, 1), (3, 7), (2, 5, 6, 8), (128, 256), (129, 256), (15, 5000), (17, 5000), (32_769, 1)]


@pytest.fixture(params=['loop', 'native'])
def how(request):
    """Without custom kernels, and with them."""
    if request.param == 'native' and (reason := native.why_not('float32')):
        pytest.skip(f'no native kernels: {reason}')
    return request.param


def exact(a):
    return np.asarray(a, np.float64)


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('shape', SHAPES)
def test_bias_and_relu(how, dtype, shape):
    rng = np.random.default_rng(0)
    # Whole numbers, which have no rounding, and many zeros.
    x = jnp.asarray(rng.integers(-3, 4, shape), dtype)
    bias = jnp.asarray(rng.integers(-2, 3, shape[-1]), jnp.float32)
    g = jnp.asarray(rng.integers(-3, 4, shape), dtype)

    def both(x, bias, g):
        y, back = jax.vjp(bias_lib.add_bias_relu, x, bias)
        return y, *back(g)

    with lowering(how, half=True):
        made = jax.jit(both).lower(x, bias, g)
    assert ('relu_gradient' in made.as_text()) == (how == 'native')
    y, to_x, to_bias = made.compile()(x, bias, g)
    before = exact(x) + exact(bias)
    assert (y.dtype, to_x.dtype, to_bias.dtype) == (dtype, dtype, jnp.float32)
    np.testing.assert_array_equal(exact(y), np.maximum(before, 0))
    np.testing.assert_array_equal(exact(to_x), np.where(before > 0, exact(g), 0))
    kept = np.where(before > 0, exact(g), 0).reshape(-1, shape[-1])
    np.testing.assert_array_equal(to_bias, kept.sum(0))


@pytest.mark.parametrize('dtype', DTYPES)
def test_what_is_no_number_stays_and_has_no_gradient(how, dtype):
    x = jnp.asarray([[np.nan, -np.nan, np.inf, -np.inf]], dtype)
    with lowering(how, half=True):
        f = jax.jit(lambda x: jax.vjp(bias_lib.add_bias_relu, x, jnp.zeros(4))).lower(x).compile()
        y, back = f(x)
        to_x, to_bias = jax.jit(back).lower(x + 1).compile()(jnp.ones((1, 4), dtype))
    np.testing.assert_array_equal(exact(y), [[np.nan, np.nan, np.inf, 0]])
    np.testing.assert_array_equal(exact(to_x), [[0, 0, 1, 0]])
    np.testing.assert_array_equal(to_bias, [0, 0, 1, 0])


# Channels in and out: pairs, half a register, one, two, and none of them filled.
@pytest.mark.parametrize(
    ('channels', 'features'), [(1, 3), (3, 8), (8, 8), (2, 16), (5, 17), (4, 33), (16, 70)]
)
@pytest.mark.parametrize('padding', ['SAME', 'VALID'])
@pytest.mark.parametrize('dtype', DTYPES)
def test_a_convolution_with_them_is_the_same_in_steps(how, dtype, padding, channels, features):
    if dtype == jnp.bfloat16 and how == 'native' and (reason := native.why_not('bf16')):
        pytest.skip(f'no kernels in bfloat16: {reason}')
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(5, 9, 11, channels)), dtype)
    kernel = jnp.asarray(rng.normal(size=(3, 3, channels, features)), dtype)
    bias = jnp.asarray(rng.normal(size=features), dtype)
    x = x.at[1, 2, 3, 0].set(jnp.nan)

    def together(x, kernel, bias):
        return bias_lib.conv_relu(x, kernel, bias, padding)

    def in_steps(x, kernel, bias):
        return relu(bias_lib.add_bias(conv(x, kernel, padding), bias))

    def gradients(f):
        def all_of(x, kernel, bias):
            y, back = jax.vjp(f, x, kernel, bias)
            return y, *back(jnp.cos(jnp.arange(y.size).reshape(y.shape)).astype(dtype))

        return all_of

    with lowering(how, half=True):
        made = jax.jit(gradients(together)).lower(x, kernel, bias)
        steps = jax.jit(gradients(in_steps)).lower(x, kernel, bias).compile()
    # A bias is the third operand of the kernel.
    with_bias = re.findall(r'@jaxtweaks_(?:bf16_)?conv_forward\(%\w+, %\w+, %\w+\)', made.as_text())
    assert len(with_bias) == (how == 'native')
    *found, to_bias = made.compile()(x, kernel, bias)
    *expected, bias_in_steps = steps(x, kernel, bias)
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(exact(got), exact(wanted))
    np.testing.assert_allclose(exact(to_bias), exact(bias_in_steps), rtol=1e-2, atol=1e-4)


def test_the_bits_are_the_same_side_by_side_and_in_many_threads():
    if reason := native.why_not('float32'):
        pytest.skip(f'no native kernels: {reason}')
    rng = np.random.default_rng(0)
    args = tuple(
        jnp.asarray(rng.normal(size=shape), jnp.float32)
        for shape in ((40, 12, 12, 6), (3, 3, 6, 8), (8,))
    )

    def all_of(*args):
        y, back = jax.vjp(lambda *a: bias_lib.conv_relu(*a, 'SAME'), *args)
        return y, *back(jnp.cos(y))

    with lowering('native'):
        alone = jax.jit(all_of).lower(*args).compile()
        doubled = [jnp.stack([a, a[::-1]]) for a in args]
        side_by_side = jax.jit(jax.vmap(all_of)).lower(*doubled).compile()
    expected = alone(*args)
    for got, wanted in zip(side_by_side(*doubled), expected, strict=True):
        np.testing.assert_array_equal(got[0], wanted)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: alone(*args), range(20)):
            for got, wanted in zip(found, expected, strict=True):
                np.testing.assert_array_equal(got, wanted)
