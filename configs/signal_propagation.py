"""How far does a signal get in a deep network that is not trained? (INITREG §I, Figures 1-4)

    python main.py --config=configs/signal_propagation.py

50 layers of 512 units with zero biases; random vectors of unit variance go through them, and the
gradient of the cross entropy comes back. Mean and standard deviation of activations and gradients
by layer.

The document has no formulas. Literally, its Xavier and Kaiming are those of their papers (`glorot`,
`he`). A second reading is what a public program does that probably belongs to it: its Kaiming
uniform is U(±√(3/N)), without the gain of 2 (`lecun` here), and its normal draws take the variance
for the standard deviation (σ = 2/(N_in + N_out) and 2/N). The figures have seven combinations: tanh
with the heuristic and Xavier, ReLU with Xavier and Kaiming; each reading is asked about its own
seven. With layers of one width Xavier and Kaiming without gain are the same.

Beyond the document: tanh with Kaiming and ReLU with the heuristic; the variances of ROLE §6.1 (a
linear layer multiplies the standard deviation with √N σ on both ways, ReLU's half of it lost), as
the factor of a layer within 0.02; σ = 0.01, 0.1 and 1 with tanh and sigmoid (ROLE §6.1).

Choices of this project: the fixed σ is 0.01; the loss takes the last layer's activations as logits
of as many random classes; gradients are those with respect to the activations of each layer (the
program has those of the weights; the ranking is the same, the magnitudes in Figures 3 and 4 are
not); "vanished" means a standard deviation below the smallest float32 with all its digits, 1.2e-38;
"highest" is read of the last layer's activations and of the first layer's gradients. That uniform
and normal draws of one variance differ is nowhere claimed: they are asked to be equivalent.

Expected (quick, generated: random vectors, about 3 minutes on two CPU cores; docs/results, 5 to 20
seeds by --until_settled): 52 of 68 claims supported, 16 contradicted. In part as claimed: 2 of 4
claims that answer the question hold, 2 do not. What holds: Some combinations (those with normal
draws; second reading) lose their activations entirely in at least one layer (27.27 of 50 are left,
5 seeds). What does not: the same with Xavier and Kaiming as published (50 are left, 20 seeds).
"""

from configs import common
from jaxtweaks.config.expand import grid, points, product, union

