"""Images and features: what they are read as, what is refused, and what is said."""

import dataclasses
import warnings

import numpy as np
import pytest

from jaxtweaks import data as data_lib
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import settings
from jaxtweaks.data import own
from jaxtweaks.data.own import from_arrays
from jaxtweaks.run.machine import Machine

LABELS = np.arange(40) % 2
RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(40, 3))
IMAGES = RNG.integers(0, 256, (40, 8, 8, 3), np.uint8)


def reported_of(images, labels=LABELS, test=None, **others):
    reported = []
    source = from_arrays(images, labels, test, title='mine', notify=reported.append, **others)
    assert [f'notice: mine: {text}' for text in source.notices] == reported
    return source, ' '.join(reported)


@pytest.mark.parametrize(
    ('images', 'dtype'),
    [
        (IMAGES, np.uint8),
        (IMAGES.astype(np.int16), np.float32),
        (IMAGES.astype(np.uint16) * 257, np.float32),
        (IMAGES / 255, np.float32),
        (POINTS.astype(np.float16), np.float32),
        (POINTS, np.float32),
        (RNG.integers(-9, 9, (40, 2)), np.float32),
        (POINTS + 1.7e9, np.float64),
        (RNG.integers(0, 1000, (40, 2)) + 2**40, np.float64),
        (POINTS * 1e-39, np.float64),
        ((POINTS * 1e-39).astype(np.float32), np.float64),
        (POINTS * 1e37, np.float64),
        (POINTS * 1e300, np.float64),
        (POINTS * [0, 1, 1] + [1.7e9, 0, 0], np.float32),  # nothing to tell apart
    ],
)
def test_the_type_keeps_what_numbers_say(images, dtype):
    source, _ = reported_of(images)
    assert source.training.images.dtype == source.test.images.dtype == dtype
    expected = images.reshape(40, -1)[source.places]
    found = np.concatenate([source.training.images, source.test.images]).reshape(40, -1)
    np.testing.assert_array_equal(found, expected.astype(dtype))


def test_both_parts_have_one_type():
    source, _ = reported_of(POINTS, test=(POINTS + 1.7e9, LABELS))
    assert source.training.images.dtype == source.test.images.dtype == np.float64


CHANNELS_FIRST = np.moveaxis(IMAGES, -1, 1)


@pytest.mark.parametrize(
    ('images', 'words'),
    [
        (CHANNELS_FIRST, ['[40, 3, 8, 8]', 'np.moveaxis(images, 1, -1)', 'channels_last=True']),
        (CHANNELS_FIRST[:, :1], ['[40, 1, 8, 8]', 'np.moveaxis']),
        (np.zeros((40, 3, 240, 320), np.uint8), ['[40, 3, 240, 320]', 'np.moveaxis']),
        (np.where(POINTS > 2, np.nan, POINTS), ['not finite', 'nan in row']),
        (np.where(IMAGES == 7, np.inf, IMAGES), ['not finite', 'inf in image']),
        (POINTS > 0, ['truth values', 'astype']),
        (POINTS + 1j, ['complex128 [40, 3]']),
        (POINTS.astype(object), ['all are numbers', 'astype(float)']),
        ([[1, 2], ['x', 3]] * 20, ['<U21 [40, 2]']),
        (
            np.array([[1, None], [2, 3]] * 20, object),
            ['20 are no numbers', "'None' in row 0, feature 1"],
        ),
        (np.ma.masked_less(POINTS, -9.0), None),
        (np.ma.masked_less(POINTS, 0.0), ['numbers are masked', 'filled']),
        ([[1, 2], [3]], ['not of one shape']),
        (POINTS[:, 0], ['float64 [40]', '[N, features]']),
        (POINTS[:0], ['[0, 3]', 'there are none']),
        (POINTS[:, :0], ['[40, 0]', 'there are none']),
        (POINTS[:9], ['9 images but labels [40]']),
        (IMAGES * 0, ['all 40 images are equal']),
        ((2**62 + np.arange(40) % 9)[:, None], ['feature 0', 'float64 cannot tell apart']),
        ((np.arange(40) * 10**16)[:, None], None),
    ],
)
def test_what_cannot_be_read_is_named(images, words):
    if words is None:
        reported_of(images)
        return
    with pytest.raises(UserError) as caught:
        reported_of(images)
    assert str(caught.value).startswith('mine: images') or 'all 40' in str(caught.value)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    'shape', [(8, 8, 3), (8, 8, 1), (1, 30, 12), (3, 4, 5), (32, 32, 3), (4, 4, 4)]
)
def test_channels_that_may_be_last_are(shape):
    images = RNG.integers(0, 256, (40, *shape), np.uint8)
    assert reported_of(images)[0].training.images.shape[1:] == shape


def test_channels_last_can_be_said():
    source, _ = reported_of(CHANNELS_FIRST, channels_last=True)
    assert source.training.images.shape[1:] == (3, 8, 8)


def test_columns_of_pandas_are_named():
    pandas = pytest.importorskip('pandas')
    table = pandas.DataFrame(POINTS, columns=['age', 'dose', 'time'])
    assert reported_of(table)[0].training.images.shape == (32, 1, 1, 3)
    table.loc[[7, 9], 'dose'] = np.nan
    with pytest.raises(
        UserError, match=r"2 of 120 .*in 2 of 40 rows, .*row 7, feature 1 \('dose'\)"
    ):
        reported_of(table)
    table['dose'] = 'x'
    with pytest.raises(UserError, match=r"40 are no numbers, such as 'x' in .*\('dose'\)"):
        reported_of(table)


def test_what_is_odd_is_said():
    assert reported_of(IMAGES)[1] == ''
    assert '2 of 3 features have one value' in reported_of(POINTS * [1, 0, 0])[1]
    test = IMAGES.copy()
    test[5:] = 255 - test[5:]
    assert (
        '5 of 40 test images are also training images'
        in reported_of(IMAGES, test=(test, LABELS))[1]
    )
    # Equal rows of features are usual in tables of few different values.
    assert reported_of(POINTS, test=(POINTS, LABELS))[1] == ''
    assert 'in one unit' in reported_of(IMAGES / 255, test=(test.astype(float), LABELS))[1]


def test_features_far_from_zero_are_trained_on_as_if_they_were_near(monkeypatch):
    """Seconds since 1970 keep what they say: t is standardised, not what float32 leaves of it."""
    monkeypatch.setattr(own, 'REGISTRY', {})
    monkeypatch.setattr(settings.DATASETS, '_names', list(settings.DATASETS._names))
    time = RNG.uniform(0, 60, (40, 1))
    config = settings.Data(name='times', train_size=20, validation_size=8)
    found = []
    for start in (0.0, 1.7e9):
        own.dataset('times')(lambda start=start: (time + start, LABELS))
        found.append(Machine(data_lib.load).data(dataclasses.replace(config)))
    for name in ('training', 'validation', 'test'):
        near, far = (np.asarray(one.standardised(getattr(one, name).images)) for one in found)
        assert far.dtype == np.float32
        np.testing.assert_allclose(far, near, atol=1e-5)
    scaled = Machine(data_lib.load).data(dataclasses.replace(config, scale=0.5))
    inputs = np.asarray(scaled.standardised(scaled.training.images))
    np.testing.assert_allclose(inputs.std(), 0.5, rtol=1e-5)


def test_numbers_near_the_ends_of_float32_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for factor in (1e-300, 1e-39, 1e38, 1e300):
            reported_of(POINTS * factor)
