"""How large may a constant learning rate be, and how small? (ROLE §4.2, Figure 2)

    python main.py --config=configs/lr_size.py

The CNN of ROLE §2 with constant learning rates 1e-7 … 1e-1, by plain SGD, which is the optimiser
that the document speaks of, and by Adam, which all other experiments with this network have. Beyond
the document: whether the largest rates are too large.

Figure 2 is lost from the text; accuracy is drawn by epoch and by rate. The document could not show
"to a large extent the overfitting effect produced by small learning rates", so the gap between
training and validation accuracy is drawn and asked of too.

Choices of this project: see `common.role_cnn`; "does not train" is read as a test accuracy within 5
percentage points of chance, 10%; "large" rates are those in common use, 1e-2 and 1e-1 for SGD and
1e-4 and 1e-3 for Adam; "far more accurate" is by more than 10 points; the edge of Adam is looked
for between 1e-3, 1e-2 and 1e-1. `quick` has no 1e-6, and 4 epochs.

Expected (quick, about 4 minutes on two CPU cores; docs/results, 5 to 12 seeds by --until_settled):
13 of 13 claims supported. As claimed: SGD: a learning rate of 1e-7 does not train the network
(accuracy within 5 points of chance; test accuracy, SGD, learning rate 1e−7: 10.41%, 98.7% interval
8.13% to 12.69%, 12 seeds); 3 further claims hold as well.
"""

from configs import common
from jaxtweaks.config.expand import grid, product

RATE, OPTIMISER = 'optim.learning_rate', 'optim.name'
SMALL = 1e-7
LARGE = {'sgd': (1e-2, 1e-1), 'adam': (1e-4, 1e-3)}
WORDS = {'sgd': 'SGD', 'adam': 'Adam'}


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('lr_size', size)
    config.question = 'How large may a constant learning rate be, and how small?'
    config.document = 'ROLE §4.2, Figure 2'
    rates = (SMALL, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    if config.size != 'paper':
        rates = tuple(rate for rate in rates if rate != 1e-6)
    if config.size == 'quick':
        config.train.epochs = 4
    config.sweep = product(grid(OPTIMISER, *LARGE), grid(RATE, *rates))
    config.names = (
        (RATE, 'learning rate'),
        (OPTIMISER, 'optimiser'),
        *((f'{OPTIMISER}={name}', words) for name, words in WORDS.items()),
    )
    config.figures = (
        {
            'name': 'figure_2',
            'kind': 'curves',
            'title': 'Validation accuracy by epoch for each learning rate',
            'metrics': ('validation_accuracy',),
            'hue': RATE,
            'panels': OPTIMISER,
        },
        {
            'name': 'by_rate',
            'kind': 'effect',
            'title': 'Test accuracy and generalisation gap against the learning rate',
            'metrics': ('test_accuracy', 'gap_accuracy'),
            'x': RATE,
            'hue': OPTIMISER,
            'log_x': True,
        },
    )
    config.claims = (
        *(claim for optimiser in LARGE for claim in _of_document(optimiser, rates)),
        *_beyond(),
    )
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(
        config.claims,
        *(
            f'{words}: {what}'
            for words in WORDS.values()
            for what in ('a learning rate of 1e-7', 'the larger the learning rate')
        ),
    )
    return config


def _of_document(optimiser, rates):
    """What ROLE says of small and large rates, of one optimiser."""
    large, words = LARGE[optimiser], WORDS[optimiser]
    source = 'ROLE §4.2, Figure 2' if optimiser == 'sgd' else 'ROLE §4.2, Figure 2 (read with Adam)'
    mine = {OPTIMISER: optimiser}
    yield {
        'sentence': f'{words}: a learning rate of 1e-7 does not train the network (accuracy within '
        '5 points of chance).',
        'source': source,
        'kind': 'level',
        'metric': 'test_accuracy',
        'a': mine | {RATE: SMALL},
        'level': 0.1,
        'direction': 'equal',
        'margin': 0.05,
    }
    for rate in large:
        yield {
            'sentence': f'{words}: a large learning rate ({rate:g}) is far more accurate than 1e-7 '
            '(by over 10 points).',
            'source': source,
            'kind': 'greater',
            'metric': 'test_accuracy',
            'a': mine | {RATE: rate},
            'b': mine | {RATE: SMALL},
            'margin': 0.1,
        }
    yield {
        'sentence': f'{words}: the larger the learning rate (up to {large[-1]:g}), the more '
        'accurate.',
        'source': source,
        'kind': 'increasing',
        'metric': 'test_accuracy',
        'along': RATE,
        'where': mine | {RATE: tuple(rate for rate in rates if rate <= large[-1])},
    }
    yield {
        'sentence': f'{words}: a rate of 1e-7 shows no overfitting: a smaller gap than with '
        f'{large[-1]:g}.',
        'source': f'{source}: overfitting by small rates could not be illustrated (a network that '
        'is hardly trained has no gap, so it can hardly fail)',
        'kind': 'less',
        'metric': 'gap_accuracy',
        'a': mine | {RATE: SMALL},
        'b': mine | {RATE: large[-1]},
    }


def _beyond():
    """Whether a rate of Adam can be too large."""
    mine = {OPTIMISER: 'adam'}
    for words, rate in (('1e-2', 1e-2), ('1e-1', 1e-1)):
        yield {
            'sentence': f'Adam: a learning rate of {words} is too large: less accurate than a '
            'tenth of it.',
            'source': 'beyond the document',
            'kind': 'less',
            'metric': 'test_accuracy',
            'a': mine | {RATE: rate},
            'b': mine | {RATE: rate / 10},
        }
    yield {
        'sentence': 'Adam: the accuracy peaks inside the range: too large a rate is worse again.',
        'source': 'beyond the document',
        'kind': 'peak',
        'metric': 'validation_accuracy',
        'along': RATE,
        'where': mine,
        'goal': 'max',
    }
