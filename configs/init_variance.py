"""Which variance of the weights keeps that of the signal, and of the gradient? (ROLE §6.1, DEEPREG)

    python main.py --config=configs/init_variance.py

Both documents derive their rules for the initial weights from variances: of a linear unit Var(y) =
N Var(x) σ², so that σ² = 1/N keeps it (LeCun; DEEPREG calls it Xavier, and says that it breaks with
the ReLU); with a ReLU in front ½ N Var(x) σ², so that σ² = 2/N does (He); and Glorot's 2/(N_in +
N_out) takes the way back into account too. Here random vectors of variance 1 go through layers that
are not trained, and the gradient comes back: through six layers of equal width, and through layers
of which each has half of the units of the one before, where inputs and outputs differ.

What is derived for six layers: a linear network with LeCun keeps the standard deviation 1. With a
ReLU it loses half of the variance at each layer but the first, whose inputs are the vectors
themselves, and a unit z ~ N(0, s²) leaves the ReLU with √(½ − 1/(2π)) s = 0.584 s; so 0.584 ·
2^−2.5 = 0.103 are left. With He the first layer has s² = 2, and all others keep it: 0.826.

Choices of this project: widths of 1,024, and 1,024 to 64; linear layers (the identity) and ReLU;
the loss of `signal_propagation`; "keeps" and "is" are read to a tenth. `quick` has 200 vectors,
`paper` 2,000.

Expected (any size, about 1 minute on two CPU cores; docs/results, 20 seeds by --until_settled): 7
of 7 claims supported. As claimed: With σ² = 1/N linear layers keep the variance of the signal
(standard deviation 1, to a tenth; measured: 0.9998, 99.5% interval 0.9687 to 1.031, 5 seeds); 3
further claims hold as well.
"""

from configs import common
from jaxtweaks.config.expand import points, product, union

HIDDEN, ACTIVATION, SCHEME = 'model.hidden', 'model.activation', 'init.scheme'
LINEAR, RELU = {ACTIVATION: 'identity'}, {ACTIVATION: 'relu'}
LECUN, GLOROT, HE = ({SCHEME: scheme} for scheme in ('lecun', 'glorot', 'he'))


def get_config(size=None):
    """See the module's docstring."""
    config = common.propagation('init_variance', size, quick=20, paper=40)
    config.question = 'Which variance of the weights keeps that of the signal, and of the gradient?'
    config.document = 'ROLE §6.1; DEEPREG, weight initialization'
    equal, halved = (1024,) * 6, (1024, 512, 256, 128, 64)
    if config.size == 'smoke':
        equal, halved = (32,) * 6, (64, 32, 16, 8, 4)
    equal, halved = {HIDDEN: equal}, {HIDDEN: halved}
    config.sweep = union(
        product(points(equal), points(LINEAR | LECUN, RELU | LECUN, RELU | HE)),
        product(points(halved), points(LINEAR | LECUN, LINEAR | GLOROT)),
    )
    config.names = (
        (HIDDEN, 'widths'),
        (f'{HIDDEN}={equal[HIDDEN]}', 'equal widths'),
        (f'{HIDDEN}={halved[HIDDEN]}', 'halved widths'),
        (f'{ACTIVATION}=identity', 'linear'),
        (f'{ACTIVATION}=relu', 'ReLU'),
    )
    # A condition's tuple is a choice of values, so one that is a value stands in another.
    equal, halved = ({HIDDEN: (each[HIDDEN],)} for each in (equal, halved))
    config.figures = tuple(
        {
            'name': name,
            'kind': 'curves',
            'title': f'Standard deviation of activations and of gradients by layer, {words}',
            'metrics': ('activation_std', 'gradient_std'),
            'hue': f'{ACTIVATION} + {SCHEME}',
            'where': where,
            'log_y': True,
        }
        for name, words, where in (
            ('equal', 'equal widths', equal),
            ('halved', 'halved widths', halved),
        )
    )
    role, lecture = 'ROLE §6.1', 'DEEPREG, weight initialization'
    of_signal, of_gradient = 'last_activation_std', 'gradient_ratio'
    config.claims = _claims(equal, halved, role, lecture, of_signal, of_gradient)
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(
        config.claims, 'With σ² = 1/N linear layers', 'With σ² = 2/N and ReLU'
    )
    return config


def _claims(equal, halved, role, lecture, of_signal, of_gradient):
    """What is claimed."""
    return (
        _level(
            'With σ² = 1/N linear layers keep the variance of the signal', f'{role}; {lecture}',
            of_signal, LINEAR | LECUN | equal, 1.0,
        ),
        _level(
            'With σ² = 1/N and ReLU each layer halves the variance', f'{role}; {lecture}',
            of_signal, RELU | LECUN | equal, 0.103,
        ),
        _level(
            'With σ² = 2/N and ReLU the layers keep the variance', f'{role}, He initialization',
            of_signal, RELU | HE | equal, 0.826,
        ),
        _level(
            'With σ² = 1/N linear layers of equal width keep the variance of the gradient', lecture,
            of_gradient, LINEAR | LECUN | equal, 1.0,
        ),
        _level(
            'With σ² = 2/N and ReLU layers of equal width keep the variance of the gradient',
            'beyond the document (He et al. 2015)', of_gradient, RELU | HE | equal, 1.0,
        ),
        {
            'sentence': 'Where widths are halved, Glorot keeps more of the gradient than σ² = 1/N.',
            'source': f'{role}, Glorot; {lecture}',
            'kind': 'greater',
            'metric': of_gradient,
            'where': halved,
            'a': GLOROT,
            'b': LECUN,
        },
        {
            'sentence': 'Where widths are halved, Glorot pays with the signal, whose '
            'standard deviation rises above that with σ² = 1/N.',
            'source': f'{role}, Glorot; {lecture}',
            'kind': 'greater',
            'metric': of_signal,
            'where': halved,
            'a': GLOROT,
            'b': LECUN,
        },
    )  # fmt: skip


def _level(sentence, source, metric, arm, level):
    return {
        'sentence': f'{sentence} (standard deviation {level:g}, to a tenth).',
        'source': source,
        'kind': 'level',
        'metric': metric,
        'a': arm,
        'level': level,
        'direction': 'equal',
        'margin': level / 10,
    }
