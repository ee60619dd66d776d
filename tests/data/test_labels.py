"""Labels of every type that people have: words are words, and what is none of these is named."""

import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.data.labels import names_of, odd_names, read
from jaxtweaks.data.own import from_arrays

POINTS = np.random.default_rng(0).normal(size=(12, 2))
WORDS = ['dog', 'ant', 'cat'] * 4


def from_labels(labels, **others):
    return from_arrays(POINTS, labels, title='mine', **others)


@pytest.mark.parametrize(
    'labels',
    [
        WORDS,
        np.array(WORDS),
        np.array(WORDS, object),
        np.array([word.encode() for word in WORDS]),
        [word.encode() for word in WORDS],
        [np.str_(word) for word in WORDS],
        np.array(WORDS)[:, None],
        np.ma.array(WORDS, mask=False),
    ],
)
def test_words_of_every_type_are_words(labels):
    source = from_labels(labels, test=(POINTS, labels))
    assert source.classes == ('ant', 'cat', 'dog')
    assert source.training.labels.tolist() == [2, 0, 1] * 4
    assert source.training.labels.dtype == np.int32


@pytest.mark.parametrize('dtype', ['object', 'category', 'string'])
def test_words_of_pandas(dtype):
    pandas = pytest.importorskip('pandas')
    source = from_labels(pandas.Series(WORDS, dtype=dtype))
    assert source.classes == ('ant', 'cat', 'dog')
    missing = pandas.Series([*WORDS[:-1], None], dtype=dtype)
    with pytest.raises(UserError, match=r'mine: labels: 1 of 12 are missing.*image 11'):
        from_labels(missing)


def test_numbers_of_pandas():
    pandas = pytest.importorskip('pandas')
    assert from_labels(pandas.Series([0, 1, 2] * 4, dtype='Int64')).classes == ('0', '1', '2')
    with pytest.raises(UserError, match='1 of 12 are missing'):
        from_labels(pandas.Series([0, 1, 2] * 3 + [0, 1, None], dtype='Int64'))


@pytest.mark.parametrize('labels', [[True, False] * 6, np.array([True, False] * 6)])
def test_truth_values_are_words(labels):
    source = from_labels(labels, test=(POINTS, labels))
    assert source.classes == ('False', 'True')
    assert source.test.labels.tolist() == [1, 0] * 6


def test_names_that_look_alike_are_one_class():
    composed, decomposed = 'caf\u00e9', 'cafe\u0301'
    source = from_labels([composed, decomposed, 'tea'] * 4, classes=['tea', decomposed])
    assert source.classes == ('tea', composed)
    assert from_labels([composed, decomposed, 'tea'] * 4).classes == (composed, 'tea')


@pytest.mark.parametrize('dtype', [np.uint8, np.int16, np.int64, np.uint64, object])
def test_numbers_from_0_of_every_type(dtype):
    source = from_labels(np.array([2, 0, 1] * 4, dtype), test=(POINTS, np.array([1] * 12, dtype)))
    assert source.classes == ('0', '1', '2')
    assert source.training.labels.tolist() == [2, 0, 1] * 4


