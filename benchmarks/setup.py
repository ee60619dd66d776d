"""What the benchmarks share: random images, a group trained as a sweep does it, and the record."""

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks.base import provenance
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.run import memory
from jaxtweaks.run.compiled import GroupProgram, candidates, stack_runs
from jaxtweaks.run.plan import all_runs, into_groups
from jaxtweaks.train.program import DeviceData, DeviceSplit, Program

IMAGES = 8_000
# Evaluation is compiled, for its memory, but is not what is timed.
EVALUATED = 500


class Ours:
    """Runs of one setting, trained as a sweep trains them: in groups, one after the other.

    Attributes:
      way: how the runs are batched.
      compiled: the program of a group.
      cost: what a group takes, measured.
      failed: the ways that could not be measured, and why.
    """

    def __init__(
        self,
        setting: Setting,
        runs: int,
        data: DeviceData,
        ways: Sequence[str] | None = None,
        side_by_side: Callable[[str], int] | None = None,
    ):
        """Measures the ways of batching first, if there are several.

        Args:
          setting: of all runs.
          runs: how many.
          data: to train on.
          ways: of batching, None for all candidates.
          side_by_side: the most runs of a group, of the way of batching; None for one group.
        """
        train = dataclasses.replace(setting.train, train_eval_size=EVALUATED)
        setting = dataclasses.replace(setting, train=train)
        members = tuple(all_runs(setting, [{}], range(runs)))
        off = trace.off_everywhere([setting])
        program = Program(trace.split(setting, off)[0], len(data.training.labels), 10)
        found, self.failed = {}, {}
        for way in ways or candidates(setting):
            compiled = GroupProgram(program, way)
            groups = into_groups(members, side_by_side(way) if side_by_side else runs, way, off)
            try:
                cost = memory.probe(groups[0], compiled, data)
            except Exception as error:
                self.failed[way] = f'{type(error).__name__}: {str(error)[:300]}'
                continue
            found[way] = (cost, compiled, groups)
        if not found:
            raise RuntimeError(f'nothing works: {self.failed}')
        self.way = min(found, key=lambda way: found[way][0].seconds_per_image)
        self.cost, self.compiled, groups = found[self.way]
        self._data = data
        self._args = [stack_runs(group.padded(), off) for group in groups]
        self._states = [self.compiled.init(*args, data) for args in self._args]

    @property
    def groups(self) -> int:
        """How many groups the runs are trained in."""
        return len(self._args)

    def train(self, steps: int) -> None:
        """`steps` steps of every run."""
        for i, args in enumerate(self._args):
            state = self.compiled.steps_alone(*args, self._states[i], self._data, steps)
            self._states[i] = jax.block_until_ready(state)


def make_data(
    count: int = IMAGES, seed: int = 0, shape: tuple[int, int, int] = (32, 32, 3)
) -> tuple[np.ndarray, np.ndarray, DeviceData]:
    """Random images [count, *shape] and labels, and the same on the device to train on."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    labels = rng.integers(0, 10, count).astype(np.int32)
    training = DeviceSplit(jnp.asarray(images), jnp.asarray(labels))
    few = DeviceSplit(training.images[:EVALUATED], training.labels[:EVALUATED])
    data = DeviceData(
        training, few, few, jnp.full(shape, 128.0), jnp.full(shape, 1 / 128, jnp.float32)
    )
    return images, labels, data


def write(path: str | None, **content: Any) -> None:
    """Writes what was measured as JSON, with where and how; nothing without a path."""
    if path is None:
        return
    record = {
        'device': provenance.device(),
        'versions': provenance.versions() | _torch(),
        'commit': provenance.commit(),
        'command': ' '.join(['python -m', _module(), *sys.argv[1:]]),
    }
    Path(path).write_text(json.dumps(record | content, indent=2) + '\n')


def _module() -> str:
    """The module that was started, as in benchmarks.faults.kill."""
    path, root = Path(sys.argv[0]).resolve().with_suffix(''), Path(__file__).parents[1]
    return '.'.join(path.relative_to(root).parts) if root in path.parents else path.stem


def _torch() -> dict[str, str]:
    try:
        import torch
    except ImportError:
        return {}
    return {'torch': torch.__version__}
