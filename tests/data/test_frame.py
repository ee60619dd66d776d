"""Tables become data sets, and what is not clear in them is refused."""

import dataclasses
import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.settings import DATASETS, Data
from jaxtweaks.data import frame, own, tables
from jaxtweaks.data.catalogue import TABLES
from jaxtweaks.data.split import split
from jaxtweaks.data.standardise import standardised_targets, target_scale

RNG = np.random.default_rng(0)
COUNT = 40
AREA = RNG.uniform(30, 200, COUNT)
WORDS = np.array(['brick', 'stone', 'wood'])[np.arange(COUNT) % 3]
PRICE = AREA * 1000 + 0.5
COLUMNS = {'area': AREA, 'wall': WORDS.tolist(), 'lift': [True, False] * 20, 'price': PRICE}


def from_frame(table, target='price', **options):
    reported = []
    return frame.from_frame(table, target, notify=reported.append, **options), reported


class Polars:
    """What is asked of a polars frame: its columns, and each of them."""

    def __init__(self, columns):
        self._columns = columns
        self.columns = list(columns)

    def __getitem__(self, name):
        return np.asarray(self._columns[name])


FRAMES = {
    'dict': lambda: COLUMNS,
    'pandas': lambda: pd.DataFrame(COLUMNS),
    'pandas strings': lambda: pd.DataFrame(COLUMNS).astype({'wall': 'string', 'lift': 'boolean'}),
    'pandas categories': lambda: pd.DataFrame(COLUMNS).astype({'wall': 'category'}),
    'arrow': lambda: pa.table(COLUMNS),
    'columns alone': lambda: Polars(COLUMNS),
}


@pytest.mark.parametrize('kind', FRAMES)
def test_numbers_stay_words_become_one_hot_and_truth_values_0_and_1(kind):
    found, reported = from_frame(FRAMES[kind]())
    assert (found.targets, found.classes) == ('float', ('price',))
    both = np.concatenate([found.training.images, found.test.images])[:, 0, 0]
    back = np.argsort(found.places)
    expected = np.stack([AREA, *(word == WORDS for word in np.unique(WORDS)), [1, 0] * 20], 1)
    np.testing.assert_allclose(both[back], expected, rtol=1e-6)
    prices = np.concatenate([found.training.labels, found.test.labels])[back]
    np.testing.assert_array_equal(prices[:, 0], PRICE)
    assert '5 features of 3 columns: area, wall=brick, wall=stone, wall=wood, lift' in reported[-1]


def test_words_are_classes_and_several_columns_several_numbers():
    found, _ = from_frame(COLUMNS, 'wall')
    assert (found.targets, found.classes) == ('classes', ('brick', 'stone', 'wood'))
    found, _ = from_frame(COLUMNS, ('price', 'area'), columns=('wall',))
    assert found.training.labels.shape[1] == 2
    assert found.classes == ('price', 'area')


def test_whole_numbers_are_what_is_said_of_them():
    table = COLUMNS | {'rooms': np.arange(COUNT) % 3 + 9}
    with pytest.raises(UserError, match="'rooms' is of whole numbers"):
        from_frame(table, 'rooms')
    assert from_frame(table, 'rooms', targets='classes')[0].classes == ('9', '10', '11')
    assert from_frame(table, 'rooms', targets='float')[0].classes == ('rooms',)


@pytest.mark.parametrize(
    'kind',
    [list, np.array, lambda lift: pd.Series(lift, dtype='boolean')],
    ids=['list', 'array', 'series'],
)
def test_truth_values_to_be_predicted_are_classes_as_those_of_arrays_are(kind):
    table = COLUMNS | {'lift': kind(COLUMNS['lift'])}
    found, _ = from_frame(table, 'lift')
    alike = own.from_arrays(AREA[:, None], np.array(COLUMNS['lift']), notify=lambda text: None)
    assert (found.targets, found.classes) == ('classes', alike.classes)
    np.testing.assert_array_equal(found.training.labels, alike.training.labels)
    unknown = [*COLUMNS['lift'][:39], '?']
    found, _ = from_frame(table | {'lift': unknown}, 'lift', na_values='?', missing='drop')
    assert found.classes == ('False', 'True')
    assert from_frame(table, 'lift', targets='classes')[0].classes == ('False', 'True')
    assert from_frame(table, 'lift', targets='float')[0].targets == 'float'
    table |= {'high': AREA > 100}
    found, _ = from_frame(table, ('lift', 'high'), targets='multilabel')
    both = np.concatenate([found.training.labels, found.test.labels])[np.argsort(found.places)]
    np.testing.assert_array_equal(both, np.stack([COLUMNS['lift'], AREA > 100], 1))


