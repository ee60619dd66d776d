"""A group too large for the memory is halved; what was finished stays, and the record says so."""

import dataclasses
import json
import os
import shutil
import types

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from small_setting import SMALL

from benchmarks.faults import tiny
from jaxtweaks import app
from jaxtweaks import data as data_lib
from jaxtweaks.base import limits, provenance
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.run import checkpoint, compiled, group, layout, memory, training
from jaxtweaks.run.compiled import GroupProgram
from jaxtweaks.run.group import Execution
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.plan import Group, all_runs, halved
from jaxtweaks.run.progress import Reporter
from jaxtweaks.run.search import Search

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

FULL = 'RESOURCE_EXHAUSTED: Out of memory allocating 123456 bytes.\nand a table of them'


def lack(runs_at_once, after_epoch=0, calls=None, after_step=0):
    """A GroupProgram.train for which there is only room for so many runs from a step on."""
    train = GroupProgram.train

    def limited(self, hyper, seeds, state, data, epoch, *to):
        if calls is not None:
            calls.append((len(seeds), epoch))
        if len(seeds) > runs_at_once and (epoch, to[0]) >= (after_epoch, after_step):
            raise jax.errors.JaxRuntimeError(FULL)
        return train(self, hyper, seeds, state, data, epoch, *to)

    return limited


def lack_at_end(runs_at_once, calls):
    """A GroupProgram.finish for which there is only room for so many runs."""
    finish = GroupProgram.finish

    def limited(self, hyper, seeds, state, data):
        calls.append(('finish', len(seeds)))
        if len(seeds) > runs_at_once:
            raise jax.errors.JaxRuntimeError(FULL)
        return finish(self, hyper, seeds, state, data)

    return limited


def launch(capsys, workdir, *args):
    capsys.readouterr()
    given = [f'--config={tiny.__file__}', f'--workdir={workdir}', '--config.train.epochs=3']
    code = app.main(['main.py', *given, *args])
    out, err = capsys.readouterr()
    return code, ' '.join(out.split()), err


def rows(workdir):
    return pq.read_table(workdir / 'runs.parquet').to_pydict()


def test_what_lacks_memory():
    assert memory.is_exhausted(MemoryError())
    assert memory.is_exhausted(jax.errors.JaxRuntimeError(FULL))
    assert not memory.is_exhausted(jax.errors.JaxRuntimeError('INTERNAL: RESOURCES'))
    assert not memory.is_exhausted(ValueError('RESOURCE_EXHAUSTED'))


@pytest.fixture
def needs():
    """Bytes of a group of so many runs, and how many are trained at once."""

    plain = {'model.norm': 'none', 'dropout.hidden': 0.0, 'optim.name': 'sgd'}
    setting, kept = trace.replace(SMALL, plain), []  # kept: nothing is compiled twice

    def measure(runs, batching='threads'):
        at_once, run = [], GroupProgram._run

        def counted(self, function, own, *others):
            at_once.append(runs // compiled._runs(own))
            return run(self, function, own, *others)

        all_of_them = tuple(all_runs(setting, [{}], range(runs)))
        group = Group(all_of_them, runs, batching, trace.off_everywhere([setting]))
        machine = Machine(lambda config: data_lib.load(config, print))
        kept.append(machine)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GroupProgram, '_run', counted)
            memory.probe(group, machine.compiled(group), machine.data(setting.data))
        return machine.compiled(group).memory(), max(at_once)

    return measure


def test_threads_are_counted_that_have_something_to_do(needs, monkeypatch):
    cores = lambda count: monkeypatch.setattr(limits, 'cores', lambda: count)
    cores(2)
    two, at_once = needs(2)
    assert at_once == 2
    cores(64)
    assert needs(2) == (two, 2)
    # Twice the states, and what a step needs besides them for each.
    together, _ = needs(2, 'map')
    assert together < two < 3 * together


def test_as_many_threads_as_there_are_cores_for_this_process(monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {3, 5, 7}, raising=False)
    monkeypatch.setattr(os, 'cpu_count', lambda: 64)
    assert GroupProgram(None, 'threads')._threads == 3
    assert 'CPU, 3 cores' in provenance.device()


