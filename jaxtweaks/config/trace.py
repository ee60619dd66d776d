"""Settings taken apart into a static part and traced numbers, and put together again."""

import dataclasses
import typing
from collections import ChainMap
from collections.abc import Iterable, Mapping
from typing import Any, cast

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config import parts, slots
from jaxtweaks.config.build import convert, rule_of
from jaxtweaks.config.config_file import blaming
from jaxtweaks.config.fields import Field
from jaxtweaks.config.part import Part
from jaxtweaks.config.parts import Parts
from jaxtweaks.config.settings import Setting
from jaxtweaks.config.slots import Slot


def _fields() -> dict[str, Field]:
    found = {}
    for section, cls in typing.get_type_hints(Setting).items():
        if section == parts.SECTION:
            continue
        hints = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            rule = rule_of(field)
            assert rule is not None  # a setting has no deeper sections
            found[f'{section}.{field.name}'] = Field(hints[field.name], field.default, rule)
    return found


_OWN = _fields()
# Every field of a setting by dotted name; those of registered parts come to it.
FIELDS: Mapping[str, Field] = ChainMap(cast(Any, parts.FIELDS), _OWN)
# Those that every setting has.
TRACED = tuple(name for name, field in _OWN.items() if field.rule.kind == 'traced')

Hyper = dict[str, Any]


def get(setting: Setting, name: str) -> Any:
    """The value of the field with this dotted name."""
    section, field = name.split('.')
    if name in _OWN:
        return getattr(getattr(setting, section), field)
    return setting.parts[name] if name in setting.parts else parts.default(name)


def parts_of(setting: Setting, off: frozenset[str] = frozenset()) -> list[Part]:
    """The parts that a setting is made of: those it chooses, and those whose strength it sets.

    Args:
      setting: of a slot whose choice is traced every part is among them: a program has them all.
      off: strengths (dotted names) that are omitted from the program, and their parts with them.
    """
    found = []
    for slot in slots.SLOTS.values():
        if slot.several:
            found += [_bound(setting, part) for part in _named(setting, slot)]
        elif slot.field in TRACED:
            found += table(setting, slot.name)
        elif slot.field:
            if not slot.none or get(setting, slot.field) != slot.none:
                found.append(part(setting, slot.name))
        else:
            found += [
                _bound(setting, part)
                for name, part in parts.strengths().items()
                if part.slot == slot.name and name in setting.parts and name not in off
            ]
    return found


def _named(setting: Setting, slot: Slot) -> list[Part]:
    """The parts of a slot that takes several: those of the chosen loss, and those a field names."""
    brought = part(setting, 'loss').facts.get('metrics', ()) if slot.name == 'metric' else ()
    known = parts.of_slot(slot.name)
    names = dict.fromkeys([*(one.name for one in brought), *get(setting, slot.field)])
    return [known[name] for name in names if name in known]


def part(setting: Setting, slot: str) -> Part:
    """The part that a setting chooses for a slot."""
    return _bound(setting, parts.get(slot, get(setting, slots.SLOTS[slot].field)))


def table(setting: Setting, slot: str) -> list[Part]:
    """Every part of a slot whose choice is traced: the index of the choice is that of its part."""
    return [_bound(setting, part) for part in parts.of_slot(slot).values()]


def arguments(setting: Setting, part: Part) -> dict[str, Any]:
    """What a setting says of the parameters of a part, by their names."""
    return {name: get(setting, part.field(name)) for name in part.parameters}


def is_off(part: Part, given: Mapping[str, Any]) -> bool:
    """Whether a part that acts with others does nothing at these values of its parameters."""
    if slots.SLOTS[part.slot].field:
        return False
    strength = given[part.strength]
    off = part.parameters[part.strength].rule.off
    return isinstance(strength, int | float) and strength == off  # and no tracer


def acting(setting: Setting) -> list[tuple[Part, dict[str, Any]]]:
    """The parts of a setting that do something in it, with their arguments."""
    used = [(part, arguments(setting, part)) for part in parts_of(setting)]
    return [one for one in used if not is_off(*one) and _is_chosen(setting, one[0])]


