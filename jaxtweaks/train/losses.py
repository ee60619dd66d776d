"""The loss of a batch and what is added to it."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxtweaks.config.settings import Penalty
from jaxtweaks.nn.dropout import is_off


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """−log P(label) under softmax(logits) for each example (MLP-BN eq. 10).

    Args:
      logits: [batch, classes].
      labels: integers, [batch].

    Returns:
      [batch], in nats.
    """
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def penalty(params: Any, config: Penalty) -> jax.Array | float:
    """The L2 penalty in the loss: ½λΣw² (ROLE §7.1) or λΣ‖W‖² (MLP-BN eq. 10).

    Args:
      params: the tree of parameters; weight matrices and kernels are its leaves named 'kernel'.
      config: weight (may be traced), form, and scope: kernels only, or every parameter.

    Returns:
      Scalar.
    """
    if is_off(config.l2):
        return 0.0
    leaves = [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if config.l2_scope == 'all' or path[-1].key == 'kernel'
    ]
    squared = sum(jnp.sum(jnp.square(leaf)) for leaf in leaves)
    return (0.5 if config.l2_form == 'half' else 1.0) * config.l2 * squared
