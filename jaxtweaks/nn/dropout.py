"""Dropout as a pure function with an explicit key and a rate that may be traced."""

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
    # Drawn in float32 even for bfloat16, whose 256 probabilities are too few.
    keep = 1 - jnp.asarray(rate, jnp.promote_types(x.dtype, jnp.float32))
    kept = jax.random.bernoulli(key, keep, x.shape)
    if form == 'inverted':
        # At rate 1 nothing is kept; 1/0 would still make a NaN in the gradient.
        scale = jnp.where(keep > 0, 1 / jnp.where(keep > 0, keep, 1), 0)
        x = x * scale.astype(x.dtype)
    return jnp.where(kept, x, jnp.zeros_like(x))


def dropout_at_test(x: jax.Array, rate: jax.Array | float, form: str = 'inverted') -> jax.Array:
    """What dropout does to `x` at test: nothing (inverted), or scaling by 1 − rate (vanilla)."""
    if form == 'inverted' or is_off(rate):
        return x
    return x * (1 - jnp.asarray(rate, x.dtype))
