"""Work folders of older versions: what the fields say there that they do not have yet.

A field that a folder lacks has there the value by which the code acted before there was the field:
what it is declared with as `older`, else its default. So a new field needs nothing if its default
is what was done before; if the default is another one, `older` says what was done:

    split: str = static('stratified', 'how …', choices=(…), older='random')

When a default changes later, `older` is to be declared too, with what was the default.
"""

import dataclasses
import functools
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from jaxtweaks.config import parts, slots, trace
from jaxtweaks.config.build import keys, rule_of, to_dict
from jaxtweaks.config.fields import Field
from jaxtweaks.config.part import TWEAKS, Part
from jaxtweaks.config.settings import Setting

# The fields of the first work folders, which every run's name is made of. Those that came later are
# part of it where they say something else than what was done before. Nothing is to be added here.
FIRST = {
    section: names.split()
    for section, names in {
        'data': 'name dir download fallback train_size validation_size test_size split_seed '
        'standardise scale share bootstrap label_noise',
        'model': 'name channels hidden width activation batch_norm bn_momentum bn_epsilon '
        'bn_running_variance',
        'init': 'scheme distribution sigma',
        'dropout': 'form input conv hidden by_layer',
        'optim': 'name learning_rate momentum beta2 epsilon weight_decay',
        'schedule': 'name warmup_epochs boundaries factor minimum half_cycle_epochs',
        'penalty': 'l1 elastic l2 l2_form scope',
        'augment': 'flip shift rotate brightness contrast cutout',
        'noise': 'input weights labels smoothing',
        'train': 'batch_size epochs select train_eval_size precision member patience '
        'min_improvement ema_decay snapshots mc_samples test_curve keep_logits gradient_batches '
        'weight_bins linearity',
        'study': 'name images inputs parameter layer vectors masks input_shape classes regressor '
        'degree steps points noise samples step tolerance',
    }.items()
}


def value(name: str) -> Any:
    """What was done before there was the field with this dotted name."""
    rule = trace.FIELDS[name].rule
    return trace.get(_DEFAULTS, name) if rule.older is ... else rule.older


_DEFAULTS = Setting()
# By dotted name, as JSON has it, what those say that came later where a folder does not have them.
LATER: dict[str, Any] = {
    f'{section.name}.{field.name}': to_dict(value(f'{section.name}.{field.name}'))
    for section in dataclasses.fields(Setting)
    if section.name != parts.SECTION  # of what is registered
    for field in dataclasses.fields(getattr(_DEFAULTS, section.name))
    if field.name not in FIRST.get(section.name, ())
}


# Keys that there are no more, and that no result depends on.
_GONE = {'execution': ('patience_seconds',)}


