"""Splits: sizes, disjointness, and that they depend on the split's seed alone."""

import dataclasses

import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import settings
from jaxtweaks.data.dataset import Source, Split, checked, fingerprint
from jaxtweaks.data.split import folds_of, held_out, held_out_counts, scaled_down, split, spread

CONFIG = settings.Data(train_size=70, validation_size=20)
AT_RANDOM = dataclasses.replace(CONFIG, split='random')


def numbered(count: int, first: int) -> Split:
    """Images whose pixels spell their number, so that each can be distinguished from all others."""
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


def test_at_random_validation_comes_first_in_the_permutation():
    order = np.random.Generator(np.random.PCG64(3)).permutation(100)
    config = dataclasses.replace(AT_RANDOM, split_seed=3)
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


def test_at_random_test_size_takes_the_first_of_a_permutation():
    config = dataclasses.replace(AT_RANDOM, test_size=15)
    part = split(SOURCE, config).test
    order = np.random.Generator(np.random.PCG64(0)).permutation(40)
    np.testing.assert_array_equal(numbers_of(part), 300 + order[:15])
    nested = split(SOURCE, dataclasses.replace(AT_RANDOM, test_size=10)).test
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


# Images of each class: even, uneven, with rare classes and single images, of two classes, floats.
COUNTS = {
    'even': [10] * 10,
    'uneven': [50, 30, 15, 5],
    'rare': [200, 40, 3, 2, 2],
    'single': [90, 1, 7, 1],
    'two': [37, 2],
    'one each': [1] * 12,
    'a gap': [20, 0, 30],
}


