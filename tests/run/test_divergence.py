"""A run that diverges is its own problem: every other run is bitwise what it was."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from jaxtweaks import data as data_lib
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.lab.replay import differences
from jaxtweaks.report.tables import settings_table
from jaxtweaks.results.collect import collect
from jaxtweaks.run.compiled import GroupProgram
from jaxtweaks.run.group import Execution, train_group
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.plan import Group, all_runs
from jaxtweaks.run.progress import Reporter

# Everything that one run could take along into another: statistics, averages, snapshots, Adam.
BASE = trace.replace(
    Setting(),
    {
        'data.name': 'digits',
        'data.train_size': 40,
        'data.validation_size': 30,
        'data.test_size': 30,
        'model.name': 'mlp',
        'model.hidden': (6,),
        'model.norm': 'batch',
        'dropout.hidden': 0.2,
        'train.batch_size': 10,
        'train.epochs': 3,
        'train.select': 'best_loss',
        'train.train_eval_size': 20,
        'train.ema_decay': 0.9,
        'train.snapshots': 2,
    },
)
STEPS = 4  # an epoch
RUNS = 4


@pytest.fixture(scope='module')
def machine():
    return Machine(lambda config: data_lib.load(config, print))


def group_of(batching):
    runs = tuple(all_runs(BASE, [{}], range(RUNS)))
    return Group(runs, RUNS, batching, trace.off_everywhere([BASE]))


def train(group, machine, path):
    return train_group(
        group,
        machine.compiled(group),
        machine.data(group.static.data),
        path,
        Execution(chunk_seconds=1e-9),
        lambda: 0,
        Reporter(None),
    )


def poisoned(run, step, value):
    """A GroupProgram.train that spoils the parameters of one run before one step."""
    train = GroupProgram.train

    def spoil(self, hyper, seeds, state, data, epoch, start, *to):
        if epoch * STEPS + start == step:
            params = jax.tree.map(np.array, state.params)
            for leaf in jax.tree.leaves(params):
                leaf[run] = value
            state = dataclasses.replace(state, params=params)
        return train(self, hyper, seeds, state, data, epoch, start, *to)

    return spoil


@pytest.fixture(scope='module', params=['map', 'vmap_loop'])
def healthy(request, machine, tmp_path_factory):
    group = group_of(request.param)
    return group, train(group, machine, tmp_path_factory.mktemp('healthy') / 'a.ckpt')


CASES = {'nan': np.nan, 'infinity': np.inf, 'overflow': 3e38}


def test_what_is_injected_in_one_run_changes_no_bit_of_another(
    healthy, machine, monkeypatch, tmp_path
):
    group, before = healthy
    rng = np.random.default_rng(len(group.batching))
    for number, (value, _) in enumerate(itertools.product(CASES.values(), range(2))):
        run, step = int(rng.integers(RUNS)), int(rng.integers(3 * STEPS))
        with monkeypatch.context() as patch:
            patch.setattr(GroupProgram, 'train', poisoned(run, step, value))
            found = train(group, machine, tmp_path / f'{number}.ckpt')
        assert found.diverged_at.tolist() == [step if i == run else -1 for i in range(RUNS)]
        for other in set(range(RUNS)) - {run}:
            assert list(differences(before, other, column_of(found, other))) == []

        results = collect(group.runs, [found], _dataset(machine))
        whole = collect(group.runs, [before], _dataset(machine))
        assert int(results.diverged.sum()) == 1
        assert np.isnan(results.final('test_loss')[0, run])
        survivors = np.delete(whole.final('test_loss')[0], run)
        assert np.array_equal(np.delete(results.final('test_loss')[0], run), survivors)
        table = settings_table(results, ('test_loss',))
        assert table.rows[0][:2] == (str(RUNS), '1')
        assert table.rows[0][2].startswith(f'{survivors.mean():.2f} ±')


def column_of(found, run):
    """The result of one run of a group."""
    one = lambda leaf: leaf[run : run + 1]
    names = ('finals', 'chosen_epoch', 'diverged_at', 'confusion', 'arrays', 'left_at')
    cut = {name: jax.tree.map(one, getattr(found, name)) for name in names}
    history = {name: values[:, run : run + 1] for name, values in found.history.items()}
    return dataclasses.replace(found, runs=found.runs[run : run + 1], history=history, **cut)


def _dataset(machine):
    return machine.dataset(BASE.data)
