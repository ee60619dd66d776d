"""Do smaller batches generalise better? (GENERAL, implicit regularisation)

    python main.py --config=configs/sgd_noise.py

Plain SGD with batches from 8 images to the whole training set, twice: for the same number of
epochs, so that large batches take few steps; and for the same number of steps, so that they see
the images more often. The claims are of equal steps, but for one: with equal epochs the largest
batch takes so few steps that it has not settled yet, and what it is compared in is training.

Where training ends, the gradients of batches of 100 training images are compared: the lecture says
that SGD settles where "the batch variance is small" and "all the batches agree on the slope", and
where all the data are fitted well and not some extremely well and others less. Both are measured as
they stand, by the variance of the gradient and by the standard deviation of the loss over training
images; and, because all gradients and losses are small where the training loss is, divided by the
square of the mean gradient's norm and by the mean loss.

Choices of this project: 2,048 images of MNIST (`quick`: 1,024), one hidden layer of 512 (128)
units, He initialisation, constant rate 0.1 without momentum for every batch size, 60 epochs; the
variance of the gradient over batches is summed over the parameters.

Expected (quick, MNIST, 3 minutes on two CPU cores; docs/results, 5 seeds by --until_settled): 6 of
7 claims supported, 1 contradicted. Yes: SGD (every batch size but the largest) generalises better
than gradient descent, equal steps (test accuracy, batch size 8 or 32 or 128 minus batch size 1024:
+0.90 points, 96% interval +0.59 to +1.20 points, 5 seeds); 1 further claim holds as well.

Expected (paper, 6 seeds, 1.8 hours on cores used by others too): the same. From 8 to 2,048 images
the test accuracy falls from 93.6 ± 0.2 to 90.5 ± 0.1% with equal epochs and to 92.5 ± 0.1% with
equal steps, where every batch size ends without a training error.
"""

from configs import common
from jaxtweaks.config.expand import grid, product, union, zipped

BATCH, EPOCHS = 'train.batch_size', 'train.epochs'
# The epochs for equal steps, of the smallest batch; those for equal epochs must not be among their
# multiples, by which the two halves of the sweep are distinguished.
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
    config.train.metrics = ('loss_deviation', 'loss_variation')
    config.derive = ('disagreement',)
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
        'gradient_norm', 'gradient_disagreement', 'train_loss_deviation', 'train_loss_variation',
    )  # fmt: skip
    config.figures = tuple(
        figure
        for name, words, where in halves
        for figure in (
            {
                'name': f'error_{name}',
                'kind': 'effect',
                'title': f'Training and test error, and their gap, against the batch size, {words}',
                'metrics': ('1-train_accuracy', '1-test_accuracy', 'gap_accuracy'),
                'x': BATCH,
                'where': where,
                'log_x': True,
            },
            {
                'name': f'gradients_{name}',
                'kind': 'effect',
                'title': f'Disagreement of the batches where training ends, {words}',
                'metrics': ('gradient_variance', 'gradient_disagreement'),
                'x': BATCH,
                'where': where,
                'log_x': True,
                'log_y': True,
            },
            {
                'name': f'examples_{name}',
                'kind': 'effect',
                'title': f'Spread of the training loss over images, {words}',
                'metrics': ('train_loss_deviation', 'train_loss_variation'),
                'x': BATCH,
                'where': where,
                'log_x': True,
                'log_y': True,
            },
        )
    )
    config.claims = common.that_matter(_claims(batches, *(where for _, _, where in halves)))
    config.claims = common.that_answer(
        config.claims, 'SGD', 'Smaller batches generalise better, equal steps'
    )
    return config


def _claims(batches, equal_epochs, equal_steps):
    """On the generalisation of smaller batches, and on where they settle."""
    document = {'source': 'GENERAL, implicit regularisation', 'where': equal_steps}
    along = {**document, 'along': BATCH}
    return (
        {
            **document,
            'sentence': 'SGD (every batch size but the largest) generalises better than gradient '
            'descent, equal steps.',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'a': {BATCH: batches[:-1]},
            'b': {BATCH: batches[-1]},
        },
        {
            **along,
            'sentence': 'Smaller batches generalise better, equal steps.',
            'kind': 'decreasing',
            'metric': 'test_accuracy',
        },
        {
            **along,
            'sentence': 'Smaller batches generalise better, equal epochs (and more steps).',
            'kind': 'decreasing',
            'metric': 'test_accuracy',
            'where': equal_epochs,
        },
        *(
            {
                **along,
                'sentence': f'Smaller batches settle where {words}, equal steps.',
                'kind': 'increasing',
                'metric': metric,
            }
            for metric, words in (
                ('gradient_variance', 'the batches agree: their gradients vary less'),
                (
                    'gradient_disagreement',
                    'the batches agree on the slope: their gradients vary less around their mean, '
                    'for its size',
                ),
                ('train_loss_deviation', 'all the data fit well: losses differ less'),
                (
                    'train_loss_variation',
                    'all the data fit alike: losses differ less, for their mean',
                ),
            )
        ),
    )
