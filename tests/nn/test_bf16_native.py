"""The kernels in bfloat16 against NumPy in float64, for either instruction that multiplies."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.nn import bf16_native, conv_native, dense
from jaxtweaks.nn.conv import conv, lowering
from jaxtweaks.nn.pool import max_pool
from jaxtweaks.run import native

# What a result may be off by: half a unit in its last place of 8 bits, and what float32 sums lose,
# relative to the largest one.
ROUNDING, OF_SUMS = 2.0**-8, 2e-6


@pytest.fixture(params=bf16_native.KINDS[1:])
def kind(request):
    """What multiplies, one after the other; as it was afterwards."""
    if reason := native.why_not('bf16'):
        pytest.skip(f'no kernels in bfloat16: {reason}')
    before = bf16_native.kind()
    if bf16_native.choose(tiles=request.param == 'AMX') != request.param:
        pytest.skip(f'{request.param} cannot be had here')
    yield request.param
    bf16_native.choose(tiles=before == 'AMX')


# Images, height, width, channels, features, window, steps, padding. Tiles are of up to 16 pixels,
# features and places by up to 32 numbers, and gradients are summed in up to 16 parts of 4 images
# at once: each is met exactly, missed by one on either side, and not filled.
SAME, VALID = 'SAME', 'VALID'
CASES = [
    (1, 1, 1, 1, 1, (1, 1), (1, 1), VALID),
    (1, 5, 8, 1, 1, (3, 3), (1, 1), SAME),
    (3, 6, 9, 8, 8, (3, 3), (1, 1), VALID),
    (15, 5, 6, 2, 9, (2, 4), (1, 1), SAME),
    (16, 3, 16, 5, 15, (1, 1), (1, 1), SAME),
    (17, 7, 5, 4, 16, (5, 5), (1, 1), SAME),
    (33, 4, 4, 6, 17, (3, 2), (1, 1), VALID),
    (2, 4, 5, 11, 33, (2, 1), (1, 1), VALID),  # no zeros, and rows of an odd length in one line
    (70, 3, 7, 3, 31, (1, 3), (1, 1), SAME),
    (4, 15, 15, 32, 64, (3, 3), (1, 1), SAME),
    (4, 13, 17, 16, 32, (3, 3), (1, 1), VALID),
    (2, 32, 32, 3, 32, (3, 3), (1, 1), SAME),
    (5, 9, 34, 7, 70, (3, 3), (1, 1), SAME),
    (3, 9, 8, 5, 18, (3, 3), (2, 2), SAME),
    (3, 17, 40, 6, 8, (5, 5), (3, 2), VALID),
    (2, 8, 8, 16, 16, (1, 1), (2, 2), VALID),
    (3, 50, 1, 4, 12, (17, 1), (1, 1), VALID),
    (2, 1, 20, 2, 5, (1, 5), (1, 1), SAME),
]


def half(rng, *shape):
    """Random numbers in bfloat16."""
    return jnp.asarray(rng.normal(size=shape), jnp.bfloat16)


def exact(a):
    return np.asarray(a.astype(jnp.float32), np.float64)


def near(found, expected):
    """Whether bfloat16 numbers are those expected, rounded once."""
    assert found.dtype == jnp.bfloat16
    assert found.shape == expected.shape
    most = ROUNDING * np.abs(expected) + OF_SUMS * np.abs(expected).max()
    return (np.abs(exact(found) - expected) <= most).all()


def pads_of(case):
    _, height, width, _, _, window, steps, padding = case
    return tuple(jax.lax.padtype_to_pads((height, width), window, steps, padding))


def arrays(case):
    """Images, kernel, gradient for the result, and what each output pixel sees in float64."""
    count, height, width, channels, features, window, steps, _ = case
    rng = np.random.default_rng(0)
    x, kernel = half(rng, count, height, width, channels), half(rng, *window, channels, features)
    padded = np.pad(exact(x), ((0, 0), *pads_of(case), (0, 0)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, window, (1, 2))
    seen = seen[:, :: steps[0], :: steps[1]]
    return x, kernel, half(rng, *seen.shape[:3], features), seen


@pytest.mark.parametrize('case', CASES, ids=str)
def test_convolutions_and_gradients_of_kernels(kind, case):
    x, kernel, g, seen = arrays(case)
    how = {'pads': pads_of(case), 'steps': case[6]}
    y = conv_native.BFLOAT16.forward(x, kernel, **how)
    to_kernel = conv_native.BFLOAT16.kernel_gradient(x, g, window=case[5], **how)
    assert near(y, np.einsum('bijckl,klco->bijo', seen, exact(kernel)))
    assert near(to_kernel, np.einsum('bijckl,bijo->klco', seen, exact(g)))


@pytest.mark.parametrize('case', [c for c in CASES if c[6][0] == c[6][1]], ids=str)
def test_all_gradients_through_conv(kind, case):
    x, kernel, g, _ = arrays(case)
    (stride, _), padding = case[6], case[7]

    def both(x, kernel, g):
        return jax.vjp(lambda a, b: conv(a, b, padding, stride), x, kernel)[1](g)

    with lowering('native', half=True):
        found = jax.jit(both).lower(x, kernel, g)
    assert '@jaxtweaks_bf16_conv_kernel_gradient' in found.as_text()
    with jax.enable_x64(True):
        expected = both(*(jnp.asarray(exact(a)) for a in (x, kernel, g)))
    for got, wanted in zip(found.compile()(x, kernel, g), expected, strict=True):
        assert near(got, np.asarray(wanted))


# Rows, columns, depth: of a depth that tiles divide, of odd ones, and of more and less than a tile.
PRODUCTS = [
    (1, 1, 1),
    (5, 17, 33),
    (16, 16, 32),
    (31, 33, 31),
    (17, 10, 50),
    (40, 50, 500),
    (128, 33, 784),
    (100, 200, 26),
    (300, 32, 100),
]


@pytest.mark.parametrize('lying', [False, True])
@pytest.mark.parametrize('shape', PRODUCTS, ids=str)
def test_dense_products_and_their_gradients(kind, shape, lying):
    rows, columns, depth = shape
    rng = np.random.default_rng(0)
    x, kernel, g = half(rng, rows, depth), half(rng, depth, columns), half(rng, rows, columns)
    y, back = jax.vjp(lambda x, kernel: bf16_native.matmul(x, kernel, lying), x, kernel)
    to_x, to_kernel = back(g)
    assert near(y, exact(x) @ exact(kernel))
    assert near(to_x, exact(g) @ exact(kernel).T)
    assert near(to_kernel, exact(x).T @ exact(g))


def test_dense_layers_use_them_where_the_product_is_bfloat16(kind):
    rng = np.random.default_rng(0)
    x, narrow, wide = half(rng, 4, 200), half(rng, 200, 20), half(rng, 200, 150)
    # A function of its own each time: jit does not see in what it is traced.
    text = lambda kernel, dtype: jax.jit(lambda a, b: dense.matmul(a, b, dtype)).lower(x, kernel)
    with lowering('native', half=True):
        for kernel in (narrow, wide):
            assert '@jaxtweaks_bf16_dense' in text(kernel, None).as_text()
            assert '@jaxtweaks_bf16_dense' not in text(kernel, jnp.float32).as_text()
    # Not because another program in this process has loaded them.
    with lowering('native'):
        assert '@jaxtweaks_bf16_dense' not in text(wide, None).as_text()
        images = jax.jit(lambda a, b: conv(a, b)).lower(
            x.reshape(4, 10, 10, 2), wide[:4].reshape(1, 2, 2, 150)
        )
    assert 'custom_call @jaxtweaks' not in images.as_text()


def test_the_bits_are_the_same_alone_side_by_side_and_in_many_threads(kind):
    x, kernel, g, _ = arrays(CASES[9])
    rows, weights = x.reshape(60, -1), half(np.random.default_rng(1), 480, 130)

    def all_of(x, kernel, g, rows, weights):
        y, back = jax.vjp(conv, x, kernel)
        product, turn = jax.vjp(dense.matmul, rows, weights)
        return y, *back(g), max_pool(y), product, *turn(product)

    args = x, kernel, g, rows, weights
    bits = lambda found: [np.asarray(a, np.float32) for a in found]
    with lowering('native', half=True):
        alone = jax.jit(all_of).lower(*args).compile()
        doubled = [jnp.stack([a, a[::-1]]) for a in args]
        side_by_side = jax.jit(jax.vmap(all_of)).lower(*doubled).compile()
    expected = bits(alone(*args))
    for got, wanted in zip(bits(side_by_side(*doubled)), expected, strict=True):
        np.testing.assert_array_equal(got[0], wanted)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: bits(alone(*args)), range(20)):
            for got, wanted in zip(found, expected, strict=True):
                np.testing.assert_array_equal(got, wanted)


def test_what_stands_beyond_an_image_makes_no_difference(kind):
    # Tiles read beyond the numbers that count: what is no number there must not spread.
    rng = np.random.default_rng(0)
    x, kernel = half(rng, 6, 5, 5, 3), half(rng, 3, 3, 3, 9)
    pads = ((1, 1), (1, 1))
    alone = conv_native.BFLOAT16.forward(x[:3], kernel, pads=pads)
    together = conv_native.BFLOAT16.forward(x.at[3:].set(jnp.nan), kernel, pads=pads)
    np.testing.assert_array_equal(
        np.asarray(together[:3], np.float32), np.asarray(alone, np.float32)
    )
    a, b = half(rng, 20, 27), half(rng, 27, 9)
    whole = bf16_native.matmul(a.at[10:].set(jnp.nan), b)
    np.testing.assert_array_equal(
        np.asarray(whole[:10], np.float32), np.asarray(bf16_native.matmul(a[:10], b), np.float32)
    )


def test_tiles_can_be_declined(kind):
    assert bf16_native.choose(tiles=False) == 'AVX512_BF16'
    assert bf16_native.takes(jnp.bfloat16)
    assert not bf16_native.takes(jnp.float32)
