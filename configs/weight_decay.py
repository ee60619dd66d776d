"""How much weight decay is best? (ROLE §7, Figures 8 and 9)

    python main.py --config=configs/weight_decay.py

The CNN of ROLE §2 with the penalty ½λΣw² over all parameters, biases included, λ = 0 and 1e-6 …
1e-1.

"Weight decay do help generalize the network" is asked of the gap between training and validation
accuracy, which falls as λ grows if overfitting is what the penalty is against, up to λ = 0.01, and
of validation loss and accuracy (Figure 9): whether the best of them is at some λ > 0. "The weights
tend to vanish" is asked of their norm, and of the share of weights that are as good as 0.

Choices of this project: see `common.role_cnn`; "too large" is λ = 0.1; as good as 0 is a weight
below 0.001 in size, where Glorot's standard deviations are 0.03 and more. `quick` has 3,000 images
and 8 epochs.

Expected (quick, about 2 minutes on two CPU cores; docs/results, 5 to 8 seeds by --until_settled): 4
of 6 claims supported, 2 open. Not settled: Some weight decay is better than none: in validation
loss (weight decay λ with the lowest validation loss: 0.01, 8 seeds); 2 of 3 claims that answer the
question are open, supported so far: Too large a decay (0.1) leads to poor results (test accuracy,
weight decay λ 0.1 minus weight decay λ 0: −16.73 points, 97.5% interval −19.82 to −13.64 points, 5
seeds).
"""

from configs import common
from jaxtweaks.config.expand import grid

LAMBDA = 'penalty.l2'
WEIGHTS = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
TOO_LARGE = WEIGHTS[-1]


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('weight_decay', size)
    config.question = 'How much weight decay is best?'
    config.document = 'ROLE §7, Figures 8 and 9'
    config.penalty.scope = 'all'
    config.sweep = grid(LAMBDA, *WEIGHTS)
    if config.size == 'quick':
        config.data.train_size, config.train.epochs = 3_000, 8
    config.names = ((LAMBDA, 'weight decay λ'),)
    config.figures = _figures()
    poor = {'a': {LAMBDA: TOO_LARGE}, 'b': {LAMBDA: 0.0}}
    config.claims = _claims(poor)
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(config.claims, 'Some weight decay', 'Too large a decay')
    return config


def _figures():
    """What is drawn."""
    return (
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
        {
            'name': 'generalisation',
            'kind': 'effect',
            'title': 'Generalisation gap and norm of the weights against λ',
            'metrics': ('gap_accuracy', 'weight_norm', 'small_weights'),
            'x': LAMBDA,
            'log_x': True,
        },
    )


def _claims(poor):
    """What is claimed."""
    return (
        {
            'sentence': 'Weight decay helps generalise: the larger λ (up to 0.01), the smaller the '
            'generalisation gap.',
            'source': 'ROLE §7.2, Figure 8',
            'kind': 'decreasing',
            'metric': 'gap_accuracy',
            'along': LAMBDA,
            'where': {LAMBDA: WEIGHTS[:-1]},
        },
        *(
            {
                'sentence': f'Some weight decay is better than none: in {words}.',
                'source': 'ROLE §7.2, Figure 9',
                'kind': 'optimum',
                'metric': metric,
                'along': LAMBDA,
                'within': (WEIGHTS[1], TOO_LARGE),
                'goal': goal,
            }
            for words, metric, goal in (
                ('validation loss', 'validation_loss', 'min'),
                ('validation accuracy', 'validation_accuracy', 'max'),
            )
        ),
        {
            'sentence': 'Too large a decay (0.1) leads to poor results.',
            'source': 'ROLE §7.2',
            'kind': 'less',
            'metric': 'test_accuracy',
            **poor,
        },
        {
            'sentence': 'With too large a decay (0.1) the weights tend to vanish: their norm is '
            'lower than without.',
            'source': 'ROLE §7.2',
            'kind': 'less',
            'metric': 'weight_norm',
            **poor,
        },
        {
            'sentence': 'With too large a decay (0.1) most weights are below 0.001 in size.',
            'source': 'ROLE §7.2 (the weights tend to vanish)',
            'kind': 'level',
            'metric': 'small_weights',
            'a': poor['a'],
            'level': 0.5,
            'direction': 'above',
        },
    )