def lacking():
    area, wall = AREA.copy(), WORDS.tolist()
    area[[1, 5]], wall[5], wall[7] = np.nan, None, ''
    return COLUMNS | {'area': area, 'wall': wall}


def test_classes_named_by_numbers_stay_apart():
    table = {'x': [1.0, 2.0, 3.0] * 5, 'y': [-1.0, 1000001.0, 1000002.0] * 5}
    found = frame.from_frame(table, 'y', targets='classes', notify=lambda text: None)
    assert len(found.classes) == 3


@pytest.mark.parametrize('numbers', [(-3, -2, -1, 0, 1), (9, 10, 100), (-0.5, 0.25, 1e16, 2e16)])
def test_classes_named_by_numbers_are_in_their_order(numbers):
    kinds = np.arange(COUNT) % len(numbers)
    table = {'area': AREA, 'y': np.array(numbers)[kinds]}
    found, _ = from_frame(table, 'y', targets='classes')
    assert found.classes == tuple(map(repr, numbers))
    labels = np.concatenate([found.training.labels, found.test.labels])[np.argsort(found.places)]
    np.testing.assert_array_equal(labels, kinds)


def test_missing_values_are_counted_dropped_or_filled():
    words = r'3 of 40 rows lack a value \(area 2, wall 2\)'
    with pytest.raises(UserError, match=words):
        from_frame(lacking())
    found, reported = from_frame(lacking(), missing='drop')
    assert len(found.training) + len(found.test) == 37
    assert 'are dropped' in reported[0]
    with pytest.raises(UserError, match="'wall' is of words, which has no mean"):
        from_frame(lacking(), missing='mean')
    found, _ = from_frame(lacking() | {'wall': WORDS.tolist()}, missing='mean')
    both = np.concatenate([found.training.images, found.test.images])[:, 0, 0, 0]
    area = both[np.argsort(found.places)]
    # Of the rows that are not held out for the test, and not of those filled.
    kept = np.setdiff1d(found.places[: len(found.training)], [1, 5])
    np.testing.assert_allclose(area[[1, 5]], AREA[kept].mean(), rtol=1e-6)
    sizes = Data(train_size=20, validation_size=5)
    # Of numbers both splits hold out the same rows, of classes others than are in the means.
    by_class, random = (
        split(found, dataclasses.replace(sizes, split=how)) for how in ('stratified', 'random')
    )
    np.testing.assert_array_equal(by_class.test.images, random.test.images)
    np.testing.assert_array_equal(by_class.test.labels, random.test.labels)
    assert by_class.fingerprint == random.fingerprint
    found, _ = from_frame(lacking() | {'wall': WORDS.tolist()}, 'wall', missing='mean')
    assert len(split(found, sizes).training) == 20
    with pytest.raises(UserError, match="'random' holds out test rows that are in the means"):
        split(found, dataclasses.replace(sizes, split='random'))
    with pytest.raises(UserError, match='is the target, which has no mean'):
        from_frame(COLUMNS | {'price': np.where(np.arange(COUNT), PRICE, np.nan)}, missing='mean')


