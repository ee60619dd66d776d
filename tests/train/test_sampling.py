"""Which images and labels a run trains on."""

import jax
import numpy as np
import pytest

from jaxtweaks.config.settings import Data
from jaxtweaks.data.split import folds_of
from jaxtweaks.train.data import epoch_order, fold, images_in_use, training_labels

COUNT = 1000
LABELS = np.arange(COUNT) % 7


def order(seed=0, epoch=0, **config):
    config = Data(**config)
    folds = folds_of(LABELS, config.folds, config.split) if config.folds else None
    return np.asarray(epoch_order(config, np.uint32(seed), np.int32(epoch), COUNT, folds))


def held_out(folds, numbers, split='stratified'):
    """The images of the folds with these numbers, [len(numbers), COUNT // folds]."""
    given = folds_of(LABELS, folds, split)
    return np.asarray(jax.vmap(lambda one: fold(Data(folds=folds, fold=one), given))(numbers))


def test_the_whole_set_once():
    assert sorted(order()) == list(range(COUNT))


@pytest.mark.parametrize(('share', 'inside'), [(0.3, 300), (0.0001, 1), (0.9996, 1000)])
def test_a_share_is_the_first_images_again_and_again(share, inside):
    found = order(share=share)
    used = images_in_use(Data(share=share), COUNT, None)
    assert np.flatnonzero(used).tolist() == list(range(inside))
    assert sorted(found[:inside]) == list(range(inside))
    assert np.array_equal(found, np.resize(found[:inside], COUNT))


def test_traced_at_the_whole_nothing_changes():
    traced = jax.jit(
        lambda share, boot: epoch_order(Data(share=share, bootstrap=boot), 0, 0, COUNT)
    )
    assert np.array_equal(traced(1.0, 0.0), order())


def test_a_bootstrap_sample():
    """Drawn with replacement: about 1 − 1/e of the images are in it, the same in every epoch."""
    first, second = (order(epoch=e, bootstrap=1.0) for e in (0, 1))
    assert sorted(first) == sorted(second)
    assert not np.array_equal(first, second)
    assert sorted(order(seed=1, bootstrap=1.0)) != sorted(first)
    distinct = [len(set(order(seed=s, bootstrap=1.0))) / COUNT for s in range(20)]
    # Standard deviation of one share: √((1/e)(1 − 2/e) / COUNT) ≈ 0.0099.
    assert np.mean(distinct) == pytest.approx(1 - np.exp(-1), abs=5 * 0.0099 / np.sqrt(20))


def test_a_part_of_the_places_has_images_drawn_again():
    """An image is gone if its place is hit, b, and it is drawn for none of b N: e⁻ᵇ."""
    distinct = [len(set(order(seed=s, bootstrap=0.4))) / COUNT for s in range(5)]
    assert np.mean(distinct) == pytest.approx(1 - 0.4 * np.exp(-0.4), abs=5 * 0.014 / np.sqrt(5))


def test_a_bootstrap_sample_of_a_share_stays_inside_it():
    assert order(bootstrap=1.0, share=0.1).max() < 100


@pytest.mark.parametrize('folds', [2, 3, 7, COUNT])
def test_folds_are_equal_parts_of_which_no_two_share_an_image(folds):
    held = held_out(folds, np.arange(folds) + 1)
    assert held.shape == (folds, COUNT // folds)
    assert len(np.unique(held)) == folds * (COUNT // folds)
    (at_random,) = held_out(folds, np.array([2]), split='random')
    assert at_random.tolist() == list(range(1, folds * (COUNT // folds), folds))


@pytest.mark.parametrize(('folds', 'one'), [(2, 1), (3, 3), (7, 4)])
def test_a_fold_is_not_trained_on_and_all_else_is(folds, one):
    config = {'folds': folds, 'fold': one}
    held = set(held_out(folds, np.array([one]))[0].tolist())
    kept = COUNT - len(held)
    found = order(**config)
    assert set(found) == set(range(COUNT)) - held
    assert len(set(found[:kept])) == kept
    assert np.array_equal(found, np.resize(found[:kept], COUNT))
    drawn = order(bootstrap=1.0, **config)
    assert not held & set(drawn)
    # Of those that are drawn from, about 1 − 1/e are in the sample; 5 standard deviations.
    assert len(set(drawn)) / kept == pytest.approx(1 - np.exp(-1), abs=5 * 0.31 / np.sqrt(kept))


def test_traced_without_a_fold_nothing_changes():
    folds = folds_of(LABELS, 3, 'stratified')
    traced = jax.jit(
        lambda one: epoch_order(Data(folds=3, fold=one, bootstrap=1.0), 0, 0, COUNT, folds)
    )
    assert np.array_equal(traced(0), order(bootstrap=1.0))


def test_noisy_labels_are_the_same_for_good():
    labels = np.arange(COUNT, dtype=np.int32) % 10
    noisy = lambda seed, rate: np.asarray(
        training_labels(Data(label_noise=rate), np.uint32(seed), labels, 10)
    )
    assert np.array_equal(noisy(0, 0.0), labels)
    assert np.array_equal(noisy(0, 0.2), noisy(0, 0.2))
    assert not np.array_equal(noisy(0, 0.2), noisy(1, 0.2))
    # 5 standard deviations of a share of 1000.
    assert np.mean(noisy(0, 0.2) != labels) == pytest.approx(0.2, abs=5 * np.sqrt(0.16 / COUNT))
    assert np.all(noisy(0, 1.0) != labels)
