"""Are the gradients of the MLP right? (MLP-BN §2 and §3)

    python main.py --config=configs/gradcheck.py

The gradient of the training loss by automatic differentiation next to central differences, in
float64, for every parameter: 2, 3 and 4 layers without batch norm, 2 and 3 with it, on the first 10
dimensions of the first 5 training images, without a penalty, at the initial weights.

Choices of this project: the step of the differences, 1e-6, which the document does not give; a seed
is one draw of the initial weights, where the document has one; a published share is met within 0.1
points, for 100% cannot be exceeded, and is asked of the parameter that has it, W1; `quick` and
`paper` differ in the number of seeds alone.

Expected (quick, CIFAR-10 (JPEG q75), 10 seeds, 2 minutes on two CPU cores): all errors of all
parameters below 1e-6; the largest of a network 0.6e-9 (2 layers with batch norm) to 1.6e-9 (4
layers), far below the published 0.3e-6 to 1.8e-6; all ten claims supported. `paper` (20 draws, 6
minutes) says the same.
"""

from configs import common
from jaxtweaks.config.expand import points

HIDDEN, BN, PARAMETER = 'model.hidden', 'model.norm', 'gradcheck.parameter'
# (hidden, batch norm): share of errors below 1e-6 over all parameters' worst, and the largest.
PUBLISHED = {
    ((50,), 'none'): (1.0, 1.0063e-6),
    ((50, 50), 'none'): (1.0, 6.4744e-7),
    ((50, 50, 25), 'none'): (1.0, 2.6750e-7),
    ((50,), 'batch'): (0.978, 1.7628e-6),
    ((50, 50), 'batch'): (0.996, 1.3681e-6),
}
# Largest errors of the parameters of 3 layers.
LARGEST = {
    'none': {
        'W1': 2.0314e-8, 'b1': 1.7173e-8, 'W2': 3.6173e-7, 'b2': 2.5908e-8, 'W3': 6.4744e-7,
        'b3': 6.0997e-8,
    },
    'batch': {
        'W1': 1.3681e-6, 'b1': 8.8817e-17, 'γ1': 5.179e-8, 'β1': 6.1067e-8, 'W2': 3.9499e-7,
        'b2': 4.9960e-17, 'γ2': 2.7055e-8, 'β2': 1.3721e-8, 'W3': 8.375e-8, 'b3': 6.9580e-8,
    },
}  # fmt: skip


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('gradcheck', size)
    config.question = 'Are the gradients of the MLP right?'
    config.document = 'MLP-BN §2 and §3'
    config.study.name = 'gradcheck'
    config.model.name = 'mlp'
    config.init.scheme = 'he_2_over_sqrt_n'
    config.data.train_size, config.data.validation_size = 45_000, 5_000
    config.data.standardise = 'pixel'
    config.seeds = {'smoke': 2, 'quick': 10, 'paper': 20}[config.size]
    networks = list(PUBLISHED)
    if config.size == 'smoke':
        config.data.name = 'digits'
        config.data.train_size, config.data.validation_size = 512, 128
        config.data.test_size = 128
        networks = [((50,), 'none'), ((50,), 'batch')]
    config.sweep = points(
        *(
            {HIDDEN: hidden, BN: bn, PARAMETER: parameter}
            for hidden, bn in networks
            for parameter in ('', *_parameters(hidden, bn))
        )
    )
    config.table = ('share_within', 'max_difference')
    config.names = (
        (f'{BN}=none', 'without BN'),
        (f'{BN}=batch', 'with BN'),
        (PARAMETER, 'parameter'),
        (f'{PARAMETER}=', 'all'),
        *(
            (f'{PARAMETER}={name}', words)
            for name, words in _words(4).items()
            if any(name in _parameters(hidden, bn) for hidden, bn in networks)
        ),
    )
    shown = networks[0][0] if config.size == 'smoke' else (50, 50)
    config.figures = tuple(
        {
            'name': f'largest_{name}',
            'kind': 'effect',
            'title': f'Largest difference of the gradients, {len(shown) + 1} layers {words}',
            'metrics': ('max_difference',),
            'x': PARAMETER,
            'where': {HIDDEN: (shown,), BN: bn},
            'log_y': True,
            'published': ((1e-6, 'tolerance'), *_marks(shown, bn)),
        }
        for name, bn, words in (('without', 'none', 'without BN'), ('with', 'batch', 'with BN'))
    )
    config.claims = tuple(
        claim for hidden, bn in networks for claim in _claims(hidden, bn, *PUBLISHED[hidden, bn])
    )
    config.claims = common.that_matter(config.claims)
    return config


def _words(layers):
    """Paths of the parameters of a network and their names in the document."""
    found = {}
    for i in range(layers):
        found[f'Dense_{i}/kernel'] = f'W{i + 1}'
        found[f'Dense_{i}/bias'] = f'b{i + 1}'
        found[f'BatchNorm_{i}/scale'] = f'γ{i + 1}'
        found[f'BatchNorm_{i}/bias'] = f'β{i + 1}'
    return found


def _parameters(hidden, bn):
    last = f'BatchNorm_{len(hidden)}'
    return [
        name
        for name in _words(len(hidden) + 1)
        if not name.startswith(last) and (bn == 'batch' or name.startswith('Dense'))
    ]


def _marks(hidden, bn):
    """The published largest error of each parameter, where the figure shows 3 layers."""
    paths = {words: path for path, words in _words(3).items()}
    found = LARGEST[bn] if hidden == (50, 50) else {}
    return ((paths[words], value, 'largest error') for words, value in found.items())


def _claims(hidden, bn, share, largest):
    words = f'{len(hidden) + 1} layers {"with" if bn == "batch" else "without"} batch norm'
    source = {'source': 'MLP-BN §3' if bn == 'batch' else 'MLP-BN §2'}
    network = {HIDDEN: (hidden,), BN: bn}
    first, errors = ('Dense_0/kernel', ' of W1') if share < 1 else ('', '')
    # 100% cannot be exceeded: it is met if less than one entry in a thousand is beyond 1e-6.
    margin = 0.001
    return (
        {
            'sentence': f'{words}: at least {share:.1%} of the errors{errors} are below 1e-6.',
            'kind': 'level',
            'metric': 'share_within',
            'level': share - margin,
            'direction': 'above',
            'published': {'least of a parameter': share},
            'a': network | {PARAMETER: first},
            **source,
        },
        {
            'sentence': f'{words}: no error is larger than the published {largest:.3g}.',
            'kind': 'level',
            'metric': 'max_difference',
            'level': largest,
            'direction': 'below',
            'published': {'largest': largest},
            'a': network | {PARAMETER: ''},
            **source,
        },
    )
