"""What does batch norm change in a small CNN? (ROLE §5.3 and §5.4, Figures 3 and 5)

    python main.py --config=configs/bn_onoff.py

The CNN of ROLE §2 with batch norm before each ReLU, and without. As in the document's Figure 3 test
accuracy is followed by epoch; nothing is chosen by it.

Choices of this project: see `common.role_cnn`; batch norm before the ReLU. The training loss that
both reach is taken per seed: the worse of the two runs' best epochs.

Expected (quick, CIFAR-10 (JPEG q75), 5 seeds, 3 minutes on two CPU cores): batch norm reaches the
training loss 1.2 ± 1.2 epochs sooner; test accuracy is 54.3 ± 1.9% with and 54.2 ± 1.6% without:
all three claims are inconclusive.
"""

from configs import common
from jaxtweaks.config.expand import grid


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('bn_onoff', size)
    config.question = 'What does batch norm change in a small CNN?'
    config.document = 'ROLE §5.3-5.4, Figures 3 and 5'
    if config.size == 'quick':
        config.data.train_size = 10_000
        config.train.epochs = 8
    config.train.test_curve = True
    config.sweep = grid('model.norm', 'batch', 'none')
    config.names = common.BATCH_NORM_WORDS
    config.figures = (
        {
            'name': 'figure_3',
            'kind': 'curves',
            'title': 'Test accuracy and validation loss, with and without batch norm',
            'metrics': ('test_accuracy', 'validation_loss'),
            'hue': 'model.norm',
        },
        {
            'name': 'figure_5',
            'kind': 'curves',
            'title': 'Training loss, with and without batch norm',
            'metrics': ('running_loss',),
            'hue': 'model.norm',
        },
    )
    sides = {'a': {'model.norm': 'batch'}, 'b': {'model.norm': 'none'}}
    config.claims = (
        {
            'sentence': 'Batch norm raises test accuracy.',
            'source': 'ROLE §5.3, Figure 3',
            'kind': 'greater',
            'metric': 'test_accuracy',
            **sides,
        },
        {
            'sentence': 'Batch norm lowers validation loss.',
            'source': 'ROLE §5.3, Figure 3',
            'kind': 'less',
            'metric': 'validation_loss',
            'at': 'last_epoch',
            **sides,
        },
        {
            'sentence': 'Batch norm reaches a given training loss in fewer epochs.',
            'source': 'ROLE §5.4, Figure 5',
            'kind': 'sooner',
            'metric': 'running_loss',
            **sides,
        },
    )
    config.claims = common.that_matter(config.claims)
    return config
