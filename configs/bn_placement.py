"""Does batch norm belong before or after the ReLU? (DEEPREG, batch normalisation)

    python main.py --config=configs/bn_placement.py

The lecture says that experiments are generally in favour of after. The CNN of ROLE §2, since the
lecture names no network, with batch norm before each ReLU, after it, and without.

Choices of this project: the network and all of `common.role_cnn`.

Expected (quick, CIFAR-10 (JPEG q75), 5 seeds, 5 minutes on two CPU cores used by others too):
contradicted: test accuracy 45.9 ± 2.6% after the ReLU, 47.9 ± 1.7% before it, 47.7 ± 1.2% without
batch norm.
"""

from configs import common
from jaxtweaks.config.expand import points

NORM, PLACE = 'model.norm', 'model.norm_place'
BN = f'{NORM} + {PLACE}'


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('bn_placement', size)
    config.question = 'Does batch norm belong before or after the ReLU?'
    config.document = 'DEEPREG, batch normalisation'
    if config.size == 'quick':
        config.train.epochs = 8
    before, after = {NORM: 'batch', PLACE: 'before'}, {NORM: 'batch', PLACE: 'after'}
    config.sweep = points(before, after, {NORM: 'none', PLACE: 'before'})
    config.names = (
        (BN, 'batch norm'),
        (f'{BN}={("batch", "before")}', 'before ReLU'),
        (f'{BN}={("batch", "after")}', 'after ReLU'),
        (f'{BN}={("none", "before")}', 'none'),
    )
    config.figures = (
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Training and validation loss by epoch',
            'metrics': ('running_loss', 'validation_loss'),
            'hue': BN,
        },
        {
            'name': 'test_accuracy',
            'kind': 'effect',
            'title': 'Test accuracy',
            'metrics': ('test_accuracy',),
            'x': BN,
        },
    )
    config.claims = (
        {
            'sentence': 'Batch norm after the ReLU is more accurate than before it.',
            'source': 'DEEPREG, batch normalisation',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'a': after,
            'b': before,
        },
    )
    config.claims = common.that_matter(config.claims)
    return config
