"""Does batch norm help a 3-layer MLP trained with cyclical rates? (MLP-BN §4.1, Figures 1-5)

    python main.py --config=configs/clr_mlp3.py

Two hidden layers of 50 units, with batch norm before the ReLU and without. The document gives
53.11% test accuracy without and 53.64% with, one run each, and calls the difference not
noticeable; here that reads as less than 1 percentage point. The published figures are compared
only at the size `paper`: a network trained on less data is another one.

Choices of this project: see `common.mlp_bn`; the running averages keep 0.9 at each step; a
measured mean agrees with a published figure if it lies within 1 percentage point of it.

Expected (quick, CIFAR-10 (JPEG q75), 5 seeds, 1.5 minutes on two CPU cores): 49.56 ± 0.21% without,
49.13 ± 0.25% with; that the difference is below a percentage point is supported.
Expected (paper, CIFAR-10 (JPEG q75), 10 seeds, 2.5 minutes on two CPU cores): 52.92 ± 0.26%
without, 53.25 ± 0.17% with; all three claims supported.
"""

from configs import common
from jaxtweaks.config.expand import grid

PUBLISHED = {'none': 0.5311, 'batch': 0.5364}


def get_config(size=None):
    """See the module's docstring."""
    config = common.mlp_bn('clr_mlp3', size, hidden=(50, 50))
    config.question = 'Does batch norm help a 3-layer MLP trained with cyclical learning rates?'
    config.document = 'MLP-BN §4.1, Figures 1-5'
    config.sweep = grid('model.norm', 'none', 'batch')
    config.names = common.BATCH_NORM_WORDS
    published = ()
    if config.size == 'paper':
        published = tuple((bn, value, 'MLP-BN') for bn, value in PUBLISHED.items())
    config.figures = _figures(published)
    config.claims = common.that_matter(_claims(published))
    if not published:
        config.published = common.shown_only(_levels(), common.SMALLER[config.size])
    return config


def _figures(published):
    """What is drawn."""
    return (
        {
            'name': 'figures_2_3',
            'kind': 'curves',
            'title': 'Learning curves: loss',
            'metrics': ('train_loss', 'validation_loss'),
            'hue': 'model.norm',
        },
        {
            'name': 'figures_2_3_accuracy',
            'kind': 'curves',
            'title': 'Learning curves: accuracy',
            'metrics': ('train_accuracy', 'validation_accuracy'),
            'hue': 'model.norm',
        },
        {
            'name': 'figures_4_5',
            'kind': 'confusion',
            'title': 'Confusion matrices on the test set',
            'hue': 'model.norm',
            'published': published,
        },
        {
            'name': 'test_accuracy',
            'kind': 'effect',
            'title': 'Test accuracy and the published figures',
            'metrics': ('test_accuracy',),
            'x': 'model.norm',
            'published': published,
        },
        {'name': 'figure_1', 'kind': 'labels', 'title': 'Labels by split'},
    )


def _claims(published):
    """On the two accuracies, and on each published one."""
    return (
        {
            'sentence': 'Batch norm makes no noticeable difference to a 3-layer network (less '
            'than 1 percentage point).',
            'source': 'MLP-BN §4.2',
            'kind': 'equivalent',
            'metric': 'test_accuracy',
            'a': {'model.norm': 'batch'},
            'b': {'model.norm': 'none'},
            'answers': True,
            'answers_no': True,
            'margin': 0.01,
            'published': {'with': PUBLISHED['batch'], 'without': PUBLISHED['none']}
            if published
            else {},
        },
        *(_levels() if published else ()),
    )


def _levels():
    """Each published accuracy."""
    return (
        {
            'sentence': f'{words} batch norm the test accuracy is {PUBLISHED[bn]:.2%} (within '
            '1 percentage point).',
            'source': 'MLP-BN §4.1',
            'kind': 'published',
            'metric': 'test_accuracy',
            'a': {'model.norm': bn},
            'margin': 0.01,
            'published': {words.lower(): PUBLISHED[bn]},
        }
        for bn, words in (('none', 'Without'), ('batch', 'With'))
    )
