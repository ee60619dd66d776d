"""The decorators that register parts, a function for each slot: what a part of it is given.

Public as `jt.optimiser`, `jt.loss`, …; the rules are those of `parts.register`.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from jaxtweaks.config.parts import register

F = TypeVar('F', bound=Callable[..., Any])


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


def loss(name: str, *, words: str = '') -> Callable[[F], F]:
    """Registers a function (logits, targets) → losses [batch]; see `register`.

    `targets` are probabilities, float32 [batch, classes]: of a label, 1 for its class; of images
    that an augmentation mixes, shares. What is reported as loss of a split is the cross-entropy,
    whatever is minimised, so that losses can be compared.
    """
    return register('loss', name, words)


def augment(name: str, *, words: str = '', mixes: bool = False) -> Callable[[F], F]:
    """Registers a change of training images, drawn again at each step; see `register`.

    A function (key, images) → images like those it is given, standardised float32 [batch, height,
    width, channels]. With `mixes` a function (key, images, targets) → (images, targets), of targets
    that are probabilities, float32 [batch, classes]. At the `off` value of its strength the images
    stay bitwise as they are, whatever the function returns there.
    """
    return register('augment', name, words, mixes=mixes)
