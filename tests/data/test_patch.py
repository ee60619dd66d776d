"""CIFAR-10 with patches: what is changed, by how much, and what is not."""

import dataclasses

import numpy as np
import pytest
from scipy import stats
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
    # What patches have in common is normal around it with 1.25 standard deviations of the pixels
    # (74 for those of a uniform distribution), but so far from black and white that 0.175 fit.
    pixels = plain.training.images.std(dtype=float)
    far, room = 1.25 * pixels, 127.5 - 0.175 * pixels
    common = far * np.mean(np.minimum(np.abs(stats.norm.ppf(np.arange(1, 999) / 999)), room / far))
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
        differs = np.mean(np.abs(after.images[alone][:, INSIDE].astype(float) - blank))
        assert differs == pytest.approx(common, rel=0.15)


def test_patches_tell_the_class_by_a_small_difference_either_way(sets):
    plain, patched = sets()
    probe = patched.probes['patch_only']
    patches = probe.images[:, INSIDE].reshape(len(probe), -1).astype(np.float64)
    middle = np.median(patches, 0)
    std = plain.training.images.std(dtype=float)
    same = plain.training.images == patched.training.images
    whole = same[:, ~INSIDE].all((1, 2)) & ~same.all((1, 2, 3))  # images with a patch on them
    directions, sizes, strengths = [], [], []
    for label in range(10):
        offset = patches[probe.labels == label] - middle
        # One direction, both signs: all else is the rounding to whole levels.
        _, values, axes = np.linalg.svd(offset, full_matrices=False)
        assert values[0] > 5 * values[1]
        along = offset @ axes[0]
        assert along.min() < 0 < along.max()
        directions.append(axes[0])
        on_image = patched.training.images[whole & (patched.training.labels == label)][:, INSIDE]
        size = np.abs((on_image.reshape(len(on_image), -1) - middle) @ axes[0])
        assert size.std() < 0.05 * size.mean()  # there it is never fainter nor stronger
        sizes.append(size.mean() / np.sqrt(middle.size))
        strengths.append(np.abs(along) / size.mean())
    # A uniform distribution of ±0.1 standard deviations; alone it is multiplied by 0 to 1.75.
    assert np.mean(sizes) == pytest.approx(0.1 * std / np.sqrt(3), rel=0.06)
    strengths = np.concatenate(strengths)
    assert np.mean(strengths) == pytest.approx(1.75 / 2, rel=0.1)
    assert strengths.min() < 0.1
    assert strengths.max() == pytest.approx(1.75, rel=0.05)
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