def test_means_are_of_what_is_known_and_finite():
    held = from_frame(COLUMNS)[0].places[32:]  # the rows of the test set
    area = np.where(np.isin(np.arange(COUNT), held), AREA, np.nan)
    with pytest.raises(UserError, match="'area' has values only in rows that are held out"):
        from_frame(COLUMNS | {'area': area}, missing='mean')
    area[:4] = AREA[:4]
    area[0] = np.inf
    for missing in ('mean', 'drop'):
        with pytest.raises(UserError, match=r"'area' is infinite in 1 of .*na_values: 'inf'"):
            from_frame(COLUMNS | {'area': area}, missing=missing)
    found, _ = from_frame(COLUMNS | {'area': area}, missing='mean', na_values='inf')
    assert np.isfinite(in_order(found)).all()


DATES = [datetime.date(2020, 1, 1 + i % 9) for i in range(COUNT)]
WRONG = {
    'no such column': (COLUMNS, 'prise', {}, "no column 'prise'; did you mean 'price'"),
    'dates': (COLUMNS | {'built': DATES}, 'price', {}, "'built' holds dates .*2020-01-01"),
    'moments': (
        pd.DataFrame(COLUMNS).assign(built=pd.Timestamp('2020-01-01')), 'price', {}, 'holds dates',
    ),
    'lists': (COLUMNS | {'built': [[1], [2, 3]] * 20}, 'price', {}, 'values are list'),
    'mixed': (COLUMNS | {'built': [1, 'x'] * 20}, 'price', {}, 'values are int, such as'),
    'identifiers': (
        {'id': [f'a{i}' for i in range(120)], 'y': np.arange(120) / 7}, 'y', {}, '120 different',
    ),
    'nothing else': ({'price': PRICE}, 'price', {}, 'no columns besides'),
    'the target twice': (COLUMNS, 'price', {'columns': ('price',)}, 'is the target'),
    'a target twice': (COLUMNS, ['price', 'price'], {}, "target names 'price' twice"),
    'no target': (COLUMNS, [], {}, 'target names no column'),
    'None as a target': (COLUMNS, None, {}, "no column 'None'"),
    'two columns of classes': (COLUMNS, ['lift', 'wall'], {}, "'multilabel' takes several"),
    'no frame': ([1, 2], 'price', {}, 'is list'),
    'words to learn': (COLUMNS, 'wall', {'targets': 'float'}, "'wall' is of words"),
    'an unknown option': (COLUMNS, 'price', {'missing': 'zero'}, "'error', 'drop', 'mean'"),
    'one that is no number': (
        COLUMNS | {'age': [*map(str, range(39)), '?']}, 'price', {},
        r"column 'age': 1 of 40 values are no numbers, such as '\?' in row 40; .*na_values",
    ),
    'signs among few numbers': (
        COLUMNS | {'age': ['1', '2', *['-'] * 38]}, 'price', {}, "38 of 40 .* such as '-' in row 3",
    ),
    'integers that float64 merges': (
        COLUMNS | {'id': 2**60 + np.arange(COUNT)}, 'price', {}, "'id' has whole numbers such as",
    ),
    'the first two that it merges': (
        COLUMNS | {'id': [2**53, 2**53 + 1] * 20}, 'price', {}, "'id' has whole numbers such as",
    ),
    'the same below 0': (
        COLUMNS | {'id': -(2**53) - np.arange(COUNT) % 2}, 'price', {}, 'cannot tell apart',
    ),
    'the same of NumPy in a list': (
        COLUMNS | {'id': [np.int64(2**53), np.int64(2**53 + 1)] * 20}, 'price', {}, 'tell apart',
    ),
    'the same in texts': (
        COLUMNS | {'id': [str(2**53), str(2**53 + 1)] * 20}, 'price', {}, 'tell apart',
    ),
    'the same in a list': (
        COLUMNS | {'id': [2**60, 2**60 + 1] * 20}, 'id', {'targets': 'classes'}, 'tell apart',
    ),
    'infinite classes': (
        COLUMNS | {'price': [1.0, np.inf] * 20}, 'price', {'targets': 'classes'}, 'is infinite',
    ),
    'a column twice': (COLUMNS, 'price', {'columns': ('area', 'area')}, "names 'area' twice"),
    'words of no column': (COLUMNS, 'price', {'words': 'aera'}, "no column 'aera'"),
    'words that are not used': (
        COLUMNS, 'price', {'words': 'wall', 'columns': 'area'}, "words names 'wall', which is not",
    ),
    'one value': (COLUMNS | {'price': np.full(COUNT, 2.5)}, 'price', {}, 'nothing to learn'),
    'far from 0': (
        COLUMNS | {'price': 1e9 + PRICE / 1e4}, 'price', {}, 'subtract a constant',
    ),
}  # fmt: skip


