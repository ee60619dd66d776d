"""Training interrupted anywhere and resumed ends bitwise where it would have ended."""

import dataclasses
import gc
import itertools
import weakref

import jax
import numpy as np
import pytest
from small_setting import SMALL

from benchmarks.faults import disk
from jaxtweaks import data as data_lib
from jaxtweaks.config import trace
from jaxtweaks.config.expand import expand, grid
from jaxtweaks.lab import replay
from jaxtweaks.run import checkpoint, executables, files, runner
from jaxtweaks.run.compiled import stack_runs
from jaxtweaks.run.group import Execution, Interrupted, train_group
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.plan import Group, all_runs
from jaxtweaks.run.progress import Reporter
from jaxtweaks.train import program

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

# Everything that has a state: batch norm, Adam, a schedule, dropout, the best parameters so far.
BASE = trace.replace(
    SMALL,
    {
        'optim.name': 'adamw',
        'adamw.weight_decay': 0.01,
        'optim.learning_rate': 0.02,
        'schedule.name': 'triangular',
        'triangular.half_cycle_epochs': 1.5,
        'schedule.warmup_epochs': 0.5,
        'train.epochs': 3,
    },
)
STEPS = 4  # an epoch: 50 images in batches of 16
SHARES = {}  # by checkpoint, how much of all work was reported as done
ALWAYS = Execution(chunk_seconds=1e-9, checkpoint_seconds=0.0)  # one step a chunk, each saved


class Quiet(Reporter):
    def __init__(self):
        super().__init__(None)
        self.notes, self.done, self.need_not_be = [], 0.0, 0.0

    def resumed(self, work):
        self.done += work

    def advance(self, work, now):
        self.done += work

    def dropped(self, work):
        self.need_not_be += work

    def note(self, text):
        self.notes.append(text)


@pytest.fixture(scope='module')
def machine():
    return Machine(lambda config: data_lib.load(config, print))


def group_of(base=BASE, batching='vmap_loop'):
    runs = all_runs(base, expand(grid('dropout.hidden', 0.3, 0.5)), range(2))
    return Group(tuple(runs[:3]), 4, batching, trace.off_everywhere(run.setting for run in runs))


def train(group, machine, path, asked_to_stop=lambda: 0, execution=ALWAYS):
    reporter = Quiet()
    result = train_group(
        group,
        machine.compiled(group),
        machine.data(group.static.data),
        path,
        execution,
        asked_to_stop,
        reporter,
    )
    assert result.seconds > 0  # the only part that may differ
    work = runner._work([group], [], machine, None)[group.id]
    assert reporter.done + reporter.need_not_be == pytest.approx(work)
    SHARES[path] = reporter.done / work
    return dataclasses.replace(result, seconds=0.0), reporter.notes


def stop_after(chunks, signal=15):
    count = itertools.count(1)
    return lambda: signal if next(count) == chunks else 0


def interrupted(group, machine, path, chunks):
    with pytest.raises(Interrupted) as caught:
        train(group, machine, path, stop_after(chunks))
    return caught.value


def assert_bitwise(a, b):
    a, b = ({**one.to_tree(), 'variables': one.variables} for one in (a, b))
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for (key, x), y in zip(jax.tree_util.tree_leaves_with_path(a), jax.tree.leaves(b), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes()), key


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.fixture(scope='module')
def uninterrupted(machine, tmp_path_factory):
    path = tmp_path_factory.mktemp('whole') / 'a.ckpt'
    return train(group_of(), machine, path, execution=Execution())[0]


def test_the_result_is_worth_comparing(uninterrupted):
    assert uninterrupted.history['validation_loss'].shape == (3, 3)
    assert uninterrupted.confusion.shape == (3, 10, 10)
    assert uninterrupted.confusion.sum() == 3 * 40
    assert (uninterrupted.diverged_at == -1).all()
    assert np.isfinite(uninterrupted.history['running_loss']).all()
    assert len(set(uninterrupted.finals['test_loss'].tolist())) == 3


