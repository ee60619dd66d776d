"""Registered tweaks (`config/tweaks.py`) as they are applied in a network.

A tweak that is off has bitwise the results of one that is omitted, forwards and backwards, whatever
its function does there.
"""

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.config_file import blaming
from jaxtweaks.config.part import Part
from jaxtweaks.config.settings import Setting
from jaxtweaks.config.tweaks import SLOT


def stream(name: str) -> str:
    """The name of a tweak's random stream in a network."""
    return f'tweaks.{name}'


def keys(setting: Setting, key: jax.Array) -> dict[str, jax.Array]:
    """A random key for each tweak by stream, which does not depend on which others there are."""
    names = [part.name for part in trace.parts_of(setting) if part.slot == SLOT]
    return {stream(name): jax.random.fold_in(key, zlib.crc32(name.encode())) for name in names}


def applied(
    setting: Setting,
    where: str,
    x: jax.Array,
    key_of: Callable[[str], jax.Array],
    train: bool,
) -> jax.Array:
    """What a setting's tweaks of a place make of `x`, one after the other by their names.

    Args:
      setting: traced fields may hold tracers.
      where: one of `PLACES`.
      x: float, any shape.
      key_of: returns a random key for a stream, called in training only.
      train: whether this is training.

    Raises:
      UserError: see `apply`.
    """
    acting = [
        (part, given)
        for part, given in trace.acting(setting)
        if part.slot == SLOT and part.facts['where'] == where
    ]
    # Not in the order of registration, which is no part of a run's identity.
    for part, given in sorted(acting, key=lambda one: one[0].name):
        x = apply(part, given, key_of(stream(part.name)) if train else None, x, train)
    return x


def apply(
    part: Part, given: Mapping[str, Any], key: jax.Array | None, x: jax.Array, train: bool
) -> jax.Array:
    """What a tweak makes of `x`.

    Args:
      part: of the slot of tweaks.
      given: its parameters, which may be traced, by name.
      key: a random key, None at test.
      x: float, any shape.
      train: whether this is training.

    Returns:
      Like `x`, and bitwise `x` where the strength is off.

    Raises:
      UserError: the function fails, or returns something of another shape or that is no float.
    """
    off = part.parameters[part.strength].rule.off
    # Of a dtype of their own, so that they are to half precision what they are in training.
    arrays = {
        name: jnp.asarray(value, value.dtype)
        for name, value in given.items()
        if isinstance(value, jax.Array)
    }

    def changed(x, key, arrays):
        return _changed(part, key, x, train, {**given, **arrays})

    is_on = lambda key, arrays: {**given, **arrays}[part.strength] != off
    return _switched(changed, is_on, x, key, arrays)


def _switched(
    changed: Callable[..., jax.Array], is_on: Callable[..., Any], x: jax.Array, *others: Any
) -> jax.Array:
    """`changed` of `x` and others, or bitwise `x`; no gradient goes to the others."""

    # Not a plain `where`: its gradient would add the one that is not chosen times 0, which is not
    # nothing for infinities and -0.0.
    @jax.custom_vjp
    def switched(x, *others):
        return jnp.where(is_on(*others), changed(x, *others), x)

    def forward(x, *others):
        y, pullback = jax.vjp(lambda x: changed(x, *others), x)
        return jnp.where(is_on(*others), y, x), (pullback, others)

    def backward(residuals, g):
        pullback, others = residuals
        (back,) = pullback(g)
        return jnp.where(is_on(*others), back, g), *(None for _ in others)

    switched.defvjp(forward, backward)
    return switched(x, *others)


def _changed(
    part: Part, key: jax.Array | None, x: jax.Array, train: bool, given: Mapping[str, Any]
) -> jax.Array:
    """What a tweak's function returns, like `x`. Raises UserError."""
    with blaming(f"tweak '{part.name}'"):
        if part.alone:
            found = part.build(key, x, given[part.strength], train)
        else:
            found = part.build(key, x, train, **given)
    _check(part.name, x, found)
    return found.astype(x.dtype)


def _check(name: str, x: jax.Array, found: Any) -> None:
    kind = getattr(found, 'dtype', None)
    if kind is None or not jnp.issubdtype(kind, jnp.floating) or found.shape != x.shape:
        given = f'{kind} {list(found.shape)}' if kind is not None else repr(found)
        raise UserError(
            f"tweak '{name}': returns {given} for {x.dtype} {list(x.shape)}; it must return an "
            'array like the one it is given'
        )
