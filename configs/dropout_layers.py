"""Does each layer want a drop rate of its own? (GENERAL, dropout on layers)

    python main.py --config=configs/dropout_layers.py

Every combination of the rates 0, 0.2 and 0.5 for the input and for each of two hidden layers; and a
small network without dropout, next to which the large one with dropout is to be judged. The lecture
speaks of a network that does not overfit; on these few images there is none that learns: with 2 to
16 units a layer the gap is as wide as with 128, or nothing is learned.

Choices of this project: see `common.general_mlp`; "different rates help" is asked of the best known
mix (Srivastava et al. 2014: 0.2 on the input, 0.5 on hidden layers) against one rate for all; the
small network has an eighth of the units.

Expected (quick, MNIST, 5 seeds, 2 minutes on two CPU cores): dropout does not help this network:
90.6 ± 0.3% without is the best of all. Different rates (0.2 on the input, 0.5 on hidden layers) are
worse than none (86.8 ± 1.2%, contradicted) and better than 0.5 for all (79.4%, supported); the rest
is inconclusive.

Expected (paper, 6 seeds, 9 minutes on two CPU cores): 95.0 ± 0.2% without dropout is the best of
all. Different rates are worse than none (by 7.2 points), than 0.2 for all (6.5) and than the small
network without (3.7; all contradicted), and better than 0.5 for all (by 19 points, supported).
"""

from configs import common
from jaxtweaks.config.expand import grid, points, product, union

INPUT, HIDDEN, WIDTH = 'dropout.input', 'dropout.by_layer', 'model.width'
RATES = (0.0, 0.2, 0.5)
MIX = {INPUT: 0.2, HIDDEN: ((0.5, 0.5),)}
NONE = {INPUT: 0.0, HIDDEN: ((0.0, 0.0),)}


def get_config(size=None):
    """See the module's docstring."""
    config = common.general_mlp('dropout_layers', size)
    config.question = 'Does each layer want a drop rate of its own?'
    config.document = 'GENERAL, dropout on layers'
    large = config.model.hidden[0]
    small = large // 8
    pairs = [(first, second) for first in RATES for second in RATES]
    if config.size == 'smoke':
        pairs = [(rate, rate) for rate in RATES]
    config.model.width = large
    config.sweep = union(
        product(grid(INPUT, *RATES), grid(HIDDEN, *pairs)),
        points({INPUT: 0.0, HIDDEN: (0.0, 0.0), WIDTH: small}),
    )
    config.names = (
        (INPUT, 'drop rate of the input'),
        (HIDDEN, 'drop rates of the hidden layers'),
        (WIDTH, 'units a layer'),
    )
    config.figures = (
        {
            'name': 'grid',
            'kind': 'effect',
            'title': 'Test error for each combination of drop rates',
            'metrics': ('1-test_accuracy',),
            'x': HIDDEN,
            'hue': INPUT,
            'where': {WIDTH: large},
        },
        {
            'name': 'gap',
            'kind': 'effect',
            'title': 'Generalisation gap for each combination of drop rates',
            'metrics': ('gap_accuracy',),
            'x': HIDDEN,
            'hue': INPUT,
            'where': {WIDTH: large},
        },
        {
            'name': 'size',
            'kind': 'effect',
            'title': 'A small and a large network without dropout',
            'metrics': ('1-test_accuracy', 'gap_accuracy'),
            'x': WIDTH,
            'where': {INPUT: 0.0, HIDDEN: ((0.0, 0.0),)},
        },
    )
    accuracy = {'metric': 'test_accuracy', 'kind': 'greater'}
    config.claims = (
        *(
            {
                'sentence': 'Different rates for different layers (0.2 on the input, 0.5 on hidden '
                f'layers) beat {rate:g} for all.',
                'source': 'GENERAL, dropout on layers',
                'where': {WIDTH: large},
                'a': MIX,
                'b': {INPUT: rate, HIDDEN: ((rate, rate),)},
                **accuracy,
            }
            for rate in RATES
        ),
        {
            'sentence': 'A bigger network with dropout (0.2 and 0.5) beats a small one without.',
            'source': 'GENERAL, dropout issues',
            'a': {**MIX, WIDTH: large},
            'b': {**NONE, WIDTH: small},
            **accuracy,
        },
    )
    config.claims = common.that_matter(config.claims)
    return config