SCHEME, DISTRIBUTION, ACTIVATION = 'init.scheme', 'init.distribution', 'model.activation'
SIGMA = 'sigma.sigma'
INIT = f'{SCHEME} + {DISTRIBUTION} + {SIGMA}'
LAYERS = 50
FIXED, SIGMAS = 0.01, (0.01, 0.1, 1.0)
XAVIER, KAIMING = ('glorot', 'uniform'), ('he', 'uniform')
XAVIER_NORMAL, KAIMING_NORMAL = ('glorot', 'normal'), ('he', 'normal')
HEURISTIC = ('heuristic', 'uniform')
# Of the second reading.
NO_GAIN = ('lecun', 'uniform')
XAVIER_WIDE, KAIMING_WIDE = ('glorot_2_over_n', 'normal'), ('he_2_over_n', 'normal')
# By activation; σ is fixed where the scheme has one.
INITS = {
    'tanh': (HEURISTIC, XAVIER, XAVIER_NORMAL, KAIMING, KAIMING_NORMAL, XAVIER_WIDE),
    'relu': (
        HEURISTIC,
        XAVIER,
        XAVIER_NORMAL,
        KAIMING,
        KAIMING_NORMAL,
        NO_GAIN,
        XAVIER_WIDE,
        KAIMING_WIDE,
    ),
    'identity': (XAVIER_NORMAL, KAIMING_NORMAL),
}
WORDS = {
    'heuristic': 'U(±1/√n)',
    'sigma': 'given σ',
    'glorot': 'Xavier',
    'he': 'Kaiming',
    'lecun': 'Kaiming without gain',
    'glorot_2_over_n': 'Xavier, σ = 2/(N_in + N_out)',
    'he_2_over_n': 'Kaiming, σ = 2/N',
}
# The seven combinations of each reading: the first, the next two, the rest, in words.
READINGS = {
    'Xavier and Kaiming as published': (
        ('ReLU with Xavier uniform', 'relu', XAVIER),
        ('ReLU with Kaiming uniform', 'relu', KAIMING),
        (
            ('tanh with the original heuristic', 'tanh', HEURISTIC),
            ('tanh with Xavier normal', 'tanh', XAVIER_NORMAL),
            ('ReLU with Xavier normal', 'relu', XAVIER_NORMAL),
            ('ReLU with Kaiming normal', 'relu', KAIMING_NORMAL),
        ),
    ),
    'second reading': (
        ('ReLU with Xavier uniform', 'relu', XAVIER),
        ('ReLU with Kaiming uniform without gain', 'relu', NO_GAIN),
        (
            ('tanh with the original heuristic', 'tanh', HEURISTIC),
            ('tanh with Xavier normal, σ = 2/(N_in + N_out)', 'tanh', XAVIER_WIDE),
            ('ReLU with Xavier normal, σ = 2/(N_in + N_out)', 'relu', XAVIER_WIDE),
            ('ReLU with Kaiming normal, σ = 2/N', 'relu', KAIMING_WIDE),
        ),
    ),
}
MEASURED = (
    ('activations', 'activation_std', 'last_epoch', 'Figure 2'),
    ('gradients', 'gradient_std', 1, 'Figure 4'),
)


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('signal_propagation', size, study='signal_propagation')
    config.question = 'How far does a signal get in a deep network that is not trained?'
    config.document = 'INITREG §I, Figures 1-4'
    config.model.hidden = (512,) * LAYERS
    config.signal_propagation.vectors = 10_000
    config.seeds = 12  # what has no spread at all is only settled by many sign flips
    if config.size == 'quick':
        config.signal_propagation.vectors = 1_000
    elif config.size == 'smoke':
        config.model.hidden, config.signal_propagation.vectors, config.seeds = (32,) * 6, 50, 2
    config.sweep = union(*_sweeps())
    config.names = (
        (INIT, 'initialisation'),
        (SCHEME, 'initialisation'),
        (DISTRIBUTION, 'distribution'),
        (SIGMA, 'σ'),
        *((f'{SCHEME}={scheme}', words) for scheme, words in WORDS.items()),
        # Without the σ of the base setting, which none of these reads.
        *(
            (f'{INIT}={(scheme, draw, config.sigma.sigma)}', f'{WORDS[scheme]}, {draw}')
            for scheme, draw in dict.fromkeys(init for inits in INITS.values() for init in inits)
        ),
        ('relu', 'ReLU'),
        ('identity', 'linear'),
    )
    config.table = ('last_activation_std', 'first_gradient_std', 'activation_factor',
                    'gradient_factor', 'living_activations', 'living_gradients')  # fmt: skip
    config.figures = tuple(
        {
            'name': name,
            'kind': 'curves',
            'title': f'{words} of activations and of gradients by layer',
            'metrics': (f'activation_{moment}', f'gradient_{moment}'),
            'panels': ACTIVATION,
            'hue': INIT,
            'log_y': True,
        }
        for name, moment, words in (
            ('figures_1_3', 'mean', 'Magnitude of the mean'),
            ('figures_2_4', 'std', 'Standard deviation'),
        )
    )
    config.claims = common.that_matter(
        (*_ranking(), *_vanished(len(config.model.hidden)), *_beyond(), *_laws(), *_sigmas())
    )
    config.claims = common.that_answer(config.claims, 'Some combinations')
    return config


def _sweeps():
    for unit, inits in INITS.items():
        yield points(*(_way(unit, init) for init in inits))
    for unit, sigmas in (('tanh', SIGMAS), ('sigmoid', SIGMAS), ('relu', (FIXED,))):
        yield product(points(_way(unit, ('sigma', 'normal'))), grid(SIGMA, *sigmas))


def _way(unit, init):
    return {ACTIVATION: unit, SCHEME: init[0], DISTRIBUTION: init[1]}


def _ranking():
    """Who is above whom; each rival alone, since a mean is that of the highest."""
    first = _way('tanh', XAVIER)
    asked = []
    for reading, (*runners_up, rest) in READINGS.items():
        pairs = [('Tanh with Xavier uniform', first, one) for one in (*runners_up, *rest)]
        pairs += [
            (words, _way(unit, init), one) for words, unit, init in runners_up for one in rest
        ]
        asked += [(reading, *pair) for pair in pairs]
    seen = []
    for reading, words, a, (other, *rival) in asked:
        b = _way(*rival)
        if _equal(a, b) or (a, b) in seen:  # the same in both readings
            continue
        seen.append((a, b))
        yield from (
            {
                'sentence': f'{words} keeps a higher standard deviation of {what} than {other}.',
                'source': f'INITREG §I, {figure} ({reading})',
                'kind': 'greater',
                'metric': metric,
                'at': at,
                'a': a,
                'b': b,
            }
            for what, metric, at, figure in MEASURED
        )


def _equal(a, b):
    """Whether two ways differ in the distribution alone, so that theory has them equal."""
    return {**a, DISTRIBUTION: ''} == {**b, DISTRIBUTION: ''}


