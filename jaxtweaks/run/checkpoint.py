"""The state of a group on disk: enough to go on as if nothing had happened."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxtweaks.run import files
from jaxtweaks.train.masks import Means
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
      masks: dropout masks, at the end of training, over which predictions are averaged.
      means: those averages, [runs, …], see `train.masks`; {} as long as there are none.
      over_masks: by metric what was found of them, [runs].
    """

    state: State
    epoch: int = 0
    done: int = 0
    history: dict[str, list[np.ndarray]] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    masks: int = 0
    means: Means = dataclasses.field(default_factory=dict)
    over_masks: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def reached(self, epoch: int, done: int, state: State, metrics: dict[str, Any]) -> None:
        """Takes over what training up to step `done` of `epoch` returned; see `Program.train`."""
        ended = epoch - self.epoch
        for name, values in metrics.items():
            self.history.setdefault(name, []).extend(np.asarray(values)[:, :ended].T)
        self.epoch, self.done, self.state = epoch, done, state

    def skip_to(self, epoch: int) -> None:
        """Goes on to an epoch without training; the metrics in between are NaN."""
        for values in self.history.values():
            values += [np.full_like(values[-1], np.nan)] * (epoch - self.epoch)
        self.epoch = epoch


@dataclasses.dataclass(frozen=True)
class Saved:
    """A checkpoint as it is in its file, readable without the program that it is of.

    Attributes:
      state: the arrays of `State.to_tree`, [runs, …], by JAX's words for their places in it.
      epoch, done, seconds, masks, means, over_masks: as in `Progress`.
      history: by metric [epochs, runs].
    """

    state: dict[str, np.ndarray]
    epoch: int
    done: int
    history: dict[str, np.ndarray]
    seconds: float
    masks: int = 0
    means: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    over_masks: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, progress: Progress) -> 'Saved':
        """What is to be kept of a training under way."""
        state = {name: np.asarray(leaf) for name, leaf in _by_place(progress.state.to_tree())}
        history = _by_epoch(progress.history, state)
        means = {way: np.asarray(mean) for way, mean in progress.means.items()}
        at = progress.epoch, progress.done, history, progress.seconds, progress.masks
        return cls(state, *at, means, progress.over_masks)

    @property
    def ended(self) -> np.ndarray:
        """Whether each run has diverged or stopped early, bool [runs]."""
        stopped_at = self.state.get(_STOPPED_AT, np.zeros(()))
        return (self.state[_DIVERGED_AT] >= 0) | (stopped_at > 0)

    def columns(self, runs: Sequence[int]) -> 'Saved':
        """Of some of the runs, by their places."""
        chosen = list(runs)
        return dataclasses.replace(
            self,
            state={name: leaf[chosen] for name, leaf in self.state.items()},
            history={name: values[:, chosen] for name, values in self.history.items()},
            means={way: mean[chosen] for way, mean in self.means.items()},
            over_masks={name: values[chosen] for name, values in self.over_masks.items()},
        )


def joined(parts: Sequence[Saved]) -> Saved:
    """The runs of several checkpoints of one program at the same step in one, in this order."""
    first = parts[0]
    join = lambda of, axis: {
        name: np.concatenate([getattr(one, of)[name] for one in parts], axis)
        for name in getattr(first, of)
    }
    return dataclasses.replace(
        first,
        state=join('state', 0),
        history=join('history', 1),
        means=join('means', 0),
        over_masks=join('over_masks', 0),
        seconds=sum(one.seconds for one in parts),
    )


def _by_epoch(
    history: Mapping[str, Sequence[np.ndarray] | np.ndarray], state: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """By metric [epochs, runs]: also before the first epoch has ended, when there are no values."""
    runs = len(next(iter(state.values())))
    return {name: np.reshape(values, (len(values), runs)) for name, values in history.items()}


def _place(*path: str) -> str:
    return jax.tree_util.keystr(tuple(map(jax.tree_util.DictKey, path)))


# What earlier versions did not write: none of them went on within the averages over masks.
_LATER = {'masks', 'means', 'over_masks'}
_DIVERGED_AT, _STOPPED_AT = _place('diverged_at'), _place('best', 'stopped_at')


def _by_place(tree: dict[str, Any]) -> list[tuple[str, Any]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(jax.tree_util.keystr(key), leaf) for key, leaf in leaves]


def save(path: Path, progress: Progress) -> None:
    """Writes a checkpoint; the one before it stays until the next."""
    files.save_generation(path, _fields(Saved.of(progress)))


def put(path: Path, saved: Saved) -> None:
    """Writes the first checkpoint of a group."""
    files.save_tree(path, _fields(saved))


def _fields(saved: Saved) -> dict[str, Any]:
    return {field.name: getattr(saved, field.name) for field in dataclasses.fields(saved)}


def read(path: Path, notify: Callable[[str], None]) -> Saved | None:
    """The newest good checkpoint; None if there is none. `notify`: see `load`."""
    tree = files.load_generation(path, notify)
    if tree is None:
        return None
    fields = {field.name for field in dataclasses.fields(Saved)}
    if not fields - _LATER <= tree.keys() <= fields:
        notify(f'{path} is of another version of jaxtweaks; this group starts again')
        return None
    # Earlier versions wrote an array of one axis before the first epoch had ended.
    return Saved(**{**tree, 'history': _by_epoch(tree['history'], tree['state'])})


def load(path: Path, like: Callable[[], State], notify: Callable[[str], None]) -> Progress | None:
    """The newest good checkpoint; None if there is none.

    Args:
      path: of the checkpoint.
      like: returns the shapes and types a state must have; called only if there is a checkpoint.
      notify: reports in a sentence each file that was damaged or does not fit.
    """
    saved = read(path, notify)
    if saved is None:
        return None
    tree = like().to_tree()
    wanted = {name: (leaf.shape, leaf.dtype) for name, leaf in _by_place(tree)}
    found = {name: (leaf.shape, leaf.dtype) for name, leaf in saved.state.items()}
    if wanted != found:
        notify(f'{path} is of another version of the program; this group starts again')
        return None
    leaves = [jax.device_put(saved.state[name]) for name in wanted]
    state = State.from_tree(jax.tree.unflatten(jax.tree.structure(tree), leaves))
    history = {name: list(values) for name, values in saved.history.items()}
    means = {way: jax.device_put(mean) for way, mean in saved.means.items()}
    at = saved.epoch, saved.done, history, saved.seconds, saved.masks
    return Progress(state, *at, means, saved.over_masks)
