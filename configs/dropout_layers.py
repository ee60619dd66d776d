"""Does each layer want a drop rate of its own? (GENERAL, dropout on layers)

    python main.py --config=configs/dropout_layers.py

Every combination of the rates 0, 0.2 and 0.5 for the input and for each of two hidden layers
(`quick`: those with equal rates on both, or 0.5 on one and none on the other); and a small network
without dropout, next to which the large one with dropout is to be judged. The lecture speaks of a
network that does not overfit; on these few images there is none that learns: with 2 to 16 units a
layer the gap is as wide as with 128, or nothing is learned. What the lecture says of dropout itself
is asked of the same runs: that it helps where a network overfits, that training takes longer, that
the weights are smaller, and that the representation is redundant: the network is also tested
without a quarter of its hidden units, others for each image.

Choices of this project: see `common.general_mlp`, but Adam at 1e-3 for 80 epochs: with dropout, SGD
with momentum at the rate of the others was unstable and not done after 40; "different rates help"
is asked of the best known mix (Srivastava et al. 2014: 0.2 on the input, 0.5 on hidden layers)
against one rate for all, and "dropout" means that mix; the small network has an eighth of the
units; "takes longer" is read as: more epochs until the training loss (without masks) is as low as
both get.

Expected (quick, about 2 minutes on two CPU cores; docs/results, 5 to 50 seeds by --until_settled):
5 of 8 claims supported, 2 contradicted, 1 negligible. It depends: 1 of 3 claims that answer the
question holds, 2 do not. What holds: Different rates for different layers (0.2 on the input, 0.5 on
hidden layers) beat 0 for all (test accuracy, drop rate of the input 0.2, drop rates of the hidden
layers 0.5, 0.5 minus drop rate of the input 0, drop rates of the hidden layers 0, 0: +0.65 points,
98.7% interval +0.29 to +1.00 points, 12 seeds). What does not: Different rates for different layers
(0.2 on the input, 0.5 on hidden layers) beat 0.2 for all (test accuracy, drop rate of the input
0.2, drop rates of the hidden layers 0.5, 0.5 minus drop rates of the hidden layers 0.2, 0.2: −0.84
points, 99.8% interval −1.43 to −0.25 points, 20 seeds).
"""

from configs import common
from jaxtweaks.config.expand import grid, points, product, union

INPUT, HIDDEN, WIDTH = 'dropout.input', 'dropout.by_layer', 'model.width'
RATES = (0.0, 0.2, 0.5)
MIX = {INPUT: 0.2, HIDDEN: ((0.5, 0.5),)}
LOST = 0.25
NONE = {INPUT: 0.0, HIDDEN: ((0.0, 0.0),)}


def get_config(size=None):
    """See the module's docstring."""
    config = common.general_mlp('dropout_layers', size)
    config.question = 'Does each layer want a drop rate of its own?'
    config.document = 'GENERAL, dropout on layers'
    large = config.model.hidden[0]
    small = large // 8
    config.optim.name, config.optim.learning_rate = 'adam', 1e-3
    pairs = [(first, second) for first in RATES for second in RATES]
    if config.size == 'smoke':
        pairs = [(rate, rate) for rate in RATES]
    else:
        config.train.epochs = 80
    if config.size == 'quick':
        pairs = [(0.0, 0.0), (0.2, 0.2), (0.5, 0.5), (0.0, 0.5), (0.5, 0.0)]
    config.model.width = large
    config.train.lost_units = LOST
    config.sweep = union(
        product(grid(INPUT, *RATES), grid(HIDDEN, *pairs)),
        points({INPUT: 0.0, HIDDEN: (0.0, 0.0), WIDTH: small}),
    )
    config.names = (
        (INPUT, 'drop rate of the input'),
        (HIDDEN, 'drop rates of the hidden layers'),
        (WIDTH, 'units a layer'),
    )
    config.figures = _figures(large)
    accuracy = {'metric': 'test_accuracy', 'kind': 'greater'}
    config.claims = _claims(large, small, accuracy)
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(config.claims, 'Different rates')
    return config


def _figures(large):
    """What is drawn."""
    return (
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
        {
            'name': 'lesioned',
            'kind': 'effect',
            'title': 'Test accuracy without a quarter of the hidden units',
            'metrics': ('lesioned_test_accuracy',),
            'x': HIDDEN,
            'hue': INPUT,
            'where': {WIDTH: large},
        },
    )


def _claims(large, small, accuracy):
    """What is claimed."""
    return (
        *(
            {
                'sentence': 'Different rates for different layers (0.2 on the input, 0.5 on hidden '
                f'layers) beat {rate:g} for all.',
                'source': 'beyond the document (GENERAL, dropout on layers, says "can be used")',
                'where': {WIDTH: large},
                'a': MIX,
                'b': {INPUT: rate, HIDDEN: ((rate, rate),)},
                **accuracy,
            }
            for rate in RATES
        ),
        {
            'sentence': 'A bigger network with dropout (0.2 and 0.5) beats a small one without.',
            'source': 'GENERAL, dropout issues (mostly the width, so it can hardly fail)',
            'a': {**MIX, WIDTH: large},
            'b': {**NONE, WIDTH: small},
            **accuracy,
        },
        *_of_dropout(large),
    )


def _of_dropout(large):
    """What the document says of dropout whatever its rates: the mix against none."""
    two = {'where': {WIDTH: large}, 'a': MIX, 'b': NONE}
    return (
        {
            'sentence': 'Dropout prevents overfitting: the generalisation gap is smaller.',
            'source': 'GENERAL, dropout issues',
            'kind': 'less',
            'metric': 'gap_accuracy',
            **two,
        },
        {
            'sentence': 'Training takes longer with dropout: the training loss falls later.',
            'source': 'GENERAL, dropout issues',
            'kind': 'sooner',
            'metric': 'train_loss',
            'where': {WIDTH: large},
            'a': NONE,
            'b': MIX,
        },
        {
            'sentence': 'Dropout encourages weights of smaller magnitude.',
            'source': 'GENERAL, why does dropout work',
            'kind': 'less',
            'metric': 'weight_norm',
            **two,
        },
        {
            'sentence': 'Dropout forces a redundant representation: without a quarter of its '
            'hidden units the network is more accurate.',
            'source': 'GENERAL, how can dropout be a good idea',
            'kind': 'greater',
            'metric': 'lesioned_test_accuracy',
            **two,
        },
    )
