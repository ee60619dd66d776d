"""CIFAR-10 with patches: what is changed, by how much, and what is not."""

import dataclasses

import numpy as np
import pytest
from tiny_archives import cifar10_files, known_for, random_part, tar_gz

from jaxtweaks import data
from jaxtweaks.config import settings
from jaxtweaks.data.catalogue import CATALOGUE

CONFIG = settings.Data(name='cifar10_patch', train_size=1_000, validation_size=300)
INSIDE = np.zeros((32, 32), bool)
INSIDE[12:19, 12:19] = True


@pytest.fixture
def sets(server):
    """A function that loads a tiny CIFAR-10 of random pixels as it is and with patches."""
    rng = np.random.default_rng(3)
    train, test = random_part(rng, 1_300, (32, 32, 3)), random_part(rng, 200, (32, 32, 3))
    server.files = {'cifar-10-binary.tar.gz': tar_gz(cifar10_files(*train, *test))}
    catalogue = CATALOGUE | {'cifar10': known_for('cifar10', server.files)}

    def load(**more):
        config = dataclasses.replace(CONFIG, **more)
        options = {'catalogue': catalogue, 'mirror': server.address}
        plain = data.load(dataclasses.replace(config, name='cifar10'), **options)
        return plain, data.load(config, **options)

    return load


def test_what_is_not_a_patch_is_the_image_or_the_mean_colour(sets):
    plain, patched = sets()
    blank = np.rint(plain.training.images.mean((0, 1, 2), dtype=float)).astype(int)
    for name in ('training', 'validation', 'test'):
        before, after = getattr(plain, name), getattr(patched, name)
        np.testing.assert_array_equal(before.labels, after.labels)
        outside, original = after.images[:, ~INSIDE], before.images[:, ~INSIDE]
        alone = np.all(np.abs(outside - blank.astype(float)) <= 1, axis=(1, 2))
        np.testing.assert_array_equal(outside[~alone], original[~alone])
        clean = np.all(after.images == before.images, axis=(1, 2, 3))
        n = len(after)
        assert abs(np.mean(clean) - 0.2) < 5 * (0.16 / n) ** 0.5
        assert abs(np.mean(alone) - 0.16) < 5 * (0.1344 / n) ** 0.5
        # What they have in common lies 1.25 standard deviations around the mean colour.
        differs = np.mean(np.abs(after.images[alone][:, INSIDE].astype(float) - blank))
        assert differs > 20


def test_patches_tell_the_class_by_a_small_difference_either_way(sets):
    _, patched = sets()
    probe = patched.probes['patch_only']
    patches = probe.images[:, INSIDE].reshape(len(probe), -1).astype(np.float64)
    middle = np.median(patches, 0)
    deviation = patched.training.images.std((0, 1, 2), dtype=float).max()
    directions = []
    for label in range(10):
        offset = patches[probe.labels == label] - middle
        assert np.abs(offset).max() <= 1.75 * 0.1 * 1.2 * deviation + 1.5
        # One direction, both signs: all else is the rounding to whole levels.
        _, values, axes = np.linalg.svd(offset, full_matrices=False)
        assert values[0] > 5 * values[1]
        along = offset @ axes[0]
        assert along.min() < 0 < along.max()
        directions.append(axes[0])
    likeness = np.abs(np.array(directions) @ np.array(directions).T)
    assert likeness[~np.eye(10, dtype=bool)].max() < 0.5


def test_clean_probe_is_the_validation_split_as_it_was(sets):
    plain, patched = sets()
    np.testing.assert_array_equal(patched.probes['clean'].images, plain.validation.images)
    np.testing.assert_array_equal(patched.probes['clean'].labels, plain.validation.labels)
    assert not np.array_equal(patched.validation.images, plain.validation.images)
    assert patched.label == 'CIFAR-10 with patches'


def test_the_seed_of_the_split_decides(sets):
    (_, first), (_, again), (_, other) = sets(), sets(), sets(split_seed=1)
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_digits_stand_in():
    reported = []
    config = dataclasses.replace(CONFIG, download=False)
    patched = data.load(config, reported.append)
    assert patched.fallback
    assert patched.label == 'digits (stand-in for CIFAR-10) with patches'
    assert 'CIFAR-10 IS NOT USED' in reported[-1]
    assert patched.training.images.shape[1:] == (32, 32, 3)
    assert len(patched.probes['patch_only']) == len(patched.validation)
