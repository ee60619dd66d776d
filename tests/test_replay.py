"""Any run of a sweep can be trained again alone, and is what the sweep recorded, bitwise."""

import dataclasses
import io
import json
import os
import pathlib
import shutil

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from benchmarks.faults import tiny
from jaxtweaks import app
from jaxtweaks.lab import replay, stored
from jaxtweaks.run import files
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run.workdir import Workdir

pytestmark = pytest.mark.usefixtures('compiled_again')
ROOT = pathlib.Path(__file__).resolve().parents[1]
TINY = f'--config={tiny.__file__}'


def call(capsys, *args):
    capsys.readouterr()
    code = app.main(['main.py', *map(str, args)])
    out, err = capsys.readouterr()
    return code, ' '.join(out.split()), err


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp('finished') / 'w'
    assert app.main(['main.py', TINY, '--quiet', f'--workdir={workdir}']) == 0
    return workdir


@pytest.fixture(scope='module')
def runs(finished):
    return pq.read_table(finished / 'runs.parquet').to_pydict()


def snapshot(folder):
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob('*')
        if path.is_file()
    }


def test_runs_of_a_group_stop_at_different_epochs_here(finished, runs):
    """Else the replays below would show less than they should."""
    groups = json.loads((finished / 'manifest.json').read_text())['groups']
    epochs = dict(zip(runs['run'], runs['stop_epoch'], strict=True))
    assert any(len({epochs[run] for run in group['runs']}) > 1 for group in groups)
    assert min(epochs.values()) < tiny.EPOCHS


@pytest.mark.parametrize('which', [0, 3, 4])
def test_every_run_is_the_same_again_and_nothing_is_written(capsys, finished, runs, which):
    before = snapshot(finished)
    run = runs['run'][which]
    code, out, err = call(capsys, f'--replay={run}', f'--workdir={finished}')
    assert (code, err) == (0, '')
    assert (
        f'momentum.momentum={runs["momentum.momentum"][which]}, seed {runs["seed"][which]}' in out
    )
    assert f'{run}: bitwise the same' in out
    assert snapshot(finished) == before


def test_a_record_that_is_not_so_is_found_out(capsys, finished, runs, tmp_path):
    """Its checksum is right, so that only training again can tell."""
    workdir = shutil.copytree(finished, tmp_path / 'w')
    run = runs['run'][3]
    for path in (workdir / 'results').iterdir():
        tree = files.load_tree(path)
        for column, name in tree['runs'].items():
            if name == run:
                tree = tree | {'finals': {**tree['finals']}, 'history': {**tree['history']}}
                accuracy = tree['finals']['test_accuracy'].copy()
                accuracy[int(column)] += 1 / 30
                loss = tree['history']['train_loss'].copy()
                loss[2, int(column)] *= 1 + 2**-22
                tree['finals']['test_accuracy'] = accuracy
                tree['history']['train_loss'] = loss
                files.save_tree(path, tree)
    code, out, _ = call(capsys, f'--replay={run}', f'--workdir={workdir}', '--quiet')
    assert code == 1
    assert f'{run}: NOT the same' in out
    assert 'history of train_loss' in out
    assert '(1 of 8 values, the first at 2)' in out
    assert 'test_accuracy: ' in out
    assert 'test_loss' not in out
    assert 'code, versions, device, commit and flags of XLA are those of then' in out
    other = next(name for name in runs['run'] if name != run)
    assert call(capsys, f'--replay={other}', f'--workdir={workdir}')[0] == 0


