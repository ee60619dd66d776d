"""The data on the device, and which of them a run trains on."""

import dataclasses

import jax
import jax.numpy as jnp

from jaxtweaks.config import settings
from jaxtweaks.nn.dropout import is_off
from jaxtweaks.rng import stream_key
from jaxtweaks.train.noise import noisy_labels


@dataclasses.dataclass(frozen=True)
class DeviceSplit:
    """A split on the device. A pytree.

    Attributes:
      images: uint8 (generated data: float32) [N, height, width, channels].
      labels: int32 [N].
    """

    images: jax.Array
    labels: jax.Array


@dataclasses.dataclass(frozen=True)
class DeviceData:
    """All that training reads, shared by all runs. A pytree.

    Attributes:
      training, validation, test: the splits.
      mean, inverse_deviation: float32 [height, width, channels], of the training images.
      probes: further images on which networks are evaluated after each epoch, by name.
      grid: inputs [G, height, width, channels] whose class probabilities are kept, or None.
    """

    training: DeviceSplit
    validation: DeviceSplit
    test: DeviceSplit
    mean: jax.Array
    inverse_deviation: jax.Array
    probes: dict[str, DeviceSplit] = dataclasses.field(default_factory=dict)
    grid: jax.Array | None = None

    def standardised(self, images: jax.Array) -> jax.Array:
        """Images [..., height, width, channels] as the networks see them, float32."""
        # The new axis keeps the result the same to the bit under vmap and without.
        return (images.astype(jnp.float32) - self.mean[None]) * self.inverse_deviation[None]


for _cls in (DeviceSplit, DeviceData):
    jax.tree_util.register_dataclass(
        _cls, data_fields=[field.name for field in dataclasses.fields(_cls)], meta_fields=[]
    )


def used(config: settings.Data, count: int) -> jax.Array | int:
    """How many of `count` training images a run uses: its share of them, at least one."""
    if is_full(config.share):
        return count
    return jnp.clip(jnp.round(config.share * count).astype(jnp.int32), 1, count)


def is_full(share: jax.Array | float) -> bool:
    """Whether a share is a Python 1: known before compilation to be the whole."""
    return isinstance(share, int | float) and share == 1


def training_labels(
    config: settings.Data, seed: jax.Array, labels: jax.Array, classes: int
) -> jax.Array:
    """The labels [N] with `label_noise` of them replaced for good, the same for all members."""
    return noisy_labels(stream_key(seed, 'labels'), labels, config.label_noise, classes)


def epoch_order(
    config: settings.Data,
    seed: jax.Array,
    epoch: jax.Array,
    count: int,
) -> jax.Array:
    """The images of an epoch, int32 [count], as indices into the training set.

    A permutation of the images that the run uses; if these are fewer than `count`, the permutation
    repeats itself, so that an epoch has the same number of steps whatever the share. A bootstrap
    sample (Breiman 1996) stands in for the images it was drawn from.

    Args:
      config: `share` and `bootstrap`, may be traced.
      seed: of the run (of its member of an ensemble).
      epoch: from 0.
      count: training images.
    """
    order = jax.random.permutation(stream_key(seed, 'order', epoch), count)
    if not is_full(config.share):
        inside = used(config, count)
        # Those in use first, in the order they have; all of them, this changes nothing.
        first = order[jnp.argsort(order >= inside, stable=True)]
        order = first[jnp.mod(jnp.arange(count), inside)]
    if not is_off(config.bootstrap):
        order = _bootstrap(config, seed, count)[order]
    return order


def _bootstrap(config: settings.Data, seed: jax.Array, count: int) -> jax.Array:
    """For each place in the training set the image that stands there, int32 [count]."""
    replaced, drawn = jax.random.split(stream_key(seed, 'sample'))
    anew = jax.random.randint(drawn, (count,), 0, used(config, count))
    hit = jax.random.bernoulli(replaced, config.bootstrap, (count,))
    return jnp.where(hit, anew, jnp.arange(count))