@pytest.mark.parametrize(
    ('labels', 'words'),
    [
        ([1, 2, 3] * 4, ['3 numbers from 1 to 3', 'from 0 to 2 without gaps', 'return_inverse']),
        ([0, 1, 5] * 4, ['3 numbers from 0 to 5', 'without gaps']),
        ([20_000_001, 90_004] * 6, ['2 numbers from 90004 to 20000001', 'from 0 to 1']),
        ([2**63 + 1, 1] * 6, ['9223372036854775809']),
        ([1, -1] * 6, ['6 of 12 are negative', '-1 of image 1', 'unlabelled']),
        ([0.0, 1.0] * 6, ['float64', '0.0', 'astype(int)']),
        ([0.5, 1.0] * 6, ['float64', 'np.digitize']),
        ([0, float('nan')] * 6, ['mine: labels: 6 of 12 are missing', 'image 1 (nan)']),
        (np.array([0, np.nan] * 6), ['6 of 12 are missing', 'image 1']),
        (['a', None] * 6, ['6 of 12 are missing', 'image 1 (None)']),
        (['a', float('nan')] * 6, ['6 of 12 are missing', 'image 1 (nan)']),
        (['a', ''] * 6, ['6 of 12 are missing', "image 1 ('')"]),
        (np.ma.masked_equal([0, 1] * 6, 1), ['6 of 12 are missing']),
        (['a', 1] * 6, ['mix', "words ('a')", 'whole numbers (1)']),
        ([True, 2] * 6, ['mix', 'truth values (True)']),
        ([{}] * 12, ['dict', 'integers from 0 or words']),
        ([b'\xff', b'a'] * 6, ['image 0', 'not valid UTF-8']),
        (['\udcff', 'a'] * 6, ['image 0', 'not valid UTF-8']),
        (np.array([1 + 1j] * 12), ['complex128']),
        (np.array(['2020-01-01'] * 12, 'M8[D]'), ['datetime64[D]']),
        (np.eye(3)[[0, 1, 2] * 4], ['[12, 3]', 'one-hot', 'argmax']),
        (np.eye(3, dtype=int)[[0, 1, 2] * 4].tolist(), ['[12, 3]', 'one-hot', 'argmax']),
        (np.zeros((12, 2), int), ['[12, 2]', 'one for each image']),
        ([[0], [0, 1]], ['different lengths']),
        (3, ['int', '[N]']),
        ([f'id {i}' for i in range(12)], ['no two of the 12 images', 'not identifiers']),
        (range(12), ['no two of the 12 images']),
    ],
)
def test_what_is_no_label_is_named(labels, words):
    with pytest.raises(UserError) as caught:
        from_labels(labels)
    message = str(caught.value)
    assert message.startswith('mine: ')
    assert '\n' not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ('labels', 'test', 'words'),
    [
        (WORDS, ['emu', 'ant', 'bat'] * 4, ["class 'bat' has 4 test images", "'cat'"]),
        ([0, 1] * 6, [0, 1, 2] * 4, ['class 2 has 4 test images but no training images']),
        ([1, 2] * 6, [1, 2] * 6, ['without gaps', 'np.searchsorted(names, test_labels)']),
        (WORDS, [0, 1] * 6, ['training labels are words, test labels numbers']),
        ([0, 1] * 6, [True, False] * 6, ['training labels are numbers, test labels words']),
        ([0, 1] * 6, [0, None] * 6, ['mine: test labels: 6 of 12 are missing']),
    ],
)
def test_test_labels_are_those_of_the_training(labels, test, words):
    with pytest.raises(UserError) as caught:
        from_labels(labels, test=(POINTS, test))
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_class_that_is_named_but_only_tested_is_an_error():
    with pytest.raises(
        UserError, match=r"mine: class 'c' has 6 test images but no training images"
    ):
        from_labels([0, 1] * 6, test=(POINTS, [0, 2] * 6), classes=['a', 'b', 'c'])


def test_numbering_as_the_message_says_is_right():
    given = np.array([90_004, 17] * 6)
    names, labels = np.unique(given, return_inverse=True)
    source = from_labels(labels, test=(POINTS, np.searchsorted(names, given)), classes=names)
    assert source.classes == ('17', '90004')
    assert source.test.labels.tolist() == [1, 0] * 6


def test_odd_names_are_said():
    found = odd_names(('Cat', 'cat ', 'dog', 'nan'))
    assert len(found) == 2
    assert "'Cat' and 'cat ' differ in spaces or capitals" in found[0]
    assert "'nan'" in found[1]
    assert odd_names(('cat', 'dog')) == []
    reported = []
    source = from_labels(['cat', 'cat '] * 6, notify=reported.append)
    assert reported == [f'notice: mine: {source.notices[0]}']


def test_random_labels_are_the_numbers_of_their_names():
    rng = np.random.default_rng(0)
    for _ in range(50):
        count = int(rng.integers(1, 6))
        pool = [chr(ord('a') + i) * int(rng.integers(1, 4)) for i in range(count)]
        words = rng.choice(pool, 20).tolist()
        labels = read(words, 'labels')
        assert labels.tolist() == words
        assert names_of(labels, None, 'mine') == tuple(sorted(set(words)))
