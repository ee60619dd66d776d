"""Max-pooling against loops in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxtweaks.nn.pool import max_pool, max_pool_rows


def by_loops(x, g, window):
    """Maxima, and the gradient g given to the first maximum of each window in reading order."""
    n, height, width, channels = x.shape
    rows, columns = height // window, width // window
    y, to_x = np.zeros((n, rows, columns, channels)), np.zeros_like(x)
    for a in range(n):
        for i in range(rows):
            for j in range(columns):
                for c in range(channels):
                    square = x[a, i * window : (i + 1) * window, j * window : (j + 1) * window, c]
                    place = int(np.argmax(square))
                    y[a, i, j, c] = square.flat[place]
                    where = (i * window + place // window, j * window + place % window)
                    to_x[a, *where, c] += g[a, i, j, c]
    return y, to_x


@pytest.mark.parametrize('ties', [False, True])
@pytest.mark.parametrize(('size', 'window'), [((6, 4), 2), ((7, 5), 2), ((6, 9), 3), ((8, 7), 3)])
def test_forward_and_gradient(size, window, ties):
    rng = np.random.default_rng(window)
    shape = (3, *size, 2)
    # With three values nearly every window has a tie.
    x = rng.integers(-1, 2, shape).astype(np.float32) if ties else rng.normal(size=shape)
    x = x.astype(np.float32)
    g = rng.normal(size=(3, size[0] // window, size[1] // window, 2)).astype(np.float32)
    expected = by_loops(x, g, window)
    y, back = jax.vjp(lambda x: max_pool(x, window), x)
    assert np.array_equal(y, expected[0])
    assert np.array_equal(back(g)[0], expected[1])


@pytest.mark.parametrize(('size', 'window'), [((7, 5), 2), ((6, 7), 3)])
def test_gradient_is_that_of_reduce_window(size, window):
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.integers(0, 3, (2, *size, 2)), jnp.float32)
    dims = (1, window, window, 1)
    reference = lambda x: lax.reduce_window(x, -jnp.inf, lax.max, dims, dims, 'VALID')
    y, back = jax.vjp(reference, x)
    g = jnp.asarray(rng.normal(size=y.shape), jnp.float32)
    got, own_back = jax.vjp(lambda x: max_pool(x, window), x)
    assert np.array_equal(got, y)
    assert np.array_equal(own_back(g)[0], back(g)[0])


def test_a_window_of_equal_values_sends_its_gradient_to_the_first():
    x = jnp.full((1, 2, 2, 1), 5.0)
    gradient = jax.grad(lambda x: jnp.sum(3.0 * max_pool(x)))(x)
    assert np.array_equal(gradient[0, :, :, 0], [[3, 0], [0, 0]])


def test_vmap():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 4, (3, 2, 5, 7, 2)).astype(np.float32)
    g = rng.normal(size=(3, 2, 2, 3, 2)).astype(np.float32)

    @jax.jit
    def mapped(x, g):
        y, back = jax.vjp(jax.vmap(max_pool), x)
        return y, back(g)[0]

    y, gradient = mapped(x, g)
    for r in range(3):
        expected = by_loops(x[r], g[r], 2)
        assert np.array_equal(y[r], expected[0])
        assert np.array_equal(gradient[r], expected[1])


def test_rows_in_pairs_with_step_1():
    x = np.array([[3.0, 1.0], [2.0, 5.0], [4.0, 5.0]], np.float32).reshape(1, 3, 1, 2)
    y, back = jax.vjp(max_pool_rows, x)
    np.testing.assert_array_equal(y[0, :, 0], [[3, 5], [4, 5]])
    (to_x,) = back(np.array([[1, 10], [100, 1000]], np.float32).reshape(1, 2, 1, 2))
    np.testing.assert_array_equal(to_x[0, :, 0], [[1, 0], [0, 10 + 500], [100, 500]])
