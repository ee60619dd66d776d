"""Whether who trains has an accelerator, and that the driver of workers leaves it to them."""

import pathlib
import types

import jax
import pytest

from jaxtweaks import api, app
from jaxtweaks.lab import agenda, laboratory
from jaxtweaks.run import cluster, trainers
from jaxtweaks.run.cluster import Asked
from jaxtweaks.run.plan import ALONE, Processes

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Cluster:
    """One whose workers answer each as is said, after so many looks at which none had joined."""

    def __init__(self, answers, late=0):
        self.answers, self.late, self.asked = answers, late, 0

    def __call__(self, wanted, notify, gpus):
        return self

    def count(self):
        self.late -= 1
        return 0 if self.late >= 0 else len(self.answers)

    def everywhere(self, function):
        self.asked += 1
        assert function == 'jaxtweaks.run.trainers:platform'
        return dict(enumerate(self.answers))

    def close(self):
        self.answers = None


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    """JAX was not kept off anything, and is not when the test is over."""
    monkeypatch.setattr(trainers, '_kept', False)
    before = jax.config.jax_platforms
    yield
    jax.config.update('jax_platforms', before)


def test_a_size_that_is_not_named_goes_by_who_trains(monkeypatch, tmp_path):
    """bn_onoff has 6 seeds at paper without an accelerator, 10 with one, and 5 at quick."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(cluster.importlib.util, 'find_spec', lambda name: True)
    found = []
    keep = lambda experiment, *_, **__: found.append((experiment.size, experiment.seeds))
    monkeypatch.setattr(laboratory, 'run', keep)
    config = '--config=configs/bn_onoff.py'
    for gpus, unnamed, paper in ((['0'], ('paper', 10), 10), ([], ('quick', 5), 6)):
        monkeypatch.setattr(cluster, 'gpus', lambda gpus=gpus: gpus)
        workdir = f'--workdir={tmp_path}/w'
        assert app.main(['main.py', config, workdir, '--workers=auto']) == 0
        monkeypatch.setattr(trainers, '_kept', False)
        api.run('bn_onoff', tmp_path / 'w', workers=2)
        assert trainers._kept  # as the command line does
        assert app.main(['main.py', f'{config}:paper', workdir, '--workers=2']) == 0
        assert found == [unnamed, unnamed, ('paper', paper)]
        found.clear()
    monkeypatch.setattr(trainers, 'Cluster', Cluster(['cpu', 'gpu']))
    api.run('bn_onoff', tmp_path / 'w', scheduler='tcp://there:1')
    assert found == [('paper', 10)]


def test_workers_of_a_cluster_are_asked_once_when_one_has_joined(monkeypatch):
    monkeypatch.setattr(trainers.time, 'sleep', lambda seconds: None)
    for answers, expected in ((['cpu', 'cpu'], False), ([OSError('gone'), 'tpu'], True)):
        there = Cluster(answers, late=3)
        monkeypatch.setattr(trainers, 'Cluster', there)
        with trainers.chosen(Asked(scheduler='x'), pytest.fail):
            assert [trainers.accelerated() for _ in range(2)] == [expected] * 2
        assert (there.asked, there.answers) == (1, None)  # and it was left
    assert not trainers.accelerated()  # of this process again


def test_workers_that_cannot_say_are_taken_to_have_none(monkeypatch):
    monkeypatch.setattr(trainers, '_SECONDS', 0.0)
    for answers, why in (([], 'none has joined'), ([ImportError('no jax')], 'ImportError: no jax')):
        monkeypatch.setattr(trainers, 'Cluster', Cluster(answers))
        said = []
        with trainers.chosen(Asked(scheduler='tcp://a:1'), said.append):
            assert not trainers.accelerated()
        assert (
            f'--scheduler=tcp://a:1: the workers could not be asked for their device ({why})'
            in (said[0])
        )


def test_what_workers_with_gpus_take_is_not_guessed_from_the_driver_s_cpu(monkeypatch):
    monkeypatch.setattr(cluster, 'gpus', lambda: ['0', '1'])
    method = types.SimpleNamespace(
        guess=lambda missing, runs, processes: ([processes], 'roughly 1 s to 9 s'), seconds=1.0
    )
    crew = types.SimpleNamespace(expected=lambda: Processes(2))
    plan = lambda crew: agenda._grouped(
        None, None, [], [], types.SimpleNamespace(method=method, crew=crew), rough=True
    )
    assert plan(None) == ([ALONE], 'roughly 1 s to 9 s')
    with trainers.chosen(Asked('auto'), pytest.fail):
        groups, words = plan(crew)
    assert (groups, method.seconds) == ([Processes(2)], None)
    assert words.startswith('time and memory are those of the workers, not known here')
    assert plan(crew) == ([Processes(2)], 'roughly 1 s to 9 s')  # without any


def test_the_driver_of_workers_leaves_the_accelerator_to_them(monkeypatch):
    said = []
    trainers.keep_to_cpu(pytest.fail)
    assert jax.config.jax_platforms == 'cpu'
    # What is trained in this process after that is trained on the CPU.
    monkeypatch.setattr(cluster, 'gpus', lambda: ['0'])
    with trainers.chosen(None, said.append):
        assert not trainers.accelerated()
    assert 'stays on the CPU' in said.pop()
    with trainers.chosen(Asked(1), pytest.fail):
        assert trainers.accelerated()
    monkeypatch.setattr(trainers, '_kept', False)
    jax.config.update('jax_platforms', None)
    monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')  # in use already
    trainers.keep_to_cpu(said.append)
    assert 'JAX was in use here before workers were asked for' in said.pop()
    assert (jax.config.jax_platforms, trainers._kept) == (None, False)
