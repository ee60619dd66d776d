"""How much better are several networks than one? (GENERAL, model ensembles)

    python main.py --config=configs/ensembles.py

The document's four candidates, with the CNN of ROLE §2 on CIFAR-10: networks from different
initial weights; the best M of a sweep over learning rates; checkpoints of one run, the last ones of
one after each epoch; and a running average of the parameters. Next to the checkpoints, which all
come from one constant rate, there are snapshots of a run with a cyclical rate, each at the end of a
cycle (Huang et al. 2017, not in the document). Predictions are combined as mean of the logits and
by majority vote, as the document has it, and as mean of the probabilities. A seed is one repetition
of it all: its members share nothing but the data. Where one way to combine is claimed alone, it is
the mean of the logits. What an ensemble gains is asked seed by seed, as the difference to the mean
of the very same members.

Choices of this project: 8 members; the best 3 of a sweep, so that a vote is more than a rule for
ties; 5 checkpoints and 5 snapshots, of runs twice as long, in which even the first of them is of a
trained network; cycles from the rate of the others to nearly 0; decay 0.999 of the running average
a step (`quick`: 0.98, for its fewer steps); the best M of a sweep are those with the highest mean
accuracy in k-fold cross-validation (k = 5; `quick`: 3), then trained on all images; a network that
lacks a fold takes as many steps as one that has all. `quick` has 4,000 images and 5 epochs.

Expected (quick, about 6 minutes on two CPU cores; docs/results, 5 seeds by --until_settled): 10 of
13 claims supported, 3 open. As claimed: 8 networks combined by the mean of their probabilities beat
the mean of their members (test accuracy, mean of probabilities minus not combined: mean of the
members: +6.19 points, 96% interval +5.04 to +7.34 points, 5 seeds); 2 further claims hold as well.
"""

from configs import common
from jaxtweaks.config.expand import grid, points, product, union

MEMBER, RATE, CYCLE = 'train.member', 'optim.learning_rate', 'schedule.name'
FOLD = 'data.fold'
KIND, SIZE, COMBINE = 'ensemble.kind', 'ensemble.size', 'ensemble.combine'
RATES = (3e-4, 5e-4, 1e-3, 2e-3, 4e-3)
EPOCHS, KEPT = 'train.epochs', 'train.snapshots'
LAST = 5  # checkpoints of one run, or snapshots
BEST, ALIKE = 3, 4  # of a sweep; of both when checkpoints are compared with other networks
HOW = (
    ('probabilities', 'the mean of their probabilities'),
    ('logits', 'the mean of their logits'),
    ('votes', 'majority vote'),
)


# Of the members that are trained alike; one way to combine.
PLAIN = {RATE: 1e-3, CYCLE: 'constant', KEPT: 0}
MEAN = {COMBINE: 'logits'}
ALONE = {COMBINE: 'alone'}
# The two ways to get several networks from one run.
ONE_RUN = {KIND: 'snapshots', CYCLE: 'constant'}, {KIND: 'snapshots', CYCLE: 'triangular'}


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
        members = 2
    long = LAST if config.size == 'smoke' else 2 * config.train.epochs
    checkpoints = {EPOCHS: long, KEPT: long}
    snapshots = {
        CYCLE: 'triangular',
        'triangular.half_cycle_epochs': long / LAST / 2,
        'triangular.minimum': 1e-5,
        EPOCHS: long,
        KEPT: LAST,
    }
    config.sweep = union(
        grid(MEMBER, *range(members)),
        product(grid(RATE, *RATES), grid(FOLD, *range(config.data.folds + 1))),
        points(checkpoints, snapshots),
    )
    config.derive = ('ensemble',)
    config.ensemble.kinds = ('members', 'top', 'snapshots', 'ema')
    config.ensemble.combine = (*(how for how, _ in HOW), 'alone')
    config.ensemble.sizes = (1, 2, BEST, ALIKE, LAST, 8)
    config.names = (
        (KIND, 'ensemble'),
        (f'{KIND}=members', 'different initial weights'),
        (f'{KIND}=top', 'best of a sweep'),
        (f'{KIND}=snapshots', 'of one run'),
        (f'{CYCLE}=constant', 'constant rate'),
        (f'{CYCLE}=triangular', 'cyclical rate'),
        (f'{KIND}=ema', 'running average of parameters'),
        (SIZE, 'networks'),
        (COMBINE, 'combined by'),
    )
    config.table = ('test_accuracy', 'test_accuracy_gain', 'test_loss')
    config.figures = _figures()
    config.claims = _claims(members)
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(config.claims, f'{members} networks combined')
    return config


