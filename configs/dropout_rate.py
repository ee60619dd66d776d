"""Which probability of keeping a unit is best? (ROLE §3, Figure 1)

    python main.py --config=configs/dropout_rate.py

The CNN of ROLE §2 with dropout on its hidden dense layer, keeping each unit with probability p =
0.1 … 1.0. The document drops at "the fully connected output layer", which is read as what enters
it: among the ten class scores themselves p = 0.4 would lose the right one in most steps. The
settings hold the rate 1 − p; figures and claims speak of p, as the document does. Its training loss
is taken to be what Keras prints: the mean over the epoch's batches, with dropout on.

Choices of this project: see `common.role_cnn`; inverted dropout (the document's vanilla form has
the same expectations, `dropout.form` chooses); "near p = 0.4" is read as 0.3 … 0.5; "no dropout" is
p = 1. What p is best depends on how many units there are to drop, so the layer keeps its 512 units
at `quick`, which has fewer channels and 6 epochs.

Expected (quick, about 5 minutes on two CPU cores; docs/results, 5 to 12 seeds by --until_settled):
4 of 6 claims supported, 2 open. In part as claimed: Dropout with p = 0.4 decreases the validation
loss: lower than with every neuron kept (validation loss, probability of keeping a unit 0.4 minus
probability of keeping a unit 1: −0.1455, 96% interval −0.2012 to −0.08986, 5 seeds); 1 of 2 claims
that answer the question is not settled.
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
        config.model.hidden = (512,)
    config.names = ((KEEP, 'probability of keeping a unit'),)
    config.figures = _figures()
    config.claims = _claims(tenths)
    config.claims = common.that_matter(config.claims)
    smaller = {
        'quick': 'a quarter of the channels, an eighth of the training images',
        'smoke': 'a small network on digits',
    }
    config.published = (
        {
            'value': 0.4,
            'what': 'p with the least validation loss (of each seed)',
            'source': 'ROLE §3.3, Figure 1a',
            'metric': 'validation_loss',
            'along': KEEP,
            'goal': 'min',
            'differs': smaller.get(config.size, ''),
        },
    )
    return config


def _figures():
    """What is drawn."""
    return (
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
            'title': 'Test accuracy and gap against the probability of keeping a unit',
            'metrics': ('test_accuracy', 'gap_accuracy'),
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


def _claims(tenths):
    """What is claimed."""
    return (
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
            'answers': True,
        },
        {
            'sentence': 'Dropout with p = 0.4 decreases the validation loss: lower than with every '
            'neuron kept.',
            'source': 'ROLE §3.3 (significant decrease in validation loss)',
            'kind': 'less',
            'metric': 'validation_loss',
            'a': {KEEP: 0.4},
            'b': {KEEP: 1.0},
            'answers': True,
        },
        {
            'sentence': 'Dropout with p = 0.4 generalises better: a smaller gap than with every '
            'neuron kept.',
            'source': 'ROLE §3.3 (better robustness and generalisation)',
            'kind': 'less',
            'metric': 'gap_accuracy',
            'a': {KEEP: 0.4},
            'b': {KEEP: 1.0},
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
