"""What is measured of a setting's network, by its loss and by the metrics it asks for.

What a loss takes as targets decides: classes have accuracy, confusion and calibration; numbers and
several labels have the metrics that their losses name. `train.metrics` adds to both.
"""

from collections.abc import Mapping

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.metrics import LOSS, Metric
from jaxtweaks.config import parts, trace
from jaxtweaks.config.part import Part
from jaxtweaks.config.parts import BEST, CLASSES
from jaxtweaks.config.settings import Setting

# How targets of a kind read in messages.
WORDS: Mapping[str, str] = {
    CLASSES: 'classes',
    'float': 'numbers',
    'multilabel': 'several labels, each 0 or 1',
}


def targets_of(setting: Setting) -> str:
    """What the chosen loss takes as targets: 'classes', 'float' or 'multilabel'."""
    return trace.part(setting, 'loss').facts.get('targets', CLASSES)


def of_loss(loss: Part) -> tuple[Metric, ...]:
    """The metrics that a loss brings with it, the most telling one first."""
    given = loss.facts.get('metrics', ())
    if loss.facts.get('targets', CLASSES) == CLASSES:
        return (metrics.ACCURACY, *(one for one in given if one != metrics.ACCURACY))
    return given


def measures(setting: Setting) -> tuple[Metric, ...]:
    """All that is measured of each split: the loss, what the loss brings, what is asked for."""
    asked = (metrics.measure(name) for name in setting.train.metrics)
    return tuple(dict.fromkeys((LOSS, *of_loss(trace.part(setting, 'loss')), *asked)))


def usual(setting: Setting) -> Metric:
    """The metric that says how good a network is: of classes the accuracy, else the loss's own."""
    return next((one for one in of_loss(trace.part(setting, 'loss')) if one.sign), LOSS)


def chosen_by(setting: Setting) -> Metric:
    """What settings and epochs are chosen by: what `train.select` says, or the usual metric."""
    select = setting.train.select
    if select == 'last':
        return usual(setting)
    return metrics.measure(select.removeprefix(BEST))


def no_effect(setting: Setting, name: str) -> str:
    """Why a field has no effect on targets such as the loss takes; '' if it has one."""
    targets = targets_of(setting)
    loss = f'loss.name is {setting.loss.name!r}, whose targets are {WORDS[targets]}'
    if name == 'data.standardise_targets' and targets != 'float':
        return f'{loss}; it has one where they are numbers'
    if targets == CLASSES:
        return ''
    if name in ('noise.labels', 'data.label_noise'):
        return f'{loss}; it replaces classes'
    mixing = parts.strengths().get(name)
    if mixing is not None and mixing.facts.get('mixes'):
        return f'{loss}; {mixing.name} mixes classes'
    return ''


def check(setting: Setting) -> None:
    """Whether all that a setting chooses by and asks for is measured. Raises UserError."""
    targets, loss = targets_of(setting), trace.part(setting, 'loss')
    brought = {one.name for one in of_loss(loss)}
    for name in setting.train.metrics:
        fits = parts.get('metric', name).facts.get('targets', '')
        if fits and fits != targets:
            raise UserError(
                f'train.metrics: {name!r} is of targets that are {WORDS[fits]}, and those of '
                f'loss.name {loss.name!r} are {WORDS[targets]}; omit it'
            )
        if name in brought:
            raise UserError(
                f'train.metrics: {name!r} has no effect because loss.name {loss.name!r} has it '
                'measured anyway; omit it'
            )
    if len(set(setting.train.metrics)) < len(setting.train.metrics):
        raise UserError(f'train.metrics: {setting.train.metrics!r} has a metric twice')
    if setting.train.select != 'last':
        _check_chosen(setting)


def check_data(setting: Setting, targets: str, data_label: str) -> None:
    """Whether the loss takes the targets that the data have. Raises UserError."""
    takes = targets_of(setting)
    if takes == targets:
        return
    losses = parts.of_slot('loss').values()
    fit = [one.name for one in losses if one.facts.get('targets', CLASSES) == targets]
    raise UserError(
        f'loss.name: {setting.loss.name!r} takes {WORDS[takes]}, and the targets of {data_label} '
        f'are {WORDS[targets]}; it must be one of {", ".join(map(repr, fit))}'
    )


def _check_chosen(setting: Setting) -> None:
    select, measured = setting.train.select, measures(setting)
    chosen = select.removeprefix(BEST)
    valid = [f'{BEST}{one.name}' for one in measured if one.sign]
    if f'{BEST}{chosen}' not in valid:
        known = chosen in [one.name for one in measured]
        why = 'does not say which end is better' if known else 'is not measured'
        raise UserError(
            f'train.select: {select!r}: {chosen} {why} with loss.name {setting.loss.name!r}; it '
            f'must be one of {", ".join(map(repr, ["last", *valid]))}'
        )