def _without_gone(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A folder's config without the keys that there are no more."""
    found = dict(values)
    for section, names in _GONE.items():
        if isinstance(kept := found.get(section), Mapping):
            found[section] = {name: item for name, item in kept.items() if name not in names}
    return found


@functools.cache
def _former() -> dict[str, dict[str, Any]]:
    """Section to field to default, as JSON has it, of fields that belong to parts now."""
    found: dict[str, dict[str, Any]] = {}
    for name, field in parts.FIELDS.items():
        rule = field.rule
        section, _, field = rule.former.partition('.')
        if field:
            found.setdefault(section, {})[field] = to_dict(parts.default(name))
    return found


def put_former(values: dict[str, dict[str, Any]], setting: Setting) -> None:
    """Puts what the parts of a setting are given where its fields stood before they were parts'.

    So a run keeps its name. What was no field then is added where it is not at its default.

    Args:
      values: section to field to value, changed in place.
      setting: they are of.
    """
    for section, fields in _former().items():
        values[section] = fields | values.get(section, {})
    for part, given in trace.acting(setting):
        if part.alone:
            values.setdefault(TWEAKS, {})[part.name] = given[part.strength], part.digest
            continue
        for name, parameter in part.parameters.items():
            section, _, field = parameter.rule.former.partition('.')
            if field:
                values[section][field] = given[name]
            elif given[name] != parameter.default:
                values.setdefault(part.name, {})[name] = given[name]
        if not part.built_in and part.digest:
            values.setdefault(parts.SECTION, {})[part.key] = part.digest
    for slot in slots.SLOTS.values():
        if slot.field in trace.TRACED:  # a program has them all, and what they were given counted
            for name, parameter in _fields(trace.table(setting, slot.name)):
                section, _, field = parameter.rule.former.partition('.')
                if field:
                    values[section][field] = trace.get(setting, name)
    values['model'] = _with_batch_norm(values['model'])


def _fields(found: Iterable[Part]) -> Iterator[tuple[str, Field]]:
    return (item for part in found for item in part.fields.items())


def _with_batch_norm(model: Mapping[str, Any]) -> dict[str, Any]:
    """The section 'model' with the one field that said whether and where there is batch norm."""
    rest = {name: item for name, item in model.items() if name not in ('norm', 'norm_place')}
    norm, place = model.get('norm', 'none'), model.get('norm_place', 'before')
    if norm == 'batch':
        return rest | {'batch_norm': place}
    besides = {'norm': norm} if norm != 'none' else {}
    besides |= {'norm_place': place} if place != 'before' else {}
    return rest | {'batch_norm': 'none'} | besides


def renamed(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A folder's config with the fields that belong to parts now under the names they have now.

    A field that several parts have taken over (β₁ and μ were one) is that of the part chosen.
    """
    known = {name.partition('.')[0] for name in values.get(parts.SECTION, {})}
    values = _with_norm(_without_gone(values))
    values, given, words = dict(values), dict(values.get(parts.SECTION, {})), {}
    given |= {f'{TWEAKS}.{name}': one for name, one in values.pop(TWEAKS, {}).items()}
    for part in (part for slot in slots.SLOTS for part in parts.of_slot(slot).values()):
        slot = slots.SLOTS[part.slot]
        section, _, chooser = slot.field.partition('.')
        chosen = values.get(section, {}).get(chooser) == part.name
        for name, parameter in part.fields.items():
            former = parameter.rule.former
            section, _, field = former.partition('.')
            if part.name in known or field not in values.get(section, {}):
                continue
            given[name] = values[section][field]
            if chosen or former not in words:
                words[former] = name
    for former in words:
        section, _, field = former.partition('.')
        values[section] = {key: item for key, item in values[section].items() if key != field}
        if not values[section]:
            del values[section]
    found = _in_words(values, words)
    return {**found, parts.SECTION: given} if given else found


_BATCH_NORM, _NORM, _PLACE = 'model.batch_norm', 'model.norm', 'model.norm_place'
_NORMS = {
    'none': {_NORM: 'none', _PLACE: 'before'},
    'before': {_NORM: 'batch', _PLACE: 'before'},
    'after': {_NORM: 'batch', _PLACE: 'after'},
}


def _with_norm(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A folder's config in which `model.batch_norm` is `model.norm` and `model.norm_place`.

    Where it was swept, what is swept now is what differs: whether, where, or both.
    """
    swept = set(_swept(values.get('sweep', ())))
    fields = (_NORM,) if 'after' not in swept else (_NORM, _PLACE)
    fields = (_PLACE,) if swept == {'before', 'after'} else fields
    model = values.get('model', {})
    if 'batch_norm' in model:
        base = _NORMS['before' if swept else model['batch_norm']]
        now = {name.partition('.')[2]: item for name, item in base.items()}
        rest = {name: item for name, item in model.items() if name != 'batch_norm'}
        values = {**values, 'model': rest | now}
    return _of_norm(values, fields)


def _swept(sweep: Any) -> Iterator[str]:
    """The values that a sweep gives `model.batch_norm`."""
    if isinstance(sweep, list | tuple):
        if _is_grid(sweep):
            yield from sweep[2]
        elif _is_value(sweep):
            yield sweep[1]
        else:
            for part in sweep:
                yield from _swept(part)


def _is_grid(value: list | tuple) -> bool:
    return len(value) == 3 and tuple(value[:2]) == ('grid', _BATCH_NORM)


def _is_value(value: Any) -> bool:
    """Whether it is the field and its value, in a point of a sweep."""
    pair = isinstance(value, list | tuple) and len(value) == 2
    return pair and value[0] == _BATCH_NORM and value[1] in _NORMS


def _of_norm(value: Any, fields: tuple[str, ...]) -> Any:
    """What says something of `model.batch_norm`, said of these fields, at any depth."""
    name = ' + '.join(fields)
    said = lambda old: {field: _NORMS[old][field] for field in fields}
    one = lambda old: next(iter(said(old).values())) if len(fields) == 1 else [*said(old).values()]
    if isinstance(value, Mapping):
        found = {}
        for key, item in value.items():
            if key == _BATCH_NORM and isinstance(item, str):
                found |= said(item)
            elif key == _BATCH_NORM:
                found[name] = [one(old) for old in item]
            elif key == 'published' and _BATCH_NORM in (value.get('x'), value.get('hue')):
                known = lambda row: len(row) > 1 and row[0] in _NORMS
                found[key] = [[one(r[0]), *r[1:]] if known(r) else r for r in item]
            else:
                found[_of_norm(key, fields)] = _of_norm(item, fields)
        return found
    if isinstance(value, list | tuple):
        if _is_grid(value):
            return ['points', *([*map(list, said(old).items())] for old in value[2])]
        parts = [said(p[1]).items() if _is_value(p) else [_of_norm(p, fields)] for p in value]
        return type(value)(item for part in parts for item in part)
    if isinstance(value, str):
        for old in _NORMS:
            new = tuple(said(old).values())
            label = f'{name}={new[0] if len(new) == 1 else new}'
            value = re.sub(rf'{re.escape(_BATCH_NORM)}={old}(?!\w)', label, value)
        return re.sub(rf'{re.escape(_BATCH_NORM)}(?![\w.])', name, value)
    return value


def _in_words(value: Any, words: Mapping[str, str]) -> Any:
    """A value with other names of fields in all its strings, in keys as well."""
    if isinstance(value, Mapping):
        return {_in_words(key, words): _in_words(item, words) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_in_words(item, words) for item in value)
    if isinstance(value, str):
        for former, name in words.items():
            value = re.sub(rf'(?<![\w.]){re.escape(former)}(?![\w.])', name, value)
    return value


def completed(cls: type, values: Mapping[str, Any], *, defaults: bool = False) -> dict[str, Any]:
    """The values of a folder's config, with the fields it does not have.

    Args:
      cls: the dataclass they are of.
      values: field name to value, as read from JSON.
      defaults: whether to add those too whose default is what was done before.
    """
    found = dict(values)
    for name, (kind, field) in keys(cls).items():
        rule, inside = rule_of(field), _of_items(kind)
        if name in found:
            if _is_section(kind) and isinstance(found[name], Mapping):
                found[name] = completed(kind, found[name], defaults=defaults)
            elif inside and isinstance(found[name], list | tuple):
                found[name] = type(found[name])(
                    completed(inside, item, defaults=defaults)
                    if isinstance(item, Mapping)
                    else item
                    for item in found[name]
                )
        elif rule is not None and rule.older is not ...:
            found[name] = to_dict(rule.older)
        elif _is_section(kind):
            found[name] = completed(kind, {}, defaults=defaults)
        elif defaults and field.default is not dataclasses.MISSING:
            found[name] = to_dict(field.default)
    return found


def _is_section(kind: Any) -> TypeGuard[type]:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def _of_items(kind: Any) -> type | None:
    """The dataclass that the items of a tuple are; None if it is no such type."""
    items = typing.get_args(kind)
    return items[0] if items and _is_section(items[0]) else None
