"""Does averaging over dropout masks at test improve on one deterministic pass? (INITREG §III.A)

    python main.py --config=configs/mc_dropout.py

The networks of `dropout_mnist`, each tested with 5, 50, 500 and 1,000 stochastic passes whose class
probabilities are averaged, and once without dropout ("None" in the document's Table I). As there,
the parameters tested are those of the epoch with the best validation accuracy.

Without dropout (p = 0) every pass is the same, so every column must be the same number. The
published row is not (86.3% for one pass, 87.62% for several): the table's "None" must come from
other networks than the rest. ("None" is explained as "only active during evaluation rather than
training", which is taken for a slip: the other way round.) The text finds "roughly 2.5%" of
improvement for p = 0.5; the table has it for p = 0.2, and the opposite for 0.5.

Choices of this project: see `common.initreg_mnist` and `dropout_mnist`; the "class scores" that are
averaged are probabilities. `quick` averages over at most 50 masks. On a CPU `paper` tests on 5,000
images: a thousand masks on all 10,000 take long.

Expected (quick, MNIST, 5 seeds, 6 minutes on two CPU cores): 86.9% without dropout, the same with
any number of passes, bitwise (supported); p = 0.2: 93.6% in one deterministic pass, 91.5% with 5
masks, 93.9% with 50; p = 0.5: 88.3%, 77.5% and 87.8%. So 50 masks are not better than one pass
(inconclusive); the loss is much lower, 0.93 instead of 15.9.

Expected (paper, 6 seeds, two hours by two processes on cores used by others too): a thousand masks
beat one pass for p = 0.5 (92.1 against 91.1%, supported), for p = 0.2 it is not settled (95.7
against 95.4%). Without dropout 88.3 ± 2.4%, the same in every column. Of the levels of Table I all
of p = 0.2 and four of five of p = 0.5 are contradicted and those of p = 0 not settled;
docs/results/README.md has a reason.
"""

from configs import common
from configs.dropout_mnist import INPUT, RATE, RATES, TRAIN_SIZE
from jaxtweaks.config.expand import grid, zipped

SAMPLES = 'mc.samples'
PUBLISHED = {
    0.0: {0: 0.863, 5: 0.8762, 50: 0.8762, 500: 0.8762, 1000: 0.8762},
    0.2: {0: 0.8675, 5: 0.8933, 50: 0.8931, 500: 0.894, 1000: 0.8936},
    0.5: {0: 0.8854, 5: 0.8703, 50: 0.8658, 500: 0.871, 1000: 0.8681},
}
# Where averaging is said to improve.
PLACES = {0.2: 'Table I', 0.5: 'the text (Table I has the opposite)'}


def get_config(size=None):
    """See the module's docstring."""
    config = common.initreg_mnist('mc_dropout', size, TRAIN_SIZE)
    config.question = 'Does averaging over dropout masks at test improve on one deterministic pass?'
    config.document = 'INITREG §III.A, Table I'
    config.sweep = zipped(grid(INPUT, *RATES), grid(RATE, *RATES))
    config.train.select = 'best_accuracy'
    paper = config.size == 'paper'
    if paper and common.on_a_cpu():
        config.data.test_size = 5_000
    config.train.mc_samples = (5, 50, 500, 1000) if paper else (5, 50)
    most = config.train.mc_samples[-1]
    config.derive = ('mc',)
    config.names = (
        (RATE, 'drop probability'),
        (SAMPLES, 'masks averaged'),
        (f'{SAMPLES}=0', 'none'),
    )
    config.table = ('test_accuracy', 'test_loss')
    config.figures = (
        {
            'name': 'table_1',
            'kind': 'effect',
            'title': 'Test accuracy against the number of masks averaged',
            'caption': '0 is one pass without dropout.',
            'metrics': ('test_accuracy', 'test_loss'),
            'x': SAMPLES,
            'hue': RATE,
            'log_x': True,
        },
    )
    config.claims = (
        {
            'sentence': 'Without dropout the number of passes changes nothing.',
            'source': 'INITREG Table I, row p = 0',
            'kind': 'identical',
            'metric': 'test_accuracy',
            'where': {RATE: 0.0},
            'a': {SAMPLES: config.train.mc_samples},
            'b': {SAMPLES: 0},
        },
        *(
            {
                'sentence': f'With p = {rate:g}, averaging over {most} masks improves on one '
                'deterministic pass.',
                'source': f'INITREG §III.A, {PLACES[rate]}',
                'kind': 'greater',
                'metric': 'test_accuracy',
                'where': {RATE: rate},
                'a': {SAMPLES: most},
                'b': {SAMPLES: 0},
                'published': {f'{n or "no"} masks': PUBLISHED[rate][n] for n in (0, most) if paper},
            }
            for rate in PLACES
        ),
        *(
            {
                'sentence': f'With p = {rate:g} and {n or "no"} masks the test accuracy is '
                f'{value:.2%} (within 1 percentage point).',
                'source': 'INITREG Table I',
                'kind': 'published',
                'metric': 'test_accuracy',
                'a': {RATE: rate, SAMPLES: n},
                'margin': 0.01,
                'published': {f'p = {rate:g}, {n}': value},
            }
            for rate, row in PUBLISHED.items()
            for n, value in row.items()
            if paper
        ),
    )
    config.claims = common.that_matter(config.claims)
    return config
