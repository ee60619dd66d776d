"""The product of a dense layer and its gradients, narrow and wide, against NumPy float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.nn import dense

# Inputs, outputs: narrow on one side, on the other, on both, and on none.
SHAPES = [(300, 50), (40, 200), (50, 10), (256, 192)]


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('way', ['alone', 'vmap', 'map'])
def test_product_and_gradients(shape, way):
    rng = np.random.default_rng(0)
    runs, batch = 2, 7
    x = rng.normal(size=(runs, batch, shape[0])).astype(np.float32)
    kernel = rng.normal(size=(runs, *shape)).astype(np.float32)
    g = rng.normal(size=(runs, batch, shape[1])).astype(np.float32)

    def both(x, kernel, g):
        y, back = jax.vjp(dense.matmul, x, kernel)
        return y, *back(g)

    if way == 'alone':
        found = [jnp.stack(part) for part in zip(*map(jax.jit(both), x, kernel, g), strict=True)]
    elif way == 'vmap':
        found = jax.jit(jax.vmap(both))(x, kernel, g)
    else:
        found = jax.jit(lambda *args: jax.lax.map(lambda one: both(*one), args))(x, kernel, g)
    x, kernel, g = (np.asarray(value, np.float64) for value in (x, kernel, g))
    expected = (x @ kernel, g @ kernel.transpose(0, 2, 1), x.transpose(0, 2, 1) @ g)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_only_narrow_matrices_are_turned_and_turning_twice_is_nothing():
    tree = {
        'narrow': jnp.arange(6.0).reshape(2, 3),
        'wide': jnp.ones((200, 150)),
        'kernel': jnp.ones((3, 3, 2, 4)),
        'bias': jnp.ones(5),
    }
    once = dense.transpose_narrow(tree)
    assert {name: leaf.shape for name, leaf in once.items()} == {
        'narrow': (3, 2),
        'wide': (200, 150),
        'kernel': (3, 3, 2, 4),
        'bias': (5,),
    }
    np.testing.assert_array_equal(once['narrow'], [[0, 3], [1, 4], [2, 5]])
    for name, leaf in dense.transpose_narrow(once).items():
        np.testing.assert_array_equal(leaf, tree[name])
