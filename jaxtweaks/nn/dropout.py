"""Dropout as a pure function with an explicit key and a rate that may be traced."""

import collections
import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp


def is_off(strength: jax.Array | float) -> bool:
    """Whether a tweak's strength is a Python 0: known before compilation to do nothing.

    A traced strength is never off in this sense, but at 0 the result is bitwise the same.
    """
    return isinstance(strength, int | float) and strength == 0


def dropout(
    key: jax.Array, x: jax.Array, rate: jax.Array | float, form: str = 'inverted'
) -> jax.Array:
    """Drops each entry of `x` with probability `rate`, as in training (ROLE §3.2).

    The documents give the probability to keep, p = 1 − rate.

    Args:
      key: a random key.
      x: any shape.
      rate: scalar in [0, 1], may be traced. At 0 the result is bitwise `x`, at 1 zeros.
      form: 'inverted' divides what is kept by 1 − rate, so that the expectation is `x`;
        'vanilla' leaves it (and `dropout_at_test` scales instead).

    Returns:
      Like `x`.
    """
    if is_off(rate):
        return x
    # In float32 even for bfloat16, whose 256 probabilities are too few, and whose 1/0.9 is 1.109.
    keep = _keep(x, rate)
    kept = jax.random.bernoulli(key, keep, x.shape)
    if form == 'inverted':
        # At rate 1 nothing is kept; 1/0 would still make a NaN in the gradient.
        scale = jnp.where(keep > 0, 1 / jnp.where(keep > 0, keep, 1), 0)
        x = (x.astype(scale.dtype) * scale).astype(x.dtype)
    return jnp.where(kept, x, jnp.zeros_like(x))


def dropout_at_test(x: jax.Array, rate: jax.Array | float, form: str = 'inverted') -> jax.Array:
    """What dropout does to `x` at test: nothing (inverted), or scaling by 1 − rate (vanilla)."""
    if form == 'inverted' or is_off(rate):
        return x
    keep = _keep(x, rate)
    return (x.astype(keep.dtype) * keep).astype(x.dtype)


def _keep(x: jax.Array, rate: jax.Array | float) -> jax.Array:
    """1 − rate, float32 or as wide as `x`."""
    return 1 - jnp.asarray(rate, jnp.promote_types(x.dtype, jnp.float32))


@dataclasses.dataclass
class AtTest:
    """What the dropout of one network does at test, for another network with the same layers.

    Attributes:
      rates: rate and form, by the path of a dropout's module and the number among its calls.
      recording: whether what comes by is recorded; else it is done.
      calls: so far, by path.
    """

    rates: dict[tuple[Any, int], tuple[jax.Array | float, str]]
    recording: bool
    calls: collections.Counter[Any] = dataclasses.field(default_factory=collections.Counter)


_at_test: contextvars.ContextVar[AtTest | None] = contextvars.ContextVar('at_test', default=None)


@contextlib.contextmanager
def at_test(recorded: AtTest | None = None) -> Iterator[AtTest]:
    """Inside, what dropout does at test is recorded; or, if it is given, done before all dropout.

    Args:
      recorded: what another `at_test` yielded, of a network with the same layers.
    """
    one = AtTest({}, True) if recorded is None else AtTest(recorded.rates, False)
    token = _at_test.set(one)
    try:
        yield one
    finally:
        _at_test.reset(token)


def entering(x: jax.Array, path: Any, rate: jax.Array | float, form: str) -> jax.Array:
    """What a dropout with this path, rate and form takes; `x` unless `at_test` says otherwise."""
    one = _at_test.get()
    if one is None:
        return x
    call = path, one.calls[path]
    one.calls[path] += 1
    if one.recording:
        one.rates[call] = rate, form
        return x
    return dropout_at_test(x, *one.rates.get(call, (0.0, form)))