@pytest.mark.parametrize('chunks', [1, 3, 4, 5, 8, 10, 3 * STEPS])
def test_stopped_after_any_step_and_resumed(machine, uninterrupted, tmp_path, chunks):
    path = tmp_path / 'a.ckpt'
    stop = interrupted(group_of(), machine, path, chunks)
    assert stop.signal == 15
    saved = files.load_tree(path)
    assert (saved['epoch'], saved['done']) == divmod(chunks, STEPS)
    result, notes = train(group_of(), machine, path)
    assert notes == []
    assert_bitwise(result, uninterrupted)


def test_stopped_after_every_step(machine, uninterrupted, tmp_path):
    path = tmp_path / 'a.ckpt'
    for _ in range(3 * STEPS):
        interrupted(group_of(), machine, path, 1)
    assert_bitwise(train(group_of(), machine, path)[0], uninterrupted)


def test_a_process_of_its_own_can_resume(uninterrupted, machine, tmp_path):
    """What was compiled before the interruption is not needed, nor the arrays on the device."""
    path = tmp_path / 'a.ckpt'
    interrupted(group_of(), machine, path, 6)
    fresh = Machine(lambda config: data_lib.load(config, print))
    assert_bitwise(train(group_of(), fresh, path)[0], uninterrupted)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(machine, uninterrupted, tmp_path):
    path = tmp_path / 'a.ckpt'
    interrupted(group_of(), machine, path, 7)
    flip(path)
    result, notes = train(group_of(), machine, path)
    assert len(notes) == 1
    assert 'damaged' in notes[0]
    assert_bitwise(result, uninterrupted)


def test_without_a_good_checkpoint_the_group_starts_again(machine, uninterrupted, tmp_path):
    path = tmp_path / 'a.ckpt'
    interrupted(group_of(), machine, path, 7)
    for file in tmp_path.iterdir():
        flip(file)
    result, notes = train(group_of(), machine, path)
    assert len(notes) == 2
    assert_bitwise(result, uninterrupted)


def test_a_checkpoint_of_another_network_is_not_believed(machine, uninterrupted, tmp_path):
    path = tmp_path / 'a.ckpt'
    other = trace.replace(BASE, {'model.hidden': (5,)})
    interrupted(group_of(other), machine, path, 2)
    result, notes = train(group_of(), machine, path)
    assert 'another version' in notes[0]
    assert_bitwise(result, uninterrupted)


def test_runs_that_leave_have_their_averages_over_masks_and_are_counted(machine, tmp_path):
    group = group_of(trace.replace(BASE, {'train.mc_samples': (2,)}), 'map')
    leaving = dataclasses.replace(group, stage=1, leaves=True)
    assert (
        machine.work(group, 1 / 3) > machine.work(group) / 3
    )  # a third of the epochs, and all masks
    found, _ = train(leaving, machine, tmp_path / 'a.ckpt')
    assert np.isfinite(found.finals['mc_2_test_loss']).all()


