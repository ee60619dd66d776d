"""What do the scale, the shift and the statistics at test do for batch norm? (DEEPREG)

    python main.py --config=configs/bn_parts.py

The lecture says that "just standardizing the output of a unit can limit the expressive power",
which is what γ and β are for: a sigmoid whose input has mean 0 and variance 1 is used where it is
nearly straight. A network of sigmoid units is trained with batch norm, with batch norm without γ
and β, and without any; it is measured how near to linear its units are, and how well it fits. The
lecture also has it that at test mean and standard deviation are those of "the whole dataset", where
this package has running averages over batches: the same parameters are tested with both.

Choices of this project: MNIST, the network and training of `common.general_mlp` with sigmoid units,
Glorot uniform weights and batch norm before the unit, as the lecture's "normalize activations …
before activation function"; "the whole dataset" is the mean of the statistics of all batches of the
training images; the same accuracy is one within half a point.

Expected (quick, about 1 minute on two CPU cores; docs/results, 5 seeds by --until_settled): 4 of 4
claims supported. As claimed: Standardising alone limits the expressive power: without γ and β the
sigmoid units stay nearer to linear (+0.007368, 99.5% interval +0.006871 to +0.007864, 5 seeds); 2
further claims hold as well.
"""

from configs import common
from jaxtweaks.config.expand import points

NORM, AFFINE, TESTED = 'model.norm', 'batch.affine', 'tested'
FROM = 'train.swa_start'


def get_config(size=None):
    """See the module's docstring."""
    config = common.general_mlp('bn_parts', size)
    config.question = 'What do the scale, the shift and the statistics at test do for batch norm?'
    config.document = 'DEEPREG, batch normalisation'
    config.model.activation = 'sigmoid'
    config.init.scheme, config.init.distribution = 'glorot', 'uniform'
    config.train.linearity = True
    # An average that begins with the last epoch is of this one alone, with statistics of its own.
    last = config.train.epochs
    full, bare, none = (
        {NORM: 'batch', AFFINE: True, FROM: last},
        {NORM: 'batch', AFFINE: False, FROM: last},
        {NORM: 'none', FROM: 0},
    )
    config.sweep = points(full, bare, none)
    config.derive = ('tested',)
    arm = f'{NORM} + {AFFINE}'
    config.names = (
        (arm, 'batch norm'),
        (f'{arm}={("batch", True)}', 'with γ and β'),
        (f'{arm}={("batch", False)}', 'without γ and β'),
        (f'{arm}={("none", True)}', 'no batch norm'),
        (TESTED, 'statistics at test'),
        (f'{TESTED}=last', 'running averages'),
        (f'{TESTED}=swa', 'of all batches'),
        (FROM, 'tested with statistics of all batches from epoch'),
    )
    running = {TESTED: 'last'}
    config.figures = _figures(arm, running)
    source = 'DEEPREG, batch normalized network'
    sides = {
        'where': running | {NORM: 'batch'},
        'a': {AFFINE: False},
        'b': {AFFINE: True},
        'source': source,
    }
    config.claims = _claims(running, sides)
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(config.claims, 'Standardising alone', 'At test')
    return config


def _figures(arm, running):
    """What is drawn."""
    return (
        {
            'name': 'training_loss',
            'kind': 'curves',
            'title': 'Training and validation loss by epoch',
            'metrics': ('train_loss', 'validation_loss'),
            'hue': arm,
            'where': running,
            'log_y': True,
        },
        {
            'name': 'linearity',
            'kind': 'effect',
            'title': 'How near to linear the sigmoid units are, and test accuracy',
            'metrics': ('linearity', 'test_accuracy'),
            'x': arm,
            'where': running,
        },
        {
            'name': 'at_test',
            'kind': 'effect',
            'title': 'Test accuracy by the statistics that are used at test',
            'metrics': ('test_accuracy', 'test_loss'),
            'x': TESTED,
            'hue': AFFINE,
            'where': {NORM: 'batch'},
        },
    )


def _claims(running, sides):
    """What is claimed."""
    return (
        {
            'sentence': 'Standardising alone limits the expressive power: without γ and β the '
            'sigmoid units stay nearer to linear.',
            'kind': 'greater',
            'metric': 'linearity',
            **sides,
        },
        {
            'sentence': 'Standardising alone limits the expressive power: without γ and β the '
            'training loss ends higher.',
            'kind': 'greater',
            'metric': 'log_train_loss',  # it ends near 0, where a difference of 0.02 is much
            **sides,
        },
        {
            'sentence': 'Batch norm speeds up training: a lower training loss, mean over epochs.',
            'source': 'DEEPREG, batch normalization',
            'kind': 'less',
            'metric': 'train_loss',
            'at': 'mean_epoch',
            'where': running,
            'a': {NORM: 'batch', AFFINE: True},
            'b': {NORM: 'none'},
        },
        {
            'sentence': 'At test, running averages do what statistics of the whole data set do '
            '(accuracy within half a point).',
            'source': 'DEEPREG, batch normalization at inference time (running averages are ours)',
            'kind': 'equivalent',
            'metric': 'test_accuracy',
            'where': {NORM: 'batch', AFFINE: True},
            'a': {TESTED: 'last'},
            'b': {TESTED: 'swa'},
            'margin': 0.005,
        },
    )
