"""Does batch norm fail with small batches where group norm does not? (Wu and He 2018)

    python main.py --config=configs/classics/group_norm.py

Y. Wu, K. He, *Group Normalization* (2018), arXiv 1803.08494. Both norms at batch sizes from 2 to
32, with a learning rate in proportion to the batch size.

What differs from the paper: a ResNet-50 on ImageNet for 100 epochs there, with 32 groups and a
batch for each of eight GPUs; the CNN of ROLE §2 on CIFAR-10 here, without its hidden dense layer, 4
groups, momentum 0.9, rate 0.02 · batch/32, 30 epochs (`quick`: a quarter of its channels, 2,000
images, 8 epochs). Norms stand after convolutions alone, as in the paper: in a dense layer batch
norm makes ±1 of the two numbers of a unit in a batch of 2, whatever they are, and hardly a gradient
passes. The paper's figures are of ImageNet; of small images none were found, so that the claims are
of direction.

Expected (quick, CIFAR-10 (JPEG q75), about 6 minutes on two CPU cores; docs/results, 5 seeds by
--until_settled): 0 of 4 claims supported, 4 open. Not settled: At the smallest batch (2) group norm
tests better than batch norm (test error, batch size 2, group norm minus batch norm: +2.14 points,
96% interval −0.64 to +4.92 points, 5 seeds).
"""

from configs import common
from jaxtweaks.config.expand import grid, product, zipped

NORM, BATCH, RATE = 'model.norm', 'train.batch_size', 'optim.learning_rate'
BN, GN = {NORM: 'batch'}, {NORM: 'group'}


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('group_norm', size)
    config.question = 'Does batch norm fail with small batches where group norm does not?'
    config.document = 'Wu and He 2018, arXiv 1803.08494'
    config.optim.name = 'momentum'
    batches = {'smoke': (8, 32), 'quick': (2, 4, 8, 32), 'paper': (2, 4, 8, 16, 32)}[config.size]
    if config.size == 'quick':
        config.data.train_size, config.train.epochs = 2_000, 8
    elif config.size == 'paper':
        config.train.epochs = 30
    config.model.hidden = ()
    rates = [0.02 * batch / 32 for batch in batches]
    config.sweep = product(
        grid(NORM, 'batch', 'group'), zipped(grid(BATCH, *batches), grid(RATE, *rates))
    )
    config.names = (
        (NORM, 'norm'),
        (f'{NORM}=batch', 'batch norm'),
        (f'{NORM}=group', 'group norm'),
        (BATCH, 'batch size'),
    )
    config.figures = _figures()
    smallest, largest = {BATCH: batches[0]}, {BATCH: batches[-1]}
    config.claims = common.that_matter(
        (
            {
                'sentence': f'At the smallest batch ({batches[0]}) group norm tests better than '
                'batch norm.',
                'source': 'Wu and He 2018, Figure 1',
                'kind': 'less',
                'metric': '1-test_accuracy',
                'a': smallest | GN,
                'b': smallest | BN,
                'answers': True,
            },
            {
                'sentence': 'The smaller the batch, the more group norm gains over batch norm.',
                'source': 'Wu and He 2018, §4.1',
                'kind': 'decreasing',
                'metric': 'test_accuracy',
                'a': GN,
                'b': BN,
                'along': BATCH,
            },
            {
                'sentence': 'Batch norm tests worse at the smallest batch than at the largest.',
                'source': 'Wu and He 2018, Figure 1',
                'kind': 'less',
                'metric': 'test_accuracy',
                'a': smallest | BN,
                'b': largest | BN,
            },
            {
                'sentence': 'Group norm tests the same at both (within 2 points).',
                'source': 'Wu and He 2018, Figure 1',
                'kind': 'equivalent',
                'metric': 'test_accuracy',
                'a': smallest | GN,
                'b': largest | GN,
                'margin': 0.02,
            },
        )
    )
    return config


def _figures():
    """What is drawn."""
    return (
        {
            'name': 'by_batch_size',
            'kind': 'effect',
            'title': 'Test error against the batch size',
            'metrics': ('1-test_accuracy',),
            'x': BATCH,
            'hue': NORM,
            'log_x': True,
        },
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Validation accuracy by epoch, for each batch size',
            'metrics': ('validation_accuracy',),
            'hue': BATCH,
            'panels': NORM,
        },
    )
