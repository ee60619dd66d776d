"""What does dropout change on MNIST? (INITREG §III, Figures 12-14)

    python main.py --config=configs/dropout_mnist.py

A 784-800-800-10 network with weights N(0, 0.1) (0.1 is the variance), dropout in front of every
layer, the input's included, with drop probability 0, 0.2 and 0.5; AdamW at 3e-4.

The document does not say on how many images it trained; all of MNIST would reach far more than its
87% without dropout. TRAIN_SIZE is chosen to put the network without dropout near that (below);
`paper` runs all of MNIST too. Training loss and accuracy are taken to be what a training
loop prints: means over the epoch's batches, with dropout on.

Choices of this project: the number of images; standardisation by the one channel; 20 epochs of all
of MNIST; and those of `common.initreg_mnist`.

Expected (quick, MNIST, 5 seeds, 4 minutes on two CPU cores): seven of eight claims supported, that
p = 0.5 improves the validation loss inconclusive (its accuracy is 0.8 ± 0.6 points better). On test
87.0 ± 0.6% without dropout, 93.8 ± 0.3% with p = 0.2, 88.4 ± 0.7% with p = 0.5.

Expected (paper, 6 seeds, 2.6 hours on cores used by others too): seven of eight claims supported;
that p = 0.5 improves the validation loss now is (by 12), that it improves the accuracy now is not
settled (+2.7 points, −0.1 to +5.4). On test 88.4 ± 2.4%, 95.3 ± 0.2% and 91.2 ± 0.2%; with
all of MNIST 95.9 ± 0.3%, 96.5 ± 0.1% and 89.2 ± 1.9%. Trained by full batches, which is one reading
of the document, the networks come out as in its Table I: see docs/results/README.md.
"""

from configs import common
from jaxtweaks.config.expand import grid, points, product, zipped

INPUT, RATE, SIZE = 'dropout.input', 'dropout.hidden', 'data.train_size'
RATES = (0.0, 0.2, 0.5)
TRAIN_SIZE, ALL = 6_000, 50_000


def get_config(size=None):
    """See the module's docstring."""
    config = common.initreg_mnist('dropout_mnist', size, TRAIN_SIZE)
    config.question = 'What does dropout change on MNIST?'
    config.document = 'INITREG §III, Figures 12-14'
    config.sweep = zipped(grid(INPUT, *RATES), grid(RATE, *RATES))
    small = {}
    if config.size == 'paper':
        config.sweep = product(
            points(
                {SIZE: TRAIN_SIZE, 'train.epochs': 100},
                {SIZE: ALL, 'train.epochs': 20},
            ),
            config.sweep,
        )
        small = {SIZE: TRAIN_SIZE}
    config.names = ((RATE, 'drop probability'), (SIZE, 'training images'))
    config.figures = (
        *_figures('', small),
        *(_figures('all_', {SIZE: ALL}, ', all of MNIST') if small else ()),
        {
            'name': 'test_accuracy',
            'kind': 'effect',
            'title': 'Test accuracy against the drop probability',
            'metrics': ('test_accuracy',),
            'x': RATE,
            'hue': SIZE if small else '',
        },
    )
    config.claims = tuple(
        {
            'sentence': f'Dropout with p = {rate:g} {verb} {words}.',
            'source': f'INITREG §III, {figure}',
            'kind': kind,
            'metric': metric,
            'at': 'last_epoch',
            'where': small,
            'a': {RATE: rate},
            'b': {RATE: 0.0},
        }
        for rate in RATES[1:]
        for kind, metric, verb, words, figure in (
            ('greater', 'running_loss', 'worsens', 'the training loss', 'text'),
            ('less', 'running_accuracy', 'worsens', 'the training accuracy', 'Figure 12'),
            ('less', 'validation_loss', 'improves', 'the validation loss', 'Figure 13'),
            ('greater', 'validation_accuracy', 'improves', 'the validation accuracy', 'Figure 14'),
        )
    )
    config.claims = common.that_matter(config.claims)
    return config


def _figures(prefix, where, suffix=''):
    """Figures 12 to 14 of some of the settings."""
    return tuple(
        {
            'name': f'{prefix}figure_{number}',
            'kind': 'curves',
            'title': f'{words} by epoch for each drop probability{suffix}',
            'metrics': (metric,),
            'hue': RATE,
            'where': where,
        }
        for number, metric, words in (
            (12, 'running_accuracy', 'Training accuracy'),
            (13, 'validation_loss', 'Validation loss'),
            (14, 'validation_accuracy', 'Validation accuracy'),
        )
    )
