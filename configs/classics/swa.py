"""Is an average of the weights along the way better than the last ones? (Izmailov et al. 2018)

    python main.py --config=configs/classics/swa.py

P. Izmailov, D. Podoprikhin, T. Garipov, D. Vetrov, A. G. Wilson, *Averaging Weights Leads to Wider
Optima and Better Generalization* (2018), arXiv 1803.05407. A rate that falls over the whole run,
and one that stays high; of both the last weights are tested and the mean of those at the end of
each epoch of the last quarter (SWA), with batch statistics of its own.

What differs from the paper: VGG16 and others for 200 epochs and more there, `common.classic_cnn`
here; SWA there starts from a run that is decayed at first, and goes on at a constant or cyclical
rate; here it has its constant rate, 0.02 (`paper`: 0.05), from the start, as its §4.4 has, and the
run that falls begins at the rate of `classic_cnn`. All runs have one budget; the paper has 1, 1.25
and 1.5.

Expected (quick, CIFAR-10 (JPEG q75), about 2 minutes on two CPU cores; docs/results, 5 seeds by
--until_settled): 1 of 2 claims supported, 1 open. Not settled: The average at a constant rate
tests better than the last weights of a rate that falls (−0.69 points, 96% interval −2.42 to +1.04
points, 5 seeds).
"""

from configs import common
from jaxtweaks.config.expand import points

SCHEDULE, RATE, TESTED = 'schedule.name', 'optim.learning_rate', 'tested'
LAST, AVERAGE = {TESTED: 'last'}, {TESTED: 'swa'}
FALLING, CONSTANT = {SCHEDULE: 'cosine'}, {SCHEDULE: 'constant'}


def get_config(size=None):
    """See the module's docstring."""
    config = common.classic_cnn('swa', size)
    config.question = 'Is an average of the weights along the way better than the last ones?'
    config.document = 'Izmailov et al. 2018, arXiv 1803.05407'
    config.train.swa_start = max(1, 1 + 3 * config.train.epochs // 4)
    high = 0.05 if config.size == 'paper' else 0.02
    config.sweep = points({**FALLING, RATE: config.optim.learning_rate}, {**CONSTANT, RATE: high})
    config.derive = ('tested',)
    config.names = (
        (SCHEDULE, 'rate'),
        (f'{SCHEDULE}=cosine', 'falling'),
        (f'{SCHEDULE}=constant', 'constant'),
        (TESTED, 'weights'),
        (f'{TESTED}=swa', 'SWA'),
        (f'{TESTED}=last', 'the last'),
    )
    config.figures = (
        {
            'name': 'test_error',
            'kind': 'effect',
            'title': 'Test error of the last weights and of their average',
            'metrics': ('1-test_accuracy',),
            'x': SCHEDULE,
            'hue': TESTED,
        },
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Validation accuracy of the weights of each epoch',
            'metrics': ('validation_accuracy',),
            'hue': SCHEDULE,
            'where': LAST,
        },
    )
    better = {'kind': 'greater', 'metric': 'test_accuracy'}
    config.claims = common.that_matter(
        (
            {
                'sentence': 'At a constant rate the average tests better than the last weights.',
                'source': 'Izmailov et al. 2018, §4.4 (from a random start)',
                'a': CONSTANT | AVERAGE,
                'b': CONSTANT | LAST,
                **better,
            },
            {
                'sentence': 'The average at a constant rate tests better than the last weights of '
                'a rate that falls.',
                'source': 'Izmailov et al. 2018, Table 1',
                'a': CONSTANT | AVERAGE,
                'b': FALLING | LAST,
                'answers': True,
                'published': {'SWA, VGG16': 0.9359, 'SGD': 0.9325},
                **better,
            },
        )
    )
    return config
