"""Normalisation as pure functions."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxtweaks.nn import conv, norm_native
from jaxtweaks.nn.reduce import feature_sum
from jaxtweaks.nn.weights import into_a_unit, is_convolution


def batch_moments(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and biased variance of each feature over the batch (MLP-BN eq. 8 and 9).

    Args:
      x: [..., features]; all axes but the last are the batch (for images, every pixel counts).

    Returns:
      mean, variance: [features] each, float32 or wider. The variance is the mean of
      (x − mean)², computed in a second pass: E[x²] − E[x]² loses all digits when the mean is large.
      Where custom kernels compute them they have no gradient: that is `batch_norm`'s.
    """
    if _is_native(x):
        return norm_native.moments(x)
    count = x.size // x.shape[-1]
    mean = feature_sum(x) / count
    return mean, feature_sum(jnp.square(x - _along_last(mean, x))) / count


def normalise(
    x: jax.Array,
    mean: jax.Array,
    variance: jax.Array,
    scale: jax.Array,
    shift: jax.Array,
    epsilon: float,
) -> jax.Array:
    """γ (x − μ) / √(σ² + ε) + β (ROLE §5.2; MLP-BN eq. 2, 3 and 7, which has σ + ε).

    Args:
      x: [..., features].
      mean, variance, scale (γ), shift (β): [features].
      epsilon: added to the variance.

    Returns:
      Like `x`; in between, all is as precise as the moments.
    """
    factor = scale * jax.lax.rsqrt(variance + epsilon)
    y = (x - _along_last(mean, x)) * _along_last(factor, x) + _along_last(shift, x)
    return y.astype(x.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def batch_norm(
    x: jax.Array, scale: jax.Array, shift: jax.Array, epsilon: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Normalises by the batch's own moments, as in training.

    The gradient is written out (Ioffe & Szegedy 2015, arXiv 1502.03167, §3) so that its sums, too,
    are `feature_sum`s.

    Args:
      x: [..., features].
      scale, shift: [features].
      epsilon: added to the variance.

    Returns:
      y like `x`; mean and biased variance, [features] each. The moments are there for the running
      averages: no gradient flows through these two outputs.
    """
    mean, variance = batch_moments(x)
    return normalise(x, mean, variance, scale, shift, epsilon), mean, variance


def _batch_norm_fwd(x, scale, shift, epsilon):
    found: Any = batch_norm(x, scale, shift, epsilon)  # a custom_vjp has no type of its result
    y, mean, variance = found
    return (y, mean, variance), (x, mean, variance, scale)


def _batch_norm_bwd(epsilon, residuals, gradients):
    x, mean, variance, scale = residuals
    g, _, _ = gradients
    count = x.size // x.shape[-1]
    inverse = jax.lax.rsqrt(variance + epsilon)
    standard = (x - _along_last(mean, x)) * _along_last(inverse, x)
    if _is_native(x):
        to_shift, to_scale = norm_native.gradient_sums(x, g, mean)
        to_scale *= inverse
    else:
        to_shift, to_scale = feature_sum(g), feature_sum(g * standard)
    centred = g - _along_last(to_shift / count, x) - standard * _along_last(to_scale / count, x)
    to_x = centred * _along_last(scale * inverse, x)
    return to_x.astype(x.dtype), to_scale, to_shift


batch_norm.defvjp(_batch_norm_fwd, _batch_norm_bwd)


def _is_native(x: jax.Array) -> bool:
    """Whether custom kernels sum over these numbers."""
    return conv.is_native() and norm_native.takes(x)


def standard(x: jax.Array, axes: tuple[int, ...], epsilon: float) -> jax.Array:
    """(x − μ) / √(σ² + ε) with the mean μ and the biased variance σ² over axes.

    Args:
      x: any shape.
      axes: of `x`.
      epsilon: ε, added to the variance.

    Returns:
      Like `x`, float32 or wider.
    """
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    centred = x - jnp.mean(x, axes, keepdims=True)
    variance = jnp.mean(jnp.square(centred), axes, keepdims=True)
    return centred * jax.lax.rsqrt(variance + epsilon)


def affine(standard: jax.Array, x: jax.Array, scale: jax.Array, shift: jax.Array) -> jax.Array:
    """γ · standard + β, of the dtype of `x`: scale γ and shift β of each feature, the last axis."""
    y = standard * _along_last(scale, standard) + _along_last(shift, standard)
    return y.astype(x.dtype)


def standardised_kernels(params: Any, epsilon: float = 1e-5) -> Any:
    """Parameters with the kernels of convolutions standardised.

    Each output has weights of mean 0 and variance 1 over its inputs and window: they are divided by
    √(σ² + ε) (Qiao et al. 2019, arXiv 1903.10520, eq. 6).

    Args:
      params: a tree; what of it belongs to convolutions says `weights.is_convolution`.
      epsilon: ε.

    Returns:
      Like `params`.
    """

    def standardised(path: Any, leaf: jax.Array) -> jax.Array:
        if not is_convolution(path, leaf, params):
            return leaf
        return standard(leaf, into_a_unit(path, leaf), epsilon)

    return jax.tree_util.tree_map_with_path(standardised, params)


def update_running(running: jax.Array, batch: jax.Array, momentum: jax.Array | float) -> jax.Array:
    """momentum · running + (1 − momentum) · batch."""
    return momentum * running + (1 - momentum) * batch


def unbiased(variance: jax.Array, count: int) -> jax.Array:
    """The unbiased estimate from the biased variance of `count` values (of one value: 0)."""
    return variance * (count / max(count - 1, 1))


def _along_last(feature: jax.Array, x: jax.Array) -> jax.Array:
    return feature.reshape((1,) * (x.ndim - 1) + feature.shape)