def _figures():
    """What is drawn."""
    return (
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
        *(
            {
                'name': name,
                'kind': 'effect',
                'title': f'{name.capitalize()} of one run: test accuracy against their number',
                'metrics': ('test_accuracy',),
                'x': SIZE,
                'hue': COMBINE,
                'where': of_run,
            }
            for name, of_run in zip(('checkpoints', 'snapshots'), ONE_RUN, strict=True)
        ),
        {
            'name': 'running_average',
            'kind': 'curves',
            'title': 'The last parameters and their running average',
            'metrics': ('validation_accuracy', 'ema_validation_accuracy'),
            'where': PLAIN | MEAN | {KIND: 'ema'},
        },
    )


def _claims(members):
    """On each kind of ensemble; `members`: how many networks there are with different weights."""
    document = {'source': 'GENERAL, model ensembles', 'kind': 'greater', 'metric': 'test_accuracy'}
    ways = tuple((how, words) for how, words in HOW if how != 'probabilities')
    return (
        *(
            {
                **document,
                'sentence': f'{members} networks combined by {words} beat the mean of their '
                'members.',
                'where': PLAIN | {KIND: 'members', SIZE: members},
                'a': {COMBINE: how},
                'b': ALONE,
            }
            for how, words in HOW
        ),
        *(
            {
                **document,
                'sentence': f'The best {BEST} of a sweep combined by {words} beat their mean.',
                'where': {KIND: 'top', SIZE: BEST},
                'a': {COMBINE: how},
                'b': ALONE,
            }
            for how, words in ways
        ),
        *_of_one_run('checkpoints', ways, ONE_RUN[0], min(ALIKE, members), document),
        *_of_one_run(
            'snapshots at a cyclical rate',
            ways[:1],
            ONE_RUN[1],
            min(ALIKE, members),
            document | {'source': 'beyond the document (Huang et al. 2017)'},
        ),
        {
            **document,
            'sentence': 'A running average of the parameters beats the last ones.',
            'where': PLAIN | MEAN,
            'a': {KIND: 'ema'},
            'b': {KIND: 'members', SIZE: 1},
        },
    )


def _of_one_run(called, ways, of_run, same, document):
    """On what one run leaves: checkpoints, or snapshots at the ends of cycles.

    Args:
      called: what they are in a sentence.
      ways: how they are combined, with words.
      of_run: conditions of that run.
      same: how many are compared with as many other networks.
      document: what the claims share.
    """
    return (
        *(
            {
                **document,
                'sentence': f'{LAST} {called} of one run combined by {words} beat their mean.',
                'where': of_run | {SIZE: LAST},
                'a': {COMBINE: how},
                'b': ALONE,
            }
            for how, words in ways
        ),
        {
            **document,
            'sentence': f'{LAST} {called} of one run together beat its last one.',
            'where': of_run | MEAN,
            'a': {SIZE: LAST},
            'b': {SIZE: 1},
        },
        {
            **document,
            'sentence': f'{same} {called} have limited success: they gain less over their mean '
            f'than {same} different networks.',
            'source': f'{document["source"]} (of a run twice as long as those of the networks)',
            'kind': 'less',
            'metric': 'test_accuracy_gain',
            'where': MEAN,
            'a': of_run | {SIZE: same},
            'b': PLAIN | {KIND: 'members', SIZE: same},
        },
    )
