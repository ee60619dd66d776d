"""What do L1, L2 and the elastic net do to the weights and to the gap? (GENERAL, regularization)

    python main.py --config=configs/penalties.py

J = mean loss + λR(W) with R = Σw² (L2), Σ|w| (L1) or Σ(βw² + |w|) (elastic net), on weights and not
on biases, for ReLU, tanh and sigmoid. That L2 is MAP estimation under a prior N(0, α²I) is exact
and no matter of measurement: λ = 1/(2α²N) for N images, as a unit test shows.

Gradient descent does not put weights to exactly 0, so what L1 does is measured as the share of
weights below 0.001 in size. How near a network is to a linear function is measured at each hidden
unit, by the squared correlation of what goes into its nonlinearity and what comes out, over
validation images: 1 for a linear unit. How smooth a curve of the cost J against the epoch is, is
measured in two ways: by how much it rises, the sum of all rises from one epoch to the next, 0 for a
curve that only falls; and, since a cost without a penalty goes to 0, where nothing can rise by
much, by the second differences of its logarithm.

λ is a "parameter whose value depends": what a penalty does to the gap and to the curve is asked of
the λ > 0 with the highest validation accuracy, which each seed chooses for itself. A mean over all
λ would be of idle ones and of ones that no network survives. The gap is that between training and
test: the one to validation is smaller for whatever validation chose.

How smooth the function of a network is, is measured by how steeply the probabilities of the classes
change with the inputs: the mean norm of their Jacobian on validation images.

Choices of this project: see `common.general_mlp`; Glorot initialisation, since it serves all three
nonlinearities; the λ; β = 10, which makes both terms equal for a weight of 0.1.

Expected (quick, 6 minutes on two CPU cores; docs/results, 5 seeds by --until_settled): 6 of 11
claims supported, 3 negligible, 2 open. In part as claimed: 2 of 5 claims that answer the question
hold, 3 do not. What holds: L1 makes weights sparse: the larger λ, the more weights are below 0.001
(share of weights below 0.001 in size, fitted change from λ of L1 0 to 0.001: +90.46 points, 96%
interval +85.56 to +95.37 points, 5 seeds). What does not: A penalty closes the generalisation gap:
L2 (ReLU; the λ > 0 that is best on validation against none; generalisation gap, L2, best λ on
validation minus λ of L1 0, λ of L2 0, β 0, ReLU, as given: −0.01 points, 96% interval −0.33 to
+0.31 points, 5 seeds).
"""

from configs import common
from jaxtweaks.config.expand import grid, product, union

L1, L2, BETA, UNIT = 'penalty.l1', 'penalty.l2', 'penalty.elastic', 'model.activation'
UNITS = ('relu', 'tanh', 'sigmoid')
SETTING = 'best.setting'
EACH = {SETTING: 'each'}
ERRORS, LOSSES = ('1-train_accuracy', '1-validation_accuracy'), ('running_loss', 'validation_loss')
SMALL = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)
# Of each penalty: the field of its λ, the λ, and the conditions that omit the others.
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
    config.train.linearity = config.train.sensitivity = True
    some = slice(None, None, 2) if config.size == 'smoke' else slice(None)
    config.derive = ('roughness', 'best')
    config.best.choices = tuple(
        {'name': name, 'where': {**alone, UNIT: 'relu', field: weights[some]}}
        for name, (field, weights, alone) in KINDS.items()
    )
    config.sweep = product(
        grid(UNIT, *UNITS),
        union(
            *(
                product(grid(BETA, alone[BETA]), grid(field, 0.0, *weights[some]))
                for field, weights, alone in KINDS.values()
            )
        ),
    )
    config.names = (
        (UNIT, 'nonlinearity'), (L1, 'λ of L1'), (L2, 'λ of L2'), (BETA, 'β'), (SETTING, 'λ'),
        (f'{SETTING}=each', 'as given'),
        *((f'{SETTING}={name}', f'{name}, best λ on validation') for name in KINDS),
    )  # fmt: skip
    config.table = (
        'test_accuracy', 'train_loss', 'test_gap_accuracy', 'weight_norm', 'small_weights',
        'linearity', 'roughness', 'relative_roughness', 'sensitivity',
    )  # fmt: skip
    config.figures = _figures()
    config.claims = common.that_matter(_claims())
    config.claims = common.that_answer(
        config.claims, 'A penalty closes', 'L1 makes weights sparse', 'L2 makes the weights smaller'
    )
    return config


