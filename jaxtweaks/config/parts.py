"""Parts: what a setting can be put together from, each registered by its name in a slot.

    @jt.optimiser('mine')
    def mine(learning_rate, *, b1=jt.traced(0.9, 'β₁', low=0.0, high=1.0)):
        return optax.chain(optax.scale_by_lion(b1), optax.scale_by_learning_rate(learning_rate))

A part is a pure function or a plain linen module. Its signature is the schema: a keyword parameter
declared with `static` or `traced` (a field of a module, for a module) is a field of every setting,
'mine.b1', that can be set, swept and named in claims like those of `settings.py`. The built-in
parts are registered in the same way, by the modules in `part.BUILT_IN`.

In a slot with a `field` one part is chosen by its name (`optim.name`). In the others (those that
change training images, say) any number of parts act together, each as soon as its strength, the
first parameter that declares an `off` value, has another one.
"""

import dataclasses
import importlib
import inspect
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ml_collections import ConfigDict

from jaxtweaks.base import words as words_lib
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config.build import convert
from jaxtweaks.config.fields import Field
from jaxtweaks.config.part import BUILT_IN, TWEAKS, Part
from jaxtweaks.config.signature import offered_to, parameters_of
from jaxtweaks.config.slots import SLOTS

# What a part is given besides, where a fact of it says so.
_GIVEN = {'mixes': 'targets', 'data': 'data'}

BEST = 'best_'  # what train.select begins with where a metric chooses the epoch
CLASSES = 'classes'  # the targets of most losses
# Keys of a config file of several experiments, and of tweaks that have a strength alone.
_TAKEN = ('experiments', TWEAKS)
SECTION = 'parts'  # of a setting; a config has a section for each part

F = TypeVar('F', bound=Callable[..., Any])


class Parts(Mapping[str, Any]):
    """Values of parts' parameters by dotted name, hashable; one not named has its default.

    Attributes:
      bound: the parts from outside that a program was made of, so that one that is registered
        again under its name makes another program.
    """

    def __init__(self, values: Mapping[str, Any] = types.MappingProxyType({}), bound=()):
        """`values`: numbers, strings, tuples; or tracers, or None where a program has none."""
        self._values = dict(sorted(values.items()))
        self.bound: tuple[Part, ...] = tuple(bound)

    @classmethod
    def of_config(cls, values: Any, path: str) -> 'Parts':
        """From a config: parameter by part, or value by dotted name. Raises UserError."""
        if not isinstance(values, Mapping):
            raise UserError(f'{path}: {values!r} is not a set of keys (it should be a dict)')
        found = {}
        for name, value in values.items():
            own = _of_part(str(name))
            if not isinstance(value, Mapping) and (own or name == TWEAKS):
                keys = f'; set one of them: {" or ".join(own)}' if own else ''
                raise UserError(f'{name}: {value!r} is not a set of keys{keys}')
            inside = value if isinstance(value, Mapping) else {'': value}
            for parameter, item in inside.items():
                field = f'{name}.{parameter}' if parameter else str(name)
                found[field] = checked(field, item, field)
        return cls(found)

    def as_now(self, known: Callable[[Part], str | None] = lambda part: None) -> 'Parts':
        """With the registered parts from outside as they are now.

        What a part does may change without a new registration, by a global that it reads.

        Args:
          known: returns what a part is `known_as`, see `Part`.
        """
        every = (part for known in _REGISTRY.values() for part in known.values())
        own = (part for part in every if not part.built_in)
        return Parts(self._values, [dataclasses.replace(p, known_as=known(p)) for p in own])

    def replaced(self, values: Mapping[str, Any]) -> 'Parts':
        """With these values, by dotted name."""
        return Parts(self._values | dict(values), self.bound)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Parts) and self._values == other._values and self.bound == other.bound
        )

    def __hash__(self) -> int:
        return hash((tuple(self._values.items()), self.bound))

    def __repr__(self) -> str:
        return f'Parts({self._values!r})'


# Slot to parts by name. Names live as long as the process; a config file that is loaded again
# registers its parts again.
_REGISTRY: dict[str, dict[str, Part]] = {slot: {} for slot in SLOTS}
# Dotted name to parameter, of all of them.
_PARAMETERS: dict[str, Field] = {}


class _Fields(Mapping[str, Field]):
    """Every parameter of a registered part, by dotted name."""

    def __getitem__(self, name: str) -> Field:
        _load()
        return _PARAMETERS[name]

    def __iter__(self) -> Iterator[str]:
        _load()
        return iter(_PARAMETERS)

    def __len__(self) -> int:
        _load()
        return len(_PARAMETERS)


