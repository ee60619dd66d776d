"""Norms, shares, histograms and the variance of gradients, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.train import measure, metrics

PARAMS = {
    'Dense_0': {'kernel': jnp.array([[3.0, 0.0005], [0.0, -4.0]]), 'bias': jnp.array([7.0, 7.0])},
    'BatchNorm_0': {'scale': jnp.array([9.0])},
}


def test_only_kernels_are_weights():
    assert float(measure.weight_norm(PARAMS)) == pytest.approx(np.sqrt(25 + 0.0005**2))
    assert float(measure.small_weights(PARAMS)) == 0.5
    assert measure.count_parameters(PARAMS) == 7


def test_units_differ_by_what_their_weights_have_not_in_common():
    rng = np.random.default_rng(3)
    conv, first, outputs = (rng.normal(1, 2, size) for size in ((3, 3, 2, 5), (20, 4), (4, 3)))
    shared = {
        'Conv_0': {'kernel': np.repeat(conv[..., :1], 5, -1), 'bias': np.arange(5.0)},
        'Dense_9': {'kernel': np.repeat(first[:, :1], 4, -1)},
        'Dense_10': {'kernel': outputs},  # the last by its number: its units are the classes
    }
    as_params = lambda tree: {n: {k: jnp.asarray(v) for k, v in d.items()} for n, d in tree.items()}
    assert float(measure.unit_spread(as_params(shared))) == pytest.approx(0, abs=1e-6)
    apart = shared | {'Conv_0': {'kernel': conv}, 'Dense_9': {'kernel': first}}
    residual = 5 * conv.var(-1).sum() + 4 * first.var(-1).sum()
    expected = np.sqrt(residual / (np.square(conv).sum() + np.square(first).sum()))
    assert float(measure.unit_spread(as_params(apart))) == pytest.approx(expected, rel=1e-5)
    zeros = {name: {'kernel': jnp.zeros((2, 2))} for name in ('Dense_0', 'Dense_1')}
    assert float(measure.unit_spread(zeros)) == 0


def test_histogram():
    weights = np.random.default_rng(0).normal(size=500).astype(np.float32)
    counts, edges = measure.weight_histogram({'kernel': jnp.asarray(weights)}, 11)
    largest = np.abs(weights).max()
    wanted, _ = np.histogram(weights, np.linspace(-largest, largest, 12))
    assert np.allclose(edges, np.linspace(-largest, largest, 12), rtol=1e-6)
    assert counts.sum() == 500
    assert np.abs(np.asarray(counts) - wanted).max() <= 1  # one weight on a rounded edge


def test_histogram_of_zeros():
    counts, edges = measure.weight_histogram({'kernel': jnp.zeros(5)}, 3)
    assert list(counts) == [0, 5, 0]
    assert not np.any(edges)


def test_a_histogram_counts_in_integers():
    """One by one, float32 counts no further than 2²⁴."""
    counted = jax.make_jaxpr(lambda w: measure.weight_histogram({'kernel': w}, 3))(jnp.zeros(5))
    (scattered,) = [e for e in counted.eqns if e.primitive.name == 'scatter-add']
    assert str(scattered.outvars[0].aval) == 'int32[3]'


def test_weights_that_are_no_numbers_have_no_histogram():
    counts, edges = measure.weight_histogram({'kernel': jnp.array([0.5, jnp.nan])}, 3)
    assert np.isnan(counts).all()
    assert np.isnan(edges).all()


def test_gradient_moments():
    gradients = np.random.default_rng(2).normal(size=(6, 4)).astype(np.float32) + 1
    stacked = jnp.asarray(gradients)
    found = measure.gradient_moments(lambda i: {'a': stacked[i, :1], 'b': stacked[i, 1:]}, 6)
    exact = gradients.astype(np.float64)
    assert float(found[0]) == pytest.approx(exact.var(0, ddof=1).sum(), rel=1e-4)
    assert float(found[1]) == pytest.approx(np.linalg.norm(exact.mean(0)), rel=1e-5)


def test_batches_that_agree_have_no_variance():
    variance, norm = measure.gradient_moments(lambda i: jnp.array([3.0, 4.0]), 4)
    assert float(variance) == pytest.approx(0, abs=1e-5)
    assert float(norm) == 5


def test_losses_that_are_all_zero_do_not_vary():
    logits, labels = jnp.tile(jnp.array([200.0, 0.0]), (3, 1)), jnp.zeros(3, jnp.int32)
    assert float(metrics.loss_variation(logits, labels)) == 0
