"""Workers of a real cluster of two: bitwise one process, whatever dies meanwhile."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
from rich.console import Console

from jaxtweaks import app
from jaxtweaks.base import provenance
from jaxtweaks.base.errors import Unfinished
from jaxtweaks.config.expand import grid
from jaxtweaks.lab import answers, laboratory
from jaxtweaks.lab.crew import Crew
from jaxtweaks.lab.experiment import build
from jaxtweaks.run import cluster, trainers, workers
from jaxtweaks.run.cluster import Asked

dask = pytest.importorskip('dask')
distributed = pytest.importorskip('distributed')
FILES = ('runs.parquet', 'epochs.parquet', 'claims.json', 'config.json')
# A study that ends its process for one of its settings, as long as a file is there.
POISON = """
import os, pathlib, signal
import jaxtweaks as jt
from jaxtweaks.config.expand import grid


@jt.study('drink', finals=('taste',), generated='nothing', reads=('optim.learning_rate',))
def drink(setting, seed):
    rate = setting.optim.learning_rate
    if rate > 0.25 and pathlib.Path({poison!r}).exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return {{'taste': float(rate) + 0.001 * int(seed)}}


def get_config(size=None):
    config = jt.default_config('poison')
    config.study.name, config.size, config.seeds = 'drink', 'smoke', 1
    config.sweep = grid('optim.learning_rate', 0.1, 0.2, 0.3)
    config.claims = (
        dict(sentence='0.2 tastes more.', source='§1', kind='greater', metric='taste',
             a={{'optim.learning_rate': 0.2}}, b={{'optim.learning_rate': 0.1}}),
    )
    return config
