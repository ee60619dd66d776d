"""What do L1, L2 and the elastic net do to the weights and to the gap? (GENERAL, regularization)

    python main.py --config=configs/penalties.py

J = mean loss + λR(W) with R = Σw² (L2), Σ|w| (L1) or Σ(βw² + |w|) (elastic net), on weights and not
on biases, for ReLU, tanh and sigmoid. That L2 is MAP estimation under a prior N(0, α²I) is exact
and no matter of measurement: λ = 1/(2α²N) for N images, as a unit test shows.

Gradient descent does not put weights to exactly 0, so what L1 does is measured as the share of
weights below 0.001 in size. How near a network is to a linear function is measured at each hidden
unit, by the squared correlation of what goes into its nonlinearity and what comes out, over
validation images: 1 for a linear unit. How smooth a curve of the cost J against the epoch is, is
measured by how much it rises: the sum of all rises from one epoch to the next, 0 for a curve that
only falls.

Choices of this project: see `common.general_mlp`; Glorot initialisation, since it serves all three
nonlinearities; the λ; β = 10, which makes both terms equal for a weight of 0.1.

Expected (quick, MNIST, 5 seeds, 6 minutes on two CPU cores used by others too): L1 makes 86% of
the weights smaller than 0.001, L2 makes them smaller, and tanh and sigmoid networks more linear
(all supported). No penalty closes the gap of the ReLU network: with L1 it is 1.0 points wider
(contradicted), with the others 0.6 and 0.8 (inconclusive). Nor is the cost curve smoother with L2
(contradicted): without a penalty it hardly rises at all.

Expected (paper, 6 seeds, 19 minutes on one of two CPU cores): the elastic net and L2 close the gap
a little (by 0.8 and 0.4 points, supported), with L1 nothing is settled; all else as at `quick`.
"""

from configs import common
from jaxtweaks.config.expand import grid, product, union

L1, L2, BETA, UNIT = 'penalty.l1', 'penalty.l2', 'penalty.elastic', 'model.activation'
UNITS = ('relu', 'tanh', 'sigmoid')
ERRORS, LOSSES = ('1-train_accuracy', '1-validation_accuracy'), ('running_loss', 'validation_loss')
SMALL = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)
# Of each penalty: the field of its λ, the λ, and the conditions that leave the others out.
KINDS = {
    'L2': (L2, (1e-4, 3e-4, 1e-3, 3e-3, 1e-2), {L1: 0.0, BETA: 0.0}),
    'L1': (L1, SMALL, {L2: 0.0, BETA: 0.0}),
    'elastic net': (L1, SMALL, {L2: 0.0, BETA: 10.0}),
}


def get_config(size=None):
    """See the module's docstring."""
    config = common.general_mlp('penalties', size)
    config.question = 'What do L1, L2 and the elastic net do to the weights and to the gap?'
    config.document = 'GENERAL, regularization'
    config.init.scheme = 'glorot'
    config.penalty.l2_form = 'full'
    if config.size == 'smoke':
        config.train.epochs = 4
    config.train.weight_bins = 101
    config.train.linearity = True
    config.derive = ('roughness',)
    some = slice(None, None, 2) if config.size == 'smoke' else slice(None)
    config.sweep = product(
        grid(UNIT, *UNITS),
        union(
            *(
                product(grid(BETA, alone[BETA]), grid(field, 0.0, *weights[some]))
                for field, weights, alone in KINDS.values()
            )
        ),
    )
    config.names = ((UNIT, 'nonlinearity'), (L1, 'λ of L1'), (L2, 'λ of L2'), (BETA, 'β'))
    config.table = (
        'test_accuracy', 'gap_accuracy', 'weight_norm', 'small_weights', 'linearity', 'roughness',
    )  # fmt: skip
    config.figures = (
        *(
            {
                'name': f'{figure}_{name.partition(" ")[0].lower()}',
                'kind': 'effect',
                'title': f'{title} against λ: {name}',
                'metrics': metrics,
                'x': field,
                'hue': UNIT,
                'where': alone,
                'log_x': True,
            }
            for figure, title, metrics in (
                ('error', 'Training and validation error', ERRORS),
                ('weights', 'Norm and share of small weights', ('weight_norm', 'small_weights')),
            )
            for name, (field, _, alone) in KINDS.items()
        ),
        *(
            {
                'name': f'by_epoch_{name.partition(" ")[0].lower()}',
                'kind': 'curves',
                'title': f'Loss by epoch: {name}, ReLU',
                'metrics': LOSSES,
                'hue': field,
                'where': {**alone, UNIT: 'relu'},
            }
            for name, (field, _, alone) in KINDS.items()
        ),
        *(
            {
                'name': f'histogram_{name.partition(" ")[0].lower()}',
                'kind': 'histogram',
                'title': f'Weights at the end: {name}, ReLU',
                'hue': field,
                'where': {**alone, UNIT: 'relu'},
            }
            for name, (field, _, alone) in KINDS.items()
        ),
        {
            'name': 'linearity',
            'kind': 'effect',
            'title': 'How near to linear the hidden units are, against λ of L2',
            'metrics': ('linearity',),
            'x': L2,
            'hue': UNIT,
            'where': KINDS['L2'][2],
            'log_x': True,
        },
    )
    of_l2 = {'along': L2, 'where': KINDS['L2'][2]}
    config.claims = (
        *(
            {
                'sentence': f'A penalty closes the generalisation gap: {name} (ReLU; mean over the '
                'λ against none).',
                'source': 'GENERAL, regularization',
                'kind': 'less',
                'metric': 'gap_accuracy',
                'where': {**alone, UNIT: 'relu'},
                'a': {field: weights[some]},
                'b': {field: 0.0},
            }
            for name, (field, weights, alone) in KINDS.items()
        ),
        {
            'sentence': 'L1 makes weights sparse: the larger λ, the more weights are below 0.001.',
            'source': 'GENERAL, L1 regularization',
            'kind': 'increasing',
            'metric': 'small_weights',
            'along': L1,
            'where': KINDS['L1'][2],
        },
        {
            'sentence': 'With L2 the curve of the cost by epoch is smoother (ReLU; mean over the λ '
            'against none).',
            'source': 'GENERAL, why L2 regularization',
            'kind': 'less',
            'metric': 'roughness',
            'where': {**KINDS['L2'][2], UNIT: 'relu'},
            'a': {L2: KINDS['L2'][1][some]},
            'b': {L2: 0.0},
        },
        {
            'sentence': 'L2 makes the weights smaller.',
            'source': 'GENERAL, why L2 regularization',
            'kind': 'decreasing',
            'metric': 'weight_norm',
            **of_l2,
        },
        *(
            {
                'sentence': 'The smaller the weights (the larger λ of L2), the nearer to linear is '
                f'a network of {unit} units.',
                'source': 'GENERAL, regularization and activation functions',
                'kind': 'increasing',
                'metric': 'linearity',
                'along': L2,
                'where': {**KINDS['L2'][2], UNIT: unit},
            }
            for unit in ('tanh', 'sigmoid')
        ),
    )
    config.claims = common.that_matter(config.claims)
    return config
