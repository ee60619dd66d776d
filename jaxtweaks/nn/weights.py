"""Which parameters are weights, as penalties, noise and measurements take them."""

import functools
from typing import Any

import jax

# What a layer adds to its outputs, or scales them with.
_OTHERS = ('bias', 'scale')


# Linen's attention: their kernels are [in, heads, features], a unit being one of a head.
_INTO_HEADS = ('query', 'key', 'value')
_OUT_OF_HEADS = 'out'


def into_a_unit(path: Any, kernel: jax.Array) -> tuple[int, ...]:
    """The axes of a kernel over which the weights into one unit lie.

    Args:
      path: to the leaf, as JAX returns it.
      kernel: [..., in, out], before these up to two axes of a window, and before them one of
        places, each of which has weights of its own; or linen's of attention.
    """
    layer = getattr(path[-2], 'key', '') if len(path) > 1 else ''
    if layer in _INTO_HEADS and kernel.ndim == 3:
        return (0,)
    return tuple(range(max(kernel.ndim - 4, 0), kernel.ndim - 1))


def is_convolution(path: Any, leaf: jax.Array, params: Any) -> bool:
    """Whether a leaf of a tree of parameters is the kernel of a convolution, shared or local.

    That is a kernel of three axes or more, unless it is one of linen's attention, whose layers are
    dense: their further axis is that of the heads.

    Args:
      path: to the leaf, as JAX returns it.
      leaf: an array, or its shape.
      params: the tree, of nested dicts.
    """
    if getattr(path[-1], 'key', '') != 'kernel' or leaf.ndim < 3:
        return False
    if len(path) < 2 or getattr(path[-2], 'key', '') not in (*_INTO_HEADS, _OUT_OF_HEADS):
        return True
    around = functools.reduce(lambda tree, step: tree[step.key], path[:-2], params)
    return not {*_INTO_HEADS, _OUT_OF_HEADS} <= set(around)


def is_weight(path: Any, leaf: jax.Array) -> bool:
    """Whether a leaf of a tree of parameters is a weight matrix or kernel.

    In the layers here and in linen's it is called 'kernel'. In others it is whatever has two axes
    or more and another name than biases and scales have.

    Args:
      path: to the leaf, as JAX returns it.
      leaf: an array, or its shape.
    """
    name = getattr(path[-1], 'key', getattr(path[-1], 'name', ''))
    return name == 'kernel' or (leaf.ndim > 1 and name not in _OTHERS)
