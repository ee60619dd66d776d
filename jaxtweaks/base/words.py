"""How fields, values and numbers of a study read in figures and tables."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jaxtweaks.base import metrics, numbers
from jaxtweaks.base.field_names import joined, split_key, terms, value_of
from jaxtweaks.base.numbers import ABSENT, number, p_value, percent

__all__ = ['ABSENT', 'number', 'p_value', 'percent']

FIELDS = {
    'data.name': 'data set',
    'data.train_size': 'training images',
    'data.standardise': 'inputs standardised',
    'data.scale': 'scale of the inputs',
    'data.share': 'share of the training images',
    'data.bootstrap': 'share drawn again (bootstrap)',
    'data.label_noise': 'share of wrong labels',
    'data.fold': 'fold held out',
    'model.name': 'network',
    'model.channels': 'channels',
    'model.hidden': 'hidden units',
    'model.width': 'hidden units',
    'model.activation': 'activation',
    'model.norm': 'normalisation',
    'model.norm_place': 'place of the normalisation',
    'model.weight_standardisation': 'weight standardisation',
    'init.scheme': 'rule of the initial weights',
    'init.distribution': 'distribution of the initial weights',
    'dropout.input': 'drop rate of the input',
    'dropout.conv': 'drop rate after the pools',
    'dropout.hidden': 'drop rate of the hidden layers',
    '1-dropout.input': 'probability of keeping an input',
    '1-dropout.conv': 'probability of keeping a unit after the pools',
    '1-dropout.hidden': 'probability of keeping a hidden unit',
    'loss.name': 'loss',
    'optim.name': 'optimiser',
    'optim.learning_rate': 'learning rate',
    'schedule.name': 'schedule of the learning rate',
    'penalty.l1': 'weight λ of the L1 penalty',
    'penalty.elastic': 'β of the elastic net',
    'penalty.l2': 'weight λ of the L2 penalty',
    'noise.input': 'σ of noise on the inputs',
    'noise.weights': 'σ of noise on the weights',
    'noise.labels': 'share of labels flipped at each step',
    'train.batch_size': 'batch size',
    'train.epochs': 'epochs',
    'train.select': 'parameters kept',
    'train.patience': 'patience in epochs',
    'train.ema_decay': 'decay of the running average',
    'train.swa_start': 'first epoch of the stochastic weight average',
    'train.snapshots': 'snapshots',
    'train.member': 'member',
    'ensemble.kind': 'ensemble of',
    'ensemble.size': 'members',
    'ensemble.combine': 'combined by',
    'mc.samples': 'dropout masks',
    'stopping.rule': 'stopping rule',
    'aligned.share': 'share of the threshold',
    'tested': 'parameters tested',
}
VALUES = {
    'data.standardise=none': 'inputs as they are',
    'data.standardise=channel': 'inputs standardised by channel',
    'data.standardise=pixel': 'inputs standardised by pixel',
    'model.norm_place=before': 'before the activation',
    'model.norm_place=after': 'after the activation',
    'ensemble.kind=members': 'networks trained alike',
    'ensemble.kind=top': 'the best settings of a sweep',
    'ensemble.kind=snapshots': 'snapshots of one run',
    'ensemble.kind=ema': 'running average of the parameters',
    'ensemble.combine=probabilities': 'mean of probabilities',
    'ensemble.combine=logits': 'mean of logits',
    'ensemble.combine=votes': 'majority vote',
    'ensemble.combine=median': 'median of outputs',
    'ensemble.combine=alone': 'not combined: mean of the members',
    'tested=last': 'last parameters',
    'tested=chosen': 'chosen parameters',
    'tested=ema': 'running average of the parameters',
    'tested=snapshots': 'mean over the snapshots',
}
# What the fields of a part are about, by the part's name; parts come to it, and to the two above,
# when they are registered (`config/parts.py`).
ABOUT: dict[str, str] = {}

_FINEST = 6  # decimals of a measured number

# What a field is about, by the beginning of its name; the first that fits.
_TWEAKS = (
    (('model.norm', 'model.weight_standardisation'), 'normalisation'),
    (('dropout.', 'mc.'), 'dropout'),
    (('init.',), 'initial weights'),
    (('optim.learning_rate', 'schedule.'), 'learning rate'),
    (('penalty.', 'adamw.weight_decay'), 'penalties'),
    (('optim.',), 'optimiser'),
    (('noise.', 'data.label_noise'), 'noise'),
    (('data.bootstrap', 'ensemble.', 'tested', 'train.member', 'train.ema'), 'ensembles'),
    (('train.snapshots',), 'ensembles'),
    (('train.batch_size',), 'batch size'),
    (('train.epochs', 'train.patience', 'train.select', 'train.min_', 'stopping.'), 'stopping'),
    (('data.',), 'data'),
    (('model.',), 'network'),
    (('tweaks.on',), 'other'),  # of a derivation, see derive/tweaks.py
)


def tweaks_of(fields: Iterable[str]) -> list[str]:
    """What an experiment that varies these fields is about, each word once."""
    found = []
    for field in fields:
        words = (word for starts, word in _TWEAKS if field.startswith(starts))
        found.append(next(words, ABOUT.get(field.partition('.')[0], 'other')))
    return list(dict.fromkeys(found)) or ['other']


def field_label(name: str, names: Mapping[str, str] | None = None) -> str:
    """A swept field in words; `names` (of the figure) comes before the common words."""
    if names and name in names:
        return names[name]
    if name in FIELDS:
        return FIELDS[name]
    first, *others = terms(name)
    if others:
        return ' and '.join(field_label(str(term), names) for term in (first, *others))
    if first.complement:
        return f'1 − {field_label(first.field, names)}'
    return name.rpartition('.')[2].replace('_', ' ')


class Names(Mapping[str, str]):
    """A config's words, and for each swept field as many digits as keep its values apart.

    Goes wherever `names` does below. A value that would read as another one of its field is
    followed by itself as Python writes it.
    """

    def __init__(self, words: Mapping[str, str], settings: Sequence[Mapping[str, Any]]):
        """`words`: for 'field', 'field=value' or 'value'; `settings`: all of a sweep, by field."""
        self._words = dict(words)
        self._settings = settings
        self._numbers: dict[str, dict[float, str]] = {}
        self._said: dict[str, dict[str, list[Any]]] = {}

    def __getitem__(self, key: str) -> str:
        return self._words[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)

    def number(self, name: str, value: float) -> str:
        """A number that is a value of the field `name`, or lies among its values."""
        if name not in self._numbers:
            self._numbers[name] = numbers.apart(filter(_is_number, self._values(name)))
        found = self._numbers[name].get(value)
        return found or numbers.apart([*self._numbers[name], value])[value]

    def alone(self, name: str, value: Any, words: str) -> str:
        """The words of a value, with the value itself if another one has the same."""
        if name not in self._said:
            self._said[name] = {}
            for other in self._values(name):
                self._said[name].setdefault(_value_words(name, other, self), []).append(other)
        others = self._said[name].get(words, ())
        return (
            words
            if all(other is value or other == value for other in others)
            else f'{words} ({value!r})'
        )

    def _values(self, name: str) -> list[Any]:
        """The distinct values of a field; of '1-field' the complements; [] if it is not swept."""
        term, *others = terms(name)
        if others:
            return [value_of(setting, name) for setting in self._settings]
        field = term.field
        values = [setting[field] for setting in self._settings if field in setting]
        values = list(dict.fromkeys(tuple(v) if isinstance(v, list) else v for v in values))
        if field == name:
            return values
        found: list[Any] = [value for value in values if _is_number(value)]
        return list(numbers.complements(found))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def value_label(name: str, value: Any, names: Mapping[str, str] | None = None) -> str:
    """A value of the field `name` in words, to be read next to the field's own name.

    `names` is asked for 'field=value', then for the value alone; `Names` keeps the values of a
    sweep apart.
    """
    words = _value_words(name, value, names)
    return names.alone(name, value, words) if isinstance(names, Names) else words


def _value_words(name: str, value: Any, names: Mapping[str, str] | None) -> str:
    """`value_label`, whatever the other values of the field are called."""
    for key in (f'{name}={value}', str(value)):
        if names and key in names:
            return names[key]
    if f'{name}={value}' in VALUES:
        return VALUES[f'{name}={value}']
    several = terms(name)
    if len(several) > 1:
        parts = zip(several, value, strict=True)
        return ', '.join(named(str(term), item, names) for term, item in parts)
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, tuple | list):
        return ', '.join(value_label(name, item) for item in value) or 'none'
    if isinstance(value, int | float):
        number_of = names.number if isinstance(names, Names) else _number_alone
        return number_of(name, value)
    return str(value).replace('_', ' ')


def _number_alone(name: str, value: float) -> str:
    """A value of a field of which no other value is known."""
    return numbers.apart([value])[value]


def named(name: str, value: Any, names: Mapping[str, str] | None = None) -> str:
    """A value that can be read alone: a number, yes or no takes the field's name before it."""
    words = value_label(name, value, names)
    # 'none' of what, is not said by a word that is not the config's own.
    bare = words == 'none' and not (names and words in names.values())
    if not bare and (isinstance(value, str) or (names and words in names.values())):
        return words
    return words if len(terms(name)) > 1 else f'{field_label(name, names)} {words}'


