"""Does clipping the gradient allow larger learning rates? (Pascanu et al. 2013; Zhang et al. 2020)

    python main.py --config=configs/classics/clipping.py

R. Pascanu, T. Mikolov, Y. Bengio, *On the difficulty of training recurrent neural networks* (2013),
arXiv 1211.5063, and J. Zhang, T. He, S. Sra, A. Jadbabaie, *Why gradient clipping accelerates
training: A theoretical justification for adaptivity* (2020), arXiv 1905.11881. SGD with momentum at
rates from 0.01 to 1, with the gradient as it is and with one of norm 1 at most.

What differs from the papers: recurrent networks and language models there, an MLP without batch
norm on a part of MNIST here (see `common.general_mlp`; three hidden layers). No figure of theirs is
of such a network; the claims are of direction.

Expected (quick, MNIST, about 2 minutes on two CPU cores; docs/results, 8 seeds by --until_settled):
1 of 4 claims supported, 1 contradicted, 2 open. Yes: At the largest rates (0.3 and more) clipping
improves the test accuracy (test accuracy, learning rate 0.3 or 1, clipped at 1 minus as it is:
+35.49 points, 97.5% interval +32.43 to +38.56 points, 5 seeds).
"""

from configs import common
from jaxtweaks.config.expand import grid, product

NORM, RATE = 'clip.norm', 'optim.learning_rate'
FREE, CLIPPED = {NORM: 0.0}, {NORM: 1.0}


def get_config(size=None):
    """See the module's docstring."""
    config = common.general_mlp('clipping', size)
    config.question = 'Does clipping the gradient allow larger learning rates?'
    config.document = 'Pascanu et al. 2013, arXiv 1211.5063'
    config.model.hidden = (*config.model.hidden, config.model.hidden[-1])
    common.at_least_eight_seeds(config)
    rates = (0.01, 0.3) if config.size == 'smoke' else (0.01, 0.03, 0.1, 0.3, 1.0)
    config.sweep = product(grid(NORM, 0.0, 1.0), grid(RATE, *rates))
    config.names = (
        (NORM, 'gradient'),
        (f'{NORM}=0.0', 'as it is'),
        (f'{NORM}=1.0', 'clipped at 1'),
        (RATE, 'learning rate'),
    )
    config.figures = (
        common.error_by_rate(NORM),
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Training accuracy by epoch',
            'metrics': ('train_accuracy',),
            'hue': RATE,
            'panels': NORM,
        },
    )
    large, small = {RATE: rates[-2:] if len(rates) > 2 else rates[-1]}, {RATE: rates[0]}
    config.claims = common.that_matter(
        (
            {
                'sentence': 'At the largest rates (0.3 and more) clipping improves the test '
                'accuracy.',
                'source': 'Zhang et al. 2020, §4',
                'kind': 'greater',
                'metric': 'test_accuracy',
                'a': CLIPPED | large,
                'b': FREE | large,
                'answers': True,
            },
            {
                'sentence': 'The larger the rate, the more clipping improves it.',
                'source': 'Zhang et al. 2020, §4',
                'kind': 'increasing',
                'metric': 'test_accuracy',
                'along': RATE,
                'a': CLIPPED,
                'b': FREE,
            },
            {
                'sentence': 'Fewer runs diverge with clipping.',
                'source': 'Pascanu et al. 2013, §3.2',
                'kind': 'less',
                'metric': 'diverged',
                'a': CLIPPED | large,
                'b': FREE | large,
            },
            {
                'sentence': 'At the smallest rate it changes nothing (within half a point).',
                'source': 'beyond the papers',
                'kind': 'equivalent',
                'metric': 'test_accuracy',
                'a': CLIPPED | small,
                'b': FREE | small,
                'margin': 0.005,
            },
        )
    )
    return config
