"""Does the test error peak where the network can just fit the data? (GENERAL, double descent)

    python main.py --config=configs/double_descent.py

One hidden layer of growing width on MNIST, a fifth of whose training labels are wrong. The lecture
puts the peak where the effective model complexity equals the number of training images. That
complexity is how many images the training can fit (Nakkiran et al. 2020), so the threshold is
measured: of each seed the least width whose training error is 0, and widths are compared by their
share of it. Another reading is the width at which parameters = images × classes (Belkin et al.
2019); it is claimed apart. The test loss is drawn too; the lecture speaks of the error. That more
capacity allows smoother functions is measured by how steeply the probabilities of the classes
change with the inputs, the mean norm of their Jacobian on validation images.

Choices of this project: data, network and 20% wrong labels (Nakkiran et al. 2020); Adam at 1e-3,
batch 100, He initialisation, no regularisation; half an octave from width to width, an octave above
128; a training error of at most 0.1% counts as 0; "where" is read as within a factor of 2 of the
threshold, and the peak is looked for from a quarter of it on: below it the error falls as any
network's does.

Expected (quick, MNIST, about 5 minutes on two CPU cores; docs/results, 5 seeds by --until_settled):
2 of 5 claims supported, 3 open. Not settled: From a quarter of the width that just fits the data
on, the test error rises to a peak and falls again (test error, how much the clearest point between
the ends [at share of the width that just fits 0.35] is above the end that it beats least clearly
[at share of the width that just fits 0.25]: −2.61 points, 96% interval −9.14 to +3.92 points, 5
seeds); 2 of 2 claims that answer the question are open. With 10 seeds at `paper` (older) the error
had a small bump below the threshold (33.8, 35.5, 32.2% with 8, 12 and 25 units).
"""

from configs import common
from jaxtweaks.config.expand import grid

WIDTH, SHARE = 'model.width', 'aligned.share'
PIXELS, CLASSES = 28 * 28, 10
# Half an octave apart near the threshold, wherever it is.
WIDTHS = (2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 90, 128, 256, 512)
SHARES = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0, 8.0)


def parameters(width):
    """Of a network with one hidden layer, biases included."""
    return (PIXELS + 1) * width + (width + 1) * CLASSES


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('double_descent', size)
    config.question = 'Does the test error peak where the network can just fit the data?'
    config.document = 'GENERAL, double descent'
    images = {'smoke': 512, 'quick': 2_000, 'paper': 4_000}[config.size]
    config.data.name, config.data.label_noise = 'mnist', 0.2
    config.data.train_size, config.data.validation_size = images, 5_000
    config.model.name, config.model.hidden = 'mlp', (1,)
    config.train.batch_size, config.train.epochs = 100, 500
    config.train.train_eval_size, config.train.sensitivity = images, True
    if config.size == 'quick':
        config.data.validation_size, config.data.test_size = 1_000, 5_000
        config.train.epochs = 200
    elif config.size == 'paper':
        config.seeds = 10  # the wide networks' errors are spread widely
    else:
        common.smoke(config)
        config.train.epochs = 8
    widths, shares = (*WIDTHS, 1024) if config.size == 'paper' else WIDTHS, SHARES
    if config.size == 'smoke':
        widths, shares = (2, 4, 8, 32, 128), (0.25, 1.0, 4.0)
    config.sweep = grid(WIDTH, *widths)
    config.derive = ('aligned',)
    config.aligned.along, config.aligned.shares = WIDTH, shares
    # 0.1%, and room for rounding. At `smoke`, which trains for a few epochs, half is enough.
    config.aligned.level = 0.5 if config.size == 'smoke' else 0.0011
    config.names = (
        (WIDTH, f'hidden units ({parameters(1) - CLASSES} parameters each)'),
        (SHARE, 'share of the width that just fits'),
    )
    config.table = (
        '1-train_accuracy', '1-test_accuracy', 'test_loss', 'sensitivity', 'threshold',
    )  # fmt: skip
    threshold = images * CLASSES / parameters(1)
    config.figures = _figures(shares, threshold)
    config.claims = common.that_matter(_claims(widths, shares, threshold))
    config.claims = common.that_answer(
        config.claims, 'From a quarter', 'The peak lies where the network'
    )
    return config


def _figures(shares, threshold):
    """What is drawn; `threshold`: at how many units there are as many parameters as equations."""
    given = {SHARE: 0.0}
    return (
        {
            'name': 'aligned',
            'kind': 'effect',
            'title': 'Training and test error against the width, as a share of what just fits',
            'metrics': ('1-train_accuracy', '1-test_accuracy'),
            'x': SHARE,
            'where': {SHARE: shares},
            'log_x': True,
        },
        {
            'name': 'smoothness',
            'kind': 'effect',
            'title': 'How steep the outputs are, against the width as a share of what just fits',
            'metrics': ('sensitivity',),
            'x': SHARE,
            'where': {SHARE: shares},
            'log_x': True,
            'log_y': True,
        },
        {
            'name': 'error',
            'kind': 'effect',
            'title': 'Training and test error against the size of the network',
            'caption': f'Parameters equal images × classes at {threshold:.0f} hidden units.',
            'metrics': ('1-train_accuracy', '1-test_accuracy'),
            'x': WIDTH,
            'where': given,
            'log_x': True,
        },
        {
            'name': 'loss',
            'kind': 'effect',
            'title': 'Training and test loss against the size of the network',
            'caption': f'Parameters equal images × classes at {threshold:.0f} hidden units.',
            'metrics': ('train_loss', 'test_loss'),
            'x': WIDTH,
            'where': given,
            'log_x': True,
            'log_y': True,
        },
    )


def _claims(widths, shares, threshold):
    """On the peak, by either threshold; `threshold`: where parameters = images × classes."""
    error = {'metric': '1-test_accuracy', 'source': 'GENERAL, double descent'}
    along = {'along': SHARE, 'where': {SHARE: shares}, 'goal': 'max'}
    late = tuple(width for width in widths if width >= threshold / 4)
    return (
        {
            'sentence': 'From a quarter of the width that just fits the data on, the test error '
            'rises to a peak and falls again.',
            'kind': 'peak',
            **along,
            **error,
        },
        {
            'sentence': 'The peak lies where the network can just fit the data (within a factor of '
            '2).',
            'kind': 'optimum',
            'within': (0.5, 2.0),
            **along,
            **error,
        },
        {
            'sentence': f'A network {shares[-1]:g} times as wide as one that just fits the data '
            'has a lower test error.',
            'kind': 'less',
            'a': {SHARE: shares[-1]},
            'b': {SHARE: 1.0},
            **error,
        },
        {
            'sentence': 'More capacity than just fits the data gives smoother functions: the '
            'wider, the less steep.',
            'kind': 'decreasing',
            'along': SHARE,
            'where': {SHARE: tuple(share for share in shares if share >= 1)},
            **error,
            'metric': 'sensitivity',
        },
        {
            'sentence': 'The peak lies where parameters = images × classes (within a factor of 2).',
            'kind': 'optimum',
            'along': WIDTH,
            'where': {SHARE: 0.0, WIDTH: late},
            'within': (threshold / 2, threshold * 2),
            'goal': 'max',
            **error,
            'source': 'beyond the document (Belkin et al. 2019)',
        },
    )
