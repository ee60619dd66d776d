"""Which parameters are weights, as penalties, noise and measurements take them."""

from typing import Any

import jax

# What a layer adds to its outputs, or scales them with.
_OTHERS = ('bias', 'scale')


def is_weight(path: Any, leaf: jax.Array) -> bool:
    """Whether a leaf of a tree of parameters is a weight matrix or kernel.

    In the layers here and in linen's it is called 'kernel'. In others it is whatever has two axes
    or more and another name than biases and scales have.

    Args:
      path: to the leaf, as JAX gives it.
      leaf: an array, or its shape.
    """
    name = getattr(path[-1], 'key', getattr(path[-1], 'name', ''))
    return name == 'kernel' or (leaf.ndim > 1 and name not in _OTHERS)
