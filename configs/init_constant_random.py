"""Which standard deviation must random initial weights have? (ROLE §6.2, Figure 6)

    python main.py --config=configs/init_constant_random.py

The CNN of ROLE §2 with all weights constant, normal N(0, σ²) or uniform U(−√3σ, √3σ), σ from 1e-4
to 1. All of them are one program: scheme, distribution and σ are traced. The document's constants
are 0 and 1. It says that with any of them "the whole network will be equivalent to using only one
neuron or one filter per layer": that the units of a layer stay the same is measured after each
epoch, as what their weights have not in common (`train.unit_spread`). All 0 get no gradient and all
1 let the signal explode, so with a third constant, 0.003, beyond the document, the loss can fall.

Choices of this project: see `common.role_cnn`; "does not train" is read as a training loss at the
end that is not below 2.25, where a network that has learned nothing stands at log 10 = 2.303; the
"good range" [0.03, 0.07] as that a network trains there, and that the best σ lies in it. The losses
of networks that blow up lie powers of ten apart, so it is their logarithms that are tested. At
`quick` the network is narrower and every σ, the range included, is twice as large
(`common.sigma_scale`), the third constant four times, as it goes with 1/N. "Stay the same" is a
spread below 1%; random weights start near 100%. `quick` has 2,500 images and 4 epochs.

Expected (quick, about 3 minutes on two CPU cores; docs/results, 5 to 8 seeds by --until_settled):
10 of 10 claims supported. As claimed: σ = 0.0002 is too low: the network does not train (training
loss stays above 2.25; log₁₀ of the training loss, normal or uniform, σ [or the constant] 0.0002:
0.3622, 98.3% interval 0.3622 to 0.3622, 5 seeds); 2 further claims hold as well.
"""

import math

from configs import common
from jaxtweaks.config.expand import grid, product, union

DISTRIBUTION, SIGMA = 'init.distribution', 'sigma.sigma'
GOOD = (0.03, 0.05, 0.07)  # the document's range and its middle, of the full network
ALIKE = 0.003  # a constant that neither vanishes nor explodes there


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('init_constant_random', size)
    config.question = 'Which standard deviation must random initial weights have?'
    config.document = 'ROLE §6.2, Figure 6'
    config.init.scheme = 'sigma'
    if config.size != 'smoke':
        # Networks that learn nothing are all alike, so sign flips decide: ten seeds for ten claims.
        config.seeds = max(config.seeds, 10)
    sigmas = (1e-4, 1e-3, 0.01, 0.03, 0.05, 0.07, 0.1, 0.3, 1.0)
    if config.size == 'smoke':
        sigmas = (1e-4, 0.03, 0.05, 0.07, 1.0)
    elif config.size == 'quick':
        config.data.train_size, config.train.epochs = 2_500, 4
    scale = common.sigma_scale(config)
    sigmas, good = (tuple(scale * sigma for sigma in each) for each in (sigmas, GOOD))
    alike = scale**2 * ALIKE
    config.train.unit_spread = True
    random = {DISTRIBUTION: ('normal', 'uniform')}
    config.sweep = union(
        product(grid(DISTRIBUTION, 'constant'), grid(SIGMA, 0.0, alike, 1.0)),
        product(grid(DISTRIBUTION, 'normal', 'uniform'), grid(SIGMA, *sigmas)),
    )
    config.names = ((DISTRIBUTION, 'initial weights'), (SIGMA, 'σ (or the constant)'))
    config.figures = _figures(sigmas, scale, random)
    stuck = {
        'kind': 'level',
        'metric': 'log_train_loss',
        'level': math.log10(2.25),
        'direction': 'above',
        # A third of the way from there to a network that has learned nothing: with the usual 0.02
        # of a loss, twice that way, one would be "no different" from the level.
        'smallest': (math.log10(math.log(10)) - math.log10(2.25)) / 3,
    }
    config.claims = _claims(sigmas, scale, alike, random, stuck, good)
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(
        config.claims,
        f'σ = {sigmas[0]:g} is too low',
        f'σ = {sigmas[-1]:g} is too high',
        'The best σ',
    )
    return config


