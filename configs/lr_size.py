"""How large may a constant learning rate be, and how small? (ROLE §4.2, Figure 2)

    python main.py --config=configs/lr_size.py

The CNN of ROLE §2 with constant learning rates 1e-7 … 1e-1. Beyond the document: whether the
largest are too large.

Choices of this project: see `common.role_cnn`; "does not train" is read as a test accuracy within 5
percentage points of chance, 10%; "larger" rates are 1e-4 and 1e-3, "far more accurate" is by more
than 10 points; the edge is looked for between 1e-3, 1e-2 and 1e-1.

Expected (quick, CIFAR-10 (JPEG q75), 5 seeds, 3 minutes on two CPU cores): 9.5 ± 1.2% at 1e-7, 36.8
± 1.4% at 1e-4, 47.7 ± 1.1% at 1e-3, 10.0 ± 0.4% at 0.1, and at 0.01 two of five seeds do not train
(25 ± 17%); that 0.1 is worse still is inconclusive, all other claims are supported. No run
diverges.
"""

from configs import common
from jaxtweaks.config.expand import grid

RATE = 'optim.learning_rate'


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('lr_size', size)
    config.question = 'How large may a constant learning rate be, and how small?'
    config.document = 'ROLE §4.2, Figure 2'
    rates = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    config.sweep = grid(RATE, *rates)
    config.names = ((RATE, 'learning rate'),)
    config.figures = (
        {
            'name': 'figure_2',
            'kind': 'curves',
            'title': 'Validation accuracy by epoch for each learning rate',
            'metrics': ('validation_accuracy',),
            'hue': RATE,
        },
        {
            'name': 'by_rate',
            'kind': 'effect',
            'title': 'Test accuracy against the learning rate',
            'metrics': ('test_accuracy',),
            'x': RATE,
            'log_x': True,
        },
    )
    config.claims = (
        {
            'sentence': 'A learning rate of 1e-7 does not train the network (accuracy within 5 '
            'points of chance).',
            'source': 'ROLE §4.2, Figure 2',
            'kind': 'level',
            'metric': 'test_accuracy',
            'a': {RATE: 1e-7},
            'level': 0.1,
            'direction': 'equal',
            'margin': 0.05,
        },
        *(
            {
                'sentence': f'A larger learning rate ({words}) is far more accurate than 1e-7 (by '
                'over 10 points).',
                'source': 'ROLE §4.2, Figure 2',
                'kind': 'greater',
                'metric': 'test_accuracy',
                'a': {RATE: rate},
                'b': {RATE: 1e-7},
                'margin': 0.1,
            }
            for words, rate in (('1e-4', 1e-4), ('1e-3', 1e-3))
        ),
        *(
            {
                'sentence': f'A learning rate of {words} is too large: less accurate than a tenth '
                'of it.',
                'source': 'beyond the document',
                'kind': 'less',
                'metric': 'test_accuracy',
                'a': {RATE: rate},
                'b': {RATE: rate / 10},
            }
            for words, rate in (('1e-2', 1e-2), ('1e-1', 1e-1))
        ),
        {
            'sentence': 'The accuracy peaks inside the range: too large a rate is worse again.',
            'source': 'beyond the document',
            'kind': 'peak',
            'metric': 'validation_accuracy',
            'along': RATE,
            'goal': 'max',
        },
    )
    config.claims = common.that_matter(config.claims)
    return config
