"""How fields, values and numbers of a study read in figures and tables."""

import math
from collections.abc import Mapping
from typing import Any

from jaxtweaks.study.results import LABELS

FIELDS = {
    'data.name': 'data set',
    'data.train_size': 'training images',
    'model.name': 'network',
    'model.channels': 'channels',
    'model.hidden': 'hidden units',
    'model.activation': 'activation',
    'model.batch_norm': 'batch norm',
    'model.bn_momentum': 'momentum of the running statistics',
    'init.scheme': 'rule of the initial weights',
    'init.distribution': 'law of the initial weights',
    'init.sigma': 'deviation σ of the initial weights',
    'dropout.input': 'drop rate of the input',
    'dropout.conv': 'drop rate after the pools',
    'dropout.hidden': 'drop rate of the hidden layers',
    '1-dropout.input': 'probability of keeping an input',
    '1-dropout.conv': 'probability of keeping a unit after the pools',
    '1-dropout.hidden': 'probability of keeping a hidden unit',
    'optim.name': 'optimiser',
    'optim.learning_rate': 'learning rate',
    'optim.weight_decay': 'weight decay',
    'schedule.name': 'schedule of the learning rate',
    'penalty.l2': 'weight λ of the L2 penalty',
    'train.batch_size': 'batch size',
    'train.epochs': 'epochs',
    'train.select': 'parameters kept',
}
VALUES = {
    'model.batch_norm=none': 'without batch norm',
    'model.batch_norm=before': 'batch norm before the activation',
    'model.batch_norm=after': 'batch norm after the activation',
    'model.name=mlp': 'MLP',
    'model.name=cnn': 'CNN',
    'init.scheme=sigma': 'given σ',
    'init.scheme=lecun': 'LeCun',
    'init.scheme=glorot': 'Glorot',
    'init.scheme=he': 'He',
    'init.scheme=he_2_over_sqrt_n': 'He, σ = 2/√N',
    'optim.name=sgd': 'SGD',
    'optim.name=adam': 'Adam',
    'optim.name=adamw': 'AdamW',
    'optim.name=rmsprop': 'RMSprop',
}
ABSENT = '—'


def field_label(name: str, names: Mapping[str, str] | None = None) -> str:
    """A swept field in words; `names` (of the figure) comes before the common words."""
    if names and name in names:
        return names[name]
    if name in FIELDS:
        return FIELDS[name]
    if name.startswith('1-'):
        return f'1 − {field_label(name.removeprefix("1-"), names)}'
    return name.rpartition('.')[2].replace('_', ' ')


def value_label(name: str, value: Any, names: Mapping[str, str] | None = None) -> str:
    """A value of the field `name` in words, to be read beside the field's own name.

    `names` is asked for 'field=value', then for the value alone.
    """
    for key in (f'{name}={value}', str(value)):
        if names and key in names:
            return names[key]
    if f'{name}={value}' in VALUES:
        return VALUES[f'{name}={value}']
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, tuple | list):
        return ', '.join(value_label(name, item) for item in value) or 'none'
    if isinstance(value, int | float):
        return number(value)
    return str(value).replace('_', ' ')


def named(name: str, value: Any, names: Mapping[str, str] | None = None) -> str:
    """A value that can be read alone: a number, yes or no takes the field's name before it."""
    words = value_label(name, value, names)
    if isinstance(value, str) or (names and words in names.values()):
        return words
    return f'{field_label(name, names)} {words}'


def metric_label(metric: str) -> str:
    """A metric in words."""
    return LABELS.get(metric, metric.replace('_', ' '))


def is_share(metric: str) -> bool:
    """Whether a metric is a share of images, shown in %."""
    return 'accuracy' in metric


def number(value: float) -> str:
    """A number as short as it can be told, at most 3 digits where it is not whole."""
    if not math.isfinite(value):
        return ABSENT
    if float(value).is_integer() and abs(value) < 1e5:
        return f'{int(value)}'.replace('-', '−')
    text = f'{value:.3g}'
    if 'e' in text:
        mantissa, exponent = text.split('e')
        text = f'{mantissa}e{int(exponent)}'
    return text.replace('-', '−')


def metric_value(metric: str, value: float) -> str:
    """A value of a metric: a share as a percentage with 2 decimals, a loss with 4 digits."""
    if not math.isfinite(value):
        return ABSENT
    if is_share(metric):
        return f'{100 * value:.2f} %'.replace('-', '−')
    return f'{value:.4g}'.replace('-', '−')


def metric_interval(metric: str, mean: float, half: float) -> str:
    """'mean ± half width' of a metric, both in the metric's unit; no ± where `half` is NaN."""
    if not math.isfinite(mean) or not math.isfinite(half):
        return metric_value(metric, mean)
    if is_share(metric):
        return f'{100 * mean:.2f} ± {100 * half:.2f} %'.replace('-', '−')
    # As many decimals as show two digits of the half width; never less than 2.
    decimals = 2 if half <= 0 else max(2, min(6, 1 - math.floor(math.log10(half))))
    return f'{mean:.{decimals}f} ± {half:.{decimals}f}'.replace('-', '−')


def count(n: int, noun: str) -> str:
    """'1 seed', '5 seeds'."""
    return f'{n} {noun}' if n == 1 else f'{n} {noun}s'
