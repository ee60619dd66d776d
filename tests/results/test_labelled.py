"""Numbers stay with their labels."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from fake_results import sweep

from jaxtweaks.base.errors import UserError
from jaxtweaks.results import labelled
from jaxtweaks.results.labelled import interval

FIELDS = {'train.batch_size': (8, 16, 32), 'model.norm': ('none', 'batch')}
RESULTS = sweep(FIELDS, seeds=4, diverged=[(1, 2, 3)])


def final(results=RESULTS, metric='test_accuracy'):
    return labelled.final(metric, results)


def some(kept, results=RESULTS):
    """The settings of these numbers, in this order."""
    return dataclasses.replace(
        results,
        settings=tuple(results.settings[k] for k in kept),
        finals={name: values[kept] for name, values in results.finals.items()},
        curves={name: values[kept] for name, values in results.curves.items()},
    )


def test_a_full_grid_has_an_axis_for_each_field():
    found = final()
    assert found.dims == ('batch_size', 'norm', 'seed')
    assert found.batch_size.values.tolist() == [8, 16, 32]
    assert found.norm.values.tolist() == ['none', 'batch']
    assert found.seed.values.tolist() == [0, 1, 2, 3]
    for k, setting in enumerate(RESULTS.settings):
        size, norm = setting.values()
        here = found.sel(batch_size=size, norm=norm)
        np.testing.assert_array_equal(here, RESULTS.finals['test_accuracy'][k])
        assert here.dims == ('seed',)


def test_the_order_of_the_settings_does_not_matter():
    mixed = final(some([4, 1, 0, 5, 2, 3]))
    assert mixed.batch_size.values.tolist() == [32, 8, 16]  # as swept
    xr.testing.assert_equal(mixed.sortby('batch_size'), final().sel(norm=mixed.norm))


def test_curves_have_epochs_too():
    found = labelled.curve('validation_loss', RESULTS)
    assert found.dims == ('batch_size', 'norm', 'seed', 'epoch')
    one = found.sel(batch_size=16, norm='batch', seed=3, epoch=8)
    assert float(one) == RESULTS.curves['validation_loss'][3, 3, 7]
    layers = dataclasses.replace(RESULTS, axis='layer')
    assert labelled.curve('validation_loss', layers).dims[-1] == 'layer'


def test_what_is_no_full_grid_has_an_axis_of_settings():
    found = final(some([0, 1, 2, 4]))
    values = RESULTS.finals['test_accuracy']
    assert found.dims == ('setting', 'seed')
    plain = found.sel(norm='none')
    assert plain.dims == ('batch_size', 'seed')
    np.testing.assert_array_equal(plain, values[[0, 2, 4]])
    np.testing.assert_array_equal(found.sel(norm='batch', batch_size=8), values[1])
    only = plain - found.sel(norm='batch')  # the one pair that there is
    np.testing.assert_array_equal(only, values[:1] - values[1:2])


def test_means_and_intervals_omit_what_diverged():
    whole = RESULTS.finals['test_accuracy'][1]
    mean, half = interval(final())
    assert np.isnan(whole[2])
    kept = whole[[0, 1, 3]]
    here = {'batch_size': 8, 'norm': 'batch'}
    assert float(mean.sel(here)) == pytest.approx(kept.mean())
    assert float(final().mean('seed').sel(here)) == pytest.approx(kept.mean())
    half_width = 4.302652729911275 * kept.std(ddof=1) / 3**0.5
    assert float(half.sel(here)) == pytest.approx(half_width)
    assert half.name == 'test_accuracy'


def test_one_value_has_no_interval_and_none_has_no_mean():
    array = xr.DataArray([[0.5, np.nan], [np.nan, np.nan]], dims=('x', 'seed'))
    mean, half = interval(array)
    assert mean.values == pytest.approx([0.5, np.nan], nan_ok=True)
    assert np.isnan(half).all()
    mean, half = interval(array.isel(x=slice(0)))
    assert mean.shape == half.shape == (0,)


def test_arithmetic_keeps_the_pairs():
    found = final()
    difference = found.sel(norm='batch') - found.sel(norm='none')
    assert difference.dims == ('batch_size', 'seed')
    values = RESULTS.finals['test_accuracy']
    np.testing.assert_array_equal(difference, values[1::2] - values[::2])
    mean, half = interval(difference)
    assert mean.shape == half.shape == (3,)


def test_the_words_of_the_config_stand_next_to_the_labels():
    names = {'train.batch_size': 'images a step', 'model.norm=batch': 'with BN'}
    found = final(dataclasses.replace(RESULTS, names=names))
    assert found.attrs == {'long_name': 'test accuracy', 'data_label': RESULTS.data_label}
    size, norm = found.batch_size.attrs, found.norm.attrs
    assert size == {'field': 'train.batch_size', 'long_name': 'images a step'}
    assert norm['values'] == 'none: without normalisation; batch: with BN'
    other = final(some([0, 1, 2]))
    assert other.norm.attrs['field'] == 'model.norm'


# Values of fields that are no plain labels, and one of them that is looked up.
ODD = {
    'tuples': ((50, 50), (9,), ()),
    'None': (None, 0.1, 0.2),
    'None and text': (None, 'batch', 'after'),
    'several types': ('none', 3, 0.5, (1, 2)),
    'booleans': (True, False),
    'lists': ([50, 50], [9]),
}


@pytest.mark.parametrize('values', ODD.values(), ids=ODD)
def test_any_value_of_a_field_is_a_label(values):
    results = sweep({'model.hidden': values, 'train.batch_size': (8, 16)}, seeds=2)
    for kept in (list(range(2 * len(values))), list(range(2 * len(values) - 1))):  # a grid; none
        found = final(some(kept, results))
        assert ('hidden' in found.dims) == (len(kept) == 2 * len(values))
        for k in kept[::2]:
            value = results.settings[k]['model.hidden']
            value = tuple(value) if isinstance(value, list) else value
            here = found.sel(hidden=value, batch_size=8).squeeze()
            np.testing.assert_array_equal(here, results.finals['test_accuracy'][k])
    grid = final(results)
    assert [tuple(v) if isinstance(v, list) else v for v in values] == grid.hidden.values.tolist()
    assert (grid - grid).shape == grid.shape
    assert grid._repr_html_()


def test_settings_that_are_the_same_stay_apart():
    found = final(some([0, 0, 1]))
    np.testing.assert_array_equal(
        found.sel(batch_size=8, norm='none'), RESULTS.finals['test_accuracy'][[0, 0]]
    )
    one = sweep({'train.batch_size': (8, 16)}, seeds=2)
    again = final(some([0, 1, 1], one)).sel(batch_size=16)
    np.testing.assert_array_equal(again, one.finals['test_accuracy'][[1, 1]])


def test_settings_drawn_at_random_are_no_grid():
    drawn = np.random.default_rng(0).random((60, 12))
    results = dataclasses.replace(
        sweep({'x': tuple(range(60))}, seeds=2),
        settings=tuple({f'field.{i}': float(v) for i, v in enumerate(row)} for row in drawn),
    )
    assert final(results).dims == ('setting', 'seed')  # not a grid of 60 to the 12


def test_a_single_setting_has_no_axis_of_settings():
    results = sweep({'x': (1,)}, seeds=3)
    alone = dataclasses.replace(results, settings=({},))
    assert final(alone).dims == ('seed',)
    np.testing.assert_array_equal(final(alone), results.finals['test_accuracy'][0])


def test_an_end_that_means_two_things_is_given_whole():
    both = sweep({'dropout.input': (0.0, 0.1), 'noise.input': (0.0, 0.2)})
    assert final(both).dims == ('dropout.input', 'noise.input', 'seed')
    assert final(both).sel({'noise.input': 0.2}).shape == (2, 5)
    taken = sweep({'data.seed': (0, 1), 'of.train_loss': (0, 1), 'train.epoch': (1, 2)})
    assert final(taken).dims == ('data.seed', 'of.train_loss', 'train.epoch', 'seed')
    assert labelled.dataset(taken).train_loss.shape == (2, 2, 2, 5)


def test_a_data_set_of_all_and_a_table_of_its_runs(tmp_path):
    found = labelled.dataset(RESULTS)
    assert set(found) == {*RESULTS.finals, *(f'{name}_by_epoch' for name in RESULTS.curves)}
    xr.testing.assert_identical(found.test_accuracy, final())
    assert found.train_loss_by_epoch.sizes['epoch'] == 8
    found.to_netcdf(tmp_path / 'all.nc', engine='scipy')  # labels and attributes can be written
    kept = xr.load_dataset(tmp_path / 'all.nc', engine='scipy')
    xr.testing.assert_equal(kept.test_accuracy, found.test_accuracy)
    rows = labelled.frame(RESULTS)
    assert list(rows)[:3] == ['train.batch_size', 'model.norm', 'seed']
    assert rows.iloc[5, :3].tolist() == [8, 'batch', 1]
    assert rows.test_accuracy[5] == RESULTS.finals['test_accuracy'][1, 1]
    part = labelled.frame(some([0, 1, 2, 4]))
    assert part['train.batch_size'].tolist() == [8] * 8 + [16] * 4 + [32] * 4


def test_a_metric_that_is_none_is_named():
    with pytest.raises(UserError, match="'test_accuracy'"):
        final(metric='test_acuracy')
