"""Do smaller batches generalise better? (GENERAL, implicit regularisation)

    python main.py --config=configs/sgd_noise.py

Plain SGD with batches from 8 images to the whole training set, twice: for the same number of
epochs, so that large batches take few steps; and for the same number of steps, so that they see
the images more often. Where training ends, the gradients of batches of 100 training images are
compared: the lecture says that SGD settles where the batches agree.

Choices of this project: 2,048 images of MNIST (`quick`: 1,024), one hidden layer of 512 (128)
units, He initialisation, constant rate 0.1 without momentum for every batch size, 60 epochs; what
agrees is measured by the variance of the gradient over batches, summed over the parameters. With
equal epochs the largest batch takes so few steps that it has not settled yet; where batches agree
is better asked of equal steps.

Expected (quick, MNIST, 5 seeds, 3 minutes on two CPU cores): all supported. From batches of 8 to
1,024 images the test accuracy falls by 3.4 points with equal epochs and by 1.7 with equal steps,
and the variance of the gradients grows.

Expected (paper, 6 seeds, 1.8 hours on cores used by others too): the same four supported. From 8 to
2,048 images the test accuracy falls from 93.6 ± 0.2 to 90.5 ± 0.1% with equal epochs and to 92.5 ±
0.1% with equal steps, where every batch size ends without a training error.
"""

from configs import common
from jaxtweaks.config.expand import grid, product, union, zipped

BATCH, EPOCHS = 'train.batch_size', 'train.epochs'
# The epochs for equal steps, of the smallest batch; those for equal epochs must not be among their
# multiples, by which the two halves of the sweep are told apart.
STEPS_EPOCHS = 8


def get_config(size=None):
    """See the module's docstring."""
    config = common.general_mlp('sgd_noise', size)
    config.question = 'Do smaller batches generalise better?'
    config.document = 'GENERAL, implicit regularisation'
    images, batches, epochs = {
        'smoke': (256, (32, 256), 3),
        'quick': (1_024, (8, 32, 128, 1_024), 60),
        'paper': (2_048, (8, 32, 128, 512, 2_048), 60),
    }[config.size]
    config.data.train_size, config.train.train_eval_size = images, images
    config.model.hidden = {'smoke': (16,), 'quick': (128,), 'paper': (512,)}[config.size]
    config.optim.name, config.optim.learning_rate = 'sgd', 0.1
    config.train.gradient_batches = max(2, images // 100)
    more = tuple(STEPS_EPOCHS * batch // batches[0] for batch in batches)
    config.sweep = union(
        product(grid(EPOCHS, epochs), grid(BATCH, *batches)),
        zipped(grid(EPOCHS, *more), grid(BATCH, *batches)),
    )
    config.names = ((BATCH, 'batch size'), (EPOCHS, 'epochs'))
    halves = (
        ('epochs', f'equal epochs ({epochs})', {EPOCHS: epochs}),
        ('steps', f'equal steps ({STEPS_EPOCHS * images // batches[0]:,})', {EPOCHS: more}),
    )
    config.table = (
        'test_accuracy', 'test_loss', 'train_loss', 'gap_accuracy', 'gradient_variance',
        'gradient_norm',
    )  # fmt: skip
    config.figures = tuple(
        figure
        for name, words, where in halves
        for figure in (
            {
                'name': f'error_{name}',
                'kind': 'effect',
                'title': f'Training and test error against the batch size, {words}',
                'metrics': ('1-train_accuracy', '1-test_accuracy', 'gap_accuracy'),
                'x': BATCH,
                'where': where,
                'log_x': True,
            },
            {
                'name': f'gradients_{name}',
                'kind': 'effect',
                'title': f'Disagreement of the batches where training ends, {words}',
                'metrics': ('gradient_variance', 'gradient_norm'),
                'x': BATCH,
                'where': where,
                'log_x': True,
                'log_y': True,
            },
        )
    )
    config.claims = tuple(
        claim
        for _, words, where in halves
        for claim in (
            {
                'sentence': f'Smaller batches generalise better, {words}.',
                'source': 'GENERAL, implicit regularisation',
                'kind': 'decreasing',
                'metric': 'test_accuracy',
                'along': BATCH,
                'where': where,
            },
            {
                'sentence': f'Smaller batches settle where the batches agree, {words}.',
                'source': 'GENERAL, implicit regularisation',
                'kind': 'increasing',
                'metric': 'gradient_variance',
                'along': BATCH,
                'where': where,
            },
        )
    )
    config.claims = common.that_matter(config.claims)
    return config
