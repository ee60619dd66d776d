"""Averages over dropout masks against NumPy in float64, and in whatever parts they are made."""

import itertools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_training import CLASSES, VALIDATION, data, group_of, over_masks, setting

from jaxtweaks.nn.network import Plain
from jaxtweaks.train import masks
from jaxtweaks.train.measures import Measures
from jaxtweaks.train.targets import KINDS

DATA = data()
SPLIT = DATA.validation
LABELS = np.asarray(SPLIT.labels)
WEIGHTS = np.random.default_rng(1).normal(size=(16, CLASSES)) / 4
WAYS = masks._OF_CLASSES


def network(x):
    return x.reshape(len(x), -1) @ jnp.asarray(WEIGHTS, jnp.float32)


def expected_logits():
    images = np.asarray(SPLIT.images, np.float64)
    x = (images - np.asarray(DATA.mean)) * np.asarray(DATA.inverse_std)
    return x.reshape(len(x), -1) @ WEIGHTS


def softmax(logits):
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def averages(sampled, numbers, kinds=WAYS, batch=500):
    """By number of masks the averaged outputs by way; each goes on from the one before."""
    means, found = masks.empty(sampled, kinds, DATA, SPLIT), {}
    for begin, end in itertools.pairwise([0, *numbers]):
        means = masks.extended(sampled, kinds, DATA, SPLIT, means, begin, end, batch)
        found[end] = {way: kind.read(means[way]) for way, kind in kinds.items()}
    return found


def measured(sampled, numbers, batch=500):
    """By number of masks and way loss and accuracy."""
    found = averages(sampled, numbers, batch=batch)
    of = lambda mean: masks.measured(mean, DATA, SPLIT, Measures())
    return {n: {way: of(mean) for way, mean in means.items()} for n, means in found.items()}


@pytest.mark.parametrize('batch', [5, 500])
def test_averages_are_means_of_probabilities_or_of_logits(batch):
    """Masks that multiply the logits by 0.5, 1.0, 1.5, … and shift them."""
    shift = np.linspace(-1, 1, CLASSES)
    shifted = lambda mask, begin, x: (
        network(x) * (mask + 1) / 2 + jnp.asarray(shift, jnp.float32)[None] * mask**2
    )
    found = measured(shifted, (1, 3, 4), batch)
    for n in (1, 3, 4):
        logits = [expected_logits() * (m + 1) / 2 + shift * m**2 for m in range(n)]
        ways = {
            'probabilities': np.mean([softmax(one) for one in logits], 0),
            'logits': softmax(np.mean(logits, 0)),
        }
        for way, p in ways.items():
            one = found[n][way]
            loss = -np.log(p[np.arange(VALIDATION), LABELS]).mean()
            assert float(one['loss']) == pytest.approx(loss, rel=1e-5)
            assert float(one['accuracy']) == pytest.approx(np.mean(p.argmax(1) == LABELS))


def test_numbers_are_averaged_as_they_are():
    shifts = jnp.array([0.5, -2.0, 4.0])
    found = averages(lambda m, _, x: network(x) + shifts[m], (1, 3), {'': KINDS['float']}, batch=5)
    np.testing.assert_allclose(found[1][''], expected_logits() + 0.5, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[3][''], expected_logits() + 2.5 / 3, rtol=1e-5, atol=1e-5)


def test_of_labels_probabilities_are_averaged():
    """Their means have a further axis in front of the images."""
    shifts = np.array([0.5, -2.0])
    sampled = lambda m, _, x: network(x) + jnp.asarray(shifts, jnp.float32)[m]
    found = averages(sampled, (2,), {'': KINDS['multilabel']}, batch=5)[2]['']
    p = np.mean([1 / (1 + np.exp(-expected_logits() - shift)) for shift in shifts], 0)
    np.testing.assert_allclose(found, np.log(p / (1 - p)), rtol=1e-4, atol=1e-4)


def test_an_image_that_fills_the_last_batch_up_is_not_averaged_in_place_of_itself():
    """13 images in batches of five: the last is the third of its batch, and repeated twice."""
    rows = 10.0 * (np.arange(VALIDATION) % 5)[:, None]
    assert VALIDATION % 5 == 3
    by_row = lambda m, _, x: network(x) + 10.0 * jnp.arange(len(x))[:, None]
    found = averages(by_row, (1, 2), {'': KINDS['float']}, batch=5)
    for n in (1, 2):
        np.testing.assert_allclose(found[n][''], expected_logits() + rows, rtol=1e-5, atol=1e-5)


