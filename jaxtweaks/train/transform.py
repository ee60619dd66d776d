"""What is done with gradients and weights besides the optimiser's update: parts that act together.

A step is: the gradient (where a part says so at another point), changed; the optimiser's update;
the new weights, changed. The functions see the trees as the network has them.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.config_file import blaming
from jaxtweaks.config.fields import traced
from jaxtweaks.config.part import Part
from jaxtweaks.config.register import transform
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import weights as weights_lib
from jaxtweaks.nn.dense import transpose_narrow

Tree = Any  # of parameters, or like it
Number = jax.Array | float


def gradients(
    gradient: Callable[[Tree], tuple[Tree, Any]], weights: Tree, setting: Setting
) -> tuple[Tree, Any]:
    """The gradients that the optimiser is given.

    Args:
      gradient: from weights to the gradients there, and what else is found on the way.
      weights: as they stand in the loop, see `nn.dense.transpose_narrow`.
      setting: its strengths may be traced.

    Returns:
      The gradients, and what else was found at the weights themselves: the loss that is reported
      and the statistics of batches are not those of another point.
    """
    found, also = gradient(weights)
    for part, given in _acting(setting, 'point'):
        point = _changed(part, given, weights, weights, found)
        found = _where_on(part, given, gradient(point)[0], found)
    for part, given in _acting(setting, 'gradients'):
        found = _changed(part, given, found, found, weights)
    return found, also


def weights(updated: Tree, setting: Setting) -> Tree:
    """The weights after an update (as they stand in the loop), changed by the parts that do so."""
    for part, given in _acting(setting, 'weights'):
        updated = _changed(part, given, updated, updated)
    return updated


def _acting(setting: Setting, on: str) -> list[tuple[Part, dict[str, Any]]]:
    every = ((part, given) for part, given in trace.acting(setting) if part.slot == 'transform')
    return [(part, given) for part, given in every if part.facts['on'] == on]


def _changed(part: Part, given: dict[str, Any], tree: Tree, *passed: Tree) -> Tree:
    """What a part makes of `tree`, bitwise the same where its strength is off."""
    with blaming(f"transform '{part.name}'"):
        found = part.build(*map(transpose_narrow, passed), **given)
    _check(part, transpose_narrow(tree), found)
    return _where_on(part, given, transpose_narrow(found), tree)


def _where_on(part: Part, given: dict[str, Any], on: Tree, off: Tree) -> Tree:
    acts = given[part.strength] != part.parameters[part.strength].rule.off
    return jax.tree.map(functools.partial(jnp.where, acts), on, off)


def _check(part: Part, given: Tree, found: Tree) -> None:
    """Whether a part returns a tree like the one it is given. Raises UserError."""
    what = part.facts['on'] if part.facts['on'] != 'point' else 'weights'
    begin = f"transform '{part.name}': "
    if jax.tree.structure(found) != jax.tree.structure(given):
        raise UserError(
            f'{begin}returns {jax.tree.structure(found)}; it must be a tree like that of the '
            f'{what}, as jax.tree.map gives it'
        )
    of_found = jax.tree.leaves(found)
    for (path, before), after in zip(jax.tree.leaves_with_path(given), of_found, strict=True):
        kind = getattr(after, 'dtype', None)
        if kind != before.dtype or after.shape != before.shape:
            other = f'{kind} {list(after.shape)}' if kind is not None else repr(after)
            place = '/'.join(str(key.key) for key in path)
            raise UserError(
                f'{begin}returns {other} for {what} {place}, {before.dtype} {list(before.shape)}; '
                'it must be like what it is given'
            )


@transform('clip', words='gradient clipping')
def clip(
    gradients: Tree,
    weights: Tree,
    *,
    norm: Number = traced(
        0.0,
        'largest norm of the gradient, of all parameters together; 0 for any',
        low=0.0,
        off=0.0,
        words='largest norm of the gradient',
    ),
) -> Tree:
    """g · min(1, c / ‖g‖) (Pascanu et al. 2013, arXiv 1211.5063, Algorithm 1)."""
    length = optax.tree.norm(gradients)
    scale = jnp.where(length > norm, norm / length, 1)
    return jax.tree.map(lambda g: g * scale, gradients)


@transform('sam', on='point', words='SAM')
def sam(
    weights: Tree,
    gradients: Tree,
    *,
    rho: Number = traced(
        0.0,
        'ρ, how far the point is at which the gradient is taken',
        low=0.0,
        off=0.0,
        words='ρ of SAM',
    ),
) -> Tree:
    """The gradient at w + ρ g / ‖g‖ (Foret et al. 2021, arXiv 2010.01412, Algorithm 1).

    Of the whole objective, penalties included. Dropout masks and other noise are those of g.
    """
    length = optax.tree.norm(gradients)
    step = rho / jnp.maximum(length, jnp.finfo(length.dtype).tiny)
    return jax.tree.map(lambda w, g: w + step * g, weights, gradients)


@transform('max_norm', on='weights', words='max-norm')
def max_norm(
    weights: Tree,
    *,
    norm: Number = traced(
        0.0,
        'largest norm of the weights into a unit; 0 for any',
        low=0.0,
        off=0.0,
        words='largest norm of the weights into a unit',
    ),
) -> Tree:
    """Each unit's weights w · min(1, c / ‖w‖) after an update (Srivastava et al. 2014, §5.1).

    A unit is a column of a kernel, a filter of a convolution; units of the last layer are some too.
    """

    def projected(path, kernel):
        if path[-1].key != 'kernel':
            return kernel
        axes = weights_lib.into_a_unit(path, kernel)
        length = jnp.sqrt(jnp.sum(jnp.square(kernel), axes, keepdims=True))
        return kernel * jnp.where(length > norm, norm / length, 1)

    return jax.tree_util.tree_map_with_path(projected, weights)
