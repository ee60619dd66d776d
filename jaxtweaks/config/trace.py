"""Settings taken apart into a static part and traced numbers, and put together again."""

import dataclasses
import typing
from collections import ChainMap
from collections.abc import Iterable, Mapping
from typing import Any

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config import tweaks
from jaxtweaks.config.build import convert, rule_of
from jaxtweaks.config.fields import Rule
from jaxtweaks.config.settings import Setting


def _fields() -> dict[str, tuple[Any, Rule]]:
    found = {}
    for section, cls in typing.get_type_hints(Setting).items():
        if section == tweaks.SECTION:
            continue
        hints = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            found[f'{section}.{field.name}'] = (hints[field.name], rule_of(field))
    return found


# Dotted name to (type, rule) of every field of a setting; those of registered tweaks come to it.
FIELDS: Mapping[str, tuple[Any, Rule]] = ChainMap(tweaks.FIELDS, _fields())
# Those that every setting has.
TRACED = tuple(name for name, (_, rule) in FIELDS.items() if rule.kind == 'traced')

Hyper = dict[str, Any]


def get(setting: Setting, name: str) -> Any:
    """The value of the field with this dotted name."""
    section, field = name.split('.')
    if section == tweaks.SECTION:
        return setting.tweaks.get(field, FIELDS[name][1].off)
    return getattr(getattr(setting, section), field)


def replace(setting: Setting, values: Mapping[str, Any]) -> Setting:
    """`setting` with the fields of `values` (by dotted name) replaced, unchecked."""
    sections: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, field = name.split('.')
        sections.setdefault(section, {})[field] = value
    registered = sections.pop(tweaks.SECTION, {})
    return dataclasses.replace(
        setting,
        tweaks=setting.tweaks.replaced(registered),
        **{
            section: dataclasses.replace(getattr(setting, section), **fields)
            for section, fields in sections.items()
        },
    )


def checked(name: str, value: Any, where: str) -> Any:
    """`value` as the field `name` of a setting takes it. Raises UserError naming `where`."""
    if name not in FIELDS:
        raise UserError(f"{where}: unknown field '{name}'; {did_you_mean(name, FIELDS)}")
    kind, rule = FIELDS[name]
    return convert(value, kind, rule, f'{where}: {name}')


def off_everywhere(settings: Iterable[Setting]) -> frozenset[str]:
    """The traced tweaks that are off in every one of the settings, by dotted name."""
    settings = list(settings)
    return frozenset(
        name
        for name in dict.fromkeys(name for setting in settings for name in _traced(setting))
        if FIELDS[name][1].off is not None
        and all(get(setting, name) == FIELDS[name][1].off for setting in settings)
    )


def split(setting: Setting, off: frozenset[str] = frozenset()) -> tuple[Setting, Hyper]:
    """The static part of a setting, and its traced numbers by dotted name.

    Args:
      setting: the setting of one run.
      off: traced tweaks to leave out of the program; they keep their off value in the static
        part, as Python numbers.

    Returns:
      A hashable setting in which every traced field is None, equal for all runs that share one
      program; and a dict of Python numbers (or tuples of them), a choice as the index of its
      name.
    """
    hyper = {}
    for name in _traced(setting):
        if name not in off:
            value = get(setting, name)
            choices = FIELDS[name][1].choices
            hyper[name] = choices.index(value) if choices else value
    left_out = frozenset(name.partition('.')[2] for name in off if _is_registered(name))
    setting = dataclasses.replace(setting, tweaks=setting.tweaks.without(left_out))
    return replace(setting, dict.fromkeys(hyper)), hyper


def as_numbers(setting: Setting) -> Setting:
    """The setting as the networks take it: traced choices as indices, outside of any sweep."""
    return join(*split(setting))


def join(static_part: Setting, hyper: Hyper) -> Setting:
    """The inverse of `split`; `hyper` may hold tracers."""
    return replace(static_part, hyper)


def _traced(setting: Setting) -> tuple[str, ...]:
    """The traced fields that a setting has: everyone's, and the tweaks it names."""
    return TRACED + tuple(f'{tweaks.SECTION}.{name}' for name in setting.tweaks)


def _is_registered(name: str) -> bool:
    return name.startswith(f'{tweaks.SECTION}.')
