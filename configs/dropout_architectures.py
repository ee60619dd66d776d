"""Does dropout lower the test error of every architecture? (DEEPREG, dropout, Figure 4)

    python main.py --config=configs/dropout_architectures.py

MNIST with 2, 3 and 4 hidden layers of 1,024 and of 2,048 units, with dropout and without. The
figure is that of Srivastava et al. 2014, whose rates are taken: 0.2 on the input, 0.5 on every
hidden layer.

Choices of this project: Adam at 1e-3, batch 128, He initialisation. `quick` has layers of 512
units, half of the document's narrowest, as a rate of 0.5 leaves too few of a narrow layer, and
1,000 images in batches of 50 for 60 epochs, so that networks of this size overfit as the document's
do on all of MNIST. `paper` trains 30 epochs on 50,000 images, but on a CPU, which would take most
of a day for that, 20 epochs on 5,000: 800 steps, which are few for networks with dropout.

Expected (quick, about 4 minutes on two CPU cores; docs/results, 5 seeds): 2 of 3 claims supported,
1 open. Yes: Dropout lowers the test error of 2 hidden layers of 512 units (+1.18 points, 95%
interval +0.89 to +1.47 points, 5 seeds); 1 further claim holds as well, 1 of 3 not settled. `paper`
on a CPU (6 seeds, 50 minutes on two CPU cores): test errors of 4.4 to 5.5% with dropout and
without, the differences within 0.3 points and all inconclusive.
"""

from configs import common
from jaxtweaks.config.expand import grid, points, product

WIDTHS, INPUT, RATE = 'model.hidden', 'dropout.input', 'dropout.hidden'
LAYERS = (2, 3, 4)


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('dropout_architectures', size)
    config.question = 'Does dropout lower the test error of every architecture?'
    config.document = 'DEEPREG, dropout, Figure 4'
    units = {'smoke': (16,), 'quick': (512,), 'paper': (1024, 2048)}[config.size]
    config.data.name = 'mnist'
    config.data.train_size, config.data.validation_size = 50_000, 10_000
    config.model.name = 'mlp'
    config.train.batch_size, config.train.epochs = 128, 30
    config.train.test_curve = True
    if config.size == 'paper' and common.on_a_cpu():
        config.data.train_size, config.data.validation_size = 5_000, 2_500
        config.train.epochs = 20
    elif config.size == 'quick':
        config.data.train_size, config.data.validation_size = 1_000, 2_000
        config.data.test_size = 5_000
        config.train.batch_size, config.train.epochs = 50, 60
        config.train.train_eval_size = 500
    elif config.size == 'smoke':
        common.smoke(config)
    architectures = [(width,) * layers for width in units for layers in LAYERS]
    without, dropped = {INPUT: 0.0, RATE: 0.0}, {INPUT: 0.2, RATE: 0.5}
    config.sweep = product(grid(WIDTHS, *architectures), points(without, dropped))
    config.names = (
        (WIDTHS, 'hidden layers'),
        (RATE, 'dropout'),
        (f'{RATE}=0.0', 'without dropout'),
        (f'{RATE}=0.5', 'with dropout'),
        *((f'{WIDTHS}={each}', f'{len(each)} × {each[0]:,}') for each in architectures),
    )
    config.figures = (
        {
            'name': 'figure_4',
            'kind': 'curves',
            'title': 'Test error by epoch with and without dropout',
            'metrics': ('1-test_accuracy',),
            'hue': RATE,
            'panels': WIDTHS,
        },
        {
            'name': 'test_error',
            'kind': 'effect',
            'title': 'Test error of each architecture at the end',
            'metrics': ('1-test_accuracy',),
            'x': WIDTHS,
            'hue': RATE,
        },
    )
    config.claims = tuple(
        {
            'sentence': f'Dropout lowers the test error of {len(each)} hidden layers of '
            f'{each[0]:,} units.',
            'source': 'DEEPREG, dropout, Figure 4',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'where': {WIDTHS: (each,)},
            'a': {RATE: dropped[RATE]},
            'b': {RATE: without[RATE]},
        }
        for each in architectures
    )
    config.claims = common.that_matter(config.claims)
    return config
