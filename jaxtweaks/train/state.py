"""The state of one network under training.

The fields are in alphabetical order: JAX flattens them in this order, which is that of a program's
arguments, and of the dicts that checkpoints hold (`State.to_tree`).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

# 'params' and 'batch_stats', and by name the other 'collections' of a network that has some.
Variables = dict[str, Any]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Best:
    """The best variables of a run so far, see `keep.better`.

    Attributes:
      batch_stats, collections, params: as in `State`, after the epoch that was chosen; NaN as long
        as none is.
      epoch: that was chosen, from 1; 0 as long as none is.
      score: of it, the higher the better; −∞ as long as none is chosen.
      stale: epochs since the score last improved.
      stopped_at: the epoch after which training was stopped, 0 for not yet.
    """

    batch_stats: Any
    collections: Any = None
    epoch: jax.Array
    params: Any
    score: jax.Array
    stale: jax.Array
    stopped_at: jax.Array

    @property
    def variables(self) -> Variables:
        """What a network is applied to."""
        return _variables(self)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class State:
    """Everything that changes while a network is trained; of a group, with the runs as first axis.

    Attributes:
      batch_stats: the running statistics of normalisation; {} if there are none.
      best: the best parameters so far; None if the last ones are reported.
      collections: what a network keeps besides, by collection; None if it keeps nothing.
      correct_sum, loss_sum: accuracy (None where targets are no classes) and loss summed over the
        batches of the epoch so far.
      diverged_at: the step of the first non-finite loss, −1 for none, int32.
      ema: the running average of the parameters; None if it is not kept.
      epoch_steps: steps of the epoch so far, int32.
      opt_state: of the optimiser.
      params: the parameters.
      snapshots: variables with the snapshots as first axis; None if none are taken.
      step: steps so far, int32.
      swa: the mean of the parameters over epochs; None if it is not kept.
    """

    batch_stats: Any
    best: Best | None
    collections: Any = None
    correct_sum: jax.Array | None
    diverged_at: jax.Array
    ema: Any
    epoch_steps: jax.Array
    loss_sum: jax.Array
    opt_state: Any
    params: Any
    snapshots: Variables | None
    step: jax.Array
    swa: Any

    @property
    def variables(self) -> Variables:
        """What a network is applied to."""
        return _variables(self)

    @property
    def chosen(self) -> Variables:
        """The variables that are tested at the end: the best ones, NaN if there is none."""
        return self.variables if self.best is None else self.best.variables

    def to_tree(self) -> dict[str, Any]:
        """Nested dicts, without what is not kept: the names of its arrays in a checkpoint."""
        tree = _fields(self)
        return tree | ({'best': _fields(self.best)} if self.best is not None else {})

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> 'State':
        """The inverse of `to_tree`."""
        names = ('best', 'collections', 'correct_sum', 'ema', 'snapshots', 'swa')
        whole: dict[str, Any] = {**dict.fromkeys(names), **tree}
        if whole['best'] is not None:
            whole['best'] = Best(**whole['best'])
        return cls(**whole)


def _variables(found: Best | State) -> Variables:
    kept = {'params': found.params, 'batch_stats': found.batch_stats}
    return kept if found.collections is None else kept | {'collections': found.collections}


def _fields(found: Best | State) -> dict[str, Any]:
    """The fields that are not None, by name; not copied, as `dataclasses.asdict` does."""
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return {name: value for name, value in values.items() if value is not None}
