"""Does a transformer need a warm-up only where layer norm follows its blocks? (Xiong et al. 2020)

    python main.py --config=configs/classics/pre_norm.py

R. Xiong et al., *On Layer Normalization in the Transformer Architecture* (2020), arXiv 2002.04745.
Layer norm after each sum of a block and its shortcut (as in the first transformers), or before each
block, with the shortcut left alone and one more norm at the end. In the former the gradients of the
last layers are large at first, so that Adam at a large rate needs a warm-up; in the latter not. A
small vision transformer with either, at three rates, with a linear warm-up and without. The network
is registered in this file.

What differs from the paper: translation and BERT there, images here: CIFAR-10, 12 blocks of width
64, patches of 4 pixels, 20,000 images, batches of 64, 20 epochs (`quick`: 1,000 digits, 8 blocks of
width 32, patches of 2, batches of 32, 15 epochs). Glorot uniform weights as there. Choices of this
project: rates of 0.001 to 0.01 that follow a cosine, multiplied by a ramp over 3 epochs where there
is a warm-up; the paper has 0.0005 and 0.001, 4,000 steps and an inverse square root. Its figures
are BLEU scores and losses of text; the claims are of direction, or that nothing changes (2 points).
Whether a warm-up helps where some runs stay at chance is claimed of their number, since a mean over
runs that train and runs that do not is neither's.

Expected (quick, digits, 6 minutes on two CPU cores; docs/results, 8 to 20 seeds by
--until_settled): 3 of 6 claims supported, 3 open. In part yes: With layer norm after each block
more runs stay near chance without a warm-up than with one, at a rate of 0.01 (test accuracy below
20%; share of runs whose test accuracy is below 20%, after each block, learning rate 0.01, epochs of
warm-up 0 minus epochs of warm-up 3: +83.33 points, 98.7% interval +31.36 to +98.96 points, 12
seeds); 1 of 2 claims that answer the question is not settled.
"""

from collections.abc import Callable

import flax.linen as nn
import jax

import jaxtweaks as jt
from configs import common
from jaxtweaks.config.expand import grid, product

PLACE, WARMUP, RATE = 'encoder.place', 'schedule.warmup_epochs', 'optim.learning_rate'
BEFORE, AFTER = {PLACE: 'before'}, {PLACE: 'after'}


@jt.network('encoder', words='transformer')
class Encoder(nn.Module):
    """A vision transformer with layer norm before or after its blocks.

    The same layers in both, but for a norm at the end where each block has one before it; the mean
    of all tokens goes into the output layer.
    """

    outputs: int
    kernel_init: Callable[..., jax.Array]
    place: str = jt.static('before', 'place of layer norm', choices=('before', 'after'))
    patch: int = jt.static(4, 'pixels along a side of a patch', low=1)
    width: int = jt.static(64, 'features of a token', low=1)
    depth: int = jt.static(12, 'blocks, each of attention and an MLP', low=1)
    heads: int = jt.static(4, 'heads of the attention', low=1)

    @nn.compact
    def __call__(self, x):
        """Images to outputs."""
        window = (self.patch, self.patch)
        x = nn.Conv(self.width, window, self.patch, padding=0, kernel_init=self.kernel_init)(x)
        x = x.reshape(x.shape[0], -1, self.width)
        x = x + self.param('positions', nn.initializers.normal(0.02), (1, *x.shape[1:]))
        for _ in range(self.depth):
            x = self._around(self._attention, x)
            x = self._around(self._mlp, x)
        x = nn.LayerNorm()(x) if self.place == 'before' else x
        return nn.Dense(self.outputs, kernel_init=self.kernel_init)(x.mean(1))

    def _around(self, block, x):
        """A block with its shortcut and its norm."""
        if self.place == 'before':
            return x + block(nn.LayerNorm()(x))
        return nn.LayerNorm()(x + block(x))

    def _attention(self, x):
        return nn.MultiHeadDotProductAttention(self.heads, kernel_init=self.kernel_init)(x)

    def _mlp(self, x):
        x = nn.relu(nn.Dense(2 * self.width, kernel_init=self.kernel_init)(x))
        return nn.Dense(self.width, kernel_init=self.kernel_init)(x)


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('pre_norm', size)
    config.question = 'Does a transformer need a warm-up only where layer norm follows its blocks?'
    config.document = 'Xiong et al. 2020, arXiv 2002.04745'
    config.model.name, config.schedule.name = 'encoder', 'cosine'
    config.init.scheme, config.init.distribution = 'glorot', 'uniform'
    rates = (0.001, 0.003, 0.01)
    epochs = 3.0
    common.at_least_eight_seeds(config)
    if config.size == 'paper':
        config.data.train_size, config.data.validation_size = 20_000, 5_000
        config.train.batch_size, config.train.epochs = 64, 20
    elif config.size == 'quick':
        config.data.name = 'digits'
        config.data.train_size, config.data.validation_size = 1_000, 300
        config.encoder.patch, config.encoder.width, config.encoder.depth = 2, 32, 8
        config.train.epochs = 15
    else:
        common.smoke(config)
        config.encoder.width, config.encoder.depth, config.encoder.heads = 8, 1, 2
        rates, epochs = (0.001, 0.01), 1.0
    config.sweep = product(
        grid(PLACE, 'before', 'after'), grid(WARMUP, 0.0, epochs), grid(RATE, *rates)
    )
    config.names = (
        (PLACE, 'layer norm'),
        (f'{PLACE}=before', 'before each block'),
        (f'{PLACE}=after', 'after each block'),
        (WARMUP, 'epochs of warm-up'),
        (RATE, 'learning rate'),
    )
    config.figures = (
        common.error_by_rate(WARMUP, panels=PLACE),
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Training loss by epoch, at the largest rate',
            'metrics': ('train_loss',),
            'hue': WARMUP,
            'panels': PLACE,
            'where': {RATE: rates[-1]},
        },
    )
    config.claims = common.that_matter(_claims(rates, epochs))
    return config


