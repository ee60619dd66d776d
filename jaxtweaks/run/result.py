"""What the runs of a group found: all that anything after their training knows of them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

# Of a file; the others there need not be: a study has no such, or it is of an earlier version.
_ALWAYS = ('runs', 'history', 'finals', 'chosen_epoch', 'diverged_at', 'seconds')


@dataclasses.dataclass(frozen=True)
class GroupResult:
    """The results of the runs of a group, in its order.

    Attributes:
      runs: their ids.
      history: metric to its values after each epoch, float32 [epochs, runs].
      finals: metric to its value for the chosen parameters, float32 [runs].
      chosen_epoch: whose parameters were tested, 1 for the first, int32 [runs].
      diverged_at: the step of the first non-finite loss, −1 for none, int32 [runs].
      seconds: what the group took.
      confusion: of the test set, int32 [runs, classes, classes]; None if there is none.
      arrays: what else was recorded, by name, [runs, …].
      left_at: the stage at which they left the others, 0 if they did not, int32 [runs]; None for
        runs that have no stages.
      variables: the chosen parameters and what else a network keeps, [runs, …], where they are to
        be kept; None after reading, for they have files of their own (`trained`).
    """

    runs: tuple[str, ...]
    history: Mapping[str, np.ndarray]
    finals: Mapping[str, np.ndarray]
    chosen_epoch: np.ndarray
    diverged_at: np.ndarray
    seconds: float
    confusion: np.ndarray | None = None
    arrays: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    left_at: np.ndarray | None = None
    variables: Any = None

    def to_tree(self) -> dict[str, Any]:
        """Nested dicts of arrays, as files hold it; without what is None."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del values['variables']
        values = {name: value for name, value in values.items() if value is not None}
        return values | {'runs': {str(i): run for i, run in enumerate(self.runs)}}

    @classmethod
    def from_tree(cls, tree: Any) -> 'GroupResult':
        """The inverse of `to_tree`; names that it does not know are of another version.

        Raises:
          ValueError: something that a result always has is missing.
        """
        lacking = [name for name in _ALWAYS if not isinstance(tree, dict) or name not in tree]
        if lacking:
            raise ValueError(f'it is not a result: {lacking[0]} is missing')
        known = {field.name for field in dataclasses.fields(cls)} - {'variables'}
        values = {name: value for name, value in tree.items() if name in known}
        runs = tuple(tree['runs'][str(i)] for i in range(len(tree['runs'])))
        return cls(**values | {'runs': runs, 'seconds': float(tree['seconds'])})
