"""The data on the device, and which of them a run trains on."""

import dataclasses

import jax
import jax.numpy as jnp

from jaxtweaks.base.rng import stream_key
from jaxtweaks.config import settings
from jaxtweaks.nn.dropout import is_off
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


def images_in_use(config: settings.Data, count: int) -> jax.Array | None:
    """Which of `count` training images a run trains on, bool [count].

    The first ones, as many as its share, at least one; or all but a fold. None if before
    compilation it is known to be all of them.
    """
    used = None
    if not _is_full(config.share):
        inside = jnp.clip(jnp.round(config.share * count).astype(jnp.int32), 1, count)
        used = jnp.arange(count) < inside
    if config.folds and not is_off(config.fold):
        held = jnp.zeros(count, bool).at[fold(config, count)].set(config.fold > 0)
        used = ~held if used is None else used & ~held
    return used


def fold(config: settings.Data, count: int) -> jax.Array:
    """The images that `fold` holds out, int32 [count // folds]; those of the first if it is 0.

    If the folds do not divide the images, up to folds − 1 images at the end are in none.
    """
    # Every folds-th image, so that the first ones, which are evaluated, are not one fold.
    return jnp.maximum(config.fold - 1, 0) + config.folds * jnp.arange(count // config.folds)


def first_ones(used: jax.Array | None, count: int) -> tuple[jax.Array, jax.Array | int]:
    """Indices int32 [count], those in use first, in their order; and how many these are."""
    if used is None:
        return jnp.arange(count), count
    return jnp.argsort(~used, stable=True), jnp.sum(used)


def _is_full(share: jax.Array | float) -> bool:
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
    repeats itself, so that an epoch has the same number of steps whatever the share or the fold. A
    bootstrap sample (Breiman 1996) stands in for the images it was drawn from.

    Args:
      config: `share`, `fold` and `bootstrap`, may be traced.
      seed: of the run (of its member of an ensemble).
      epoch: from 0.
      count: training images.
    """
    order = jax.random.permutation(stream_key(seed, 'order', epoch), count)
    used = images_in_use(config, count)
    if used is not None:
        # Those in use first, in the order they have; all of them, this changes nothing.
        first, inside = first_ones(used[order], count)
        order = order[first[jnp.mod(jnp.arange(count), inside)]]
    if not is_off(config.bootstrap):
        order = _bootstrap(config, seed, count)[order]
    return order


def _bootstrap(config: settings.Data, seed: jax.Array, count: int) -> jax.Array:
    """For each place in the training set the image that stands there, int32 [count]."""
    replaced, drawn = jax.random.split(stream_key(seed, 'sample'))
    places, inside = first_ones(images_in_use(config, count), count)
    anew = places[jax.random.randint(drawn, (count,), 0, inside)]
    hit = jax.random.bernoulli(replaced, config.bootstrap, (count,))
    return jnp.where(hit, anew, jnp.arange(count))
