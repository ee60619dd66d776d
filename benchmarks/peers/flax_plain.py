"""Plain Flax: the network with `nn.Conv`, one jitted step, a loop over runs or a naive vmap."""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax


class PlainCNN(nn.Module):
    """ROLE's CNN as a Flax tutorial would write it, with batch norm (optional)."""

    channels: tuple[int, ...]
    hidden: tuple[int, ...]
    batch_norm: bool = False

    @nn.compact
    def __call__(self, x):
        """Images to logits."""
        for channels in self.channels:
            x = self._after(nn.Conv(channels, (3, 3), padding='SAME')(x))
            x = self._after(nn.Conv(channels, (3, 3), padding='VALID')(x))
            x = nn.max_pool(x, (2, 2), (2, 2))
        x = x.reshape(x.shape[0], -1)
        for width in self.hidden:
            x = self._after(nn.Dense(width)(x))
        return nn.Dense(10)(x)

    def _after(self, x):
        if self.batch_norm:
            x = nn.BatchNorm(use_running_average=False, momentum=0.9)(x)
        return nn.relu(x)


class PlainMLP(nn.Module):
    """Dense layers with batch norm (optional)."""

    hidden: tuple[int, ...]
    batch_norm: bool

    @nn.compact
    def __call__(self, x):
        """Images to logits."""
        x = x.reshape(x.shape[0], -1)
        for width in self.hidden:
            x = nn.Dense(width)(x)
            if self.batch_norm:
                x = nn.BatchNorm(use_running_average=False, momentum=0.9)(x)
            x = nn.relu(x)
        return nn.Dense(10)(x)


class PlainResNet(nn.Module):
    """ResNet-20 for small images (He et al. 2015, §4.2) as a Flax tutorial would write it.

    With 3 blocks a stage and 10 classes it has 272,474 parameters, those of its two shortcuts'
    projections included (the paper's options A and B differ there). 3 × 3 convolutions have a pixel
    of zeros on all sides, as PyTorch's; 'SAME' has none before the first if the stride is 2.
    """

    blocks: int = 3
    channels: tuple[int, ...] = (16, 32, 64)
    kernel_init: Callable[..., jax.Array] = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x, train=True):
        """Images to logits."""
        conv = functools.partial(nn.Conv, padding=1, use_bias=False, kernel_init=self.kernel_init)
        norm = functools.partial(nn.BatchNorm, use_running_average=not train, momentum=0.9)
        x = nn.relu(norm()(conv(self.channels[0], (3, 3))(x)))
        for stage, channels in enumerate(self.channels):
            for block in range(self.blocks):
                step = 2 if stage > 0 and block == 0 else 1
                y = nn.relu(norm()(conv(channels, (3, 3), step)(x)))
                y = norm()(conv(channels, (3, 3))(y))
                if y.shape != x.shape:
                    x = norm()(conv(channels, (1, 1), step, padding=0)(x))
                x = nn.relu(x + y)
        return nn.Dense(10, kernel_init=self.kernel_init)(x.mean((1, 2)))


class Flax:
    """Trains `runs` networks one after the other, or by mapping one step over them.

    `naive` maps with jax.vmap, `mapped` with jax.lax.map.
    """

    def __init__(self, model, optimiser, images, labels, runs, batch, naive, mapped=False):
        """images uint8 [N, …], labels [N]: on the device from here on."""
        self._images, self._labels = jnp.asarray(images), jnp.asarray(labels)
        self._runs, self._batch, self._mapped = runs, batch, naive or mapped
        example = jnp.zeros((2, *images.shape[1:]))

        def init(key):
            """Parameters, running statistics and the optimiser's state of a new network."""
            variables = model.init(key, example)
            stats = variables.get('batch_stats', {})
            return variables['params'], stats, optimiser.init(variables['params'])

        def step(state, index, images, labels):
            """The state after one step on the images of these indices."""
            params, stats, moments = state
            x = images[index].astype(jnp.float32) / 128 - 1

            def loss_of(params):
                logits, new = model.apply(
                    {'params': params, 'batch_stats': stats}, x, mutable=['batch_stats']
                )
                losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels[index])
                return losses.mean(), new.get('batch_stats', {})

            gradients, new_stats = jax.grad(loss_of, has_aux=True)(params)
            updates, moments = optimiser.update(gradients, moments, params)
            return optax.apply_updates(params, updates), new_stats, moments

        keys = jax.random.split(jax.random.key(0), runs)
        if mapped:

            def all_steps(state, index, images, labels):
                return jax.lax.map(lambda one: step(*one, images, labels), (state, index))

            self._state = jax.jit(jax.vmap(init))(keys)
            self._step = jax.jit(all_steps, donate_argnums=0)
        elif naive:
            self._state = jax.jit(jax.vmap(init))(keys)
            self._step = jax.jit(jax.vmap(step, (0, 0, None, None)), donate_argnums=0)
        else:
            self._state = [jax.jit(init)(key) for key in keys]
            self._step = jax.jit(step, donate_argnums=0)
        self._rng = np.random.default_rng(0)

    def train(self, steps):
        """`steps` steps of every run."""
        index = self._rng.integers(0, len(self._labels), (steps, self._runs, self._batch))
        if self._mapped:
            for rows in index:
                self._state = self._step(self._state, rows, self._images, self._labels)
        else:
            for run, state in enumerate(self._state):
                for rows in index[:, run]:
                    state = self._step(state, rows, self._images, self._labels)
                self._state[run] = state
        jax.block_until_ready(self._state)
