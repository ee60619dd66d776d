"""What is measured: every metric with its words, its unit, and which end of it is better.

A metric's name says what is measured of what: 'test_accuracy' is the accuracy of the test set. What
can be measured of any split is registered once ('accuracy'), and so is what is measured of a run
('weight_norm'). `of` finds the `Metric` of a whole name, also of what is derived from others: the
complement '1-…', the logarithm 'log_…', the gap between training and validation ('gap_…') or test
('test_gap_…'), and the same of other predictions of a run ('mc_50_…', 'ema_…', 'snapshots_…').

Nothing else in the package takes a metric's name apart.
"""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping

from jaxtweaks.base.errors import UserError

SHARE = '%'  # the unit of a share, which is a number from 0 to 1 and shown in %
BETTER = ('low', 'high', '')


@dataclasses.dataclass(frozen=True)
class Metric:
    """What is measured.

    Attributes:
      name: of what is measured of any split, such as 'mse'; or whole, such as 'test_mse'.
      label: in words; the name if it is ''.
      unit: '%' of a share (from 0 to 1, shown in %); else what stands behind its numbers.
      better: 'low', 'high', or '' where neither end is.
      split: of which split it is, such as 'test'; '' if of none, or of any.
      measure: the name of what is measured of that split, such as 'mse'; else ''.
      signed: whether its values may be below 0, as those of a difference.
    """

    name: str
    label: str = ''
    unit: str = ''
    better: str = ''
    split: str = ''
    measure: str = ''
    signed: bool = False

    @property
    def is_share(self) -> bool:
        """Whether it is a share (of images, of weights, of runs), shown in %."""
        return self.unit == SHARE

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which values it lies: 0 and 1 for a share that is no difference."""
        return (0.0, 1.0) if self.is_share and not self.signed else (-math.inf, math.inf)

    @property
    def words(self) -> str:
        """How it reads on an axis or in a heading, with its unit where that is a word."""
        label = self.label or self.name.replace('_', ' ')
        return label if self.unit in ('', SHARE) else f'{label} ({self.unit})'

    @property
    def sign(self) -> int:
        """1 if it should be high, −1 if low, 0 if neither."""
        return {'high': 1, 'low': -1, '': 0}[self.better]

    def on(self, split: str, family: str = '') -> str:
        """Its whole name as measured of a split: 'mse' on 'test' is 'test_mse'.

        Args:
          split: one of those of a run, or the name of further images.
          family: of which predictions: '' for the plain ones, `EMA`, `SWA`, `SNAPSHOTS` or those of
            `over_masks`.
        """
        return f'{family}{split}_{self.measure or self.name}'


# What the metrics of a split begin with, and how the split reads before what is measured, and
# behind it in brackets.
_SPLITS = {
    'running': ('training', 'as trained, mean over the epoch'),
    'train': ('training', ''),
    'validation': ('validation', ''),
    'test': ('test', ''),
}
# Words of further images by their name: those that come with data, and of cross-validation.
_FURTHER: dict[str, str] = {'fold': 'the held-out fold'}
# What other predictions than the plain ones of a run begin with, and how they read.
EMA, SWA, SNAPSHOTS = 'ema_', 'swa_', 'snapshots_'
PERTURBED, LESIONED = 'perturbed_', 'lesioned_'
_FAMILIES = (
    (re.compile(r'mc_(\d+)_'), 'mean over {} dropout masks'),
    (re.compile(r'mc_logits_(\d+)_'), 'mean of the logits over {} dropout masks'),
    (re.compile(f'{EMA}()'), 'running average of the parameters'),
    (re.compile(f'{SWA}()'), 'stochastic weight average'),
    (re.compile(f'{SNAPSHOTS}()'), 'mean over the snapshots'),
    (re.compile(f'{PERTURBED}()'), 'weights perturbed'),
    (re.compile(f'{LESIONED}()'), 'hidden units lost'),
)
# What a gap begins with, and of which split it takes what is measured on the training set.
GAPS = {'gap_': 'validation', 'test_gap_': 'test'}
LOSS = Metric('loss', 'loss', better='low')
ACCURACY = Metric('accuracy', 'accuracy', SHARE, 'high')
# What else a split leaves, so that no metric can have its name.
_OTHERS = ('confusion', 'calibration', 'logits')
_MEASURES = {one.name: one for one in (LOSS, ACCURACY)}
_WHOLE = {
    one.name: one
    for one in (
        Metric(
            'test_calibration_error',
            'expected calibration error on the test set',
            SHARE,
            'low',
            'test',
        ),
        Metric(
            'test_overconfidence',
            'overconfidence on the test set (mean confidence − accuracy)',
            SHARE,
            split='test',
            signed=True,
        ),
        Metric('weight_norm', 'norm of the weights'),
        Metric('unit_spread', 'spread between the units of a layer (0: all the same)'),
        Metric('small_weights', 'share of weights below 0.001 in size', SHARE),
        Metric(
            'linearity',
            'linearity of the hidden units (squared correlation of input and output)',
        ),
        Metric('sensitivity', 'sensitivity to the inputs (mean norm of the Jacobian)'),
        Metric('roughness', 'roughness of the cost (sum of its rises from epoch to epoch)'),
        Metric('train_cost', 'training cost (loss and penalty)', better='low', split='train'),
        Metric(
            'validation_cost',
            'validation cost (loss and penalty)',
            better='low',
            split='validation',
        ),
        Metric(
            'relative_roughness',
            'relative roughness of the cost (second differences of its logarithm)',
        ),
        Metric('threshold', 'threshold (the least value at which the level is reached)'),
        Metric('parameters', 'parameters'),
        Metric('gradient_norm', 'norm of the gradient at the end'),
        Metric('gradient_variance', "variance of the batches' gradients at the end"),
        Metric(
            'gradient_disagreement',
            "variance of the batches' gradients, divided by the square of their mean's norm",
        ),
        Metric('stop_epoch', 'epoch at which training stops'),
        Metric('dropped_after', 'dropped after epoch, or 0'),
        Metric('stopped', 'share of runs that the rule stops', SHARE),
        Metric('diverged', 'share of runs that diverged', SHARE, 'low'),
        Metric('test_error', 'test error', SHARE, 'low', 'test'),
        Metric(
            'test_accuracy_gain',
            'gain in test accuracy over the mean of the members',
            SHARE,
            'high',
            'test',
            signed=True,
        ),
        Metric('regret', 'regret (test error − that of the best epoch)', SHARE, 'low', 'test'),
    )
}

_BUILT_IN = frozenset(_WHOLE)


def add(*metrics: Metric) -> None:
    """Registers what can be measured of any split; one that has this name already is replaced.

    Raises:
      UserError: the name or what is said of the metric cannot be.
    """
    for metric in metrics:
        check(metric)
        _MEASURES[metric.name] = metric


def add_whole(*metrics: Metric) -> None:
    """Registers what is measured of a run, by its whole name; built-in ones stay as they are."""
    _WHOLE.update((metric.name, metric) for metric in metrics if metric.name not in _BUILT_IN)


def add_probes(words: Mapping[str, str]) -> None:
    """Registers what further images of data are called in labels, by name (`Dataset.probes`)."""
    _FURTHER.update(words)


def check(metric: Metric) -> None:
    """Whether something of a user's can be measured of any split as this. Raises UserError."""
    what = f'metric {metric.name!r}'
    if not isinstance(metric.name, str) or not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', metric.name):
        raise UserError(f'{what}: the name must be letters, digits and _, a letter first')
    if metric.name in (LOSS.name, ACCURACY.name) and metric != _MEASURES[metric.name]:
        raise UserError(f'{what}: is the name of a built-in metric; choose another one')
    if metric.name in _OTHERS:
        raise UserError(f'{what}: means something else already; choose another name')
    if metric.better not in BETTER:
        raise UserError(
            f"{what}: better is {metric.better!r}; it must be 'low', 'high', or '' for neither"
        )
    names = [f'{split}_{metric.name}' for split in _SPLITS]
    taken = [name for name in names if name in _WHOLE and _WHOLE[name].measure != metric.name]
    if taken:
        raise UserError(f"{what}: '{taken[0]}' means something else already; choose another name")
    every = {*_MEASURES, metric.name}
    gaps = {f'{gap}{name}' for gap in GAPS for name in every}
    if both := sorted(gaps.intersection(f'{split}_{name}' for split in _SPLITS for name in every)):
        raise UserError(f"{what}: '{both[0]}' would be a gap too; choose another name")


