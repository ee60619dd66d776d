"""From the command line to the files left behind, as a user meets it."""

import contextlib
import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from command_line import ROOT, SMOKE, call, in_the_checkout  # noqa: F401, a fixture
from tfds_folder import write_tfds_folder

from jaxtweaks import command_flags
from jaxtweaks.run import memory
from jaxtweaks.run.training import Training
from jaxtweaks.run.workdir import Workdir

EPOCHS = 40
CONFIG = f'''
"""A tiny question, saved after every step."""

from jaxtweaks.lab.experiment import default_config
from jaxtweaks.config.expand import grid


def get_config(size=None):
    config = default_config('tiny')
    config.size, config.seeds = 'smoke', 2
    config.question = 'Is it all there?'
    config.data.train_size, config.data.validation_size = 60, 20
    config.model.name, config.model.hidden = 'mlp', (8,)
    config.dropout.input = 0.1
    config.optim.learning_rate = 0.01
    config.train.batch_size, config.train.epochs = 20, {EPOCHS}
    config.sweep = grid('model.norm', 'batch', 'none')
    config.execution.batching = 'map'
    config.execution.chunk_seconds, config.execution.checkpoint_seconds = 1e-9, 0.0
    config.figures = (
        dict(name='curves', kind='curves', title='By epoch', metrics=('validation_loss',),
             hue='model.norm'),
    )
    config.claims = (
        dict(sentence='Batch norm helps.', source='§1', kind='greater', metric='test_accuracy',
             a={{'model.norm': 'batch'}}, b={{'model.norm': 'none'}}),
    )
    return config
'''


