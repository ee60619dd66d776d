"""Biases, alone and with the ReLU after them."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from jaxtweaks.nn import bias_native
from jaxtweaks.nn import conv as conv_lib
from jaxtweaks.nn.canonical import Pads
from jaxtweaks.nn.reduce import feature_sum


@jax.custom_vjp
def add_bias(x: jax.Array, bias: jax.Array) -> jax.Array:
    """x [..., features] + bias [features], like x; the bias's gradient is a `feature_sum`."""
    return x + bias.reshape((1,) * (x.ndim - 1) + bias.shape).astype(x.dtype)


add_bias.defvjp(lambda x, bias: (add_bias(x, bias), None), lambda _, g: (g, feature_sum(g)))


@jax.custom_vjp
def add_bias_relu(x: jax.Array, bias: jax.Array) -> jax.Array:
    """max(0, x + bias) of x [..., features] and bias [features], with the gradient 0 at 0.

    Where there are custom kernels there is one for both gradients.
    """
    return jnp.maximum(add_bias(x, bias), 0)


def _relu_fwd(x, bias):
    y = add_bias_relu(x, bias)
    return y, y


def _relu_bwd(y, g):
    return _relu_gradient(y, g)


add_bias_relu.defvjp(_relu_fwd, _relu_bwd)


def _relu_gradient(y: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The gradients for x and bias of `add_bias_relu`, which is y; g is that for y."""
    if conv_lib.is_native() and bias_native.takes(y):
        return bias_native.relu_gradient(y, g)
    g = jnp.where(y > 0, g, 0)
    return g, feature_sum(g)


def conv_relu(x: jax.Array, kernel: jax.Array, bias: jax.Array, padding: str) -> jax.Array:
    """`add_bias_relu` of `conv.conv` with step 1, to the same bits; bias [out].

    A custom kernel adds the bias while the sums are in registers.
    """
    x = x.astype(kernel.dtype)
    if not conv_lib.is_native() or conv_lib.custom_kernels(x.dtype) is None:
        return add_bias_relu(conv_lib.conv(x, kernel, padding), bias)
    pads = tuple(lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], (1, 1), padding))
    return _native_conv_relu(x, kernel, bias, pads)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _native_conv_relu(x: jax.Array, kernel: jax.Array, bias: jax.Array, pads: Pads) -> jax.Array:
    kernels = conv_lib.custom_kernels(x.dtype)
    assert kernels is not None, 'conv_relu asks first'
    forward = functools.partial(kernels.forward, pads=pads)
    return conv_lib.over_runs(forward)(x, kernel, bias.astype(x.dtype))


def _conv_fwd(x, kernel, bias, pads):
    y = _native_conv_relu(x, kernel, bias, pads)
    return y, (x, kernel, y)


def _conv_bwd(pads, residuals, g):
    x, kernel, y = residuals
    g, to_bias = _relu_gradient(y, g)
    return *conv_lib.gradients(pads, 1, (x, kernel), g), to_bias


_native_conv_relu.defvjp(_conv_fwd, _conv_bwd)
