"""The outputs that DEEPREG prints of its PyTorch listings, by the layers of this package."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.config import trace
from jaxtweaks.config.settings import Model, Setting
from jaxtweaks.nn import models, norms
from jaxtweaks.nn.dropout import dropout
from jaxtweaks.train.measure import count_parameters

KEY = jax.random.key(0)


def test_dropout_of_ones_at_three_quarters():
    """'tensor([[0., 0., 0., 0., 0.], [0., 0., 4., 0., 4.], ...'."""
    y = np.asarray(dropout(KEY, jnp.ones((3, 5)), 0.75, 'inverted'))
    assert set(y.flat) == {0.0, 4.0}


@pytest.mark.parametrize(
    ('rows', 'printed'),
    [
        # What the lecture prints is of 1,000 rows, where its listing has 10,000: the unbiased
        # standard deviation of what has been divided by the biased one is √(n / (n − 1)) γ.
        (1_000, ['1.0005', '2.0010', '3.0015']),
        (10_000, ['1.0000', '2.0001', '3.0001']),
    ],
)
def test_batch_norm_returns_the_mean_and_standard_deviation_that_it_is_given(rows, printed):
    x = np.random.default_rng(0).normal(size=(rows, 3)) * [2, 5, 10] + [-10, 25, 3]
    reported = {'scale': jnp.array([1.0, 2.0, 3.0]), 'bias': jnp.array([2.0, 4.0, 8.0])}
    module, x = norms.BatchNorm(), jnp.asarray(x, jnp.float32)
    stats = module.init(KEY, x, True)['batch_stats']
    y, _ = module.apply(
        {'params': reported, 'batch_stats': stats}, x, True, mutable=['batch_stats']
    )
    y = np.asarray(y, np.float64)
    assert [f'{mean:.4f}' for mean in y.mean(0)] == ['2.0000', '4.0000', '8.0000']
    np.testing.assert_allclose(y.std(0, ddof=1), np.array(printed, float), atol=6e-5)


def network(rate):
    """Linear(10, 100), ReLU, Dropout, Linear(100, 50), ReLU, Dropout, Linear(50, 2)."""
    setting = trace.replace(Setting(model=Model('mlp', hidden=(100, 50))), {'dropout.hidden': rate})
    return models.build(trace.as_numbers(setting), 2)


def test_a_model_with_dropout_has_two_modes_and_no_more_parameters():
    """In train mode the lecture prints two outputs of one input, in eval mode the same one."""
    dropped, x = network(0.5), jnp.ones((1, 1, 1, 10))
    variables = dropped.init(KEY, x, train=False)
    expected = 10 * 100 + 100 + 100 * 50 + 50 + 50 * 2 + 2
    assert count_parameters(variables['params']) == expected
    first, second = (
        dropped.apply(variables, x, train=True, rngs={'dropout': jax.random.key(number)})
        for number in (1, 2)
    )
    assert not np.array_equal(first, second)
    plain = network(0.0).apply(variables, x, train=True)
    np.testing.assert_array_equal(dropped.apply(variables, x, train=False), plain)
