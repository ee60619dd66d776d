"""The networks that an experiment trained: which one is meant, its parameters, what it predicts."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.base.pinned import pinned
from jaxtweaks.config import trace
from jaxtweaks.data import inputs
from jaxtweaks.data.standardise import Scale
from jaxtweaks.run import trained
from jaxtweaks.run.files import DamagedFile
from jaxtweaks.run.plan import Run
from jaxtweaks.run.trained import Trained
from jaxtweaks.train import precision
from jaxtweaks.train.applied import COLLECTIONS, Applied
from jaxtweaks.train.data import DeviceData, DeviceSplit
from jaxtweaks.train.state import Variables

_LISTED = 6


def find(
    runs: Sequence[Run], axes: Mapping[str, str], setting: Mapping[str, Any] | None, seed: int
) -> Run:
    """The run of a setting and a seed.

    Args:
      runs: of the experiment.
      axes: the swept fields, and what their axes are called in arrays.
      setting: by the name of a field, or of its axis, its value; at least as many as tell the
        setting from all others.
      seed: of the run.

    Raises:
      UserError: there is no such setting, with the nearest; or there are several; or no such seed.
    """
    if not isinstance(setting, Mapping | None):
        raise UserError(
            f'setting: is {setting!r}; it must be a dict of swept fields, as {dict(runs[0].point)}'
        )
    wanted = {_field(str(name), axes): _plain(value) for name, value in (setting or {}).items()}
    by_point = {tuple(run.point.items()): run for run in runs}
    fits = [one for one in by_point.values() if not _apart(one, wanted)]
    if not fits:
        nearest = min(by_point.values(), key=lambda one: _distance(one, wanted))
        raise UserError(f'setting: none has {wanted}; the nearest is {dict(nearest.point)}')
    if len(fits) > 1:
        fields = [f for f in axes if len({repr(one.point.get(f)) for one in fits}) > 1]
        raise UserError(
            f'setting: {len(fits)} of them have {wanted or "any value"}; say too what '
            f'{" and ".join(fields)} is, as {dict(fits[0].point)}'
        )
    found = {run.seed: run for run in runs if run.point == fits[0].point}
    number = _plain(seed)
    if not isinstance(number, int) or number not in found:
        seeds = ', '.join(map(str, [*found][:_LISTED])) + (', …' if len(found) > _LISTED else '')
        raise UserError(f'seed: there is no {seed!r}; the seeds are {seeds}')
    return found[number]


def load(folder: Path, run: Run) -> Trained:
    """The network of a run in a work folder.

    Raises:
      UserError: it was not kept, is not trained yet, is not there any more, or is damaged.
    """
    if not run.setting.train.keep_parameters:
        raise UserError(
            f'{folder}: keeps no parameters; they are kept where train.keep_parameters is True '
            '(--config.train.keep_parameters=True), which is another work folder'
        )
    try:
        return trained.load(folder, run.id)
    except FileNotFoundError:
        raise UserError(
            f'{trained.path_of(folder, run.id)}: is not there; the run is not finished, or its '
            'file was moved; the same call or command trains it'
        ) from None
    except (DamagedFile, OSError) as error:
        raise UserError(f'{error}; the same call or command trains its runs again') from None


def as_linen_takes_them(variables: Variables) -> dict[str, Any]:
    """'params', and the other collections of a network that has some."""
    found = {'params': variables['params'], 'batch_stats': variables['batch_stats']}
    found |= variables.get(COLLECTIONS, {})
    return {name: tree for name, tree in found.items() if tree}


@pinned()
def predict(images: Any, run: Run, network: Trained) -> np.ndarray:
    """What the network of a run predicts for images, as at test: float32 [N, outputs].

    Logits of classes and labels; numbers in the unit of the target.

    Args:
      images: of the size and the type of numbers that it was trained on, not standardised.
      run: of the network.
      network: as it is kept.

    Raises:
      UserError: the images are others, or the network is not the one whose parameters are kept.
    """
    prepared = _prepared(images, network.scale)
    static, hyper = trace.split(run.setting, trace.off_everywhere([run.setting]))
    applied = Applied(static, 0, network.outputs)
    name = run.setting.model.name
    variables = _of_structure(applied, hyper, prepared.shape[1:], network.variables, name)
    size = min(applied.evaluated_at_once, len(prepared))
    on_device: dict[str, Any] = network.scale.on_device()
    found = []
    with precision.products(static.train.precision):
        # Not a loop within the program: XLA is slow at the convolutions of plain networks there.
        for start in range(0, len(prepared), size):
            index = np.minimum(np.arange(start, start + size), len(prepared) - 1)
            split = DeviceSplit(jnp.asarray(prepared[index]), jnp.zeros(size, jnp.int32))
            data = DeviceData(split, split, split, **on_device)
            found.append(np.asarray(_outputs(applied)(hyper, variables, data)))
    return np.concatenate(found)[: len(prepared)]


def _field(name: str, axes: Mapping[str, str]) -> str:
    """The field that is meant by its name or by that of its axis. Raises UserError."""
    by_axis = {axis: field for field, axis in axes.items()}
    if name in by_axis or name in trace.FIELDS:
        return by_axis.get(name, name)
    known = list(dict.fromkeys([*axes, *by_axis])) or list(trace.FIELDS)
    raise UserError(f"setting: no field '{name}'; {did_you_mean(name, known)}")


def _plain(value: Any) -> Any:
    """A value as a setting has it: no list, and nothing of NumPy's or xarray's."""
    if hasattr(value, 'tolist'):
        value = value.tolist()
    return tuple(_plain(item) for item in value) if isinstance(value, list | tuple) else value


def _apart(run: Run, wanted: Mapping[str, Any]) -> list[str]:
    """The fields in which a setting is another one."""
    return [name for name, value in wanted.items() if trace.get(run.setting, name) != value]


def _distance(run: Run, wanted: Mapping[str, Any]) -> tuple[int, float]:
    """How far a setting is: in how many fields, and how far apart their numbers are."""
    apart = _apart(run, wanted)
    pairs = [(trace.get(run.setting, name), wanted[name]) for name in apart]
    number = lambda value: isinstance(value, int | float) and not isinstance(value, bool)
    numbers = [pair for pair in pairs if all(map(number, pair))]
    far = lambda a, b: abs(a - b) / max(abs(a), abs(b))  # unequal, so one of them is not 0
    return len(apart), sum(far(*pair) for pair in numbers)


def _prepared(images: Any, scale: Scale) -> np.ndarray:
    """Images as they go to the device. Raises UserError if they are not like those trained on."""
    shape = list(scale.mean.shape)
    as_features = f' or [N, {shape[2]}]' if shape[:2] == [1, 1] else ''
    expected = f'[N, {", ".join(map(str, shape))}]{as_features}'
    array = inputs.read(images, 'inputs', channels_last=True)
    if list(array.shape[1:]) != shape:
        raise UserError(f'inputs are {list(np.shape(images))}; the network takes {expected}')
    if (array.dtype == np.uint8) != (scale.kind == 'uint8'):
        raise UserError(
            f'inputs are {np.asarray(images).dtype}; the network was trained on {scale.kind}'
            f'{" (0 … 255)" if scale.kind == "uint8" else ""}, and standardises them itself'
        )
    with np.errstate(over='ignore'):
        array = array.astype(scale.kind)
    if not np.isfinite(array).all():
        raise UserError('inputs: some numbers are beyond float32, which the network was trained on')
    return scale.prepared(array)


@functools.lru_cache(maxsize=8)
def _outputs(applied: Applied) -> Callable[[trace.Hyper, Variables, DeviceData], jax.Array]:
    """Compiled once for all networks of a program."""

    def outputs(hyper, variables, data):
        found = applied.at_rest(hyper, variables)(data.standardised(data.test.images))
        return data.in_units(found)

    return jax.jit(outputs)


def _of_structure(
    applied: Applied, hyper: trace.Hyper, shape: tuple[int, ...], variables: Variables, name: str
) -> Variables:
    """Variables as the network has them, with the types of its trees. Raises UserError."""
    like = applied.shapes(hyper, shape)
    sizes = lambda tree: {
        place: (leaf.shape, leaf.dtype) for place, leaf in trained.by_place(tree).items()
    }
    if sizes(like) != sizes(variables):
        raise UserError(
            f"network '{name}': its parameters are others now than those that were kept"
        )
    return flax.serialization.from_state_dict(like, variables)