def together(
    values: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
    say: Callable[[str, Any, Mapping[str, str] | None], str] = named,
) -> str:
    """Values of several fields in words that can be read alone, with commas between.

    Fields that `names` has one word for ('a + b=(1, 2)') are shown by this word.

    Args:
      values: by field.
      names: see `value_label`.
      say: how a single value is shown.
    """
    left, parts, names = dict(values), [], names or {}
    joint = [fields for key in names if len(fields := _fields_of(key)) > 1]
    for field in values:
        for fields in joint:
            if field in fields and left.keys() >= set(fields):
                key = f'{joined(fields)}={tuple(left[one] for one in fields)}'
                if key in names:
                    parts.append(names[key])
                    left = {one: value for one, value in left.items() if one not in fields}
        if field in left:
            parts.append(say(field, left.pop(field), names))
    return ', '.join(parts)


def of_setting(
    setting: Mapping[str, Any], varied: Sequence[str], names: Mapping[str, str] | None = None
) -> str:
    """A setting by the fields that vary, those with a value; '' if nothing varies.

    A field that does not is needed where `names` has one word for it and one that does.
    """
    names, shown = names or {}, {*varied}
    for key in names:
        fields = _fields_of(key)
        if len(fields) > 1 and {*fields} <= setting.keys() and not shown.isdisjoint(fields):
            values = tuple(setting[field] for field in fields)
            shown |= {*fields} if f'{joined(fields)}={values}' in names else set()
    values = {name: value for name, value in setting.items() if name in shown}
    said = {name: value_label(name, value, names) for name, value in values.items()}
    return together({name: v for name, v in values.items() if said[name] != ABSENT}, names)


