"""Does batch norm allow larger learning rates? (Bjorck et al. 2018)

    python main.py --config=configs/classics/largest_rate.py

J. Bjorck, C. Gomes, B. Selman, K. Q. Weinberger, *Understanding Batch Normalization* (2018), arXiv
1806.02375. With batch norm and without, at learning rates from 0.001 to 0.3.

What differs from the paper: a ResNet-110 on CIFAR-10 there, the CNN of ROLE §2 here, SGD with
momentum 0.9, 30 epochs at a constant rate (`quick`: a quarter of its channels, 2,000 images, 8
epochs). No figure of the paper is of such a network; the claims are of direction. "Allows larger
rates" is read as: the network with batch norm loses less than the one without by a rate of 0.1 in
place of 0.01. What does not train is counted by runs, since a mean over some that do and some that
do not is neither's: an accuracy within 5 points of chance, as networks of ReLUs that are thrown out
of reach predict one class for ever and need not diverge.

Expected (quick, CIFAR-10 (JPEG q75), about 5 minutes on two CPU cores; docs/results, 5 seeds by
--until_settled): 2 of 4 claims supported, 2 open. In part yes: Batch norm gains more at a rate of
0.1 than at 0.01 (test accuracy [with BN minus without BN], fitted change from learning rate 0.01 to
0.1: +28.07 points, 96% interval +23.77 to +32.37 points, 5 seeds); 1 of 2 claims that answer the
question is not settled.
"""

from configs import common
from jaxtweaks.config.expand import grid, product

NORM, RATE = 'model.norm', 'optim.learning_rate'
WITH, WITHOUT = {NORM: 'batch'}, {NORM: 'none'}


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('largest_rate', size)
    config.question = 'Does batch norm allow larger learning rates?'
    config.document = 'Bjorck et al. 2018, arXiv 1806.02375'
    config.optim.name = 'momentum'
    common.at_least_eight_seeds(config)
    rates = (0.01, 0.1) if config.size == 'smoke' else (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
    if config.size == 'quick':
        config.data.train_size, config.train.epochs = 2_000, 8
    elif config.size == 'paper':
        config.train.epochs = 30
    else:
        common.as_mlp(config)
    config.sweep = product(grid(NORM, 'batch', 'none'), grid(RATE, *rates))
    config.names = ((RATE, 'learning rate'), *common.BATCH_NORM_WORDS)
    config.figures = (
        common.error_by_rate(NORM),
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Training loss by epoch',
            'metrics': ('train_loss',),
            'hue': RATE,
            'panels': NORM,
        },
    )
    config.claims = _claims()
    return config


def _claims():
    """What is claimed."""
    large, both = {RATE: 0.1}, {RATE: (0.01, 0.1)}
    stuck = {'kind': 'share', 'metric': 'test_accuracy', 'level': 0.15, 'direction': 'below'}
    return common.that_matter(
        (
            {
                'sentence': 'At a rate of 0.1 the network with batch norm is more accurate.',
                'source': 'Bjorck et al. 2018, Figure 1',
                'kind': 'greater',
                'metric': 'test_accuracy',
                'a': WITH | large,
                'b': WITHOUT | large,
            },
            {
                'sentence': 'Batch norm gains more at a rate of 0.1 than at 0.01.',
                'source': 'Bjorck et al. 2018, §3',
                'kind': 'increasing',
                'metric': 'test_accuracy',
                'along': RATE,
                'where': both,
                'a': WITH,
                'b': WITHOUT,
                'answers': True,
            },
            {
                'sentence': 'The larger the rate, the more batch norm gains, at all rates.',
                'source': 'Bjorck et al. 2018, §3',
                'kind': 'increasing',
                'metric': 'test_accuracy',
                'along': RATE,
                'a': WITH,
                'b': WITHOUT,
            },
            {
                'sentence': 'At 0.1 more runs do not train without batch norm than with it (test '
                'accuracy below 15%).',
                'source': 'Bjorck et al. 2018, §3',
                'a': WITHOUT | large,
                'b': WITH | large,
                'answers': True,
                **stuck,
            },
        )
    )