def test_what_is_not_as_it_was_is_named(finished):
    there = manifest_lib.current(Workdir(finished))
    changed = lambda *launches, **more: replay._moved(
        dataclasses.replace(there, launches=launches or there.launches, **more)
    )
    (launch,) = there.launches
    assert changed(launch) == []
    versions = {**launch.versions, 'jax': '0.1'}
    other = dataclasses.replace(launch, device='an abacus', versions=versions)
    assert changed(other) == [
        f'device: an abacus then, {launch.device} now',
        f'jax: 0.1 then, {launch.versions["jax"]} now',
    ]
    assert changed(other, launch) == []  # one launch may have trained it all as it is now
    # Workers trained, on devices of which this has one, or none.
    workers = {'0': f'here: {launch.device}', '1': 'there: a GPU, without the work folder'}
    on = lambda workers: dataclasses.replace(launch, device='CPU of the driver', workers=workers)
    assert changed(on(workers)) == []
    assert changed(on({'1': workers['1']})) == [f'device: a GPU then, {launch.device} now']
    # One that only made the report again trained nothing.
    drawn = dataclasses.replace(launch, redrawn=True)
    assert changed(other, drawn) == changed(other)
    flags = {**(there.surroundings or {}), 'JAX_ENABLE_X64': '1'}
    assert changed(surroundings=flags) == ["JAX_ENABLE_X64: '1' then, not set now"]


def test_another_code_and_a_larger_group_are_named(finished):
    there = manifest_lib.current(Workdir(finished))
    experiment, (group, *_) = stored.frozen(Workdir(finished)), there.groups
    assert replay._other_code(experiment, there, group) == []
    older = dataclasses.replace(there, groups=(dataclasses.replace(group, code=('abc',)),))
    (line,) = replay._other_code(experiment, older, group)
    assert 'abc' in line
    assert line.endswith(f', now it is {stored.code_of(experiment)}')
    (launch,) = there.launches
    event = {'went_on': {'r': [8, 2, 1]}}
    halved = dataclasses.replace(launch, regrouped=({'group': 'x'}, event))
    halved = dataclasses.replace(there, launches=(halved,))
    assert replay._begun_in_larger(halved, 'r') == [
        'until 2 epochs and 1 step it was trained in a group of 8, which then lacked memory'
    ]
    assert replay._begun_in_larger(halved, 'q') == []


def test_a_dozen_differences_are_listed_and_what_may_be_why():
    console = Console(file=io.StringIO(), width=200)
    replay._say('r', [f'array {i}' for i in range(14)], ['device: X then', 'jax: 1 then'], console)
    first, *listed, more, why = console.file.getvalue().splitlines()
    assert first == 'r: NOT the same'
    assert listed == [f'  array {i}' for i in range(12)]
    assert (more, why) == ('  … and 2 more', '  device: X then; jax: 1 then')


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (['--replay=abc', '--workdir={}'], ["'abc' is no run of this sweep", 'runs.parquet']),
        (['--replay=', '--workdir={}'], ['is no run of this sweep']),
        (['--replay=abc'], ['--workdir']),
        (['--replay=abc', '--workdir={}/results'], ['no config.json']),
    ],
)
def test_a_mistake_is_one_line(capsys, finished, args, words):
    code, _, err = call(capsys, *(arg.format(finished) for arg in args))
    assert (code, err.count('\n')) == (2, 1)
    assert all(word in err for word in words), err


def test_the_beginning_of_an_id_is_enough_if_it_is_one_run_s(capsys, finished, runs):
    run = runs['run'][0]
    code, _, err = call(capsys, f'--replay={run[:6]}', f'--workdir={finished}')
    assert code == 2
    assert 'begins the ids of several runs' in err
    assert run in err


def test_a_run_without_a_result_is_said(capsys, finished, runs, tmp_path):
    workdir = shutil.copytree(finished, tmp_path / 'w')
    for path in (workdir / 'results').iterdir():
        os.unlink(path)
    code, _, err = call(capsys, f'--replay={runs["run"][0]}', f'--workdir={workdir}')
    assert (code, 'finish the sweep first' in err) == (2, True)


def test_a_plain_study_replays_too(capsys, tmp_path):
    study = ['--config=configs/model_summary.py:smoke', f'--workdir={tmp_path / "w"}', '--quiet']
    assert call(capsys, *study)[0] == 0
    run = pq.read_table(tmp_path / 'w' / 'runs.parquet').to_pydict()['run'][0]
    code, out, _ = call(capsys, f'--replay={run}', f'--workdir={tmp_path / "w"}')
    assert (code, 'the same' in out) == (0, True)
