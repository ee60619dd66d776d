"""The state of a group on disk: enough to go on as if nothing had happened."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxtweaks.run import files
from jaxtweaks.train.program import State


@dataclasses.dataclass
class Progress:
    """How far the runs of a group are.

    Attributes:
      state: of all runs.
      epoch: the epoch under way, from 0.
      done: steps of it that are done.
      history: by metric, for each finished epoch the values [runs].
      seconds: spent so far.
    """

    state: State
    epoch: int = 0
    done: int = 0
    history: dict[str, list[np.ndarray]] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0

    def reached(self, epoch: int, done: int, state: State, metrics: dict[str, Any]) -> None:
        """Takes over what training up to step `done` of `epoch` gave; see `Program.train`."""
        ended = epoch - self.epoch
        for name, values in metrics.items():
            self.history.setdefault(name, []).extend(np.asarray(values)[:, :ended].T)
        self.epoch, self.done, self.state = epoch, done, state

    def skip_to(self, epoch: int) -> None:
        """Goes on to an epoch without training; the metrics in between are NaN."""
        for values in self.history.values():
            values += [np.full_like(values[-1], np.nan)] * (epoch - self.epoch)
        self.epoch = epoch


def save(path: Path, progress: Progress) -> None:
    """Writes a checkpoint; the one before it stays until the next."""
    leaves = jax.tree_util.tree_leaves_with_path(progress.state)
    tree = {
        'state': {jax.tree_util.keystr(key): np.asarray(leaf) for key, leaf in leaves},
        'epoch': progress.epoch,
        'done': progress.done,
        'history': {name: np.asarray(values) for name, values in progress.history.items()},
        'seconds': progress.seconds,
    }
    files.save_generation(path, tree)


def load(path: Path, like: State, notify: Callable[[str], None]) -> Progress | None:
    """The newest good checkpoint; None if there is none.

    Args:
      path: of the checkpoint.
      like: the shapes and types a state must have.
      notify: is told in a sentence of each file that was damaged or does not fit.
    """
    tree = files.load_generation(path, notify)
    if tree is None:
        return None
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    wanted = {jax.tree_util.keystr(key): (leaf.shape, leaf.dtype) for key, leaf in leaves}
    found = {name: (leaf.shape, leaf.dtype) for name, leaf in tree['state'].items()}
    if wanted != found:
        notify(f'{path} is of another version of the program; this group starts again')
        return None
    state = jax.tree_util.tree_unflatten(
        structure, [jax.device_put(tree['state'][name]) for name in wanted]
    )
    history = {name: list(values) for name, values in tree['history'].items()}
    return Progress(state, tree['epoch'], tree['done'], history, tree['seconds'])
