"""Sweeps expand to what their words say, in order, each setting once."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.expand import expand, grid, log_uniform, points, product, union, zipped

BATCH, RATE, EPOCHS = 'train.batch_size', 'optim.learning_rate', 'train.epochs'


def test_an_empty_sweep_is_the_config_alone():
    assert expand(()) == [{}]


def test_a_grid_is_in_the_order_given_and_of_the_right_types():
    found = expand(grid(RATE, 1, 0.1, 1e-3))
    assert found == [{RATE: 1.0}, {RATE: 0.1}, {RATE: 1e-3}]
    assert all(type(point[RATE]) is float for point in found)


def test_a_product_varies_the_last_fastest():
    found = expand(product(grid(BATCH, 8, 16), grid(EPOCHS, 1, 2)))
    assert [(p[BATCH], p[EPOCHS]) for p in found] == [(8, 1), (8, 2), (16, 1), (16, 2)]


def test_a_zip_goes_side_by_side():
    found = expand(zipped(grid(BATCH, 8, 16), grid(EPOCHS, 1, 2)))
    assert found == [{BATCH: 8, EPOCHS: 1}, {BATCH: 16, EPOCHS: 2}]


def test_a_zip_pairs_values_that_come_twice():
    pairs = [(8, 1), (16, 1), (16, 2), (32, 3), (16, 1)]
    batches, epochs = zip(*pairs, strict=True)
    found = expand(zipped(grid(BATCH, *batches), grid(EPOCHS, *epochs)))
    assert [(p[BATCH], p[EPOCHS]) for p in found] == pairs[:4]  # what is there twice, once
    within = expand(product(zipped(grid(BATCH, 8, 8), grid(EPOCHS, 1, 2)), grid(RATE, 0.1, 0.1)))
    assert [(p[BATCH], p[EPOCHS], p[RATE]) for p in within] == [(8, 1, 0.1), (8, 2, 0.1)]


def test_values_of_numpy_are_plain_numbers():
    found = expand(product(grid(BATCH, *np.array([8, 16])), grid(RATE, *np.logspace(-2, -1, 2))))
    assert [(p[BATCH], p[RATE]) for p in found] == [(8, 0.01), (8, 0.1), (16, 0.01), (16, 0.1)]
    assert {type(value) for point in found for value in point.values()} == {int, float}


def test_points_are_taken_as_they_are():
    given = ({BATCH: 8, RATE: 0.1}, {'model.hidden': [3, 4]})
    assert expand(points(*given)) == [{BATCH: 8, RATE: 0.1}, {'model.hidden': (3, 4)}]


def test_a_union_counts_the_same_setting_once_in_its_first_place():
    assert expand(union(grid(BATCH, 8, 16), grid(BATCH, 32, 8))) == [
        {BATCH: 8},
        {BATCH: 16},
        {BATCH: 32},
    ]
    same = ({BATCH: 8, EPOCHS: 1}, {EPOCHS: 1, BATCH: 8})
    assert len(expand(points(*same))) == 1


def test_sweeps_nest():
    found = expand(
        union(
            product(grid(BATCH, 8, 16), zipped(grid(EPOCHS, 1, 2), grid(RATE, 0.1, 0.2))),
            points({BATCH: 99}),
        )
    )
    assert [(p[BATCH], p.get(EPOCHS), p.get(RATE)) for p in found] == [
        (8, 1, 0.1),
        (8, 2, 0.2),
        (16, 1, 0.1),
        (16, 2, 0.2),
        (99, None, None),
    ]


def test_a_log_uniform_sample_takes_integers_of_any_size():
    of = lambda high: expand(log_uniform('penalty.l2', 1, high, 3))
    assert of(10**20) == of(1e20)  # beyond NumPy's integers
    assert of(10**3) == of(1e3)


def test_a_log_uniform_sample_is_in_range_even_in_the_logarithm_and_repeatable():
    values = [p['penalty.l2'] for p in expand(log_uniform('penalty.l2', 1e-5, 1e-1, 2000, 3))]
    assert all(1e-5 <= value <= 1e-1 for value in values)
    exponents = sorted(math.log10(value) for value in values)
    expected = [-5 + 4 * (i + 0.5) / 2000 for i in range(2000)]
    assert max(abs(a - b) for a, b in zip(exponents, expected, strict=True)) < 4 * 0.04
    again = expand(log_uniform('penalty.l2', 1e-5, 1e-1, 2000, 3))
    assert [p['penalty.l2'] for p in again] == values
    other = expand(log_uniform('penalty.l2', 1e-5, 1e-1, 2000, 4))
    assert [p['penalty.l2'] for p in other] != values


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=4), st.lists(st.integers(1, 9), min_size=1)
)
def test_a_product_has_every_pair_once(batches, epochs):
    found = expand(product(grid(BATCH, *batches), grid(EPOCHS, *epochs)))
    pairs = [(p[BATCH], p[EPOCHS]) for p in found]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == {(b, e) for b in batches for e in epochs}


WRONG = {
    'a string': ('train.epochs', 'not a sweep'),
    'a dict': ({'train.epochs': (1, 2)}, 'not a sweep'),
    'an unknown kind': (('gird', BATCH, (1,)), "did you mean 'grid'"),
    'a kind that is a list': (([1], 2), 'unknown kind'),
    'a grid of nothing': (('grid', BATCH, ()), 'no settings'),
    'a grid without a tuple': (('grid', BATCH, 8, 16), 'a grid is'),
    'an unknown field': (grid('train.batchsize', 8), "did you mean 'train.batch_size'"),
    'a section': (grid('train', 8), 'unknown field'),
    'a field that is no setting': (grid('seeds', 8), 'unknown field'),
    'a wrong value': (grid('dropout.hidden', 0.5, 1.5), '1.5 is not allowed'),
    'a wrong type': (grid(BATCH, '8'), "'8' is not an integer"),
    'nan': (grid(RATE, float('nan')), 'nan is not allowed'),
    'a zip of unequal length': (zipped(grid(BATCH, 1, 2), grid(RATE, 0.1)), r'\[2, 1\]'),
    'a field twice in a product': (product(grid(BATCH, 1), grid(BATCH, 2)), 'swept twice'),
    'a field twice in a zip': (zipped(grid(BATCH, 1), grid(BATCH, 2)), 'swept twice'),
    'a field twice in a point': (('points', ((BATCH, 1), (BATCH, 2))), 'one field twice'),
    'points of numbers': (('points', 3), 'points are'),
    'a range upside down': (log_uniform(RATE, 1.0, 0.1, 3), '0 < low < high'),
    'a range from zero': (log_uniform(RATE, 0.0, 0.1, 3), '0 < low < high'),
    'a range to infinity': (log_uniform(RATE, 0.1, float('inf'), 3), '0 < low < high'),
    'a range beyond floats': (log_uniform(RATE, 1, 10**400, 3), '0 < low < high'),
    'a sample of none': (log_uniform(RATE, 0.1, 1.0, 0), 'count'),
    'a truth for a count': (log_uniform(RATE, 0.1, 1.0, count=True), 'a random sample is'),
    'a sample of a field of choices': (log_uniform('optim.name', 0.1, 1.0, 3), 'optim.name'),
    'a sample too short': (('log_uniform', RATE, 0.1), 'a random sample is'),
    'a fault deep inside': (product(grid(BATCH, 1), union(grid(RATE, -1.0))), r'product\[1\]'),
}


@pytest.mark.parametrize('case', WRONG)
def test_a_wrong_sweep_is_refused_in_words(case):
    sweep, words = WRONG[case]
    with pytest.raises(UserError, match=words):
        expand(sweep)
