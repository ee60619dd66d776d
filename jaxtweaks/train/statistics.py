"""Statistics of batches, computed again for parameters that no step has had."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxtweaks.base.rng import member_seed, stream_key
from jaxtweaks.config import trace
from jaxtweaks.nn import tweak
from jaxtweaks.train.applied import COLLECTIONS, Applied
from jaxtweaks.train.augment import augmented
from jaxtweaks.train.data import DeviceData, first_ones, images_in_use
from jaxtweaks.train.noise import noisy_inputs
from jaxtweaks.train.state import Variables


def statistics(
    program: Applied,
    hyper: trace.Hyper,
    seed: jax.Array,
    variables: Variables,
    data: DeviceData,
) -> dict[str, Any]:
    """The mean over an epoch's batches of what running averages are made of.

    Izmailov et al. 2018 (arXiv 1803.05407), §3.2: an additional pass over the training images, as
    in training, with dropout and changed images.

    Args:
      program: whose network it is.
      hyper, seed: of the run.
      variables: 'params' to compute it for, and 'batch_stats' of the right shapes.
      data: the training images.

    Returns:
      Like 'batch_stats'. What is no float stays as it is.
    """
    setting, batch = program.setting(hyper), program.static.train.batch_size
    used = images_in_use(setting.data, program.train_size, data.folds)
    places, inside = first_ones(used, program.train_size)
    labels = program.training(hyper, seed, data).labels
    member = member_seed(seed, setting.train.member)
    steps = math.ceil(program.train_size / batch)

    def of_batch(number: jax.Array) -> dict[str, Any]:
        """Like 'batch_stats': those of the batch with this number."""
        chosen = places[jnp.mod(number * batch + jnp.arange(batch), inside)]
        drawn = jax.random.split(stream_key(member, 'statistics', number), len(_STREAMS))
        keys = dict(zip(_STREAMS, drawn, strict=True))
        x = data.standardised(data.training.images[chosen])
        x = augmented(keys['augment'], x, labels[chosen], program.classes, setting)[0]
        x = noisy_inputs(keys['noise'], x, setting.noise.input)

        def after(before: dict[str, Any]) -> dict[str, Any]:
            applied: Any = program.apply(
                hyper,
                program.in_use(variables | {'batch_stats': before}),
                x,
                train=True,
                rngs={'dropout': keys['dropout']} | tweak.keys(setting, keys['tweaks']),
                mutable=['batch_stats', *variables.get(COLLECTIONS, ())],
            )
            return applied[1].get('batch_stats', {})

        # A running average goes from s to m s + (1 − m) b. From 0 it goes to (1 − m) b, and from
        # there to (1 + m) (1 − m) b, which tells m; so b is known whatever a layer calls its m.
        none = jax.tree.map(jnp.zeros_like, variables['batch_stats'])
        once = after(none)
        return jax.tree.map(_own, once, after(once))

    def add(number, total):
        return jax.tree.map(jnp.add, total, of_batch(number))

    zero = jax.tree.map(jnp.zeros_like, variables['batch_stats'])
    total = lax.fori_loop(0, steps, add, zero)
    mean = functools.partial(_mean, steps)
    return jax.tree.map(mean, total, variables['batch_stats'])


_STREAMS = ('augment', 'noise', 'dropout', 'tweaks')


def _own(once: jax.Array, twice: jax.Array) -> jax.Array:
    """b from (1 − m) b and (1 + m) (1 − m) b; 0 where that is 0."""
    ratio = twice / jnp.where(once == 0, 1, once)
    return jnp.where(once == 0, 0, once / (2 - ratio)).astype(once.dtype)


def _mean(count: int, total: jax.Array, before: jax.Array) -> jax.Array:
    return total / count if jnp.issubdtype(total.dtype, jnp.floating) else before
