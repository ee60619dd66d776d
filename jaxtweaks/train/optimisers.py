"""The optimisers: Optax transformations built from traced numbers, inside the mapped function."""

from collections.abc import Callable
from typing import Any

import optax

from jaxtweaks.config.settings import Optim
from jaxtweaks.nn.dropout import is_off


def build(config: Optim, schedule: Callable[[Any], Any]) -> optax.GradientTransformation:
    """The update rule of a run.

    Args:
      config: its numbers may be traced.
      schedule: step to learning rate, scalars that may be traced.

    Returns:
      sgd — −η g;
      momentum, nesterov — v ← μ v + g, then −η v or −η (g + μ v);
      adam — Kingma & Ba 2014 (arXiv 1412.6980), Algorithm 1;
      adamw — the same plus −η λ w (Loshchilov & Hutter 2017, arXiv 1711.05101), λ not times η's
        peak;
      rmsprop — v ← β₂ v + (1 − β₂) g², then −η g / (√v + ε) (Hinton's lecture 6e).
    """
    return optax.chain(_direction(config), optax.scale_by_learning_rate(schedule))


def _direction(config: Optim) -> optax.GradientTransformation:
    if config.name == 'sgd':
        return optax.identity()
    if config.name in ('momentum', 'nesterov'):
        return optax.trace(config.momentum, nesterov=config.name == 'nesterov')
    if config.name == 'rmsprop':
        return optax.scale_by_rms(config.beta2, config.epsilon, eps_in_sqrt=False)
    adam = optax.scale_by_adam(config.momentum, config.beta2, config.epsilon)
    if config.name == 'adamw' and not is_off(config.weight_decay):
        return optax.chain(adam, optax.add_decayed_weights(config.weight_decay))
    return adam
