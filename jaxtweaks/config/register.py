"""The decorators that register parts, a function for each slot: what a part of it is given.

Public as `jt.optimiser`, `jt.loss`, …; the rules are those of `parts.register`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from jaxtweaks.base import metrics as metrics_lib
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.base.metrics import ACCURACY, Metric
from jaxtweaks.config.part import Part
from jaxtweaks.config.parts import CLASSES, metrics_known, register

F = TypeVar('F', bound=Callable[..., Any])

# What a transformation acts on, and what it is called with there.
TRANSFORMED = {
    'gradients': ('gradients', 'weights'),
    'point': ('weights', 'gradients'),
    'weights': ('weights',),
}


def activation(name: str, *, words: str = '') -> Callable[[F], F]:
    """Registers a function x → an array like x, of any shape; see `register`."""
    return register('activation', name, words)


def norm(name: str, *, words: str = '') -> Callable[[F], F]:
    """Registers a linen module, called as `module()(x, train)` → an array like x; see `register`.

    What is kept from batch to batch stands in its collection 'batch_stats', as in linen's own.
    """
    return register('norm', name, words)


def init(name: str, *, words: str = '') -> Callable[[F], F]:
    """Registers a rule for initial weights; see `register`.

    A function (fan_in, fan_out) → the standard deviation σ, by which numbers of the distribution
    `init.distribution` are multiplied; or (key, shape, fan_in, fan_out) → the weights themselves.
    Which rule is chosen is traced, so that a sweep over rules is one program that has them all.
    """
    return register('init', name, words)


def network(name: str, *, words: str = '', reads: Sequence[str] = ()) -> Callable[[F], F]:
    """Registers a linen module, or a function that makes one; see `register`.

    The module takes images [batch, height, width, channels], and `train` if it has an argument of
    this name, to outputs [batch, outputs]. An attribute without a default, or whose field is among
    `reads`, is given to it: `outputs`, how many there are; `norm`, called as `norm()(x, train)`;
    `activation`; `kernel_init`, of the section `init`; `dropout` and `dropout_conv`, rates that may
    be traced; `channels` and `hidden`. So the network reads the fields that these come from; others
    that only some networks read are refused with it.
    """
    return register('network', name, words, reads=tuple(reads))


def optimiser(name: str, *, words: str = '') -> Callable[[F], F]:
    """Registers a function (learning_rate) → `optax.GradientTransformation`; see `register`.

    It is called inside the compiled program: its traced parameters are numbers or tracers, and
    `learning_rate` is a function of the step.
    """
    return register('optimiser', name, words)


def schedule(name: str, *, words: str = '') -> Callable[[F], F]:
    """Registers a function (time, peak) → learning rate; see `register` and `schedules.Time`."""
    return register('schedule', name, words)


# The metrics of losses whose targets are classes. With the accuracy come the confusion of classes
# and the calibration.
CLASSIFICATION = (ACCURACY,)
TARGETS = (CLASSES, 'float', 'multilabel')


def loss(
    name: str, *, targets: str = CLASSES, metrics: Sequence[Metric | str] = (), words: str = ''
) -> Callable[[F], F]:
    """Registers a function (outputs, targets) → losses [batch]; see `register`.

    Args:
      name: of the loss.
      targets: what they are, float32 [batch, outputs]. 'classes': probabilities; of a label, 1 for
        its class; of images that an augmentation mixes, shares. What is reported as loss of a split
        is then the cross-entropy, whatever is minimised, so that losses can be compared. 'float':
        numbers, standardised; 'multilabel': 0 or 1 for each label. What is reported is then the
        loss itself.
      metrics: what is measured besides, the most telling one first: names of metrics that are
        registered, or the loss itself under a name of its own (`Metric`), in the unit of the
        target. `CLASSIFICATION` of all losses of classes.
      words: see `register`.
    """
    what = f"loss '{name}'"
    if targets not in TARGETS:
        raise UserError(f'{what}: targets is {targets!r}; it must be one of {_listed(TARGETS)}')

    def decorate(function: F) -> F:
        known = metrics_known(function)
        given = tuple(_measured(one, targets, known, what) for one in metrics)
        found = register('loss', name, words, targets=targets, metrics=given)(function)
        metrics_lib.add(*given)
        return found

    return decorate


def _measured(one: Metric | str, targets: str, known: Mapping[str, Part], what: str) -> Metric:
    """A metric of a loss as it is registered. Raises UserError."""
    if isinstance(one, str):
        if one not in known:
            raise UserError(f"{what}: no metric '{one}'; {did_you_mean(one, known)}")
        return metrics_lib.measure(one)
    if not isinstance(one, Metric):
        raise UserError(
            f'{what}: metrics has {one!r}; each must be the name of a metric, or a jt.Metric'
        )
    if one == ACCURACY and targets != CLASSES:
        raise UserError(f'{what}: accuracy is of classes, and its targets are {targets!r}')
    if one.name in known and one != metrics_lib.measure(one.name):
        raise UserError(
            f'{what}: metrics has {one!r}, but there is a metric of this name, '
            f'{metrics_lib.measure(one.name)!r}; take that one, or another name'
        )
    return one


def metric(
    name: str, *, label: str = '', unit: str = '', better: str = '', targets: str = ''
) -> Callable[[F], F]:
    """Registers a function (outputs, targets) → a number; see `register`.

    It is given all examples of a split at once, so that what is no mean over them is right too.
    With losses of 'classes' `outputs` are logits [N, classes] and `targets` labels [N]; of 'float'
    both are numbers [N, outputs] in the unit of the target; of 'multilabel' logits and 0 or 1.

    Args:
      name: of the metric: 'r2' is there as 'test_r2', 'validation_r2', ….
      label, unit, better: see `Metric`.
      targets: those of the losses that it fits; '' for all.
    """
    if targets and targets not in TARGETS:
        raise UserError(
            f"metric '{name}': targets is {targets!r}; it must be one of {_listed(TARGETS)}"
        )
    one = Metric(name, label, unit, better, signed=better == 'high' and unit != metrics_lib.SHARE)
    if not isinstance(name, str):
        raise UserError("metric: it is registered by a name, as in @jt.metric('mine')")
    metrics_lib.check(one)

    def decorate(function: F) -> F:
        found = register('metric', name, label, targets=targets, better=better)(function)
        metrics_lib.add(one)
        return found

    return decorate


def _listed(names: Sequence[str]) -> str:
    return ', '.join(map(repr, names))


def augment(name: str, *, words: str = '', mixes: bool = False) -> Callable[[F], F]:
    """Registers a change of training images, drawn again at each step; see `register`.

    A function (key, images) → images like those it is given, standardised float32 [batch, height,
    width, channels]. With `mixes` a function (key, images, targets) → (images, targets), of targets
    that are probabilities, float32 [batch, classes]. At the `off` value of its strength the images
    stay bitwise as they are, whatever the function returns there.
    """
    return register('augment', name, words, mixes=mixes)


def transform(name: str, *, on: str = 'gradients', words: str = '') -> Callable[[F], F]:
    """Registers a change of gradients or weights that goes with any optimiser; see `register`.

    Both are trees of arrays as the network has them: its kernels, biases, …, the first by the key
    'kernel'. At the `off` value of its strength they stay bitwise as they are, whatever the
    function returns there. Those that act on the same do so in the order of their registration.

    Args:
      name: of the part.
      on: 'gradients': a function (gradients, weights) → gradients, before the optimiser sees them;
        'point': a function (weights, gradients) → weights at which the gradient is computed again,
        with the same noise, to be taken instead; 'weights': a function (weights) → weights, after
        each update.
      words: how the part reads in tables and figures.
    """
    if on not in TRANSFORMED:
        raise UserError(f"transform '{name}': on={on!r}; {did_you_mean(str(on), TRANSFORMED)}")
    return register('transform', name, words, TRANSFORMED[on], on=on)
