"""Predictions averaged over dropout masks (INITREG Table I).

They are running means over the whole test set, to which mask after mask is added: so the averaging
can be done in parts, and what the parts are changes no bit.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import cast

import jax
import jax.numpy as jnp
from jax import lax

from jaxtweaks.base.rng import member_seed, stream_key
from jaxtweaks.config import trace
from jaxtweaks.config.parts import CLASSES
from jaxtweaks.nn.network import Plain
from jaxtweaks.train import evaluate
from jaxtweaks.train.applied import Applied
from jaxtweaks.train.data import DeviceData, DeviceSplit
from jaxtweaks.train.losses import pairwise_mean
from jaxtweaks.train.measures import Measures, measures_of
from jaxtweaks.train.state import State, Variables
from jaxtweaks.train.targets import KINDS, Kind

# (number of the mask, place of the batch's first image in the split, images) to outputs under a
# mask drawn for these numbers: which masks an image sees depends on the size of batches.
Sampled = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
# By way of averaging the mean so far for all images, [..., N, outputs].
Means = dict[str, jax.Array]

# By what of a class's predictions is averaged (`settings.MASKS_BY`): how, to log p.
_OF_CLASSES = {
    'probabilities': KINDS['classes'],
    'logits': dataclasses.replace(KINDS['float'], read=jax.nn.log_softmax),
}
# Of other targets there is one way, under the name of the first.
_USUAL = 'probabilities'


def no_masks(
    program: Applied, hyper: trace.Hyper, seed: jax.Array, state: State, data: DeviceData
) -> Means:
    """What averages over the masks of a run begin with."""
    sampled = under_masks(program, hyper, seed, state.chosen)
    return empty(sampled, _kinds(program), data, data.test)


def add_masks(
    program: Applied,
    hyper: trace.Hyper,
    seed: jax.Array,
    state: State,
    means: Means,
    data: DeviceData,
    begin: jax.Array,
    end: jax.Array,
) -> Means:
    """The averages over the first `end` masks, from those over the first `begin`."""
    sampled = under_masks(program, hyper, seed, state.chosen)
    batch, end = program.evaluated_at_once, _distinct(program, hyper, end)
    return extended(sampled, _kinds(program), data, data.test, means, begin, end, batch)


def _distinct(program: Applied, hyper: trace.Hyper, end: jax.Array) -> jax.Array:
    """How many of the first `end` masks are distinct: 1 where no unit is dropped.

    More of what is the same leave a mean bitwise as it is. A plain network may have dropout that no
    field of a setting knows.
    """
    if isinstance(program.network(hyper), Plain):
        return end
    rates = program.setting(hyper).dropout
    each = (rates.input, rates.conv, rates.hidden, *rates.by_layer)
    none_dropped = jnp.all(jnp.stack([jnp.asarray(rate) == 0 for rate in each]))
    return jnp.where(none_dropped, jnp.minimum(end, 1), end)


def over_masks(
    program: Applied, hyper: trace.Hyper, means: Means, data: DeviceData
) -> dict[str, dict[str, jax.Array]]:
    """What is measured of averages on the test set, by way.

    Of classes 'loss' (−log of the label's probability after averaging) and 'accuracy'; what
    `train.metrics` asks for of probabilities alone. Of other targets what the loss has.
    """
    measures = measures_of(program.setting(hyper))
    return {
        way: measured(kind.read(means[way]), data, data.test, measures, way)
        for way, kind in _kinds(program).items()
    }


def under_masks(
    program: Applied, hyper: trace.Hyper, seed: jax.Array, variables: Variables
) -> Sampled:
    """Outputs as at test but with dropout; see `Sampled`."""
    found = program.ready(variables)
    member = member_seed(seed, program.setting(hyper).train.member)

    def sampled(mask, begin, x):
        key = jax.random.fold_in(stream_key(member, 'masks', mask), begin)
        rngs = {'dropout': key}
        return cast(jax.Array, program.apply(hyper, found(), x, train=False, rngs=rngs))

    return sampled


def empty(
    sampled: Sampled, kinds: Mapping[str, Kind], data: DeviceData, split: DeviceSplit
) -> Means:
    """Means of no masks; `kinds`: by way how outputs are averaged."""
    some = data.standardised(split.images[:1])
    width = jax.eval_shape(sampled, 0, jnp.int32(0), some).shape[1]
    outputs = jax.ShapeDtypeStruct((split.labels.shape[0], width), jnp.float32)
    return {
        way: jnp.full(jax.eval_shape(kind.first, outputs).shape, kind.start)
        for way, kind in kinds.items()
    }


def extended(
    sampled: Sampled,
    kinds: Mapping[str, Kind],
    data: DeviceData,
    split: DeviceSplit,
    means: Means,
    begin: jax.Array | int,
    end: jax.Array | int,
    batch: int = evaluate.BATCH,
) -> Means:
    """`add_masks` with any network and images.

    Args:
      sampled: see `Sampled`.
      kinds: by way how outputs are averaged, all of the same masks.
      data: for the standardisation.
      split: N images.
      means: over the first `begin` masks.
      begin, end: numbers of masks.
      batch: images at once.
    """
    count = split.labels.shape[0]

    def add_mask(mask, means):
        def add_batch(index, inside, means):
            outputs = sampled(mask, index[0], data.standardised(split.images[index]))
            found = {}
            for way, kind in kinds.items():
                axis = means[way].ndim - 2
                mean = jnp.take(means[way], index, axis)
                mean = kind.add(mean, kind.first(outputs), mask + 1)
                found[way] = evaluate.written(means[way], index, inside, mean, axis)
            return found

        return evaluate.over_batches(count, batch, add_batch, means)

    return lax.fori_loop(begin, end, add_mask, means)


def measured(
    outputs: jax.Array, data: DeviceData, split: DeviceSplit, measures: Measures, way: str = _USUAL
) -> dict[str, jax.Array]:
    """What is measured of averaged outputs [N, outputs] in a way; see `over_masks`."""
    known = {}
    if measures.targets == CLASSES:  # of whom `outputs` are logarithms of probabilities
        of_label = jnp.take_along_axis(outputs, split.labels[:, None], 1)[:, 0]
        loss = pairwise_mean(-of_label)
        correct = jnp.mean(jnp.argmax(outputs, -1) == split.labels)
        known = {'loss': loss, 'accuracy': jnp.where(jnp.isfinite(loss), correct, jnp.nan)}
    if not measures.functions or way != _USUAL:
        return known
    return evaluate.measured(outputs, data, split, measures) | known


def _kinds(program: Applied) -> dict[str, Kind]:
    """By way how a program's outputs are averaged."""
    if not program.of_classes:
        return {_USUAL: KINDS[program.targets]}
    return {way: _OF_CLASSES[way] for way in program.static.train.mc_combine}
