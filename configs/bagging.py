"""Does bagging beat one network trained on all the data? (GENERAL, bagging)

    python main.py --config=configs/bagging.py

Networks trained on bootstrap samples of the training set vote, next to as many networks trained on
the whole of it that differ in nothing but their random numbers. The document (after Breiman 1996)
compares with a single classifier trained on the combined data.

Choices of this project: the CNN of ROLE §2 (see `common.role_cnn`); 8 networks. `quick` has
3,000 images.

Expected (quick, CIFAR-10 (JPEG q75), 5 seeds, 5 minutes on two CPU cores): eight bagged networks
that vote are 4.0 ± 0.7 points more accurate than one on all the data (supported), and 1.6 ± 1.7
less than eight on all the data (inconclusive): it is the averaging that helps, not the bootstrap.
"""

from configs import common
from jaxtweaks.config.expand import grid, product

MEMBER, BOOTSTRAP = 'train.member', 'data.bootstrap'
SIZE, COMBINE = 'ensemble.size', 'ensemble.combine'


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('bagging', size)
    config.question = 'Does bagging beat one network trained on all the data?'
    config.document = 'GENERAL, bagging'
    config.train.keep_logits = True
    members = 8
    if config.size == 'quick':
        config.data.train_size = 3_000
    elif config.size == 'smoke':
        members = 2
    config.sweep = product(grid(BOOTSTRAP, 0.0, 1.0), grid(MEMBER, *range(members)))
    config.derive = ('ensemble',)
    config.names = (
        (BOOTSTRAP, 'data of each network'),
        (f'{BOOTSTRAP}=0.0', 'the whole training set'),
        (f'{BOOTSTRAP}=1.0', 'bootstrap samples'),
        (SIZE, 'networks'),
        (COMBINE, 'combined by'),
    )
    config.table = ('test_accuracy', 'test_loss')
    config.figures = (
        {
            'name': 'bagging',
            'kind': 'effect',
            'title': 'Test accuracy against the number of networks',
            'metrics': ('test_accuracy',),
            'x': SIZE,
            'hue': BOOTSTRAP,
            'panels': COMBINE,
        },
    )
    vote = {COMBINE: 'votes'}
    config.claims = (
        {
            'sentence': f'{members} bagged networks that vote beat one trained on all the data.',
            'source': 'GENERAL, bagging',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'where': vote,
            'a': {BOOTSTRAP: 1.0, SIZE: members},
            'b': {BOOTSTRAP: 0.0, SIZE: 1},
        },
        {
            'sentence': f'Bagging beats {members} networks that all see the whole training set.',
            'source': 'beyond the document',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'where': vote,
            'a': {BOOTSTRAP: 1.0, SIZE: members},
            'b': {BOOTSTRAP: 0.0, SIZE: members},
        },
    )
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(config.claims, f'{members} bagged networks')
    return config