def _claims(rates, epochs):
    """What is claimed; `epochs`: of a warm-up."""
    none, some = {WARMUP: 0.0}, {WARMUP: epochs}
    large, small = {RATE: rates[-1]}, {RATE: rates[0]}
    tested = {'metric': 'test_accuracy'}
    same = {'kind': 'equivalent', 'margin': 0.02, **tested}
    return (
        {
            'sentence': 'With layer norm after each block more runs stay near chance without a '
            f'warm-up than with one, at a rate of {rates[-1]:g} (test accuracy below 20%).',
            'source': 'Xiong et al. 2020, §3.2, Figure 2',
            'kind': 'share',
            'level': 0.2,
            'direction': 'below',
            'a': AFTER | none | large,
            'b': AFTER | some | large,
            'answers': True,
            **tested,
        },
        {
            'sentence': 'With layer norm before each block a warm-up changes nothing at a rate of '
            f'{rates[-1]:g} (within 2 points).',
            'source': 'Xiong et al. 2020, §4.2',
            'a': BEFORE | some | large,
            'b': BEFORE | none | large,
            'answers': True,
            **same,
        },
        {
            'sentence': 'Without a warm-up layer norm before each block tests better at that rate.',
            'source': 'Xiong et al. 2020, §4.2',
            'kind': 'greater',
            'a': BEFORE | none | large,
            'b': AFTER | none | large,
            **tested,
        },
        {
            'sentence': 'Without a warm-up the place matters the more, the larger the rate.',
            'source': 'Xiong et al. 2020, §3.3',
            'kind': 'increasing',
            'along': RATE,
            'a': BEFORE | none,
            'b': AFTER | none,
            **tested,
        },
        {
            'sentence': 'Layer norm before each block without a warm-up tests as well as after it '
            f'with one, at {rates[0]:g} (within 2 points).',
            'source': 'Xiong et al. 2020, §4.2',
            'a': BEFORE | none | small,
            'b': AFTER | some | small,
            **same,
        },
        {
            'sentence': 'At the same rate and warm-up the training loss falls sooner with layer '
            'norm before each block.',
            'source': 'Xiong et al. 2020, §4.2, Figure 5',
            'kind': 'sooner',
            'metric': 'train_loss',
            'a': BEFORE | some | small,
            'b': AFTER | some | small,
        },
    )
