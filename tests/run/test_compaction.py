"""Runs that are done leave their groups, and no bit of any run depends on it."""

import dataclasses
import inspect
import io
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from small_setting import SMALL

from jaxtweaks import data as data_lib
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.expand import expand, grid, rounds
from jaxtweaks.lab import laboratory, replay, stored
from jaxtweaks.lab.experiment import build
from jaxtweaks.run import compaction, manifest, runner
from jaxtweaks.run.compaction import Done
from jaxtweaks.run.compiled import GroupProgram
from jaxtweaks.run.group import Execution, Interrupted
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.manifest import Manifest, describe_groups, restore_groups
from jaxtweaks.run.plan import Group, all_runs, into_groups
from jaxtweaks.run.progress import Reporter
from jaxtweaks.run.search import Rungs
from jaxtweaks.run.workdir import Workdir

EPOCHS, STEPS, SIZE = 12, 4, 2
# Everything that has a state: batch norm, Adam, dropout, a running average, snapshots, the best.
BASE = trace.replace(
    SMALL,
    {
        'train.ema_decay': 0.9,
        'train.snapshots': 3,
        'train.epochs': EPOCHS,
    },
)
RATES = grid('optim.learning_rate', 0.3, 0.003, 0.1, 1e30)
PATIENCE = {'train.patience': 2.0}
RUNGS = Rungs((2, 5), 0.5)
NO_RUNG = {'train.snapshots': 0}


@pytest.fixture(scope='module')
def machine():
    return Machine(lambda config: data_lib.load(config, print))


class Sweep:
    """Runs in groups of `SIZE`, in a folder, and what it took to train them."""

    def __init__(self, path, machine, changes, batching='vmap_loop'):
        runs = all_runs(trace.replace(BASE, changes), expand(RATES), range(2))
        off = trace.off_everywhere(run.setting for run in runs)
        self.runs = runs
        self.groups = into_groups(runs, SIZE, batching, off)
        self.machine = machine
        self.workdir = Workdir(path)
        self.workdir.lock()
        self.launch()

    def launch(self):
        data = manifest.DataRecord(label='', source='', fingerprint='')
        groups = describe_groups(self.groups)
        content = Manifest(launches=(manifest.Launch(),), data=data, groups=groups)
        manifest.write(self.workdir, content)

    def run(self, stages, chunk_seconds=2.0):
        steps = 0
        train = GroupProgram.train

        def counted(group, hyper, seeds, state, data, epoch, start, last, stop):
            nonlocal steps
            whole = (last - epoch) * group.program.steps_per_epoch
            steps += (whole + stop - start) * len(seeds)
            return train(group, hyper, seeds, state, data, epoch, start, last, stop)

        execution = Execution(chunk_seconds=chunk_seconds, checkpoint_seconds=0.0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GroupProgram, 'train', counted)
            reporter = Reporter(Console(file=io.StringIO()))
            self.groups = runner.run_groups(
                self.groups, self.workdir, self.machine, execution, reporter, stages
            )
        return steps

    def resume(self, stages, **kwargs):
        """As a new launch does: the groups are those of the manifest."""
        self.groups = restore_groups(manifest.read(self.workdir, print).groups, self.runs)
        return self.run(stages, **kwargs)

    def found(self):
        """By run id, everything that is on record of a run."""
        by_run = {}
        for group in self.groups:
            result = self.workdir.load_result(group, pytest.fail)
            for i, run in enumerate(group.runs):
                by_run[run.id] = replay.arrays_of(result, i)
        return by_run


def assert_bitwise(a, b, but=()):
    assert a.keys() == b.keys()
    for run in a:
        assert a[run].keys() == b[run].keys()
        for name in a[run].keys() - set(but):
            x, y = a[run][name], b[run][name]
            assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes()), (run, name)


