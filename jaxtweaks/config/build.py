"""Dataclasses from plain dicts, checked; and back.

Every complaint is one line that names the key, the value, what is allowed and, for a name, the
nearest valid one.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import numpy as np

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config.fields import Rule

T = TypeVar('T')

_TYPE_NAMES = {
    int: 'an integer',
    float: 'a number',
    bool: 'True or False',
    str: 'a string',
    tuple: 'a tuple',
    dict: 'a dict',
}
# Metadata of a section whose keys stand next to those of the dataclass that has it.
FLAT = {'flat': True}
_BEYOND = 2**63  # an integer in the tables that are written (Parquet) is less


def from_dict(cls: type[T], values: Mapping[str, Any], where: str = '') -> T:
    """An instance of the dataclass `cls` from a nested mapping.

    Args:
      cls: a dataclass whose fields are declared with `jaxtweaks.config.fields`, or are
        themselves such dataclasses, or tuples of them.
      values: field name to value; missing fields take their default.
      where: the dotted path of `values`, for the message.

    Raises:
      UserError: unknown key, wrong type, value not allowed, or a required key missing.
    """
    if not isinstance(values, Mapping):
        raise UserError(f'{where}: {values!r} is not a set of keys (it should be a dict)')
    known = keys(cls)
    for key in values:
        if key not in known:
            raise UserError(
                f"{_join(where, key)}: unknown key '{key}'; {did_you_mean(str(key), known)}"
            )
    hints = typing.get_type_hints(cls)
    built = {}
    for field in dataclasses.fields(cast(Any, cls)):
        name, path = field.name, _join(where, field.name)
        if _is_flat(field):
            own = {key: values[key] for key in keys(hints[name]) if key in values}
            built[name] = convert(own, hints[name], None, where)
        elif name in values:
            built[name] = convert(values[name], hints[name], rule_of(field), path)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise UserError(f'{path}: missing; it is {field.metadata["rule"].doc}')
    return cls(**built)


def keys(cls: type) -> dict[str, tuple[Any, dataclasses.Field]]:
    """The type and the field of each key that `from_dict` takes for a dataclass, in order.

    Of a class of sections that are registered (`of_config`) those that there are now.
    """
    if hasattr(cls, 'registered'):
        return cls.registered()
    hints = typing.get_type_hints(cls)
    found = {}
    for field in dataclasses.fields(cls):
        one = {field.name: (hints[field.name], field)}
        found |= keys(hints[field.name]) if _is_flat(field) else one
    return found


def _is_flat(field: dataclasses.Field) -> bool:
    return field.metadata.get('flat', False)


def rule_of(field: dataclasses.Field) -> Rule | None:
    """The rule a field was declared with; None for a section (a nested dataclass)."""
    return field.metadata.get('rule')


def convert(value: Any, kind: Any, rule: Rule | None, path: str) -> Any:
    """`value` as the type `kind`, checked against `rule`. Raises UserError."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return from_dict(kind, value, path)
    if hasattr(kind, 'of_config'):  # a section whose keys are registered
        return kind.of_config(value, path)
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, kind, rule, path)
    if tuple in (origin, kind):
        return _convert_tuple(value, kind, rule, path)
    converted = _convert_scalar(value, origin or kind, rule, path)
    if rule is not None and not rule.admits(converted):
        hint = ''
        if isinstance(value, str) and (missing := getattr(rule.choices, 'missing', None)):
            raise UserError(f'{path}: {missing(value)} ({rule.doc})')
        if rule.choices is not None and isinstance(value, str):
            hint = f'; {did_you_mean(value, rule.choices)}'
        elif rule.allowed():
            hint = f'; it must be {rule.allowed()}'
        raise UserError(f'{path}: {value!r} is not allowed{hint} ({rule.doc})')
    if kind is int and not -_BEYOND <= converted < _BEYOND:
        raise UserError(f'{path}: {value!r} is not allowed; it must be an integer of 64 bits')
    return converted


def to_dict(instance: Any) -> Any:
    """The plain nested dict of a dataclass (tuples become lists, as in JSON)."""
    if dataclasses.is_dataclass(instance):
        found = {}
        for field in dataclasses.fields(instance):
            value = to_dict(getattr(instance, field.name))
            found |= value if _is_flat(field) else {field.name: value}
        return found
    if isinstance(instance, tuple | list):
        return [to_dict(item) for item in instance]
    if isinstance(instance, Mapping):
        return {key: to_dict(value) for key, value in instance.items()}
    return instance


def _join(where: str, key: str) -> str:
    return f'{where}.{key}' if where else str(key)


def _convert_union(value: Any, kind: Any, rule: Rule | None, path: str) -> Any:
    options = typing.get_args(kind)
    if value is None and type(None) in options:
        return None
    options = [option for option in options if option is not type(None)]
    for option in options[:-1]:
        try:
            return convert(value, option, rule, path)
        except UserError:
            continue
    return convert(value, options[-1], rule, path)


def _convert_tuple(value: Any, kind: Any, rule: Rule | None, path: str) -> tuple:
    if not isinstance(value, tuple | list):
        raise UserError(f'{path}: {value!r} is not a tuple{_described(rule)}')
    items = typing.get_args(kind)
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(convert(item, items[0], rule, f'{path}[{i}]') for i, item in enumerate(value))
    if items and len(items) != len(value):
        raise UserError(f'{path}: {value!r} has {len(value)} items; it must have {len(items)}')
    return tuple(
        convert(item, kind, rule, f'{path}[{i}]')
        for i, (item, kind) in enumerate(zip(value, items or [Any] * len(value), strict=True))
    )


def _convert_scalar(value: Any, kind: Any, rule: Rule | None, path: str) -> Any:
    if kind is Any:
        return _plain(value, path)
    if kind is dict and isinstance(value, Mapping):
        return _plain(value, path)
    if isinstance(value, np.generic):
        value = value.item()  # also np.float64, which is a float but prints as something else
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = _as_float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        name = _TYPE_NAMES.get(kind, kind.__name__)
        raise UserError(f'{path}: {value!r} is not {name}{_described(rule)}')
    return value + 0.0 if kind is float else value  # −0 is 0, and the same run


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _plain(value: Any, path: str) -> Any:
    """Lists as tuples and mappings as dicts, all the way down; only what JSON has words for."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item, _join(path, key)) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return tuple(_plain(item, f'{path}[{i}]') for i, item in enumerate(value))
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int) or _is_finite(value):
        return value
    raise UserError(f'{path}: {value!r} is not a finite number, a string, None, a tuple or a dict')


def _is_finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _described(rule: Rule | None) -> str:
    if rule is None:
        return ''
    allowed = rule.allowed()
    return f'; it must be {allowed} ({rule.doc})' if allowed else f' ({rule.doc})'
