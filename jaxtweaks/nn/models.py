"""The architectures. Each takes images [batch, height, width, channels] to logits [batch, outputs].

Nothing here knows that there are other runs. They are parts as those of a user are, and say besides
what a plain linen network cannot: what their hidden layers are, and which images are too small.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import layers, settings, trace
from jaxtweaks.config.config_file import blaming
from jaxtweaks.config.fields import static
from jaxtweaks.config.part import Part
from jaxtweaks.config.parts import register
from jaxtweaks.nn.init import Initialiser, initialiser
from jaxtweaks.nn.layers import Conv, Dense, Local, uniform_biases, zero_biases
from jaxtweaks.nn.network import Network, Plain
from jaxtweaks.nn.pool import max_pool_rows

_ALL = ('model.activation', 'model.norm', 'model.norm_place', 'init', 'dropout.hidden')
_ALL = (*_ALL, 'dropout.by_layer', 'tweaks.hidden', 'train.linearity', 'train.unit_spread')
_ALL = (*_ALL, 'train.lost_units')
_POOLED = (*_ALL, 'dropout.conv', 'tweaks.conv')
_WIDE = ('model.hidden', 'model.width')

# By the inputs of a unit, how its bias is drawn.
BIASES = {'zeros': zero_biases, 'uniform': uniform_biases}

# Of the size of images, height and width, to what is wrong with them; '' if they are large enough.
Fits = Callable[[settings.Model, tuple[int, int]], str]


def _blocks_fit(model: settings.Model, size: tuple[int, int]) -> str:
    left = min(size)
    for block, _ in enumerate(model.channels):
        left = (left - 2) // 2
        if left < 1:
            return (
                f'model.channels: block {block + 1} of {len(model.channels)} has no pixels left of '
                f'{size[0]} × {size[1]} images; use fewer blocks or larger images'
            )
    return ''


def _at_least_as(height: int, width: int) -> Fits:
    def fits(model: settings.Model, size: tuple[int, int]) -> str:
        if size[0] >= height and size[1] >= width:
            return ''
        return (
            f'model.name: {model.name!r} has no pixels left of {size[0]} × {size[1]} images; they '
            f'must be at least {height} × {width}'
        )

    return fits


@register('network', 'mlp', 'MLP', reads=(*_ALL, *_WIDE), made_of='dense')
class MLP(Network):
    """Dense layers, each with batch norm (optional), nonlinearity and dropout (MLP-BN eq. 1-6)."""

    biases: str = static(
        'zeros', 'the initial biases: 0, or from U(±1/√inputs) as in PyTorch', choices=BIASES
    )

    @property
    def drawn_biases(self) -> Callable[[int], Initialiser]:
        """See `Network`."""
        return BIASES[self.biases]

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Images to logits."""
        return self.head(self.drop(x, 'input', train), train)


@register(
    'network',
    'cnn',
    'CNN',
    reads=(*_POOLED, *_WIDE, 'model.channels'),
    made_of='conv',
    fits=_blocks_fit,
)
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
            x = self.finished(self.layer(channels, 'SAME', self.drawn), x, train)
            x = self.pooled(self.layer(channels, 'VALID', self.drawn), x, train)
            x = self.drop(x, 'conv', train)
        return self.head(x, train)


@register(
    'network',
    'local',
    'locally connected',
    reads=(*_POOLED, *_WIDE, 'model.channels'),
    made_of='local',
    fits=_blocks_fit,
)
class LocallyConnected(CNN):
    """The CNN with a kernel and a bias for each place in place of the convolutions."""

    layer = Local


@register(
    'network',
    'lenet5',
    'LeNet-5',
    reads=_POOLED,
    made_of='conv',
    channels=(6, 16),
    hidden=(120, 84),
)
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
            x = self.pooled(Conv(channels, 'VALID', self.drawn, (5, 5)), x, train)
            x = self.drop(x, 'conv', train)
        return self.head(x, train)


@register(
    'network',
    'vgg16',
    'VGG-16',
    reads=_POOLED,
    made_of='conv',
    channels=(64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
    hidden=(4096, 4096),
    fits=_at_least_as(32, 32),
)
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
            for _ in range(convolutions - 1):
                x = self.finished(Conv(next(channels), 'SAME', self.drawn), x, train)
            x = self.pooled(Conv(next(channels), 'SAME', self.drawn), x, train)
            x = self.drop(x, 'conv', train)
        return self.head(x, train)


@register(
    'network',
    'convnet1d',
    'ConvNet1D',
    reads=_POOLED,
    made_of='conv',
    channels=(80, 60, 60),
    hidden=(400,),
    plain_head=True,  # nothing between its dense layers
    fits=_at_least_as(260, 1),
)
class ConvNet1D(Network):
    """The network for signals of DEEPREG, on images of height T and width 1.

    Three convolutions without padding, 80 of length 251, 60 of length 5 and 60 of length 3, each
    with batch norm (by setting), nonlinearity and a max-pool of 2 with step 1; then dense layers of
    400 and the classes with nothing between them. The lecture's first dense layer has 3 · 60
    inputs, which signals of 262 leave.
    """

    lengths = (251, 5, 3)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Signals [batch, T, 1, channels] to logits."""
        model, init = self.setting.model, self.drawn
        x = self.drop(x, 'input', train)
        for channels, length in zip(layers.channels(model), self.lengths, strict=True):
            x = self.finish(Conv(channels, 'VALID', init, (length, 1))(x), train)
            x = self.drop(max_pool_rows(x), 'conv', train)
        (width,) = layers.hidden_widths(model)
        x = Dense(width, init)(x.reshape(x.shape[0], -1))
        return self.logits(self.drop_hidden(x, 0, train), train)


def build(setting: settings.Setting, outputs: int) -> Network | Plain:
    """The network of a setting (whose traced fields may hold tracers).

    Raises:
      UserError: a network from outside cannot be made, or is no linen module.
    """
    part = trace.part(setting, 'network')
    with blaming(f"network '{part.name}'"):
        module = part.build(**_offered(setting, outputs, part), **trace.arguments(setting, part))
    if isinstance(module, Network):
        return module
    if not isinstance(module, nn.Module):
        raise UserError(f"network '{part.name}': returns {module!r}; it must return a linen module")
    return Plain(module, outputs, setting)


def _offered(setting: settings.Setting, outputs: int, part: Part) -> dict[str, Any]:
    """What a network takes of what there is for every network, see `slots.SLOTS`."""
    of_part = lambda slot: functools.partial(
        (one := trace.part(setting, slot)).build, **trace.arguments(setting, one)
    )
    offers = {
        'outputs': lambda: outputs,
        'setting': lambda: setting,
        'norm': lambda: of_part('norm'),
        'activation': lambda: of_part('activation'),
        'kernel_init': lambda: initialiser(setting),
        'dropout': lambda: setting.dropout.hidden,
        'dropout_conv': lambda: setting.dropout.conv,
        'channels': lambda: setting.model.channels,
        'hidden': lambda: layers.widths(setting.model),
    }
    return {name: offers[name]() for name in part.facts['takes']}


def _at_least(x: jax.Array, side: int) -> jax.Array:
    """Images with a border of zeros that makes them at least `side` × `side`."""
    borders = [(max(side - n, 0) // 2, (max(side - n, 0) + 1) // 2) for n in x.shape[1:3]]
    return jnp.pad(x, ((0, 0), *borders, (0, 0)))
