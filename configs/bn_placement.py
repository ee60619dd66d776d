"""Does batch norm belong after the ReLU? (DEEPREG, batch normalisation)

    python main.py --config=configs/bn_placement.py

The lecture says that "experiments are generally in favor of" after, and that activations behind the
nonlinearity "benefit more from batch normalization". The CNN of ROLE §2, since the lecture names no
network, with batch norm after each ReLU, before it, and without. It is compared by the network of
the epoch with the lowest validation loss, by the mean of the test accuracy over epochs, and by how
fast it trains.

Choices of this project: the network and all of `common.role_cnn`; `quick` has 8 epochs.

Expected (quick, about 5 minutes on two CPU cores; docs/results, 5 to 12 seeds by --until_settled):
0 of 3 claims supported, 3 contradicted. No, this is contradicted: Batch norm after the ReLU is more
accurate than before it (test accuracy, BN after ReLU minus BN before ReLU: −1.96 points, 99%
interval −3.53 to −0.39 points, 8 seeds).
"""

from configs import common
from jaxtweaks.config.expand import points

BN = common.BN_AND_PLACE


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('bn_placement', size)
    config.question = 'Does batch norm belong after the ReLU?'
    config.document = 'DEEPREG, batch normalisation'
    if config.size == 'quick':
        config.train.epochs = 8
    config.train.test_curve = True
    config.train.select = 'best_loss'
    before, after, none = (common.BATCH_NORM[arm] for arm in ('before', 'after', 'none'))
    config.sweep = points(before, after, none)
    config.names = common.BATCH_NORM_PLACES
    config.figures = (
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Training and validation loss and test accuracy by epoch',
            'metrics': ('running_loss', 'validation_loss', 'test_accuracy'),
            'hue': BN,
        },
        {
            'name': 'test_accuracy',
            'kind': 'effect',
            'title': 'Test accuracy in the epoch chosen on validation',
            'metrics': ('test_accuracy',),
            'x': BN,
        },
    )
    sides = {'source': 'DEEPREG, batch normalisation', 'a': after, 'b': before}
    config.claims = (
        {
            'sentence': 'Batch norm after the ReLU is more accurate than before it.',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'answers': True,
            **sides,
        },
        {
            'sentence': 'Batch norm after the ReLU is more accurate than before it, mean over '
            'epochs.',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'at': 'mean_epoch',
            **sides,
        },
        {
            'sentence': 'Activations after the ReLU benefit more: a lower training loss, mean over '
            'epochs.',
            'kind': 'less',
            'metric': 'running_loss',
            'at': 'mean_epoch',
            **sides,
        },
    )
    config.claims = common.that_matter(config.claims)
    return config
