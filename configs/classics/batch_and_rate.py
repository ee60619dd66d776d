"""Do a larger rate, ghost batch norm and more steps close the gap of large batches? (Hoffer 2017)

    python main.py --config=configs/classics/batch_and_rate.py

E. Hoffer, I. Hubara, D. Soudry, *Train longer, generalize better: closing the generalization gap in
large batch training of neural networks* (2017), arXiv 1705.08741; the rule of rates in proportion
to the batch is that of P. Goyal et al., *Accurate, Large Minibatch SGD* (2017), arXiv 1706.02677.
Small batches; large ones with all else the same; with the rate times √(ratio of the batches); with
the statistics of batch norm over parts as large as the small batch too; and with as many steps as
the small batches take.

What differs from the paper: a ResNet-44 and batches of 128 and 4,096 there; the CNN of ROLE §2
here, batches of 64 and 2,048 (`quick`: a quarter of its channels, 2,048 images, batches of 32 and
512), momentum 0.9 at 0.02, a constant rate, 10 epochs. No figure of the paper was found in a copy;
the claims are of direction.

Expected: not measured yet.
"""

from configs import common
from jaxtweaks.config.expand import points

BATCH, RATE, NORM = 'train.batch_size', 'optim.learning_rate', 'model.norm'
EPOCHS = 'train.epochs'
ARM = f'{BATCH} + {RATE} + {NORM} + {EPOCHS}'
NAMES = ('small', 'large', 'large, rate', 'large, rate, ghost', 'large, rate, ghost, steps')


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('batch_and_rate', size)
    config.question = (
        'Do a larger rate, ghost batch norm and more steps close the gap of large batches?'
    )
    config.document = 'Hoffer et al. 2017, arXiv 1705.08741'
    config.optim.name = 'momentum'
    small, large, epochs = {
        'smoke': (32, 128, 2), 'quick': (32, 512, 10), 'paper': (64, 2_048, 10),
    }[config.size]  # fmt: skip
    if config.size == 'quick':
        config.data.train_size = 2_048
    elif config.size == 'smoke':
        common.as_mlp(config)
    config.ghost_batch.size = small
    arms = dict(zip(NAMES, _arms(small, large, epochs), strict=True))
    config.sweep = points(*arms.values())
    config.names = (
        (ARM, 'training'),
        *((f'{ARM}={tuple(setting.values())}', name) for name, setting in arms.items()),
    )
    config.figures = (
        {
            'name': 'test_error',
            'kind': 'effect',
            'title': 'Test error of each way to train',
            'metrics': ('1-test_accuracy',),
            'x': ARM,
        },
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Validation accuracy by epoch',
            'metrics': ('validation_accuracy',),
            'hue': ARM,
        },
    )
    config.claims = common.that_matter(
        tuple(
            {
                'sentence': sentence,
                'source': 'Hoffer et al. 2017, Table 1',
                'kind': kind,
                'metric': 'test_accuracy',
                'a': arms[one],
                'b': arms[other],
                **({'margin': 0.01, 'answers': True} if kind == 'equivalent' else {}),
            }
            for kind, one, other, sentence in (
                ('less', NAMES[1], NAMES[0], 'Large batches test worse, all else the same.'),
                ('greater', NAMES[2], NAMES[1], 'A larger rate improves them.'),
                ('greater', NAMES[3], NAMES[2], 'Ghost batch norm improves them further.'),
                ('greater', NAMES[4], NAMES[3], 'So do as many steps as small batches take.'),
                ('equivalent', NAMES[4], NAMES[0], 'Then the gap is closed (within a point).'),
            )
        )
    )
    return config


def _arms(small, large, epochs):
    """The settings, each from the second on with one thing more than the one before it."""
    ratio = large // small
    first = {BATCH: small, RATE: 0.02, NORM: 'batch', EPOCHS: epochs}
    larger = first | {BATCH: large}
    faster = larger | {RATE: 0.02 * ratio**0.5}
    ghost = faster | {NORM: 'ghost_batch'}
    return first, larger, faster, ghost, ghost | {EPOCHS: epochs * ratio}
