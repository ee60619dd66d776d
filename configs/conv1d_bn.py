"""Does batch norm speed up the training of a convolutional network for signals? (DEEPREG)

    python main.py --config=configs/conv1d_bn.py

The lecture's ConvNet: convolutions in one dimension of 80 × 251, 60 × 5 and 60 × 3, each with batch
norm, ReLU and a max-pool, then dense layers of 400 and the classes; with batch norm and without, at
three learning rates. The lecture says that batch norm "speeds up and stabilizes training", and that
without it lower rates are needed. "Speeds up" is asked of the mean of the training loss over
epochs, which is lower where one curve lies below another, not of whole epochs until a level.

Choices of this project: the signals (the lecture does not name its own): 40 generated sources, each
known by three frequencies, at noise as strong as the signal (jaxtweaks/data/waveforms.py), where
the lecture's network distinguishes 462; 8,000 of them (`quick`: 4,000) for 20 (12) epochs; Adam at
1e-4, 1e-3 and 1e-2; batch size 64; Glorot uniform weights. "Speeds up" is asked where both networks
learn, at 1e-4 and 1e-3.

Expected (quick, about 2 minutes on two CPU cores; docs/results, 5 to 12 seeds by --until_settled):
3 of 4 claims supported, 1 contradicted. Yes: Batch norm speeds up training: a lower training loss,
mean over epochs (learning rate 1e-4; training loss, mean over epochs, with BN minus without BN:
−0.1906, 99% interval −0.2458 to −0.1354, 5 seeds); 1 further claim holds as well.
"""

from configs import common
from jaxtweaks.config.expand import grid, product

BN, RATE = 'model.norm', 'optim.learning_rate'


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('conv1d_bn', size)
    config.question = (
        'Does batch norm speed up the training of a convolutional network for signals?'
    )
    config.document = 'DEEPREG, ConvNet with batch normalization'
    config.data.name, config.data.standardise = 'waveforms', 'channel'
    config.model.name = 'convnet1d'
    config.init.scheme, config.init.distribution = 'glorot', 'uniform'
    config.train.batch_size = 64
    sizes = {'smoke': (200, 100, 1), 'quick': (4_000, 1_000, 12), 'paper': (8_000, 2_000, 20)}
    train, test, config.train.epochs = sizes[config.size]
    config.data.train_size, config.data.validation_size, config.data.test_size = train, test, test
    config.train.train_eval_size = test
    if config.size == 'smoke':
        config.execution.batching = 'map'
    rates = (1e-3, 1e-2) if config.size == 'smoke' else (1e-4, 1e-3, 1e-2)
    config.sweep = product(grid(BN, 'batch', 'none'), grid(RATE, *rates))
    config.names = (*common.BATCH_NORM_WORDS, (RATE, 'learning rate'))
    with_bn, without = {BN: 'batch'}, {BN: 'none'}
    by_epoch = {'kind': 'curves', 'hue': BN, 'panels': RATE}
    config.figures = _figures(by_epoch)
    config.claims = _claims(rates, with_bn, without)
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(config.claims, 'Batch norm speeds up training')
    return config


def _figures(by_epoch):
    """What is drawn."""
    return (
        {
            'name': 'training_loss',
            'title': 'Training loss by epoch',
            'metrics': ('train_loss',),
            **by_epoch,
        },
        {
            'name': 'validation_accuracy',
            'title': 'Validation accuracy by epoch',
            'metrics': ('validation_accuracy',),
            **by_epoch,
        },
        {
            'name': 'by_rate',
            'kind': 'effect',
            'title': 'Test accuracy against the learning rate',
            'metrics': ('test_accuracy',),
            'x': RATE,
            'hue': BN,
            'log_x': True,
        },
    )


def _claims(rates, with_bn, without):
    """What is claimed."""
    return (
        *(
            {
                'sentence': 'Batch norm speeds up training: a lower training loss, mean over '
                f'epochs (learning rate {words}).',
                'source': 'DEEPREG, Batch normalization',
                'kind': 'less',
                'metric': 'train_loss',
                'at': 'mean_epoch',
                'where': {RATE: rate},
                'a': with_bn,
                'b': without,
            }
            for words, rate in (('1e-4', 1e-4), ('1e-3', 1e-3))
            if rate in rates
        ),
        {
            'sentence': 'At ten times the learning rate (1e-2), batch norm raises test accuracy.',
            'source': 'DEEPREG, Batch normalization (lower rates are needed without it)',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'where': {RATE: 1e-2},
            'a': with_bn,
            'b': without,
        },
        {
            'sentence': 'Batch norm raises test accuracy (learning rate 1e-3).',
            'source': 'beyond the document',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'where': {RATE: 1e-3},
            'a': with_bn,
            'b': without,
        },
    )
