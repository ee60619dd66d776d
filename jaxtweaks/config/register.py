"""The decorators that register parts, a function for each slot: what a part of it is given.

Public as `jt.optimiser`, `jt.loss`, …; the rules are those of `parts.register`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config.parts import register

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
