"""Which metrics a setting measures, as functions of outputs and targets."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import measured, parts, trace
from jaxtweaks.config.config_file import blaming
from jaxtweaks.config.settings import Setting
from jaxtweaks.train.losses import cross_entropy, losses_of

# On the device while a network is trained, of a folder's results NumPy's.
Targets = jax.Array | np.ndarray


@dataclasses.dataclass(frozen=True)
class Measures:
    """What is measured of outputs.

    Attributes:
      targets: 'classes', 'float' or 'multilabel'.
      losses: (outputs, targets) to the loss of each example, [N].
      functions: by metric, (outputs, targets) of a whole split to a number.
    """

    targets: str = parts.CLASSES
    losses: Callable[[jax.Array, jax.Array], jax.Array] = cross_entropy
    functions: tuple[tuple[str, Callable[[jax.Array, Targets], jax.Array]], ...] = ()


def measures_of(setting: Setting) -> Measures:
    """What is measured of a setting's networks; its numbers may be traced."""
    losses = functools.partial(losses_of, setting)
    known = {part.name: part for part in trace.parts_of(setting) if part.slot == 'metric'}
    functions = []
    for one in measured.measures(setting):
        if one.name in known:
            function = functools.partial(_of_part, setting, known[one.name])
            functions.append((one.name, function))
        elif one.name not in ('loss', 'accuracy'):  # the loss under a name of its own
            functions.append((one.name, lambda *given: jnp.mean(losses(*given))))
    return Measures(measured.targets_of(setting), losses, tuple(functions))


def _of_part(setting: Setting, part: parts.Part, outputs: jax.Array, targets: Targets) -> jax.Array:
    """A registered metric of a whole split. Raises UserError if it is no number."""
    what = f"metric '{part.name}'"
    with blaming(what):
        found = jnp.asarray(part.build(outputs, targets, **trace.arguments(setting, part)))
    if found.shape != () or found.dtype.kind not in 'fiub':
        raise UserError(
            f'{what}: returns {found.dtype} {list(found.shape)} for {list(outputs.shape)} outputs; '
            'it must return one number'
        )
    return found.astype(jnp.float32)
