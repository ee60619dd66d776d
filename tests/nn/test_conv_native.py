"""The custom convolutions for a CPU against NumPy in float64; the same bits however run."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.nn import conv as conv_lib
from jaxtweaks.nn.conv import conv, lowering
from jaxtweaks.run import native


@pytest.fixture(autouse=True)
def _built():
    if reason := native.why_not('float32'):
        pytest.skip(f'no native convolutions: {reason}')


# Images, height, width, channels, features, window, padding. Blocks of features are of 8 or 16,
# their halves and doubles, tiles of 6 or 8 pixels or places, and kernels' gradients are summed in
# 16 parts: each is met exactly, and missed by one on either side.
CASES = [
    (1, 5, 8, 1, 1, (3, 3), 'SAME'),
    (2, 4, 7, 3, 7, (3, 3), 'SAME'),
    (3, 6, 9, 8, 8, (3, 3), 'VALID'),
    (15, 5, 6, 2, 9, (2, 4), 'SAME'),
    (16, 3, 16, 5, 15, (1, 1), 'SAME'),
    (17, 7, 5, 4, 16, (5, 5), 'SAME'),
    (33, 4, 4, 6, 17, (3, 2), 'VALID'),
    (2, 15, 15, 16, 31, (3, 3), 'SAME'),
    (4, 9, 13, 7, 32, (3, 3), 'SAME'),
    (5, 8, 8, 3, 33, (3, 3), 'VALID'),
    (2, 6, 10, 64, 64, (3, 3), 'SAME'),
    (3, 3, 3, 2, 70, (5, 5), 'SAME'),
    # Few channels are met in pairs: an odd number of them, where an image needs no zeros, and where
    # it does.
    (4, 7, 10, 3, 5, (3, 3), 'VALID'),
    (4, 12, 20, 9, 8, (3, 3), 'SAME'),
    # One pixel wide: signals. And one pixel high.
    (3, 50, 1, 4, 12, (17, 1), 'VALID'),
    (2, 9, 1, 1, 3, (5, 1), 'SAME'),
    (2, 1, 20, 2, 5, (1, 5), 'SAME'),
]


def arrays(case):
    count, height, width, channels, features, window, padding = case
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, height, width, channels)).astype(np.float32)
    kernel = rng.normal(size=(*window, channels, features)).astype(np.float32)
    less = [0 if padding == 'SAME' else k - 1 for k in window]
    g = rng.normal(size=(count, height - less[0], width - less[1], features)).astype(np.float32)
    return x, kernel, g


def by_numpy(x, kernel, g, padding):
    """Output and both gradients in float64, from the definition of a cross-correlation."""
    window = kernel.shape[:2]
    x, kernel, g = (np.asarray(a, np.float64) for a in (x, kernel, g))
    less = [k - 1 if padding == 'SAME' else 0 for k in window]
    edges = [(n // 2, n - n // 2) for n in less]
    x = np.pad(x, ((0, 0), *edges, (0, 0)))
    seen = np.lib.stride_tricks.sliding_window_view(x, window, (1, 2))
    to_x = np.zeros_like(x)
    for i in range(window[0]):
        for j in range(window[1]):
            part = g @ kernel[i, j].T
            to_x[:, i : i + g.shape[1], j : j + g.shape[2]] += part
    (top, bottom), (left, right) = edges
    inside = to_x[:, top : to_x.shape[1] - bottom, left : to_x.shape[2] - right]
    return (
        np.einsum('bijckl,klco->bijo', seen, kernel),
        inside,
        np.einsum('bijckl,bijo->klco', seen, g),
    )


def ours(padding):
    def both(x, kernel, g):
        y, back = jax.vjp(lambda a, b: conv(a, b, padding), x, kernel)
        return y, *back(g)

    return both


def compiled(f, *args):
    with lowering('native'):
        return jax.jit(f).lower(*args).compile()


@pytest.mark.parametrize('case', CASES, ids=str)
def test_output_and_gradients(case):
    args = arrays(case)
    found = compiled(ours(case[-1]), *args)(*args)
    for got, expected in zip(found, by_numpy(*args, case[-1]), strict=True):
        assert got.dtype == np.float32
        assert got.shape == expected.shape
        assert np.abs(got - expected).max() <= 3e-6 * np.abs(expected).max()


def calls(f, *args):
    """How often the program calls our kernels, by name."""
    with lowering('native'):
        text = jax.jit(f).lower(*args).as_text()
    return {
        name: text.count(f'@jaxtweaks_{name}(') for name in ('conv_forward', 'conv_kernel_gradient')
    }


def test_they_are_what_is_called():
    x, kernel, g = arrays(CASES[2])
    assert calls(ours('VALID'), x, kernel, g) == {'conv_forward': 2, 'conv_kernel_gradient': 1}
    # A step of 2 has four phases in the gradient of the images, if its window has four places.
    strided = lambda a, b: jax.grad(lambda a, b: conv(a, b, 'SAME', 2).sum(), (0, 1))(a, b)
    assert calls(strided, x, kernel) == {'conv_forward': 4, 'conv_kernel_gradient': 1}
    # Other numbers are left to XLA.
    halves = (a.astype(jnp.bfloat16) for a in (x, kernel))
    assert not any(calls(conv, *halves).values())
    with jax.enable_x64(True):
        doubles = (a.astype(np.float64) for a in (x, kernel))
        assert not any(calls(conv, *doubles).values())


@pytest.mark.parametrize('case', [CASES[5], CASES[8]], ids=str)
def test_the_bits_are_the_same_alone_side_by_side_and_in_many_threads(case):
    x, kernel, g = arrays(case)
    both = ours(case[-1])
    alone = compiled(both, x, kernel, g)
    expected = [np.asarray(a) for a in alone(x, kernel, g)]

    rng = np.random.default_rng(1)
    others = [np.stack([a, rng.normal(size=a.shape).astype(a.dtype)]) for a in (x, kernel, g)]
    side_by_side = compiled(jax.vmap(both), *others)(*others)
    for got, wanted in zip(side_by_side, expected, strict=True):
        np.testing.assert_array_equal(got[0], wanted)

    def again(_):
        return [np.asarray(a) for a in alone(x, kernel, g)]

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(again, range(40)):
            for got, wanted in zip(found, expected, strict=True):
                np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize('case', [case for case in CASES if case[0] == 4], ids=str)
def test_what_lies_next_to_an_image_does_not_reach_it(case):
    """Infinities in one image stay there, and those of an earlier call do not come back."""
    x, kernel, g = arrays(case)
    f = compiled(ours(case[-1]), x, kernel, g)
    clean = [np.asarray(a) for a in f(x, kernel, g)]
    spoilt = x.copy()
    spoilt[1] = np.inf
    y, to_x, _ = f(spoilt, kernel, g)
    for image in (0, 2, 3):
        np.testing.assert_array_equal(y[image], clean[0][image])
    np.testing.assert_array_equal(to_x, clean[1])
    for got, wanted in zip(f(x, kernel, g), clean, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_without_being_asked_xla_does_it():
    x, kernel, _ = arrays(CASES[2])
    assert 'jaxtweaks' not in jax.jit(conv).lower(x, kernel).as_text()
    assert 'native' in conv_lib.LOWERINGS
