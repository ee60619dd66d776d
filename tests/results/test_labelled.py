"""Numbers stay with their labels."""

import dataclasses

import numpy as np
import pytest
from fake_results import sweep

from jaxtweaks.base.errors import UserError
from jaxtweaks.results.labelled import labelled
from jaxtweaks.results.results import without_runs

FIELDS = {'train.batch_size': (8, 16, 32), 'model.batch_norm': ('none', 'before')}
RESULTS = sweep(FIELDS, seeds=4, diverged=[(1, 2, 3)])


def final(metric='test_accuracy', results=RESULTS):
    return labelled(metric, results.final(metric), results, curve=False)


def some(kept):
    """The settings of these numbers, in this order."""
    return dataclasses.replace(
        RESULTS,
        settings=tuple(RESULTS.settings[k] for k in kept),
        finals={name: values[kept] for name, values in RESULTS.finals.items()},
    )


def test_a_full_grid_has_an_axis_for_each_field():
    found = final()
    assert found.axes == {**FIELDS, 'seed': (0, 1, 2, 3)}
    assert found.shape == (3, 2, 4)
    for k, setting in enumerate(RESULTS.settings):
        here = found.sel(setting)
        np.testing.assert_array_equal(here, RESULTS.finals['test_accuracy'][k])
        assert list(here.axes) == ['seed']


def test_the_order_of_the_settings_does_not_matter():
    order = [4, 1, 0, 5, 2, 3]
    mixed = final(results=some(order))
    for k in order:
        want = RESULTS.finals['test_accuracy'][k]
        np.testing.assert_array_equal(mixed.sel(RESULTS.settings[k]), want)


def test_curves_have_epochs_too():
    found = labelled('validation_loss', RESULTS.curve('validation_loss'), RESULTS, curve=True)
    assert found.axes['epoch'] == tuple(range(1, 9))
    one = found.sel(batch_size=16, batch_norm='before', seed=3, epoch=8)
    assert float(one) == RESULTS.curves['validation_loss'][3, 3, 7]


def test_with_several_labels_the_axis_stays():
    found = final().sel(batch_size=(8, 32), seed=[3])
    assert found.shape == (2, 2, 1)
    assert found.axes['train.batch_size'] == (8, 32)


def test_what_is_no_full_grid_has_an_axis_of_settings():
    found = final(results=some([0, 1, 2, 4]))
    assert list(found.axes) == ['setting', 'seed']
    plain = found.sel(batch_norm='none')
    assert plain.axes['setting'] == tuple({'train.batch_size': size} for size in (8, 16, 32))
    np.testing.assert_array_equal(plain, RESULTS.finals['test_accuracy'][[0, 2, 4]])
    assert found.sel(batch_norm='before').axes == {'seed': (0, 1, 2, 3)}
    columns = found.to_dict()
    assert columns['train.batch_size'] == [8] * 8 + [16] * 4 + [32] * 4


def test_means_and_intervals_leave_out_what_diverged():
    whole = RESULTS.finals['test_accuracy'][1]
    mean, half = final().interval()
    assert np.isnan(whole[2])
    kept = whole[[0, 1, 3]]
    assert mean.sel(batch_size=8, batch_norm='before').values == pytest.approx(kept.mean())
    assert float(final().mean().sel(batch_size=8, batch_norm='before')) == pytest.approx(
        kept.mean()
    )
    assert half.sel(batch_size=8, batch_norm='before').values == pytest.approx(
        4.302652729911275 * kept.std(ddof=1) / 3**0.5
    )


def test_arithmetic_keeps_the_pairs_and_refuses_what_is_none():
    found = final()
    difference = found.sel(batch_norm='before') - found.sel(batch_norm='none')
    assert list(difference.axes) == ['train.batch_size', 'seed']
    values = RESULTS.finals['test_accuracy']
    np.testing.assert_array_equal(difference, values[1::2] - values[::2])
    np.testing.assert_array_equal((found * 100).values, found.values * 100)
    with pytest.raises(UserError, match='the axes are not the same'):
        found - found.sel(seed=0)


def test_columns_say_what_each_number_is_of():
    columns = final().to_dict()
    assert list(columns) == ['train.batch_size', 'model.batch_norm', 'seed', 'test_accuracy']
    rows = list(zip(*columns.values(), strict=True))
    assert rows[5][:3] == (8, 'before', 1)
    assert rows[5][3] == RESULTS.finals['test_accuracy'][1, 1]


@pytest.mark.parametrize(
    ('where', 'words'),
    [
        ({'batch_sise': 8}, ["no axis 'batch_sise'", "'train.batch_size'"]),
        ({'batch_size': 9}, ['nothing at 9', '8, 16, 32']),
        ({'epoch': 1}, ["no axis 'epoch'"]),
    ],
)
def test_mistakes_are_named(where, words):
    with pytest.raises(UserError) as caught:
        final().sel(**where)
    assert all(word in str(caught.value) for word in words)


def test_an_end_that_two_fields_share_must_be_given_whole():
    both = sweep({'dropout.input': (0.0, 0.1), 'noise.input': (0.0, 0.2)})
    found = final(results=both)
    with pytest.raises(UserError, match=r'dropout\.input or noise\.input'):
        found.sel(input=0.0)
    assert found.sel({'noise.input': 0.2}).shape == (2, 5)


def test_a_notebook_shows_a_table():
    shown = final()._repr_html_()
    assert '<th>model.batch_norm</th>' in shown
    assert '… and 12 more' in shown


def test_settings_drawn_at_random_have_one_axis():
    """The grid of all their values would have 200⁵ points."""
    fields = ['a.b', 'a.c', 'a.d', 'a.e', 'a.f']
    settings = tuple({name: k + i / 10 for i, name in enumerate(fields)} for k in range(200))
    results = dataclasses.replace(without_runs(settings), seeds=np.arange(2))
    found = labelled('x', np.arange(400.0).reshape(200, 2), results, curve=False)
    assert list(found.axes) == ['setting', 'seed']
    assert found.sel({'a.b': 7}).sel(seed=1).values.item() == 15
