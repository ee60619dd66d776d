"""A part: what a setting is put together from, as it is registered (`parts.py`)."""

import dataclasses
import functools
import hashlib
import inspect
import textwrap
import types
from collections.abc import Callable, Mapping
from typing import Any

from jaxtweaks.base import identity
from jaxtweaks.base.metrics import Metric
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

TWEAKS = 'tweaks'  # the section of a config for tweaks that have a strength alone

# Where `Slot.acting` counted only later: work folders of before know these slots' parts by the
# function alone, and metrics not at all.
_LATER = ('loss', 'metric', 'network')


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Part:
    """A registered part.

    Attributes:
      slot: the name of its slot.
      name: its own.
      build: the function or module class.
      parameters: by name, in the order of the signature.
      words: how it reads in tables and figures.
      facts: what else its slot knows of it, by name.
      alone: whether it is a tweak that has a strength alone: its one field is `tweaks.<name>`.
      known_as: the digest under which a work folder knows it, '' if it does not count there; None
        if that is ours.
    """

    slot: str
    name: str
    build: Callable[..., Any]
    parameters: Mapping[str, Field]
    words: str = ''
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    alone: bool = False
    known_as: str | None = None

    @property
    def built_in(self) -> bool:
        """Whether it is one of the package's own."""
        return getattr(self.build, '__module__', '') in BUILT_IN

    @functools.cached_property
    def digest(self) -> str:
        """In hex, what it does at the time of asking, so that another one is another run.

        Raises:
          UserError: that cannot be known, see `identity.digest`.
        """
        if self.known_as is not None:
            return self.known_as
        does = self._function
        if self.alone:
            off = float(self.parameters[self.strength].default).hex()
            return _sha256(f'{does} {self.facts["where"]} {off}')[:12]
        defaults = SLOTS[self.slot].acting
        said = {name: self.facts.get(name, default) for name, default in defaults.items()}
        given = [_acting(one) for name, one in said.items() if one != defaults[name]]
        return _sha256(' '.join([does, *given])) if given else does

    @property
    def _function(self) -> str:
        return identity.digest(self.build, f"{self.slot} '{self.name}'")

    @functools.cached_property
    def by_source(self) -> str:
        """The digest in work folders of format 1: how the function is written."""
        return '' if self.slot == 'metric' else _sha256(_written(self.build))[:12]

    def known_by(self, recorded: str | None) -> str | None:
        """What it is `known_as` in a work folder.

        Args:
          recorded: the digest there, None if there is none.
        """
        if self.slot not in _LATER:
            return None
        if recorded is None:
            return '' if self.slot == 'metric' else None
        return recorded if recorded == self._function else None

    @property
    def key(self) -> str:
        """What its digest is recorded under."""
        return self.name if self.alone else f'{self.slot} {self.name}'

    @property
    def strength(self) -> str:
        """The parameter by which a part that acts with others is switched off; '' if none is."""
        off = (name for name, one in self.parameters.items() if one.rule.off is not None)
        return next(off, '')

    @property
    def section(self) -> str:
        """The section of a config that its fields are in."""
        return TWEAKS if self.alone else self.name

    def field(self, parameter: str) -> str:
        """The dotted name of the field of a parameter."""
        return f'{self.section}.{self.name if self.alone else parameter}'

    @property
    def fields(self) -> dict[str, Field]:
        """Its parameters by dotted name."""
        return {self.field(name): one for name, one in self.parameters.items()}

    @property
    def reads(self) -> frozenset[str]:
        """The fields, or sections, that a part reads of those that only some parts read."""
        offers = SLOTS[self.slot].offers
        taken = (field for name in self.facts.get('takes', ()) for field in offers[name].split())
        return frozenset((*self.facts.get('reads', ()), *taken))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self._does() == other._does()

    def __hash__(self) -> int:
        return hash((self.slot, self.name))  # so that what one that is not used does is not asked

    def _does(self) -> tuple[str, str, str]:
        return self.slot, self.name, '' if self.built_in else self.digest or self._function

    def __repr__(self) -> str:
        return f'Part({self.slot!r}, {self.name!r})'


def _acting(fact: Any) -> str:
    """A fact in words, of metrics without what they are called."""
    if isinstance(fact, tuple):
        return str([(one.name, one.better) if isinstance(one, Metric) else one for one in fact])
    return str(fact)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _written(function: Callable[..., Any]) -> str:
    """How a function is written: its source, or where that is lost its code. See `by_source`."""
    function = inspect.unwrap(function)
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        code = getattr(function, '__code__', None)
        return _instructions(code) if code else repr(type(function))


def _instructions(code: types.CodeType) -> str:
    constants = [
        _instructions(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts
    ]
    return f'{code.co_code.hex()} {constants} {code.co_names}'
