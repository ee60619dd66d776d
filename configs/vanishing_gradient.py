"""When does the gradient vanish on its way to the first layers? (ROLE §6.1; DEEPREG)

    python main.py --config=configs/vanishing_gradient.py

ROLE says of tanh and sigmoid that gradients "tend to be large for weights that are close to zero",
and very small far from it, which leads to "vanishing and exploding gradients in the first layers".
DEEPREG says that depth brings the vanishing gradient, and that the initial weights are "a starting
point" against it. Here the gradient of a network that is not trained is followed back, and what
reaches the first layer is given as a share of what the last one has (its standard deviation).

Ten layers of tanh and of sigmoid with weights from far smaller than LeCun's σ = 1/√N to far larger;
and 5, 20 and 50 layers of sigmoid and tanh with LeCun's, and of ReLU with He's and with LeCun's.

Choices of this project: 256 units; σ from a tenth of LeCun's to ten times it; 200 vectors (`paper`:
2,000); the loss of `signal_propagation`. ROLE's sentence on weights near zero and far from it is
asked as it stands: the gradient falls as σ grows. That it vanishes at the smallest σ and explodes
at the largest is the opposite of it, and asked beyond the document.

Expected (any size, about 1 minute on two CPU cores; docs/results, 5 seeds by --until_settled): 7 of
9 claims supported, 2 contradicted. In part as claimed: 2 of 4 claims that answer the question hold,
2 do not. What holds: With depth the gradient vanishes (sigmoid: less reaches the first of 50 layers
than of 5; standard deviation of the first layer's gradients over the last's, 50 layers minus 5
layers: −0.003055, 99% interval −0.003138 to −0.002973, 5 seeds). What does not: tanh: gradients are
large for weights close to zero, and the smaller the further away they are (standard deviation of
the first layer's gradients over the last's, fitted change from σ of the initial weights 0.00625 to
0.625: +1900, 99% interval +942.8 to +2858, 5 seeds).
"""

import math

from configs import common
from jaxtweaks.config.expand import grid, points, product, union

HIDDEN, ACTIVATION, SCHEME = 'model.hidden', 'model.activation', 'init.scheme'
SIGMA = 'sigma.sigma'
RATIO = 'gradient_ratio'
SCALED = (('sigmoid', 'lecun'), ('tanh', 'lecun'), ('relu', 'he'), ('relu', 'lecun'))
WORDS = {'sigmoid': 'sigmoid', 'tanh': 'tanh', 'relu': 'ReLU'}


def get_config(size=None):
    """See the module's docstring."""
    config = common.propagation('vanishing_gradient', size, quick=12, paper=12)
    config.question = 'When does the gradient vanish on its way to the first layers?'
    config.document = 'ROLE §6.1; DEEPREG, how deep can we go'
    units = 16 if config.size == 'smoke' else 256
    depths = tuple((units,) * layers for layers in (5, 10, 20, 50))
    shallow, ten, _, deep = depths
    sigmas = tuple(factor / math.sqrt(units) for factor in (0.1, 0.3, 1.0, 3.0, 10.0))
    config.sweep = union(
        product(
            points({HIDDEN: ten, SCHEME: 'sigma'}),
            grid(ACTIVATION, 'tanh', 'sigmoid'),
            grid(SIGMA, *sigmas),
        ),
        product(
            grid(HIDDEN, *(depth for depth in depths if depth != ten)),
            points(*({ACTIVATION: unit, SCHEME: scheme} for unit, scheme in SCALED)),
        ),
    )
    config.names = (
        (HIDDEN, 'layers'),
        (SIGMA, 'σ of the initial weights'),
        *((f'{HIDDEN}={depth}', f'{len(depth)} layers') for depth in depths),
        *((f'{ACTIVATION}={unit}', words) for unit, words in WORDS.items()),
        (f'{SCHEME}=lecun', "LeCun's"),
        (f'{SCHEME}=he', "He's"),
    )
    by_depth = {SCHEME: ('lecun', 'he')}
    config.figures = _figures(by_depth)
    config.claims = (
        *(claim for unit in ('tanh', 'sigmoid') for claim in _of_sigma(unit, sigmas)),
        *_of_depth(by_depth, deep, shallow),
    )
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(
        config.claims,
        *(f'{unit}: gradients are large' for unit in ('tanh', 'sigmoid')),
        'With depth the gradient vanishes',
    )
    return config


def _of_depth(by_depth, deep, shallow):
    """What is claimed of networks of 5 and of 50 layers."""
    return (
        *(
            {
                'sentence': f'With depth the gradient vanishes ({WORDS[unit]}: less reaches the '
                'first of 50 layers than of 5).',
                'source': 'DEEPREG, conclusion',
                'kind': 'less',
                'metric': RATIO,
                'where': by_depth | {ACTIVATION: unit},
                'a': {HIDDEN: (deep,)},
                'b': {HIDDEN: (shallow,)},
            }
            for unit in ('sigmoid', 'tanh')
        ),
        {
            'sentence': "Initial weights are a starting point: through 50 layers of ReLU with He's "
            "weights more of the gradient comes than with LeCun's.",
            'source': 'DEEPREG, conclusion (which weights it does not say)',
            'kind': 'greater',
            'metric': RATIO,
            'where': {HIDDEN: (deep,), ACTIVATION: 'relu'},
            'a': {SCHEME: 'he'},
            'b': {SCHEME: 'lecun'},
        },
    )


def _figures(by_depth):
    """What is drawn."""
    return (
        {
            'name': 'by_sigma',
            'kind': 'effect',
            'title': 'What reaches the first of ten layers, against σ',
            'metrics': (RATIO,),
            'x': SIGMA,
            'hue': ACTIVATION,
            'where': {SCHEME: 'sigma'},
            'log_x': True,
            'log_y': True,
        },
        {
            'name': 'by_depth',
            'kind': 'effect',
            'title': 'What reaches the first layer, by depth',
            'metrics': (RATIO,),
            'x': HIDDEN,
            'hue': f'{ACTIVATION} + {SCHEME}',
            'where': by_depth,
            'log_y': True,
        },
    )


def _of_sigma(unit, sigmas):
    """What ROLE says of σ with units that saturate, and what theory says of its two ends."""
    source, words = 'ROLE §6.1, random initialization', WORDS[unit]
    mine = {SCHEME: 'sigma', ACTIVATION: unit}
    least, middle, most = sigmas[0], sigmas[len(sigmas) // 2], sigmas[-1]
    yield {
        'sentence': f'{words}: gradients are large for weights close to zero, and the smaller the '
        'further away they are.',
        'source': source,
        'kind': 'decreasing',
        'metric': RATIO,
        'along': SIGMA,
        'where': mine,
    }
    for sigma, kind, does in ((least, 'less', 'vanishes'), (most, 'greater', 'explodes')):
        yield {
            'sentence': f'{words}: the gradient {does} in the first layers with σ = {sigma:g}, '
            f'next to {middle:g}.',
            'source': f'beyond the document ({source} has it the other way round)',
            'kind': kind,
            'metric': RATIO,
            'where': mine,
            'a': {SIGMA: sigma},
            'b': {SIGMA: middle},
        }