@pytest.mark.parametrize('case', WRONG)
def test_what_is_not_clear_is_refused(case):
    table, target, options, message = WRONG[case]
    with pytest.raises(UserError, match=message) as raised:
        from_frame(table, target, **options)
    assert '\n' not in str(raised.value)


def test_what_stands_for_no_value_and_what_is_of_words_can_be_said():
    ages = [*map(str, range(39)), 'NONE']
    found, reported = from_frame(
        COLUMNS | {'age': ages}, na_values='None', words='age', missing='drop'
    )
    assert len(found.training) + len(found.test) == 39
    assert '1 of 40 rows lack a value (age 1), and are dropped' in reported[0]
    masked = np.ma.array(AREA, mask=np.arange(COUNT) == 3)
    with pytest.raises(UserError, match=r'1 of 40 rows lack a value \(area 1\)'):
        from_frame(COLUMNS | {'area': masked})
    # Ids are names if they are said to be.
    ids = [2**60 + i % 3 for i in range(COUNT)]
    assert len(from_frame(COLUMNS | {'id': list(map(str, ids))}, 'id')[0].classes) == 3
    for given in (ids, np.array(ids)):
        assert len(from_frame(COLUMNS | {'id': given}, 'id', words='id')[0].classes) == 3


def in_order(found):
    """The features [N, D] in the order of the table."""
    both = np.concatenate([found.training.images, found.test.images])[:, 0, 0]
    return both[np.argsort(found.places)]


AGES = np.arange(COUNT) % 13 + 20


@pytest.mark.parametrize(
    'ages',
    [
        list(map(str, AGES)),
        pd.Series(list(map(str, AGES)), dtype='string'),
        pd.Series([f' {age} ' for age in AGES], dtype=object),
    ],
    ids=['list', 'string', 'object'],
)
def test_texts_that_are_numbers_are_a_column_of_numbers(ages):
    found, reported = from_frame({'age': ages, 'price': PRICE})
    np.testing.assert_array_equal(in_order(found), AGES[:, None])
    assert '1 features of 1 columns: age' in reported[-1]
    found, reported = from_frame({'age': ages, 'price': PRICE}, words='age')
    assert '13 features of 1 columns: age=20, age=21' in reported[-1]
    # Texts of a target are classes, unless it is said that they are numbers.
    assert from_frame({'area': AREA, 'age': ages}, 'age')[0].classes[0] == '20'
    found, _ = from_frame({'area': AREA, 'age': ages}, 'age', targets='float')
    assert (found.targets, found.training.labels.min()) == ('float', 20)


def test_texts_that_are_numbers_may_lack_some():
    ages = list(map(str, AGES))
    ages[3] = '?'
    table = {'age': ages, 'price': PRICE}
    found, _ = from_frame(table, na_values='?', missing='drop')
    np.testing.assert_array_equal(np.sort(in_order(found)[:, 0]), np.sort(np.delete(AGES, 3)))
    found, _ = from_frame(table, na_values='?', missing='mean')
    kept = np.setdiff1d(found.places[: len(found.training)], [3])
    assert in_order(found)[3, 0] == pytest.approx(AGES[kept].mean())
    # Numbers and texts in one column, as pandas reads files in pieces.
    found, _ = from_frame(
        table | {'age': [*AGES[:3], '?', *AGES[4:]]}, na_values='?', missing='drop'
    )
    assert len(in_order(found)) == COUNT - 1


LACKING = np.where(np.arange(COUNT) == 3, -999, AGES)


