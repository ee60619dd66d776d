"""Which probability of keeping a unit is best? (ROLE §3, Figure 1)

    python main.py --config=configs/dropout_rate.py

The CNN of ROLE §2 with dropout on its hidden dense layer, keeping each unit with probability
p = 0.1 … 1.0. The settings hold the rate 1 − p; figures and claims speak of p, as the document
does. Its training loss is taken to be what Keras prints: the mean over the epoch's batches, with
dropout on.

Choices of this project: see `common.role_cnn`; inverted dropout (the document's vanilla form has
the same expectations, `dropout.form` chooses); "near p = 0.4" is read as 0.3 … 0.5.

Expected (quick, CIFAR-10 (JPEG q75), 5 seeds, 4 minutes on two CPU cores): the training loss falls
as p rises, and the accuracy peaks between the ends (both supported); the validation loss is lowest
at p = 0.7 (0.5 to 0.9 over resampled seeds), and flat from 0.4 on: that its minimum is near 0.4,
and that it rises from there, is inconclusive.
"""

from configs import common
from jaxtweaks.config.expand import grid

KEEP = '1-dropout.hidden'


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('dropout_rate', size)
    config.question = 'Which probability of keeping a unit is best?'
    config.document = 'ROLE §3, Figure 1'
    tenths = (2, 4, 7, 10) if config.size == 'smoke' else range(1, 11)
    config.sweep = grid('dropout.hidden', *((10 - tenth) / 10 for tenth in tenths))
    if config.size == 'quick':
        config.train.epochs = 6
    config.names = ((KEEP, 'probability of keeping a unit'),)
    config.figures = (
        {
            'name': 'figure_1a',
            'kind': 'effect',
            'title': 'Training and validation loss against the probability of keeping a unit',
            'metrics': ('running_loss', 'validation_loss'),
            'x': KEEP,
        },
        {
            'name': 'figure_1b',
            'kind': 'effect',
            'title': 'Test accuracy against the probability of keeping a unit',
            'metrics': ('test_accuracy',),
            'x': KEEP,
        },
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Training and validation loss by epoch',
            'metrics': ('running_loss', 'validation_loss'),
            'hue': KEEP,
        },
    )
    config.claims = (
        {
            'sentence': 'The more likely a neuron is present, the lower the train loss gets.',
            'source': 'ROLE §3.3, Figure 1a',
            'kind': 'decreasing',
            'metric': 'running_loss',
            'along': KEEP,
        },
        {
            'sentence': 'The validation loss has its minimum near p = 0.4.',
            'source': 'ROLE §3.3, Figure 1a',
            'kind': 'optimum',
            'metric': 'validation_loss',
            'along': KEEP,
            'within': (0.3, 0.5),
            'goal': 'min',
        },
        {
            'sentence': 'From p = 0.4 on, the validation loss rises.',
            'source': 'ROLE §3.3, Figure 1a',
            'kind': 'increasing',
            'metric': 'validation_loss',
            'along': KEEP,
            'where': {KEEP: tuple(tenth / 10 for tenth in tenths if tenth >= 4)},
        },
        {
            'sentence': 'The accuracy climbs to a peak, then drops again.',
            'source': 'ROLE §3.3, Figure 1b',
            'kind': 'peak',
            'metric': 'test_accuracy',
            'along': KEEP,
            'goal': 'max',
        },
    )
    config.claims = common.that_matter(config.claims)
    return config
