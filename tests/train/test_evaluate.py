"""Evaluation against NumPy in float64: batches that do not divide, calibration."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_training import CLASSES, VALIDATION, data

from jaxtweaks.train import evaluate

DATA = data()
LABELS = np.asarray(DATA.validation.labels)
RNG = np.random.default_rng(1)
WEIGHTS = RNG.normal(size=(16, CLASSES)) / 4


def network(x):
    return x.reshape(len(x), -1) @ jnp.asarray(WEIGHTS, jnp.float32)


def expected_logits():
    images = np.asarray(DATA.validation.images, np.float64)
    x = (images - np.asarray(DATA.mean)) * np.asarray(DATA.inverse_std)
    return x.reshape(len(x), -1) @ WEIGHTS


def softmax(logits):
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


@pytest.mark.parametrize('size', [1, 5, 13, 500])
def test_evaluation(size):
    """13 images in batches of 5 (the last not full), of exactly 13, and of no more than 13."""
    found = evaluate.evaluate(network, DATA, DATA.validation, CLASSES, keep_logits=True, batch=size)
    logits = expected_logits()
    p = softmax(logits)
    assert np.allclose(found['logits'], logits, rtol=1e-4, atol=1e-5)
    losses = -np.log(p[np.arange(VALIDATION), LABELS])
    assert float(found['loss']) == pytest.approx(losses.mean(), rel=1e-5)
    assert float(found['accuracy']) == pytest.approx(np.mean(p.argmax(1) == LABELS), rel=1e-6)
    confusion = np.zeros((CLASSES, CLASSES))
    np.add.at(confusion, (LABELS, p.argmax(1)), 1)
    assert np.array_equal(found['confusion'], confusion)
    confidence, correct = p.max(1), p.argmax(1) == LABELS
    edges = np.linspace(0, 1, evaluate.CALIBRATION_BINS + 1)
    for k, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = (confidence > low) & (confidence <= high)
        wanted = [inside.sum(), confidence[inside].sum(), correct[inside].sum()]
        assert np.allclose(found['calibration'][:, k], wanted, rtol=1e-5)


def test_images_that_count_several_times_or_not_at_all():
    """As if the split had held them so often, and the others, even ruined ones, not."""
    times = np.arange(VALIDATION) % 3
    times[-1] += VALIDATION - times.sum()
    repeated = np.repeat(np.arange(VALIDATION), times)
    several = jax.tree.map(lambda leaf: leaf[repeated], DATA.validation)
    wanted = evaluate.evaluate(network, DATA, several, CLASSES)
    ruined = lambda x: jnp.where((times > 0)[:, None], network(x), jnp.nan)
    found = evaluate.evaluate(
        ruined, DATA, DATA.validation, CLASSES, times=jnp.asarray(times, jnp.int32)
    )
    assert np.array_equal(found['confusion'], wanted['confusion'])
    for name in ('loss', 'accuracy', 'calibration'):
        assert np.allclose(found[name], wanted[name], rtol=1e-5), name


def test_calibration_error_by_hand():
    """Three images in a bin, one in another: (|2 − 1.8| + |0 − 0.6|) / 4."""
    bins = np.zeros((3, evaluate.CALIBRATION_BINS), np.float32)
    bins[:, 8] = 3, 1.8, 2
    bins[:, 14] = 1, 0.6, 0
    assert float(evaluate.calibration_error(bins)) == pytest.approx(0.2, rel=1e-6)
    assert float(evaluate.calibration_error(jnp.asarray(bins))) == pytest.approx(0.2, rel=1e-6)
    twice = np.stack([bins, 2 * bins, bins[:, ::-1]], 1)
    assert evaluate.calibration_error(twice) == pytest.approx([0.2, 0.2, 0.2], rel=1e-6)
    assert np.isnan(evaluate.calibration_error(jnp.zeros((3, 15))))


def test_overconfidence_by_hand():
    """The same images: (1.8 + 0.6 − 2) / 4; their errors in two bins do not cancel above."""
    bins = np.zeros((3, evaluate.CALIBRATION_BINS), np.float32)
    bins[:, 8] = 3, 1.8, 2
    bins[:, 14] = 1, 0.6, 0
    assert float(evaluate.overconfidence(bins)) == pytest.approx(0.1, rel=1e-6)


@pytest.mark.parametrize('backend', ['cpu', 'gpu'])
def test_a_probability_on_a_boundary_belongs_to_the_bin_below(backend, monkeypatch):
    monkeypatch.setattr(jax, 'default_backend', lambda: backend)
    p = jnp.array([[0.2, 0.2, 0.2, 0.2, 0.2], [1.0, 0, 0, 0, 0]])
    found = evaluate.calibration(p, jnp.array([0, 1]), jnp.array([True, True]))
    assert list(found[0]) == [0, 0, 1, *[0] * 11, 1]
    assert list(found[2]) == [0, 0, 1, *[0] * 12]


def test_bins_are_summed_in_an_order_that_is_fixed_where_a_device_has_none():
    """Of four images in one bin (a + c) + (b + d), in float32; in turn these are 1, not 2."""
    few = np.float32([1e8, 1.0, -1e8, 1.0])
    rows = jnp.asarray(np.stack([few, few[::-1], [1, 0, 1, 1]]), jnp.float32)
    found = evaluate._binned(rows, jnp.array([7, 7, 7, 7]))
    assert list(found[:, 7]) == [2.0, 2.0, 3.0]
    assert float(jnp.abs(found).sum()) == float(jnp.abs(found[:, 7]).sum())
    # And of many images the same as one after the other, but for roundings.
    rng = np.random.default_rng(5)
    rows, bins = rng.uniform(size=(3, 101)).astype(np.float32), rng.integers(0, 15, 101)
    wanted = [np.bincount(bins, row, minlength=15) for row in rows.astype(np.float64)]
    found = evaluate._binned(jnp.asarray(rows), jnp.asarray(bins))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def by_row(x):
    """Outputs that depend on the place in a batch."""
    return network(x) + 10.0 * jnp.arange(len(x))[:, None]


def test_an_image_that_fills_the_last_batch_up_is_not_written_in_place_of_itself():
    """13 images in batches of five: the last is the third of its batch, and repeated twice."""
    rows = 10.0 * (np.arange(VALIDATION) % 5)[:, None]
    assert VALIDATION % 5 == 3
    wanted = expected_logits() + rows
    plain = evaluate.evaluate(by_row, DATA, DATA.validation, CLASSES, keep_logits=True, batch=5)
    for one in plain['logits'], evaluate.outputs_of(by_row, DATA, DATA.validation, 5):
        np.testing.assert_allclose(one, wanted, rtol=1e-5, atol=1e-5)


def test_a_network_that_diverged_predicts_nothing():
    found = evaluate.evaluate(lambda x: network(x) * jnp.nan, DATA, DATA.validation, CLASSES)
    assert np.isnan(found['loss'])
    assert np.isnan(found['accuracy'])


def test_probabilities_of_a_grid(monkeypatch):
    monkeypatch.setattr(evaluate, 'BATCH', 4)
    found = evaluate.probabilities(network, DATA, DATA.validation.images)
    assert np.allclose(found, softmax(expected_logits()), rtol=1e-4, atol=1e-6)
