"""Is there a best capacity between underfitting and overfitting? (DEEPREG, capacity and dropout)

    python main.py --config=configs/capacity.py

Regression on 30 noisy points (σ = 0.3) of sin(πx) on [−1, 1]. Capacity is raised by the degree of a
polynomial, or, at degree 9, by more steps of gradient descent or a smaller L2 penalty; then a small
network is trained on the same points without dropout, with a bit of it, and with too much, and with
one, two and four hidden layers.

Choices of this project: everything but the question; for polynomials see configs/bias_variance.py;
the lecture's penalty is over all coefficients, here the constant's is left alone. The network has 2
hidden layers of 100 ReLU units, if nothing else is said, He weights, and Adam at 0.01 with the
whole sample a step; "a bit" is a drop rate of 0.1 and "too much" 0.8. A seed is one sample, the
same for all settings; there are 30 at `quick` and 100 at `paper`, because the errors of fits that
overfit are spread widely; that they are U-shaped is asked of their logarithm.

Expected (quick, about 3 minutes on two CPU cores; docs/results, 50 seeds by --until_settled): 4 of
7 claims supported, 3 open. Not settled (asked of the error itself): The test error is U-shaped
against the degree of the polynomial (+3.745, 98.8% interval −7.956 to +15.45, 32 seeds); 3 of 3
claims that answer the question are open.
"""

from configs import common
from jaxtweaks.config.expand import grid, points, product, union

DEGREE, STEPS, L2 = 'capacity.degree', 'capacity.steps', 'penalty.l2'
REGRESSOR, RATE, HIDDEN = 'capacity.regressor', 'dropout.hidden', 'model.hidden'
BIT, TOO_MUCH = 0.1, 0.8


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('capacity', size, study='capacity')
    config.question = 'Is there a best capacity between underfitting and overfitting?'
    config.document = 'DEEPREG, capacity and dropout'
    config.seeds = {'smoke': 2, 'quick': 30, 'paper': 100}[config.size]
    config.model.name = 'mlp'
    units = 8 if config.size == 'smoke' else 100
    one, two, four = ((units,) * layers for layers in (1, 2, 4))
    config.model.hidden = two
    config.optim.learning_rate = 0.01
    config.penalty.l2_form = 'full'
    degrees, steps, weights = common.CAPACITIES[config.size]
    rates = (0.0, BIT, TOO_MUCH)
    if config.size != 'smoke':
        rates = (0.0, 0.02, 0.05, BIT, 0.2, 0.5, TOO_MUCH)
    network = {REGRESSOR: 'network', STEPS: 20 if config.size == 'smoke' else 3_000}
    config.sweep = union(
        grid(DEGREE, *degrees),
        grid(STEPS, *steps),
        grid(L2, *weights),
        product(points(network | {HIDDEN: two}), grid(RATE, *rates)),
        product(points(network | {RATE: 0.0}), grid(HIDDEN, one, four)),
    )
    config.names = (
        *common.capacity_words('capacity'),
        (f'{REGRESSOR}=polynomial', 'polynomial'),
        (f'{REGRESSOR}=network', 'network'),
        (REGRESSOR, 'model'),
        (RATE, 'drop rate'),
        (HIDDEN, 'hidden layers'),
        *((f'{HIDDEN}={each}', f'{len(each)} × {units}') for each in (one, two, four)),
    )
    panels = common.capacity_panels('capacity', degrees, steps, weights)
    panels = [(*panel, where | {REGRESSOR: 'polynomial'}) for *panel, where in panels]
    # A condition's tuple is a choice of values, so one that is a value stands in another.
    dropout = {REGRESSOR: 'network', HIDDEN: (two,)}
    depth = {REGRESSOR: 'network', RATE: 0.0}
    config.figures = _figures(panels, dropout, depth, degrees, steps, weights)
    config.claims = _claims(panels, dropout, depth, one, four)
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(config.claims, 'The test error is U-shaped')
    return config


def _figures(panels, dropout, depth, degrees, steps, weights):
    """What is drawn."""
    return (
        *(
            {
                'name': name,
                'kind': 'effect',
                'title': f'Training and test error against {words}',
                'metrics': ('train_mse', 'test_mse'),
                'x': field,
                'where': where,
                'log_x': field not in (DEGREE, HIDDEN),
                'log_y': True,
            }
            for name, field, words, where in [
                *panels,
                ('dropout', RATE, 'the drop rate of the network', dropout),
                ('depth', HIDDEN, 'the hidden layers of the network', depth),
            ]
        ),
        *(
            {
                'name': f'fits_{name}',
                'kind': 'fit',
                'title': f'Fits by {words}',
                'panels': field,
                'where': where | {field: shown},
            }
            for name, field, words, where, shown in [
                (*panels[0], _three(degrees)),
                (*panels[1], _three(steps)),
                (*panels[2], _three(weights)),
                ('dropout', RATE, 'the drop rate of the network', dropout, (0.0, BIT, TOO_MUCH)),
            ]
        ),
    )


def _claims(panels, dropout, depth, one, four):
    """What is claimed."""
    return (
        *(
            {
                'sentence': f'The test error is U-shaped against {words}.',
                'source': 'DEEPREG, under-fitting and over-fitting',
                'kind': 'peak',
                # Of errors that one sample makes a hundred times as large as another.
                'metric': 'log_test_mse',
                'goal': 'min',
                'along': field,
                'where': where,
            }
            for _, field, words, where in panels
        ),
        {
            'sentence': 'More layers are more capacity: with four the network fits the sample '
            'better than with one.',
            'source': 'DEEPREG, how to control the capacity',
            'kind': 'less',
            'metric': 'train_mse',
            'where': depth,
            'a': {HIDDEN: (four,)},
            'b': {HIDDEN: (one,)},
        },
        {
            'sentence': 'A bit of dropout fits better than none.',
            'source': 'DEEPREG, dropout',
            'kind': 'less',
            'metric': 'test_mse',
            'where': dropout,
            'a': {RATE: BIT},
            'b': {RATE: 0.0},
        },
        {
            'sentence': 'Too much dropout underfits: the training error is higher than with a bit.',
            'source': 'DEEPREG, dropout',
            'kind': 'greater',
            'metric': 'train_mse',
            'where': dropout,
            'a': {RATE: TOO_MUCH},
            'b': {RATE: BIT},
        },
        {
            'sentence': 'Too much dropout underfits: the test error is higher than with a bit.',
            'source': 'DEEPREG, dropout',
            'kind': 'greater',
            'metric': 'test_mse',
            'where': dropout,
            'a': {RATE: TOO_MUCH},
            'b': {RATE: BIT},
        },
    )


def _three(values):
    """The first, the middle and the last."""
    return (values[0], values[len(values) // 2], values[-1])
