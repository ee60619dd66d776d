"""Standardising, against float64 NumPy and by hand."""

import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.data import standardiser
from jaxtweaks.data.standardise import standardised


def random_images(n=5_000, shape=(4, 3, 2)):
    """More images than one chunk, with another mean and spread in each pixel."""
    rng = np.random.default_rng(0)
    low = rng.integers(0, 100, size=shape)
    high = rng.integers(120, 256, size=shape)
    return rng.integers(low, high, size=(n, *shape)).astype(np.uint8)


@pytest.mark.parametrize(('how', 'axes'), [('channel', (0, 1, 2)), ('pixel', (0,))])
def test_agrees_with_float64(how, axes):
    images = random_images()
    mean, inverse = standardiser(images, how)
    exact = images.astype(np.float64)
    assert mean.dtype == inverse.dtype == np.float32
    assert mean.shape == inverse.shape == (4, 3, 2)
    np.testing.assert_allclose(mean, np.broadcast_to(exact.mean(axes), (4, 3, 2)), rtol=1e-7)
    np.testing.assert_allclose(inverse, np.broadcast_to(1 / exact.std(axes), (4, 3, 2)), rtol=1e-7)
    x = ((images.astype(np.float32) - mean) * inverse).astype(np.float64)
    np.testing.assert_allclose(x.mean(axes), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(axes), 1, atol=1e-6)


def test_by_hand():
    images = np.zeros((2, 1, 2, 1), np.uint8)
    images[:, 0, 0, 0] = [10, 14]
    images[:, 0, 1, 0] = [20, 40]
    mean, inverse = standardiser(images, 'pixel')
    np.testing.assert_array_equal(mean[0, :, 0], [12, 30])
    np.testing.assert_array_equal(inverse[0, :, 0], np.float32([1 / 2, 1 / 10]))
    mean, inverse = standardiser(images, 'channel')
    np.testing.assert_array_equal(mean[0, :, 0], [21, 21])
    # Squares: 11² + 7² + 1² + 19² = 532; 532/4 = 133.
    np.testing.assert_array_equal(inverse[0, :, 0], np.full(2, 133**-0.5, np.float32))


def test_channels_are_kept_apart():
    images = np.zeros((2, 1, 1, 2), np.uint8)
    images[1] = [2, 200]
    mean, inverse = standardiser(images, 'channel')
    np.testing.assert_array_equal(mean[0, 0], [1, 100])
    np.testing.assert_array_equal(inverse[0, 0], np.float32([1, 0.01]))


def test_nearly_constant_pixel_is_exact():
    images = np.full((10_000, 1, 1, 1), 255, np.uint8)
    images[17] = 254
    mean, inverse = standardiser(images, 'pixel')
    n = 10_000
    assert mean.item() == np.float32(255 - 1 / n)
    assert inverse.item() == np.float32((1 / n - 1 / n**2) ** -0.5)


@pytest.mark.parametrize('how', ['channel', 'pixel'])
@pytest.mark.parametrize('value', [0, 77, 255])
def test_constant_pixels_stay_finite(how, value):
    images = np.full((5, 2, 2, 1), value, np.uint8)
    mean, inverse = standardiser(images, how)
    np.testing.assert_array_equal(mean, np.float32(value))
    np.testing.assert_array_equal(inverse, np.float32(1 / 255))


def test_unit_ignores_the_images():
    mean, inverse = standardiser(random_images(10), 'unit')
    np.testing.assert_array_equal(mean, np.zeros((4, 3, 2), np.float32))
    np.testing.assert_array_equal(inverse, np.full((4, 3, 2), 1 / 255, np.float32))


