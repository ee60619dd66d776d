"""The networks, as Flax linen modules over the pure functions beside this file.

A module knows its static settings as attributes and is given the traced ones (drop rates, the
momentum of batch norm) when it is called. Nothing here knows that there are other runs.
"""

import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxtweaks.config import settings
from jaxtweaks.nn import conv as conv_lib
from jaxtweaks.nn import dropout as dropout_lib
from jaxtweaks.nn import norm
from jaxtweaks.nn.init import initial_weights
from jaxtweaks.nn.pool import max_pool
from jaxtweaks.nn.reduce import add_bias

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    'relu': jax.nn.relu,
    'tanh': jnp.tanh,
    'sigmoid': jax.nn.sigmoid,
}


def _weights(
    module: nn.Module, shape: tuple[int, ...], init: settings.Init
) -> tuple[jax.Array, jax.Array]:
    """Kernel [..., in, out] and bias [out] of a layer, as parameters of `module`."""
    draw = lambda key, shape: initial_weights(
        key, shape, init.scheme, init.distribution, init.sigma
    )
    kernel = module.param('kernel', draw, shape)
    return kernel, module.param('bias', nn.initializers.zeros, shape[-1:], jnp.float32)


class Dense(nn.Module):
    """x W + b."""

    features: int
    init: settings.Init

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[batch, in] to [batch, features]."""
        kernel, bias = _weights(self, (x.shape[-1], self.features), self.init)
        return add_bias(x @ kernel, bias)


class Conv(nn.Module):
    """3 × 3 convolution with bias, step 1."""

    features: int
    padding: str
    init: settings.Init

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[batch, height, width, in] to [batch, height', width', features]."""
        shape = (3, 3, x.shape[-1], self.features)
        kernel, bias = _weights(self, shape, self.init)
        return add_bias(conv_lib.conv(x, kernel, self.padding), bias)


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
        y, batch_mean, batch_variance = norm.batch_norm(x, scale, shift, self.model.bn_epsilon)
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
        if not train:
            return dropout_lib.dropout_at_test(x, self.rate, self.form)
        return dropout_lib.dropout(self.make_rng('dropout'), x, self.rate, self.form)


class _Network(nn.Module):
    """What the architectures share."""

    classes: int
    setting: settings.Setting

    def finish(self, x: jax.Array, train: bool) -> jax.Array:
        """The nonlinearity with batch norm before, after or without; inside `nn.compact`."""
        model = self.setting.model
        if model.batch_norm == 'before':
            x = BatchNorm(model)(x, train)
        x = ACTIVATIONS[model.activation](x)
        if model.batch_norm == 'after':
            x = BatchNorm(model)(x, train)
        return x

    def head(self, x: jax.Array, train: bool) -> jax.Array:
        """The hidden dense layers and the output layer; inside `nn.compact`."""
        setting = self.setting
        for width in setting.model.hidden:
            x = self.finish(Dense(width, setting.init)(x), train)
            x = Dropout(setting.dropout.hidden, setting.dropout.form)(x, train)
        return Dense(self.classes, setting.init)(x)


class MLP(_Network):
    """Dense layers, each with batch norm (optional), nonlinearity and dropout (MLP-BN eq. 1-6)."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Images [batch, height, width, channels] to logits [batch, classes]."""
        dropout = self.setting.dropout
        x = x.reshape(x.shape[0], -1)
        x = Dropout(dropout.input, dropout.form)(x, train)
        return self.head(x, train)


class CNN(_Network):
    """Blocks of two 3 × 3 convolutions (SAME, VALID) and a max-pool, then dense layers (ROLE §2).

    With channels (32, 64), hidden (512,), 32 × 32 × 3 images and 10 classes it has 1,250,858
    parameters.
    """

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Images [batch, height, width, channels] to logits [batch, classes]."""
        setting = self.setting
        dropout = setting.dropout
        x = Dropout(dropout.input, dropout.form)(x, train)
        for channels in setting.model.channels:
            for padding in ('SAME', 'VALID'):
                x = self.finish(Conv(channels, padding, setting.init)(x), train)
            x = max_pool(x, 2)
            x = Dropout(dropout.conv, dropout.form)(x, train)
        return self.head(x.reshape(x.shape[0], -1), train)


NETWORKS: dict[str, type[_Network]] = {'mlp': MLP, 'cnn': CNN}


def build(setting: settings.Setting, classes: int) -> nn.Module:
    """The network of a setting (whose traced fields may hold tracers)."""
    return NETWORKS[setting.model.name](classes, setting)
