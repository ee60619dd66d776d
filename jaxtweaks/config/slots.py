"""The slots: the kinds of parts there are, and how each is called (`parts.py`)."""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Slot:
    """A kind of part.

    Attributes:
      name: of the slot and of the decorator that fills it.
      doc: what a part of it is, for error messages.
      given: the positional arguments that a part is called with; none for a module.
      about: what its fields are about, in a word or two.
      before: what a part is called with before these, if it has a parameter of the first name.
      field: the field that names the chosen part; '' if several act together.
      several: whether the field may name any number of parts.
      offers: what a part is given by name if it has a parameter (a module an attribute) of this
        name and no default for it: the fields, or section, that it comes from; '' for what comes
        from none.
      none: the value of `field` for no part at all; '' if one is always chosen.
      short: whether the fields of its parts read without the part's name.
      acting: what is said of a function where it is registered and decides what a run finds, with
        the defaults: a part that has these is the one it was before they counted.
    """

    name: str
    doc: str
    about: str
    given: tuple[str, ...] = ()
    field: str = ''
    several: bool = False
    offers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    before: tuple[str, ...] = ()
    none: str = ''
    short: bool = False
    acting: Mapping[str, Any] = dataclasses.field(default_factory=dict)


SLOTS = {
    slot.name: slot
    for slot in (
        Slot(
            'network',
            'a linen module, or a function that makes one, of `outputs`',
            'network',
            field='model.name',
            acting={'reads': ()},  # what it is given in the place of its defaults
            offers={
                'outputs': '',
                'setting': '',
                'norm': 'model.norm',
                'activation': 'model.activation',
                'kernel_init': 'init',
                'dropout': 'dropout.hidden',
                'dropout_conv': 'dropout.conv',
                'channels': 'model.channels',
                'hidden': 'model.hidden model.width',
            },
        ),
        Slot(
            'norm',
            'a linen module that is called with (x, train)',
            'normalisation',
            field='model.norm',
        ),
        Slot(
            'activation',
            'a function (x) to an array like x',
            'activation',
            ('x',),
            'model.activation',
        ),
        Slot(
            'init',
            'a function (fan_in, fan_out) to a standard deviation, or (key, shape, fan_in, '
            'fan_out) to weights',
            'initial weights',
            ('fan_in', 'fan_out'),
            'init.scheme',
            before=('key', 'shape'),
        ),
        Slot(
            'optimiser',
            'a function (learning_rate) to an optax chain',
            'optimiser',
            ('learning_rate',),
            'optim.name',
        ),
        Slot(
            'schedule',
            'a function (time, peak) to a learning rate',
            'learning rate',
            ('time', 'peak'),
            'schedule.name',
        ),
        Slot(
            'loss',
            'a function (outputs, targets) to a loss for each example',
            'loss',
            ('logits', 'targets'),
            'loss.name',
            acting={'targets': 'classes', 'metrics': ()},
        ),
        Slot(
            'metric',
            'a function (outputs, targets) to a number, of all examples of a split',
            'metric',
            ('outputs', 'targets'),
            'train.metrics',
            several=True,
            acting={'better': ''},  # which epoch is kept, where it chooses
        ),
        Slot(
            'augment',
            'a function (key, images) to images',
            'augmentation',
            ('key', 'images'),
            acting={'mixes': False},
        ),
        Slot(
            'transform',
            'a function (gradients, weights) to gradients',
            'gradients and weights',
            ('gradients', 'weights'),
            acting={'on': 'gradients'},
        ),
        Slot(
            'tweak',
            'a function (key, x, train) to an array like x',
            'own tweak',
            ('key', 'x', 'train'),
            acting={'where': ''},
        ),
        Slot(
            'study',
            'a function (setting, seed), or of data as well, to numbers and curves by name',
            'other',
            ('setting', 'seed'),
            'study.name',
            none='training',
            short=True,
        ),
    )
}
