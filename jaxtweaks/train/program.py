"""Training of one network as pure functions: one seed, one setting, no other runs in sight.

The runner maps these functions over runs and compiles them; see `jaxtweaks/sweep`.
"""

import dataclasses
import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax

from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import models, tweak
from jaxtweaks.nn.dense import turned
from jaxtweaks.nn.dropout import is_off
from jaxtweaks.nn.network import LINEARITY
from jaxtweaks.rng import member_seed, stream_key
from jaxtweaks.train import evaluate, keep, measure, optimisers, precision
from jaxtweaks.train.augment import augment
from jaxtweaks.train.data import (
    DeviceData,
    DeviceSplit,
    epoch_order,
    is_full,
    training_labels,
    used,
)
from jaxtweaks.train.losses import cross_entropy, in_order_mean, penalty
from jaxtweaks.train.noise import noisy_inputs, noisy_labels, noisy_weights
from jaxtweaks.train.schedules import learning_rate

__all__ = ['DeviceData', 'DeviceSplit', 'Program', 'State']

State = dict[str, Any]
# Parts of a state that enter the results beside the best parameters and the snapshots.
_REPORTED = ('ema', 'batch_stats', 'step', 'diverged_at')
# Images in a batch whose gradient is compared with those of others (`train.gradient_batches`).
GRADIENT_BATCH = 100
# Validation images on which the linearity of hidden units is measured (`train.linearity`).
LINEARITY_IMAGES = 500


