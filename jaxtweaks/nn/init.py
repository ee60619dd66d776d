"""Initial weights: a scheme sets the standard deviation σ, a distribution the shape.

Both may be traced (as indices), so that a sweep over initialisers is one program. All networks
of one seed start from the same standard draw, scaled by each scheme's σ.
"""

import math

import jax
import jax.numpy as jnp

from jaxtweaks.config.settings import DISTRIBUTIONS, SCHEMES


def deviation(
    scheme: jax.Array | int, fan_in: int, fan_out: int, sigma: jax.Array | float
) -> jax.Array:
    """σ of the weights of one layer.

    Args:
      scheme: index into `SCHEMES`, may be traced:
        sigma — the given `sigma`;
        lecun — σ² = 1/fan_in (ROLE §6.1; DEEPREG calls it Xavier);
        glorot — σ² = 2/(fan_in + fan_out) (ROLE §6.1; also called Xavier);
        he — σ² = 2/fan_in (ROLE §6.1; also called Kaiming);
        he_2_over_sqrt_n — σ = 2/√fan_in, what MLP-BN §1 writes for He: √2 times as much;
        heuristic — σ² = 1/(3 fan_in), so that the uniform distribution is U(±1/√fan_in) (INITREG).
      fan_in, fan_out: inputs and outputs of a unit (for a kernel times its window's area).
      sigma: the standard deviation of the scheme 'sigma', may be traced.

    Returns:
      float32 scalar.
    """
    variances = {
        'sigma': jnp.square(jnp.asarray(sigma, jnp.float32)),
        'lecun': 1 / fan_in,
        'glorot': 2 / (fan_in + fan_out),
        'he': 2 / fan_in,
        'he_2_over_sqrt_n': 4 / fan_in,
        'heuristic': 1 / (3 * fan_in),
    }
    table = jnp.stack([jnp.asarray(variances[name], jnp.float32) for name in SCHEMES])
    chosen = jnp.sqrt(table[scheme])
    # √(σ²) of the given σ need not be bitwise σ, and constants are given as σ.
    return jnp.where(scheme == SCHEMES.index('sigma'), jnp.asarray(sigma, jnp.float32), chosen)


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
    sigma: jax.Array | float,
) -> jax.Array:
    """float32 weights of a dense layer [in, out] or a kernel [..., height, width, in, out].

    What stands before height and width is places with kernels of their own (a locally connected
    layer): their units have the inputs and outputs of one kernel.
    """
    area = math.prod(shape[-4:-2])
    scale = deviation(scheme, shape[-2] * area, shape[-1] * area, sigma)
    return scale * standard_draw(key, shape, distribution)
