"""The networks compared in `weight_sharing` are matched as the config says."""

import jax
import jax.numpy as jnp
import pytest

from configs import weight_sharing
from jaxtweaks.config import trace
from jaxtweaks.lab import experiment
from jaxtweaks.nn import models


def parameters(setting, shape):
    network = models.build(trace.join(*trace.split(setting)), weight_sharing.CLASSES)
    x = jnp.zeros((2, *shape))
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), x, train=False))
    return sum(leaf.size for leaf in jax.tree.leaves(variables['params']))


@pytest.mark.parametrize(
    ('size', 'shape'), [('smoke', (8, 8, 1)), ('quick', (32, 32, 3)), ('paper', (32, 32, 3))]
)
def test_dense_networks_have_the_parameters_of_the_other_two(size, shape):
    found = experiment.build(weight_sharing.get_config(size))
    counts = [parameters(trace.replace(found.base, dict(point)), shape) for point in found.points]
    shared, local, as_shared, as_local = counts
    # Half a unit of the first dense layer is the least error a whole width can have.
    unit = shape[0] * shape[1] * shape[2] + 1 + found.base.model.hidden[0]
    assert abs(as_shared - shared) <= unit / 2
    assert abs(as_local - local) <= unit / 2
    assert local > 2 * shared
    model = found.base.model
    for name, count in (('cnn', shared), ('local', local)):
        widths = (shape, model.channels, model.hidden, name == 'cnn')
        assert weight_sharing.parameters(*widths) == count
