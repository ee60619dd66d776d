"""Which scaled initialisation is best? (ROLE §6.2, Figure 7)

    python main.py --config=configs/init_scaled.py

The CNN of ROLE §2 with LeCun (σ² = 1/N), Glorot (2/(N_in + N_out)) and He (2/N) weights, normal and
uniform, next to plain random weights with σ = 0.05, the middle of the document's good range.

Choices of this project: see `common.role_cnn`; Figure 7 does not say what it draws: training loss
by epoch here, as Figure 6; "a little bit the same" is read as a difference below 0.05 in the
training loss.

Expected (quick, CIFAR-10 (JPEG q75), 5 seeds, 2 minutes on two CPU cores): each scaled variance
trains better than σ = 0.05 (supported); He reaches the lowest training loss, 0.22 below Glorot and
0.18 below LeCun, so that "Glorot and He are the same" and "LeCun is better than He" are
contradicted; that LeCun is better than Glorot (by 0.04) is inconclusive. Test accuracy is the other
way round: LeCun 48.3%, Glorot 47.7%, He 45.8%, σ = 0.05 44.4%.
"""

from configs import common
from jaxtweaks.config.expand import grid, product

SCHEME, DISTRIBUTION = 'init.scheme', 'init.distribution'
SCALED = {'lecun': 'LeCun', 'glorot': 'Glorot', 'he': 'He'}


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('init_scaled', size)
    config.question = 'Which scaled initialisation is best?'
    config.document = 'ROLE §6.2, Figure 7'
    config.sweep = product(grid(SCHEME, *SCALED, 'sigma'), grid(DISTRIBUTION, 'normal', 'uniform'))
    if config.size == 'quick':
        config.train.epochs = 6
    config.names = (
        (SCHEME, 'scheme'),
        (DISTRIBUTION, 'distribution'),
        *((f'{SCHEME}={scheme}', words) for scheme, words in SCALED.items()),
        (f'{SCHEME}=sigma', 'σ = 0.05'),
    )
    config.figures = (
        {
            'name': 'figure_7',
            'kind': 'curves',
            'title': 'Training loss by epoch',
            'metrics': ('train_loss',),
            'hue': SCHEME,
            'panels': DISTRIBUTION,
        },
        {
            'name': 'by_scheme',
            'kind': 'effect',
            'title': 'Training loss and test accuracy at the end',
            'metrics': ('train_loss', 'test_accuracy'),
            'x': SCHEME,
            'hue': DISTRIBUTION,
        },
    )
    loss = {'metric': 'train_loss', 'source': 'ROLE §6.2, Figure 7'}
    config.claims = (
        *(
            {
                'sentence': f'Scaled variance trains better than plain random weights ({words}).',
                'kind': 'less',
                'a': {SCHEME: scheme},
                'b': {SCHEME: 'sigma'},
                **loss,
            }
            for scheme, words in SCALED.items()
        ),
        *(
            {
                'sentence': f'LeCun trains better than {SCALED[scheme]}.',
                'kind': 'less',
                'a': {SCHEME: 'lecun'},
                'b': {SCHEME: scheme},
                **loss,
            }
            for scheme in ('glorot', 'he')
        ),
        {
            'sentence': 'Glorot and He give a little bit the same results.',
            'kind': 'equivalent',
            'a': {SCHEME: 'glorot'},
            'b': {SCHEME: 'he'},
            'margin': 0.05,
            **loss,
        },
    )
    config.claims = common.that_matter(config.claims)
    return config