FIELDS: Mapping[str, Field] = _Fields()
RENAMED = ('model.batch_norm',)  # fields that are others now, and no part's


def of_slot(slot: str) -> Mapping[str, Part]:
    """The parts of a slot by name, in the order in which they were registered."""
    _load()
    return _REGISTRY[slot]


def metrics_known(build: Callable[..., Any]) -> Mapping[str, Part]:
    """The metrics that a loss may name: all there are; of a built-in loss those so far."""
    if getattr(build, '__module__', '') not in BUILT_IN:
        _load()
    return _REGISTRY['metric']


def get(slot: str, name: str) -> Part:
    """A part by its name. Raises UserError, naming the nearest."""
    known = of_slot(slot)
    if name not in known:
        raise UserError(f"{slot}: no '{name}'; {did_you_mean(name, known)}")
    return known[name]


def default(name: str) -> Any:
    """The default of the parameter with this dotted name."""
    _load()
    return _PARAMETERS[name].default


def checked(name: str, value: Any, where: str) -> Any:
    """`value` as the parameter with this dotted name takes it. Raises UserError naming `where`."""
    if name not in FIELDS:
        check_not_moved(name, where)
        section = name.partition('.')[0]
        if not _of_part(section):
            raise UserError(f'{where}: {unregistered(section, sections(()))}')
        raise UserError(f"{where}: unknown field '{name}'; {did_you_mean(name, FIELDS)}")
    field = FIELDS[name]
    return convert(value, field.type, field.rule, where)


def _of_part(name: str) -> list[str]:
    """The fields of the parts of this name."""
    return [field for field in FIELDS if field.startswith(f'{name}.')]


def unregistered(name: str, known: Iterable[str], slot: str = 'part') -> str:
    """What is wrong with a name that no part has; `known`: those that parts have."""
    known = list(known)
    hint = f'{did_you_mean(name, known)}; ' if known else ''
    return (
        f"no {slot} '{name}' is registered; {hint}one of your own is registered by the file that "
        'defines it: load or import that first'
    )


def strengths() -> dict[str, Part]:
    """The fields that switch a part on that acts together with others, and these parts."""
    alone = (slot.name for slot in SLOTS.values() if not slot.field)
    every = (part for slot in alone for part in of_slot(slot).values())
    return {part.field(part.strength): part for part in every}


def moved(name: str) -> list[str]:
    """The fields that the field with this dotted name has become, if it belongs to parts now."""
    return [own for own, field in FIELDS.items() if field.rule.former == name]


def check_not_moved(name: str, where: str) -> None:
    """Whether a field still has this dotted name. Raises UserError with what it is called now."""
    if name in RENAMED:
        raise UserError(
            f"{where}: {name} is model.norm now ('none', 'batch', …), and model.norm_place "
            "('before' or 'after' the activation)"
        )
    section, _, tweak = name.partition('.')
    if section == TWEAKS and name not in FIELDS:
        known = of_slot('tweak')
        if tweak not in known:
            raise UserError(f'{where}: {unregistered(tweak, known, "tweak")}')
        strength = known[tweak].field(known[tweak].strength)
        raise UserError(
            f"{where}: the tweak '{tweak}' declares its parameters; its strength is {strength}, "
            f'not {name}'
        )
    if now := moved(name):
        raise UserError(f'{where}: {name} is a field of the chosen part now: {" or ".join(now)}')


def sections(keys: Iterable[str]) -> set[str]:
    """The sections of a config that are parts'.

    Args:
      keys: those that a config has besides.

    Raises:
      UserError: a part has the name of one of them.
    """
    found = {TWEAKS, *(name.partition('.')[0] for name in FIELDS)}
    if both := found.intersection(keys):
        name = min(both)
        raise UserError(
            f"'{name}' is the name of a part with parameters and of a key of every config; "
            'register the part under another name'
        )
    return found


def defaults() -> dict[str, dict[str, Any]]:
    """Every parameter at its default: parameter to value by part, for a config to fill in."""
    found: dict[str, dict[str, Any]] = {TWEAKS: {}}
    for name in FIELDS:
        part, _, parameter = name.partition('.')
        found.setdefault(part, {})[parameter] = default(name)
    return found


