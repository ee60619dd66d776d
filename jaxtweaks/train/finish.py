"""What is found of a run at its end: its chosen parameters are tested, once."""

import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxtweaks.base import metrics
from jaxtweaks.base.rng import member_seed, stream_key
from jaxtweaks.config import trace
from jaxtweaks.config.reach import GRADIENT_BATCH
from jaxtweaks.config.settings import Dropout
from jaxtweaks.nn import dropout as dropout_lib
from jaxtweaks.nn import models
from jaxtweaks.nn.dropout import is_off
from jaxtweaks.nn.network import LINEARITY, Network, Plain
from jaxtweaks.train import evaluate, masks, measure
from jaxtweaks.train.applied import Applied, named
from jaxtweaks.train.data import DeviceData, first_ones, fold, images_in_use
from jaxtweaks.train.losses import cross_entropy, losses_of
from jaxtweaks.train.measures import measures_of
from jaxtweaks.train.noise import noisy_weights
from jaxtweaks.train.state import State, Variables
from jaxtweaks.train.statistics import statistics
from jaxtweaks.train.targets import KINDS

# Validation images on which linearity and sensitivity are measured (`train.linearity`, …).
LINEARITY_IMAGES = 500
# Draws of the noise on the weights over which what is measured is averaged (`train.perturbation`).
PERTURBATIONS = 5


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Found:
    """What is found of a run at its end; of a group, with the runs as first axis.

    Attributes:
      arrays: by name: of classes 'calibration' of the test set, see `evaluate.calibration`, and
        what the setting asks for, see `_also`.
      chosen_epoch: whose parameters were tested, 1 for the first, int32; 0 if no epoch had a score
        to choose it by: then what is measured of the chosen parameters is NaN.
      confusion: of the test set, int32 [classes, classes]; None where targets are no classes.
      diverged_at: as in `State`, or the number of steps if only the last update ruined what is
        tested.
      finals: scalars by name: 'train_loss', 'validation_loss', 'test_loss', each also as accuracy,
        or as the metrics of the loss; 'test_calibration_error' (of classes), 'weight_norm',
        'small_weights', 'parameters' and what the setting asks for besides, see `_also`.
      variables: the chosen ones, as of `State`, if `train.keep_parameters`; else None.
    """

    arrays: dict[str, Any]
    chosen_epoch: Any
    confusion: Any
    diverged_at: Any
    finals: dict[str, Any]
    variables: Any = None


def finish(
    program: Applied, hyper: trace.Hyper, seed: jax.Array, state: State, data: DeviceData
) -> Found:
    """Tests the chosen parameters, once."""
    chosen, chosen_epoch = state.chosen, jnp.int32(program.static.train.epochs)
    if state.best is not None:
        chosen_epoch = state.best.epoch
    keep_logits = program.static.train.keep_logits
    training = program.evaluate_training(hyper, seed, chosen, data)
    validation = program.evaluate(hyper, chosen, data, data.validation, keep_logits)
    test = program.evaluate(hyper, chosen, data, data.test, keep_logits)
    finals = (
        named('train', training)
        | named('validation', validation)
        | named('test', test)
        | (_calibration(test['calibration']) if program.of_classes else {})
        | {
            'weight_norm': measure.weight_norm(chosen['params']),
            'small_weights': measure.small_weights(chosen['params']),
            'parameters': jnp.float32(measure.count_parameters(chosen['params'])),
        }
    )
    arrays = {'calibration': test['calibration']} if program.of_classes else {}
    if keep_logits:
        arrays |= {'validation_logits': validation['logits'], 'test_logits': test['logits']}
    more_finals, more_arrays = _also(program, hyper, seed, state, chosen, data)
    ruined = (state.diverged_at < 0) & ~jnp.isfinite(finals['test_loss'])
    confusion = test.get('confusion')
    if state.best is not None:
        # What is counted does not become NaN by itself. And the run has not diverged.
        there = chosen_epoch > 0
        finals['small_weights'] = jnp.where(there, finals['small_weights'], jnp.nan)
        confusion = None if confusion is None else jnp.where(there, confusion, 0)
        ruined &= there
    return Found(
        arrays=arrays | more_arrays,
        chosen_epoch=chosen_epoch,
        confusion=confusion,
        diverged_at=jnp.where(ruined, state.step, state.diverged_at),
        finals=finals | more_finals,
        variables=chosen if program.static.train.keep_parameters else None,
    )


def _calibration(bins: jax.Array) -> dict[str, jax.Array]:
    return {
        'test_calibration_error': evaluate.calibration_error(bins),
        'test_overconfidence': evaluate.overconfidence(bins),
    }