def known() -> tuple[str, ...]:
    """The whole names of all that may be there, but for families and further images."""
    measured = (f'{split}_{name}' for split in _SPLITS for name in _MEASURES)
    gaps = (f'{gap}{name}' for gap in GAPS for name in _MEASURES)
    return tuple(dict.fromkeys([*measured, *gaps, *_WHOLE]))


def measure(name: str) -> Metric:
    """What is measured of any split under this name."""
    return _MEASURES.get(name) or Metric(name)


def of(name: str) -> Metric:
    """The metric with this whole name; of a name that nobody knows, one that is just its words."""
    if name in _WHOLE:
        return _WHOLE[name]
    for derive in (_complement, _logarithm, _gap, _of_family, _of_split):
        if (found := derive(name)) is not None:
            return found
    return Metric(name)


def over_masks(count: int, way: str = 'probabilities') -> str:
    """What metrics of predictions averaged over so many dropout masks in a way begin with."""
    return f'mc_{count}_' if way == 'probabilities' else f'mc_{way}_{count}_'


def label(name: str) -> str:
    """A metric in words, with its unit."""
    return of(name).words


def derived(metrics: Iterable[str]) -> list[str]:
    """What follows from these metrics: gaps, complements of shares, logarithms of losses."""
    names = tuple(metrics)
    found = {name: of(name) for name in names}
    gaps = [
        f'{gap}{one.measure}'
        for gap, split in GAPS.items()
        for one in found.values()
        if one.name == f'{split}_{one.measure}' and f'train_{one.measure}' in found
    ]
    complements = [f'1-{name}' for name, one in found.items() if one.is_share and one.sign > 0]
    logarithms = [
        f'log_{name}'
        for name, one in found.items()
        if one.sign < 0 and not one.is_share and not one.signed
    ]
    return gaps + complements + logarithms


