"""Does a little noise on inputs, weights or labels regularise? (GENERAL, applying noise)

    python main.py --config=configs/noise.py

Four kinds, each alone at several levels, drawn again at every step: normal noise on the
standardised inputs; normal noise on the weights; labels replaced by another class; and label
smoothing, which is what replaced labels are on average. Labels are taken to counter overconfidence:
that of the network is its mean confidence less its accuracy on the test set, shown as a reliability
diagram.

Choices of this project: see `common.general_mlp`; the levels; "regularises" is read as: some level
above 0 has a lower validation loss than none.

Expected (quick, MNIST, 5 seeds, 3 minutes on two CPU cores): label smoothing lowers the validation
loss (supported); of the other kinds the lowest loss is at a low level above 0 (0.1 on inputs, 0.01
on weights, 5% of labels), which 5 seeds cannot tell from 0. Replaced and smoothed labels lower
overconfidence by over 40 points from none to the most (supported): they overshoot.

Expected (paper, 6 seeds, 16 minutes on one of two CPU cores): the same verdicts. Smoothing by 0.05
lowers the validation loss from 0.35 to 0.23, 5% replaced labels to 0.29, which 6 seeds do not
settle; noise on inputs and weights gains nothing.
"""

from configs import common
from jaxtweaks.config.expand import grid, union

KINDS = {
    'noise.input': ('noise on the inputs (σ)', (0.1, 0.3, 0.6, 1.0)),
    'noise.weights': ('noise on the weights (σ)', (0.01, 0.03, 0.06, 0.1)),
    'noise.labels': ('labels replaced', (0.05, 0.1, 0.2, 0.4)),
    'cross_entropy.smoothing': ('label smoothing ε', (0.05, 0.1, 0.2, 0.4)),
}
LABELS, SMOOTHING = 'noise.labels', 'cross_entropy.smoothing'


def get_config(size=None):
    """See the module's docstring."""
    config = common.general_mlp('noise', size)
    config.question = 'Does a little noise on inputs, weights or labels regularise?'
    config.document = 'GENERAL, applying noise'
    step = 2 if config.size == 'smoke' else 1
    config.sweep = union(*(grid(name, 0.0, *levels[::step]) for name, (_, levels) in KINDS.items()))
    config.names = tuple((name, words) for name, (words, _) in KINDS.items())
    config.table = (
        'test_accuracy', 'test_loss', 'validation_loss', 'gap_accuracy', 'test_overconfidence',
    )  # fmt: skip
    config.figures = (
        *(
            {
                'name': name.partition('.')[2],
                'kind': 'effect',
                'title': f'Test error and loss against {words}',
                'metrics': ('1-test_accuracy', 'test_loss'),
                'x': name,
                'where': _alone(name),
            }
            for name, (words, _) in KINDS.items()
        ),
        *(
            {
                'name': f'reliability_{name.partition(".")[2]}',
                'kind': 'reliability',
                'title': f'Reliability on the test set: {KINDS[name][0]}',
                'hue': name,
                'where': _alone(name),
            }
            for name in (LABELS, SMOOTHING)
        ),
        {
            'name': 'overconfidence',
            'kind': 'effect',
            'title': 'Overconfidence on the test set against the share of replaced labels',
            'metrics': ('test_overconfidence',),
            'x': LABELS,
            'where': _alone(LABELS),
        },
    )
    config.claims = (
        *(
            {
                'sentence': f'A little of it regularises: {words}.',
                'source': 'GENERAL, applying noise',
                'kind': 'optimum',
                'metric': 'validation_loss',
                'along': name,
                'where': _alone(name),
                'within': (levels[0], levels[-1]),
                'goal': 'min',
            }
            for name, (words, levels) in KINDS.items()
        ),
        *(
            {
                'sentence': f'{words} lower overconfidence.',
                'source': 'GENERAL, applying noise',
                'kind': 'decreasing',
                'metric': 'test_overconfidence',
                'along': name,
                'where': _alone(name),
            }
            for name, words in ((LABELS, 'Replaced labels'), (SMOOTHING, 'Smoothed labels'))
        ),
    )
    config.claims = common.that_matter(config.claims)
    return config


def _alone(name):
    """The settings without any other kind of noise."""
    return {other: 0.0 for other in KINDS if other != name}