def _figures():
    """What is drawn."""
    return (
        *(
            {
                'name': f'{figure}_{name.partition(" ")[0].lower()}',
                'kind': 'effect',
                'title': f'{title} against λ: {name}',
                'metrics': metrics,
                'x': field,
                'hue': UNIT,
                'where': {**alone, **EACH},
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
                'where': {**alone, **EACH, UNIT: 'relu'},
            }
            for name, (field, _, alone) in KINDS.items()
        ),
        *(
            {
                'name': f'histogram_{name.partition(" ")[0].lower()}',
                'kind': 'histogram',
                'title': f'Weights at the end: {name}, ReLU',
                'hue': field,
                'where': {**alone, **EACH, UNIT: 'relu'},
            }
            for name, (field, _, alone) in KINDS.items()
        ),
        {
            'name': 'linearity',
            'kind': 'effect',
            'title': 'How near to linear the hidden units are, and how steep the outputs',
            'metrics': ('linearity', 'sensitivity'),
            'x': L2,
            'hue': UNIT,
            'where': {**KINDS['L2'][2], **EACH},
            'log_x': True,
        },
    )


def _claims():
    """On each penalty; L1 = 0 and L2 = 0 are no penalty, whatever β is."""
    none = {L1: 0.0, L2: 0.0, BETA: 0.0, UNIT: 'relu', **EACH}
    return (
        *(
            {
                'sentence': f'A penalty closes the generalisation gap: {name} (ReLU; the λ > 0 '
                'that is best on validation against none).',
                'source': 'GENERAL, regularization',
                'kind': 'less',
                'metric': 'test_gap_accuracy',
                'a': {SETTING: name},
                'b': none,
            }
            for name in KINDS
        ),
        {
            'sentence': 'L1 makes weights sparse: the larger λ, the more weights are below 0.001.',
            'source': 'GENERAL, L1 regularization',
            'kind': 'increasing',
            'metric': 'small_weights',
            'along': L1,
            'where': {**KINDS['L1'][2], **EACH},
        },
        *_of_l2(none),
    )


def _of_l2(none):
    """What L2 does along its λ, and to the curve of the cost next to `none`."""
    of_l2 = {'along': L2, 'where': {**KINDS['L2'][2], **EACH}}
    return (
        {
            'sentence': 'The larger λ of L2, the greater the error on the training data: its loss '
            '(ReLU).',
            'source': 'GENERAL, regularization parameter',
            'kind': 'increasing',
            'metric': 'train_loss',
            'along': L2,
            'where': {**KINDS['L2'][2], **EACH, UNIT: 'relu'},
        },
        *(
            {
                'sentence': 'With L2 the curve of the cost by epoch is smoother: '
                f'{words} (ReLU; the λ > 0 that is best on validation against none).',
                'source': 'GENERAL, why L2 regularization',
                'kind': 'less',
                'metric': metric,
                'a': {SETTING: 'L2'},
                'b': none,
            }
            for metric, words in (
                ('roughness', 'it rises less'),
                ('relative_roughness', 'its logarithm is nearer to a line'),
            )
        ),
        {
            'sentence': 'L2 makes the weights smaller.',
            'source': 'GENERAL, why L2 regularization',
            'kind': 'decreasing',
            'metric': 'weight_norm',
            **of_l2,
        },
        {
            'sentence': 'With L2 the output function is smoother: the larger λ, the less steep it '
            'is (ReLU).',
            'source': 'GENERAL, why L2 regularization',
            'kind': 'decreasing',
            'metric': 'sensitivity',
            'along': L2,
            'where': {**KINDS['L2'][2], **EACH, UNIT: 'relu'},
        },
        *(
            {
                'sentence': 'The smaller the weights (the larger λ of L2), the nearer to linear is '
                f'a network of {unit} units.',
                'source': 'GENERAL, regularization and activation functions',
                'kind': 'increasing',
                'metric': 'linearity',
                'along': L2,
                'where': {**KINDS['L2'][2], **EACH, UNIT: unit},
            }
            for unit in ('tanh', 'sigmoid')
        ),
    )