"""


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    monkeypatch.setattr(answers, '_draw', lambda *args: [])


@pytest.fixture(scope='module')
def users_cluster():
    """The address of a scheduler with two workers, as a user would have started it."""
    with dask.config.set(cluster._SETTINGS | {'distributed.scheduler.allowed-failures': 1}):
        started = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address='127.0.0.1:0', memory_limit=0,
            silence_logs='CRITICAL',
        )  # fmt: skip
        with started:
            yield started.scheduler_address


def experiment():
    values = {
        'name': 'shared',
        'size': 'smoke',
        'data': {'name': 'digits', 'train_size': 60, 'validation_size': 20, 'test_size': 20},
        'model': {'name': 'mlp', 'hidden': (4,)},
        'optim': {'name': 'sgd'},
        'train': {
            'epochs': 4, 'batch_size': 20, 'select': 'best_accuracy', 'keep_parameters': True,
        },
        'sweep': grid('optim.learning_rate', 1e-3, 1e-2, 1e-1),
        'search': {'rounds': 1, 'rungs': (2,)},
        'seeds': 2,
        # Saved after every step.
        'execution': {
            'batching': 'map', 'group_size': 2, 'chunk_seconds': 1e-9, 'checkpoint_seconds': 0.0,
        },
    }  # fmt: skip
    return build(values)


def carried_out(asked, path, **given):
    console = Console(file=io.StringIO(), width=200)
    answer = laboratory.run(asked, path, console, command='x', **given)
    return answer, console.file.getvalue()


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    """What one process finds, and the folder that it leaves."""
    path = tmp_path_factory.mktemp('alone')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, '_draw', lambda *args: [])
        return carried_out(experiment(), path)[0], path


def assert_the_same(path, alone):
    networks = [f'parameters/{one.name}' for one in (alone / 'parameters').iterdir()]
    assert len(networks) >= 6
    for name in (*FILES, *networks):
        assert (path / name).read_bytes() == (alone / name).read_bytes(), name
    assert not list((path / 'checkpoints').iterdir())
    assert not list(path.rglob('*.tmp'))


def call(capsys, *args):
    code = app.main(['main.py', *args])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def killed(path, address, ended):
    """Kills a worker that has saved something of a group that is not finished."""
    with distributed.Client(address) as client:
        client.wait_for_workers(2, timeout=120)  # one may have died in the test before
        pids = client.run(os.getpid)
        while not ended.wait(0.01):
            begun = {one.stem for one in (path / 'checkpoints').glob('*.ckpt')}
            for worker, keys in client.processing().items():
                if any(key.partition('-')[0] in begun for key in keys):
                    os.kill(pids[worker], signal.SIGKILL)
                    return


def have_one_die_in_a_save(address, fuse):
    """The first worker to save a second state of a group is killed when half of it is written."""

    def lay(fuse):
        import os
        import pathlib
        import signal

        from jaxtweaks.base import atomic

        write = atomic._write

        def dies(path, parts):
            if path.suffix == '.ckpt' and path.with_name(f'{path.name}.previous').exists():
                try:
                    pathlib.Path(fuse).unlink()  # one process alone can
                except FileNotFoundError:
                    pass
                else:
                    atomic._temporary(path).write_bytes(bytes(parts[0]))
                    os.kill(os.getpid(), signal.SIGKILL)
            write(path, parts)

        atomic._write = dies

    fuse.touch()
    with distributed.Client(address) as client:
        client.run(lay, str(fuse))


@pytest.fixture
def heard(monkeypatch):
    """What is said of the progress of groups: what, of which, and how far it was."""
    said = []
    for name in ('began', 'resumed'):
        tell = getattr(workers.Tally, name)
        hear = lambda self, group, *more, name=name, tell=tell: (
            said.append((name, group, *more[:1])),
            tell(self, group, *more),
        )
        monkeypatch.setattr(workers.Tally, name, hear)
    return said


def assert_one_went_on(heard):
    """One group, that of the dead, was begun twice, and went on from its checkpoint."""
    begun = [group for what, group, *_ in heard if what == 'began']
    twice = {group for group in begun if begun.count(group) > 1}
    again = [work for what, group, *work in heard if what == 'resumed' and group in twice]
    assert len(twice) == 1
    assert again[-1][0] > 0


def test_a_search_in_which_a_worker_dies_in_a_save_leaves_the_files_of_one_process(
    users_cluster, alone, tmp_path, heard
):
    """Rungs compare the runs of all workers; nothing is lost but what was not saved."""
    one, reference = alone
    path, fuse = tmp_path / 'w', tmp_path / 'fuse'
    have_one_die_in_a_save(users_cluster, fuse)
    many, printed = carried_out(experiment(), path, workers=Asked(scheduler=users_cluster))
    assert not fuse.exists()
    assert_one_went_on(heard)
    assert_the_same(path, reference)
    assert many.choice.setting == one.choice.setting
    assert many.choice.dropped == one.choice.dropped > 0
    assert f'scheduler {users_cluster}, 2 workers' in printed
    assert 'does not see' not in printed
    (launch,) = json.loads((path / 'manifest.json').read_text())['launches']
    assert all(f'{os.uname().nodename}: CPU' in one for one in launch['workers'].values())
    # All is there: nobody is needed to draw it again.
    carried_out(experiment(), path, workers=Asked(scheduler='tcp://127.0.0.1:9'))


def test_workers_that_do_not_see_the_work_folder_send_what_they_find(
    users_cluster, alone, tmp_path, heard, monkeypatch
):
    """They look for it where it is not; one is killed, so its state has to come from here."""
    path, asked = tmp_path / 'w', Crew.asked

    def elsewhere(self, *args):
        asked(self, *args)
        self._given['path'] = str(tmp_path / 'not' / 'here')

    monkeypatch.setattr(Crew, 'asked', elsewhere)
    ended = threading.Event()
    killing = threading.Thread(target=killed, args=(path, users_cluster, ended), daemon=True)
    killing.start()
    _, printed = carried_out(experiment(), path, workers=Asked(scheduler=users_cluster))
    ended.set()
    killing.join(60)
    assert not killing.is_alive()
    assert_one_went_on(heard)
    assert_the_same(path, alone[1])
    assert printed.count('does not see') == 1
    (launch,) = json.loads((path / 'manifest.json').read_text())['launches']
    assert all(one.endswith(', without the work folder') for one in launch['workers'].values())
    assert 'device' not in launch  # the driver trained nothing
    on = f'{provenance.device()} ({len(launch["workers"])} worker'
    assert on in (path / 'report.md').read_text()


def test_one_that_kills_its_workers_is_given_up_and_the_others_are_finished(
    users_cluster, tmp_path, capsys
):
    poison, config, path = tmp_path / 'poison', tmp_path / 'poison.py', tmp_path / 'w'
    poison.touch()
    config.write_text(POISON.format(poison=str(poison)))
    given = f'--config={config}', f'--workdir={path}', f'--scheduler={users_cluster}'
    code, out, err = call(capsys, *given)
    assert code == 1
    assert err.startswith('not finished: 1 of 3 groups failed: it ended 2 workers that had it')
    assert 'run 3/3 failed: it ended 2 workers' in ' '.join(out.split())
    assert len(list((path / 'results').iterdir())) == 2
    poison.unlink()
    # The same workers, and one launch of them for several looks, by which seeds are added.
    code, out, err = call(capsys, *given, '--until_settled')
    assert (code, '2 of 3 groups finished before' in out) == (0, True), err
    looks = json.loads((path / 'manifest.json').read_text())['looks']
    assert [one['seeds'] for one in looks] == [5, 8, 12]


def test_workers_are_asked_whether_they_have_an_accelerator(users_cluster):
    with trainers.chosen(Asked(scheduler=users_cluster), pytest.fail):
        assert not trainers.accelerated()


def test_a_scheduler_that_ends_is_reported():
    """Nobody has joined it yet."""
    started = distributed.LocalCluster(
        n_workers=0, dashboard_address='127.0.0.1:0', silence_logs='CRITICAL', protocol='tcp'
    )
    asked = cluster.Cluster(Asked(scheduler=started.scheduler_address), print, list)
    assert asked.count() == 0
    asked.start('x', 'jaxtweaks.lab.worker:train', {})
    started.close()
    with pytest.raises(Unfinished, match='is gone; what was saved is kept'):
        list(iter(lambda: asked.next(0.2), 'nothing is ever said'))
    asked.close()


def test_a_cluster_of_this_host_is_for_its_user_alone():
    own = cluster.Cluster(Asked(1), print, list)
    try:
        assert own.count() == 1
        # What is sent to all processes of a job: its own has them save.
        (pid,) = own._client.run(os.getpid).values()
        for name in ('INT', 'TERM', 'HUP', 'USR1', 'USR2'):
            os.kill(pid, getattr(signal, f'SIG{name}'))
        assert list(own._client.run(os.getpid).values()) == [pid]
        info = own._client.scheduler_info()
        (address,) = info['workers']
        assert info['address'].startswith('tls://127.0.0.1:')
        assert address.startswith('tls://127.0.0.1:')
        # Whoever has its keys gets in, and nobody with others.
        distributed.Client(info['address'], timeout=60, security=own._client.security).close()
        others = distributed.Security.temporary()
        with pytest.raises(OSError, match='TLS certificate does not match'):
            distributed.Client(info['address'], timeout=60, security=others)
    finally:
        own.close()
    assert is_gone(pid)


def is_gone(pid, within=30.0):
    """Whether a process ends in time; nobody may be there to ask a zombie how it ended."""
    deadline = time.monotonic() + within
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
    return True


DRIVER = """
import os, signal
from jaxtweaks.run.cluster import Asked, Cluster
if __name__ == '__main__':
    own = Cluster(Asked(1), print, list)
    own.count()
    print(*own._client.run(os.getpid).values(), flush=True)
    signal.pause()
"""


def test_workers_of_this_host_end_with_the_process_that_started_them(tmp_path):
    script = tmp_path / 'driver.py'
    script.write_text(DRIVER)
    driver = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    with driver:
        assert driver.stdout.readline() == '1 workers on this host\n'
        pid = int(driver.stdout.readline())
        driver.kill()
    assert is_gone(pid)
