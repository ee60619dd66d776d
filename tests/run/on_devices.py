"""Trains a small group on the devices of this process; started with 4 of them by test_devices.

python on_devices.py FOLDER
"""

import dataclasses
import itertools
import json
import pathlib
import sys

import jax
from jax.sharding import NamedSharding

from jaxtweaks import data as data_lib
from jaxtweaks.config import trace
from jaxtweaks.config.expand import expand, grid
from jaxtweaks.config.settings import Setting
from jaxtweaks.run import devices, files, layout
from jaxtweaks.run.compiled import stack_runs
from jaxtweaks.run.group import Execution, Interrupted, train_group
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.plan import Group, all_runs
from jaxtweaks.run.progress import Reporter

COLLECTIVES = ('all-reduce', 'all-gather', 'collective-permute', 'all-to-all', 'reduce-scatter')
BASE = trace.replace(
    Setting(),
    {
        'data.name': 'digits',
        'data.train_size': 50,
        'data.validation_size': 20,
        'data.test_size': 20,
        'model.name': 'mlp',
        'model.hidden': (6,),
        'model.norm': 'batch',
        'optim.learning_rate': 0.02,
        'train.batch_size': 16,
        'train.epochs': 2,
        'train.select': 'best_loss',
        'train.train_eval_size': 20,
    },
)
# Seven runs: the last share is padded. Vmapped, because then the size of a share counts.
RUNS = tuple(all_runs(BASE, expand(grid('penalty.l2', 0.0, 0.01)), range(4)))[:7]
GROUP = Group(RUNS, 2, 'vmap_loop', trace.off_everywhere(run.setting for run in RUNS), 4)
ALWAYS = Execution(chunk_seconds=1e-9, checkpoint_seconds=0.0)  # one step a chunk, each saved


def machine():
    return Machine(lambda config: data_lib.load(config, print))


def train(group, found, path, stop_after=0):
    """The results of a group; with `stop_after` it is interrupted after so many steps."""
    count = itertools.count(1)
    asked = lambda: 15 if next(count) == stop_after else 0
    data = found.data(group.static.data)
    result = train_group(group, found.compiled(group), data, path, ALWAYS, asked, Reporter(None))
    assert result.seconds > 0  # the only part that may differ
    return dataclasses.replace(result, seconds=0.0)


def look(found):
    """How a state lies on the devices and what was compiled, as plain data."""
    program, data = found.compiled(GROUP), found.data(GROUP.static.data)
    state = program.init(*stack_runs(GROUP.padded(), GROUP.off), data)
    shardings = {leaf.sharding for leaf in jax.tree.leaves(state)}
    assert all(isinstance(sharding, NamedSharding) for sharding in shardings)
    texts = {name: one.as_text() for name, one in program._executables.items()}
    groups = layout._cut(all_runs(BASE, [{}], range(9)), ALWAYS, 'map', GROUP.off)
    return {
        'devices': jax.local_device_count(),
        'axes': [dict(sharding.mesh.shape) for sharding in shardings],
        'cut along': [tuple(sharding.spec) for sharding in shardings],
        'compiled': sorted(texts),
        'collectives': [word for text in texts.values() for word in COLLECTIVES if word in text],
        'data': len(data.training.images.addressable_shards),
        'groups': [(one.size, one.shares, len(one.runs)) for one in groups],
        'spread': [devices.spread(shares).num_devices for shares in (1, 2, 3, 4, 6, 8)],
    }


if __name__ == '__main__':
    folder = pathlib.Path(sys.argv[1])
    here = machine()
    whole = train(GROUP, here, folder / 'whole.ckpt')
    try:
        train(GROUP, here, folder / 'begun.ckpt', stop_after=6)
    except Interrupted:
        files.save_tree(folder / 'whole.result', whole.to_tree())
        (folder / 'seen.json').write_text(json.dumps(look(here)))
