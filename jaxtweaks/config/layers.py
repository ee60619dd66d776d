"""What an architecture says of its layers where the setting does not, and the images it needs."""

from jaxtweaks.config import parts
from jaxtweaks.config.part import Part
from jaxtweaks.config.settings import Model


def network(model: Model) -> Part:
    """The part that `model.name` chooses."""
    return parts.get('network', model.name)


def made_of(model: Model) -> str:
    """What the hidden layers are: 'dense', 'conv' or 'local'; '' if only the network knows."""
    return network(model).facts.get('made_of', '')


def channels(model: Model) -> tuple[int, ...]:
    """The channels of the convolutional or locally connected layers, or of their blocks.

    Of a network that is not known by its layers there are none, here and in `hidden_widths`.
    """
    if made_of(model) in ('', 'dense'):
        return ()
    return network(model).facts.get('channels', model.channels)


def hidden_widths(model: Model) -> tuple[int, ...]:
    """The widths of the hidden dense layers, first to last."""
    if not made_of(model):
        return ()
    return network(model).facts.get('hidden', widths(model))


def widths(model: Model) -> tuple[int, ...]:
    """The widths that a setting gives the hidden dense layers of a network that reads them."""
    return (model.width,) * len(model.hidden) if model.width else model.hidden
