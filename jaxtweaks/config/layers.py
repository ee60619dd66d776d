"""What an architecture says of its layers where the setting does not, and the images it needs."""

from jaxtweaks.config.settings import Model

# The widths of the architectures that are what their documents say; the others take `hidden`.
PUBLISHED = {'lenet5': (120, 84), 'vgg16': (4096, 4096), 'convnet1d': (400,)}

# And the channels of their convolutions, in order; the others take `channels`.
_CHANNELS = {
    'lenet5': (6, 16),
    'vgg16': (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
    'convnet1d': (80, 60, 60),
}

# The smallest images, height and width, of which these leave a pixel.
SMALLEST = {'vgg16': (32, 32), 'convnet1d': (262, 1)}


def channels(model: Model) -> tuple[int, ...]:
    """The channels of the convolutional or locally connected layers, or of their blocks."""
    return () if model.name == 'mlp' else _CHANNELS.get(model.name, model.channels)


def hidden_widths(model: Model) -> tuple[int, ...]:
    """The widths of the hidden dense layers, first to last."""
    if model.name in PUBLISHED:
        return PUBLISHED[model.name]
    return (model.width,) * len(model.hidden) if model.width else model.hidden