def of_counts(counts, seed=0, dtype=np.uint8) -> Split:
    """Images that spell their number, of so many of each class, shuffled."""
    labels = np.repeat(np.arange(len(counts)), counts)
    labels = np.random.default_rng(seed).permutation(labels).astype(np.int32)
    numbers = np.arange(len(labels))
    images = np.stack([numbers // 256, numbers % 256], -1).astype(dtype)[:, None, None]
    return Split(images, labels)


def counted(labels, counts) -> np.ndarray:
    return np.array([(np.asarray(labels) == c).sum() for c in range(len(counts))])


def source_of(counts, dtype=np.uint8) -> Source:
    names = tuple(map(str, range(len(counts))))
    return Source('mine', of_counts(counts, 0, dtype), of_counts(counts, 1, dtype), names, 'here')


@pytest.mark.parametrize('dtype', [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize('name', COUNTS)
@pytest.mark.parametrize('share', [0.1, 0.3, 0.5])
def test_held_out_images_keep_the_shares_of_the_classes(name, share, dtype):
    counts = np.array(COUNTS[name])
    total = counts.sum()
    size = max(1, round(share * total))
    config = settings.Data(train_size=total - size, validation_size=size)
    source = source_of(counts, dtype)
    dataset = split(source, config)
    parts = [numbers_of(dataset.validation), numbers_of(dataset.training)]
    assert [len(p) for p in parts] == [size, total - size]
    assert sorted(np.concatenate(parts)) == list(range(total))
    for part, numbers in zip((dataset.validation, dataset.training), parts, strict=True):
        np.testing.assert_array_equal(part.labels, source.training.labels[numbers])
    found = counted(dataset.validation.labels, counts)
    if size >= (counts > 1).sum() and (np.maximum(counts - 1, 0)).sum() >= size:
        assert np.all(found[counts == 1] == 0)
        assert np.all(found[counts > 1] >= 1)
        assert np.all(counts[counts > 1] - found[counts > 1] >= 1)
    # Nobody is further than one image from its share, but for what rare classes are owed.
    owed = np.count_nonzero((counts > 0) & (size * counts < total)) + np.count_nonzero(counts == 1)
    assert np.all(np.abs(found - size * counts / total) < 1 + owed)


def test_held_out_counts_by_hand():
    counts = lambda *n, size: held_out_counts(np.array(n), size).tolist()
    assert counts(50, 30, 20, size=10) == [5, 3, 2]
    assert counts(5, 5, 5, size=7) == [3, 2, 2]  # equal remainders: the first
    assert counts(94, 4, 2, size=10) == [8, 1, 1]  # 9.4, 0.4, 0.2
    assert counts(8, 2, size=8) == [7, 1]  # 6.4, 1.6: of two images one is left
    assert counts(8, 1, 1, size=4) == [4, 0, 0]  # single images are trained on
    assert counts(8, 1, 1, size=9) == [7, 1, 1]  # there is no room for that
    assert counts(8, 2, 2, size=2) == [2, 0, 0]  # 1.3, 0.3, 0.3, and two for three classes


@pytest.mark.parametrize('name', COUNTS)
def test_every_beginning_keeps_the_shares(name):
    labels = of_counts(COUNTS[name]).labels
    counts = counted(labels, COUNTS[name])
    order = spread(labels)
    assert sorted(order) == list(range(len(labels)))
    for c in range(len(counts)):  # the images of a class keep their order
        assert np.all(np.diff(order[labels[order] == c]) > 0)
    classes = np.count_nonzero(counts)
    assert len(set(labels[order][:classes])) == classes
    for m in range(1, len(labels) + 1):
        found, exact = counted(labels[order][:m], counts), m * counts / len(labels)
        early = np.count_nonzero((exact < 1) & (found == 1))  # rare ones, before it is their turn
        assert np.all(found <= np.ceil(exact - 1e-9))
        assert np.all(found >= np.floor(exact + 1e-9) - early)


def test_more_training_images_are_the_same_ones_and_others():
    source = source_of(COUNTS['rare'])
    sizes = {'validation_size': 40, 'split_seed': 3}
    few, many = (split(source, settings.Data(train_size=n, **sizes)) for n in (30, 150))
    np.testing.assert_array_equal(numbers_of(few.validation), numbers_of(many.validation))
    np.testing.assert_array_equal(numbers_of(few.training), numbers_of(many.training)[:30])
    assert set(few.training.labels) == set(range(5))


def test_some_of_the_test_images_keep_the_shares():
    source = source_of(COUNTS['uneven'])
    part = split(source, dataclasses.replace(CONFIG, test_size=20)).test
    assert counted(part.labels, COUNTS['uneven']).tolist() == [10, 6, 3, 1]
    fewer = split(source, dataclasses.replace(CONFIG, test_size=10)).test
    np.testing.assert_array_equal(numbers_of(fewer), numbers_of(part)[:10])


@pytest.mark.parametrize('name', COUNTS)
def test_a_test_part_that_is_held_out_keeps_the_shares(name):
    counts = np.array(COUNTS[name])
    whole = of_counts(counts)
    names = tuple(map(str, range(len(counts))))
    source = held_out(whole, names, 'mine', 'here')
    assert len(source.test) == round(0.2 * len(whole))
    for part in (source.training, source.test):
        assert np.all(np.diff(numbers_of(part)) > 0)
        np.testing.assert_array_equal(part.labels, whole.labels[numbers_of(part)])
    assert np.all(counted(source.training.labels, counts)[counts > 0] > 0) or name == 'one each'


def test_a_test_part_that_is_held_out_at_random_is_what_it_was():
    """Whatever way it was held out first: work folders of before there was `data.split`."""
    whole = of_counts([60, 40])
    source = held_out(whole, ('0', '1'), 'mine', 'here')
    sizes = settings.Data(train_size=60, validation_size=20, split='random')
    dataset = split(source, sizes)
    order = lambda count: np.random.Generator(np.random.PCG64(0)).permutation(count)
    test = np.sort(order(100)[:20])
    np.testing.assert_array_equal(numbers_of(dataset.test), test)
    rest = np.setdiff1d(np.arange(100), test)
    np.testing.assert_array_equal(numbers_of(dataset.validation), rest[order(80)[:20]])
    assert len(np.unique(np.concatenate([numbers_of(dataset.training), rest]))) == 80


@pytest.mark.parametrize('how', ['stratified', 'random'])
@pytest.mark.parametrize('name', COUNTS)
@pytest.mark.parametrize('folds', [2, 3, 5, 12])
def test_folds_are_equal_parts(name, folds, how):
    labels = of_counts(COUNTS[name]).labels
    found = folds_of(labels, folds, how)
    held = [np.flatnonzero(found == f + 1) for f in range(folds)]
    assert {len(one) for one in held} == {len(labels) // folds}
    assert np.count_nonzero(found == 0) == len(labels) % folds
    assert found[0] != found[1] or found[0] == 0
    if how == 'stratified':
        of_class = np.array([counted(labels[one], COUNTS[name]) for one in held])
        assert np.all(np.ptp(of_class, axis=0) <= 1)


def test_the_first_images_are_not_one_fold():
    """Images in the order of use are of one class after another: folds must not follow suit."""
    found = folds_of(np.arange(1000) % 10, 5, 'stratified')
    assert np.bincount(found[:10]).tolist() == [0, 2, 2, 2, 2, 2]
