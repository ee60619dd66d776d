"""A part: what a setting is put together from, as it is registered (`parts.py`)."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from jaxtweaks.base import identity
from jaxtweaks.config.fields import Field
from jaxtweaks.config.slots import SLOTS

# The modules that register the built-in parts, imported when the registry is first asked.
BUILT_IN = (
    'jaxtweaks.nn.models',
    'jaxtweaks.nn.networks.resnet',
    'jaxtweaks.nn.networks.residual_mlp',
    'jaxtweaks.nn.networks.vit',
    'jaxtweaks.nn.norms',
    'jaxtweaks.nn.activations',
    'jaxtweaks.nn.init',
    'jaxtweaks.train.optimisers',
    'jaxtweaks.train.schedules',
    'jaxtweaks.train.losses',
    'jaxtweaks.train.metrics',
    'jaxtweaks.train.augment',
    'jaxtweaks.train.transform',
    'jaxtweaks.studies.gradcheck',
    'jaxtweaks.studies.gradcheck_layers',
    'jaxtweaks.studies.signal_propagation',
    'jaxtweaks.studies.model_summary',
    'jaxtweaks.studies.dropout_linear',
    'jaxtweaks.studies.bias_variance',
    'jaxtweaks.studies.capacity',
    'jaxtweaks.studies.label_shares',
)

# What is said of a function where it is registered and decides what it does, with the defaults: a
# part that has these is the one it was before they counted.
_ACTING = {'where': '', 'on': 'gradients', 'mixes': False}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Part:
    """A registered part.

    Attributes:
      slot: the name of its slot.
      name: its own; its fields are `<name>.<parameter>`.
      build: the function or module class.
      parameters: by name, in the order of the signature.
      words: how it reads in tables and figures.
      facts: what else its slot knows of it, by name.
    """

    slot: str
    name: str
    build: Callable[..., Any]
    parameters: Mapping[str, Field]
    words: str = ''
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def built_in(self) -> bool:
        """Whether it is one of the package's own."""
        return getattr(self.build, '__module__', '') in BUILT_IN

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256, in hex, of what it does, so that another one is another run.

        Raises:
          UserError: that cannot be known, see `identity.digest`.
        """
        does = identity.digest(self.build, f"{self.slot} '{self.name}'")
        said = [self.facts.get(name, default) for name, default in _ACTING.items()]
        given = [str(one) for one in said if one not in _ACTING.values()]
        return hashlib.sha256(' '.join([does, *given]).encode()).hexdigest() if given else does

    @property
    def strength(self) -> str:
        """The parameter by which a part that acts with others is switched off; '' if none is."""
        off = (name for name, one in self.parameters.items() if one.rule.off is not None)
        return next(off, '')

    @property
    def fields(self) -> dict[str, Field]:
        """Its parameters by dotted name."""
        return {f'{self.name}.{name}': one for name, one in self.parameters.items()}

    @property
    def reads(self) -> frozenset[str]:
        """The fields, or sections, that a part reads of those that only some parts read."""
        offers = SLOTS[self.slot].offers
        taken = (field for name in self.facts.get('takes', ()) for field in offers[name].split())
        return frozenset((*self.facts.get('reads', ()), *taken))

    def _key(self) -> tuple[str, str, str]:
        return self.slot, self.name, '' if self.built_in else self.digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f'Part({", ".join(map(repr, self._key()))})'