@pytest.mark.parametrize('batching', ['map', 'vmap_loop'])
def test_those_who_stopped_or_diverged_leave_and_change_no_bit(tmp_path, machine, batching):
    plain = Sweep(tmp_path / 'plain', machine, PATIENCE, batching)
    every = plain.run(Done(()))
    compacted = Sweep(tmp_path / 'compacted', machine, PATIENCE, batching)
    fewer = compacted.run(Done((4, 6, 9)))
    assert_bitwise(plain.found(), compacted.found())
    assert len(plain.groups) == 4
    stops = {run: int(found['stop_epoch']) for run, found in plain.found().items()}
    assert min(stops.values()) < 6 < max(stops.values())  # there was something to leave
    assert any(group.leaves for group in compacted.groups)
    # What is measured while training goes on ends with it.
    ended = [found for found in plain.found().values() if found['diverged_at'] < 0]
    for found in ended:
        last = int(found['stop_epoch']) - 1
        assert found['running_loss'] == found['history of running_loss'][last]
    assert fewer < every
    assert not list((tmp_path / 'compacted' / 'checkpoints').iterdir())


def test_a_group_waits_at_the_stages_it_has_not_passed():
    (group,) = into_groups(all_runs(BASE, [{}], [0]), 1, 'map', frozenset())
    at = lambda stage, leaves=False: dataclasses.replace(group, stage=stage, leaves=leaves)
    next_of = lambda *args: compaction.next_stage(args[0], RUNGS, *args[1:])
    assert [next_of(at(stage)) for stage in (0, 2, 5)] == [2, 5, None]
    assert [next_of(at(0), since) for since in (2, 3, 6)] == [2, 5, None]
    assert next_of(at(2, leaves=True)) is None


def test_when_to_look_for_runs_that_are_done():
    groups = into_groups(all_runs(trace.replace(BASE, PATIENCE), [{}], [0]), 1, 'map', frozenset())
    assert Done.among(groups).epochs == (3, 5, 6, 8, 9, 11)  # eighths of 12, from 3 on
    groups = into_groups(all_runs(BASE, [{}], [0]), 1, 'map', frozenset())
    assert Done.among(groups).epochs == ()


def test_the_work_of_a_stage_grows_with_the_groups_and_not_with_their_square(monkeypatch):
    groups = into_groups(all_runs(BASE, expand(RATES), range(2)), 1, 'map', frozenset())
    stages = SimpleNamespace(epochs=(2,), compared=True, leaving=lambda standing: set())
    saved, places = SimpleNamespace(epoch=2, done=0), []
    workdir = SimpleNamespace(checkpoint_path=lambda group: group.id)
    monkeypatch.setattr(compaction, '_read', lambda path: saved)
    monkeypatch.setattr(compaction, '_standing', lambda *_: [])
    monkeypatch.setattr(compaction, 'gathered', lambda group, where, read: places.append(where))
    monkeypatch.setattr(compaction.checkpoint, 'put', lambda *_: None)
    monkeypatch.setattr(compaction.files, 'remove_generations', lambda *_: None)
    monkeypatch.setattr(compaction.manifest, 'regroup', lambda *_: None)
    # Groups are distinguished by their ids.
    monkeypatch.setattr(Group, '__eq__', lambda *_: pytest.fail('two groups were compared'))
    _, waiting = compaction.compact(groups, groups, 2, stages, workdir)
    assert len(waiting) == len(places) == len(groups) == 8
    assert all(one is places[0] for one in places)


@pytest.fixture(scope='module')
def whole(machine, tmp_path_factory):
    """All runs trained to the end, and the same with rungs: (every step, found), (steps, found)."""
    plain = Sweep(tmp_path_factory.mktemp('plain'), machine, NO_RUNG)
    every = plain.run(Done(()))
    halved = Sweep(tmp_path_factory.mktemp('halved'), machine, NO_RUNG)
    steps = halved.run(RUNGS)
    return (every, plain.found()), (steps, halved.found(), halved.groups)


def test_rungs_save_the_steps_of_those_who_were_dropped(whole):
    (every, _), (steps, _, groups) = whole
    # 4 settings of 2 seeds for 2 epochs, 2 for 3 more, 1 for 7 more.
    assert every == 8 * EPOCHS * STEPS
    assert steps == (8 * 2 + 4 * 3 + 2 * 7) * STEPS
    assert sorted((group.stage, group.leaves, len(group.runs)) for group in groups) == [
        (2, True, 2),
        (2, True, 2),
        (5, False, 2),
        (5, True, 2),
    ]


