"""Does the test error peak where the network can just fit the data? (GENERAL, double descent)

    python main.py --config=configs/double_descent.py

One hidden layer of growing width on MNIST, a fifth of whose training labels are wrong. The lecture
puts the peak where the effective complexity equals the number of training images; for K classes
that is about where parameters = images × K (Belkin et al. 2019), the threshold here.

Choices of this project: data, network and 20% wrong labels (Nakkiran et al. 2020); Adam at 1e-3,
batch 100, He initialisation, no regularisation; "just fit" is read as within a factor of 2 of the
threshold's width, and the peak is looked for from a quarter of that width on: below it the error
falls as any network's does. The test loss is drawn too; the lecture speaks of the error.

Expected (quick, MNIST, 5 seeds, 7 minutes on two CPU cores): no peak. The test error falls from 42%
at a quarter of the threshold to 31% at half of it, stands still to three quarters (31.4%), and
falls to 16% at twenty times the threshold: the peak and its place are contradicted, the last claim
is supported. The test loss does peak there (1.32, 1.55, 1.48, 1.26 at a half to one and a half).
Expected (paper, 10 seeds, the last 4 in 17 minutes): the test error has a small bump at a quarter
of the threshold (33.8, 35.5, 32.2% with 8, 12 and 25 units) and falls from there to 15.9%: both
claims of a peak are contradicted, the last is supported. The test loss peaks at half of the
threshold, where the training error first comes near 0 (1.6, 2.3, 3.1, 1.9 at 8, 12, 25, 50 units).
"""

from configs import common
from jaxtweaks.config.expand import grid

WIDTH = 'model.width'
PIXELS, CLASSES = 28 * 28, 10
SHARES = (0.04, 0.08, 0.16, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 10.0, 20.0)


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
    config.train.train_eval_size = images
    if config.size == 'quick':
        config.data.validation_size, config.data.test_size = 1_000, 5_000
        config.train.epochs = 200
    elif config.size == 'paper':
        config.seeds = 10  # the wide networks' errors are spread widely
    else:
        common.smoke(config)
    threshold = images * CLASSES / parameters(1)
    shares = (0.25, 1.0, 20.0) if config.size == 'smoke' else SHARES
    widths = {share: max(1, round(share * threshold)) for share in shares}
    config.sweep = grid(WIDTH, *dict.fromkeys(widths.values()))
    config.names = ((WIDTH, f'hidden units ({parameters(1) - CLASSES} parameters each)'),)
    just = widths[1.0]
    near = [width for share, width in widths.items() if 0.5 <= share <= 2]
    late = tuple(width for share, width in widths.items() if share >= 0.25)
    config.figures = (
        {
            'name': 'error',
            'kind': 'effect',
            'title': 'Training and test error against the size of the network',
            'caption': f'Parameters equal images × classes at {threshold:.0f} hidden units.',
            'metrics': ('1-train_accuracy', '1-test_accuracy'),
            'x': WIDTH,
            'log_x': True,
        },
        {
            'name': 'loss',
            'kind': 'effect',
            'title': 'Training and test loss against the size of the network',
            'caption': f'Parameters equal images × classes at {threshold:.0f} hidden units.',
            'metrics': ('train_loss', 'test_loss'),
            'x': WIDTH,
            'log_x': True,
            'log_y': True,
        },
    )
    error = {'metric': '1-test_accuracy', 'source': 'GENERAL, double descent'}
    along = {'along': WIDTH, 'where': {WIDTH: late}, 'goal': 'max'}
    config.claims = (
        {
            'sentence': 'From a quarter of the threshold on, the test error rises to a peak and '
            'falls again.',
            'kind': 'peak',
            **along,
            **error,
        },
        {
            'sentence': 'The peak lies where the network can just fit the data (within a factor of '
            '2).',
            'kind': 'optimum',
            'within': (near[0], near[-1]),
            **along,
            **error,
        },
        {
            'sentence': 'The largest network has a lower test error than the one at the threshold.',
            'kind': 'less',
            'a': {WIDTH: late[-1]},
            'b': {WIDTH: just},
            **error,
        },
    )
    config.claims = common.that_matter(config.claims)
    return config
