"""How much better are several networks than one? (GENERAL, model ensembles)

    python main.py --config=configs/ensembles.py

The document's four candidates, with the CNN of ROLE §2 on CIFAR-10: networks from different
initial weights; the best M of a sweep over learning rates; snapshots of one run with a cyclical
rate, each at the end of a cycle; and a running average of the parameters. Predictions are combined
as mean of the probabilities, mean of the logits, and majority vote. A seed is one repetition of it
all: its members share nothing but the data.

Choices of this project: 8 members; 5 snapshots with one cycle each, from the rate of the others to
nearly 0; decay 0.999 of the running average a step (`quick`: 0.98, for its fewer steps); the best
M of a sweep are chosen on one validation set: k-fold cross-validation would train every rate k
times over for the same choice.

Expected (quick, CIFAR-10 (JPEG q75), 3 seeds, 9 minutes on two CPU cores): 45.5 ± 0.8% for one
network, 52.2 ± 0.6% for eight by their mean probabilities, 51.9% by logits, 51.5% by votes; the
running average of the parameters 47.5%; all supported. Five snapshots of one run (43.7%) are no
better than its last one (44.6%), which is inconclusive, and far below eight networks.
"""

from configs import common
from jaxtweaks.sweep.expand import grid, points, union

MEMBER, RATE, CYCLE = 'train.member', 'optim.learning_rate', 'schedule.name'
KIND, SIZE, COMBINE = 'ensemble.kind', 'ensemble.size', 'ensemble.combine'
RATES = (3e-4, 5e-4, 1e-3, 2e-3, 4e-3)
SNAPSHOTS = 5


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('ensembles', size)
    config.question = 'How much better are several networks than one?'
    config.document = 'GENERAL, model ensembles'
    config.train.keep_logits = True
    config.train.ema_decay = 0.999 if config.size == 'paper' else 0.98
    members = 8
    if config.size == 'quick':
        config.data.train_size, config.train.epochs = 4_000, 5
    elif config.size == 'smoke':
        config.train.epochs, members = SNAPSHOTS, 2
    snapshots = {
        CYCLE: 'triangular',
        'schedule.half_cycle_epochs': config.train.epochs / SNAPSHOTS / 2,
        'schedule.minimum': 1e-5,
        'train.snapshots': SNAPSHOTS,
    }
    config.sweep = union(
        grid(MEMBER, *range(members)),
        grid(RATE, *RATES),
        points(snapshots),
    )
    config.derive = ('ensemble',)
    config.ensemble.kinds = ('members', 'top', 'snapshots', 'ema')
    config.names = (
        (KIND, 'ensemble'),
        (f'{KIND}=members', 'different initial weights'),
        (f'{KIND}=top', 'best of a sweep'),
        (f'{KIND}=snapshots', 'snapshots of one run'),
        (f'{KIND}=ema', 'running average of parameters'),
        (SIZE, 'networks'),
        (COMBINE, 'combined by'),
    )
    plain = {RATE: 1e-3, CYCLE: 'constant'}
    mean = {COMBINE: 'probabilities'}
    config.table = ('test_accuracy', 'test_accuracy_gain', 'test_loss')
    config.figures = (
        {
            'name': 'members',
            'kind': 'effect',
            'title': 'Different initial weights: test accuracy against the number of networks',
            'metrics': ('test_accuracy', 'test_loss'),
            'x': SIZE,
            'hue': COMBINE,
            'where': plain | {KIND: 'members'},
        },
        {
            'name': 'top',
            'kind': 'effect',
            'title': 'The best of a sweep: test accuracy against the number of networks',
            'metrics': ('test_accuracy',),
            'x': SIZE,
            'hue': COMBINE,
            'where': {KIND: 'top'},
        },
        {
            'name': 'snapshots',
            'kind': 'effect',
            'title': 'Snapshots of one run: test accuracy against their number',
            'metrics': ('test_accuracy',),
            'x': SIZE,
            'hue': COMBINE,
            'where': {KIND: 'snapshots'},
        },
        {
            'name': 'running_average',
            'kind': 'curves',
            'title': 'The last parameters and their running average',
            'metrics': ('validation_accuracy', 'ema_validation_accuracy'),
            'where': plain | mean | {KIND: 'ema'},
        },
    )
    alone = {'kind': 'level', 'metric': 'test_accuracy_gain', 'level': 0.0, 'direction': 'above'}
    config.claims = (
        *(
            {
                'sentence': f'{members} networks combined by {words} beat the mean of their '
                'members.',
                'source': 'GENERAL, model ensembles',
                'kind': 'greater',
                'metric': 'test_accuracy',
                'where': plain | {KIND: 'members', COMBINE: how},
                'a': {SIZE: members},
                'b': {SIZE: 1},
            }
            for how, words in (
                ('probabilities', 'the mean of their probabilities'),
                ('logits', 'the mean of their logits'),
                ('votes', 'majority vote'),
            )
        ),
        {
            'sentence': f'The best {len(RATES)} of a sweep together beat their mean.',
            'source': 'GENERAL, model ensembles',
            'a': mean | {KIND: 'top', SIZE: len(RATES)},
            **alone,
        },
        {
            'sentence': 'Snapshots of one run together beat the mean of them.',
            'source': 'GENERAL, model ensembles ("limited success")',
            'a': mean | {KIND: 'snapshots', SIZE: SNAPSHOTS},
            **alone,
        },
        {
            'sentence': 'Snapshots of one run together beat its last one.',
            'source': 'GENERAL, model ensembles ("limited success")',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'where': mean | {KIND: 'snapshots'},
            'a': {SIZE: SNAPSHOTS},
            'b': {SIZE: 1},
        },
        {
            'sentence': f'Snapshots help less than {members} different networks: their accuracy is '
            "less far above their members'.",
            'source': 'GENERAL, model ensembles ("limited success")',
            'kind': 'less',
            'metric': 'test_accuracy_gain',
            'where': mean,
            'a': {KIND: 'snapshots', SIZE: SNAPSHOTS},
            'b': plain | {KIND: 'members', SIZE: members},
        },
        {
            'sentence': 'A running average of the parameters beats the last ones.',
            'source': 'GENERAL, model ensembles',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'where': plain | mean,
            'a': {KIND: 'ema'},
            'b': {KIND: 'members', SIZE: 1},
        },
    )
    return config
