"""Does batch norm still help if its outputs are shifted at random? (Santurkar et al. 2018)

    python main.py --config=configs/classics/noisy_batch_norm.py

S. Santurkar, D. Tsipras, A. Ilyas, A. Mądry, *How Does Batch Normalization Help Optimization?*
(2018), arXiv 1805.11604. Noise whose mean and size change at every step stands right after batch
norm, so that what the next layer is given is less stable than without batch norm at all. If the
network trains as well all the same, a stable distribution is not what batch norm helps by. The
noise is the tweak `unstable` of this file.

What differs from the paper: a VGG on CIFAR-10 there; here an MLP of five hidden layers of 256 units
(`quick`: 64) on 40,000 (3,000) images of it, as this package has a place right after the norm in
dense layers alone: with batch norm after the nonlinearity. Its units are sigmoids, with which batch
norm makes a difference; with ReLU networks of ten and of five layers trained as well without it in
trials of two seeds (0 and 1) at `quick`, after which units, depth, rate, the form of the noise and
the level of the last claim were chosen: what those seeds say of these claims is no test of them. In
the paper the network without batch norm learns too; here it stays at chance at this rate, so that
the claims on it can hardly fail, and whether the noise costs anything is what is asked.
Choices of this project: at each step each unit has a scale from U(1 ± s/2) and a shift from U(±s),
and each image a shift from U(±0.2 s) besides, s = 0.5; none at test; SGD at 0.1, batch 32, Glorot
uniform weights, 30 (12) epochs. No figure of the paper was found in a copy; the claims are of
direction.

Expected (quick, CIFAR-10 (JPEG q75), about 1 minute on two CPU cores; docs/results, 8 seeds by
--until_settled): 4 of 4 claims supported. Yes: With noise after batch norm the network still fits
it better (mean over the epochs; training accuracy, mean over epochs, BN and noise minus without BN:
+43.35 points, 99.5% interval +41.66 to +45.05 points, 5 seeds); 1 further claim holds as well.
"""

import jax

import jaxtweaks as jt
from configs import common
from jaxtweaks.config.expand import points

NORM, NOISE = 'model.norm', 'tweaks.unstable'
ARM = f'{NORM} + {NOISE}'
NONE, PLAIN, NOISY = (
    {NORM: 'none', NOISE: 0.0},
    {NORM: 'batch', NOISE: 0.0},
    {NORM: 'batch', NOISE: 0.5},
)
WORDS = {'without BN': NONE, 'BN': PLAIN, 'BN and noise': NOISY}


@jt.tweak('unstable', where='hidden')
def unstable(key, x, strength, train):
    """Each unit scaled and shifted, otherwise at each step, and a little at each image.

    x: [batch, units].
    """
    if not train:
        return x
    of_scale, of_shift, of_image = jax.random.split(key, 3)
    scale = 1 + strength * jax.random.uniform(of_scale, x.shape[-1:], minval=-0.5, maxval=0.5)
    shift = jax.random.uniform(of_shift, x.shape[-1:], minval=-1.0)
    each = jax.random.uniform(of_image, x.shape, minval=-0.2, maxval=0.2)
    return scale * x + strength * (shift + each)


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('noisy_batch_norm', size)
    config.question = 'Does batch norm still help if its outputs are shifted at random?'
    config.document = 'Santurkar et al. 2018, arXiv 1805.11604'
    common.as_mlp(config)
    config.model.hidden = {'smoke': (16,), 'quick': (64,) * 5, 'paper': (256,) * 5}[config.size]
    config.model.activation, config.model.norm_place = 'sigmoid', 'after'
    config.optim.name, config.optim.learning_rate = 'sgd', 0.1
    if config.size == 'quick':
        config.data.train_size, config.train.epochs = 3_000, 12
    elif config.size == 'paper':
        config.train.epochs = 30
    config.sweep = points(*WORDS.values())
    config.names = common.names_of_arms('network', WORDS)
    config.figures = _figures()
    config.claims = common.that_matter(_claims())
    return config


def _figures():
    """What is drawn."""
    return (
        {
            'name': 'figure_2',
            'kind': 'curves',
            'title': 'Training and validation accuracy by epoch',
            'metrics': ('train_accuracy', 'validation_accuracy'),
            'hue': ARM,
        },
        {
            'name': 'training_loss',
            'kind': 'curves',
            'title': 'Training loss by epoch',
            'metrics': ('train_loss',),
            'hue': ARM,
        },
    )


def _claims():
    """What is claimed."""
    source = {'source': 'Santurkar et al. 2018, §2.1, Figure 2'}
    return (
        {
            'sentence': 'With batch norm the network fits the training set better than '
            'without (mean over the epochs).',
            'kind': 'greater',
            'metric': 'train_accuracy',
            'at': 'mean_epoch',
            'a': PLAIN,
            'b': NONE,
            **source,
        },
        {
            'sentence': 'With noise after batch norm the network still fits it better (mean over '
            'the epochs).',
            'kind': 'greater',
            'metric': 'train_accuracy',
            'at': 'mean_epoch',
            'a': NOISY,
            'b': NONE,
            'answers': True,
            **source,
        },
        {
            'sentence': 'With noise after batch norm the network tests no worse than with batch '
            'norm alone (by less than 2 points).',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'a': NOISY,
            'b': PLAIN,
            'margin': -0.02,
            'answers': True,
            **source,
        },
        {
            'sentence': 'With noise after batch norm the network reaches a validation accuracy of '
            '25% in fewer epochs than without batch norm.',
            'kind': 'sooner',
            'metric': 'validation_accuracy',
            'level': 0.25,
            'a': NOISY,
            'b': NONE,
            **source,
        },
    )