def _is_chosen(setting: Setting, part: Part) -> bool:
    """Whether one of `parts_of` is the setting's choice; of a traced choice all are among them."""
    slot = slots.SLOTS[part.slot]
    return slot.several or not slot.field or get(setting, slot.field) == part.name


def made(setting: Setting, slot: str, *given: Any) -> Any:
    """What the chosen part of a slot makes of what the slot passes it."""
    chosen = part(setting, slot)
    with blaming(f"{slot} '{chosen.name}'"):
        return chosen.build(*given, **arguments(setting, chosen))


def _bound(setting: Setting, part: Part) -> Part:
    """The part of this slot and name that the setting's program was made of, or the given one."""
    same = (one for one in setting.parts.bound if (one.slot, one.name) == (part.slot, part.name))
    return next(same, part)


def replace(setting: Setting, values: Mapping[str, Any]) -> Setting:
    """`setting` with the fields of `values` (by dotted name) replaced, unchecked."""
    sections: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, field = name.split('.')
        sections.setdefault(section, {})[field] = value
    of_parts = {
        f'{section}.{field}': value
        for section in [section for section in sections if not hasattr(setting, section)]
        for field, value in sections.pop(section).items()
    }
    return dataclasses.replace(
        setting,
        parts=setting.parts.replaced(of_parts),
        **{
            section: dataclasses.replace(getattr(setting, section), **fields)
            for section, fields in sections.items()
        },
    )


def checked(name: str, value: Any, where: str) -> Any:
    """`value` as the field `name` of a setting takes it. Raises UserError naming `where`."""
    if name not in FIELDS:
        parts.check_not_moved(name, where)
        raise UserError(f"{where}: unknown field '{name}'; {did_you_mean(name, FIELDS)}")
    field = FIELDS[name]
    return convert(value, field.type, field.rule, f'{where}: {name}')


def off_everywhere(settings: Iterable[Setting]) -> frozenset[str]:
    """The traced tweaks that are off in every one of the settings, by dotted name."""
    settings = list(settings)
    return frozenset(
        name
        for name in dict.fromkeys(name for setting in settings for name in _traced(setting))
        if FIELDS[name].rule.off is not None
        and all(get(setting, name) == FIELDS[name].rule.off for setting in settings)
    )


def split(setting: Setting, off: frozenset[str] = frozenset()) -> tuple[Setting, Hyper]:
    """The static part of a setting, and its traced numbers by dotted name.

    Args:
      setting: the setting of one run.
      off: traced tweaks to omit from the program; they keep their off value in the static
        part, as Python numbers.

    Returns:
      A hashable setting in which every traced field is None, equal for all runs that share one
      program; and a dict of Python numbers (or tuples of them), a choice as the index of its
      name.
    """
    hyper = {}
    for name in _traced(setting, off):
        if name not in off:
            value = get(setting, name)
            choices = FIELDS[name].rule.choices
            hyper[name] = choices.index(value) if choices else value
    setting = dataclasses.replace(setting, parts=_static_parts(setting, off))
    return replace(setting, dict.fromkeys(hyper)), hyper


def _static_parts(setting: Setting, off: frozenset[str]) -> Parts:
    """What a program is compiled for: of the parts in use the static values and those off."""
    used = parts_of(setting, off)
    fields = {name: one for part in used for name, one in part.fields.items()}
    values = {
        name: get(setting, name)
        for name, one in fields.items()
        if one.rule.kind == 'static' or name in off
    }
    return Parts(values, [part for part in used if not part.built_in])


def as_numbers(setting: Setting) -> Setting:
    """The setting as the networks take it: traced choices as indices, outside of any sweep."""
    return join(*split(setting))


def join(static_part: Setting, hyper: Hyper) -> Setting:
    """The inverse of `split`; `hyper` may hold tracers."""
    return replace(static_part, hyper)


def _traced(setting: Setting, off: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The traced fields that a setting has: everyone's, and those of its parts."""
    of_parts = (
        name
        for part in parts_of(setting, off)
        for name, one in part.fields.items()
        if one.rule.kind == 'traced'
    )
    return (*TRACED, *of_parts)
