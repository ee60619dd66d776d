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
      labels: int32 [N]; or float32 [N, outputs]: numbers, standardised, or 0 and 1.
    """

    images: jax.Array
    labels: jax.Array


@dataclasses.dataclass(frozen=True)
class DeviceData:
    """All that training reads, shared by all runs. A pytree.

    Attributes:
      training, validation, test: the splits.
      mean, inverse_std: float32 [height, width, channels], of the training images.
      probes: further images on which networks are evaluated after each epoch, by name.
      grid: inputs [G, height, width, channels] whose class probabilities are kept, or None.
      folds: the fold of each training image, int32 [N], from 1, 0 for none (`data.split.folds_of`);
        or None where `data.folds` makes none.
      target_mean, target_std: float32 [outputs], what targets that are numbers were
        standardised by; None for others.
    """

    training: DeviceSplit
    validation: DeviceSplit
    test: DeviceSplit
    mean: jax.Array
    inverse_std: jax.Array
    probes: dict[str, DeviceSplit] = dataclasses.field(default_factory=dict)
    grid: jax.Array | None = None
    folds: jax.Array | None = None
    target_mean: jax.Array | None = None
    target_std: jax.Array | None = None

    def in_units(self, targets: jax.Array) -> jax.Array:
        """Targets or outputs [N, outputs] in the unit of the data, float32."""
        if self.target_mean is None or self.target_std is None:
            return targets
        mean, std = _alike(targets, self.target_mean, self.target_std)
        return targets * std + mean

    def as_trained(self, outputs: jax.Array) -> jax.Array:
        """The inverse of `in_units`."""
        if self.target_mean is None or self.target_std is None:
            return outputs
        mean, std = _alike(outputs, self.target_mean, self.target_std)
        return (outputs - mean) / std

    def standardised(self, images: jax.Array) -> jax.Array:
        """Images [..., height, width, channels] as the networks see them, float32."""
        # The new axis keeps the result bitwise the same under vmap and without.
        return (images.astype(jnp.float32) - self.mean[None]) * self.inverse_std[None]


def _alike(array: jax.Array, *rows: jax.Array) -> list[jax.Array]:
    """Rows [outputs] with as many axes as an array [..., outputs]."""
    return [row.reshape((1,) * (array.ndim - 1) + row.shape) for row in rows]


for _cls in (DeviceSplit, DeviceData):
    jax.tree_util.register_dataclass(
        _cls, data_fields=[field.name for field in dataclasses.fields(_cls)], meta_fields=[]
    )


def images_in_use(config: settings.Data, count: int, folds: jax.Array | None) -> jax.Array | None:
    """Which of `count` training images a run trains on, bool [count].

    The first ones, as many as its share, at least one; or all but a fold, by the `folds` of
    `DeviceData`. None if before compilation it is known to be all of them.
    """
    used = None
    if not _is_full(config.share):
        inside = jnp.clip(jnp.round(config.share * count).astype(jnp.int32), 1, count)
        used = jnp.arange(count) < inside
    if config.folds and not is_off(config.fold):
        kept = (folds != config.fold) | (config.fold == 0)
        used = kept if used is None else used & kept
    return used


def fold(config: settings.Data, folds: jax.Array) -> jax.Array:
    """The images that `fold` holds out, int32 [N // folds]; those of the first if it is 0."""
    size = folds.shape[0] // config.folds
    return jnp.flatnonzero(folds == jnp.maximum(config.fold, 1), size=size)


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
    folds: jax.Array | None = None,
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
      folds: of `DeviceData`.
    """
    order = jax.random.permutation(stream_key(seed, 'order', epoch), count)
    used = images_in_use(config, count, folds)
    if used is not None:
        # Those in use first, in the order they have; all of them, this changes nothing.
        first, inside = first_ones(used[order], count)
        order = order[first[jnp.mod(jnp.arange(count), inside)]]
    if not is_off(config.bootstrap):
        order = _bootstrap(config, seed, count, folds)[order]
    return order


def _bootstrap(
    config: settings.Data, seed: jax.Array, count: int, folds: jax.Array | None
) -> jax.Array:
    """For each place in the training set the image that stands there, int32 [count]."""
    replaced, drawn = jax.random.split(stream_key(seed, 'sample'))
    places, inside = first_ones(images_in_use(config, count, folds), count)
    again = places[jax.random.randint(drawn, (count,), 0, inside)]
    hit = jax.random.bernoulli(replaced, config.bootstrap, (count,))
    return jnp.where(hit, again, jnp.arange(count))