@pytest.mark.parametrize('na_values', ['-999', -999, -999.0, ('?', '-999.0'), np.int64(-999)])
@pytest.mark.parametrize(
    'ages',
    [LACKING, LACKING.astype(np.float32), LACKING.tolist(), list(map(str, LACKING))],
    ids=['int', 'float32', 'list', 'texts'],
)
def test_numbers_may_stand_for_no_value(na_values, ages):
    table = COLUMNS | {'age': ages}
    found, reported = from_frame(table, na_values=na_values, missing='drop')
    assert '1 of 40 rows lack a value (age 1), and are dropped' in reported[-2]
    assert in_order(found)[:, -1].min() == 20


@pytest.mark.parametrize(
    ('codes', 'na_values', 'words'),
    [
        ([1.0, 2.0], -999, 'code'),  # a column of pandas' in which a value is missing
        ([1, 2], -999.0, 'code'),
        (['small', 'large'], -999, ()),
        (['small', 'large'], '-999.0', ()),
        ([np.float32(1), np.float32(2)], -999, ()),
    ],
)
def test_numbers_stand_for_no_value_among_words_too(codes, na_values, words):
    code = [codes[k % 2] for k in range(COUNT)]
    code[3] = type(code[0])(-999) if not isinstance(code[0], str) else -999
    for column in (code, np.array(code) if words else np.array(code, object)):
        table = {'code': column, 'price': PRICE}
        options = {'na_values': na_values, 'words': words}
        with pytest.raises(UserError, match=r'1 of 40 rows lack a value \(code 1\)'):
            from_frame(table, **options)
        _, reported = from_frame(table, **options, missing='drop')
        assert not any('nowhere' in line or '999' in line for line in reported)


def test_nan_is_somewhere_if_it_is():
    age = AGES.astype(float)
    age[3] = np.nan
    for given, said in ((age, False), (AGES, True)):
        table = COLUMNS | {'age': given}
        _, reported = from_frame(table, na_values=float('nan'), missing='drop')
        assert any("na_values: 'nan' is nowhere" in line for line in reported) == said


def test_a_number_without_a_value_is_one_of_the_type_of_its_column():
    area = AREA.astype(np.float32)
    area[3] = -99.9
    with pytest.raises(UserError, match=r'1 of 40 rows lack a value \(area 1\)'):
        from_frame(COLUMNS | {'area': area}, na_values=('-99.9', -1.8e308))
    # Truth values are none.
    from_frame(COLUMNS, na_values=0)


def test_what_stands_for_no_value_nowhere_is_said(tmp_path):
    _, reported = from_frame(COLUMNS | {'age': LACKING}, na_values=(-99, -999), missing='drop')
    assert "notice: table: na_values: '-99' is nowhere in the columns that are used" in reported
    _, reported = from_frame(COLUMNS, na_values=('?', '-'))
    assert "na_values: '?', '-' are nowhere" in reported[0]


def test_a_word_in_two_forms_of_unicode_is_one():
    """é may be one character, or e and a combining accent."""
    names = ['caf\u00e9', 'cafe\u0301', 'bar', 'lieu']
    towns = [names[k % 4] for k in range(COUNT)]
    _, reported = from_frame({'town': towns, 'price': PRICE})
    assert '3 features of 1 columns: town=bar, town=caf\u00e9, town=lieu' in reported[-1]
    with pytest.raises(UserError, match=r'20 of 40 rows lack a value \(town 20\)'):
        from_frame({'town': towns, 'price': PRICE}, na_values='CAFE\u0301')


def test_means_know_nothing_of_test_rows_whose_classes_are_in_two_forms():
    rng = np.random.default_rng(1)
    forms = ['caf\u00e9', 'cafe\u0301', 'bar']
    towns = [forms[k] for k in rng.integers(0, 3, 200)]
    area = rng.uniform(30, 200, 200)
    lacking = np.arange(200) % 7 == 0
    found, _ = from_frame(
        {'area': np.where(lacking, np.nan, area), 'town': towns}, 'town', missing='mean'
    )
    kept = found.places[: len(found.training)]
    mean = area[kept[~lacking[kept]]].mean()
    np.testing.assert_allclose(in_order(found)[lacking, 0], mean, rtol=1e-6)


