"""The learning rate as a function of the step, with traced numbers.

Optax's schedules fix some of these numbers when they are built; a sweep over them must not
compile again.
"""

import jax
import jax.numpy as jnp

from jaxtweaks.config.settings import Schedule
from jaxtweaks.nn.dropout import is_off


def learning_rate(
    step: jax.Array | int,
    peak: jax.Array | float,
    config: Schedule,
    steps_per_epoch: int,
    epochs: int,
) -> jax.Array:
    """The learning rate of one step.

    Args:
      step: 0 for the first, may be traced.
      peak: `optim.learning_rate`, may be traced.
      config: the schedule; its times are in epochs.
      steps_per_epoch: of the run.
      epochs: of the run.

    Returns:
      float32 scalar:
        constant — the peak;
        step — the peak times `factor` for each boundary that has passed;
        triangular — linear from `minimum` to the peak in `half_cycle_epochs` and back, again and
          again, starting low (Smith 2015, arXiv 1506.01186; MLP-BN §4);
        cosine — from the peak to `minimum` over the whole run;
      all times min(1, (step + 1) / warm-up steps).
    """
    epoch = jnp.asarray(step, jnp.float32) / steps_per_epoch
    peak = jnp.asarray(peak, jnp.float32)
    rate = _SHAPES[config.name](epoch, peak, config, epochs)
    if is_off(config.warmup_epochs):
        return rate
    warmup_steps = config.warmup_epochs * steps_per_epoch
    risen = (jnp.asarray(step, jnp.float32) + 1) / jnp.maximum(warmup_steps, 1)
    return rate * jnp.minimum(risen, 1)


def _constant(epoch, peak, config, epochs):
    return peak


def _step(epoch, peak, config, epochs):
    if not config.boundaries:
        return peak
    passed = jnp.sum(epoch >= jnp.asarray(config.boundaries, jnp.float32))
    return peak * jnp.asarray(config.factor, jnp.float32) ** passed


def _triangular(epoch, peak, config, epochs):
    position = jnp.mod(epoch / config.half_cycle_epochs, 2)
    height = 1 - jnp.abs(position - 1)
    return config.minimum + (peak - config.minimum) * height


def _cosine(epoch, peak, config, epochs):
    height = 0.5 * (1 + jnp.cos(jnp.pi * epoch / epochs))
    return config.minimum + (peak - config.minimum) * height


_SHAPES = {'constant': _constant, 'step': _step, 'triangular': _triangular, 'cosine': _cosine}
