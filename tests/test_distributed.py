"""Several processes share a sweep: each group is trained once, and the dead leave their groups."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import psutil
import pytest

from jaxtweaks.run.leases import Shared

pytestmark = pytest.mark.usefixtures('compiled_anew')
ROOT = pathlib.Path(__file__).resolve().parents[1]
CONFIG = '''
"""Eight groups of one run, saved after every step."""

from jaxtweaks.lab.experiment import default_config
from jaxtweaks.config.expand import grid


def get_config(size=None):
    config = default_config('shared')
    config.size, config.seeds = 'smoke', 8
    config.question = 'Who did it?'
    config.data.name = 'digits'
    config.data.train_size, config.data.validation_size, config.data.test_size = 60, 20, 20
    config.model.name, config.model.hidden = 'mlp', (4,)
    config.optim.learning_rate = 0.01
    config.train.batch_size, config.train.epochs = 20, 60
    config.sweep = grid('optim.learning_rate', 0.01)
    config.execution.batching, config.execution.group_size = 'map', 1
    config.execution.chunk_seconds, config.execution.checkpoint_seconds = 1e-9, 0.0
    config.execution.patience_seconds = 5.0
    config.figures = (
        dict(name='curves', kind='curves', title='By epoch', metrics=('validation_loss',)),
    )
    return config
'''
LACKING = '''
"""The program, on a device that has room for one run as soon as both processes have planned."""

import json
import pathlib
import sys
import time

import jax

from jaxtweaks import app
from jaxtweaks.run.compiled import GroupProgram

train = GroupProgram.train
(workdir,) = (arg.partition('=')[2] for arg in sys.argv if arg.startswith('--workdir='))
manifest = pathlib.Path(workdir) / 'manifest.json'


def limited(self, hyper, seeds, state, data, epoch, *to):
    if len(seeds) > 1 and epoch >= 1:
        while len(json.loads(manifest.read_text())['launches']) < 2:
            time.sleep(0.05)
        raise jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes.')
    return train(self, hyper, seeds, state, data, epoch, *to)


GroupProgram.train = limited
sys.exit(app.main(sys.argv))
'''
FILES = ('runs.parquet', 'epochs.parquet', 'claims.json', 'config.json', 'figures/curves.svg')


@pytest.fixture(scope='module')
def command(tmp_path_factory):
    """Of the tiny config."""
    path = tmp_path_factory.mktemp('config') / 'shared.py'
    path.write_text(CONFIG)
    return [sys.executable, 'main.py', f'--config={path}']


@pytest.fixture(scope='module')
def alone(command, tmp_path_factory):
    """The folder that one process leaves."""
    workdir = tmp_path_factory.mktemp('alone') / 'w'
    subprocess.run([*command, f'--workdir={workdir}', '--quiet'], cwd=ROOT, check=True, timeout=300)
    return workdir


def start(command, workdir, count, present=None):
    """Processes of a sweep for so many; `present`: how many come, if not all.

    They begin together: none gets to plan before all are there.
    """
    whole = [*command, f'--workdir={workdir}', f'--processes={count}']
    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}
    barrier = Shared(workdir / 'leases', 30.0)
    assert barrier.take(['plan'])
    processes = [subprocess.Popen(whole, cwd=ROOT, **pipes) for _ in range(present or count)]
    lock = str(workdir / '.lock')
    there = lambda process: lock in [file.path for file in psutil.Process(process.pid).open_files()]
    wait_for(processes, lambda: all(there(process) for process in processes))
    barrier.close()
    return processes


def owners(workdir):
    """Who has taken each group: process numbers by group id, the last one last."""
    found = {}
    for path in sorted(workdir.glob('leases/*.*'), key=lambda path: int(path.suffix[1:])):
        if path.stem not in ('plan', 'report') and (lines := path.read_text().split()):
            found.setdefault(path.stem, []).append(int(lines[1]))
    return found


def wait_for(processes, happened):
    """Until `happened()`; no process may end before."""
    deadline = time.monotonic() + 300
    while not happened():
        for process in processes:
            assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stop_within_a_group(process, workdir):
    """Stops a process at work; the groups it has begun and not finished: one."""
    while True:
        wait_for([process], lambda: working(workdir, process))
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        if begun := working(workdir, process):
            return begun
        process.send_signal(signal.SIGCONT)


def finish(processes):
    """What each printed; all must have succeeded."""
    printed = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), printed
    return [out for out, _ in printed]


def assert_the_same(workdir, alone):
    for name in FILES:
        assert (workdir / name).read_bytes() == (alone / name).read_bytes(), name


def working(workdir, process):
    """Groups that a process has taken and saved something of, but not finished."""
    return [
        group
        for group, taken in owners(workdir).items()
        if taken[-1] == process.pid
        and (workdir / 'checkpoints' / f'{group}.ckpt').exists()
        and not (workdir / 'results' / f'{group}.result').exists()
    ]


@pytest.mark.parametrize('count', [2, 4])
def test_one_of_them_is_killed_and_the_others_do_its_work(command, alone, tmp_path, count):
    workdir = tmp_path / 'w'
    processes = start(command, workdir, count)
    victim = processes[-1]
    orphans = stop_within_a_group(victim, workdir)
    victim.kill()
    victim.communicate()
    printed = finish(processes[:-1])
    assert len(orphans) == 1
    taken = owners(workdir)
    assert [group for group, pids in taken.items() if len(pids) > 1] == orphans
    assert taken[orphans[0]][0] == victim.pid
    assert taken[orphans[0]][1] in {process.pid for process in processes[:-1]}
    assert sum('report: ' in out for out in printed) == 1
    assert sum('another process has written the report' in out for out in printed) == count - 2
    assert_the_same(workdir, alone)
    manifest = json.loads((workdir / 'manifest.json').read_text())
    assert [launch['host'] for launch in manifest['launches']] == count * [os.uname().nodename]
    assert len(manifest['groups']) == 8
    assert not list((workdir / 'checkpoints').iterdir())


def test_all_of_them_are_stopped_and_others_go_on(command, alone, tmp_path):
    workdir = tmp_path / 'w'
    processes = start(command, workdir, 2)
    stop_within_a_group(processes[1], workdir)
    processes[1].kill()
    stop_within_a_group(processes[0], workdir)
    processes[0].send_signal(signal.SIGTERM)
    processes[0].send_signal(signal.SIGCONT)
    _, err = processes[0].communicate(timeout=60)
    assert processes[0].returncode == 128 + signal.SIGTERM
    assert '--processes=2' in err.partition('To go on: ')[2]
    # One that is on its own is refused as long as one of the others is there.
    (process,) = start(command, workdir, 2, present=1)
    wait_for([process], lambda: working(workdir, process))
    refused = subprocess.run(
        [*command, f'--workdir={workdir}'], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert refused.returncode == 2
    assert 'another process is at work here' in refused.stderr
    assert '--processes' in refused.stderr
    finish([process])
    assert_the_same(workdir, alone)


def test_each_finds_out_that_a_group_is_too_large_and_they_agree(command, alone, tmp_path):
    """Two runs side by side fit for an epoch, and then no more: groups of one are trained."""
    script = tmp_path / 'lacking.py'
    script.write_text(LACKING)
    given = [*command[2:], '--config.execution.group_size=2']
    printed = finish(start([sys.executable, str(script), *given], tmp_path / 'w', 2))
    words = [' '.join(out.split()) for out in printed]  # lines are cut at the terminal's width
    assert all('2 runs side by side do not fit in the memory' in out for out in words)
    manifest = json.loads((tmp_path / 'w' / 'manifest.json').read_text())
    assert [group['size'] for group in manifest['groups']] == [1] * 8
    regrouped = [launch.get('regrouped', []) for launch in manifest['launches']]
    assert sum(map(len, regrouped)) == 2
    for name in ('runs.parquet', 'epochs.parquet', 'figures/curves.svg'):
        assert (tmp_path / 'w' / name).read_bytes() == (alone / name).read_bytes(), name
    assert not list((tmp_path / 'w' / 'checkpoints').iterdir())
