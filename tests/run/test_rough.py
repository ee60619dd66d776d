"""The time of training is guessed from multiplications where nothing was measured."""

import dataclasses

import pytest

from jaxtweaks.config.settings import Data, Dropout, Model, Setting
from jaxtweaks.data import load
from jaxtweaks.run import layout, rough, training
from jaxtweaks.run.group import Execution
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.plan import Processes, Run, into_groups
from jaxtweaks.run.search import Search

DATA = Data(
    name='digits', train_size=100, validation_size=50, test_size=50
)  # 8 × 8 × 1, 10 classes
CNN = Model(name='cnn', channels=(4,), hidden=(5,), norm='none')
# Of a kernel 3 × 3 at each place: 8 × 8 places from 1 to 4 channels, 6 × 6 from 4 to 4, a pool of
# 2; then 3 · 3 · 4 units to 5, and 5 to 10.
OF_CNN = 8 * 8 * 9 * 4 + 6 * 6 * 9 * 4 * 4 + 36 * 5 + 5 * 10


@pytest.fixture(scope='module')
def machine():
    return Machine(lambda config: load(config, lambda text: None))


def groups(*models):
    settings = [Setting(data=DATA, model=model) for model in models]
    runs = [Run(point={}, setting=setting, seed=0) for setting in settings]
    return [group for run in runs for group in into_groups([run], 1, 'map', frozenset(), 1)]


def test_multiplications_are_those_of_the_layers(machine):
    assert rough.multiplications(Setting(data=DATA, model=CNN), machine) == OF_CNN
    mlp = Setting(data=DATA, model=Model(name='mlp', hidden=(7,)), dropout=Dropout(hidden=0.5))
    assert rough.multiplications(mlp, machine) == 64 * 7 + 7 * 10


def test_a_guess_grows_with_the_work_and_says_how_far_it_may_be_off(machine, monkeypatch):
    monkeypatch.setattr(rough, 'products_per_second', lambda: 1e6)
    (one,) = groups(CNN)
    least, most = rough.seconds([one], machine)
    assert most == pytest.approx(rough.FACTOR**2 * least)
    expected = machine.work(one) * 3 * OF_CNN / (rough._SHARE * 1e6)
    assert (least * most) ** 0.5 == pytest.approx(expected, rel=0.1)
    seldom = dataclasses.replace(CNN, norm='batch')
    two = rough.seconds([one, *groups(seldom)], machine)
    assert two[0] == pytest.approx(2 * least)


def test_what_cannot_be_guessed_is_not(machine, monkeypatch):
    assert rough.seconds(groups(dataclasses.replace(CNN, name='local')), machine) is None
    monkeypatch.setattr(rough.jax, 'default_backend', lambda: 'gpu')
    assert rough.seconds(groups(CNN), machine) is None


def test_workers_that_share_a_cpu_need_as_long_as_one_process(monkeypatch):
    monkeypatch.setattr(rough, 'seconds', lambda groups, machine: (40.0, 80.0))
    cost = layout.Estimate(1.0, 60.0)
    monkeypatch.setattr(training.layout, 'estimate', lambda groups, costs, machine: cost)
    method = training.Training(DATA, Execution(), Search(), print)
    nine = [one for seed in range(9) for one in groups(CNN)]
    found = {4: [], 1: []}
    for sharing, words in found.items():
        processes = Processes(4, sharing)
        words.append(method._rough(nine, [], processes).partition(',')[0])
        words.append(method._cost(nine, {}, [], processes))
        words.append(method.seconds)
    assert found == {
        4: ['roughly 40 s to 80 s', 'about 1 GiB, about 60 s', 60.0],
        1: ['roughly 10 s to 20 s', 'about 1 GiB, about 15 s', 15.0],
    }


def test_a_product_is_measured():
    assert 1e7 < rough.products_per_second() < 1e14
