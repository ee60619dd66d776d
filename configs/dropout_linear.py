"""Does dropout multiply the mean of a linear unit by 1 − p? (DEEPREG, dropout in linear networks)

    python main.py --config=configs/dropout_linear.py

In a linear network with dropout of probability p to drop, the lecture derives E[z̃] = (1 − p) E[z]
for every unit. Here the mean is taken over masks, for given weights and inputs, with dropout in
front of one layer, as the lecture's formula has it, and in front of every layer, where the factor
of layer h is (1 − p)ʰ. Inverted dropout, which divides by 1 − p, keeps the mean.

"Equal within sampling error" is this: the errors of the means over masks, in units of their
standard errors, have the root mean square 1, to 0.1.

Choices of this project: 4 layers of 64 units, LeCun weights; 100 random vectors and 5,000 masks
at `paper`, 50 and 2,000 at `quick`; the figures draw E[z̃] over E[z] against p and by layer, next
to what is derived, where the two means against each other would be a line of points.

Expected (quick, 10 seeds, 22 seconds on two CPU cores): root mean square errors of 1.00 to 1.01
standard errors at every layer, for both forms; all eight claims supported. `paper` says the same in
5 minutes: 0.99 to 1.00.
"""

from configs import common
from jaxtweaks.config.expand import grid, product

RATE, FORM = 'dropout.hidden', 'dropout.form'
LAYERS = 4


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('dropout_linear', size, study='dropout_linear')
    config.question = 'Does dropout multiply the mean of a linear unit by 1 − p?'
    config.document = 'DEEPREG, dropout in linear networks'
    config.model.activation, config.model.hidden = 'identity', (64,) * LAYERS
    config.init.scheme = 'lecun'
    config.dropout_linear.vectors = {'smoke': 20, 'quick': 50, 'paper': 100}[config.size]
    config.dropout_linear.masks = {'smoke': 200, 'quick': 2_000, 'paper': 5_000}[config.size]
    config.seeds = {'smoke': 2, 'quick': 10, 'paper': 10}[config.size]
    rates = (0.1, 0.25, 0.5, 0.75)
    if config.size == 'smoke':
        rates = (0.25, 0.5)
    config.sweep = product(grid(FORM, 'vanilla', 'inverted'), grid(RATE, *rates))
    config.names = (
        (RATE, 'probability p to drop'),
        (f'{FORM}=vanilla', 'vanilla dropout'),
        (f'{FORM}=inverted', 'inverted dropout'),
    )
    config.figures = (
        {
            'name': 'factor',
            'kind': 'effect',
            'title': 'Mean under dropout over the value without it',
            'metrics': ('mean_factor', 'expected_factor'),
            'x': RATE,
            'hue': FORM,
        },
        {
            'name': 'by_layer',
            'kind': 'curves',
            'title': 'Mean under dropout over the value without it, vanilla dropout',
            'metrics': ('factor', 'factor_all'),
            'hue': RATE,
            'where': {FORM: 'vanilla'},
        },
        {
            'name': 'deviation',
            'kind': 'curves',
            'title': 'Means less what is derived, vanilla dropout',
            'metrics': ('deviation', 'deviation_all'),
            'hue': RATE,
            'where': {FORM: 'vanilla'},
        },
    )
    config.claims = tuple(
        {
            'sentence': f'{sentence} at layer {layer} (within sampling error).',
            'source': 'DEEPREG, dropout in linear networks',
            'kind': 'level',
            'metric': metric,
            'at': layer,
            'a': {FORM: form},
            'level': 1.0,
            'direction': 'equal',
            'margin': 0.1,
        }
        for sentence, form, metric in (
            ('E[z̃] = (1 − p) E[z]', 'vanilla', 'deviation'),
            ('With inverted dropout E[z̃] = E[z]', 'inverted', 'deviation_all'),
        )
        for layer in range(1, LAYERS + 1)
    )
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(config.claims, 'E[z̃] = (1 − p)')
    return config
