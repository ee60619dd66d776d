"""The embedded digits, by themselves and in the shape of other data."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from jaxtweaks.data import digits
from jaxtweaks.data.catalogue import CATALOGUE


def test_values_and_parts():
    source = digits.source()
    raw = load_digits()
    assert source.label == 'digits'
    images = np.concatenate([source.training.images, source.test.images])
    assert images.shape == (1797, 8, 8, 1)
    assert len(source.test) == 360
    assert images.dtype == np.uint8
    # 16 levels above 0 over 255: level k lies within half a step of 255 k / 16.
    assert np.abs(images[..., 0] - raw.images * 255 / 16).max() <= 0.5
    assert images.max() == 255
    assert images.min() == 0
    labels = np.concatenate([source.training.labels, source.test.labels])
    np.testing.assert_array_equal(labels, raw.target)
    assert labels.dtype == np.int32


@pytest.mark.parametrize(('name', 'scale', 'border'), [('cifar10', 4, 0), ('mnist', 3, 2)])
def test_stand_in(name, scale, border):
    known = CATALOGUE[name]
    source, plain = digits.source(known), digits.source()
    assert source.label == f'digits (stand-in for {known.title})'
    assert source.training.images.shape == (1437, *known.shape)
    np.testing.assert_array_equal(source.test.labels, plain.test.labels)
    assert source.classes == tuple('0123456789')
    height, width, channels = known.shape
    expected = np.zeros((360, height, width, channels), np.uint8)
    for i in range(height - 2 * border):
        for j in range(width - 2 * border):
            expected[:, border + i, border + j] = plain.test.images[:, i // scale, j // scale]
    np.testing.assert_array_equal(source.test.images, expected)
