"""The time of training is guessed by what networks compute where nothing was measured."""

import dataclasses
import math
import types

import jax
import jax.numpy as jnp
import numpy as np
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
    cnn = rough.counted(Setting(data=DATA, model=CNN), machine)
    assert cnn.multiplications == OF_CNN
    assert cnn.parameters == (9 + 1) * 4 + (9 * 4 + 1) * 4 + (36 + 1) * 5 + (5 + 1) * 10
    mlp = Setting(data=DATA, model=Model(name='mlp', hidden=(7,)), dropout=Dropout(hidden=0.5))
    found = rough.counted(mlp, machine)
    assert (found.multiplications, found.parameters) == (64 * 7 + 7 * 10, 65 * 7 + 8 * 10)
    # Products, biases added and the ReLU at least; of each further unit the same.
    assert found.numbers >= 2 * (7 + 10) + 7
    wider = [
        rough.counted(dataclasses.replace(mlp, model=Model(name='mlp', hidden=(n,))), machine)
        for n in (8, 18)
    ]
    each = wider[0].numbers - found.numbers
    assert each >= 3
    assert wider[1].numbers - wider[0].numbers == 10 * each


def counted_of(apply, machine, monkeypatch):
    """What is counted of a network with one kernel, 64 × 3."""
    network = types.SimpleNamespace(
        init=lambda key, x, train: {'params': {'w': np.zeros((64, 3), np.float32)}},
        apply=lambda variables, x, train: apply(variables['params']['w'], x.reshape(len(x), -1)),
    )
    applied = types.SimpleNamespace(network=lambda hyper: network)
    monkeypatch.setattr(rough, 'Applied', lambda *about: applied)
    return rough.counted(Setting(data=DATA, model=CNN), machine)


def test_numbers_are_of_images_and_not_of_parameters(machine, monkeypatch):
    """A kernel that is standardised before it is used makes no image dearer."""
    plain = counted_of(lambda w, x: x @ w, machine, monkeypatch)
    assert (plain.multiplications, plain.numbers, plain.parameters) == (64 * 3, 64 + 3, 64 * 3)
    standardised = lambda w, x: x @ ((w - w.mean()) / w.std())
    assert counted_of(standardised, machine, monkeypatch) == plain


def test_images_that_take_turns_are_all_counted(machine, monkeypatch):
    one_by_one = lambda w, x: jax.lax.map(lambda row: row @ w, x)
    found = counted_of(one_by_one, machine, monkeypatch)
    assert (found.multiplications, found.parameters) == (64 * 3, 64 * 3)
    assert found.numbers >= 64 + 3


def test_loops_and_branches_are_counted():
    x, w = np.zeros((2, 5), np.float32), np.zeros((5, 5), np.float32)
    product, largest = 2 * 5 * 5, 2 * 5
    of = lambda f: rough._of_program(jax.make_jaxpr(f)(x))
    five_turns = of(lambda x: jax.lax.scan(lambda x, _: (x @ w, None), x, length=5))
    assert five_turns == (5 * product, 5 * largest)
    in_time = lambda x: jax.lax.while_loop(lambda at: at.sum() < 1, lambda at: at @ w, x)
    multiplications, numbers = of(in_time)
    assert multiplications == product
    assert numbers >= largest
    branches = lambda x: x @ w @ w, lambda x: x @ w
    assert of(lambda x: jax.lax.cond(x.sum() > 0, *branches, x))[0] == product
    added = of(lambda x: jnp.zeros((100, 5)).at[jnp.array([3, 4])].add(x))
    assert added[0] == 0
    assert added[1] >= 2 * 100 * 5  # zeros, and what they become


def test_a_guess_grows_with_the_work_and_says_how_far_it_may_be_off(machine, monkeypatch):
    monkeypatch.setattr(rough, 'products_per_second', lambda: 1e6)
    (one,) = groups(CNN)
    least, most = rough.seconds([one], machine)
    assert most == pytest.approx(rough.FACTOR**2 * least)
    network, train = rough.counted(one.runs[0].setting, machine), one.static.train
    of_image = 3 * OF_CNN + 50 * network.numbers
    steps = train.epochs * math.ceil(DATA.train_size / train.batch_size)
    expected = (machine.work(one) * of_image + steps * 1e5) / 1e6 + 8
    assert (least * most) ** 0.5 == pytest.approx(expected)
    of = lambda *models: rough.seconds(groups(*models), machine)[0]
    normed = dataclasses.replace(CNN, norm='batch')
    assert of(normed) > least
    assert of(CNN, normed) == pytest.approx(least + of(normed))


def test_parameters_beyond_the_cache_make_steps_dear_and_no_others():
    of_step = lambda parameters: rough.Counted(1.0, 1.0, parameters).of_step
    assert of_step(10) == of_step(200_000)
    assert of_step(1_200_000) - of_step(200_000) == 400 * 1_000_000


def test_what_cannot_be_guessed_is_not(machine, monkeypatch):
    assert rough.seconds(groups(dataclasses.replace(CNN, name='local')), machine) is None
    monkeypatch.setattr(rough.jax, 'default_backend', lambda: 'gpu')
    assert rough.seconds(groups(CNN), machine) is None


def test_workers_that_share_a_cpu_need_as_long_as_one_process(monkeypatch):
    monkeypatch.setattr(rough, 'seconds', lambda *about: (40.0, 80.0))
    cost = layout.Estimate(1.0, 60.0)
    monkeypatch.setattr(training.layout, 'estimate', lambda *about: cost)
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
