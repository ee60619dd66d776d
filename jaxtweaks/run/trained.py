"""The trained networks of a sweep, where they are kept (`train.keep_parameters`): a file each."""

import dataclasses
from pathlib import Path
from typing import Any, Self

import flax.serialization
import jax
import numpy as np

from jaxtweaks.data.standardise import Scale
from jaxtweaks.run import files
from jaxtweaks.run.result import GroupResult

FOLDER = 'parameters'


@dataclasses.dataclass(frozen=True)
class Trained:
    """A network as it was tested, and how images become what it sees.

    Attributes:
      variables: nested dicts of arrays: 'params', 'batch_stats' and, if the network keeps more,
        'collections' by name.
      scale: of what it was trained on.
      outputs: how many it has.
    """

    variables: dict[str, Any]
    scale: Scale
    outputs: int

    def to_tree(self) -> dict[str, Any]:
        """As its file holds it; without what is None."""
        scale = {field.name: getattr(self.scale, field.name) for field in dataclasses.fields(Scale)}
        scale = {name: value for name, value in scale.items() if value is not None}
        variables = flax.serialization.to_state_dict(self.variables)
        return {'variables': variables, 'scale': scale, 'outputs': self.outputs}

    @classmethod
    def from_tree(cls, tree: Any) -> Self:
        """The inverse of `to_tree`. Raises ValueError if it is none."""
        try:
            return cls(tree['variables'], Scale(**tree['scale']), int(tree['outputs']))
        except (KeyError, TypeError) as error:
            raise ValueError(f'it is no trained network: {error}') from None


def path_of(folder: Path, run_id: str) -> Path:
    """The file of a run's network in a work folder."""
    return folder / FOLDER / f'{run_id}.parameters'


def save(folder: Path, result: GroupResult, scale: Scale, outputs: int) -> None:
    """Writes the networks of a group's runs, if its result has them."""
    if result.variables is None:
        return
    for column, run_id in enumerate(result.runs):
        one = Trained(of_run(result.variables, column), scale, outputs)
        files.save_tree(path_of(folder, run_id), one.to_tree())


def load(folder: Path, run_id: str) -> Trained:
    """The network of a run.

    Raises:
      FileNotFoundError: it is not there.
      files.DamagedFile: it is not what was written.
    """
    path = path_of(folder, run_id)
    try:
        return Trained.from_tree(files.load_tree(path))
    except ValueError as error:
        raise files.DamagedFile(f'{path} is damaged ({error})') from None


def of_run(variables: Any, column: int) -> Any:
    """Of variables [runs, …] those of one run."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[column], variables)


def by_place(variables: Any) -> dict[str, Any]:
    """The arrays (or their shapes) of variables by their places, as 'params.Dense_0.kernel'."""
    found = jax.tree_util.tree_leaves_with_path(flax.serialization.to_state_dict(variables))
    return {'.'.join(str(key.key) for key in path): leaf for path, leaf in found}
