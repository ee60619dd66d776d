"""What `GroupProgram` does with memory and with the compiler's options."""

import jax
import numpy as np

from jaxtweaks.config import trace
from jaxtweaks.config.settings import Data, Model, Setting, Train
from jaxtweaks.data import load
from jaxtweaks.run import executables
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


def test_options_that_the_compiler_does_not_know_are_left_out():
    assert executables._exists('xla_backend_optimization_level', 0)
    assert not executables._exists('xla_there_is_no_such_option', 0)
    unknown = {'xla_there_is_no_such_option': 0}
    lowered = jax.jit(lambda x: x + 1).lower(1.0)
    assert executables.compiled(lowered, unknown)(1.0) == 2.0