def _also(
    program: Applied,
    hyper: trace.Hyper,
    seed: jax.Array,
    state: State,
    chosen: Variables,
    data: DeviceData,
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """Final scalars and arrays that only some settings ask for.

    Returns:
      Scalars: 'stop_epoch' (patience), the epoch after which training stopped, or the last;
      'ema_test_…'; 'swa_validation_…' and 'swa_test_…'; 'snapshots_test_…' of the snapshots'
      averaged probabilities; 'perturbed_test_…' with noise on the weights; 'lesioned_test_…'
      without some hidden units; 'linearity'; 'sensitivity';
      'gradient_variance' and 'gradient_norm' of the unpenalised loss at the chosen parameters;
      'fold_…' of the fold that was held out.
      Arrays: 'ema_test_logits', 'snapshot_test_logits' [k, N, classes], 'grid_probabilities'
      [G, classes], 'weight_histogram' and 'weight_edges'.
    """
    train, setting = program.static.train, program.setting(hyper)
    finals, arrays = {}, {}
    if state.best is not None and not is_off(setting.train.patience):
        stopped = state.best.stopped_at
        epoch = jnp.where(stopped > 0, stopped, train.epochs)
        finals['stop_epoch'] = epoch.astype(jnp.float32)
    for found, logits in _averages(program, hyper, seed, state, data):
        finals |= found
        arrays |= logits if train.keep_logits else {}
    if train.gradient_batches:
        finals |= _gradients(program, hyper, seed, chosen, data)
    if setting.data.folds and not is_off(setting.data.fold):
        finals |= named('fold', _of_fold(program, hyper, seed, chosen, data))
    if train.linearity:
        finals['linearity'] = _linearity(program, hyper, chosen, data)
    if train.sensitivity:
        finals['sensitivity'] = _sensitivity(program, hyper, chosen, data)
    if train.perturbation:
        finals |= _perturbed(program, hyper, seed, chosen, data)
    if train.lost_units:
        finals |= named('test', _lesioned(program, hyper, seed, chosen, data), metrics.LESIONED)
    if data.grid is not None:
        network = program.at_rest(hyper, chosen)
        arrays['grid_probabilities'] = evaluate.probabilities(network, data, data.grid)
    if train.weight_bins:
        counts, edges = measure.weight_histogram(chosen['params'], train.weight_bins)
        arrays |= {'weight_histogram': counts, 'weight_edges': edges}
    return finals, arrays


def _averages(
    program: Applied, hyper: trace.Hyper, seed: jax.Array, state: State, data: DeviceData
) -> Iterator[tuple[dict[str, jax.Array], dict[str, jax.Array]]]:
    """Scalars, and logits by the name of their array, of each average along the way: of weights
    (EMA, SWA) or of the outputs of snapshots.
    """
    keep = program.static.train.keep_logits
    if state.ema is not None:
        average = state.variables | {'params': state.ema}
        found = program.evaluate(hyper, average, data, data.test, keep)
        logits = {'ema_test_logits': found['logits']} if keep else {}
        yield named('test', found, metrics.EMA), logits
    if state.swa is not None:
        average = state.variables | {'params': state.swa}
        average |= {'batch_stats': statistics(program, hyper, seed, average, data)}
        for name, split in (('validation', data.validation), ('test', data.test)):
            yield named(name, program.evaluate(hyper, average, data, split), metrics.SWA), {}
    if state.snapshots is not None:
        logits = lax.map(
            lambda one: program.evaluate(hyper, one, data, data.test, True)['logits'],
            state.snapshots,
        )
        found = named('test', _of_mean(program, hyper, logits, data), metrics.SNAPSHOTS)
        yield found, {'snapshot_test_logits': logits}


def _of_fold(
    program: Applied, hyper: trace.Hyper, seed: jax.Array, chosen: Variables, data: DeviceData
) -> dict[str, jax.Array]:
    """Loss and accuracy on the fold that was not trained on, with the labels that the training set
    has (wrong ones included); NaN if there is none.
    """
    config = program.setting(hyper).data
    if data.folds is None:
        raise ValueError('data.folds: the data have none, though a fold is held out')
    index = fold(config, data.folds)
    part = jax.tree.map(lambda leaf: leaf[index], program.training(hyper, seed, data))
    found = program.evaluate(hyper, chosen, data, part)
    return {
        key: jnp.where(config.fold > 0, value, jnp.nan)
        for key, value in evaluate.scalars(found).items()
    }


class _WithoutUnits(Applied):
    """A network that loses `train.lost_units` of its hidden units, and keeps its inputs.

    What its dropout does at test (`dropout.form = 'vanilla'` scales) it does before that.
    """

    def network(self, hyper: trace.Hyper) -> Network | Plain:
        """See `Applied`."""
        setting = self.setting(hyper)
        dropout = Dropout(hidden=self.static.train.lost_units, form='inverted')
        return models.build(dataclasses.replace(setting, dropout=dropout), self.classes)

    def apply(self, hyper: trace.Hyper, variables: Variables, x: jax.Array, **how: Any) -> Any:
        """See `Applied`."""
        if self.static.dropout.form == 'inverted':
            return super().apply(hyper, variables, x, **how)
        with dropout_lib.at_test() as recorded:
            super().network(hyper).apply(variables, x, **how)  # for its rates; not computed
        with dropout_lib.at_test(recorded):
            return super().apply(hyper, variables, x, **how)


def _lesioned(
    program: Applied, hyper: trace.Hyper, seed: jax.Array, chosen: Variables, data: DeviceData
) -> dict[str, jax.Array]:
    """What is measured of a network without some of its hidden units, on the test set."""
    without = _WithoutUnits(program.static, program.train_size, program.classes)
    sampled, kinds = masks.under_masks(without, hyper, seed, chosen), {'': KINDS[program.targets]}
    means = masks.empty(sampled, kinds, data, data.test)
    lost = masks.extended(sampled, kinds, data, data.test, means, 0, 1, program.evaluated_at_once)
    outputs = kinds[''].read(lost[''])
    return masks.measured(outputs, data, data.test, measures_of(program.setting(hyper)))


def _perturbed(
    program: Applied, hyper: trace.Hyper, seed: jax.Array, chosen: Variables, data: DeviceData
) -> dict[str, jax.Array]:
    """What is measured on test with noise on the weights, the mean over draws of it."""
    sigma = program.static.train.perturbation
    member = member_seed(seed, program.setting(hyper).train.member)

    def drawn(draw):
        noisy = noisy_weights(stream_key(member, 'perturb', draw), chosen['params'], sigma)
        found = program.evaluate(hyper, chosen | {'params': noisy}, data, data.test)
        return evaluate.scalars(found)

    every = lax.map(drawn, jnp.arange(PERTURBATIONS))
    return named('test', jax.tree.map(jnp.mean, every), metrics.PERTURBED)


def _sensitivity(
    program: Applied, hyper: trace.Hyper, chosen: Variables, data: DeviceData
) -> jax.Array:
    """The mean over images of the Frobenius norm of the Jacobian (Novak et al. 2018)."""
    images = data.standardised(data.validation.images[:LINEARITY_IMAGES])
    network = program.at_rest(hyper, chosen)

    def squared(output):
        def summed(x):  # an image's outputs are of that image alone
            found = network(x)
            found = jax.nn.softmax(found) if program.of_classes else found
            return jnp.sum(found[:, output])

        slopes = jax.grad(summed)(images)
        return jnp.sum(jnp.square(slopes), tuple(range(1, slopes.ndim)))

    return jnp.mean(jnp.sqrt(jnp.sum(lax.map(squared, jnp.arange(program.classes)), 0)))


def _linearity(
    program: Applied, hyper: trace.Hyper, chosen: Variables, data: DeviceData
) -> jax.Array:
    """How near to linear the hidden units are, the mean over layers; `nn.linearity`."""
    images = data.standardised(data.validation.images[:LINEARITY_IMAGES])
    _, found = program.apply(
        hyper, program.in_use(chosen, 'float32'), images, train=False, mutable=[LINEARITY]
    )
    return jnp.mean(jnp.stack(jax.tree.leaves(found)))


def _gradients(
    program: Applied, hyper: trace.Hyper, seed: jax.Array, chosen: Variables, data: DeviceData
) -> dict[str, jax.Array]:
    """Agreement of the gradients of the first batches of the images in use, without noise."""
    labels, setting = program.training(hyper, seed, data).labels, program.setting(hyper)
    size = min(GRADIENT_BATCH, program.train_size)
    used = images_in_use(setting.data, program.train_size, data.folds)
    places, inside = first_ones(used, program.train_size)

    def gradient(i):
        index = places[jnp.mod(i * size + jnp.arange(size), inside)]
        x, y = data.standardised(data.training.images[index]), labels[index]

        def loss_of(params):
            network = program.at_rest(hyper, chosen | {'params': params})
            losses = cross_entropy if program.of_classes else functools.partial(losses_of, setting)
            return jnp.mean(losses(network(x), y))

        return jax.grad(loss_of)(chosen['params'])

    variance, norm = measure.gradient_moments(gradient, program.static.train.gradient_batches)
    return {'gradient_variance': variance, 'gradient_norm': norm}


def _of_mean(
    program: Applied, hyper: trace.Hyper, logits: jax.Array, data: DeviceData
) -> dict[str, jax.Array]:
    """What is measured of predictions averaged over networks: logits [networks, N, outputs]."""
    measures, labels = measures_of(program.setting(hyper)), data.test.labels
    found = _of_mean_class(logits, labels) if program.of_classes else {}
    if measures.functions:
        mean = KINDS[program.targets].mean(data.as_trained(logits))
        found = evaluate.measured(mean, data, data.test, measures) | found
    return found


def _of_mean_class(logits: jax.Array, labels: jax.Array) -> dict[str, jax.Array]:
    """Loss and accuracy of class probabilities averaged over networks.

    Args:
      logits: [networks, N, classes].
      labels: [N].
    """
    mean = jax.nn.logsumexp(jax.nn.log_softmax(logits), 0) - math.log(len(logits))
    chosen = jnp.take_along_axis(mean, labels[:, None], 1)[:, 0]
    return {
        'loss': -jnp.mean(chosen),
        'accuracy': jnp.mean(jnp.argmax(mean, -1) == labels),
    }
