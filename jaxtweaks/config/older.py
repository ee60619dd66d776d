"""Work folders of older versions: what the fields say there that they do not have yet.

A field that a folder lacks has there the value by which the code acted before there was the field:
what it is declared with as `older`, else its default. So a new field needs nothing if its default
is what was done before; if the default is another one, `older` says what was done:

    split: str = static('stratified', 'how …', choices=(…), older='random')

When a default changes later, `older` is to be declared too, with what was the default.
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from jaxtweaks.config import trace
from jaxtweaks.config.build import keys, rule_of, to_dict
from jaxtweaks.config.fields import Rule
from jaxtweaks.config.settings import Setting
from jaxtweaks.config.tweaks import SECTION

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
    rule: Rule = trace.FIELDS[name][1]
    return trace.get(_DEFAULTS, name) if rule.older is ... else rule.older


_DEFAULTS = Setting()
# By dotted name, as JSON has it, what those say that came later where a folder does not have them.
LATER: dict[str, Any] = {
    f'{section.name}.{field.name}': to_dict(value(f'{section.name}.{field.name}'))
    for section in dataclasses.fields(Setting)
    if section.name != SECTION  # of registered tweaks, which are known otherwise
    for field in dataclasses.fields(getattr(_DEFAULTS, section.name))
    if field.name not in FIRST.get(section.name, ())
}


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
            if dataclasses.is_dataclass(kind) and isinstance(found[name], Mapping):
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
        elif dataclasses.is_dataclass(kind):
            found[name] = completed(kind, {}, defaults=defaults)
        elif defaults and field.default is not dataclasses.MISSING:
            found[name] = to_dict(field.default)
    return found


def _of_items(kind: Any) -> type | None:
    """The dataclass that the items of a tuple are; None if it is no such type."""
    items = typing.get_args(kind)
    return items[0] if items and dataclasses.is_dataclass(items[0]) else None
