"""The architectures. Each takes images [batch, height, width, channels] to logits [batch, classes].

Nothing here knows that there are other runs.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxtweaks.config import layers, settings
from jaxtweaks.nn.layers import Conv, Dense, Local
from jaxtweaks.nn.network import Network
from jaxtweaks.nn.pool import max_pool, max_pool_rows


class MLP(Network):
    """Dense layers, each with batch norm (optional), nonlinearity and dropout (MLP-BN eq. 1-6)."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Images to logits."""
        return self.head(self.drop(x, 'input', train), train)


class CNN(Network):
    """Blocks of two 3 × 3 convolutions (SAME, VALID) and a max-pool, then dense layers (ROLE §2).

    With channels (32, 64), hidden (512,), 32 × 32 × 3 images and 10 classes it has 1,250,858
    parameters.
    """

    layer = Conv

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Images to logits."""
        setting = self.setting
        x = self.drop(x, 'input', train)
        for channels in setting.model.channels:
            for padding in ('SAME', 'VALID'):
                x = self.finish(self.layer(channels, padding, setting.init)(x), train)
            x = self.drop(max_pool(x, 2), 'conv', train)
        return self.head(x, train)


class LocallyConnected(CNN):
    """The CNN with a kernel and a bias for each place in place of the convolutions."""

    layer = Local


class LeNet5(Network):
    """LeNet-5 (LeCun et al. 1998, DEEPREG) as it is built today: 61,706 parameters on MNIST.

    5 × 5 convolutions to 6 and 16 channels, each with a 2 × 2 max-pool, and dense layers of 120,
    84 and the classes. The original has averaging pools with parameters, does not connect all
    channels, and ends in radial units. Images smaller than its 32 × 32 get a border of zeros, as
    there.
    """

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Images to logits."""
        x = self.drop(_at_least(x, 32), 'input', train)
        for channels in layers.channels(self.setting.model):
            x = Conv(channels, 'VALID', self.setting.init, (5, 5))(x)
            x = self.drop(max_pool(self.finish(x, train), 2), 'conv', train)
        return self.head(x, train)


class VGG16(Network):
    """VGG-16 (Simonyan and Zisserman 2014, DEEPREG).

    Thirteen 3 × 3 convolutions in five blocks, each with a 2 × 2 max-pool, and dense layers of
    4096, 4096 and the classes. With 224 × 224 × 3 images and 1000 classes its kernels have
    138,344,128 weights. Images must have at least 32 × 32 pixels.
    """

    blocks = (2, 2, 3, 3, 3)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Images to logits."""
        x = self.drop(x, 'input', train)
        channels = iter(layers.channels(self.setting.model))
        for convolutions in self.blocks:
            for _ in range(convolutions):
                x = self.finish(Conv(next(channels), 'SAME', self.setting.init)(x), train)
            x = self.drop(max_pool(x, 2), 'conv', train)
        return self.head(x, train)


class ConvNet1D(Network):
    """The network for signals of DEEPREG, on images of height T and width 1.

    Three convolutions without padding, 80 of length 251 and twice 60 of length 5, each with batch
    norm (by setting), nonlinearity and a max-pool of 2 with step 1; then dense layers of 400 and
    the classes with nothing between them. The lecture's listing has a last convolution of length
    3, so that signals of 262 leave 3 places; with the length 5 of its description 264 do.
    """

    lengths = (251, 5, 5)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Signals [batch, T, 1, channels] to logits."""
        model, init = self.setting.model, self.setting.init
        x = self.drop(x, 'input', train)
        for channels, length in zip(layers.channels(model), self.lengths, strict=True):
            x = self.finish(Conv(channels, 'VALID', init, (length, 1))(x), train)
            x = self.drop(max_pool_rows(x), 'conv', train)
        (width,) = layers.hidden_widths(model)
        x = Dense(width, init)(x.reshape(x.shape[0], -1))
        return self.logits(self.drop_hidden(x, 0, train), train)


NETWORKS: dict[str, type[Network]] = {
    'mlp': MLP,
    'cnn': CNN,
    'local': LocallyConnected,
    'lenet5': LeNet5,
    'vgg16': VGG16,
    'convnet1d': ConvNet1D,
}


def build(setting: settings.Setting, classes: int) -> nn.Module:
    """The network of a setting (whose traced fields may hold tracers)."""
    return NETWORKS[setting.model.name](classes, setting)


def _at_least(x: jax.Array, side: int) -> jax.Array:
    """Images with a border of zeros that makes them at least `side` × `side`."""
    borders = [(max(side - n, 0) // 2, (max(side - n, 0) + 1) // 2) for n in x.shape[1:3]]
    return jnp.pad(x, ((0, 0), *borders, (0, 0)))