def parents(name: str) -> tuple[str, tuple[str, ...]]:
    """How a derived metric follows from others: '1-', 'log_', one of `GAPS`, their names; or ''."""
    for how in ('1-', 'log_'):
        if name.startswith(how):
            return how, (name.removeprefix(how),)
    for gap, split in GAPS.items():
        rest = name.removeprefix(gap)
        if rest != name and rest in _MEASURES:
            return gap, (f'{split}_{rest}', f'train_{rest}')
    return '', ()


def family(name: str) -> tuple[str, str]:
    """Of which predictions a metric is, as 'ema_' or 'mc_5_' ('' for the plain), and the rest."""
    for pattern, _ in _FAMILIES:
        found = pattern.match(name)
        if found and found.end() < len(name):
            return found[0], name[found.end() :]
    return '', name


def on(name: str, split: str) -> str:
    """The same metric of another split: ('validation_loss', 'test') to 'test_loss'.

    A gap has it in the place of validation or test: ('gap_loss', 'test') to 'test_gap_loss'.
    """
    how, before = parents(name)
    if how in GAPS:
        return {of: gap for gap, of in GAPS.items()}[split] + name.removeprefix(how)
    if how:
        return how + on(before[0], split)
    one = of(name)
    return one.on(split) if one.measure else name


def splits(name: str) -> frozenset[str]:
    """The splits that are in a metric, as 'train' and 'validation' in 'gap_loss'."""
    _, plain = family(name)
    how, before = parents(plain)
    if how:
        return frozenset().union(*map(splits, before))
    split = of(plain).split
    return frozenset({'train' if split == 'running' else split} - {''})


def is_of_test(name: str) -> bool:
    """Whether the test set is in a metric."""
    return 'test' in splits(name)


def _complement(name: str) -> Metric | None:
    how, before = parents(name)
    if how != '1-':
        return None
    plain = of(before[0])
    better = {'low': 'high', 'high': 'low', '': ''}[plain.better]
    label = plain.label or plain.name.replace('_', ' ')
    error = re.sub(r'\baccuracy\b', 'error', label)
    words = error if error != label else f'1 − {label}'
    return dataclasses.replace(plain, name=name, label=words, better=better, measure='')


def _logarithm(name: str) -> Metric | None:
    how, before = parents(name)
    if how != 'log_':
        return None
    plain = of(before[0])
    words = f'log₁₀ of the {plain.label or plain.name.replace("_", " ")}'
    return dataclasses.replace(plain, name=name, label=words, unit='', measure='', signed=True)


def _gap(name: str) -> Metric | None:
    gap, _ = parents(name)
    if gap not in GAPS:
        return None
    one = _MEASURES[name.removeprefix(gap)]
    less, more = ('training', GAPS[gap]) if one.sign < 0 else (GAPS[gap], 'training')
    words = f'generalisation gap ({more} − {less} {one.label or one.name.replace("_", " ")})'
    return Metric(name, words, one.unit, 'low', signed=True)


def _of_family(name: str) -> Metric | None:
    for pattern, words in _FAMILIES:
        found = pattern.match(name)
        if found and found.end() < len(name):
            plain = of(name[found.end() :])
            label = plain.label or plain.name.replace('_', ' ')
            head, bracket, rest = label.partition(' (')
            words = words.format(*found.groups())
            label = (
                f'{head} ({rest.removesuffix(")")}, {words})' if bracket else f'{head} ({words})'
            )
            return dataclasses.replace(plain, name=name, label=label)
    return None


def _of_split(name: str) -> Metric | None:
    """What is measured of a split, or of further images by their name; the longest that fits."""
    fits = [one for one in _MEASURES if name.endswith(f'_{one}')]
    if not fits:
        return None
    one = _MEASURES[max(fits, key=len)]
    split = name.removesuffix(f'_{one.name}')
    label = one.label or one.name.replace('_', ' ')
    if split in _SPLITS:
        before, behind = _SPLITS[split]
        words = f'{before} {label}' + (f' ({behind})' if behind else '')
    else:
        words = f'{label} on {_FURTHER.get(split) or split.replace("_", " ")}'
    return dataclasses.replace(one, name=name, label=words, split=split, measure=one.name)
