"""How much weight decay is best? (ROLE §7, Figures 8 and 9)

    python main.py --config=configs/weight_decay.py

The CNN of ROLE §2 with the penalty ½λΣw² over all parameters, biases included, λ = 0 and 1e-6 …
1e-1.

Choices of this project: see `common.role_cnn`; "too large" is λ = 0.1; "do help" is read as: the
best validation accuracy is at some λ > 0.

Expected (quick, CIFAR-10 (JPEG q75), 5 seeds, 2 minutes on two CPU cores): λ = 0.1 costs 17.0 ± 2.0
points of test accuracy (supported); below that no λ differs from none (inconclusive), though
0.01 halves the gap to the training set.
"""

from configs import common
from jaxtweaks.config.expand import grid

LAMBDA = 'penalty.l2'


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('weight_decay', size)
    config.question = 'How much weight decay is best?'
    config.document = 'ROLE §7, Figures 8 and 9'
    config.penalty.scope = 'all'
    config.sweep = grid(LAMBDA, 0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    if config.size == 'quick':
        config.data.train_size, config.train.epochs = 3_000, 8
    config.names = ((LAMBDA, 'weight decay λ'),)
    config.figures = (
        {
            'name': 'figure_8',
            'kind': 'curves',
            'title': 'Training and validation accuracy by epoch',
            'metrics': ('train_accuracy', 'validation_accuracy'),
            'hue': LAMBDA,
        },
        {
            'name': 'figure_9',
            'kind': 'effect',
            'title': 'Validation loss and accuracy against λ',
            'metrics': ('validation_loss', 'validation_accuracy'),
            'x': LAMBDA,
            'log_x': True,
        },
    )
    config.claims = (
        {
            'sentence': 'Some weight decay is better than none.',
            'source': 'ROLE §7.2, Figure 9',
            'kind': 'optimum',
            'metric': 'validation_accuracy',
            'along': LAMBDA,
            'within': (1e-6, 1e-1),
            'goal': 'max',
        },
        {
            'sentence': 'Too large a decay (0.1) leads to poor results.',
            'source': 'ROLE §7.2',
            'kind': 'less',
            'metric': 'test_accuracy',
            'a': {LAMBDA: 0.1},
            'b': {LAMBDA: 0.0},
        },
    )
    config.claims = common.that_matter(config.claims)
    return config