def snapshot(folder):
    """Every file by name: its bytes and when it was last written."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def rows(path):
    return pq.read_table(path).to_pydict()


pytestmark = pytest.mark.usefixtures('in_the_checkout')


@pytest.fixture(scope='module')
def given(tmp_path_factory):
    """The arguments that name the tiny config and data that the test wrote."""
    folder = tmp_path_factory.mktemp('given')
    (folder / 'tiny.py').write_text(CONFIG)
    write_tfds_folder(folder / 'data', train=100, test=40)
    return [f'--config={folder / "tiny.py"}', f'--config.data.dir={folder / "data"}']


@pytest.fixture(scope='module')
def finished(given, tmp_path_factory):
    """The folder of an experiment carried out by `python main.py`, and what that printed."""
    workdir = tmp_path_factory.mktemp('finished') / 'w'
    done = subprocess.run(
        [sys.executable, 'main.py', *given, f'--workdir={workdir}'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return workdir, done.stdout


@pytest.fixture
def workdir(finished, tmp_path):
    """A copy of the finished folder, to be changed."""
    return shutil.copytree(finished[0], tmp_path / 'w')


@pytest.mark.usefixtures('quickly_compiled')
def test_seeds_are_planned_from_what_is_there_and_nothing_is_written(capsys, workdir, given):
    before = snapshot(workdir)
    code, out, _ = call(capsys, *given, '--plan_seeds', f'--workdir={workdir}')
    assert code == 0
    assert snapshot(workdir) == before
    assert 'Batch norm helps.' in out
    note = json.loads((workdir / 'claims.json').read_text())['verdicts'][0]['note']
    (seeds,) = re.findall(r'about (\d+) seeds would settle it', note)
    whole = shlex.join(['python', 'main.py', *given, f'--workdir={workdir}'])
    assert f'{whole} --config.seeds={seeds}\n' in out  # ready to be typed


def test_a_value_may_be_an_argument_of_its_own():
    given = ['main.py', SMOKE, '--config.a.b', '5', '--config.c', '-1.5', '--quiet', '--config.d=2']
    expected = ['main.py', SMOKE, '--config.a.b=5', '--config.c=-1.5', '--quiet', '--config.d=2']
    assert command_flags.joined(given) == expected
    assert command_flags.joined(['m', '--config.x', '--workers=2', '--config.y']) == [
        'm', '--config.x=true', '--workers=2', '--config.y=true',
    ]  # fmt: skip


@pytest.mark.parametrize('seeds', [['--config.seeds=5'], ['--config.seeds', '5'], []])
def test_a_plan_names_the_command_with_its_number_of_seeds(seeds):
    argv = ['main.py', SMOKE, *seeds, '--plan_seeds', '--dry_run', '--config.train.epochs', '2']
    carried_out = ['main.py', SMOKE, '--config.train.epochs', '2', '--config.seeds=9']
    assert command_flags.with_seeds(argv, 9) == carried_out


@pytest.mark.usefixtures('quickly_compiled')
def test_seeds_are_planned_from_a_pilot_that_a_later_run_builds_on(capsys, given, tmp_path):
    short = [*given, '--config.train.epochs=2', f'--workdir={tmp_path / "w"}']
    code, out, _ = call(capsys, *short, '--plan_seeds', '--dry_run')
    assert (code, list(tmp_path.iterdir())) == (0, [])
    whole = shlex.join(['python', 'main.py', *short])
    assert f'3 seeds, where the config has 2; to go on in it, ask for as many: {whole}' in out
    assert f'{whole} --config.seeds=3\n' in out
    assert '2 settings × 3 seeds' in out
    code, out, _ = call(capsys, *short, '--plan_seeds', '--quiet')
    assert code == 0
    assert 'Seeds that would settle each claim' in out
    assert 'In 3 seeds the scatter is seen only roughly' in ' '.join(out.split())
    code, out, _ = call(capsys, *short, '--config.seeds=4', '--dry_run')
    assert '2 of 2 groups finished before' in out


@pytest.mark.parametrize('config', [None, {}, {'seeds': 'x', 'first_seed': 0}])
def test_seeds_are_planned_without_more_runs_where_the_config_is_lost(
    capsys, workdir, given, config
):
    (workdir / 'config.json').unlink()
    if config is not None:
        (workdir / 'config.json').write_text(json.dumps(config))
    before = snapshot(workdir)
    code, out, err = call(capsys, *given, '--plan_seeds', f'--workdir={workdir}')
    assert (code, 'Batch norm helps.' in out) == (0, True), err
    assert snapshot(workdir) == before


def test_what_cannot_be_planned_is_refused(capsys, given):
    code, _, err = call(capsys, *given, '--config.claims=()', '--plan_seeds')
    assert (code, 'no claims' in err) == (2, True)
    code, _, err = call(capsys, '--replay=x', '--workdir=x', '--dry_run')
    assert (code, '--dry_run: --replay does not read it' in err) == (2, True)
    code, _, err = call(capsys, '--config=configs/all.py:smoke', '--plan_seeds')
    assert (code, 'for one experiment' in err) == (2, True)
    for unread in ('--export=csv', '--workers=2'):
        code, _, err = call(capsys, *given, '--plan_seeds', '--dry_run', unread)
        assert (code, f'{unread.partition("=")[0]}: --plan_seeds does not' in err) == (2, True)
    for action, unread in (
        ('--overview=runs', '--export=csv'),
        ('--overview=runs', SMOKE),
        ('--list', '--plan_seeds'),
        ('--list', '--workdir=x'),
        ('--list', '--quiet'),
    ):
        code, _, err = call(capsys, action, unread)
        words = f'{unread.partition("=")[0]}: {action.partition("=")[0]} does not read it'
        assert (code, words in err) == (2, True)


@pytest.mark.parametrize(
    'action', ['--new=x', '--completion=fish', '--list', '--parts', '--overview=runs', '--replay=x']
)
def test_a_key_that_what_is_done_does_not_read_is_refused(capsys, tmp_path, monkeypatch, action):
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, action, '--config.train.epochs=5')
    name = action.partition('=')[0]
    assert (code, f'--config.train.epochs: {name} does not read it' in err) == (2, True)
    assert not list(tmp_path.iterdir())


def test_the_files_left_behind_agree_with_each_other(finished, given):
    workdir, out = finished
    config = json.loads((workdir / 'config.json').read_text())
    assert config['train']['epochs'] == EPOCHS
    assert f'--config.data.dir={config["data"]["dir"]}' in given
    manifest = json.loads((workdir / 'manifest.json').read_text())
    launch = manifest['launches'][0]
    assert launch['command'] == shlex.join(['python', 'main.py', *given, f'--workdir={workdir}'])
    assert re.fullmatch(r'[0-9a-f]{40}\+?|unknown', launch['commit'])
    assert launch['versions']['python'] == sys.version.split()[0]
    assert {'jax', 'flax', 'optax', 'numpy'} <= launch['versions'].keys()
    assert launch['device']
    data = manifest['data']
    assert data['label'] == 'CIFAR-10'
    assert data['sizes'] == {'training': 60, 'validation': 20, 'test': 40}
    assert re.fullmatch('[0-9a-f]{64}', data['fingerprint'])

    epochs, runs = rows(workdir / 'epochs.parquet'), rows(workdir / 'runs.parquet')
    assert list(epochs)[:4] == ['run', 'model.norm', 'seed', 'epoch']
    assert len(epochs['run']) == 4 * EPOCHS
    assert epochs['epoch'] == 4 * list(range(1, EPOCHS + 1))
    assert list(zip(runs['model.norm'], runs['seed'], strict=True)) == [
        ('batch', 0), ('batch', 1), ('none', 0), ('none', 1),
    ]  # fmt: skip
    assert runs['run'] == list(dict.fromkeys(epochs['run']))
    assert runs['run'] == [run for group in manifest['groups'] for run in group['runs']]
    for name in ('validation_accuracy', 'train_accuracy', 'running_loss'):
        assert epochs[name][EPOCHS - 1 :: EPOCHS] == runs[name]
    for name in ('validation_loss', 'train_loss'):
        np.testing.assert_allclose(epochs[name][EPOCHS - 1 :: EPOCHS], runs[name], rtol=1e-5)
    assert runs['chosen_epoch'] == [EPOCHS] * 4
    assert runs['diverged_at'] == [-1] * 4
    assert min(runs['train_accuracy']) > 0.5  # it has learned: the images are patterns

    record = json.loads((workdir / 'claims.json').read_text())
    assert (record['experiment'], record['size'], record['seeds']) == ('tiny', 'smoke', 2)
    assert record['tweaks'] == ['normalisation']
    (claim,) = record['verdicts']
    test = runs['test_accuracy']
    assert claim['effect'] == pytest.approx((test[0] - test[2] + test[1] - test[3]) / 2)
    assert claim['n'] == 2
    assert (workdir / 'figures' / 'curves.png').read_bytes().startswith(b'\x89PNG')
    assert b'</svg>' in (workdir / 'figures' / 'curves.svg').read_bytes()
    page = (workdir / 'report.html').read_text()
    assert 'Is it all there?' in page
    assert data['fingerprint'][:8] in page
    assert 'stand-in' not in page
    assert not list(workdir.glob('checkpoints/*'))
    assert '4 runs in 2 programs' in out
    assert str(workdir / 'report.html') in out


def test_a_finished_sweep_is_only_drawn_again(capsys, workdir, given):
    before = snapshot(workdir)
    (workdir / 'report.html').unlink()
    code, out, _ = call(capsys, *given, f'--workdir={workdir}')
    assert code == 0
    assert '2 of 2 groups finished before' in out
    after = snapshot(workdir)
    results = [name for name in before if name.startswith('results/')]
    assert len(results) == 2
    assert all(after[name] == before[name] for name in results)
    for name in ('runs.parquet', 'epochs.parquet', 'claims.json', 'figures/curves.svg'):
        assert after[name][0] == before[name][0]
    assert set(after) == set(before)
    assert len(json.loads((workdir / 'manifest.json').read_text())['launches']) == 2


def test_a_record_that_says_less_than_ours_is_read_all_the_same(capsys, workdir, given):
    content = json.loads((workdir / 'manifest.json').read_text()) | {'launches': [{}]}
    del content['sha256']
    (workdir / 'manifest.json').write_text(json.dumps(content))
    Workdir(workdir).save_summary({'x': np.zeros(1)})
    for more in (['--plan_seeds'], []):
        code, _, err = call(capsys, *given, *more, f'--workdir={workdir}')
        assert code == 0, err


def test_a_result_damaged_before_it_is_read_is_trained_again(capsys, workdir, given, monkeypatch):
    old, carry_out, calls = rows(workdir / 'runs.parquet'), Training.carry_out, []

    def damaging(self, groups, workdir, reporter):
        done = carry_out(self, groups, workdir, reporter)
        if not calls:
            path = min((workdir.path / 'results').iterdir())
            path.write_bytes(path.read_bytes()[:-1])
        calls.append(groups)
        return done

    monkeypatch.setattr(Training, 'carry_out', damaging)
    code, out, _ = call(capsys, *given, f'--workdir={workdir}')
    assert (code, len(calls)) == (0, 2)
    assert 'its runs are trained again' in out
    assert rows(workdir / 'runs.parquet') == old


def test_more_seeds_train_only_what_is_missing_or_damaged(capsys, workdir, given):
    damaged = min((workdir / 'results').iterdir())
    before, old = snapshot(workdir), rows(workdir / 'runs.parquet')
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    code, out, _ = call(capsys, *given, '--config.seeds=3', f'--workdir={workdir}')
    assert code == 0
    assert f'{damaged} is damaged' in out
    after = snapshot(workdir)
    results = {name for name in after if name.startswith('results/')}
    kept = {name for name in before if name.startswith('results/')} - {f'results/{damaged.name}'}
    assert len(results) == 4
    assert len(kept) == 1
    assert all(after[name] == before[name] for name in kept)
    new = rows(workdir / 'runs.parquet')
    assert new['seed'] == [0, 1, 2, 0, 1, 2]
    for name in old:
        assert [new[name][i] for i in (0, 1, 3, 4)] == old[name]


@pytest.mark.parametrize(
    ('override', 'words'),
    [
        ('optim.learning_rate=0.5', 'optim.learning_rate: 0.01 there, 0.5 now'),
        ('data.train_size=40', 'data.train_size: 60 there, 40 now'),
        ('seeds=1', 'seeds: 2 there, 1 now'),
    ],
)
def test_another_config_is_refused_with_what_differs(capsys, workdir, given, override, words):
    before = snapshot(workdir)
    code, _, err = call(capsys, *given, f'--config.{override}', f'--workdir={workdir}')
    assert code == 2
    assert words in err
    assert snapshot(workdir) == before


def test_other_data_are_refused(capsys, workdir, given, tmp_path):
    before = snapshot(workdir)
    write_tfds_folder(tmp_path / 'other', train=100, test=40, seed=1)
    other = f'--config.data.dir={tmp_path / "other"}'
    code, _, err = call(capsys, given[0], other, f'--workdir={workdir}')
    assert code == 2
    assert 'other data' in err
    assert snapshot(workdir) == before


def test_the_same_data_elsewhere_are_the_same_data(capsys, workdir, given, tmp_path):
    write_tfds_folder(tmp_path / 'moved', train=100, test=40)
    moved = f'--config.data.dir={tmp_path / "moved"}'
    code, out, _ = call(capsys, given[0], moved, f'--workdir={workdir}', '--dry_run')
    assert code == 0
    assert '2 of 2 groups finished before' in out


@pytest.mark.usefixtures('quickly_compiled')
def test_a_dry_run_says_what_it_would_do_and_writes_nothing(capsys, tmp_path, monkeypatch):
    """What it costs is measured if that is asked for, and known from then on."""
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path / 'cache'))
    odd = tmp_path / 'a[b] [/c]'  # rich takes brackets for markup
    runs = r'clr_mlp3:smoke: 4 runs in 2 programs \(2 settings × 2 seeds\), '
    cost = r'about [\d.]+ GiB, about \d+ \w+, data: digits, workdir: '

    def said(how):
        code, out, err = call(capsys, SMOKE, f'--workdir={odd}', how)
        assert (code, err) == (0, '')
        assert str(odd) in out
        assert not odd.exists()
        return out

    with monkeypatch.context() as patch:
        patch.setattr(memory, 'probe', None)  # nothing is measured
        rough = r'roughly \d+ \w+ to \d+ \w+, guessed from what its networks compute '
        assert re.search(runs + rough, said('--dry_run'))
    measured = said('--dry_run=measure')
    assert re.search(runs + cost, measured)
    with monkeypatch.context() as patch:
        patch.setattr(memory, 'probe', None)
        assert said('--dry_run') == measured
        for path in (tmp_path / 'cache' / 'known').iterdir():
            path.write_bytes(path.read_bytes().replace(b'0', b'1'))  # damaged
        assert re.search(runs + rough, said('--dry_run'))


@pytest.mark.usefixtures('quickly_compiled')
def test_a_stand_in_cannot_be_missed(capsys, tmp_path, given, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path / 'cache'))
    quick = ['--config.train.epochs=1', '--quiet', f'--workdir={tmp_path / "w"}']
    code, out, err = call(capsys, given[0], *quick)
    assert code == 0, err
    assert 'CIFAR-10 IS NOT USED' in out
    assert 'STAND-IN DATA: digits (stand-in for CIFAR-10)' in out
    manifest = json.loads((tmp_path / 'w' / 'manifest.json').read_text())
    assert manifest['data']['label'] == 'digits (stand-in for CIFAR-10)'
    assert 'stand-in for CIFAR-10' in (tmp_path / 'w' / 'report.html').read_text()
    code, _, err = call(capsys, given[0], '--config.data.fallback=none', *quick)
    assert code == 2
    assert 'CIFAR-10 was not found' in err


def start(command):
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@contextlib.contextmanager
def terminal(command):
    """A process in a terminal of its own, which is closed at the end."""
    ours, its = os.openpty()
    # The first terminal that the first process of a session opens is that of the session.
    process = subprocess.Popen(
        ['sh', '-c', 'exec "$@" <>"$0" >&0', os.ttyname(its), *command],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    closed = threading.Event()

    def show():  # a terminal that shows nothing makes the process wait
        while not closed.is_set():
            if select.select([ours], [], [], 0.01)[0]:
                os.read(ours, 4096)

    thread = threading.Thread(target=show)
    thread.start()
    try:
        yield process
    finally:
        closed.set()
        thread.join()
        os.close(its)
        os.close(ours)


def wait_for(process, happened):
    """Until `happened()`; the process must not end before."""
    deadline = time.monotonic() + 60
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.003)


def writes_of(workdir):
    """A function that returns whether a checkpoint was written since."""
    state = lambda: {(p.name, p.stat().st_mtime_ns) for p in workdir.glob('checkpoints/*.ckpt')}
    before = state()

    def written():
        try:
            return bool(state() - before)
        except FileNotFoundError:  # between glob and stat
            return False

    return written


def test_killed_and_interrupted_it_ends_as_if_nothing_had_happened(
    capsys, finished, given, tmp_path
):
    """A machine that dies, then a closed terminal, then Ctrl-C; each goes on from the last."""
    workdir = tmp_path / 'w'
    whole = [*given, f'--workdir={workdir}']

    process = start([sys.executable, '-m', 'jaxtweaks', *whole])
    wait_for(process, writes_of(workdir))
    process.send_signal(signal.SIGSTOP)
    code, _, err = call(capsys, *whole)
    assert (code, 'another process is at work' in err) == (2, True)
    process.kill()
    process.communicate()
    manifest = json.loads((workdir / 'manifest.json').read_text())
    command = manifest['launches'][0]['command']
    assert command == shlex.join(['python', '-m', 'jaxtweaks', *whole])

    for number in (signal.SIGHUP, signal.SIGINT):
        whole_command = [sys.executable, *shlex.split(command)[1:]]
        if number == signal.SIGHUP:
            with terminal(whole_command) as process:
                wait_for(process, writes_of(workdir))
        else:
            process = start(whole_command)
            wait_for(process, writes_of(workdir))
            process.send_signal(number)
        _, err = process.communicate(timeout=600)
        assert process.returncode == 128 + number, err
        assert 'Traceback' not in err
        assert f'everything is saved in {workdir}' in err
        command = err.strip().partition('To go on: ')[2]
        assert command.startswith('python ')
        assert list((workdir / 'checkpoints').iterdir())

    # The last launch is in this process, so the result does not hang on a fresh one either.
    code, _, err = call(capsys, *whole)
    assert code == 0, err
    for name in ('runs.parquet', 'epochs.parquet', 'claims.json', 'figures/curves.svg'):
        assert (workdir / name).read_bytes() == (finished[0] / name).read_bytes(), name
    assert not list((workdir / 'checkpoints').iterdir())
    assert os.path.exists(workdir / 'report.html')