def register(
    slot: str, name: str, words: str = '', given: Sequence[str] = (), **facts: Any
) -> Callable[[F], F]:
    """A decorator that registers a function or a linen module as a part.

    Args:
      slot: one of `SLOTS`.
      name: letters, digits and _; a name that is registered again is replaced, unless it is that
        of a built-in part.
      words: how the part reads in tables and figures; the name if it is ''.
      given: the positional arguments that the part is called with, where they are not its slot's.
      facts: what else the slot knows of it.

    Raises:
      UserError: a name that cannot be, parameters that are not declared, or a function that does
        not take what its slot passes.
    """
    if not isinstance(name, str):
        raise UserError(f"{slot}: it is registered by a name, as in @jt.{slot}('mine')")
    what = f"{slot} '{name}'"
    if not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', name):
        raise UserError(f'{what}: the name must be letters, digits and _, a letter first')

    def decorate(build: F) -> F:
        """Registers what builds the part, as it is. Raises UserError: it is nothing that can."""
        if not _is_function_or_dataclass(build):
            bases = getattr(build, '__mro__', ())
            of_nnx = any(one.__module__.startswith('flax.nnx') for one in bases)
            why = ', an nnx module, whose state stands outside of the program' if of_nnx else ''
            how = '; flax.nnx.bridge.to_linen makes one of it' if of_nnx else ''
            raise UserError(f'{what}: is {build!r}{why}; it must be {SLOTS[slot].doc}{how}')
        if getattr(build, '__module__', '') not in BUILT_IN:
            _load()
        also = tuple(name for fact, name in _GIVEN.items() if facts.get(fact))
        passed = given or SLOTS[slot].given + also
        if SLOTS[slot].before and SLOTS[slot].before[0] in inspect.signature(build).parameters:
            passed = (*SLOTS[slot].before, *passed)
        takes = {}
        if SLOTS[slot].offers:
            takes = {'takes': offered_to(build, what, SLOTS[slot], facts.get('reads', ()))}
        parameters = parameters_of(build, what, SLOTS[slot], passed)
        add(Part(slot, name, build, parameters, words, facts | takes))
        return build

    return decorate


def add(part: Part) -> None:
    """Registers a part, in the place of one of its name. Raises UserError."""
    _admit(part, f"{part.slot} '{part.name}'")
    before = _REGISTRY[part.slot].get(part.name)
    for field in before.fields if before else ():
        _PARAMETERS.pop(field, None)
    _REGISTRY[part.slot][part.name] = part
    _PARAMETERS.update(part.fields)
    _name(part)


def _admit(part: Part, what: str) -> None:
    """Whether the registry takes a part. Raises UserError."""
    taken = part.name in (*dir(ConfigDict), *(() if part.alone else _TAKEN))
    if part.parameters and taken:
        key = f'{TWEAKS}.{part.name}' if part.alone else part.name
        raise UserError(
            f"{what}: 'config.{key}' means something else, so its parameters could not be set; "
            'choose another name'
        )
    before = _REGISTRY[part.slot].get(part.name)
    if before is not None and before.built_in and not part.built_in:
        raise UserError(f'{what}: is the name of a built-in part; choose another one')
    for slot, known in _REGISTRY.items():
        other = known.get(part.name)
        if slot == part.slot or other is None or other.section != part.section:
            continue
        if other.parameters and part.parameters:
            raise UserError(
                f"{what}: a part of the slot {slot} has this name, so '{part.name}.' would mean "
                'both; choose another one'
            )
    if not SLOTS[part.slot].field and not part.strength:
        raise UserError(
            f'{what}: has no strength; declare a parameter with the value at which it does '
            'nothing, as in traced(0.0, …, off=0.0)'
        )
    if not SLOTS[part.slot].field:
        strength = part.parameters[part.strength]
        if strength.default != strength.rule.off:
            raise UserError(
                f'{what}: {part.strength}: its default {strength.default!r} must be its off value '
                f'{strength.rule.off!r}, or it would act in every config'
            )


def _is_function_or_dataclass(build: Any) -> bool:
    return callable(build) and (not isinstance(build, type) or dataclasses.is_dataclass(build))


def _name(part: Part) -> None:
    """Gives a part and its fields their words in tables and figures."""
    slot, words = SLOTS[part.slot], part.words or part.name.replace('_', ' ')
    words_lib.ABOUT[part.section] = slot.about
    for name, one in part.parameters.items():
        alone = name.replace('_', ' ')
        of_part = alone if slot.short else f'{alone} of {words}'
        of_part = words if part.alone else of_part
        words_lib.FIELDS[part.field(name)] = one.rule.words or of_part
    if slot.field:
        words_lib.VALUES[f'{slot.field}={part.name}'] = words


_loaded = False


def _load() -> None:
    """Registers the built-in parts, once."""
    global _loaded
    if not _loaded:
        _loaded = True
        for module in BUILT_IN:
            importlib.import_module(module)
