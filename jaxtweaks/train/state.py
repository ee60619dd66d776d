"""The state of one network under training.

The fields are in alphabetical order: JAX flattens them in this order, which is that of a program's
arguments, and of the dicts that checkpoints hold (`State.to_tree`).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

Variables = dict[str, Any]  # 'params' and 'batch_stats', as Flax applies a network to them


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Best:
    """The best variables of a run so far, see `keep.better`.

    Attributes:
      batch_stats, params: as in `State`, after the epoch that was chosen.
      epoch: that was chosen, from 1; 0 as long as none is.
      score: of it, the higher the better; −∞ as long as none is chosen.
      stale: epochs since the score last improved.
      stopped_at: the epoch after which training was stopped, 0 for not yet.
    """

    batch_stats: Any
    epoch: jax.Array
    params: Any
    score: jax.Array
    stale: jax.Array
    stopped_at: jax.Array

    @property
    def variables(self) -> Variables:
        """What a network is applied to."""
        return {'params': self.params, 'batch_stats': self.batch_stats}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class State:
    """Everything that changes while a network is trained; of a group, with the runs as first axis.

    Attributes:
      batch_stats: the running statistics of normalisation; {} if there are none.
      best: the best parameters so far; None if the last ones are reported.
      correct_sum, loss_sum: accuracy and loss summed over the batches of the epoch so far.
      diverged_at: the step of the first non-finite loss, −1 for none, int32.
      ema: the running average of the parameters; None if it is not kept.
      epoch_steps: steps of the epoch so far, int32.
      opt_state: of the optimiser.
      params: the parameters.
      snapshots: variables with the snapshots as first axis; None if none are taken.
      step: steps so far, int32.
    """

    batch_stats: Any
    best: Best | None
    correct_sum: jax.Array
    diverged_at: jax.Array
    ema: Any
    epoch_steps: jax.Array
    loss_sum: jax.Array
    opt_state: Any
    params: Any
    snapshots: Variables | None
    step: jax.Array

    @property
    def variables(self) -> Variables:
        """What a network is applied to."""
        return {'params': self.params, 'batch_stats': self.batch_stats}

    def to_tree(self) -> dict[str, Any]:
        """Nested dicts, without what is not kept: the names of its arrays in a checkpoint."""
        tree = _fields(self)
        return tree | ({'best': _fields(self.best)} if self.best is not None else {})

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> 'State':
        """The inverse of `to_tree`."""
        best = tree.get('best')
        whole = dict.fromkeys(('best', 'ema', 'snapshots')) | dict(tree)
        return cls(**whole | {'best': None if best is None else Best(**best)})


def _fields(found: Best | State) -> dict[str, Any]:
    """The fields that are not None, by name; not copied, as `dataclasses.asdict` does."""
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return {name: value for name, value in values.items() if value is not None}