def test_stopped_within_the_averages_over_masks_and_resumed(machine, tmp_path):
    """A thousand masks take minutes: they go on from the one that was the last."""
    changes = {'train.epochs': 1, 'train.mc_samples': (5, 2)}
    group = group_of(trace.replace(BASE, changes), 'map')
    whole, _ = train(group, machine, tmp_path / 'whole.ckpt', execution=Execution())
    assert (whole.finals['mc_2_test_loss'] != whole.finals['mc_5_test_loss']).all()
    for masks in (1, 2, 5):
        path = tmp_path / f'{masks}.ckpt'
        interrupted(group, machine, path, STEPS + masks)
        saved = files.load_tree(path)
        assert (saved['epoch'], saved['done'], saved['masks']) == (1, 0, masks)
        assert ('mc_2_test_loss' in saved['over_masks']) == (masks >= 2)
        result, notes = train(group, machine, path)
        assert notes == []
        assert_bitwise(result, whole)
    # By fewer runs side by side, where memory lacks: each takes its own averages with it.
    path = tmp_path / 'halves.ckpt'
    interrupted(group, machine, path, STEPS + 3)
    saved = checkpoint.read(path, pytest.fail)
    alone = dataclasses.replace(group, runs=group.runs[2:], size=1)
    checkpoint.put(tmp_path / 'alone.ckpt', saved.columns([2]))
    found, _ = train(alone, machine, tmp_path / 'alone.ckpt')
    np.testing.assert_array_equal(
        found.finals['mc_2_test_loss'], whole.finals['mc_2_test_loss'][2:]
    )
    np.testing.assert_allclose(
        found.finals['mc_5_test_loss'], whole.finals['mc_5_test_loss'][2:], rtol=1e-5
    )
    joined = checkpoint.joined([saved.columns([i]) for i in range(3)])
    assert jax.tree.all(jax.tree.map(np.array_equal, joined.means, saved.columns(range(3)).means))


def test_a_call_of_few_epochs_ends_as_one_of_many(machine, tmp_path, monkeypatch):
    """What a call returns of its epochs is capped: a chunk may be no longer."""
    group = group_of(trace.replace(BASE, {'train.epochs': 7}), 'map')
    endless = Execution(chunk_seconds=1e9)
    whole, _ = train(group, machine, tmp_path / 'whole.ckpt', execution=endless)
    monkeypatch.setattr(program, '_MOST_EPOCHS', 2)
    fresh = Machine(lambda config: data_lib.load(config, print))
    assert fresh.compiled(group).program.epochs_at_once == 2
    capped, _ = train(group, fresh, tmp_path / 'a.ckpt', execution=endless)
    assert capped.history['validation_loss'].shape == (7, 3)
    assert np.isfinite(capped.history['validation_loss']).all()
    assert_bitwise(capped, whole)


@pytest.mark.parametrize('batching', ['map'])
def test_momentum_and_turns(machine, tmp_path, batching):
    base = trace.replace(
        BASE,
        {
            'optim.name': 'momentum',
            'train.select': 'last',
            'schedule.name': 'cosine',
        },
    )
    group = group_of(base, batching)
    whole, _ = train(group, machine, tmp_path / 'whole.ckpt', execution=Execution())
    interrupted(group, machine, tmp_path / 'a.ckpt', 6)
    assert_bitwise(train(group, machine, tmp_path / 'a.ckpt')[0], whole)
    assert whole.chosen_epoch.tolist() == [3, 3, 3]


# More that has a state: momentum, patience with its counters, a running average, snapshots.
MORE = trace.replace(
    BASE,
    {
        'optim.name': 'momentum',
        'schedule.name': 'cosine',
        'schedule.warmup_epochs': 0.5,
        'shift.pixels': 1.0,
        'noise.labels': 0.1,
        'train.patience': 1.0,
        'train.min_improvement': 0.5,
        'train.ema_decay': 0.9,
        'train.swa_start': 2,
        'train.snapshots': 2,
        'train.keep_logits': True,
        'train.keep_parameters': True,
        'train.epochs': 5,
    },
)


def test_killed_at_any_operation_of_writing_and_resumed(machine, tmp_path):
    """20 kills, in chains of 5, each while a checkpoint is opened, written, flushed or renamed.

    For the disk it is a kill: nothing is cleaned up.
    """
    group, rng, left = group_of(MORE, 'map'), np.random.default_rng(3), 0
    whole, _ = train(group, machine, tmp_path / 'whole.ckpt', execution=Execution())
    assert 0 < whole.finals['stop_epoch'].min() < 5
    # Epochs that are omitted, since all have stopped, are no work that was done.
    train(group, machine, tmp_path / 'steps.ckpt')
    trained = np.isfinite(whole.history['validation_loss']).any(1).mean()
    assert SHARES[tmp_path / 'steps.ckpt'] == pytest.approx(trained)
    assert trained < 1
    for chain in range(4):
        path = tmp_path / str(chain) / 'a.ckpt'
        for _ in range(5):
            with pytest.raises(disk.Killed), disk.LastDisk(rng.integers(5, 25)).mounted():
                train(group, machine, path)
            left += len(list(path.parent.glob('.*.tmp')))
        result, notes = train(group, machine, path)
        assert notes == []
        assert_bitwise(result, whole)
    assert left > 0  # some of the kills were inside a save


