"""The learning rate as a function of time: parts with traced numbers.

Optax's schedules fix some of these numbers when they are built; a sweep over them must not
compile again.
"""

import dataclasses

import jax
import jax.numpy as jnp

from jaxtweaks.config import trace
from jaxtweaks.config.fields import static, traced
from jaxtweaks.config.register import schedule
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn.dropout import is_off

Number = jax.Array | float


@dataclasses.dataclass(frozen=True)
class Time:
    """When a step is.

    Attributes:
      step: 0 for the first, may be traced.
      steps_per_epoch, epochs: of the run.
    """

    step: jax.Array | int
    steps_per_epoch: int
    epochs: int

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.steps_per_epoch * self.epochs

    @property
    def epoch(self) -> jax.Array:
        """Epochs that have passed, float32, with fractions."""
        return jnp.asarray(self.step, jnp.float32) / self.steps_per_epoch

    @property
    def share(self) -> jax.Array:
        """The share of the run that has passed, float32 in [0, 1)."""
        return self.epoch / self.epochs


def learning_rate(setting: Setting, time: Time) -> jax.Array:
    """The learning rate of one step, float32 scalar.

    Args:
      setting: chooses the schedule; its numbers may be traced.
      time: when.

    Returns:
      The schedule's rate, times min(1, (step + 1) / warm-up steps).
    """
    peak = jnp.asarray(setting.optim.learning_rate, jnp.float32)
    rate = trace.made(setting, 'schedule', time, peak)
    warmup_epochs = setting.schedule.warmup_epochs
    if is_off(warmup_epochs):
        return rate
    warmup_steps = warmup_epochs * time.steps_per_epoch
    risen = (jnp.asarray(time.step, jnp.float32) + 1) / jnp.maximum(warmup_steps, 1)
    return rate * jnp.minimum(risen, 1)


_MINIMUM = traced(0.0, 'lowest rate, absolute', low=0.0, former='schedule.minimum')


@schedule('constant')
def constant(time: Time, peak: jax.Array) -> jax.Array:
    """The peak."""
    return peak


@schedule('step', words='steps')
def step(
    time: Time,
    peak: jax.Array,
    *,
    boundaries: tuple[float, ...] = static(
        (), 'epochs after which the rate is multiplied', low=0.0, former='schedule.boundaries'
    ),
    factor: Number = traced(
        0.1, 'by what it is multiplied at each boundary', low=0.0, former='schedule.factor'
    ),
) -> jax.Array:
    """The peak times `factor` for each boundary that has passed."""
    if not boundaries:
        return peak
    passed = jnp.sum(time.epoch >= jnp.asarray(boundaries, jnp.float32))
    return peak * jnp.asarray(factor, jnp.float32) ** passed


@schedule('triangular')
def triangular(
    time: Time,
    peak: jax.Array,
    *,
    minimum: Number = _MINIMUM,
    half_cycle_epochs: Number = traced(
        5.0,
        'epochs from the lowest rate to the highest',
        above=0.0,
        former='schedule.half_cycle_epochs',
    ),
) -> jax.Array:
    """Linear from `minimum` to the peak and back, again and again, starting low.

    Smith 2015, arXiv 1506.01186; MLP-BN §4.
    """
    position = jnp.mod(time.epoch / half_cycle_epochs, 2)
    height = 1 - jnp.abs(position - 1)
    return minimum + (peak - minimum) * height


@schedule('cosine')
def cosine(time: Time, peak: jax.Array, *, minimum: Number = _MINIMUM) -> jax.Array:
    """From the peak to `minimum` over the whole run (Loshchilov and Hutter 2016)."""
    height = 0.5 * (1 + jnp.cos(jnp.pi * time.epoch / time.epochs))
    return minimum + (peak - minimum) * height
