"""The signature of a part is its schema: what a function or a linen module declares.

A keyword parameter (a field, of a module) whose default is `static(…)` or `traced(…)` is one of the
part's parameters; see `parts.py`.
"""

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.build import convert
from jaxtweaks.config.fields import Field, Rule
from jaxtweaks.config.slots import Slot

_DECLARED = '__jaxtweaks_declared__'  # the attribute of a function with its declarations


def parameters_of(
    build: Callable[..., Any], what: str, slot: Slot, given: Sequence[str]
) -> dict[str, Field]:
    """The declared parameters of a part. Raises UserError if it cannot be called with `given`."""
    try:
        hints = typing.get_type_hints(build)
    except (NameError, TypeError):
        hints = {}
    found, declared = {}, _declared(build)
    for name, field in declared.items():
        if not isinstance(field, dataclasses.Field) or 'rule' not in field.metadata:
            continue
        rule = dataclasses.replace(field.metadata['rule'], **_when(slot, what))
        empty = field.default == ()
        kind = hints.get(name, tuple) if empty else _kind_of(field.default)
        _check_default(field.default, rule, f'{what}: {name}')
        found[name] = Field(kind, convert(field.default, kind, rule, f'{what}: {name}'), rule)
    if not isinstance(build, type):
        offered = dict.fromkeys(name for name in declared if name in slot.offers)
        try:
            inspect.signature(build).bind(*given, **offered | dict.fromkeys(found))
        except TypeError as error:
            raise UserError(
                f'{what}: {error}; it must be {slot.doc}, and its other parameters declared with '
                'static(…) or traced(…)'
            ) from None
    return found


def declares(build: Callable[..., Any]) -> bool:
    """Whether a function declares parameters, with `static` or `traced`."""
    try:
        defaults = _declared(build).values()
    except (TypeError, ValueError):  # it has no signature
        return False
    return any(isinstance(one, dataclasses.Field) and 'rule' in one.metadata for one in defaults)


def offered_to(
    build: Callable[..., Any], what: str, slot: Slot, reads: Iterable[str]
) -> tuple[str, ...]:
    """What a part takes of what its slot offers: what it has no default for, or says it `reads`.

    Raises:
      UserError: something without a default that is not offered, or a field that nothing is there
        to take.
    """
    found = []
    for name, one in _declared(build).items():
        own = isinstance(one, dataclasses.Field) and 'rule' in one.metadata
        if own or (isinstance(build, type) and not one.init) or name in ('parent', 'name'):
            continue
        needed = one is inspect.Parameter.empty
        if isinstance(one, dataclasses.Field):
            needed = one.default is one.default_factory is dataclasses.MISSING
        if needed and name not in slot.offers:
            raise UserError(
                f"{what}: '{name}' has no default; declare it with static(…) or traced(…), or name "
                f'what is given: {", ".join(slot.offers)}'
            )
        if needed or set(slot.offers.get(name, '').split()) & set(reads):
            found.append(name)
    taken = {field for name in found for field in slot.offers[name].split()}
    if 'setting' not in found and (unread := [name for name in reads if name not in taken]):
        by = ', '.join(f'{name} ({field})' for name, field in slot.offers.items() if field)
        raise UserError(
            f"{what}: reads '{unread[0]}', but has no attribute for it; what is given by name: {by}"
        )
    return tuple(found)


def _declared(build: Callable[..., Any]) -> dict[str, Any]:
    """The declarations of a part's parameters by name, among defaults that are none.

    A function has plain defaults in their place from then on, so that it can be called by itself.
    """
    if isinstance(build, type):
        return {field.name: field for field in dataclasses.fields(build)}
    declared = getattr(build, _DECLARED, None)
    if declared is None:
        signature = inspect.signature(build)
        declared = {name: one.default for name, one in signature.parameters.items()}
        if isinstance(build, types.FunctionType):
            setattr(build, _DECLARED, declared)
            build.__defaults__ = tuple(map(_plain, build.__defaults__ or ())) or None
            keywords = build.__kwdefaults__ or {}
            build.__kwdefaults__ = {name: _plain(one) for name, one in keywords.items()} or None
    return declared


def _check_default(default: Any, rule: Rule, where: str) -> None:
    """Whether a parameter can have such a default, and its `off`. Raises UserError."""
    items = default if isinstance(default, tuple) else (default,)
    if not all(type(item) in (bool, int, float, str, tuple) for item in items):
        raise UserError(
            f'{where}: the default is {default!r}; it must be a number, a string, True, False or a '
            'tuple of these'
        )
    if rule.kind == 'traced' and isinstance(default, str) and rule.choices is None:
        raise UserError(
            f'{where}: the default is {default!r}; a traced parameter must be a number, or have '
            'choices; declare it with static'
        )
    if rule.off is not None and (
        type(rule.off) not in (int, float) or rule.choices is not None or not rule.admits(rule.off)
    ):
        raise UserError(f'{where}: off={rule.off!r} must be a number that is allowed itself')


def _plain(default: Any) -> Any:
    return default.default if isinstance(default, dataclasses.Field) else default


def _when(slot: Slot, what: str) -> dict[str, Any]:
    name = what.partition("'")[2].rstrip("'")
    return {'when': (slot.field, (name,))} if slot.field else {}


def _kind_of(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple[type(value[0]), ...]
    return type(value)
