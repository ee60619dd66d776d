"""Are the classes equally frequent in every set of images? (MLP-BN §1, Figure 1)

    python main.py --config=configs/label_shares.py

The labels of 45,000 training, 5,000 validation and 10,000 test images of CIFAR-10, counted: "the
distribution in training validation and test is approximately uniform".

Choices of this project: "approximately" is within 1 percentage point of the 10% of each class; the
validation images are held out at random. (All other experiments keep the shares of the classes,
which makes the claim true by construction.) The figure itself is that of `clr_mlp3`, too.

Expected (quick, CIFAR-10, 10 seconds; `paper` is the same): 9.9 to 10.1% of the training images in
a class, 9.1 to 10.8% of the validation images, 10.0% of the test images; all claims supported.
"""

from configs import common
from jaxtweaks.config.expand import grid

SPLIT = 'label_shares.split'


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('label_shares', size, study='label_shares')
    config.question = 'Are the classes equally frequent in every set of images?'
    config.document = 'MLP-BN §1, Figure 1'
    config.data.train_size, config.data.validation_size = 45_000, 5_000
    config.data.split = 'random'
    config.seeds = 1
    if config.size == 'smoke':
        config.data.name = 'digits'
        config.data.train_size, config.data.validation_size = 512, 128
        config.data.test_size = 128
    config.sweep = grid(SPLIT, 'training', 'validation', 'test')
    config.names = ((SPLIT, 'images'),)
    config.table = ('smallest_share', 'largest_share', 'imbalance')
    config.figures = (
        {'name': 'figure_1', 'kind': 'labels', 'title': 'Labels by split'},
        {
            'name': 'shares',
            'kind': 'effect',
            'title': 'Share of the smallest and of the largest class',
            'metrics': ('smallest_share', 'largest_share'),
            'x': SPLIT,
        },
    )
    config.claims = tuple(
        {
            'sentence': f'The classes of the {split} images are equally frequent (within 1 '
            'percentage point).',
            'source': 'MLP-BN §1, Figure 1',
            'kind': 'level',
            'metric': 'imbalance',
            'a': {SPLIT: split},
            'level': 0.01,
            'direction': 'below',
        }
        for split in ('training', 'validation', 'test')
    )
    return config
