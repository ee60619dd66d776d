"""Data on the device: everything of the data set, standardised and scaled as the config says."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxtweaks import data as data_lib
from jaxtweaks.config import settings
from jaxtweaks.run.machine import Machine

SIZES = {'train_size': 50, 'validation_size': 20, 'test_size': 30}


def on_device(**config):
    config = settings.Data(**(SIZES | config))
    return Machine(data_lib.load).data(config), data_lib.load(config)


def test_splits_probes_and_grid_are_there():
    found, dataset = on_device(name='patterns')
    splits = {name: getattr(dataset, name) for name in ('training', 'validation', 'test')}
    for name, split in splits.items():
        np.testing.assert_array_equal(getattr(found, name).images, split.images)
        np.testing.assert_array_equal(getattr(found, name).labels, split.labels)
    assert set(found.probes) == {'p_only', 'q_only', 'both'}
    for name, probe in found.probes.items():
        np.testing.assert_array_equal(probe.images, dataset.probes[name].images)
        np.testing.assert_array_equal(probe.labels, dataset.probes[name].labels)
    assert found.grid is None
    found, dataset = on_device(name='circles')
    assert found.probes == {}
    np.testing.assert_array_equal(found.grid, dataset.grid)


@pytest.mark.parametrize(
    'config',
    [{'name': 'digits'}, {'name': 'patterns'}, {'name': 'circles'}, {'name': 'digits', 'folds': 5}],
)
def test_the_bytes_of_the_data_are_known_before_they_are_on_the_device(config):
    machine, config = Machine(data_lib.load), settings.Data(**SIZES, **config)
    forecast = machine.data_bytes(config)
    assert machine.held_bytes() == 0
    found = jax.tree.leaves(machine.data(config))
    assert forecast == machine.held_bytes() == sum(np.asarray(leaf).nbytes for leaf in found)


@pytest.mark.parametrize('scale', [1.0, 0.01])
def test_scale_multiplies_what_is_standardised(scale):
    found, dataset = on_device(name='circles', scale=scale)
    inputs = (dataset.training.images - found.mean) * found.inverse_std
    np.testing.assert_allclose(inputs.mean((0, 1, 2)), 0, atol=1e-5 * scale)
    np.testing.assert_allclose(inputs.std((0, 1, 2)), scale, rtol=1e-4)
    assert found.inverse_std.dtype == np.float32


def test_raw_data_stay_as_they_are():
    found, dataset = on_device(name='circles', standardise='none')
    inputs = (dataset.training.images - found.mean) * found.inverse_std
    np.testing.assert_array_equal(inputs, dataset.training.images)


def test_a_data_set_is_loaded_once_for_all_that_is_done_with_it():
    """Every field says which it is: one that is added must be distinguished here too."""
    loaded = []

    def load(config):
        loaded.append(config)
        return data_lib.load(config)

    machine = Machine(load)
    config = settings.Data(**SIZES, name='digits')
    dataset = machine.dataset(config)
    after = {
        'share': 0.5, 'bootstrap': 0.5, 'label_noise': 0.5, 'scale': 0.1, 'standardise': 'unit',
        'folds': 3, 'fold': 1, 'standardise_targets': False,
    }  # fmt: skip
    for name, value in after.items():
        assert machine.dataset(dataclasses.replace(config, **{name: value})) is dataset
    assert machine.dataset(dataclasses.replace(config, share=None)) is dataset  # static part
    assert len(loaded) == 1
    before = {
        'name': 'circles', 'dir': 'x', 'download': False, 'fallback': 'none', 'train_size': 51,
        'validation_size': 21, 'test_size': 31, 'split': 'random', 'split_seed': 1,
    }  # fmt: skip
    for number, (name, value) in enumerate(before.items(), 2):
        machine.dataset(dataclasses.replace(config, **{name: value}))
        assert len(loaded) == number
    assert after.keys() | before.keys() == {one.name for one in dataclasses.fields(settings.Data)}
