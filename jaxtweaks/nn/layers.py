"""Layers with parameters or random keys, as Flax linen modules over pure functions next to them.

A layer knows its static settings as attributes; those that may be traced (drop rates, the momentum
of batch norm) are attributes too, and may hold tracers.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxtweaks.config import settings
from jaxtweaks.nn import conv as conv_lib
from jaxtweaks.nn import dense, norm
from jaxtweaks.nn import dropout as dropout_lib
from jaxtweaks.nn import local as local_lib
from jaxtweaks.nn.init import initial_weights
from jaxtweaks.nn.reduce import add_bias


def _kernel(module: nn.Module, shape: tuple[int, ...], init: settings.Init) -> jax.Array:
    """A kernel [..., in, out], as a parameter of `module`."""
    numbers: Any = init  # its choices are indices here, see `trace.as_numbers`
    draw = lambda key, shape: initial_weights(
        key, shape, numbers.scheme, numbers.distribution, numbers.sigma
    )
    return module.param('kernel', draw, shape)


def _bias(module: nn.Module, shape: tuple[int, ...]) -> jax.Array:
    return module.param('bias', nn.initializers.zeros, shape, jnp.float32)


class Dense(nn.Module):
    """x W + b, computed in the dtype of the weights it is applied with.

    As `last` layer it returns float32 (or wider): its product is not rounded on the way out.
    """

    features: int
    init: settings.Init
    last: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[batch, in] to [batch, features]."""
        kernel = _kernel(self, (x.shape[-1], self.features), self.init)
        dtype = jnp.promote_types(kernel.dtype, jnp.float32) if self.last else kernel.dtype
        product = dense.matmul(x.astype(kernel.dtype), kernel, dtype)
        return add_bias(product, _bias(self, (self.features,)))


class Conv(nn.Module):
    """Convolution with bias, step 1."""

    features: int
    padding: str
    init: settings.Init
    window: tuple[int, int] = (3, 3)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[batch, height, width, in] to [batch, height', width', features]."""
        kernel = _kernel(self, (*self.window, x.shape[-1], self.features), self.init)
        return add_bias(conv_lib.conv(x, kernel, self.padding), _bias(self, (self.features,)))


class Local(nn.Module):
    """The twin of `Conv` that shares nothing: a kernel and a bias for each place."""

    features: int
    padding: str
    init: settings.Init
    window: tuple[int, int] = (3, 3)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[batch, height, width, in] to [batch, height', width', features]."""
        places = local_lib.places((x.shape[1], x.shape[2]), self.window, self.padding)
        shape = (*places, *self.window, x.shape[-1], self.features)
        bias = _bias(self, (*places, self.features))
        kernel = _kernel(self, shape, self.init)
        return local_lib.local(x.astype(kernel.dtype), kernel, self.padding) + bias[None]


class BatchNorm(nn.Module):
    """Batch norm with running averages in the collection `batch_stats`.

    In training it normalises by the batch and updates the averages; at test it uses them.
    """

    model: settings.Model

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[..., features] to the same shape."""
        features = x.shape[-1:]
        scale = self.param('scale', nn.initializers.ones, features, jnp.float32)
        shift = self.param('bias', nn.initializers.zeros, features, jnp.float32)
        mean = self.variable('batch_stats', 'mean', jnp.zeros, features, jnp.float32)
        variance = self.variable('batch_stats', 'var', jnp.ones, features, jnp.float32)
        if not train:
            return norm.normalise(
                x, mean.value, variance.value, scale, shift, self.model.bn_epsilon
            )
        found: Any = norm.batch_norm(x, scale, shift, self.model.bn_epsilon)
        y, batch_mean, batch_variance = found
        if not self.is_initializing():
            if self.model.bn_running_variance == 'unbiased':
                batch_variance = norm.unbiased(batch_variance, math.prod(x.shape[:-1]))
            momentum = self.model.bn_momentum
            mean.value = norm.update_running(mean.value, batch_mean, momentum)
            variance.value = norm.update_running(variance.value, batch_variance, momentum)
        return y


class Dropout(nn.Module):
    """Dropout with a key from the stream 'dropout' and a rate that may be traced."""

    rate: jax.Array | float
    form: str

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Any shape to the same shape."""
        if dropout_lib.is_off(self.rate):
            return x
        # At test a key means that masks are to be drawn all the same (Monte-Carlo dropout).
        if not train and not self.has_rng('dropout'):
            return dropout_lib.dropout_at_test(x, self.rate, self.form)
        return dropout_lib.dropout(self.make_rng('dropout'), x, self.rate, self.form)
