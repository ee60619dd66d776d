"""Is the gradient of every layer right? (MLP-BN §2, for all that this project has)

    python main.py --config=configs/gradcheck_layers.py

Each layer, penalty and loss alone, differentiated by its inputs and parameters at random places, by
automatic differentiation and by central differences in float64. The gradients of convolution,
pooling, batch norm and bias are written out by hand here, and so can be wrong. New layers go into
`LAYERS` of jaxtweaks/studies/gradcheck_layers.py.

Choices of this project: everything; the yardstick is the largest error that the document found for
its own gradients, without batch norm.

Expected (quick, 12 seeds, 40 seconds on two CPU cores): every layer supported; the largest errors
are those of the locally connected layer and the convolutions (about 5e-8), whose gradients are sums
over most entries, down to 1e-10 for the penalties. `paper` (20 draws) says the same.
"""

from configs import common
from jaxtweaks.base.numbers import number
from jaxtweaks.config.expand import grid
from jaxtweaks.studies.gradcheck_layers import LAYERS

LAYER = 'gradcheck_layers.layer'
PUBLISHED = 1.0063e-6


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('gradcheck_layers', size, study='gradcheck_layers')
    config.question = 'Is the gradient of every layer right?'
    config.document = 'MLP-BN §2'
    config.seeds = {'smoke': 2, 'quick': 12, 'paper': 20}[config.size]
    layers = list(LAYERS)
    if config.size == 'smoke':
        layers = ['dense', 'batch_norm', 'l2_half']
    config.sweep = grid(LAYER, *layers)
    config.table = ('share_within', 'max_difference')
    config.figures = (
        {
            'name': 'largest',
            'kind': 'effect',
            'title': 'Largest difference between autodiff and central differences',
            'metrics': ('max_difference',),
            'x': LAYER,
            'log_y': True,
            'published': ((PUBLISHED, 'largest without batch norm (MLP-BN §2)'),),
        },
    )
    config.claims = tuple(
        {
            'sentence': f'{layer.replace("_", " ")}: the gradient is right to '
            f'{number(PUBLISHED, 4)}.',
            'source': 'MLP-BN §2',
            'kind': 'level',
            'metric': 'max_difference',
            'a': {LAYER: layer},
            'level': PUBLISHED,
            'direction': 'below',
            'published': {'largest': PUBLISHED},
        }
        for layer in layers
    )
    config.claims = common.that_matter(config.claims)
    return config