@pytest.mark.parametrize('batching', ['map', 'threads', 'vmap_loop'])
def test_a_run_that_stops_early_is_the_same_however_long_its_group_goes_on(
    machine, tmp_path, batching
):
    """What is averaged and kept along the way included."""
    base = trace.replace(
        BASE,
        {
            'train.patience': 1.0,
            'train.min_improvement': 0.05,
            'train.ema_decay': 0.9,
            'train.swa_start': 1,
            'train.snapshots': 3,
            'train.keep_parameters': True,
            'train.epochs': 6,
        },
    )
    runs = all_runs(base, expand(grid('optim.learning_rate', 0.0, 0.01, 1e-7)), range(1))
    off = trace.off_everywhere(run.setting for run in runs)
    together, _ = train(Group(tuple(runs), 3, batching, off), machine, tmp_path / 'a.ckpt')
    stops = together.finals['stop_epoch'].tolist()
    assert min(stops) < max(stops)
    for i, run in enumerate(runs):
        alone, _ = train(Group((run,), 3, batching, off), machine, tmp_path / f'{i}.ckpt')
        assert list(replay.differences(together, i, alone)) == []


def test_a_run_that_diverges_resumes_as_diverged(machine, tmp_path):
    base = trace.replace(BASE, {'optim.name': 'sgd'})
    runs = all_runs(base, expand(grid('optim.learning_rate', 0.02, 1e30)), range(1))
    group = Group(tuple(runs), 2, 'vmap_loop', frozenset())
    whole, _ = train(group, machine, tmp_path / 'whole.ckpt', execution=Execution())
    assert whole.diverged_at[0] == -1
    assert 0 <= whole.diverged_at[1] < STEPS
    interrupted(group, machine, tmp_path / 'a.ckpt', 6)
    assert_bitwise(train(group, machine, tmp_path / 'a.ckpt')[0], whole)


def test_programs_for_data_of_other_sizes_are_not_mixed_up(machine, tmp_path):
    """The first program is the same to the letter for any test set, but not its arguments."""
    sizes = (40, 30)
    for size in sizes:
        base = trace.replace(BASE, {'data.test_size': size, 'train.epochs': 1})
        result, _ = train(group_of(base), machine, tmp_path / f'{size}.ckpt')
        assert result.confusion.sum() == 3 * size


def test_programs_that_no_group_needs_any_more_are_dropped_with_their_executables():
    """A process has only so many memory mappings, and every executable takes some."""
    machine = Machine(lambda config: data_lib.load(config, print))
    others = set(executables._made)
    base = trace.replace(BASE, {'model.hidden': (9,)})  # like no other program here
    done, coming = group_of(base, 'map'), group_of(base, 'vmap_loop')
    for group in (done, coming):
        hyper, seeds = stack_runs(group.padded(), group.off)
        machine.compiled(group).init(hyper, seeds, machine.data(group.static.data))
    kept, dropped = machine.compiled(coming), weakref.ref(machine.compiled(done))
    assert machine.compiled(done) is dropped()
    machine.keep_only([coming])
    gc.collect()
    assert dropped() is None
    assert machine.compiled(coming) is kept
    assert set(executables._made) > others
    del kept
    machine.keep_only([])
    gc.collect()
    assert set(executables._made) <= others
