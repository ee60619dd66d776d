"""Do bfloat16 or TF32 products change what a network learns?

    python main.py --config=benchmarks/precision.py

The CNN of ROLE §2, without batch norm and with it, in every precision that the device has. The
margin is half a point of test accuracy: less than any effect that the configs are after. Seeds are
paired: only the precision differs. What it found is in docs/performance.md.
"""

from configs import common
from jaxtweaks.config.expand import grid, product
from jaxtweaks.config.settings import PRECISIONS
from jaxtweaks.train import precision

PRECISION, NORM = 'train.precision', 'model.norm'


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('precision', size)
    config.question = 'Do fewer bits change what a network learns?'
    here = [name for name in PRECISIONS if not precision.unavailable(name)]
    fewer = [name for name in here if name != 'float32']
    config.seeds = {'smoke': 2, 'quick': 10, 'paper': 10}[config.size]
    config.sweep = product(grid(NORM, 'none', 'batch'), grid(PRECISION, 'float32', *fewer))
    config.names = ((PRECISION, 'precision'), *common.BATCH_NORM_WORDS)
    config.table = ('test_accuracy', 'test_loss', 'train_loss')
    config.figures = (
        {
            'name': 'loss_by_epoch',
            'kind': 'curves',
            'title': 'Validation loss by epoch in each precision',
            'metrics': ('validation_loss',),
            'hue': PRECISION,
            'panels': NORM,
        },
    )
    config.claims = tuple(
        {
            'sentence': f'{bits} gives the test accuracy of float32 within half a point {words}.',
            'source': 'this project',
            'kind': 'equivalent',
            'metric': 'test_accuracy',
            'a': {PRECISION: bits, NORM: norm},
            'b': {PRECISION: 'float32', NORM: norm},
            'margin': 0.005,
        }
        for bits in fewer
        for norm, words in (('none', 'without batch norm'), ('batch', 'with batch norm'))
    )
    return config
