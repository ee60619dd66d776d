"""The learning rate as a function of time: parts with traced numbers.

Optax's schedules fix some of these numbers when they are built; a sweep over them must not
compile again.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxtweaks.base.errors import UserError
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
        """Epochs that have passed, float32, with fractions; whole at the first step of an epoch.

        Not step / steps_per_epoch: XLA multiplies by the reciprocal, and 235 · (1/235) is below 1.
        """
        step = jnp.asarray(self.step, jnp.int32)
        whole = step // self.steps_per_epoch
        inside = jnp.asarray(step - whole * self.steps_per_epoch, jnp.float32)
        return jnp.asarray(whole, jnp.float32) + inside / self.steps_per_epoch

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
      The schedule's rate, times min(1, (step + 1) / warm-up steps). The schedule's time runs from
      the first step, so that a rate that falls does not reach the peak after a warm-up.
    """
    peak = jnp.asarray(setting.optim.learning_rate, jnp.float32)
    rate = _number(trace.made(setting, 'schedule', time, peak), setting.schedule.name)
    warmup_epochs = setting.schedule.warmup_epochs
    if is_off(warmup_epochs):
        return rate
    warmup_steps = warmup_epochs * time.steps_per_epoch
    risen = (jnp.asarray(time.step, jnp.float32) + 1) / jnp.maximum(warmup_steps, 1)
    return rate * jnp.minimum(risen, 1)


def _number(found: Any, name: str) -> jax.Array:
    """What a schedule returns as a float32 scalar. Raises UserError if it is no number."""
    kind, shape = getattr(found, 'dtype', None), getattr(found, 'shape', ())
    if isinstance(found, bool) or not (
        isinstance(found, int | float)
        or (kind is not None and jnp.issubdtype(kind, jnp.number) and shape == ())
    ):
        given = f'{kind} {list(shape)}' if kind is not None else repr(found)
        raise UserError(f"schedule '{name}': returns {given}; it must return one number, the rate")
    return jnp.asarray(found, jnp.float32)


_MINIMUM = traced(0.0, 'lowest rate, absolute', low=0.0, former='schedule.minimum')
_LATER_MINIMUM = traced(0.0, 'lowest rate, absolute', low=0.0)


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
    # In whole steps, so that no rounding makes a boundary one late (0.2 of 235 steps is 47).
    first = [math.ceil(boundary * time.steps_per_epoch - 1e-6) for boundary in boundaries]
    passed = jnp.sum(jnp.asarray(time.step, jnp.int32) >= jnp.asarray(first, jnp.int32))
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


@schedule('cosine_restarts', words='cosine with restarts')
def cosine_restarts(
    time: Time,
    peak: jax.Array,
    *,
    minimum: Number = _LATER_MINIMUM,
    period: Number = traced(10.0, 'epochs before the first restart', above=0.0),
    growth: Number = traced(1.0, 'by what each period is longer than the one before', low=1.0),
) -> jax.Array:
    """From the peak to `minimum` again and again (Loshchilov and Hutter 2016, arXiv 1608.03983)."""
    # In first periods; half a step ahead, so that no rounding makes a restart one step late.
    passed = (time.epoch + 0.5 / time.steps_per_epoch) / period
    more = jnp.maximum(jnp.asarray(growth, jnp.float32) - 1, 1e-6)
    grown = 1 + more
    # The restart after n periods is at (gⁿ − 1) / (g − 1), or at n where all are as long.
    begin = lambda n: jnp.where(growth > 1, (grown**n - 1) / more, n)
    count = jnp.floor(jnp.where(growth > 1, jnp.log1p(passed * more) / jnp.log(grown), passed))
    # The logarithm may be off by a rounding, and then by one.
    count = count + (passed >= begin(count + 1)) - (passed < begin(count))
    since = jnp.maximum(time.epoch / period - begin(count), 0.0)
    inside = since / (begin(count + 1) - begin(count))
    return minimum + (peak - minimum) * 0.5 * (1 + jnp.cos(jnp.pi * inside))


@schedule('polynomial')
def polynomial(
    time: Time,
    peak: jax.Array,
    *,
    minimum: Number = _LATER_MINIMUM,
    power: Number = traced(1.0, 'power of the share that is left; 1 is linear', above=0.0),
) -> jax.Array:
    """(1 − share of the run)^power, from the peak to `minimum` (Chen et al. 2017, 1606.00915)."""
    return minimum + (peak - minimum) * (1 - time.share) ** power


@schedule('one_cycle', words='one cycle')
def one_cycle(
    time: Time,
    peak: jax.Array,
    *,
    rise: Number = traced(0.3, 'share of the run in which the rate rises', above=0.0, high=1.0),
    start: Number = traced(0.04, 'the first rate, as a share of the peak', low=0.0, high=1.0),
    end: Number = traced(4e-6, 'the last rate, as a share of the peak', low=0.0, high=1.0),
) -> jax.Array:
    """Up to the peak and down again, each half a cosine (Smith and Topin 2017, arXiv 1708.07120).

    With the shares that PyTorch has by default. Momentum stays as it is.
    """
    step, last = jnp.asarray(time.step, jnp.float32), time.steps - 1
    top = jnp.clip(rise * time.steps - 1, 0, last)
    up = step / jnp.maximum(top, 1)
    down = (step - top) / jnp.maximum(last - top, 1)
    half = lambda a, b, share: b + (a - b) * 0.5 * (1 + jnp.cos(jnp.pi * share))
    return peak * jnp.where(step <= top, half(start, 1, up), half(1, end, down))
