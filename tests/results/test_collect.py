"""The results of groups, put on the axes (setting, seed, epoch)."""

import dataclasses

import numpy as np
import pytest

from jaxtweaks.config import trace
from jaxtweaks.config.expand import expand, grid
from jaxtweaks.config.settings import Setting
from jaxtweaks.data import Dataset
from jaxtweaks.data.dataset import Split
from jaxtweaks.results.collect import collect
from jaxtweaks.run.plan import all_runs
from jaxtweaks.run.result import GroupResult

EPOCHS = 4


def split_of(labels):
    return Split(np.zeros((len(labels), 8, 8, 1), np.uint8), np.asarray(labels, np.int32))


DATA = Dataset(
    label='digits (stand-in for CIFAR-10)',
    training=split_of([0, 0, 1, 2, 2, 2]),
    validation=split_of([1]),
    test=split_of([0, 1]),
    classes=('a', 'b', 'c'),
    source='here',
    fingerprint='f',
    fallback=True,
)


def runs_of(field='dropout.hidden', values=(0.0, 0.5), seeds=3):
    base = trace.replace(Setting(), {'train.epochs': EPOCHS, 'train.batch_size': 4})
    return all_runs(base, expand(grid(field, *values)), range(10, 10 + seeds))


def number(run):
    """A number of its own for each run of the tests."""
    return 10 * sorted({0.0, 0.5}).index(run.setting.dropout.hidden) + run.seed


def group_of(runs, diverged=(), epochs=None):
    """What a finished group leaves behind; `diverged`: (column, step, epoch) of runs."""
    count = len(runs)
    epochs = epochs or runs[0].setting.train.epochs
    numbers = np.array([number(run) for run in runs], np.float32)
    loss = numbers + np.arange(epochs, dtype=np.float32)[:, None] / 10
    result = GroupResult(
        runs=tuple(run.id for run in runs),
        history={'running_loss': loss.copy(), 'validation_loss': loss + 100},
        finals={'test_loss': numbers + 1000},
        chosen_epoch=np.arange(1, count + 1, dtype=np.int32),
        diverged_at=np.full(count, -1, np.int32),
        seconds=1.0,
        confusion=np.tile(numbers.astype(np.int32)[:, None, None], (1, 3, 3)),
    )
    for column, step, epoch in diverged:
        result.diverged_at[column] = step
        result.history['running_loss'][epoch:, column] = np.nan
    return result


def test_a_run_that_two_points_name_is_in_both_places():
    runs = runs_of('data.dir', ('/here', '/there'), seeds=2)
    assert runs[0].id == runs[2].id
    found = collect(runs, [group_of(runs[:2])], DATA)
    assert found.finals['test_loss'].tolist() == [[1010, 1011], [1010, 1011]]


def test_every_run_is_in_its_place_however_it_was_grouped():
    runs = runs_of()
    mixed = [runs[i] for i in (5, 0, 3, 2, 4, 1)]
    found = collect(runs, [group_of(mixed[:2]), group_of(mixed[2:])], DATA)
    expected = np.array([[10, 11, 12], [20, 21, 22]])
    assert found.settings == ({'dropout.hidden': 0.0}, {'dropout.hidden': 0.5})
    assert found.seeds.tolist() == [10, 11, 12]
    assert found.epochs.tolist() == [1, 2, 3, 4]
    assert np.array_equal(found.finals['test_loss'], expected + 1000)
    assert np.array_equal(found.confusion[:, :, 1, 2], expected)
    curve = expected[..., None] + np.arange(EPOCHS) / 10
    assert np.allclose(found.curves['running_loss'], curve, rtol=1e-6)
    assert np.allclose(found.curves['validation_loss'], curve + 100, rtol=1e-6)
    assert (found.chosen_epoch[1, 2], found.chosen_epoch[0, 0]) == (1, 2)
    assert not found.diverged.any()


def test_room_for_a_metric_is_made_once_for_all_runs(monkeypatch):
    groups, made, full = [group_of([run]) for run in runs_of()], [], np.full
    monkeypatch.setattr(np, 'full', lambda *args: made.append(args) or full(*args))
    found = collect(runs_of(), groups, DATA)
    assert len(made) == len({**found.curves, **found.finals, 'diverged_at': None})


def test_which_runs_were_carried_out_is_found_out_once():
    found = collect(runs_of(), [group_of(runs_of()[1:], diverged=[(1, 0, 0)])], DATA)
    assert found.carried_out.tolist() == [[False, True, True], [True, True, True]]
    assert found.diverged.sum() == 1
    assert found.carried_out is found.carried_out
    assert found.diverged is found.diverged
    assert [found.runs_of(k) for k in (0, 1)] == [2, 3]


