"""Random disturbances of training: of inputs, weights and labels (GENERAL, applying noise).

Each at a Python 0 is omitted, and at a traced 0 changes no bit.
"""

from typing import Any

import jax
import jax.numpy as jnp

from jaxtweaks.nn.dropout import is_off
from jaxtweaks.nn.weights import is_weight


def noisy_inputs(key: jax.Array, x: jax.Array, sigma: jax.Array | float) -> jax.Array:
    """Adds independent N(0, σ²) to each entry.

    Args:
      key: a random key.
      x: float, any shape.
      sigma: scalar ≥ 0, may be traced.

    Returns:
      Like `x`.
    """
    if is_off(sigma):
        return x
    # Not x + 0, which would turn -0.0 into 0.0.
    return jnp.where(sigma > 0, x + sigma * jax.random.normal(key, x.shape, x.dtype), x)


def noisy_weights(key: jax.Array, params: Any, sigma: jax.Array | float) -> Any:
    """Adds independent N(0, σ²) to each weight; biases and normalisations' numbers stay.

    Args:
      key: a random key.
      params: the tree of parameters; see `is_weight`.
      sigma: scalar ≥ 0, may be traced.

    Returns:
      Like `params`.
    """
    if is_off(sigma):
        return params
    leaves, tree = jax.tree_util.tree_flatten_with_path(params)
    return tree.unflatten(
        noisy_inputs(jax.random.fold_in(key, i), leaf, sigma) if is_weight(path, leaf) else leaf
        for i, (path, leaf) in enumerate(leaves)
    )


def noisy_labels(
    key: jax.Array, labels: jax.Array, rate: jax.Array | float, classes: int
) -> jax.Array:
    """Replaces each label with probability `rate` by another class, all others equally likely.

    Args:
      key: a random key.
      labels: integers 0 … classes − 1, any shape.
      rate: scalar in [0, 1], may be traced. At 1 no label is left.
      classes: their number, at least 2.

    Returns:
      Like `labels`.
    """
    if is_off(rate):
        return labels
    which, replace = jax.random.split(key)
    step = jax.random.randint(which, labels.shape, 1, classes, labels.dtype)
    replaced = jax.random.bernoulli(replace, rate, labels.shape)
    return jnp.where(replaced, (labels + step) % classes, labels)