@dataclasses.dataclass(frozen=True)
class Program:
    """The functions that train one network with the settings of `static`.

    Each takes `hyper`, the traced numbers of a run (see `config.trace.split`), and its seed, and
    is pure.

    Attributes:
      static: the static part of the setting.
      train_size: training images.
      classes: number of classes.
    """

    static: Setting
    train_size: int
    classes: int

    @property
    def steps_per_epoch(self) -> int:
        """⌈images / batch size⌉: every image is seen in every epoch."""
        return math.ceil(self.train_size / self.static.train.batch_size)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.steps_per_epoch * self.static.train.epochs

    def init(self, hyper: trace.Hyper, seed: jax.Array, data: DeviceData) -> State:
        """The state before the first step.

        Returns:
          A dict: 'params', 'batch_stats', 'opt_state'; 'step' (int32); 'diverged_at', the step of
          the first non-finite loss or −1; 'epoch_steps', 'loss_sum' and 'correct_sum' of the
          epoch so far; and what is kept beside the current parameters, if it is asked for: 'best'
          (unless the last ones are kept), 'ema', 'snapshots'; see `train/keep.py`.
        """
        setting = self._setting(hyper)
        example = jnp.zeros((2, *data.training.images.shape[1:]), jnp.float32)
        key = stream_key(member_seed(seed, setting.train.member), 'init')
        variables = self._network(hyper).init(key, example, train=False)
        params, stats = variables['params'], variables.get('batch_stats', {})
        state = {
            'params': params,
            'batch_stats': stats,
            'opt_state': self._optimiser(hyper).init(params),
            'step': jnp.int32(0),
            'diverged_at': jnp.int32(-1),
            'epoch_steps': jnp.int32(0),
            'loss_sum': jnp.float32(0),
            'correct_sum': jnp.float32(0),
        }
        if setting.train.select != 'last':
            state['best'] = keep.first_best(_variables(state))
        if not is_off(setting.train.ema_decay):
            state['ema'] = params
        if setting.train.snapshots:
            state['snapshots'] = keep.first_snapshots(_variables(state), setting.train.snapshots)
        return state

    def advance(
        self,
        hyper: trace.Hyper,
        seed: jax.Array,
        state: State,
        data: DeviceData,
        epoch: jax.Array,
        start: jax.Array,
        stop: jax.Array,
    ) -> State:
        """Steps `start` … `stop` − 1 of an epoch (both count from 0 within the epoch).

        The number of steps is not compiled in, so that a chunk may have any length and the result
        does not depend on how an epoch is cut into chunks. What is reported of a run that was
        stopped early stays as it is: it must not depend on how long the run's group goes on.
        """
        setting = self._setting(hyper)
        before = state
        member = member_seed(seed, setting.train.member)
        order = epoch_order(setting.data, member, epoch, self.train_size)
        labels = training_labels(setting.data, seed, data.training.labels, self.classes)
        fresh = start == 0
        state = state | {
            name: jnp.where(fresh, jnp.zeros_like(state[name]), state[name])
            for name in ('epoch_steps', 'loss_sum', 'correct_sum')
        }
        batch = jnp.arange(setting.train.batch_size)

        def body(i, state):
            # The last batch is completed with the first images of the epoch's order: all batches
            # have one size, and no image is left out.
            chosen = order[jnp.mod(i * batch.size + batch, self.train_size)]
            images = data.standardised(data.training.images[chosen])
            return self._step(hyper, seed, state, images, labels[chosen])

        state = _turned(lax.fori_loop(start, stop, body, _turned(state)))
        if 'best' in state and not is_off(setting.train.patience):
            # Outside the loop, which so is the same program with and without patience.
            over = state['best']['stopped_at'] > 0
            state = state | {
                name: jax.tree.map(functools.partial(jnp.where, over), before[name], state[name])
                for name in state.keys() & set(_REPORTED)
            }
        return state

    def step(
        self, hyper: trace.Hyper, seed: jax.Array, state: State, x: jax.Array, y: jax.Array
    ) -> State:
        """One update on the images x [batch, height, width, channels] with labels y [batch]."""
        return _turned(self._step(hyper, seed, _turned(state), x, y))

    def _step(
        self, hyper: trace.Hyper, seed: jax.Array, state: State, x: jax.Array, y: jax.Array
    ) -> State:
        """`step` on a state as it stands in the loop, see `_turned`."""
        setting = self._setting(hyper)
        key = functools.partial(
            stream_key, member_seed(seed, setting.train.member), step=state['step']
        )
        on_inputs, on_weights, on_labels = jax.random.split(key('noise'), 3)
        x = noisy_inputs(
            on_inputs, augment(key('augment'), x, setting.augment), setting.noise.input
        )
        y = noisy_labels(on_labels, y, setting.noise.labels, self.classes)

        def loss_of(params):
            params = turned(params)
            noisy = noisy_weights(on_weights, params, setting.noise.weights)
            # So that the products find noisy kernels as they would find those without noise.
            noisy = turned(lax.optimization_barrier(turned(noisy)))
            logits, mutated = self._network(hyper).apply(
                self._in_use({'params': noisy, 'batch_stats': state['batch_stats']}),
                x,
                train=True,
                rngs={'dropout': key('dropout')} | tweak.keys(setting.tweaks, key('tweaks')),
                mutable=['batch_stats'],
            )
            losses = cross_entropy(logits, y, setting.noise.smoothing)
            loss = in_order_mean(losses)
            total = loss + penalty(params, setting.penalty)
            return total, (loss, logits, mutated.get('batch_stats', {}))

        gradients, (loss, logits, stats) = jax.grad(loss_of, has_aux=True)(state['params'])
        updates, opt_state = self._optimiser(hyper).update(
            gradients, state['opt_state'], state['params']
        )
        params = optax.apply_updates(state['params'], updates)
        first_bad = (state['diverged_at'] < 0) & ~jnp.isfinite(loss)
        now = state | {
            'params': params,
            'batch_stats': stats,
            'opt_state': opt_state,
            'step': state['step'] + 1,
            'epoch_steps': state['epoch_steps'] + 1,
            'diverged_at': jnp.where(first_bad, state['step'], state['diverged_at']),
            'loss_sum': state['loss_sum'] + loss,
            'correct_sum': state['correct_sum'] + jnp.mean(jnp.argmax(logits, -1) == y),
        }
        if 'ema' in state:
            now['ema'] = keep.averaged(state['ema'], params, setting.train.ema_decay)
        return now

    def end_epoch(
        self,
        hyper: trace.Hyper,
        seed: jax.Array,
        state: State,
        data: DeviceData,
        epoch: jax.Array,
    ) -> tuple[State, dict[str, jax.Array]]:
        """Evaluates, and keeps what is to be kept of this epoch.

        Returns:
          The state, and scalars by metric name: 'running_loss', 'train_loss', 'validation_loss',
          each also as accuracy; 'weight_norm' and 'small_weights'; the test set's if
          `train.test_curve`, those of the data's probes by their names, and the running average's
          on validation ('ema_…'). The 'running' ones are means over the epoch's own batches, with
          the parameters and the noise they were trained with. After a run has stopped early its
          metrics are NaN.
        """
        train = self.static.train
        splits = {'validation': data.validation} | ({'test': data.test} if train.test_curve else {})
        metrics = {
            'running_loss': state['loss_sum'] / state['epoch_steps'],
            'running_accuracy': state['correct_sum'] / state['epoch_steps'],
            'weight_norm': measure.weight_norm(state['params']),
            'small_weights': measure.small_weights(state['params']),
            **_named('train', self._evaluate_training(hyper, seed, state, data)),
        }
        for name, split in (splits | data.probes).items():
            metrics |= _named(name, self._evaluate(hyper, state, data, split))
        if 'ema' in state:
            average = _variables(state) | {'params': state['ema']}
            measured = self._evaluate(hyper, average, data, data.validation)
            metrics |= _named('ema_validation', measured)
        over = stopped = False
        if 'best' in state:
            by_loss = train.select == 'best_loss'
            score = -metrics['validation_loss'] if by_loss else metrics['validation_accuracy']
            # Looked up before it is brought up to date: the epoch in which it stops still counts.
            stopped = state['best']['stopped_at'] > 0
            metrics = {name: jnp.where(stopped, jnp.nan, value) for name, value in metrics.items()}
            best = keep.better(
                state['best'], _variables(state), score, epoch, self._setting(hyper).train
            )
            state = state | {'best': best}
            over = best['stopped_at'] > 0
        if 'snapshots' in state:
            taken = keep.with_snapshot(
                state['snapshots'], _variables(state), epoch, self.static.train.epochs, over
            )
            if not is_off(self._setting(hyper).train.patience):
                taken = jax.tree.map(
                    functools.partial(jnp.where, stopped), state['snapshots'], taken
                )
            state = state | {'snapshots': taken}
        return state, metrics

    def finish(
        self, hyper: trace.Hyper, seed: jax.Array, state: State, data: DeviceData
    ) -> dict[str, Any]:
        """Tests the chosen parameters, once.

        Returns:
          'finals', scalars: 'train_loss', 'validation_loss', 'test_loss', each also as accuracy;
          'test_calibration_error', 'weight_norm', 'small_weights', 'parameters' and what the
          setting asks for besides, see `_also`;
          'confusion' of the test set, int32 [classes, classes]; 'chosen_epoch', 1 for the first;
          'diverged_at' as in the state, or the number of steps if only the last update ruined what
          is tested;
          'arrays', by name: 'calibration' of the test set, see `evaluate.calibration`, and what
          the setting asks for.
        """
        if self.static.train.select == 'last':
            chosen = state | {'epoch': jnp.int32(self.static.train.epochs)}
        else:
            chosen = state['best']
        keep_logits = self.static.train.keep_logits
        training = self._evaluate_training(hyper, seed, chosen, data)
        validation = self._evaluate(hyper, chosen, data, data.validation, keep_logits)
        test = self._evaluate(hyper, chosen, data, data.test, keep_logits)
        finals = (
            _named('train', training)
            | _named('validation', validation)
            | _named('test', test)
            | {
                'test_calibration_error': evaluate.calibration_error(test['calibration']),
                'test_overconfidence': evaluate.overconfidence(test['calibration']),
                'weight_norm': measure.weight_norm(chosen['params']),
                'small_weights': measure.small_weights(chosen['params']),
                'parameters': jnp.float32(measure.count_parameters(chosen['params'])),
            }
        )
        arrays = {'calibration': test['calibration']}
        if keep_logits:
            arrays |= {'validation_logits': validation['logits'], 'test_logits': test['logits']}
        more_finals, more_arrays = self._also(hyper, seed, state, chosen, data)
        ruined = (state['diverged_at'] < 0) & ~jnp.isfinite(finals['test_loss'])
        return {
            'finals': finals | more_finals,
            'arrays': arrays | more_arrays,
            'confusion': test['confusion'],
            'chosen_epoch': chosen['epoch'],
            'diverged_at': jnp.where(ruined, state['step'], state['diverged_at']),
        }

    def _also(
        self,
        hyper: trace.Hyper,
        seed: jax.Array,
        state: State,
        chosen: dict[str, Any],
        data: DeviceData,
    ) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
        """Final scalars and arrays that only some settings ask for.

        Returns:
          Scalars: 'stop_epoch' (patience), the epoch after which training stopped, or the last;
          'ema_test_…'; 'snapshots_test_…' of the snapshots' averaged probabilities; 'mc_n_test_…';
          'gradient_variance' and 'gradient_norm' of the unpenalised loss at the chosen parameters.
          Arrays: 'ema_test_logits', 'snapshot_test_logits' [k, N, classes], 'grid_probabilities'
          [G, classes], 'weight_histogram' and 'weight_edges'.
        """
        train, setting = self.static.train, self._setting(hyper)
        finals, arrays = {}, {}
        if 'best' in state and not is_off(setting.train.patience):
            stopped = state['best']['stopped_at']
            epoch = jnp.where(stopped > 0, stopped, train.epochs)
            finals['stop_epoch'] = epoch.astype(jnp.float32)
        if 'ema' in state:
            average = _variables(state) | {'params': state['ema']}
            found = self._evaluate(hyper, average, data, data.test, train.keep_logits)
            finals |= _named('ema_test', found)
            if train.keep_logits:
                arrays['ema_test_logits'] = found['logits']
        if 'snapshots' in state:
            logits = lax.map(
                lambda one: self._evaluate(hyper, one, data, data.test, True)['logits'],
                state['snapshots'],
            )
            finals |= _named('snapshots_test', _of_mean(logits, data.test.labels))
            if train.keep_logits:
                arrays['snapshot_test_logits'] = logits
        if train.mc_samples:
            sampled = self._sampled(hyper, seed, chosen)
            found = evaluate.monte_carlo(sampled, data, data.test, train.mc_samples)
            for n, measured in found.items():
                finals |= _named(f'mc_{n}_test', measured)
        if train.gradient_batches:
            finals |= self._gradients(hyper, seed, chosen, data)
        if train.linearity:
            finals['linearity'] = self._linearity(hyper, chosen, data)
        if data.grid is not None:
            network = self._at_rest(hyper, chosen)
            arrays['grid_probabilities'] = evaluate.probabilities(network, data, data.grid)
        if train.weight_bins:
            counts, edges = measure.weight_histogram(chosen['params'], train.weight_bins)
            arrays |= {'weight_histogram': counts, 'weight_edges': edges}
        return finals, arrays

    def _linearity(self, hyper: trace.Hyper, chosen: dict[str, Any], data: DeviceData) -> jax.Array:
        """How near to linear the hidden units are, the mean over layers; `nn.linearity`."""
        images = data.standardised(data.validation.images[:LINEARITY_IMAGES])
        _, found = self._network(hyper).apply(
            _variables(chosen), images, train=False, mutable=[LINEARITY]
        )
        return jnp.mean(jnp.stack(jax.tree.leaves(found)))

    def _gradients(
        self, hyper: trace.Hyper, seed: jax.Array, chosen: dict[str, Any], data: DeviceData
    ) -> dict[str, jax.Array]:
        """Agreement of the gradients of the first batches of the training set, without noise."""
        labels = self._training(hyper, seed, data).labels
        size = min(GRADIENT_BATCH, self.train_size)

        def gradient(i):
            index = jnp.mod(i * size + jnp.arange(size), self.train_size)
            x, y = data.standardised(data.training.images[index]), labels[index]

            def loss_of(params):
                network = self._at_rest(hyper, chosen | {'params': params})
                return jnp.mean(cross_entropy(network(x), y))

            return jax.grad(loss_of)(chosen['params'])

        variance, norm = measure.gradient_moments(gradient, self.static.train.gradient_batches)
        return {'gradient_variance': variance, 'gradient_norm': norm}

    def _evaluate(
        self,
        hyper: trace.Hyper,
        variables: dict[str, Any],
        data: DeviceData,
        split: DeviceSplit,
        keep_logits: bool = False,
    ) -> dict[str, jax.Array]:
        """A network ('params' and 'batch_stats') on a split, without noise: `evaluate.evaluate`."""
        network = self._at_rest(hyper, variables)
        return evaluate.evaluate(network, data, split, self.classes, keep_logits)

    def _at_rest(self, hyper: trace.Hyper, variables: dict[str, Any]) -> evaluate.Network:
        """Images to logits, as at test."""
        network = self._network(hyper)
        return lambda x: network.apply(self._in_use(variables), x, train=False)

    def _in_use(self, variables: dict[str, Any]) -> dict[str, Any]:
        """'params' and 'batch_stats' as a network is applied to them."""
        params = precision.operands(variables['params'], self.static.train.precision)
        return _variables(variables) | {'params': params}

    def _sampled(self, hyper: trace.Hyper, seed: jax.Array, variables: dict[str, Any]):
        """(mask number, batch number, images) to logits, as at test but with dropout."""
        network = self._network(hyper)
        member = member_seed(seed, self._setting(hyper).train.member)

        def sampled(mask, batch, x):
            key = jax.random.fold_in(stream_key(member, 'masks', mask), batch)
            return network.apply(self._in_use(variables), x, train=False, rngs={'dropout': key})

        return sampled

    def _training(self, hyper: trace.Hyper, seed: jax.Array, data: DeviceData) -> DeviceSplit:
        """The training set with the labels it is trained on."""
        labels = training_labels(
            self._setting(hyper).data, seed, data.training.labels, self.classes
        )
        return dataclasses.replace(data.training, labels=labels)

    def _evaluate_training(
        self, hyper: trace.Hyper, seed: jax.Array, variables: dict[str, Any], data: DeviceData
    ) -> dict[str, jax.Array]:
        """`_evaluate` on the first of the training images in use, and the labels trained on."""
        count = min(self.static.train.train_eval_size, self.train_size)
        shown = jax.tree.map(lambda leaf: leaf[:count], self._training(hyper, seed, data))
        config = self._setting(hyper).data
        times = None
        if not is_full(config.share):
            # A small share again and again. Counted, not gathered: the images stay those of all
            # runs, so the network's products and their last bits do.
            index = jnp.mod(jnp.arange(count), used(config, self.train_size))
            times = jnp.zeros(count, jnp.int32).at[index].add(1)
        network = self._at_rest(hyper, variables)
        return evaluate.evaluate(network, data, shown, self.classes, times=times)

    def _setting(self, hyper: trace.Hyper) -> Setting:
        return trace.join(self.static, hyper)

    def _network(self, hyper: trace.Hyper) -> nn.Module:
        return models.build(self._setting(hyper), self.classes)

    def _optimiser(self, hyper: trace.Hyper) -> optax.GradientTransformation:
        setting = self._setting(hyper)
        schedule = lambda step: learning_rate(
            step,
            setting.optim.learning_rate,
            setting.schedule,
            self.steps_per_epoch,
            self.static.train.epochs,
        )
        return optimisers.build(setting.optim, schedule)


def _turned(state: State) -> State:
    """A state with the narrow matrices that a step works on transposed; its own inverse."""
    worked_on = [name for name in ('params', 'opt_state', 'ema') if name in state]
    return state | {name: turned(state[name]) for name in worked_on}


def _variables(tree: dict[str, Any]) -> dict[str, Any]:
    return {name: tree[name] for name in ('params', 'batch_stats')}


def _named(split: str, measured: dict[str, jax.Array]) -> dict[str, jax.Array]:
    return {f'{split}_{key}': measured[key] for key in ('loss', 'accuracy')}


def _of_mean(logits: jax.Array, labels: jax.Array) -> dict[str, jax.Array]:
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