def test_masks_that_drop_nothing_leave_every_average_the_same():
    found = measured(lambda mask, begin, x: network(x), (1, 7, 50))
    for n in (7, 50):
        same = found[1]['probabilities']
        assert jax.tree.map(float, found[n]['probabilities']) == jax.tree.map(float, same)


def test_probabilities_that_underflow_are_averaged_all_the_same():
    """Logits thousands apart, as large initial weights make them."""
    logits = np.random.default_rng(3).normal(size=(4, VALIDATION, CLASSES)) * 3000
    drawn = jnp.asarray(logits, jnp.float32)
    found = measured(lambda mask, begin, x: drawn[mask], (4,))[4]['probabilities']
    log_p = logits - logits.max(-1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(-1, keepdims=True))
    mean = np.logaddexp.reduce(log_p, 0) - np.log(4)
    loss = -mean[np.arange(VALIDATION), LABELS].mean()
    assert float(found['loss']) == pytest.approx(loss, rel=1e-5)
    assert float(found['accuracy']) == pytest.approx(np.mean(mean.argmax(1) == LABELS))


def test_a_network_that_diverged_predicts_nothing():
    found = measured(lambda mask, begin, x: network(x) * jnp.nan, (2,))[2]['probabilities']
    assert np.isnan(found['loss'])
    assert np.isnan(found['accuracy'])


def test_masks_and_batches_are_distinguished():
    """Batches by the place of their first image."""
    seen = []

    def sampled(mask, begin, x):
        jax.debug.callback(lambda *pair: seen.append(tuple(map(int, pair))), mask, begin)
        return network(x)

    jax.block_until_ready(averages(sampled, (2,), batch=5)[2])
    jax.effects_barrier()
    assert sorted(seen) == [(m, b) for m in range(2) for b in (0, 5, 10)]


@pytest.mark.parametrize('batching', ['map', 'vmap_loop'])
def test_in_which_parts_masks_are_added_changes_no_bit(batching):
    ways = {'train__mc_samples': (2, 5), 'train__mc_combine': ('probabilities', 'logits')}
    one = setting(dropout__hidden=0.5, **ways)
    group, hyper, seeds = group_of([(one, 0), (one, 1)], batching)
    state = group.init(hyper, seeds, DATA)
    whole = over_masks(group, hyper, seeds, state, DATA)
    assert set(whole) == {
        f'mc_{way}{n}_test_{name}'
        for way in ('', 'logits_')
        for n in (2, 5)
        for name in ('loss', 'accuracy')
    }
    assert whole['mc_2_test_loss'][0] != whole['mc_2_test_loss'][1]
    means = group.no_masks(hyper, seeds, state, DATA)
    for mask in range(5):
        means = group.add_masks(hyper, seeds, state, means, DATA, mask, mask + 1)
    found = group.over_masks(hyper, means, DATA, 5)
    assert len(found) == 4
    for name, values in found.items():
        np.testing.assert_array_equal(values, whole[name])


@pytest.mark.parametrize('batching', ['map', 'vmap_loop'])
def test_a_run_that_drops_nothing_has_one_mask_and_the_averages_of_many(batching, monkeypatch):
    """Next to one that drops units, of which each mask is another."""
    ways = {'train__mc_samples': (1, 4), 'train__mc_combine': ('probabilities', 'logits')}
    runs = [(setting(dropout__hidden=p, **ways), 0) for p in (0.0, 0.5)]
    group, hyper, seeds = group_of(runs, batching)
    state = group.init(hyper, seeds, DATA)
    short = over_masks(group, hyper, seeds, state, DATA)
    assert {masks._distinct(group.program, one(hyper, i), 4).item() for i in (0, 1)} == {1, 4}
    monkeypatch.setattr(masks, '_distinct', lambda program, hyper, end: end)
    group, hyper, seeds = group_of(runs, batching)
    whole = over_masks(group, hyper, seeds, state, DATA)
    for name, values in whole.items():
        np.testing.assert_array_equal(short[name], values)
    assert whole['mc_1_test_loss'][0] == whole['mc_4_test_loss'][0]
    assert whole['mc_1_test_loss'][1] != whole['mc_4_test_loss'][1]


def one(hyper, i):
    return {name: column[i] for name, column in hyper.items()}


def test_a_plain_network_s_own_dropout_is_averaged_whatever_the_rates():
    program = types.SimpleNamespace(network=lambda hyper: object.__new__(Plain))
    assert masks._distinct(program, {}, 4) == 4