def test_what_the_data_are_is_carried_along():
    found = collect(runs_of(), [group_of(runs_of())], DATA)
    assert (found.data_label, found.fallback, found.classes) == (DATA.label, True, DATA.classes)
    assert found.label_counts['training'].tolist() == [2, 1, 3]
    assert found.label_counts['validation'].tolist() == [0, 1, 0]
    assert found.label_counts['test'].tolist() == [1, 1, 0]


def test_a_run_that_is_missing_is_nan_and_not_diverged():
    runs = runs_of()
    found = collect(runs, [group_of(runs[1:])], DATA)
    assert np.isnan(found.finals['test_loss'][0, 0])
    assert np.isnan(found.curves['running_loss'][0, 0]).all()
    assert np.isfinite(found.finals['test_loss']).sum() == 5
    assert found.diverged_at[0, 0] == -1


@pytest.mark.parametrize('epoch', range(EPOCHS))
def test_a_run_that_diverged_has_no_value_from_that_epoch_on(epoch):
    """Evaluation may find finite numbers after a step that was not; they are not believed."""
    runs = runs_of()
    step = 2 * epoch + 1  # two steps an epoch
    found = collect(runs, [group_of(runs, diverged=[(4, step, epoch)])], DATA)
    kept = np.isfinite(found.curves['validation_loss'][1, 1])
    assert kept.tolist() == [i < epoch for i in range(EPOCHS)]
    assert np.isnan(found.finals['test_loss'][1, 1])
    assert found.diverged_at[1, 1] == step
    others = np.delete(found.curves['validation_loss'].reshape(6, EPOCHS), 4, axis=0)
    assert np.isfinite(others).all()


def test_a_run_trained_on_less_data_diverges_in_its_own_epochs():
    """The steps of an epoch are those of the run's training set, not of the experiment's."""
    runs = runs_of('data.train_size', (6, 3), seeds=1)
    groups = [group_of(runs[:1]), group_of(runs[1:], diverged=[(0, 2, 2)])]
    found = collect(runs, groups, DATA)
    assert np.isfinite(found.curves['running_loss'][1, 0]).tolist() == [True, True, False, False]


def test_settings_with_fewer_epochs_end_in_nan():
    runs = runs_of('train.epochs', (2, 4), seeds=1)
    found = collect(runs, [group_of(runs[:1]), group_of(runs[1:])], DATA)
    curve = found.curves['running_loss']
    assert np.isfinite(curve[:, 0]).tolist() == [[True, True, False, False], [True] * 4]


def test_arrays_lie_where_their_runs_do_and_the_smaller_are_filled_up():
    runs = runs_of(seeds=2)
    first, second = group_of(runs[:2]), group_of(runs[2:], diverged=[(1, 0, 0)])
    first.arrays.update(logits=np.arange(8, dtype=np.float32).reshape(2, 2, 2))
    second.arrays.update(
        logits=np.full((2, 3, 2), 9, np.float32), counts=np.array([[1], [2]], np.int32)
    )
    found = collect(runs, [first, second], DATA)
    assert found.arrays['logits'].shape == (2, 2, 3, 2)
    assert found.arrays['logits'].dtype == np.float32
    assert found.arrays['logits'][0, 1, :2].tolist() == [[4, 5], [6, 7]]
    assert np.isnan(found.arrays['logits'][0, 1, 2]).all()
    assert (found.arrays['logits'][1, 0] == 9).all()
    assert np.isnan(found.arrays['logits'][1, 1]).all()  # it diverged
    assert found.arrays['counts'].dtype == np.float64
    assert found.arrays['counts'][1, 0] == 1
    assert np.isnan(found.arrays['counts'][0]).all()


def test_the_axis_is_as_long_as_what_was_measured():
    runs = runs_of()
    found = collect(runs, [group_of(runs, epochs=7)], DATA, axis='layer')
    assert found.epochs.tolist() == list(range(1, 8))
    assert found.axis == 'layer'


def test_a_run_ruined_by_its_last_step_keeps_its_curves():
    runs = runs_of()
    group = group_of(runs)
    group.diverged_at[0] = 8
    found = collect(runs, [group], DATA)
    assert np.isfinite(found.curves['running_loss'][0, 0]).all()
    assert np.isnan(found.finals['test_loss'][0, 0])


def test_pairs_of_numbers_come_with_their_plane():
    grid = np.arange(12, dtype=np.float32).reshape(6, 1, 2, 1)
    points = Split(np.ones((6, 1, 2, 1), np.float32), DATA.training.labels)
    found = collect(runs_of(), [], dataclasses.replace(DATA, grid=grid, training=points))
    assert found.plane.grid.tolist() == [[i, i + 1] for i in range(0, 12, 2)]
    assert found.plane.points.shape == (6, 2)
    assert found.plane.classes.tolist() == [0, 0, 1, 2, 2, 2]
    assert collect(runs_of(), [], DATA).plane is None
    assert found.labels['test'].tolist() == [0, 1]