def test_who_goes_on_ends_as_without_rungs(whole):
    (_, plain), (_, halved, groups) = whole
    on = {run.id for group in groups if not group.leaves for run in group.runs}
    assert on
    assert_bitwise({run: plain[run] for run in on}, {run: halved[run] for run in on})


def test_who_is_dropped_has_what_it_had_at_the_rung(whole):
    (_, plain), (_, halved, groups) = whole
    for group in groups:
        for run in group.runs if group.leaves else ():
            curve = 'history of validation_loss'
            there, full = halved[run.id][curve], plain[run.id][curve]
            assert there[: group.stage].tobytes() == full[: group.stage].tobytes()
            assert np.isnan(there[group.stage :]).all()
            assert halved[run.id]['chosen_epoch'] <= group.stage
            if halved[run.id]['diverged_at'] < 0:
                best = full[: group.stage].min()
                assert halved[run.id]['validation_loss'] == pytest.approx(best, rel=1e-5)


def test_the_best_at_each_rung_go_on(whole):
    (_, plain), (_, _, groups) = whole
    setting_of = {run.id: run.point['optim.learning_rate'] for g in groups for run in g.runs}

    def best(epoch, among):
        losses = {}
        for run, found in plain.items():
            if setting_of[run] in among:
                loss = found['history of validation_loss'][:epoch].min()
                losses.setdefault(setting_of[run], []).append(loss)
        means = {rate: np.mean(values) for rate, values in losses.items()}
        ranked = sorted(means, key=lambda rate: means[rate] if np.isfinite(means[rate]) else 1e9)
        return ranked[: len(among) // 2]

    second = best(2, set(setting_of.values()))
    (first,) = best(5, set(second))
    on = {setting_of[run.id] for group in groups if not group.leaves for run in group.runs}
    assert on == {first}


class Stop(Exception):
    """A kill, as far as files are concerned."""


KILLS = ('save_tree', 'regroup', 'remove_generations')


@pytest.mark.parametrize('call', KILLS)
@pytest.mark.parametrize('number', [1, 2])
def test_killed_while_runs_are_put_together_again(call, number, whole, machine, tmp_path):
    sweep = Sweep(tmp_path, machine, NO_RUNG)
    module = manifest if call == 'regroup' else compaction.files
    real, calls = getattr(module, call), 0

    def stopped(*args):
        nonlocal calls
        # Of saves and removals only those count that putting together makes.
        calls += call == 'regroup' or 'compact' in {frame.function for frame in inspect.stack(0)}
        if calls == number:
            calls += 1
            raise Stop
        return real(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, call, stopped)
        with pytest.raises(Stop):
            sweep.run(RUNGS)
    sweep.resume(RUNGS)
    assert_bitwise(sweep.found(), whole[1][1])


def interrupt(sweep, stages, chunks, monkeypatch):
    """Runs until a signal comes after so many chunks of a step each."""
    came = 0

    class Asked:
        def __enter__(self):
            def asked():
                nonlocal came
                came += 1
                return 15 if came == chunks else 0

            return asked

        def __exit__(self, *exception):
            return None

    with monkeypatch.context() as patch:
        patch.setattr(runner, 'stop_on_signal', Asked)
        with pytest.raises(Interrupted):
            sweep.run(stages, chunk_seconds=1e-9)


@pytest.mark.parametrize('chunks', [1, 3, 9, 17, 33, 50])
def test_interrupted_between_rungs_and_resumed(chunks, whole, machine, tmp_path, monkeypatch):
    sweep = Sweep(tmp_path, machine, NO_RUNG)
    interrupt(sweep, RUNGS, chunks, monkeypatch)
    sweep.resume(RUNGS)
    assert_bitwise(sweep.found(), whole[1][1])


def test_interrupted_after_a_rung_at_which_nobody_left(whole, machine, tmp_path, monkeypatch):
    rungs = Rungs(RUNGS.epochs, keep=1 / 3)  # one setting goes on after the first
    sweep = Sweep(tmp_path, machine, NO_RUNG)
    interrupt(sweep, rungs, (8 * 2 // SIZE + 3 + 1) * STEPS, monkeypatch)  # an epoch after the last
    sweep.resume(rungs)
    on = {run.id for group in sweep.groups if not group.leaves for run in group.runs}
    assert len(on) == 2
    assert_bitwise({run: sweep.found()[run] for run in on}, {run: whole[0][1][run] for run in on})
    launch = manifest.read(sweep.workdir, pytest.fail).launches[-1]
    assert [(one['stage'], len(one['left'])) for one in launch.regrouped] == [(2, 6), (5, 0)]


def test_a_state_damaged_at_a_rung_is_named_and_trained_again(whole, machine, tmp_path):
    sweep = Sweep(tmp_path, machine, NO_RUNG)
    damaged, compact = [], compaction.compact

    def with_damage(*args):
        damaged.append(min((tmp_path / 'checkpoints').glob('*.ckpt')))
        damaged[0].write_bytes(b'x' + damaged[0].read_bytes()[1:])
        damaged[0].with_name(damaged[0].name + '.previous').unlink()
        return compact(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, 'compact', with_damage)
        with pytest.raises(UserError, match='was damaged after it was written') as caught:
            sweep.run(RUNGS)
    assert damaged[0].name in str(caught.value)
    sweep.resume(RUNGS)
    assert_bitwise(sweep.found(), whole[1][1])


def test_a_lost_state_is_trained_again_to_the_same_bits(whole, machine, tmp_path):
    sweep = Sweep(tmp_path, machine, NO_RUNG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction.files, 'remove_generations', lambda path: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sweep.run(RUNGS)
    for path in (tmp_path / 'checkpoints').iterdir():
        path.unlink()
    sweep.resume(RUNGS)
    assert_bitwise(sweep.found(), whole[1][1])


def test_what_is_left_of_one_round_takes_no_rung_from_the_next(whole, machine, tmp_path):
    """The result of one that had passed all rungs is lost when the next round begins."""
    (_, plain), _ = whole
    sweep = Sweep(tmp_path, machine, NO_RUNG)
    passed = dataclasses.replace(sweep.groups[0], stage=5)
    sweep.groups = [passed, *sweep.groups[1:]]
    sweep.launch()
    sweep.run(RUNGS)
    assert sweep.groups[0] == passed
    assert sorted((group.stage, group.leaves, len(group.runs)) for group in sweep.groups[1:]) == [
        (2, True, 2),  # of three settings one goes on
        (2, True, 2),
        (5, False, 2),
    ]
    on = {run.id for group in sweep.groups if not group.leaves for run in group.runs}
    assert_bitwise({run: plain[run] for run in on}, {run: sweep.found()[run] for run in on})


def experiment(**changes):
    values = {
        'name': 'searched',
        'data': {
            'name': 'digits', 'train_size': 60, 'validation_size': 60, 'test_size': 60,
        },
        'model': {'name': 'mlp', 'hidden': (8,)},
        'optim': {'name': 'sgd'},
        'train': {'epochs': 5, 'batch_size': 20, 'select': 'best_accuracy'},
        'sweep': grid('optim.learning_rate', 1e-3, 1e-2, 1e-1, 1.0),
        'seeds': 2,
        'search': {'rounds': 2, 'samples': 3, 'rungs': (2,)},
        'execution': {'batching': 'map'},
    }  # fmt: skip
    return build(values | changes)


def carried_out(path, asked=None, **kwargs):
    console = Console(file=io.StringIO(), width=200)
    answer = laboratory.run(asked or experiment(), path, console, command='x', **kwargs)
    return answer, console.file.getvalue()


@pytest.fixture(scope='module')
def searched(tmp_path_factory):
    path = tmp_path_factory.mktemp('searched')
    return path, *carried_out(path)


def test_a_search_of_two_rounds(searched):
    path, answer, said = searched
    assert 'then 1 round of 3 settings' in said
    assert len(answer.measured.settings) == 7
    rates = [setting['optim.learning_rate'] for setting in answer.measured.settings]
    assert rates[:4] == [1e-3, 1e-2, 1e-1, 1.0]
    dropped = answer.measured.final('dropped_after')
    assert sorted(dropped[:4].mean(1)) == [0, 2, 2, 2]  # a third of four is one
    assert sorted(dropped[4:].mean(1)) == [0, 2, 2]
    # The second round lies around the best of the first: 0.3 of three decades wide.
    best = rates[int(np.argmin(dropped[:4].mean(1)))]
    assert np.abs(np.log10(np.array(rates[4:]) / best)).max() <= 0.45
    launches = manifest.read(Workdir(path), pytest.fail).launches
    assert len(launches) == 1


def test_the_choice_of_a_search(searched):
    _, answer, said = searched
    scores = answer.measured.final('validation_accuracy').mean(1)
    kept = answer.measured.final('dropped_after').max(1) == 0
    best = answer.measured.settings[int(np.where(kept, scores, -1).argmax())]
    assert answer.choice.setting == best
    assert (answer.choice.tried, answer.choice.dropped) == (7, 5)
    assert 'The setting chosen' in said
    assert 'test loss' not in said
    page = (answer.folder / 'report.html').read_text()
    assert 'The setting chosen' in page
    assert 'dropped after epoch' in page


def test_again_it_only_tells_what_it_found(searched):
    path, answer, _ = searched
    again, said = carried_out(path)
    groups = len(list((path / 'results').iterdir()))
    assert f'{groups} of {groups} groups finished before' in said
    assert again.choice.setting == answer.choice.setting
    loaded = stored.load(path, pytest.fail)
    assert loaded.choice.setting == answer.choice.setting
    np.testing.assert_array_equal(loaded['validation_loss'].values, again['validation_loss'].values)


def test_every_run_of_a_search_can_be_replayed(searched):
    path, answer, _ = searched
    console = Console(file=io.StringIO())
    for run in answer.rows['runs']['run'].to_pylist()[::5]:
        assert replay.run(path, run, console, quiet=True), console.file.getvalue()


def test_nothing_is_added_to_settings_that_were_compared(searched):
    path, _, _ = searched
    with pytest.raises(UserError, match='no seeds or settings can be added'):
        carried_out(path, experiment(seeds=3))


def test_a_round_can_be_added(searched, tmp_path):
    first, _ = carried_out(tmp_path, experiment(search={'rounds': 1}))
    before = first.measured.final('validation_loss')
    second, _ = carried_out(tmp_path, experiment(search={'rounds': 2, 'samples': 3}))
    assert len(second.measured.settings) == 7
    np.testing.assert_array_equal(second.measured.final('validation_loss')[:4], before)


@pytest.mark.usefixtures('quickly_compiled')
def test_around_the_highest_value_there_is_all_settings_lie_below_it(tmp_path):
    """The best has the highest share, above which there is nothing to draw from."""
    asked = experiment(
        sweep=grid('data.share', 0.02, 1.0), optim={'name': 'adam', 'learning_rate': 0.03},
        search={'rounds': 2, 'samples': 4, 'rungs': (3,), 'keep': 0.5}, seeds=1,
    )  # fmt: skip
    answer, said = carried_out(tmp_path, asked)
    shares = [setting['data.share'] for setting in answer.measured.settings]
    assert len(set(shares)) == len(shares) == 6
    assert all(0.5 < share < 1 for share in shares[2:])
    assert 'there already' not in said


@pytest.mark.usefixtures('quickly_compiled')
def test_rounds_that_a_config_gives_are_trained(tmp_path):
    rate = 'optim.learning_rate'
    given = {'sweep': rounds(grid(rate, 0.1), grid(rate, 0.2, 0.3)), 'search': {}}
    for _ in range(2):
        answer, _ = carried_out(tmp_path, experiment(**given))
        assert [point[rate] for point in answer.measured.settings] == [0.1, 0.2, 0.3]
        assert np.isfinite(answer.measured.final('test_loss')).all()


@pytest.mark.usefixtures('quickly_compiled')
def test_a_search_in_which_all_diverge_ends(tmp_path):
    asked = experiment(sweep=grid('optim.learning_rate', 1e30, 1e35), search={'rounds': 3})
    answer, said = carried_out(tmp_path, asked)
    assert answer.choice is None
    assert 'every run of the search has diverged' in said
