"""Networks recomputed in NumPy in float64, with settings, variables and images for them."""

import jax
import jax.numpy as jnp
import narrow
import numpy as np

from jaxtweaks.config import parts
from jaxtweaks.config.settings import DISTRIBUTIONS, Dropout, Init, Model, Setting

SCHEMES = list(parts.of_slot('init'))
INIT = Init(SCHEMES.index('he'), DISTRIBUTIONS.index('normal'))
KEY = jax.random.key(0, impl='threefry2x32')
ACTIVATIONS = {
    'relu': lambda x: np.maximum(x, 0),
    'tanh': np.tanh,
    'sigmoid': lambda x: 1 / (1 + np.exp(-x)),
}


def setting(model, dropout=None):
    return Setting(model=model, init=INIT, dropout=dropout or Dropout())


def convolved(x, kernel, bias, padding):
    """With one kernel [h, w, in, out] for all places, or one for each place."""
    *_, height, width, channels, features = kernel.shape
    if padding == 'SAME':
        x = np.pad(x, ((0, 0), (height // 2,) * 2, (width // 2,) * 2, (0, 0)))
    out = np.zeros((len(x), x.shape[1] - height + 1, x.shape[2] - width + 1, features))
    kernel = np.broadcast_to(kernel, (*out.shape[1:3], height, width, channels, features))
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            seen = x[:, i : i + height, j : j + width]
            out[:, i, j] = np.tensordot(seen, kernel[i, j], 3)
    return out + bias


def pooled(x):
    n, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).max((2, 4))


class Reference:
    """The same network in NumPy float64, from the same variables.

    Attributes:
      before_dropout: what stands in front of each dropout layer, in order.
      stats: mean and unbiased variance of the batch at each batch norm, in order.
    """

    def __init__(self, model, variables, train):
        self.model, self.train = model, train
        self.variables = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
        self.norms, self.before_dropout, self.stats = 0, [], []

    def norm(self, x):
        name = f'BatchNorm_{self.norms}'
        self.norms += 1
        params, stats = self.variables['params'][name], self.variables['batch_stats'][name]
        mean, variance = stats['mean'], stats['var']
        if self.train:
            axes = tuple(range(x.ndim - 1))
            mean, variance = x.mean(axes), x.var(axes)
            count = x.size // x.shape[-1]
            self.stats.append((mean, variance * count / (count - 1)))
        standard = (x - mean) / np.sqrt(variance + 1e-5)
        return params['scale'] * standard + params['bias']

    def finish(self, x):
        place = self.model.norm_place if self.model.norm == 'batch' else ''
        if place == 'before':
            x = self.norm(x)
        x = ACTIVATIONS[self.model.activation](x)
        return self.norm(x) if place == 'after' else x

    def dense(self, x, index):
        params = self.variables['params'][f'Dense_{index}']
        return x @ params['kernel'] + params['bias']

    def conv(self, x, name, padding):
        params = self.variables['params'][name]
        return self.finish(convolved(x, params['kernel'], params['bias'], padding))

    def features(self, x):
        """What the dense layers are given."""
        name = self.model.name
        if name in ('cnn', 'local'):
            for block in range(len(self.model.channels)):
                for i, padding in enumerate(('SAME', 'VALID')):
                    layer = 'Conv' if name == 'cnn' else 'Local'
                    x = self.conv(x, f'{layer}_{2 * block + i}', padding)
                x = pooled(x)
                self.before_dropout.append(x)
        if name == narrow.NAME:  # VGG-16
            index = 0
            for convolutions in (2, 2, 3, 3, 3):
                for _ in range(convolutions):
                    x = self.conv(x, f'Conv_{index}', 'SAME')
                    index += 1
                x = pooled(x)
        if name == 'lenet5':
            for index in range(2):
                x = pooled(self.conv(x, f'Conv_{index}', 'VALID'))
                self.before_dropout.append(x)
        if name == 'convnet1d':
            for index in range(3):
                x = self.conv(x, f'Conv_{index}', 'VALID')
                x = np.maximum(x[:, :-1], x[:, 1:])
                self.before_dropout.append(x)
        return x.reshape(len(x), -1)

    def __call__(self, x):
        x = np.asarray(x, np.float64)
        if self.model.name == 'mlp':
            x = x.reshape(len(x), -1)
        if self.model.name == 'lenet5':  # LeCun's field of 32 × 32, the image in its middle
            borders = [((32 - n) // 2, (33 - n) // 2) for n in x.shape[1:3]]
            x = np.pad(x, ((0, 0), *borders, (0, 0)))
        self.before_dropout.append(x)
        x = self.features(x)
        hidden = {'lenet5': 2, 'convnet1d': 1}.get(self.model.name, len(self.model.hidden))
        for index in range(hidden):
            x = self.dense(x, index)
            x = x if self.model.name == 'convnet1d' else self.finish(x)
            self.before_dropout.append(x)
        return self.dense(x, hidden)


def tiny(name, **more):
    return Model(name, channels=(3, 4), hidden=(6, 5), **more)


def random_variables(network, x):
    """Every parameter and running average away from its start."""
    variables = jax.eval_shape(lambda: network.init(KEY, x, train=False))
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        name = getattr(path[-1], 'key', '')
        value = rng.normal(size=leaf.shape) * (0.4 if name == 'kernel' else 0.7)
        return jnp.asarray(np.abs(value) + 0.3 if name == 'var' else value, jnp.float32)

    return jax.tree_util.tree_map_with_path(draw, dict(variables))


def images(name='mlp'):
    size = {'convnet1d': (262, 1, 1), narrow.NAME: (32, 33, 2)}.get(name, (12, 13, 2))
    return np.random.default_rng(1).normal(size=(5, *size)).astype(np.float32)
