"""The decorators that register parts, a function for each slot: what a part of it is given.

Public as `jt.optimiser`, `jt.loss`, …; the rules are those of `parts.register`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from jaxtweaks.base import metrics as metrics_lib
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.base.metrics import ACCURACY, Metric
from jaxtweaks.config.parts import CLASSES, Part, metrics_known, register

F = TypeVar('F', bound=Callable[..., Any])


def activation(name: str, *, words: str = '') -> Callable[[F], F]:
    """Registers a function x → an array like x, of any shape; see `register`."""
    return register('activation', name, words)


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
        found = register('metric', name, label, targets=targets)(function)
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
