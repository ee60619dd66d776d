"""How large are the layers of the well-known networks? (DEEPREG, LeNet-5 and VGG-16)

    python main.py --config=configs/model_summary.py

Activations and parameters of LeNet-5, VGG-16, the CNN of ROLE §2 and the ConvNet1D of the lecture,
layer by layer, as the lecture's table: the activations are what each layer and pool puts out for
one image, the input included. Nothing is computed but shapes, and nothing is random: a claim is so
or it is not. All sizes are the same, but for `smoke`, which has no VGG-16 and no ConvNet1D.

Choices of this project: the lecture counts weights without biases and so do the claims of VGG-16;
"138M" and "24M" are read to half a million, which is 2 megabytes. Signals for the ConvNet1D have
262 places, so that its first dense layer has the 3 · 60 inputs of the lecture's listing.

The lecture's activations are rounded; a row is right within 1% of it. Of memory it says "x2 for
plain SGD, x4 for Adam": the parameters with their gradients, and with what the optimiser keeps
besides, counted from the optimisers of this package. That the way back takes the activations twice
is no more than what a gradient is, and is not asked.

Expected (any size, 10 seconds): every published row of VGG-16, its 138M weights (138,344,128; with
biases 138,357,544) and both multiples are right. The total of its activations is not: the lecture's
own rows add up to 15.2M (61 MB), not to 24M (93 MB), which is contradicted. 96% of the weights of
LeNet-5 are in dense layers.
"""

from configs import common
from jaxtweaks.config.expand import points

NAME, BN = 'model.name', 'model.norm'
SHAPE, CLASSES = 'model_summary.input_shape', 'model_summary.classes'
INPUTS = {
    'lenet5': ((32, 32, 1), 10),
    'vgg16': ((224, 224, 3), 1000),
    'cnn': ((32, 32, 3), 10),
    'convnet1d': ((262, 1, 1), 462),
}
# Of the layers of VGG-16 with weights, in order: the lecture's table.
ROWS = (
    *(1_728, 36_864, 73_728, 147_456, 294_912, 589_824, 589_824),
    *(1_179_648, 2_359_296, 2_359_296, 2_359_296, 2_359_296, 2_359_296),
    *(102_760_448, 16_777_216, 4_096_000),
)
# What the same layers put out, and the pools by the layer that they stand behind: the same table.
ACTIVATIONS = (
    *(3.2e6, 3.2e6, 1.6e6, 1.6e6, 800e3, 800e3, 800e3, 400e3, 400e3, 400e3, 100e3, 100e3, 100e3),
    *(4_096, 4_096, 1_000),
)
POOLS = {2: 800e3, 4: 400e3, 7: 200e3, 10: 100e3, 13: 25e3}
ROUNDED = 0.01  # relative


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('model_summary', size, study='model_summary')
    config.question = 'How large are the layers of the well-known networks?'
    config.document = 'DEEPREG, LeNet-5 and VGG-16'
    config.seeds = 1
    networks = list(INPUTS) if config.size != 'smoke' else ['lenet5', 'cnn']
    shapes = [shape for name, (shape, _) in INPUTS.items() if name in networks]
    with_bn = [name for name in networks if name == 'convnet1d']
    config.sweep = points(
        *(
            {
                NAME: name,
                SHAPE: shape,
                CLASSES: classes,
                BN: 'batch' if name in with_bn else 'none',
            }
            for name, (shape, classes) in INPUTS.items()
            if name in networks
        )
    )
    config.table = ('weights', 'activations', 'share_dense')
    config.names = (
        (SHAPE, 'input'),
        (f'{BN}=none', 'without BN'),
        *((f'{BN}=batch', 'with BN') for _ in with_bn),
        *((f'{SHAPE}={shape}', ' × '.join(map(str, shape))) for shape in shapes),
        (CLASSES, 'classes'),
    )
    config.figures = (
        {
            'name': 'layers',
            'kind': 'curves',
            'title': 'Weights and activations of each layer with weights',
            'metrics': ('layer_weights', 'layer_activations'),
            'hue': NAME,
            'log_y': True,
        },
        {
            'name': 'totals',
            'kind': 'effect',
            'title': 'Weights and activations of the networks',
            'metrics': ('weights', 'activations'),
            'x': NAME,
            'log_y': True,
        },
    )
    claims = {'lenet5': _lenet, 'vgg16': _vgg, 'cnn': _cnn}
    config.claims = tuple(claim for name in networks if name in claims for claim in claims[name]())
    config.claims = common.that_matter(config.claims)
    beginnings = {
        'lenet5': 'Most of the weights of LeNet-5',
        'vgg16': 'VGG-16 has',
        'cnn': 'The CNN of ROLE',
    }
    config.claims = common.that_answer(
        config.claims, *(words for name, words in beginnings.items() if name in networks)
    )
    return config


def _lenet():
    yield {
        'sentence': 'Most of the weights of LeNet-5 are in its final, dense layers.',
        'source': 'DEEPREG, LeNet-5',
        'kind': 'level',
        'metric': 'share_dense',
        'a': {NAME: 'lenet5'},
        'level': 0.5,
        'direction': 'above',
    }


def _cnn():
    yield _published(
        'The CNN of ROLE has about 1,250,000 parameters (to five thousand).',
        'cnn',
        'parameters',
        1_250_000,
        5_000,
        source='ROLE §2',
    )


def _vgg():
    for layer, weights in enumerate(ROWS, 1):
        yield _published(
            f'Layer {layer} of VGG-16 has {weights:,} weights.',
            'vgg16',
            'layer_weights',
            weights,
            0.5,
            at=layer,
        )
    for layer, count in enumerate(ACTIVATIONS, 1):
        yield _rounded(f'Layer {layer} of VGG-16', 'layer_activations', count, layer)
    for layer, count in POOLS.items():
        yield _rounded(f'The pool behind layer {layer} of VGG-16', 'pool_activations', count, layer)
    yield _rounded('The input of VGG-16', 'input_activations', 150e3)
    for name, metric, times in (('plain SGD', 'sgd', 2), ('Adam', 'adam', 4)):
        yield _published(
            f'The parameters take {times} times their memory with {name}.',
            'vgg16',
            f'{metric}_multiple',
            times,
            0.5,
        )
    totals = (
        ('VGG-16 has 138M parameters.', 'weights', 138e6, 0.5e6),
        ('The parameters of VGG-16 take about 552 MB in float32.', 'parameter_megabytes', 552, 2),
        ('VGG-16 has 24M activations an image.', 'activations', 24e6, 0.5e6),
        ('The activations take about 93 MB in float32.', 'activation_megabytes', 93, 2),
    )
    for sentence, metric, value, margin in totals:
        yield _published(sentence, 'vgg16', metric, value, margin)


def _rounded(what, metric, count, at='final'):
    sentence = f'{what} puts out {count:,.0f} numbers (to {ROUNDED:.0%}).'
    return _published(sentence, 'vgg16', metric, count, ROUNDED * count, at)


def _published(sentence, network, metric, value, margin, at='final', source='DEEPREG, VGG-16'):
    return {
        'sentence': sentence,
        'source': source,
        'kind': 'published',
        'metric': metric,
        'at': at,
        'a': {NAME: network},
        'margin': margin,
        'published': {source.partition(',')[0].partition(' ')[0]: value},
    }
