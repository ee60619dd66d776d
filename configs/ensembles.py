"""How much better are several networks than one? (GENERAL, model ensembles)

    python main.py --config=configs/ensembles.py

The document's four candidates, with the CNN of ROLE §2 on CIFAR-10: networks from different
initial weights; the best M of a sweep over learning rates; snapshots of one run with a cyclical
rate, each at the end of a cycle; and a running average of the parameters. Predictions are combined
as mean of the probabilities, mean of the logits, and majority vote. A seed is one repetition of it
all: its members share nothing but the data. Where one way to combine is claimed alone, it is the
mean of the probabilities.

Choices of this project: 8 members; 5 snapshots with one cycle each, from the rate of the others to
nearly 0; decay 0.999 of the running average a step (`quick`: 0.98, for its fewer steps); the best
M of a sweep are those with the highest mean accuracy in k-fold cross-validation (k = 5; `quick`:
3), then trained on all images; a network that lacks a fold takes as many steps as one that has all.

Expected (quick, CIFAR-10 (JPEG q75), 5 seeds, 5 minutes on two CPU cores): 45.7 ± 0.4% for one
network, 52.3 ± 0.2% for eight by their mean probabilities, 52.4% by logits, 51.2% by votes; the
running average of the parameters 47.5%; all supported. The best two of the five rates are 1.7
points above their mean, five snapshots of one run 2 to 3 points above theirs (inconclusive among
twelve claims); the snapshots together are worse than the last alone (42.7%, 44.5%, contradicted),
and four help less than four other networks (supported).
"""

from configs import common
from jaxtweaks.config.expand import grid, points, product, union

MEMBER, RATE, CYCLE = 'train.member', 'optim.learning_rate', 'schedule.name'
FOLD = 'data.fold'
KIND, SIZE, COMBINE = 'ensemble.kind', 'ensemble.size', 'ensemble.combine'
RATES = (3e-4, 5e-4, 1e-3, 2e-3, 4e-3)
SNAPSHOTS = 5
BEST, ALIKE = 2, 4  # of a sweep; of both when snapshots are compared with other networks
HOW = (
    ('probabilities', 'the mean of their probabilities'),
    ('logits', 'the mean of their logits'),
    ('votes', 'majority vote'),
)


# Of the members that are trained alike; one way to combine.
PLAIN = {RATE: 1e-3, CYCLE: 'constant'}
MEAN = {COMBINE: 'probabilities'}


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('ensembles', size)
    config.question = 'How much better are several networks than one?'
    config.document = 'GENERAL, model ensembles'
    config.train.keep_logits = True
    config.train.ema_decay = 0.999 if config.size == 'paper' else 0.98
    config.data.folds = {'smoke': 2, 'quick': 3, 'paper': 5}[config.size]
    members = 8
    if config.size == 'quick':
        config.data.train_size, config.train.epochs = 4_000, 5
    elif config.size == 'smoke':
        config.train.epochs, members = SNAPSHOTS, 2
    snapshots = {
        CYCLE: 'triangular',
        'triangular.half_cycle_epochs': config.train.epochs / SNAPSHOTS / 2,
        'triangular.minimum': 1e-5,
        'train.snapshots': SNAPSHOTS,
    }
    config.sweep = union(
        grid(MEMBER, *range(members)),
        product(grid(RATE, *RATES), grid(FOLD, *range(config.data.folds + 1))),
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
    config.table = ('test_accuracy', 'test_accuracy_gain', 'test_loss')
    config.figures = (
        {
            'name': 'members',
            'kind': 'effect',
            'title': 'Different initial weights: test accuracy against the number of networks',
            'metrics': ('test_accuracy', 'test_loss'),
            'x': SIZE,
            'hue': COMBINE,
            'where': PLAIN | {KIND: 'members'},
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
            'where': PLAIN | MEAN | {KIND: 'ema'},
        },
    )
    config.claims = _claims(members)
    config.claims = common.that_matter(config.claims)
    return config


def _claims(members):
    """On each kind of ensemble; `members`: how many networks there are with different weights."""
    alone = {
        'kind': 'level',
        'metric': 'test_accuracy_gain',
        'level': 0.0,
        'direction': 'above',
        'source': 'GENERAL, model ensembles',
    }
    same = min(ALIKE, members)
    return (
        *(
            {
                'sentence': f'{members} networks combined by {words} beat the mean of their '
                'members.',
                'source': 'GENERAL, model ensembles',
                'kind': 'greater',
                'metric': 'test_accuracy',
                'where': PLAIN | {KIND: 'members', COMBINE: how},
                'a': {SIZE: members},
                'b': {SIZE: 1},
            }
            for how, words in HOW
        ),
        *(
            {
                'sentence': f'The best {BEST} of a sweep combined by {words} beat their mean.',
                'a': {COMBINE: how, KIND: 'top', SIZE: BEST},
                **alone,
            }
            for how, words in HOW
        ),
        *(
            {
                'sentence': f'{SNAPSHOTS} snapshots of one run combined by {words} beat their '
                'mean.',
                'a': {COMBINE: how, KIND: 'snapshots', SIZE: SNAPSHOTS},
                **alone | {'source': 'GENERAL, model ensembles ("limited success")'},
            }
            for how, words in HOW
        ),
        {
            'sentence': f'{SNAPSHOTS} snapshots of one run together beat its last one.',
            'source': 'GENERAL, model ensembles ("limited success")',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'where': MEAN | {KIND: 'snapshots'},
            'a': {SIZE: SNAPSHOTS},
            'b': {SIZE: 1},
        },
        {
            'sentence': f'{same} snapshots help less than {same} different networks: their '
            "accuracy is less far above their members'.",
            'source': 'GENERAL, model ensembles ("limited success")',
            'kind': 'less',
            'metric': 'test_accuracy_gain',
            'where': MEAN,
            'a': {KIND: 'snapshots', SIZE: same},
            'b': PLAIN | {KIND: 'members', SIZE: same},
        },
        {
            'sentence': 'A running average of the parameters beats the last ones.',
            'source': 'GENERAL, model ensembles',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'where': PLAIN | MEAN,
            'a': {KIND: 'ema'},
            'b': {KIND: 'members', SIZE: 1},
        },
    )
