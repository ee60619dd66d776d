"""Initial weights: a scheme sets the standard deviation σ, a distribution the shape.

The schemes are parts; which one is chosen may be traced (as an index), and the distribution too, so
that a sweep over initialisers is one program. All networks of one seed start from the same standard
draw, scaled by each scheme's σ.
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.config_file import blaming
from jaxtweaks.config.fields import traced
from jaxtweaks.config.part import Part
from jaxtweaks.config.register import init
from jaxtweaks.config.settings import DISTRIBUTIONS, Setting

# (key, shape, dtype) to weights, as linen's layers take it.
Initialiser = Callable[..., jax.Array]
# Every scheme of a program, with its arguments by name.
Schemes = Sequence[tuple[Part, Mapping[str, Any]]]


def initialiser(setting: Setting) -> Initialiser:
    """(key, shape, dtype) to the initial weights of a setting, whose choices are indices.

    See `initial_weights` and `trace.as_numbers`.
    """
    numbers: Any = setting.init
    return functools.partial(_drawn, schemes(setting), numbers.scheme, numbers.distribution)


def schemes(setting: Setting) -> Schemes:
    """Every scheme there is, in the order of the indices, with what a setting says of it."""
    return [(part, trace.arguments(setting, part)) for part in trace.table(setting, 'init')]


def _drawn(schemes, scheme, distribution, key, shape, dtype=jnp.float32):
    return initial_weights(key, shape, scheme, distribution, schemes).astype(dtype)


@init('sigma', words='given σ')
def sigma(
    fan_in: int,
    fan_out: int,
    *,
    sigma: jax.Array | float = traced(
        0.05,
        'σ of the initial weights',
        low=0.0,
        words='standard deviation σ of the initial weights',
        former='init.sigma',
    ),
) -> jax.Array | float:
    """σ as given."""
    return sigma


@init('lecun', words='LeCun')
def lecun(fan_in: int, fan_out: int) -> np.float32:
    """σ² = 1/fan_in (ROLE §6.1; DEEPREG calls it Xavier)."""
    return _root(1 / fan_in)


@init('glorot', words='Glorot')
def glorot(fan_in: int, fan_out: int) -> np.float32:
    """σ² = 2/(fan_in + fan_out) (ROLE §6.1; also called Xavier)."""
    return _root(2 / (fan_in + fan_out))


@init('he', words='He')
def he(fan_in: int, fan_out: int) -> np.float32:
    """σ² = 2/fan_in (ROLE §6.1; also called Kaiming)."""
    return _root(2 / fan_in)


@init('he_2_over_sqrt_n', words='He, σ = 2/√N')
def he_2_over_sqrt_n(fan_in: int, fan_out: int) -> np.float32:
    """σ = 2/√fan_in, what MLP-BN §1 writes for He: √2 times as much."""
    return _root(4 / fan_in)


@init('heuristic', words='heuristic, σ² = 1/(3N)')
def heuristic(fan_in: int, fan_out: int) -> np.float32:
    """σ² = 1/(3 fan_in), so that the uniform distribution is U(±1/√fan_in) (INITREG)."""
    return _root(1 / (3 * fan_in))


@init('glorot_2_over_n', words='Glorot, σ = 2/(N_in + N_out)')
def glorot_2_over_n(fan_in: int, fan_out: int) -> np.float32:
    """σ = 2/(fan_in + fan_out): Glorot's variance taken for the standard deviation (INITREG)."""
    return np.float32(2 / (fan_in + fan_out))


@init('he_2_over_n', words='He, σ = 2/N')
def he_2_over_n(fan_in: int, fan_out: int) -> np.float32:
    """σ = 2/fan_in: He's variance taken for the standard deviation (INITREG)."""
    return np.float32(2 / fan_in)


def _root(variance: float) -> np.float32:
    return np.sqrt(np.float32(variance))


def standard_deviation(
    scheme: jax.Array | int, fan_in: int, fan_out: int, schemes: Schemes
) -> jax.Array:
    """σ of the weights of one layer.

    Args:
      scheme: index into `schemes`, may be traced.
      fan_in, fan_out: inputs and outputs of a unit (for a kernel times its window's area).
      schemes: a rule that draws weights itself has σ = 1 here.

    Returns:
      float32 scalar.
    """
    sigmas = jnp.stack([_sigma(*one, fan_in, fan_out) for one in schemes])
    # XLA would multiply a σ that it knows with the constants of the draw, to other last bits.
    return jax.lax.optimization_barrier(sigmas)[scheme]


def _sigma(part: Part, given: Mapping[str, Any], fan_in: int, fan_out: int) -> jax.Array:
    if _draws(part):
        return jnp.float32(1)
    with blaming(f"init '{part.name}'"):
        found = jnp.asarray(part.build(fan_in, fan_out, **given), jnp.float32)
    if found.shape:
        raise UserError(f"init '{part.name}': returns {list(found.shape)}; σ must be a number")
    return found


def _draws(part: Part) -> bool:
    """Whether a rule draws the weights itself."""
    return 'key' in inspect.signature(part.build).parameters


def standard_draw(
    key: jax.Array, shape: tuple[int, ...], distribution: jax.Array | int
) -> jax.Array:
    """float32 `shape`, mean 0, standard deviation 1: N(0, 1) or U(−√3, √3); or all 1 (constant).

    Args:
      key: a random key.
      shape: of the result.
      distribution: index into `DISTRIBUTIONS`, may be traced.
    """
    root3 = 3**0.5
    draws = {
        'normal': lambda key: jax.random.normal(key, shape, jnp.float32),
        'uniform': lambda key: jax.random.uniform(key, shape, jnp.float32, -root3, root3),
        'constant': lambda key: jnp.ones(shape, jnp.float32),
    }
    return jax.lax.switch(distribution, [draws[name] for name in DISTRIBUTIONS], key)


def initial_weights(
    key: jax.Array,
    shape: tuple[int, ...],
    scheme: jax.Array | int,
    distribution: jax.Array | int,
    schemes: Schemes,
) -> jax.Array:
    """float32 weights of a dense layer [in, out] or a kernel [..., height, width, in, out].

    What stands before height and width is places with kernels of their own (a locally connected
    layer): their units have the inputs and outputs of one kernel.

    Args:
      key: a random key.
      shape: of the weights.
      scheme: index into `schemes`, may be traced.
      distribution: index into `DISTRIBUTIONS`, may be traced.
      schemes: the rules, see `schemes`.
    """
    area = math.prod(shape[-4:-2])
    fans = shape[-2] * area, shape[-1] * area
    weights = standard_deviation(scheme, *fans, schemes) * standard_draw(key, shape, distribution)
    own = [(index, *one) for index, one in enumerate(schemes) if _draws(one[0])]
    for index, part, given in own:
        weights = jnp.where(scheme == index, _own(part, given, key, shape, fans), weights)
    return weights


def _own(
    part: Part, given: Mapping[str, Any], key: jax.Array, shape: tuple[int, ...], fans: Sequence
) -> jax.Array:
    with blaming(f"init '{part.name}'"):
        found = jnp.asarray(part.build(key, shape, *fans, **given), jnp.float32)
    if found.shape != shape:
        raise UserError(
            f"init '{part.name}': returns {list(found.shape)} for {list(shape)}; it must return "
            'weights of the shape that it is given'
        )
    return found