def in_common(
    a: Mapping[str, Any], b: Mapping[str, Any], names: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The values that a and b share; not those of fields that one word is for, unless all are."""
    same = {field for field in a if field in b and a[field] == b[field]}
    for key in names or {}:
        fields = _fields_of(key)
        if len(fields) > 1 and not {*fields} & {*a, *b} <= same:
            same -= {*fields}
    return {field: value for field, value in a.items() if field in same}


def _fields_of(key: str) -> list[str]:
    """The fields of a key of a config's words that is of fields alone."""
    name, value = split_key(key)
    return [str(term) for term in terms(name)] if value is None else []


def is_share(metric: str) -> bool:
    """Whether a metric is a share (of images, of weights, of runs), shown in %."""
    return metrics.of(metric).is_share


def amount(metric: str, size: float) -> str:
    """How large a difference of a metric is, in points if it is a share."""
    if is_share(metric):
        return f'{percent(abs(size))} points'
    return _with_unit(metric, number(abs(size)))


def metric_value(metric: str, value: float) -> str:
    """A value of a metric: a share as a percentage with 2 decimals, a loss with 4 digits."""
    if not math.isfinite(value):
        return ABSENT
    if is_share(metric):
        return f'{percent(value)}%'
    words = f'{value:,.0f}'.replace('-', '−') if _is_count(value) else number(value, 4)
    return _with_unit(metric, words)


def level_value(metric: str, value: float) -> str:
    """A value of a metric that was chosen, not measured; a share as '25%', not as '25.00%'."""
    if is_share(metric):
        percents = round(100 * value, 10)  # 100 × 0.29 is 28.999999999999996
        return f'{numbers.apart([percents])[percents]}%'
    return _with_unit(metric, numbers.apart([value])[value])


def _with_unit(metric: str, words: str) -> str:
    """A number with the unit of its metric, if that is a word."""
    unit = metrics.of(metric).unit
    return f'{words} {unit}' if unit not in ('', metrics.SHARE) else words


def _is_count(value: float) -> bool:
    """Whether a number is whole and so large that all its digits are meant."""
    return float(value).is_integer() and abs(value) >= 1000


def metric_interval(metric: str, mean: float, half: float) -> str:
    """'mean ± half width' of a metric, both in the metric's unit; no ± where `half` is NaN.

    A share has two decimals; of one whose interval would reach beyond 0 or 100% the ends, cut off
    there. Of another metric two digits of the half width, and the mean to the same place.
    """
    if not math.isfinite(mean) or not math.isfinite(half):
        return metric_value(metric, mean)
    low, high = metrics.of(metric).bounds
    if low <= mean <= high and (mean - half < low - 1e-9 or mean + half > high + 1e-9):
        ends = [percent(min(max(end, low), high)) for end in (mean - half, mean + half)]
        return f'{percent(mean)}% ({ends[0]} to {ends[1]})'
    if is_share(metric):
        return f'{_with_half(100 * mean, 100 * half, 2, 100.0)}%'
    if half == 0 and float(mean).is_integer():
        return metric_value(metric, mean)
    if half == 0:
        return _with_unit(metric, f'{number(mean, 4)} ± 0')
    return _with_unit(metric, _to_two_digits(mean, half))


def difference_interval(metric: str, mean: float, half: float) -> str:
    """`metric_interval` of a difference of two values of a metric: of a share in points, uncut."""
    if not is_share(metric) or not math.isfinite(mean):
        return metric_interval(metric, mean, half)
    if not math.isfinite(half):
        return f'{percent(mean)} points'
    return f'{_with_half(100 * mean, 100 * half, 2, 100.0)} points'


def _to_two_digits(mean: float, half: float) -> str:
    """To two digits of the half width, both with one power of ten if they need any."""
    size = max(abs(mean), half)
    power = 0 if 1e-3 <= size < 1e7 else math.floor(math.log10(size))
    mean, half = mean / 10.0**power, half / 10.0**power
    # Of the half width as it is rounded: 0.0999 is 0.10.
    decimals = 1 - math.floor(math.log10(float(f'{half:.1e}')))
    if decimals > _FINEST:
        words = _with_half(mean, half, _FINEST, 1.0)
    else:
        both = (round(number, decimals) + 0.0 for number in (mean, half))  # + 0.0: no −0
        words = ' ± '.join(f'{number:,.{max(0, decimals)}f}' for number in both)
    return (f'({words})e{power}' if power else words).replace('-', '−')


def _with_half(mean: float, half: float, decimals: int, one: float) -> str:
    """'mean ± half width' to the same decimals; of a half width too small for them, less than."""
    words = numbers.fixed(mean, decimals, one)
    decimals = len(words.partition('.')[2])
    least = 10.0**-decimals
    half_words = f'{half:.{decimals}f}'
    if float(half_words) == 0 and half > 1e-12 * max(abs(mean), one):
        half_words = f'< {least:.{decimals}f}'
    return f'{words} ± {half_words}'


def shortened(texts: Sequence[str], most: int) -> list[str]:
    """Texts of at most about `most` letters, shortened in the middle; different ones stay so."""
    head = (most - 1) * 3 // 5
    tail = most - 1 - head
    short = [t if len(t) <= most else f'{t[:head].rstrip()}…{t[-tail:].lstrip()}' for t in texts]
    owners: dict[str, dict[str, None]] = {}
    for text, words in zip(texts, short, strict=True):
        owners.setdefault(words, {})[text] = None
    numbers_of = {words: {t: i for i, t in enumerate(own, 1)} for words, own in owners.items()}
    return [
        words if len(owners[words]) == 1 else f'{words} ({numbers_of[words][text]})'
        for text, words in zip(texts, short, strict=True)
    ]


def count(n: int, noun: str) -> str:
    """'1 seed', '5 seeds'."""
    return f'{n} {noun}' if n == 1 else f'{n:,} {noun}s'