def _vanished(layers):
    """Total vanishing, "some combinations" (INITREG §I, below Figure 3)."""
    for reading, normals in (
        ('Xavier and Kaiming as published', (XAVIER_NORMAL, KAIMING_NORMAL)),
        ('second reading', (XAVIER_WIDE, KAIMING_WIDE)),
    ):
        ways = [('tanh', normals[0]), ('relu', normals[0]), ('relu', normals[1])]
        for what in ('activations', 'gradients'):
            yield {
                'sentence': f'Some combinations (those with normal draws; {reading}) lose their '
                f'{what} entirely in at least one layer.',
                'source': 'INITREG §I',
                'kind': 'level',
                'metric': f'living_{what}',
                'a': {
                    f'{ACTIVATION} + {SCHEME} + {DISTRIBUTION}': tuple(
                        (unit, *init) for unit, init in ways
                    )
                },
                'level': layers - 0.5,
                'direction': 'below',
            }


def _beyond():
    """Rivals that the document did not test, and draws that theory has equal."""
    for what, metric, at, figure in MEASURED:
        for words, init in (('uniform', KAIMING), ('normal', KAIMING_NORMAL)):
            yield {
                'sentence': f'Tanh with Xavier uniform keeps a higher standard deviation of {what} '
                f'than tanh with Kaiming {words}.',
                'source': f'beyond the document; INITREG §I, {figure}',
                'kind': 'greater',
                'metric': metric,
                'at': at,
                'a': _way('tanh', XAVIER),
                'b': _way('tanh', init),
            }
    for words, unit, (one, other) in (
        ('tanh with Xavier', 'tanh', (XAVIER, XAVIER_NORMAL)),
        ('ReLU with Kaiming', 'relu', (KAIMING, KAIMING_NORMAL)),
    ):
        yield {
            'sentence': f'Uniform and normal draws of one variance are equal: {words} (the factor '
            'of a layer, within 0.02).',
            'source': 'beyond the document; INITREG §I has the uniform ones above',
            'kind': 'equivalent',
            'metric': 'activation_factor',
            'a': _way(unit, one),
            'b': _way(unit, other),
            'margin': 0.02,
        }


def _laws():
    """The factor √N σ of a layer, √½ of it with ReLU (ROLE §6.1, DEEPREG 27-63)."""
    half = 0.5**0.5
    for words, unit, init, factor in (
        ('A linear layer with LeCun or Xavier (σ² = 1/N here)', 'identity', XAVIER_NORMAL, 1.0),
        ('A linear layer with He (σ² = 2/N)', 'identity', KAIMING_NORMAL, 1 / half),
        ('A layer with ReLU and LeCun (σ² = 1/N)', 'relu', NO_GAIN, half),
        ('A layer with ReLU and He (σ² = 2/N)', 'relu', KAIMING_NORMAL, 1.0),
    ):
        for way, metric in (('forward', 'activation_factor'), ('backward', 'gradient_factor')):
            yield {
                'sentence': f'{words} multiplies the standard deviation with {factor:.3g} on the '
                f'way {way} (within 0.02).',
                'source': 'beyond the document; ROLE §6.1',
                'kind': 'level',
                'metric': metric,
                'a': _way(unit, init),
                'level': factor,
                'direction': 'equal',
                'margin': 0.02,
            }


def _sigmas():
    """Tanh and sigmoid with small and large weights (ROLE §6.1, "Random Initialization")."""
    for unit in ('tanh', 'sigmoid'):
        given = _way(unit, ('sigma', 'normal'))
        source = 'beyond the document; ROLE §6.1'
        yield {
            'sentence': f'With {unit} gradients are the smaller, the larger the weights (factor of '
            'a layer on the way back).',
            'source': source,
            'kind': 'decreasing',
            'metric': 'gradient_factor',
            'along': SIGMA,
            'where': given,
        }
        yield {
            'sentence': f'With {unit} and σ = {FIXED:g} gradients vanish on the way to the first '
            'layers (a layer more than halves them).',
            'source': source,
            'kind': 'level',
            'metric': 'gradient_factor',
            'a': given | {SIGMA: FIXED},
            'level': 0.5,
            'direction': 'below',
        }
        yield {
            'sentence': f'With {unit} and σ = {SIGMAS[-1]:g} gradients explode on the way to the '
            'first layers (a layer makes them larger).',
            'source': source,
            'kind': 'level',
            'metric': 'gradient_factor',
            'a': given | {SIGMA: SIGMAS[-1]},
            'level': 1.0,
            'direction': 'above',
        }
