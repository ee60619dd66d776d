"""Residual networks for small images (He et al. 2015, arXiv 1512.03385, §4.2)."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxtweaks.config.fields import static
from jaxtweaks.config.register import network


@network('resnet', words='ResNet')
class ResNet(nn.Module):
    """A ResNet of 6n + 2 layers (He et al. 2015, arXiv 1512.03385, §4.2), n blocks a stage.

    Three stages of n blocks of two 3 × 3 convolutions, each stage with twice the channels of the
    one before on a quarter of the pixels; shortcuts without parameters (option A there); the mean
    of all pixels and a dense layer. Convolutions have no biases. With n = 3, batch norm and 10
    classes it has 269,722 parameters for images of 3 channels. In the form `preactivation` a block
    normalises before its convolutions and nothing is done to a sum (He et al. 2016, arXiv
    1603.05027, Figure 4e).
    """

    outputs: int
    norm: Callable[[], nn.Module]
    activation: Callable[[jax.Array], jax.Array]
    kernel_init: Callable[..., jax.Array]
    blocks: int = static(3, 'blocks of each stage: 3 make a ResNet-20', low=1)
    width: int = static(16, 'channels of the first stage', low=1)
    form: str = static(
        'original',
        'normalise after each convolution, or (preactivation) before it',
        choices=('original', 'preactivation'),
    )

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Images to outputs."""
        before = self.form == 'preactivation'
        x = self._conv(x, self.width)
        x = x if before else self._active(x, train)
        for stage in range(3):
            for block in range(self.blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                x = (self._preactivated if before else self._block)(
                    x, self.width * 2**stage, stride, train
                )
        x = self._active(x, train) if before else x
        return nn.Dense(self.outputs, kernel_init=self.kernel_init)(jnp.mean(x, (1, 2)))

    def _block(self, x: jax.Array, channels: int, stride: int, train: bool) -> jax.Array:
        y = self._active(self._conv(x, channels, stride), train)
        y = self.norm()(self._conv(y, channels), train)
        return self.activation(y + _shortcut(x, channels, stride))

    def _preactivated(self, x: jax.Array, channels: int, stride: int, train: bool) -> jax.Array:
        y = self._conv(self._active(x, train), channels, stride)
        return self._conv(self._active(y, train), channels) + _shortcut(x, channels, stride)

    def _active(self, x: jax.Array, train: bool) -> jax.Array:
        return self.activation(self.norm()(x, train))

    def _conv(self, x: jax.Array, channels: int, stride: int = 1) -> Any:
        return nn.Conv(
            channels,
            (3, 3),
            stride,
            padding=1,
            use_bias=False,
            kernel_init=self.kernel_init,
        )(x)


def _shortcut(x: jax.Array, channels: int, stride: int) -> jax.Array:
    """Every `stride`-th pixel, and zeros for the channels that there are none of."""
    more = channels - x.shape[-1]
    return jnp.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (0, more)))