def test_what_else_the_machine_does_meanwhile_is_not_measured(monkeypatch):
    """A step takes a millisecond; at the third measurement something else has the cores."""
    now, calls = [0.0], []

    class Stub:
        program = types.SimpleNamespace(
            static=types.SimpleNamespace(train=types.SimpleNamespace(batch_size=8)),
            steps_per_epoch=3,
        )

        def init(self, hyper, seeds, data):
            return 0

        def train(self, *args):
            now[0] += 2.0
            return 0, {}

        def steps_alone(self, hyper, seeds, state, data, steps):
            calls.append(steps)
            now[0] += 0.001 * steps + (5.0 if len(calls) == 3 else 0.0)
            return state

        def memory(self):
            return 10

    monkeypatch.setattr(memory, 'time', types.SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(memory, 'PROBED', 6.0)
    monkeypatch.setattr(memory, 'evaluation_work', lambda program, data: 1e9)
    runs = tuple(all_runs(SMALL, [{}], range(2)))
    found = memory.probe(Group(runs, 2, 'map', trace.off_everywhere([SMALL])), Stub(), None)
    assert calls == [2**n for n in range(len(calls))]
    assert found.seconds_per_image == pytest.approx(0.001 / (2 * 8))
    assert (found.compile_seconds, found.bytes_per_run) == (2.0, 5)


@pytest.mark.parametrize(
    ('count', 'size', 'sizes'), [(4, 4, [2, 2]), (3, 4, [2, 2]), (5, 5, [3, 3])]
)
def test_halves(count, size, sizes):
    runs = tuple(all_runs(Setting(), [{}], range(count)))
    found = halved(Group(runs, size, 'map', frozenset({'noise.input'})))
    assert [group.size for group in found] == sizes
    assert sum((group.runs for group in found), ()) == runs
    assert {(group.batching, group.off) for group in found} == {('map', frozenset({'noise.input'}))}


@pytest.mark.parametrize(('epoch', 'step'), [(1, 0), (0, 2)])
def test_a_group_that_does_not_fit_is_halved_and_the_finished_ones_stay(
    capsys, tmp_path, monkeypatch, epoch, step
):
    """The first group is finished when the memory becomes scarce; a launch later all is said."""
    workdir, three, calls = tmp_path / 'w', '--config.execution.group_size=3', []

    class Stop(Exception):
        pass

    def stop(*args, **kwargs):
        raise Stop

    with monkeypatch.context() as patch:
        save = patch.setattr  # the second group is not begun
        from jaxtweaks.run import runner

        run_one = runner.run_group
        once = lambda *a, **k: (run_one(*a, **k), save(runner, 'run_group', stop))
        save(runner, 'run_group', once)
        assert launch(capsys, workdir, three)[0] == 1
    (finished,) = (workdir / 'results').iterdir()
    before = finished.read_bytes(), finished.stat().st_mtime_ns

    lacking = lack(2, after_epoch=epoch, calls=calls, after_step=step)
    monkeypatch.setattr(GroupProgram, 'train', lacking)
    code, out, err = launch(capsys, workdir, three)
    assert code == 0, err
    # What was trained of the whole is not trained again.
    assert min(at for runs, at in calls if runs == 2) == epoch
    assert '3 runs side by side do not fit in the memory (JaxRuntimeError: RESOURCE_EXHA' in out
    assert (finished.read_bytes(), finished.stat().st_mtime_ns) == before
    manifest = json.loads((workdir / 'manifest.json').read_text())
    assert [group['size'] for group in manifest['groups']] == [3, 2, 2]
    (event,) = manifest['launches'][-1]['regrouped']
    assert 'Out of memory allocating 123456 bytes.' in event['reason']
    assert 'table' not in event['reason']
    ids = [run for group in manifest['groups'][1:] for run in group['runs']]
    assert event['went_on'] == {run: [3, epoch, step] for run in ids}
    assert not list((workdir / 'checkpoints').iterdir())

    code, out, _ = launch(capsys, workdir, three)
    assert (code, 'finished before, nothing to do' in out) == (0, True)
    monkeypatch.undo()
    assert launch(capsys, tmp_path / 'by two')[0] == 0
    assert rows(workdir) == rows(tmp_path / 'by two')


def test_what_cannot_be_tested_at_once_is_tested_in_halves_and_not_trained_again(
    capsys, tmp_path, monkeypatch
):
    workdir, calls = tmp_path / 'w', []
    monkeypatch.setattr(GroupProgram, 'train', lack(99, calls=calls))
    monkeypatch.setattr(GroupProgram, 'finish', lack_at_end(1, calls))
    code, out, err = launch(capsys, workdir, '--config.execution.group_size=2')
    assert code == 0, err
    assert out.count('2 runs side by side do not fit in the memory') == 1
    assert {epoch for runs, epoch in calls if runs == 2} == {0, 1, 2}
    # 6 runs: a pair is trained and too large, and all are trained and tested alone; of the pair's
    # nothing is trained again.
    sizes = [runs for what, runs in calls if what == 'finish']
    assert sizes == [2] + [1] * (len(sizes) - 1)
    at = calls.index(('finish', 2))
    assert calls[at + 1 : at + 3] == [('finish', 1)] * 2
    manifest = json.loads((workdir / 'manifest.json').read_text())
    (event,) = manifest['launches'][-1]['regrouped']
    assert event['went_on'] == {run: [2, 3, 0] for run in [*event['went_on']]}
    assert len(event['went_on']) == 2
    assert not list((workdir / 'checkpoints').iterdir())
    monkeypatch.undo()
    assert launch(capsys, tmp_path / 'alone', '--config.execution.group_size=1')[0] == 0
    assert rows(workdir) == rows(tmp_path / 'alone')
    capsys.readouterr()
    began = next(iter(event['went_on']))
    assert app.main(['main.py', f'--workdir={workdir}', f'--replay={began}', '--quiet']) == 0
    out = ' '.join(capsys.readouterr().out.split())
    assert 'until 3 epochs and 0 steps it was trained in a group of 2, which then lacked' in out


@pytest.mark.parametrize(
    ('name', 'beyond', 'averaged'),
    [('over_masks', 0, ' and 1 dropout mask'), ('add_masks', 2, ' and 2 dropout masks')],
)
def test_averages_over_masks_go_on_in_halves_and_none_is_lost(
    capsys, tmp_path, monkeypatch, name, beyond, averaged
):
    """Whether memory lacks where masks are added or where what they come to is measured."""
    method, masks = getattr(GroupProgram, name), '--config.train.mc_samples=2,5'

    def limited(self, hyper, *args):
        at = args[-2] if name == 'add_masks' else 0
        if len(jax.tree.leaves(args[0])[0]) > 1 and at >= beyond:
            raise jax.errors.JaxRuntimeError(FULL)
        return method(self, hyper, *args)

    with monkeypatch.context() as patch:
        patch.setattr(GroupProgram, name, limited)
        code, out, err = launch(capsys, tmp_path / 'w', masks, '--config.execution.group_size=2')
    assert code == 0, err
    assert '2 runs side by side do not fit in the memory' in out
    alone = launch(capsys, tmp_path / 'alone', masks, '--config.execution.group_size=1')
    assert alone[0] == 0
    found, expected = rows(tmp_path / 'w'), rows(tmp_path / 'alone')
    assert found.keys() == expected.keys()
    for metric in ('mc_2_test_loss', 'mc_5_test_loss'):
        np.testing.assert_allclose(found[metric], expected[metric], rtol=1e-5)
    manifest = json.loads((tmp_path / 'w' / 'manifest.json').read_text())
    began = next(iter(manifest['launches'][-1]['regrouped'][0]['went_on']))
    capsys.readouterr()
    app.main(['main.py', f'--workdir={tmp_path / "w"}', f'--replay={began}', '--quiet'])
    out = ' '.join(capsys.readouterr().out.split())
    assert f'until 3 epochs and 0 steps{averaged} it was trained in a group of 2' in out


def test_one_run_that_cannot_be_tested_is_kept_for_when_it_can(capsys, tmp_path, monkeypatch):
    workdir, calls = tmp_path / 'w', []
    one = '--config.execution.group_size=1'
    with monkeypatch.context() as patch:
        patch.setattr(GroupProgram, 'finish', lack_at_end(0, []))
        code, _, err = launch(capsys, workdir, one)
        assert (code, 'one run alone' in err) == (2, True)
    monkeypatch.setattr(GroupProgram, 'finish', lack_at_end(1, calls))
    monkeypatch.setattr(GroupProgram, 'train', lack(1, calls=calls))
    assert launch(capsys, workdir, one)[0] == 0
    assert calls[0] == ('finish', 1)  # of the first nothing is trained again
    assert (1, 0) in calls  # of the others all is


def test_a_state_of_before_the_first_epoch_ends_is_cut_and_joined(tmp_path):
    """Also one of an earlier version, whose metrics had no axis of runs."""
    name, seen = 'validation_loss', {"['diverged_at']": np.full(3, -1), "['w']": np.arange(3.0)}
    for shape in ((0, 3), (0,)):
        path = tmp_path / f'{len(shape)}.ckpt'
        checkpoint.put(path, checkpoint.Saved(seen, 0, 2, {name: np.zeros(shape)}, 1.0))
        saved = checkpoint.read(path, pytest.fail)
        halves = [saved.columns([2]), saved.columns([0, 1])]
        assert [half.history[name].shape for half in halves] == [(0, 1), (0, 2)]
        whole = checkpoint.joined(halves)
        assert whole.history[name].shape == (0, 3)
        assert whole.state["['w']"].tolist() == [2.0, 0.0, 1.0]


def test_what_a_device_has_taken_back_is_not_saved(tmp_path):
    state = jax.numpy.arange(3.0)
    at = checkpoint.Progress({'w': state})
    clock = types.SimpleNamespace(seconds=lambda: 1.0)
    state.delete()
    saving = group._saving_if_memory_lacks(at, tmp_path / 'a.ckpt', clock)
    with pytest.raises(MemoryError), saving:
        raise MemoryError
    assert not list(tmp_path.iterdir())


def bytes_of(tree):
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(('batching', 'copies'), [('map', 1), ('threads', 2)])
def test_what_testing_takes_is_counted_before_it_is_done(batching, copies, monkeypatch):
    """States and what is found of them, with parameters and logits that are kept."""
    monkeypatch.setattr(limits, 'cores', lambda: 2)
    plain = {'model.norm': 'none', 'dropout.hidden': 0.0, 'optim.name': 'sgd'}
    kept = {'train.keep_parameters': True, 'train.keep_logits': True}
    setting = trace.replace(SMALL, plain | kept)
    runs = tuple(all_runs(setting, [{}], range(2)))
    pair = Group(runs, 2, batching, trace.off_everywhere([setting]))
    machine = Machine(lambda config: data_lib.load(config, print))
    cost = machine.probe(pair)
    program, data = machine.compiled(pair), machine.data(pair.static.data)
    before = set(program._executables)
    after = machine.with_finish(pair, cost)
    assert {name for name, *_ in set(program._executables) - before} == {'finish'}
    assert after.bytes_per_run >= cost.bytes_per_run
    assert dataclasses.replace(after, bytes_per_run=cost.bytes_per_run) == cost
    hyper, seeds = compiled.stack_runs(pair.padded(), pair.off)
    state = program.init(hyper, seeds, data)
    count = len(program._executables)
    found = program.finish(hyper, seeds, state, data)
    assert len(program._executables) == count  # what was measured is what is called
    temporary = program._executables[next(k for k in program._executables if k[0] == 'finish')]
    scratch = temporary.memory_analysis().temp_size_in_bytes * copies
    needed = scratch + copies * (bytes_of(state) + bytes_of(found))
    alone = copies * 2**12  # the pointers of a tuple, and no part of an array
    # Or more, if training or saving takes more.
    assert program.memory() >= needed - alone
    program._executables = {
        key: one for key, one in program._executables.items() if key[0] in ('init', 'finish')
    }
    monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')  # where saving takes none of it
    assert program.memory() == pytest.approx(needed, abs=alone)


def test_what_does_not_fit_while_it_is_measured_is_not_planned(capsys, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(GroupProgram, 'train', lack(1, calls=calls))
    code, out, _ = launch(
        capsys, tmp_path / 'w', '--config.execution.group_size=4', '--dry_run=measure'
    )
    assert code == 0
    assert '3 runs side by side do not fit in the memory' in out
    assert '2 runs side by side do not fit in the memory' in out
    assert [runs for runs, _ in calls[:3]] == [3, 2, 1]


def test_one_run_that_does_not_fit_is_an_error_that_says_so(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(GroupProgram, 'train', lack(0))
    code, _, err = launch(capsys, tmp_path / 'w')
    assert (code, err.count('\n')) == (2, 1)
    assert 'one run alone needs more memory than there is' in err
    assert not (tmp_path / 'w' / 'manifest.json').exists()
    shutil.rmtree(tmp_path / 'w')
    monkeypatch.setattr(GroupProgram, 'train', lack(0, after_epoch=1))
    code, _, err = launch(capsys, tmp_path / 'w')
    assert (code, 'one run alone' in err) == (2, True)


def test_what_must_not_be_halved_is_an_error_that_says_how_large_it_is(monkeypatch):
    """To train a run again, as `--replay` does, takes a group of the size that it was in."""

    def lacks(*args):
        raise raised

    monkeypatch.setattr(training, 'train_group', lacks)
    method = training.Training(SMALL.data, Execution(), Search(), print)
    runs = tuple(all_runs(SMALL, [{}], range(1)))
    alone = Group(runs, 8, 'map', trace.off_everywhere([SMALL]))
    raised = jax.errors.JaxRuntimeError(FULL)
    with pytest.raises(UserError, match=r'^a group of 8 runs, as it was trained in, needs more me'):
        method.measure_again(alone, Reporter(Console(quiet=True)))
    raised = ValueError('something else')
    with pytest.raises(ValueError, match='something else'):
        method.measure_again(alone, Reporter(Console(quiet=True)))


def test_the_planned_groups_are_those_that_fit():
    class Machine:
        def probe(self, group):
            if group.size > 3:
                raise MemoryError
            return memory.Probe(1.0, 1.0, 1.0)

        def with_finish(self, group, cost):
            return cost

        def data_bytes(self, config):
            return 0

        def held_bytes(self):
            return 0

        def work_of_run(self, static):
            return 1.0

    reported = []
    runs = all_runs(Setting(), [{}], range(20))
    execution = Execution(batching='map', group_size=10)
    groups, _ = layout.make_groups(runs, execution, Machine(), frozenset(), reported.append)
    assert {group.size for group in groups} == {3}
    assert [text.split()[0] for text in reported] == ['10', '5']
    assert np.array_equal([run.seed for group in groups for run in group.runs], range(20))
