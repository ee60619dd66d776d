"""Registered tweaks (`config/tweaks.py`) as they are applied in a network.

A tweak that is off has bitwise the results of one that is omitted, forwards and backwards, whatever
its function does there.
"""

import zlib
from typing import Any

import jax
import jax.numpy as jnp

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.config_file import blaming
from jaxtweaks.config.tweaks import Tweak, Tweaks


def stream(tweak: Tweak) -> str:
    """The name of a tweak's random stream in a network."""
    return f'tweaks.{tweak.name}'


def keys(tweaks: Tweaks, key: jax.Array) -> dict[str, jax.Array]:
    """A random key for each tweak by stream, which does not depend on which others there are."""
    number = lambda tweak: zlib.crc32(tweak.name.encode())
    return {stream(tweak): jax.random.fold_in(key, number(tweak)) for tweak, _ in tweaks.items_at()}


def apply(
    tweak: Tweak, key: jax.Array | None, x: jax.Array, strength: jax.Array | float, train: bool
) -> jax.Array:
    """What a tweak makes of `x`.

    Args:
      tweak: whose function is called.
      key: a random key, None at test.
      x: float, any shape.
      strength: scalar, may be traced; where it is the tweak's `off` the result is bitwise `x`.
      train: whether this is training.

    Returns:
      Like `x`.

    Raises:
      UserError: the function fails, or returns something of another shape or that is no float.
    """
    off = tweak.rule.off
    if isinstance(strength, int | float) and strength == off:
        return x

    def changed(x, key, strength):
        with blaming(f"tweak '{tweak.name}'"):
            found = tweak.function(key, x, strength, train)
        _check(tweak, x, found)
        return found.astype(x.dtype)

    # Not a plain `where`: its gradient would add the one that is not chosen times 0, which is not
    # nothing for infinities and -0.0.
    @jax.custom_vjp
    def switched(x, key, strength):
        return jnp.where(strength != off, changed(x, key, strength), x)

    def forward(x, key, strength):
        y, pullback = jax.vjp(lambda x: changed(x, key, strength), x)
        return jnp.where(strength != off, y, x), (pullback, strength)

    def backward(residuals, g):
        pullback, strength = residuals
        (back,) = pullback(g)
        return jnp.where(strength != off, back, g), None, None

    switched.defvjp(forward, backward)
    return switched(x, key, jnp.asarray(strength, jnp.float32))


def _check(tweak: Tweak, x: jax.Array, found: Any) -> None:
    kind = getattr(found, 'dtype', None)
    if kind is None or not jnp.issubdtype(kind, jnp.floating) or found.shape != x.shape:
        given = f'{kind} {list(found.shape)}' if kind is not None else repr(found)
        raise UserError(
            f"tweak '{tweak.name}': gives {given} for {x.dtype} {list(x.shape)}; it must give an "
            'array like the one it is given'
        )