def test_columns_that_are_not_used_may_hold_anything():
    table = pd.DataFrame(COLUMNS | {'built': DATES, 7: np.arange(COUNT)})
    found, _ = from_frame(table, columns='area')
    assert found.training.images.shape[-1] == 1
    for seven in (7, np.int64(7)):
        found, _ = from_frame(table, seven, targets='float', columns=['area'])
        assert found.classes == ('7',)


def test_the_tables_of_scikit_learn_are_data_by_name():
    shapes = {'diabetes': (442, 10), 'breast_cancer': (569, 30), 'wine': (178, 13)}
    for name, (count, features) in shapes.items():
        found = tables.source(name, lambda text: None)
        assert len(found.training) + len(found.test) == count
        assert found.training.images.shape[1:] == (1, 1, features)
        assert found.targets == ('float' if name == 'diabetes' else 'classes')
    assert tables.source('wine', lambda text: None).classes == ('class_0', 'class_1', 'class_2')
    assert set(TABLES) <= set(DATASETS)
    with pytest.raises(UserError, match='comes with jaxtweaks'):
        own.dataset('wine')


def test_a_table_that_is_not_on_disk_is_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv('SCIKIT_LEARN_DATA', str(tmp_path))
    with pytest.raises(UserError, match='not on this disk'):
        tables.source('california_housing')


NUMBERS = np.arange(20.0)
TARGETS = {
    'words': ('float', ['a'] * 20, 'must be numbers'),
    'not finite': ('float', np.where(NUMBERS == 3, np.nan, NUMBERS), 'nan in row 3, output 0'),
    'other numbers': ('multilabel', np.stack([NUMBERS, NUMBERS], 1), 'neither 0 nor 1'),
    'one label': ('multilabel', NUMBERS, r'must be numbers \[N, labels\]'),
    'an unknown kind': ('floats', NUMBERS, "'classes', 'float', 'multilabel'"),
    'too few': ('float', NUMBERS[:9], '20 images but labels'),
    'numbers without a word': ('classes', NUMBERS / 3, "targets='float'"),
}


@pytest.mark.parametrize('case', TARGETS)
def test_arrays_of_targets_are_checked(case):
    kind, targets, message = TARGETS[case]
    with pytest.raises(UserError, match=message):
        own.from_arrays(NUMBERS[:, None], targets, targets=kind)


def test_targets_far_from_zero_are_standardised_before_they_are_rounded():
    years = 2000.0 + np.arange(8)[:, None]
    mean, std = target_scale(years)
    found = standardised_targets(years, mean, std)
    np.testing.assert_allclose(found, (years - years.mean()) / years.std(), rtol=1e-6)
    assert found.dtype == np.float32
    plain = standardised_targets(years, *target_scale(years, standardise=False))
    np.testing.assert_array_equal(plain, years.astype(np.float32))


def test_equal_targets_have_no_standard_deviation_by_rounding():
    equal = np.full((300, 1), 0.1)
    assert equal.std() > 0  # its mean is rounded
    assert target_scale(equal)[1] == 1
    with pytest.raises(UserError, match=r'all of .* are 0\.1, so there is nothing to learn'):
        own.from_arrays(np.arange(300.0)[:, None], equal, targets='float')


def test_targets_that_are_masked_or_of_several_lengths_are_refused():
    masked = np.ma.array(np.arange(len(NUMBERS)) / 3, mask=np.arange(len(NUMBERS)) == 2)
    with pytest.raises(UserError, match=r'1 of 20 numbers are masked'):
        own.from_arrays(NUMBERS[:, None], masked, targets='float')
    with pytest.raises(UserError, match='not of one shape'):
        own.from_arrays(
            NUMBERS[:, None], [[1.0]] * (len(NUMBERS) - 1) + [[1.0, 2.0]], targets='float'
        )
