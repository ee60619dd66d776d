"""How far does a signal get in a deep network that is not trained? (INITREG §I, Figures 1-4)

    python main.py --config=configs/signal_propagation.py

50 layers of 512 units with zero biases; random vectors of unit variance go through them, and the
gradient of the cross entropy comes back. Mean and standard deviation of activations and gradients
by layer, for the initialisations and activations of the document, and the sigmoid next to them.

Choices of this project: the fixed σ is 0.01; the loss takes the last layer's activations as logits
of as many random classes; gradients are those with respect to the activations of each layer;
"vanished" means a standard deviation below the smallest float32 with all its digits, 1.2e-38;
"highest" is read of the last layer's activations and of the first layer's gradients; it is asked
among the document's two activations, without the sigmoid, whose units are never near 0. The
heuristic and the fixed σ are compared by the mean of the four, which is that of the largest.
`quick` has 1,000 of the 10,000 vectors.

Expected (quick, 12 seeds, 1.5 minutes for ten of them on two CPU cores): tanh with Xavier uniform
is above ReLU with Xavier uniform and above the heuristic and the fixed σ, in activations and
gradients (supported), and below ReLU with Kaiming uniform and tanh with Kaiming in both
(contradicted: 0.098 against 0.78 and 0.56 for activations); ReLU with Xavier is far below tanh with
Xavier normal and with Kaiming (contradicted), ReLU with Kaiming above the first (supported) and, in
gradients, below the second (contradicted). Uniform and normal draws cannot be told apart.
Expected (paper, 12 seeds, ten of them in 33 minutes on cores used by others too): the same
verdicts, with 0.098, 0.78 and 0.56 for activations.
"""

from configs import common
from jaxtweaks.config.expand import grid, points, product

SCHEME, DISTRIBUTION, ACTIVATION = 'init.scheme', 'init.distribution', 'model.activation'
INITS = (
    ('heuristic', 'uniform'),
    ('sigma', 'normal'),
    ('glorot', 'uniform'),
    ('glorot', 'normal'),
    ('he', 'uniform'),
    ('he', 'normal'),
)


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('signal_propagation', size)
    config.question = 'How far does a signal get in a deep network that is not trained?'
    config.document = 'INITREG §I, Figures 1-4'
    config.study.name = 'signal_propagation'
    config.model.hidden = (512,) * 50
    config.sigma.sigma = 0.01
    config.signal_propagation.vectors = 10_000
    config.seeds = 12  # what has no spread at all is only settled by many sign flips
    if config.size == 'quick':
        config.signal_propagation.vectors = 1_000
    elif config.size == 'smoke':
        config.model.hidden, config.signal_propagation.vectors, config.seeds = (32,) * 6, 50, 2
    config.sweep = product(
        grid(ACTIVATION, 'tanh', 'relu', 'sigmoid'),
        points(*({SCHEME: scheme, DISTRIBUTION: distribution} for scheme, distribution in INITS)),
    )
    config.names = (
        (f'{SCHEME} + {DISTRIBUTION}', 'initialisation'),
        (SCHEME, 'initialisation'),
        (DISTRIBUTION, 'distribution'),
        (f'{SCHEME}=heuristic', 'U(±1/√n)'),
        (f'{SCHEME}=sigma', 'σ = 0.01'),
        (f'{SCHEME}=glorot', 'Xavier'),
        (f'{SCHEME}=he', 'Kaiming'),
        ('relu', 'ReLU'),
    )
    config.figures = tuple(
        {
            'name': name,
            'kind': 'curves',
            'title': f'{words} of activations and of gradients by layer',
            'metrics': (f'activation_{moment}', f'gradient_{moment}'),
            'panels': ACTIVATION,
            'hue': f'{SCHEME} + {DISTRIBUTION}',
            'log_y': True,
        }
        for name, moment, words in (
            ('figures_1_3', 'mean', 'Magnitude of the mean'),
            ('figures_2_4', 'std', 'Deviation'),
        )
    )
    config.claims = (
        *_ranking('activation_std', 'last_epoch', 'activation', 'INITREG §I, Figure 2'),
        *_ranking('gradient_std', 1, 'gradient', 'INITREG §I, Figure 4'),
        {
            'sentence': 'With some combinations the gradients vanish entirely (σ = 0.01, ReLU: in '
            'all layers but the last).',
            'source': 'INITREG §I',
            'kind': 'level',
            'metric': 'living_gradients',
            'a': {ACTIVATION: 'relu', SCHEME: 'sigma'},
            'level': 1.5,
            'direction': 'below',
        },
    )
    config.claims = common.that_matter(config.claims)
    return config


def _ranking(metric, at, words, source):
    """Who is above whom; each rival alone, since a mean is that of the highest."""
    way = lambda unit, scheme, *distributions: {
        ACTIVATION: unit,
        SCHEME: scheme,
        DISTRIBUTION: distributions,
    }
    shared = {'source': source, 'kind': 'greater', 'metric': metric, 'at': at}
    first = way('tanh', 'glorot', 'uniform')
    others = (
        ('tanh with Xavier normal', way('tanh', 'glorot', 'normal')),
        ('tanh with Kaiming uniform', way('tanh', 'he', 'uniform')),
        ('tanh with Kaiming normal', way('tanh', 'he', 'normal')),
    )
    rivals = (
        *others,
        ('ReLU with Xavier uniform', way('relu', 'glorot', 'uniform')),
        ('ReLU with Kaiming uniform', way('relu', 'he', 'uniform')),
        (
            'the original heuristic and fixed σ',
            {ACTIVATION: ('tanh', 'relu'), SCHEME: ('heuristic', 'sigma')},
        ),
    )
    return (
        *(
            {
                'sentence': 'Tanh with Xavier uniform keeps a higher standard deviation of '
                f'{words} than {rival}.',
                'a': first,
                'b': other,
                **shared,
            }
            for rival, other in rivals
        ),
        *(
            {
                'sentence': f'ReLU with {name} uniform comes next in the standard deviation of '
                f'{words}: above {rival}.',
                'a': way('relu', scheme, 'uniform'),
                'b': other,
                **shared,
            }
            for name, scheme in (('Xavier', 'glorot'), ('Kaiming', 'he'))
            for rival, other in (
                *others,
                (f'ReLU with {name} normal', way('relu', scheme, 'normal')),
            )
        ),
    )