def _figures(sigmas, scale, random):
    """What is drawn."""
    return (
        {
            'name': 'figure_6_close',
            'kind': 'curves',
            'title': f'Training loss by epoch, σ up to {0.1 * scale:g}',
            'metrics': ('train_loss',),
            'hue': SIGMA,
            'panels': DISTRIBUTION,
            'where': {**random, SIGMA: tuple(sigma for sigma in sigmas if sigma <= 0.1 * scale)},
        },
        {
            'name': 'figure_6',
            'kind': 'curves',
            'title': 'Training loss by epoch, every σ',
            'metrics': ('train_loss',),
            'hue': SIGMA,
            'panels': DISTRIBUTION,
            'log_y': True,
        },
        {
            'name': 'spread',
            'kind': 'curves',
            'title': 'Spread between the units of a layer by epoch',
            'metrics': ('unit_spread',),
            'hue': SIGMA,
            'panels': DISTRIBUTION,
        },
        {
            'name': 'by_sigma',
            'kind': 'effect',
            'title': 'Training loss at the end against σ',
            'metrics': ('train_loss',),
            'x': SIGMA,
            'hue': DISTRIBUTION,
            'where': random,
            'log_x': True,
            'log_y': True,
        },
    )


def _claims(sigmas, scale, alike, random, stuck, good):
    """What is claimed."""
    return (
        {
            'sentence': 'Weights that are all 0 do not train (training loss stays above 2.25).',
            'source': 'ROLE §6.2',
            'a': {DISTRIBUTION: 'constant', SIGMA: 0.0},
            **stuck,
        },
        {
            'sentence': 'Weights that are all 1 do not train (training loss stays above 2.25).',
            'source': 'ROLE §6.2',
            'a': {DISTRIBUTION: 'constant', SIGMA: 1.0},
            **stuck,
        },
        *(
            {
                'sentence': f'σ = {sigma:g} is too {words}: the network does not train (training '
                'loss stays above 2.25).',
                'source': 'ROLE §6.2',
                'a': {**random, SIGMA: sigma},
                **stuck,
            }
            for sigma, words in ((sigmas[0], 'low'), (sigmas[-1], 'high'))
        ),
        *(
            {
                'sentence': f'σ = {sigma:g} is in the good range: the network trains (training '
                'loss below 2.25).',
                'source': 'ROLE §6.2',
                'a': {**random, SIGMA: sigma},
                **stuck | {'direction': 'below'},
            }
            for sigma in good
        ),
        {
            'sentence': f'The best σ lies in [{good[0]:g}, {good[-1]:g}].',
            'source': 'ROLE §6.2 (its range, scaled with the width of the network)'
            if scale != 1
            else 'ROLE §6.2',
            'kind': 'optimum',
            'metric': 'log_train_loss',
            'along': SIGMA,
            'a': random,
            'within': (good[0], good[-1]),
            'goal': 'min',
        },
        {
            'sentence': f'With all weights {alike:g} the units of a layer stay the same (spread '
            'below 1%).',
            'source': 'ROLE §6.1, constant initialization (a constant beyond the document; follows '
            'from equal gradients, so it can hardly fail)',
            'kind': 'level',
            'metric': 'unit_spread',
            'at': 'last_epoch',
            'a': {DISTRIBUTION: 'constant', SIGMA: alike},
            'level': 0.01,
            'direction': 'below',
        },
        {
            'sentence': f'A network of units that are all the same ({alike:g}) trains worse than '
            f'one with random weights (σ = {good[1]:g}).',
            'source': 'ROLE §6.1, constant initialization (a constant beyond the document)',
            'kind': 'greater',
            'metric': 'train_loss',
            'a': {DISTRIBUTION: 'constant', SIGMA: alike},
            'b': {**random, SIGMA: good[1]},
        },
    )
