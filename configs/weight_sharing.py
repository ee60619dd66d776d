"""Does sharing weights help to generalise? (GENERAL, weight sharing)

    python main.py --config=configs/weight_sharing.py

The CNN of ROLE §2; its locally connected twin, which has the same layers with a different kernel
at each place; and dense networks in which one layer takes the place of all convolutions, as wide
as gives the parameters of the CNN, or of the twin. The same training for all.

Choices of this project: what matched means (the twin in units, the dense networks in parameters);
the dense layers behind the convolutions are the same in all; see `common.role_cnn` for the rest;
an eighth of the channels and 2,000 training images at `quick`.

Expected (quick, CIFAR-10 (JPEG q75), 2 minutes on two CPU cores; docs/results, 5 seeds by
--until_settled): 2 of 3 claims supported, 1 contradicted. It depends: 2 of 3 claims hold, 1 does
not. What holds: Convolutions, which share their weights, reach a higher test accuracy than dense
layers with as many parameters (test accuracy, convolutional minus dense, as few parameters: +7.25
points, 99.4% interval +2.58 to +11.92 points, 5 seeds). What does not: Convolutions, which share
their weights, reach a higher test accuracy than a locally connected layer (test accuracy,
convolutional minus locally connected: −2.03 points, 99.4% interval −3.34 to −0.72 points, 5 seeds).
"""

import itertools

from configs import common
from jaxtweaks.config.expand import points

NET, HIDDEN = 'model.name', 'model.hidden'
WHICH = f'{NET} + {HIDDEN}'
CLASSES = 10


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('weight_sharing', size)
    config.question = 'Does sharing weights help to generalise?'
    config.document = 'GENERAL, inductive bias via architecture: weight sharing'
    if config.size == 'quick':
        # A locally connected layer has a kernel for each of up to a thousand places.
        config.data.train_size, config.train.epochs = 2_000, 8
        config.model.channels, config.model.hidden = (4, 8), (64,)
    shape = (8, 8, 1) if config.data.name == 'digits' else (32, 32, 3)
    channels, hidden = tuple(config.model.channels), tuple(config.model.hidden)
    dense = {
        name: (_width(parameters(shape, channels, hidden, shared), shape, hidden), *hidden)
        for name, shared in (('cnn', True), ('local', False))
    }
    networks = {
        'convolutional': ('cnn', hidden),
        'locally connected': ('local', hidden),
        'dense, as few parameters': ('mlp', dense['cnn']),
        'dense, as many parameters': ('mlp', dense['local']),
    }
    config.sweep = points(*({NET: net, HIDDEN: widths} for net, widths in networks.values()))
    config.names = (
        (WHICH, 'network'),
        *((f'{WHICH}={which}', words) for words, which in networks.items()),
    )
    config.table = ('parameters', 'train_accuracy', 'test_accuracy', '1-test_accuracy')
    config.figures = _figures()
    config.claims = common.that_matter(_claims(networks))
    return config


def _figures():
    return (
        {
            'name': 'test_error',
            'kind': 'effect',
            'title': 'Test error and generalisation gap',
            'metrics': ('1-test_accuracy', 'gap_accuracy'),
            'x': WHICH,
        },
        {
            'name': 'parameters',
            'kind': 'effect',
            'title': 'Numbers of parameters',
            'metrics': ('parameters',),
            'x': WHICH,
            'log_y': True,
        },
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Training and validation accuracy by epoch',
            'metrics': ('train_accuracy', 'validation_accuracy'),
            'hue': WHICH,
        },
    )


def _claims(networks):
    others = {
        'a locally connected layer': 'locally connected',
        'dense layers with as many parameters': 'dense, as few parameters',
        'dense layers with the parameters of the locally connected network': (
            'dense, as many parameters'
        ),
    }
    return tuple(
        {
            'sentence': f'Convolutions, which share their weights, reach a higher test accuracy '
            f'than {words}.',
            'source': 'GENERAL, weight sharing',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'a': {WHICH: (networks['convolutional'],)},
            'b': {WHICH: (networks[other],)},
        }
        for words, other in others.items()
    )


def parameters(shape, channels, hidden, shared):
    """Parameters of the CNN on images of `shape` (H, W, C), or of its twin without sharing."""
    height, width, before = shape
    count = 0
    for after in channels:
        for lost in (0, 2):  # SAME, VALID
            height, width = height - lost, width - lost
            places = 1 if shared else height * width
            count += places * (9 * before + 1) * after
            before = after
        height, width = height // 2, width // 2
    return count + _dense((height * width * before, *hidden, CLASSES))


def _dense(widths):
    return sum((a + 1) * b for a, b in itertools.pairwise(widths))


def _width(count, shape, hidden):
    """The width of a dense layer in front of `hidden` that comes nearest to `count` parameters."""
    inputs = shape[0] * shape[1] * shape[2]
    fixed = _dense((0, *hidden, CLASSES))
    return round((count - fixed) / (inputs + 1 + hidden[0]))
