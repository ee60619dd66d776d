"""Which fields of a setting have an effect on its run, and why others have none.

`reason` says it of one field of one setting. By it a sweep, an override and a whole config are
checked: what somebody wrote and nothing reads would be a finding ("weight decay does nothing for
SGD") that is none.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import measured, parts, spell, trace, tweaks
from jaxtweaks.config.expand import Point, Sweep, expand, parts_by_round
from jaxtweaks.config.layers import channels, hidden_widths, made_of, network, widths
from jaxtweaks.config.part import Part
from jaxtweaks.config.settings import GENERATED, LOOKED_FOR, Model, Setting

_DEFAULTS = Setting()


class Reason(NamedTuple):
    """Why a field has no effect.

    Attributes:
      words: as they follow 'because'.
      at_off: whether it acts through another one that does nothing at its value here, as the form
        of a penalty whose weight is 0. Such a setting is a point that the curves of a sweep have in
        common, so that it is enough if others read the field.
    """

    words: str
    at_off: bool = False


# Of a setting and a field by dotted name: why it has no effect, None if it has one.
Why = Callable[[Setting, str], Reason | None]


def reason(setting: Setting, name: str) -> Reason | None:
    """Why a field has no effect on this setting's run; None if it has one.

    Args:
      setting: of one run.
      name: the field's dotted name.
    """
    words = (
        _unread_by_choice(setting, name)
        or _unread_by_network(setting, name)
        or measured.no_effect(setting, name)
        or _of_a_part_that_is_off(setting, name)
        or _unread_by_init(setting, name)
        or _unread_by_data(setting, name)
    )
    if words:
        return Reason(words)
    at_off = _AT_OFF.get(name, lambda setting: '')(setting)
    return Reason(at_off, at_off=True) if at_off else None


def check_given(settings: Sequence[Setting], why: Why = reason) -> None:
    """Whether some setting reads each field that is not at its default. Raises UserError."""
    for name in trace.FIELDS:
        default = _default(name)
        given = [s for s in settings if trace.get(s, name) != default]
        every = [why(setting, name) for setting in given]
        found = [one for one in every if one and (not one.at_off or name in _ASKED)]
        if found and len(found) == len(every):
            value = trace.get(given[0], name)
            raise UserError(f'{name}: {value!r} has no effect because {found[0].words}')


def check_swept(base: Setting, sweep: Sweep, why: Why = reason) -> None:
    """Whether each setting of a sweep reads the fields that the sweep sets in it.

    Rounds that a search has added are not looked at.

    Raises:
      UserError: one does not, or two settings are the same run; with the sweep that was meant.
    """
    points = expand(parts_by_round(sweep)[0])
    settings = [trace.replace(base, point) for point in points]
    reasons = [
        {name: why(s, name) for name in point} for point, s in zip(points, settings, strict=True)
    ]
    read = {
        (name, point[name])
        for point, found in zip(points, reasons, strict=True)
        for name in point
        if found[name] is None
    }
    for point, found in zip(points, reasons, strict=True):
        for name, one in found.items():
            if one and not (one.at_off and (name, point[name]) in read):
                raise UserError(
                    f'sweep: {name} = {point[name]!r} has no effect{_which(point, name)} because '
                    f'{one.words}; {_better(points, reasons, name)}'
                )
    _check_same_run(points, settings)


def check_overrides(
    names: Iterable[str],
    parts: Iterable[str],
    base: Setting,
    sweep: Sweep,
    why: Why = reason,
) -> None:
    """Whether what was set besides the config has an effect.

    Args:
      names: dotted names of the keys that were set, those of no setting too.
      parts: of the keys in the sections that were set as a whole.
      base: what the sweep starts from.
      sweep: see `expand`.
      why: see `reason`.

    Raises:
      UserError: one of them is swept, or no setting reads it.
    """
    points = expand(parts_by_round(sweep)[0])
    names, parts = list(names), list(parts)
    for name in [*names, *parts]:
        values = list(dict.fromkeys(point[name] for point in points if name in point))
        if values:
            some = 'nothing' if all(name in point for point in points) else 'only some settings'
            raise UserError(
                f'config.{name}: is swept ({spell.listed(values)}), so that to set it would change '
                f'{some}; change the sweep in its place, in the config or by '
                f'--config.sweep="{spell.grid(name, values[:1])}"'
            )
    for name in names:
        if name in trace.FIELDS:
            settings = [trace.replace(base, point) for point in points]
            found = [one for one in (why(setting, name) for setting in settings) if one]
            if len(found) == len(settings):
                value = trace.get(settings[0], name)
                raise UserError(f'config.{name}: {value!r} has no effect because {found[0].words}')


def _default(name: str) -> Any:
    return trace.get(_DEFAULTS, name)


def _which(point: Point, name: str) -> str:
    """Which of the settings is meant."""
    others = [f'{other} = {value!r}' for other, value in point.items() if other != name]
    return f' with {", ".join(others[:4])}{" …" if len(others) > 4 else ""}' if others else ''


def _better(
    points: Sequence[Point], reasons: Sequence[Mapping[str, Reason | None]], name: str
) -> str:
    """How to write the sweep in which each setting has the fields that it reads."""
    if not any(name in found and found[name] is None for found in reasons):
        return f'no setting reads {name}, so omit it from the sweep'
    meant = [
        {name: value for name, value in point.items() if (one := found[name]) is None or one.at_off}
        for point, found in zip(points, reasons, strict=True)
    ]
    return f'give each setting the fields it reads: config.sweep = {spell.union(meant)}'


def _check_same_run(points: Sequence[Point], settings: Sequence[Setting]) -> None:
    """Whether two settings are one, since a width stands in the place of others."""
    swept = {name for point in points for name in point}
    if not swept & {'model.hidden', 'model.width'}:
        return
    rest = sorted(swept - {'model.hidden', 'model.width'})
    seen: dict[tuple, Point] = {}
    for point, setting in zip(points, settings, strict=True):
        values = (_widths(setting.model), *(trace.get(setting, name) for name in rest))
        first = seen.setdefault(values, point)
        if first is not point and first != point:
            raise UserError(
                f'sweep: {first} and {point} are the same run, because model.width stands in the '
                'place of the widths of model.hidden; omit one of the two'
            )


def _widths(model: Model) -> tuple[Any, ...]:
    """What a network is given of `model.hidden` and `model.width`."""
    if made_of(model):
        return hidden_widths(model)
    # One of a user's that is given the setting may read the two as it likes.
    own = 'setting' in network(model).facts['takes']
    return (model.hidden, model.width) if own else widths(model)


def _unread_by_choice(setting: Setting, name: str) -> str:
    """Why, if the field is declared to be read with another choice only."""
    when = trace.FIELDS[name].rule.when
    if when is None:
        return ''
    other, accepted = when
    value = trace.get(setting, other)
    if any(one in accepted for one in (value if isinstance(value, tuple) else (value,))):
        return _unread_by_network(setting, other)
    choices = ' or '.join(map(repr, accepted))
    return f'{other} is {trace.get(setting, other)!r}; it has one where {other} is {choices}'


def _of_a_part_that_is_off(setting: Setting, name: str) -> str:
    """Why, if it is a further parameter of a part whose strength is off."""
    for strength, part in parts.strengths().items():
        if name in part.fields and name != strength:
            off = trace.is_off(part, trace.arguments(setting, part))
            return f'{strength} is {trace.get(setting, strength)!r}' if off else ''
    return ''


def _unread_by_init(setting: Setting, name: str) -> str:
    """Why, if the rule for initial weights draws them itself (`register.init`)."""
    draws = 'key' in inspect.signature(trace.part(setting, 'init').build).parameters
    if name != 'init.distribution' or not draws:
        return ''
    return f'init.scheme is {setting.init.scheme!r}, which draws the weights itself'


def _unread_by_data(setting: Setting, name: str) -> str:
    """Why, if data of this name are had in a way to which the field says nothing.

    `data.dir` is no mistake: it is given to many experiments at once, and a notice says so.
    """
    data = setting.data
    if name in ('data.fallback', 'data.download') and data.name not in LOOKED_FOR:
        some = ' or '.join(map(repr, LOOKED_FOR))
        return (
            f'data.name is {data.name!r}, which is not looked for; it has one where that is {some}'
        )
    if name == 'data.split' and data.name in GENERATED and not data.folds:
        return f'data.name is {data.name!r}, of which each part is generated for itself'
    return ''


def _unread_by_network(setting: Setting, name: str) -> str:
    """Why, if the network does not read it, or has no place for it."""
    if where := tweaks.place(name):
        if where in ('conv', 'hidden') and (why := _not_among_reads(setting, f'tweaks.{where}')):
            return why
        name = {'conv': 'dropout.conv', 'hidden': 'model.width'}.get(where, '')
        return _BY_NETWORK.get(name, lambda setting: '')(setting) if name else ''
    why = _not_among_reads(setting, name)
    known = name in _BY_NETWORK and (made_of(setting.model) or name in _OF_STUDIES)
    return why or (_BY_NETWORK[name](setting) if known else '')


def _not_among_reads(setting: Setting, name: str) -> str:
    """Why, if only some networks read it, and this one does not."""
    every = parts.of_slot('network')
    if name not in _OF_SOME or _reads(network(setting.model), name):
        return ''
    reading = ' or '.join(repr(one.name) for one in every.values() if _reads(one, name))
    return f'model.name is {setting.model.name!r}; it has one where model.name is {reading}'


def _reads(part: Part, name: str) -> bool:
    return bool(part.reads & {name, name.partition('.')[0]})


_OF_STUDIES = ('bias_variance.degree', 'capacity.degree', 'gradcheck.inputs')
# Read by the networks that say so; all others by each.
_OF_SOME = frozenset(
    (
        *('model.channels', 'model.hidden', 'model.width', 'model.activation', 'model.norm'),
        *('model.norm_place', 'init.scheme', 'init.distribution'),
        *('dropout.conv', 'dropout.hidden', 'dropout.by_layer', 'train.linearity'),
        *('train.unit_spread', 'train.lost_units', 'tweaks.conv', 'tweaks.hidden'),
    )
)


def _no_layers(setting: Setting) -> str:
    some = channels(setting.model) or hidden_widths(setting.model)
    return '' if some else 'the network has no hidden layers'


def _no_dense(setting: Setting) -> str:
    return '' if hidden_widths(setting.model) else 'the network has no hidden dense layers'


def _no_pools(setting: Setting) -> str:
    return '' if channels(setting.model) else 'the network has no max-pools'


def _no_convolutions(setting: Setting) -> str:
    return '' if channels(setting.model) else 'the network has no convolutions'


def _no_rate_for_all(setting: Setting) -> str:
    by_layer = setting.dropout.by_layer
    stands = f'dropout.by_layer is {by_layer!r} and stands in its place' if by_layer else ''
    return _no_dense(setting) or stands


def _no_inputs(setting: Setting) -> str:
    name = setting.model.name
    return '' if name == 'mlp' else f"model.name is {name!r}; it has one where that is 'mlp'"


def _no_degree(setting: Setting) -> str:
    regressor = f'{setting.study.name}.regressor'
    return f"{regressor} is 'network'" if trace.get(setting, regressor) == 'network' else ''


_BY_NETWORK: dict[str, Callable[[Setting], str]] = {
    'model.activation': _no_layers,
    'model.norm': _no_layers,
    'model.norm_place': _no_layers,
    'model.weight_standardisation': _no_convolutions,
    'model.width': _no_dense,
    'dropout.conv': _no_pools,
    'dropout.hidden': _no_rate_for_all,
    'bias_variance.degree': _no_degree,
    'capacity.degree': _no_degree,
    'gradcheck.inputs': _no_inputs,
}


def _no_dropout(setting: Setting) -> str:
    rates = setting.dropout
    some = any((rates.input, rates.conv, rates.hidden, *rates.by_layer))
    return '' if some else 'no unit is dropped: all drop rates are 0'


def _no_norm(setting: Setting) -> str:
    return "model.norm is 'none'" if setting.model.norm == 'none' else ''


def _no_folds(setting: Setting) -> str:
    if setting.data.fold:
        return ''
    return f'data.fold is 0; sweep data.fold over 1 … {max(setting.data.folds, 2)}'


def _zero(name: str) -> Callable[[Setting], str]:
    return lambda setting: '' if trace.get(setting, name) else f'{name} is 0'


def _no_penalty(setting: Setting) -> str:
    some = setting.penalty.l1 or setting.penalty.l2
    return '' if some else 'penalty.l1 and penalty.l2 are 0'


def _no_boundaries(setting: Setting) -> str:
    return '' if trace.get(setting, 'step.boundaries') else 'step.boundaries is ()'


def _no_change(setting: Setting) -> str:
    return 'step.factor is 1' if trace.get(setting, 'step.factor') == 1 else ''


_AT_OFF: dict[str, Callable[[Setting], str]] = {
    'model.norm_place': _no_norm,
    'dropout.form': _no_dropout,
    'train.mc_samples': lambda setting: (
        _no_dropout(setting) or ('' if setting.train.mc_combine else 'train.mc_combine is ()')
    ),
    'train.mc_combine': lambda setting: (
        _no_dropout(setting) or ('' if setting.train.mc_samples else 'train.mc_samples is ()')
    ),
    'data.folds': _no_folds,
    'penalty.elastic': lambda setting: (
        '' if setting.penalty.l1 else 'it multiplies penalty.l1, which is 0; set penalty.l1 too'
    ),
    'penalty.l2_form': _zero('penalty.l2'),
    'penalty.scope': _no_penalty,
    'step.factor': _no_boundaries,
    'step.boundaries': _no_change,
}
# Those of them that ask for something themselves, so that they are complained of wherever nothing
# comes of them; the others say how something is done that a config may well have turned off.
_ASKED = ('penalty.elastic', 'data.folds', 'train.mc_samples', 'model.norm_place')
