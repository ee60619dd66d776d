"""What `GroupProgram` does with memory and with the compiler's options."""

from concurrent import futures

import jax
import numpy as np
import pytest

from jaxtweaks.base import limits
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Data, Model, Setting, Train
from jaxtweaks.data import load
from jaxtweaks.run import compiled, devices, executables
from jaxtweaks.run.compiled import GroupProgram, stack_runs
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.plan import all_runs
from jaxtweaks.train.program import Program

DATA = Data(name='digits', train_size=20, validation_size=10, test_size=10)
SETTING = Setting(data=DATA, model=Model('mlp', hidden=(4,)), train=Train(batch_size=5))


def test_the_memory_of_the_state_is_used_again():
    data = Machine(load).data(DATA)
    off = trace.off_everywhere([SETTING])
    program = GroupProgram(Program(trace.split(SETTING, off)[0], 20, 10), 'map')
    args = stack_runs(tuple(all_runs(SETTING, [{}], range(2))), off)
    before = program.init(*args, data)
    after, _ = program.train(*args, before, data, 0, 0, 0, program.program.steps_per_epoch)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(before.params))
    # What is not the state's stays.
    assert np.isfinite(np.asarray(data.training.images)).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after.params))


def test_threads_of_a_shared_cpu_change_no_bit(monkeypatch):
    data = Machine(load).data(DATA)
    off = trace.off_everywhere([SETTING])
    args = stack_runs(tuple(all_runs(SETTING, [{}], range(4))), off)
    monkeypatch.setattr(limits, 'cores', lambda: 2)
    found, at_once = [], []

    class Pool(futures.ThreadPoolExecutor):
        def __init__(self, threads, **kwargs):
            at_once.append(threads)
            super().__init__(threads, **kwargs)

    monkeypatch.setattr(compiled, 'ThreadPoolExecutor', Pool)
    for wanted in ('', '1', '64'):
        monkeypatch.setenv('JAXTWEAKS_THREADS', wanted)
        program = GroupProgram(Program(trace.split(SETTING, off)[0], 20, 10), 'threads')
        before = program.init(*args, data)
        steps = program.program.steps_per_epoch
        found.append(program.train(*args, before, data, 0, 0, 0, steps))
    assert at_once == [2, 1, 2]
    first, *others = map(jax.tree.leaves, found)
    for other in others:
        for a, b in zip(first, other, strict=True):
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize('wanted', ['0', '-1', 'two', '1.5'])
def test_threads_are_a_number(wanted, monkeypatch):
    monkeypatch.setenv('JAXTWEAKS_THREADS', wanted)
    with pytest.raises(UserError, match=f"JAXTWEAKS_THREADS is '{wanted}': .*whole number from 1"):
        devices.threads()


def test_options_that_the_compiler_does_not_know_are_omitted():
    assert executables._exists('xla_backend_optimization_level', 0)
    assert not executables._exists('xla_there_is_no_such_option', 0)
    unknown = {'xla_there_is_no_such_option': 0}
    lowered = jax.jit(lambda x: x + 1).lower(1.0)
    assert executables.compiled(lowered, unknown)(1.0) == 2.0
