"""Which patterns does a network fit first, with a small learning rate and a large one? (ROLE §4.1)

    python main.py --config=configs/lr_patterns.py

The two components of Li, Wei and Ma (2019, arXiv 1907.04595, §2): P, noisy and easy to fit, and Q,
with hardly any noise and hard to fit (jaxtweaks/data/patterns.py). A ReLU network with one hidden
layer, plain SGD, and three schedules: S, a small rate throughout; LS, a large rate and then, from
one epoch on, that small one; L, the large rate throughout. Measured after each epoch on inputs with
P alone, with Q alone and with both.

The document adds that S fits Q "with a low number of observations": S and L are trained on a
quarter and on half of the examples, too, for as many steps.

Choices of this project: all sizes and rates, since the paper's are asymptotic: 200 examples with
100 numbers for P and 20 for Q, 200 hidden units, batches of 10, rates 2 (4 was too large to train)
and 0.2, annealing after half of 16,000 steps (`paper`: 60,000). They were chosen so that the
network can fit Q at all, and does not fit P without error. "Fits" is read as right on more than
90%. The paper adds noise to the gradients; here that of the batches is all there is.

Expected (quick, about 2 minutes on two CPU cores; docs/results, 32 seeds by --until_settled): 6 of
7 claims supported, 1 open. As claimed: S fits Q first: before the annealing it is more accurate on
Q alone than the large rate (+18.77 points, 99.2% interval +8.40 to +29.14 points, 20 seeds); 2
further claims hold as well.
"""

from configs import common
from jaxtweaks.config.expand import grid, points, product, union

SHARE = 'data.share'
FEWER = (0.25, 0.5)


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('lr_patterns', size)
    config.question = (
        'Which patterns does a network fit first, with a small learning rate and a large one?'
    )
    config.document = 'ROLE §4.1'
    config.data.name, config.data.standardise = 'patterns', 'none'
    config.data.train_size = config.train.train_eval_size = 200
    config.data.validation_size, config.data.test_size = 500, 500
    config.model.name, config.model.hidden = 'mlp', (200,)
    config.optim.name, config.train.batch_size = 'sgd', 10
    config.train.epochs = {'smoke': 4, 'quick': 800, 'paper': 3_000}[config.size]
    if config.size != 'smoke':
        config.seeds = 10
    schedules, annealed, by_epoch = common.large_and_small(config, 2.0, 0.2)
    config.sweep = union(
        product(config.sweep, grid(SHARE, 1.0)),
        product(points(schedules['S'], schedules['L']), grid(SHARE, *FEWER)),
    )
    config.names = (*config.names, (SHARE, 'share of the examples'))
    whole = {SHARE: 1.0}
    by_epoch['where'] = whole
    config.figures = _figures(schedules, by_epoch)
    source = 'ROLE §4.1; Li, Wei and Ma 2019, Theorems 3.4 and 3.5'
    end = {'at': 'last_epoch', 'kind': 'greater', 'source': source, 'where': whole}
    first = {
        'at': annealed,
        'kind': 'level',
        'source': source,
        'where': whole,
        'a': schedules['LS'],
        'level': 0.9,
    }
    few = {'metric': 'q_only_accuracy', 'at': 'last_epoch', 'source': 'ROLE §4.1'}
    config.claims = _claims(whole, source, end, first, few, schedules, annealed)
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(config.claims, 'S fits Q first', 'LS fits P first')
    return config


def _figures(schedules, by_epoch):
    """What is drawn."""
    return (
        {
            'name': 'accuracy_by_epoch',
            'title': 'Accuracy on P alone, Q alone and both by epoch',
            'metrics': ('p_only_accuracy', 'q_only_accuracy', 'both_accuracy'),
            **by_epoch,
        },
        {
            'name': 'training',
            'title': 'Training loss and validation accuracy by epoch',
            'metrics': ('train_loss', 'validation_accuracy'),
            **by_epoch,
        },
        {
            'name': 'by_examples',
            'kind': 'curves',
            'title': 'Accuracy on Q alone by epoch, by the share of the examples',
            'metrics': ('q_only_accuracy',),
            'hue': common.RATES,
            'panels': SHARE,
            'where': {
                common.RATES: tuple(tuple(schedules[name].values()) for name in ('S', 'L')),
            },
        },
    )


def _claims(whole, source, end, first, few, schedules, annealed):
    """What is claimed."""
    return (
        {
            'sentence': 'S fits Q first: before the annealing it is more accurate on Q alone than '
            'the large rate.',
            'source': source,
            'kind': 'greater',
            'metric': 'q_only_accuracy',
            'at': annealed,
            'where': whole,
            'a': schedules['S'],
            'b': schedules['LS'],
        },
        {
            'sentence': 'S fits Q with a low number of observations: with half of the examples it '
            'is right on more than 90% of Q alone.',
            'kind': 'level',
            'a': schedules['S'] | {SHARE: 0.5},
            'level': 0.9,
            'direction': 'above',
            **few,
        },
        {
            'sentence': 'S fits Q with a low number of observations: with a quarter of them it is '
            'more accurate on Q alone than the large rate with all.',
            'kind': 'greater',
            'a': schedules['S'] | {SHARE: 0.25},
            'b': schedules['L'] | whole,
            **few,
        },
        {
            'sentence': 'LS fits P first: before the annealing it is right on more than 90% of P '
            'alone.',
            'metric': 'p_only_accuracy',
            'direction': 'above',
            **first,
        },
        {
            'sentence': 'LS fits P first: before the annealing it is right on less than 90% of Q '
            'alone.',
            'metric': 'q_only_accuracy',
            'direction': 'below',
            **first,
        },
        {
            'sentence': 'S struggles with P: at the end LS is more accurate on P alone.',
            'metric': 'p_only_accuracy',
            'a': schedules['LS'],
            'b': schedules['S'],
            **end,
        },
        {
            'sentence': 'LS fits Q after the annealing: at the end it is more accurate on Q alone '
            'than the rate that stays large.',
            'metric': 'q_only_accuracy',
            'a': schedules['LS'],
            'b': schedules['L'],
            **end,
        },
    )
