"""Splits: sizes, disjointness, and that they depend on the split's seed alone."""

import dataclasses

import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import settings
from jaxtweaks.data.dataset import Source, Split, checked, fingerprint
from jaxtweaks.data.split import scaled_down, split

CONFIG = settings.Data(train_size=70, validation_size=20)


def numbered(count: int, first: int) -> Split:
    """Images whose pixels spell their number, so that each can be told from all others."""
    numbers = np.arange(first, first + count)
    images = np.stack([numbers // 256, numbers % 256], -1).astype(np.uint8)
    return checked(images[:, None, None], numbers % 10, (1, 1, 2), 10, 'here')


SOURCE = Source('numbers', numbered(100, 0), numbered(40, 300), tuple('0123456789'), 'here')


def numbers_of(part: Split) -> np.ndarray:
    pixels = part.images[:, 0, 0].astype(int)
    return pixels[:, 0] * 256 + pixels[:, 1]


def test_splits_are_disjoint_and_labels_stay_with_their_images():
    dataset = split(SOURCE, CONFIG)
    parts = [numbers_of(p) for p in (dataset.training, dataset.validation, dataset.test)]
    assert [len(p) for p in parts] == [70, 20, 40]
    assert len(np.unique(np.concatenate(parts))) == 130
    assert max(parts[0].max(), parts[1].max()) < 100
    np.testing.assert_array_equal(parts[2], np.arange(300, 340))
    for part, numbers in zip(
        (dataset.training, dataset.validation, dataset.test), parts, strict=True
    ):
        np.testing.assert_array_equal(part.labels, numbers % 10)
        assert part.labels.dtype == np.int32


def test_validation_comes_first_in_the_permutation_and_ignores_the_training_size():
    order = np.random.Generator(np.random.PCG64(3)).permutation(100)
    config = dataclasses.replace(CONFIG, split_seed=3)
    dataset = split(SOURCE, config)
    np.testing.assert_array_equal(numbers_of(dataset.validation), order[:20])
    np.testing.assert_array_equal(numbers_of(dataset.training), order[20:90])
    smaller = split(SOURCE, dataclasses.replace(config, train_size=10))
    np.testing.assert_array_equal(numbers_of(smaller.validation), order[:20])
    np.testing.assert_array_equal(numbers_of(smaller.training), order[20:30])


def test_split_seed_decides():
    again, other = split(SOURCE, CONFIG), split(SOURCE, dataclasses.replace(CONFIG, split_seed=1))
    dataset = split(SOURCE, CONFIG)
    assert again.fingerprint == dataset.fingerprint
    assert other.fingerprint != dataset.fingerprint
    assert set(numbers_of(other.validation)) != set(numbers_of(dataset.validation))


def test_test_size_takes_a_fixed_choice():
    config = dataclasses.replace(CONFIG, test_size=15)
    part = split(SOURCE, config).test
    order = np.random.Generator(np.random.PCG64(0)).permutation(40)
    np.testing.assert_array_equal(numbers_of(part), 300 + order[:15])
    nested = split(SOURCE, dataclasses.replace(CONFIG, test_size=10)).test
    np.testing.assert_array_equal(numbers_of(nested), 300 + order[:10])


def test_everything_may_be_used():
    dataset = split(SOURCE, dataclasses.replace(CONFIG, train_size=80, test_size=40))
    used = np.concatenate([numbers_of(dataset.training), numbers_of(dataset.validation)])
    np.testing.assert_array_equal(np.sort(used), np.arange(100))
    np.testing.assert_array_equal(np.sort(numbers_of(dataset.test)), np.arange(300, 340))


def test_too_many_training_images():
    with pytest.raises(UserError, match=r'81 .* 20 = 101 is more than the 100 training images'):
        split(SOURCE, dataclasses.replace(CONFIG, train_size=81))


def test_too_many_test_images():
    with pytest.raises(UserError, match=r'data\.test_size 41 is more than the 40 test images'):
        split(SOURCE, dataclasses.replace(CONFIG, test_size=41))


def test_arrays_are_read_only():
    dataset = split(SOURCE, CONFIG)
    for part in (dataset.training, dataset.validation, dataset.test):
        with pytest.raises(ValueError, match='read-only'):
            part.images[0] = 0
        with pytest.raises(ValueError, match='read-only'):
            part.labels[0] = 0


@pytest.mark.parametrize(
    ('sizes', 'expected'),
    [
        ((40_000, 10_000), (80, 20)),
        ((45_000, 5_000), (90, 10)),
        ((60, 40), (60, 40)),
        ((5, 3), (5, 3)),
        ((1_000_000, 1), (99, 1)),
        ((1, 1_000_000), (1, 99)),
    ],
)
def test_scaled_down(sizes, expected):
    assert scaled_down(*sizes, 100) == expected


def test_fingerprint_sees_pixels_labels_shape_and_place():
    images = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1)
    labels = np.array([0, 1], np.int32)
    base = Split(images, labels)
    other_images, other_labels = images.copy(), labels.copy()
    other_images[1, 1, 1, 0] ^= 1
    other_labels[1] = 2
    variants = [
        (base, base),
        (Split(other_images, labels), base),
        (base, Split(other_images, labels)),
        (Split(images, other_labels), base),
        (Split(images.reshape(2, 1, 4, 1), labels), base),
        (base,),
    ]
    found = {fingerprint(variant) for variant in variants}
    found |= {fingerprint([base], {name: base}) for name in 'pq'}
    grid = np.zeros((3, 1, 1, 2), np.float32)
    found |= {fingerprint([base], grid=grid), fingerprint([base], grid=grid + 1)}
    found |= {fingerprint([base], {'p': base}, grid)}
    assert len(found) == len(variants) + 5
    # SHA-256 of b'(2, 2, 2, 1) uint8\n', the bytes 0 … 7, b'(2,) int32\n', 0 and 1 in 4 bytes each.
    assert fingerprint([base]) == (
        '68b281f45d120dfc65bf9938ce2e4f163a9c749b750fc8607d04fc8ea1e2451f'
    )


@pytest.mark.parametrize(
    ('images', 'labels', 'message'),
    [
        (np.zeros((2, 3, 3, 1), np.uint8), [0, 1], r'uint8 \[3, 3, 1\], they should be'),
        (np.zeros((2, 2, 2, 1), np.float32), [0, 1], r'float32 \[2, 2, 1\], they should be'),
        (np.zeros((0, 2, 2, 1), np.uint8), [], 'holds no images'),
        (np.zeros((2, 2, 2, 1), np.uint8), [0], '2 images but labels of shape'),
        (np.zeros((2, 2, 2, 1), np.uint8), [0, 10], 'a label is 10, labels should be 0 to 9'),
        (np.zeros((2, 2, 2, 1), np.uint8), [-1, 0], 'a label is -1, labels should be 0 to 9'),
    ],
)
def test_checked_refuses(images, labels, message):
    with pytest.raises(UserError, match=f'here: .*{message}'):
        checked(images, np.array(labels, np.int64), (2, 2, 1), 10, 'here')


def test_a_validation_part_of_its_own_is_the_validation_set():
    source = dataclasses.replace(SOURCE, validation=numbered(30, 400), notices=('as it was',))
    dataset = split(source, dataclasses.replace(CONFIG, train_size=100))
    assert len(dataset.training) == 100  # the whole training part, and nothing of it held out
    assert set(numbers_of(dataset.validation)) < set(range(400, 430))
    assert (len(dataset.validation), dataset.notices) == (20, ('as it was',))
    for sizes, words in (
        ({'train_size': 101}, 'train_size 101 is more than the 100 training images of numbers'),
        ({'validation_size': 31}, 'validation_size 31 is more than the 30 validation .* its own'),
    ):
        with pytest.raises(UserError, match=words):
            split(source, dataclasses.replace(CONFIG, **sizes))
