"""The locally connected layer against loops in NumPy float64, and against the convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.nn.conv import conv
from jaxtweaks.nn.local import local, places

# Image size, kernel size, channels in and out, padding.
CASES = [
    ((5, 6), (3, 3), (2, 3), 'SAME'),
    ((6, 5), (3, 3), (3, 2), 'VALID'),
    ((4, 5), (2, 3), (1, 2), 'SAME'),
    ((5, 1), (3, 1), (2, 2), 'VALID'),
]


def arrays(case, runs=(), dtype=np.float32):
    """Images, a kernel for each place, and a gradient of the output."""
    size, window, (channels, features), padding = case
    rng = np.random.default_rng(0)
    rows, columns = places(size, window, padding)
    x = rng.normal(size=(*runs, 4, *size, channels))
    kernel = rng.normal(size=(*runs, rows, columns, *window, channels, features))
    g = rng.normal(size=(*runs, 4, rows, columns, features))
    return tuple(a.astype(dtype) for a in (x, kernel, g))


def by_loops(x, kernel, g, padding):
    """Output and both gradients, one place at a time."""
    x, kernel, g = (np.asarray(a, np.float64) for a in (x, kernel, g))
    rows, columns, height, width, *_ = kernel.shape
    total = (height - 1, width - 1) if padding == 'SAME' else (0, 0)
    border = [(n // 2, n - n // 2) for n in total]
    padded = np.pad(x, ((0, 0), *border, (0, 0)))
    y, to_padded, to_kernel = np.zeros_like(g), np.zeros_like(padded), np.zeros_like(kernel)
    for i in range(rows):
        for j in range(columns):
            seen = padded[:, i : i + height, j : j + width]
            y[:, i, j] = np.tensordot(seen, kernel[i, j], 3)
            to_kernel[i, j] = np.tensordot(seen, g[:, i, j], ([0], [0]))
            back = np.tensordot(g[:, i, j], kernel[i, j], ([1], [3]))
            to_padded[:, i : i + height, j : j + width] += back
    (top, _), (left, _) = border
    to_x = to_padded[:, top : top + x.shape[1], left : left + x.shape[2]]
    return y, to_x, to_kernel


@pytest.mark.parametrize('case', CASES, ids=str)
def test_output_and_gradients_equal_the_definition(case):
    x, kernel, g = arrays(case)
    y, back = jax.vjp(lambda x, kernel: local(x, kernel, case[3]), x, kernel)
    for got, expected in zip((y, *back(g)), by_loops(x, kernel, g, case[3]), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('case', CASES, ids=str)
def test_with_one_kernel_for_all_places_it_is_the_convolution(case):
    x, kernel, _ = arrays(case)
    shared = kernel[0, 0]
    kernel = np.broadcast_to(shared, kernel.shape)
    np.testing.assert_allclose(
        local(x, kernel, case[3]), conv(x, jnp.asarray(shared), case[3]), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize('case', CASES[:2], ids=str)
def test_runs_side_by_side_are_each_what_they_are_alone(case):
    x, kernel, g = arrays(case, runs=(3,))

    def everything(x, kernel, g):
        y, back = jax.vjp(lambda x, kernel: local(x, kernel, case[3]), x, kernel)
        return y, *back(g)

    together = jax.jit(jax.vmap(everything))(x, kernel, g)
    for run in range(3):
        for got, expected in zip(together, everything(x[run], kernel[run], g[run]), strict=True):
            np.testing.assert_allclose(got[run], expected, rtol=1e-5, atol=1e-5)
