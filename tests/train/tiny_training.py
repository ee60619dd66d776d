"""A training small enough to compile and run in a second: data, settings, and ways to run it."""

import dataclasses
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks.config import settings, trace
from jaxtweaks.run.compiled import GroupProgram, stack_runs
from jaxtweaks.run.plan import Run
from jaxtweaks.train.program import DeviceData, DeviceSplit, Program

TRAIN, VALIDATION, TEST, CLASSES = 22, 13, 11, 3


def split(rng, count, side):
    """Images in which the class is the brightest row: separable."""
    labels = rng.permutation(np.arange(count) % CLASSES)
    images = rng.integers(0, 90, (count, side, side, 1))
    images[np.arange(count), labels + 1] += 120
    return DeviceSplit(jnp.asarray(images, jnp.uint8), jnp.asarray(labels, jnp.int32))


def data(side=4):
    rng = np.random.default_rng(0)
    training, validation, test = (split(rng, n, side) for n in (TRAIN, VALIDATION, TEST))
    pixels = np.asarray(training.images, np.float32)
    mean, std = pixels.mean(0), pixels.std(0) + 1
    return DeviceData(training, validation, test, jnp.asarray(mean), jnp.asarray(1 / std))


def setting(**values):
    """A small setting; fields of other values by dotted name with `__` for the dot."""
    base = settings.Setting(
        data=settings.Data(train_size=TRAIN, validation_size=VALIDATION),
        model=settings.Model('mlp', channels=(2,), hidden=(7,), norm='batch', norm_place='after'),
        optim=settings.Optim(learning_rate=0.02),
        train=settings.Train(batch_size=8, epochs=2, train_eval_size=9),
    )
    return trace.replace(base, {name.replace('__', '.'): v for name, v in values.items()})


def program(one, off=frozenset(), kind=Program):
    return kind(trace.split(one, off)[0], TRAIN, CLASSES)


def numbers(one, off=frozenset()):
    """The traced numbers of one run, as the runner has them."""
    columns, _ = stack_runs([Run((), one, 0)], off)
    return {name: column[0] for name, column in columns.items()}


def over_masks(group, hyper, seeds, state, data):
    """What is found of averages over dropout masks, by metric [runs]."""
    samples = sorted(group.program.static.train.mc_samples)
    if not samples:
        return {}
    found, means = {}, group.no_masks(hyper, seeds, state, data)
    for begin, end in itertools.pairwise([0, *samples]):
        means = group.add_masks(hyper, seeds, state, means, data, begin, end)
        found |= group.over_masks(hyper, means, data, end)
    return found


class Trained:
    """Groups of runs taken through training by a `GroupProgram`, epoch by epoch.

    Attributes:
      initial, final: states, the first axis is the runs.
      metrics: of each epoch.
      found: of `finish`, if asked for.
    """

    def __init__(self, group, hyper, seeds, batch_data, finish=True):
        program = group.program
        hyper = {name: np.asarray(column) for name, column in hyper.items()}
        seeds = np.asarray(seeds, np.uint32)
        state = group.init(hyper, seeds, batch_data)
        self.initial = jax.tree.map(np.array, state)
        self.metrics = []
        for epoch in range(program.static.train.epochs):
            whole = epoch, 0, epoch, program.steps_per_epoch
            state, metrics = group.train(hyper, seeds, state, batch_data, *whole)
            self.metrics.append({name: np.array(rows)[:, 0] for name, rows in metrics.items()})
        self.final = jax.tree.map(np.array, state)
        self.found = None
        if finish:
            found = jax.tree.map(np.array, group.finish(hyper, seeds, state, batch_data))
            self.found = dataclasses.replace(
                found, finals=found.finals | over_masks(group, hyper, seeds, state, batch_data)
            )

    def run(self, index):
        """All there is of one run, as a flat dict of arrays by path."""
        whole = (self.initial, self.metrics, self.final, self.found)
        return leaves(jax.tree.map(lambda leaf: leaf[index], whole))


def leaves(tree):
    """Arrays by path; without how an optimiser nests its state, which is no result."""
    return {
        f'{number:03} ' + re.sub(r'(?<=opt_state)(\[\d\])+', '', jax.tree_util.keystr(path)): leaf
        for number, (path, leaf) in enumerate(jax.tree_util.tree_leaves_with_path(tree))
    }


def differing(a, b):
    """The paths of the leaves of two trees that are not bitwise the same."""
    a, b = leaves(jax.tree.map(np.asarray, a)), leaves(jax.tree.map(np.asarray, b))
    assert a.keys() == b.keys()
    return [path for path in a if a[path].tobytes() != b[path].tobytes()]


def group_of(runs, batching='vmap_loop', off=frozenset(), kept=None):
    """A `GroupProgram` for (setting, seed) pairs, their traced numbers and seeds.

    With `kept`, a dict, one that is there for the same program is taken, and a new one stays there:
    what it has compiled serves the next.
    """
    runs = [Run((), one, seed) for one, seed in runs]
    hyper, seeds = stack_runs(runs, off)
    key = trace.split(runs[0].setting, off)[0], batching
    kept = {} if kept is None else kept
    if key not in kept:
        kept[key] = GroupProgram(program(runs[0].setting, off), batching)
    return kept[key], hyper, seeds
