"""The published archive formats, whole and with every fault."""

import gzip

import numpy as np
import pytest
from tiny_archives import (
    cifar10_batch,
    cifar10_files,
    idx,
    known_for,
    mnist_files,
    random_part,
    tar_gz,
)

from jaxtweaks.base.errors import UserError
from jaxtweaks.data import archives
from jaxtweaks.data.catalogue import CATALOGUE

NAME = 'cifar-10-binary.tar.gz'
FOLDER = 'cifar-10-batches-bin'


@pytest.fixture
def cifar10():
    rng = np.random.default_rng(0)
    return cifar10_files(*random_part(rng, 20, (32, 32, 3)), *random_part(rng, 5, (32, 32, 3)))


@pytest.fixture
def mnist():
    rng = np.random.default_rng(0)
    return mnist_files(*random_part(rng, 20, (28, 28, 1)), *random_part(rng, 5, (28, 28, 1)))


def parse_cifar10(files):
    return archives.parse(CATALOGUE['cifar10'], {NAME: tar_gz(files)})


def test_cifar10_layout_by_hand(cifar10):
    # One image: label 6, red plane rows of 1, green 2, blue 3, but red at row 1, column 2 is 99.
    planes = np.repeat(np.array([1, 2, 3], np.uint8), 1024)
    planes[1 * 32 + 2] = 99
    cifar10[f'{FOLDER}/test_batch.bin'] = b'\x06' + planes.tobytes()
    _, test = parse_cifar10(cifar10)
    assert test.labels.tolist() == [6]
    assert test.images[0, 0, 0].tolist() == [1, 2, 3]
    assert test.images[0, 1, 2].tolist() == [99, 2, 3]
    assert test.images[0, 2, 1].tolist() == [1, 2, 3]


def test_cifar10_batches_are_joined_in_order(cifar10):
    backwards = dict(reversed(cifar10.items()))
    for a, b in zip(parse_cifar10(cifar10), parse_cifar10(backwards), strict=True):
        np.testing.assert_array_equal(a.images, b.images)
    training, _ = parse_cifar10(cifar10)
    assert training.labels.tolist() == list(range(10)) * 2


def test_cifar10_names_are_never_paths(cifar10, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parse_cifar10({**cifar10, '../outside.bin': b'x', '/absolute.bin': b'x'})
    assert list(tmp_path.iterdir()) == []


def test_cifar10_without_a_batch(cifar10):
    del cifar10[f'{FOLDER}/data_batch_4.bin']
    with pytest.raises(UserError, match=f'{NAME}: holds no data_batch_4.bin'):
        parse_cifar10(cifar10)


def test_cifar10_with_part_of_an_image(cifar10):
    cifar10[f'{FOLDER}/test_batch.bin'] += b'\0'
    with pytest.raises(UserError, match=r'test_batch\.bin has 15366 bytes'):
        parse_cifar10(cifar10)


def test_cifar10_label_out_of_range(cifar10):
    images = np.zeros((2, 32, 32, 3), np.uint8)
    cifar10[f'{FOLDER}/test_batch.bin'] = cifar10_batch(images, np.array([1, 10], np.uint8))
    with pytest.raises(UserError, match=r'test_batch\.bin: a label is 10'):
        parse_cifar10(cifar10)


@pytest.mark.parametrize('cut', [0, 10, 500])
def test_cifar10_cut(cifar10, cut):
    with pytest.raises(UserError, match=f'{NAME}: '):
        archives.parse(CATALOGUE['cifar10'], {NAME: tar_gz(cifar10)[:cut]})


def test_mnist(mnist):
    training, test = archives.parse(known_for('mnist', mnist), mnist)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(training.images, random_part(rng, 20, (28, 28, 1))[0])
    assert test.labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('train-images-idx3-ubyte.gz', b'junk', 'not a readable gzip file'),
        ('train-images-idx3-ubyte.gz', gzip.compress(b'\0\0', mtime=0), 'not an idx file'),
        ('t10k-images-idx3-ubyte.gz', idx(np.zeros(5, np.uint8)), 'not an idx file'),
        (
            't10k-images-idx3-ubyte.gz',
            gzip.compress(gzip.decompress(idx(np.zeros((5, 28, 28), np.uint8)))[:-1], mtime=0),
            '3919 bytes of data',
        ),
        ('t10k-images-idx3-ubyte.gz', idx(np.zeros((5, 28, 27), np.uint8)), 'they should be uint8'),
        ('t10k-labels-idx1-ubyte.gz', idx(np.zeros(4, np.uint8)), '5 images but labels of shape'),
        ('t10k-labels-idx1-ubyte.gz', idx(np.full(5, 11, np.uint8)), 'a label is 11'),
    ],
)
def test_mnist_faults(mnist, name, content, message):
    mnist[name] = content
    with pytest.raises(UserError, match=message) as caught:
        archives.parse(CATALOGUE['mnist'], mnist)
    assert name.partition('-')[0] in str(caught.value)
