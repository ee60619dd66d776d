"""The normalisations: parts that are linen modules, called with (x, train).

Each has a scale γ and a shift β for each feature, the last axis. Moments are float32 or wider.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.config_file import blaming
from jaxtweaks.config.fields import static, traced
from jaxtweaks.config.register import norm
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import norm as norm_lib

Number = jax.Array | float


def normalised(setting: Setting, x: jax.Array, train: bool) -> jax.Array:
    """`x` by the normalisation that a setting chooses, called inside `nn.compact`."""
    module = trace.made(setting, 'norm')
    with blaming(f"norm '{setting.model.norm}'"):
        found = module(x, train)
    if getattr(found, 'shape', None) != x.shape:
        given = list(found.shape) if hasattr(found, 'shape') else repr(found)
        raise UserError(
            f"norm '{setting.model.norm}': returns {given} for {list(x.shape)}; it must return an "
            'array like the one it is given'
        )
    return found.astype(x.dtype)


def _epsilon(**former: str) -> Any:
    return static(1e-5, 'ε, added to the variance', above=0.0, words='ε', **former)


def _momentum(**former: str) -> Any:
    return traced(
        0.9,
        'share of the old running average kept at each step',
        low=0.0,
        high=1.0,
        words='momentum of the running statistics',
        **former,
    )


def _scale_and_shift(module: nn.Module, features: int) -> tuple[jax.Array, jax.Array]:
    scale = module.param('scale', nn.initializers.ones, (features,), jnp.float32)
    return scale, module.param('bias', nn.initializers.zeros, (features,), jnp.float32)


@norm('none', words='without normalisation')
class NoNorm(nn.Module):
    """x as it is."""

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Any shape to the same shape."""
        return x


@norm('batch', words='batch norm')
class BatchNorm(nn.Module):
    """Each feature by the batch (Ioffe and Szegedy 2015, arXiv 1502.03167); averages at test.

    The running averages stand in the collection `batch_stats`.
    """

    momentum: Number = _momentum(former='model.bn_momentum')
    epsilon: float = _epsilon(former='model.bn_epsilon')
    running_variance: str = static(
        'unbiased',
        'the batch variance that enters the running average',
        choices=('unbiased', 'biased'),
        former='model.bn_running_variance',
    )
    affine: bool = static(True, 'whether γ and β are learned; without them γ = 1 and β = 0')

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[..., features] to the same shape."""
        features = x.shape[-1:]
        scale, shift = jnp.ones(features, jnp.float32), jnp.zeros(features, jnp.float32)
        if self.affine:
            scale, shift = _scale_and_shift(self, x.shape[-1])
        mean = self.variable('batch_stats', 'mean', jnp.zeros, features, jnp.float32)
        variance = self.variable('batch_stats', 'var', jnp.ones, features, jnp.float32)
        if not train:
            return norm_lib.normalise(x, mean.value, variance.value, scale, shift, self.epsilon)
        found: Any = norm_lib.batch_norm(x, scale, shift, self.epsilon)
        y, batch_mean, batch_variance = found
        if not self.is_initializing():
            if self.running_variance == 'unbiased':
                batch_variance = norm_lib.unbiased(batch_variance, math.prod(x.shape[:-1]))
            momentum = self.momentum
            mean.value = norm_lib.update_running(mean.value, batch_mean, momentum)
            variance.value = norm_lib.update_running(variance.value, batch_variance, momentum)
        return y


@norm('ghost_batch', words='ghost batch norm')
class GhostBatchNorm(nn.Module):
    """Batch norm over parts of the batch, each by itself (Hoffer et al. 2017, arXiv 1705.08741).

    The running averages take in one part after the other, unbiased, as in Algorithm 1 there.
    """

    size: int = static(8, 'images of a part of the batch', low=1, words='size of a ghost batch')
    momentum: Number = _momentum()
    epsilon: float = _epsilon()

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[batch, ..., features] to the same shape."""
        features = x.shape[-1:]
        scale, shift = _scale_and_shift(self, x.shape[-1])
        mean = self.variable('batch_stats', 'mean', jnp.zeros, features, jnp.float32)
        variance = self.variable('batch_stats', 'var', jnp.ones, features, jnp.float32)
        if not train:
            return norm_lib.normalise(x, mean.value, variance.value, scale, shift, self.epsilon)
        if x.shape[0] % self.size:
            raise UserError(
                f'ghost_batch.size: {self.size} does not divide a batch of {x.shape[0]} images'
            )
        parts = x.reshape(-1, self.size, *x.shape[1:])
        by_part = jax.vmap(lambda part: norm_lib.batch_norm(part, scale, shift, self.epsilon))
        y, means, variances = by_part(parts)
        if not self.is_initializing():
            count = math.prod(parts.shape[1:-1])
            for part in range(len(parts)):
                unbiased = norm_lib.unbiased(variances[part], count)
                mean.value = norm_lib.update_running(mean.value, means[part], self.momentum)
                variance.value = norm_lib.update_running(variance.value, unbiased, self.momentum)
        return y.reshape(x.shape)


@norm('group', words='group norm')
class GroupNorm(nn.Module):
    """Groups of features of an image, by themselves (Wu and He 2018, arXiv 1803.08494)."""

    groups: int = static(4, 'groups of features, which they divide evenly', low=1)
    epsilon: float = _epsilon()

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[batch, ..., features] to the same shape."""
        features = x.shape[-1]
        if features % self.groups:
            raise UserError(f'group.groups: {self.groups} does not divide {features} features')
        scale, shift = _scale_and_shift(self, features)
        parts = x.reshape(*x.shape[:-1], self.groups, features // self.groups)
        axes = (*range(1, x.ndim - 1), x.ndim)
        return norm_lib.affine(
            norm_lib.standard(parts, axes, self.epsilon).reshape(x.shape), x, scale, shift
        )


@norm('layer', words='layer norm')
class LayerNorm(nn.Module):
    """The features of an image, at each place or of all together (Ba et al. 2016, 1607.06450)."""

    over: str = static(
        'features',
        'the features of each place by themselves, or (image) those of all places together, as '
        'group norm with one group',
        choices=('features', 'image'),
        words='what layer norm is over',
    )
    epsilon: float = _epsilon()

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[batch, ..., features] to the same shape."""
        scale, shift = _scale_and_shift(self, x.shape[-1])
        axes = (x.ndim - 1,) if self.over == 'features' else tuple(range(1, x.ndim))
        return norm_lib.affine(norm_lib.standard(x, axes, self.epsilon), x, scale, shift)


@norm('instance', words='instance norm')
class InstanceNorm(nn.Module):
    """Each feature of an image over its places (Ulyanov et al. 2016, arXiv 1607.08022)."""

    epsilon: float = _epsilon()

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[batch, ..., features] to the same shape."""
        if x.ndim < 3:
            raise UserError(
                "model.norm: 'instance' gives a dense layer one value of each feature, which it "
                'makes 0 whatever the image; it is for networks that normalise maps alone'
            )
        scale, shift = _scale_and_shift(self, x.shape[-1])
        axes = tuple(range(1, x.ndim - 1))
        return norm_lib.affine(norm_lib.standard(x, axes, self.epsilon), x, scale, shift)
