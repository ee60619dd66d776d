"""A plain linen network in a group: what it is lowered to, and how its runs share a program."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import pytest

from jaxtweaks.config import trace
from jaxtweaks.config.settings import Data, Model, Setting, Train
from jaxtweaks.data import load
from jaxtweaks.nn import plain
from jaxtweaks.run import executables, machine, native
from jaxtweaks.run.compiled import GroupProgram, candidates, lacks_native, stack_runs
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.plan import all_runs
from jaxtweaks.train.applied import Applied
from jaxtweaks.train.program import Program

DATA = Data(name='digits', train_size=20, validation_size=10, test_size=10)
SETTING = Setting(data=DATA, model=Model('mlp', hidden=(4,)), train=Train(batch_size=5))


class Net(nn.Module):
    """One of Flax's convolutions that a rule can take over, and one that it cannot."""

    volumes: bool = False

    @nn.compact
    def __call__(self, x, train):
        x = nn.relu(nn.Conv(4, (3, 3), 2)(x))
        if self.volumes:
            x = nn.Conv(2, (2, 2, 2))(x[..., None]).mean(3)
        x = nn.BatchNorm(use_running_average=not train)(x)
        return nn.Dense(10)(x.mean((1, 2)))


@dataclasses.dataclass(frozen=True)
class PlainProgram(Program):
    """The program of a network that is no network of a setting."""

    module: Any = None

    def network(self, hyper):
        return self.module


@pytest.fixture
def lower(monkeypatch):
    """Of a module and a way of batching: the text of training, the group, and XLA's options."""
    texts, chosen = [], []

    def not_compiled(made, options, device):
        texts.append(made.as_text())
        chosen.append(options)
        return lambda *args: None

    monkeypatch.setattr(executables, 'compiled', not_compiled)

    def lower(module, way):
        off = trace.off_everywhere([SETTING])
        program = PlainProgram(trace.split(SETTING, off)[0], 20, 10, module)
        group = GroupProgram(program, way)
        data = Machine(load).data(DATA)
        own = stack_runs(tuple(all_runs(SETTING, [{}], range(2))), off)
        state = jax.eval_shape(jax.vmap(program.init, (0, 0, None)), *own, data)
        with plain.layers():
            group.train(*own, state, data, 0, 0, 0, 1)
        return texts[-1], group, chosen[-1]

    return lower


def test_where_runs_take_turns_convolutions_are_taken_over(lower):
    text, group, options = lower(Net(), 'map')
    assert options == executables.FAST_CPU
    assert group.left == set()
    # XLA's gradient of a strided convolution's kernel has the gradient with gaps.
    assert 'stablehlo.convolution' in text
    assert 'rhs_dilate = [2, 2]' not in text


def test_by_custom_kernels_if_there_is_a_compiler(lower):
    if reason := native.why_not('float32'):
        pytest.skip(f'no native convolutions: {reason}')
    text, group, options = lower(Net(volumes=True), 'map_native')
    assert options == {}
    assert group.left == {'convolutions over 3 axes'}
    assert '@jaxtweaks_conv_forward(' in text
    assert '@jaxtweaks_conv_kernel_gradient(' in text
    # Of the network's layers only the one over three axes is still XLA's.
    left = [line for line in text.splitlines() if 'stablehlo.convolution' in line]
    assert left
    assert not [line for line in left if 'x3x3x' in line]


def test_they_are_found_in_the_traced_network_and_nothing_is_declared(monkeypatch):
    static, hyper = trace.split(SETTING)
    assert Applied(static, 20, 10).plain_convolutions(hyper, (8, 8, 1)) == 0
    program = PlainProgram(static, 20, 10, Net(volumes=True))
    assert program.plain_convolutions(hyper, (8, 8, 1)) == 2

    here = Machine(load)
    assert not here.plain_convolutions(SETTING)
    fake = lambda static, size, classes: PlainProgram(static, size, classes, Net())
    monkeypatch.setattr(machine, 'Applied', fake)
    assert not here.plain_convolutions(SETTING)  # remembered
    assert Machine(load).plain_convolutions(SETTING)


def test_their_runs_take_turns(monkeypatch):
    mlp = Setting(model=Model('mlp'))
    bf16 = dataclasses.replace(mlp, train=Train(precision='bf16'))
    monkeypatch.setattr(native, 'why_not', lambda precision: '')
    assert candidates(mlp, plain_convolutions=True) == ('threads_native', 'map_native')
    assert candidates(bf16, plain_convolutions=True) == ('threads_native', 'map_native')
    assert lacks_native(mlp, plain_convolutions=True) == ''
    monkeypatch.setattr(native, 'why_not', lambda precision: 'no compiler')
    assert candidates(mlp, plain_convolutions=True) == ('threads', 'map')
    assert lacks_native(mlp, plain_convolutions=True) == 'no compiler'
    assert lacks_native(mlp) == ''
    monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
    assert candidates(mlp, plain_convolutions=True) == ('map', 'vmap_grouped')