@pytest.mark.parametrize(('how', 'axes'), [('channel', (0, 1, 2)), ('pixel', (0,))])
def test_floats_agree_with_float64(how, axes):
    """Far from zero, where a single pass in float32 would lose all digits."""
    rng = np.random.default_rng(1)
    images = (1_000 + rng.normal(0, [0.5, 2.0], (300, 3, 2, 2))).astype(np.float32)
    mean, inverse = standardiser(images, how)
    exact = images.astype(np.float64)
    assert mean.dtype == inverse.dtype == np.float32
    np.testing.assert_allclose(mean, np.broadcast_to(exact.mean(axes), (3, 2, 2)), rtol=1e-7)
    np.testing.assert_allclose(inverse, np.broadcast_to(1 / exact.std(axes), (3, 2, 2)), rtol=1e-6)


@pytest.mark.parametrize('how', ['channel', 'pixel'])
def test_constant_floats_stay_finite(how):
    mean, inverse = standardiser(np.full((7, 2, 2, 1), 0.1, np.float32), how)
    np.testing.assert_array_equal(mean, np.float32(0.1))
    np.testing.assert_array_equal(inverse, np.float32(1))


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_none_leaves_images_as_they_are(dtype):
    images = random_images(4).astype(dtype)
    mean, inverse = standardiser(images, 'none')
    assert mean.dtype == inverse.dtype == np.float32
    np.testing.assert_array_equal((images - mean) * inverse, images)


def test_floats_have_no_unit():
    with pytest.raises(UserError, match=r"'unit', .* should be channel, pixel or none"):
        standardiser(np.zeros((2, 2, 2, 1), np.float32), 'unit')


def test_unknown_way():
    with pytest.raises(UserError, match="'image', it should be channel, pixel, unit or none"):
        standardiser(random_images(2), 'image')


@pytest.mark.parametrize(
    'images',
    [np.zeros((2, 2, 2, 1), np.int16), np.zeros((0, 2, 2, 1), np.uint8), np.zeros(3, 'u1')],
)
def test_wrong_images(images):
    with pytest.raises(UserError, match=r'they should be uint8, float32 or float64 \[N, H, W, C\]'):
        standardiser(images, 'channel')


@pytest.mark.parametrize('how', ['channel', 'pixel'])
@pytest.mark.parametrize(
    ('far', 'unit'),
    [
        (1.7e9, 1000.0),
        (1.7e18, 1e13),
        (0, 1e-42),
        (0, 1e-300),
        (0, 1e37),
        (0, 1e300),
        (1e300, 1e290),
    ],
)
def test_wide_numbers_become_what_they_are_without_place_and_unit(far, unit, how):
    """Seconds since 1970, and numbers near the ends of float32 and float64."""
    z = np.random.default_rng(0).normal(size=(500, 1, 1, 3))
    images = far + unit * z
    x = standardised(images, *standardiser(images, how))
    assert x.dtype == np.float32
    expected = (z - z.mean(0)) / z.std(0)
    lost = 4 * np.spacing(np.abs(images)).max() / unit  # in the numbers themselves
    np.testing.assert_allclose(x, expected, atol=1e-6 + lost)


def test_wide_numbers_that_are_constant_stay_finite():
    images = np.full((4, 1, 1, 2), 1.7e9)
    images[:, 0, 0, 1] = [0, 1e300, 0, 1e300]
    x = standardised(images, *standardiser(images, 'channel'))
    np.testing.assert_allclose(x[:, 0, 0], [[0, -1], [0, 1], [0, -1], [0, 1]], atol=1e-6)
    other = np.full((1, 1, 1, 2), 1e300)
    with pytest.raises(UserError, match='of one unit'):
        standardised(other, *standardiser(images, 'channel'))


def test_wide_numbers_cannot_stay_as_they_are():
    with pytest.raises(UserError, match=r"'none'.*should be channel or pixel"):
        standardiser(np.zeros((2, 1, 1, 1), np.float64), 'none')


def test_numbers_at_the_end_of_float64_are_refused():
    images = 1e-310 * np.arange(4.0).reshape(4, 1, 1, 1)
    with pytest.raises(UserError, match='multiply them'):
        standardiser(images, 'channel')
