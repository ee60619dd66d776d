"""Does batch norm regularise more when the batches are larger? (ROLE §5.3, Figure 4)

    python main.py --config=configs/bn_batchsize.py

The CNN of ROLE §2 with batch norm before each ReLU, and without it as a control, at batch sizes
8 … 256. The document concludes that "with a larger batch size, regularization effect is more
evident"; the usual theory, that the noise of small batches is what regularises, says the opposite.
So the generalisation gap (training − validation accuracy) and the test accuracy are both tested,
with and without the control subtracted.

Choices of this project: see `common.role_cnn`; batch norm before the ReLU; the same learning rate
at every batch size.

Expected (quick, CIFAR-10 (JPEG q75), 5 seeds, 2.5 minutes on two CPU cores): test accuracy falls
with the batch size (contradicted, −6.0 points from 8 to 256: at equal epochs a larger batch takes
fewer steps). Batch norm widens the gap, and more so the larger the batch (contradicted, by 6.2
points); what it adds to test accuracy grows by 3.2 points, and that the gap narrows with the batch
is no sooner settled (both inconclusive).
"""

from configs import common
from jaxtweaks.config.expand import grid, product


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('bn_batchsize', size)
    config.question = 'Does batch norm regularise more when the batches are larger?'
    config.document = 'ROLE §5.3, Figure 4'
    sizes = {'smoke': (8, 64), 'quick': (8, 32, 128, 256), 'paper': (8, 16, 32, 64, 128, 256)}
    if config.size == 'quick':
        config.data.train_size, config.train.epochs = 2_000, 5
    config.sweep = product(
        grid('train.batch_size', *sizes[config.size]), grid('model.norm', 'batch', 'none')
    )
    config.names = (('train.batch_size', 'batch size'), *common.BATCH_NORM_WORDS)
    with_bn, without = {'model.norm': 'batch'}, {'model.norm': 'none'}
    along = {'along': 'train.batch_size', 'at': 'last_epoch'}
    config.figures = (
        {
            'name': 'accuracy_by_epoch',
            'kind': 'curves',
            'title': 'Validation accuracy by epoch',
            'metrics': ('validation_accuracy',),
            'hue': 'train.batch_size',
            'panels': 'model.norm',
        },
        {
            'name': 'loss_by_epoch',
            'kind': 'curves',
            'title': 'Validation loss by epoch',
            'metrics': ('validation_loss',),
            'hue': 'train.batch_size',
            'panels': 'model.norm',
        },
        {
            'name': 'by_batch_size',
            'kind': 'effect',
            'title': 'Test accuracy, test loss and generalisation gap against batch size',
            'metrics': ('test_accuracy', 'test_loss', 'gap_accuracy'),
            'x': 'train.batch_size',
            'hue': 'model.norm',
            'log_x': True,
        },
    )
    config.claims = (
        {
            'sentence': 'With batch norm, a larger batch size narrows the generalisation gap.',
            'source': 'ROLE §5.3',
            'kind': 'decreasing',
            'metric': 'gap_accuracy',
            'where': with_bn,
            **along,
        },
        {
            'sentence': 'The larger the batch, the more batch norm narrows the generalisation gap '
            '(with minus without).',
            'source': 'ROLE §5.3',
            'kind': 'decreasing',
            'metric': 'gap_accuracy',
            'a': with_bn,
            'b': without,
            **along,
        },
        {
            'sentence': 'With batch norm, a larger batch size improves test accuracy.',
            'source': 'ROLE §5.3',
            'kind': 'increasing',
            'metric': 'test_accuracy',
            'where': with_bn,
            'along': 'train.batch_size',
        },
        {
            'sentence': 'The larger the batch, the more batch norm improves test accuracy (with '
            'minus without).',
            'source': 'ROLE §5.3',
            'kind': 'increasing',
            'metric': 'test_accuracy',
            'a': with_bn,
            'b': without,
            'along': 'train.batch_size',
        },
    )
    config.claims = common.that_matter(config.claims)
    return config
