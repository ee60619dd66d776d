"""What does dropout change on MNIST? (INITREG §III, Figures 12-14)

    python main.py --config=configs/dropout_mnist.py

A 784-800-800-10 network with weights N(0, 0.1) (0.1 is the variance), dropout in front of every
layer, the input's included, with drop probability 0, 0.2 and 0.5; AdamW at 3e-4.

The document names no nonlinearity, and its accuracies, all below 90%, are those of a linear
classifier; so the literal network is linear, and ReLU is another reading. All readings are in
`common.initreg_readings`; the literal one is asked every claim by drop probability, each of the
others about dropout as such (the mean over 0.2 and 0.5).

The document does not say on how many images it trained. TRAIN_SIZE was chosen to put the ReLU
network without dropout near its 87%; `paper` runs that one on all of MNIST too. Training loss and
accuracy are taken to be what a training loop prints: means over the epoch's batches, with dropout
on.

Choices of this project: the number of images; standardisation by the one channel; 20 epochs of all
of MNIST; and those of `common.initreg_mnist`.

Expected (quick, MNIST, about 3 minutes on two CPU cores; docs/results, 5 seeds): 9 of 12 claims
supported, 2 contradicted, 1 open. As claimed: Dropout with p = 0.2 worsens the training accuracy
(−7.78 points, 95% interval −8.34 to −7.22 points, 5 seeds); 3 further claims hold as well.
"""

from configs import common
from jaxtweaks.config.expand import grid, points, product, union, zipped

INPUT, RATE, SIZE = 'dropout.input', 'dropout.hidden', 'data.train_size'
READING = common.INITREG_READING
RATES = (0.0, 0.2, 0.5)
TRAIN_SIZE, ALL = 6_000, 50_000


def get_config(size=None):
    """See the module's docstring."""
    config = common.initreg_mnist('dropout_mnist', size, TRAIN_SIZE)
    config.question = 'What does dropout change on MNIST?'
    config.document = 'INITREG §III, Figures 12-14'
    readings = common.initreg_readings(config)
    rates = zipped(grid(INPUT, *RATES), grid(RATE, *RATES))
    config.sweep = product(points(*readings.values()), rates)
    literal = common.initreg_of(readings[common.AS_WRITTEN])
    everything = {}
    if config.size == 'paper':
        more = readings['ReLU'] | {SIZE: ALL, 'train.epochs': 20}
        config.sweep = union(config.sweep, product(points(more), rates))
        everything = common.initreg_of(more) | {SIZE: ALL}
    small = {SIZE: tuple({setting[SIZE] for setting in readings.values()})}
    config.names = (
        (RATE, 'drop probability'),
        (SIZE, 'training images'),
        *common.initreg_names(readings),
    )
    config.figures = (
        *_figures('', literal),
        *(_figures('all_', everything, ', ReLU, all of MNIST') if everything else ()),
        {
            'name': 'test_accuracy',
            'kind': 'effect',
            'title': 'Test accuracy against the drop probability, by reading',
            'metrics': ('test_accuracy',),
            'x': RATE,
            'hue': READING,
            'where': small,
        },
    )
    asked = [(literal, f'Dropout with p = {rate:g}', rate, '') for rate in RATES[1:]]
    asked += [
        (common.initreg_of(setting), f'Dropout ({words})', RATES[1:], f', read as: {words}')
        for words, setting in readings.items()
        if words != common.AS_WRITTEN
    ]
    config.claims = tuple(
        {
            'sentence': f'{dropout} {verb} {words}.',
            'source': f'INITREG §III, {figure}{read}',
            'kind': kind,
            'metric': metric,
            'at': 'last_epoch',
            'where': {**small, **where},
            'a': {RATE: rate},
            'b': {RATE: 0.0},
        }
        for where, dropout, rate, read in asked
        for kind, metric, verb, words, figure in (
            ('greater', 'running_loss', 'worsens', 'the training loss', 'text'),
            ('less', 'running_accuracy', 'worsens', 'the training accuracy', 'Figure 12'),
            ('less', 'validation_loss', 'improves', 'the validation loss', 'Figure 13'),
            ('greater', 'validation_accuracy', 'improves', 'the validation accuracy', 'Figure 14'),
        )
    )
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(
        config.claims,
        *(
            f'Dropout with p = {rate:g} {does} accuracy'
            for rate in RATES[1:]
            for does in ('worsens the training', 'improves the validation')
        ),
    )
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
