"""Training of one network as pure functions: one seed, one setting, no other runs in sight.

The runner maps these functions over runs and compiles them; see `jaxtweaks/run`.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.metrics import EMA
from jaxtweaks.base.rng import member_seed, stream_key
from jaxtweaks.config import measured, trace
from jaxtweaks.config.config_file import blaming
from jaxtweaks.nn import tweak
from jaxtweaks.nn.dense import transpose_narrow
from jaxtweaks.nn.dropout import is_off
from jaxtweaks.train import keep, measure, transform
from jaxtweaks.train.applied import COLLECTIONS, Applied, kept, named
from jaxtweaks.train.augment import augmented
from jaxtweaks.train.data import (
    DeviceData,
    DeviceSplit,
    epoch_order,
)
from jaxtweaks.train.finish import Found, finish
from jaxtweaks.train.losses import losses_of, pairwise_mean, penalty
from jaxtweaks.train.noise import noisy_inputs, noisy_labels, noisy_weights
from jaxtweaks.train.schedules import Time, learning_rate
from jaxtweaks.train.state import State

__all__ = ['DeviceData', 'DeviceSplit', 'Program', 'State']

# Parts of a state that enter the results besides the best parameters and the snapshots.
_REPORTED = ('ema', 'batch_stats', COLLECTIONS, 'step', 'diverged_at')
# A call returns the metrics of each of its epochs; there must be room for them.
_MOST_EPOCHS = 1_024


@dataclasses.dataclass(frozen=True)
class Program(Applied):
    """The functions that train one network with the settings of `static`; each is pure."""

    @property
    def steps_per_epoch(self) -> int:
        """⌈images / batch size⌉: every image is seen in every epoch."""
        return math.ceil(self.train_size / self.static.train.batch_size)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.steps_per_epoch * self.static.train.epochs

    @property
    def epochs_at_once(self) -> int:
        """The most epochs that one call of `train` can end."""
        return min(self.static.train.epochs, _MOST_EPOCHS)

    def init(self, hyper: trace.Hyper, seed: jax.Array, data: DeviceData) -> State:
        """The state before the first step."""
        setting = self.setting(hyper)
        example = jnp.zeros((2, *data.training.images.shape[1:]), jnp.float32)
        key = stream_key(member_seed(seed, setting.train.member), 'init')
        drawn = dict(self.network(hyper).init(key, example, train=False))
        params, others, train = drawn['params'], kept(drawn), setting.train
        variables = {'params': params, **others}
        return State(
            best=keep.first_best(variables) if train.select != 'last' else None,
            correct_sum=jnp.float32(0) if self.of_classes else None,
            diverged_at=jnp.int32(-1),
            ema=None if is_off(train.ema_decay) else params,
            epoch_steps=jnp.int32(0),
            loss_sum=jnp.float32(0),
            opt_state=self._optimiser(hyper).init(params),
            params=params,
            snapshots=keep.first_snapshots(variables, train.snapshots) if train.snapshots else None,
            step=jnp.int32(0),
            swa=None if is_off(train.swa_start) else params,
            **others,
        )

    def train(
        self,
        hyper: trace.Hyper,
        seed: jax.Array,
        state: State,
        data: DeviceData,
        epoch: jax.Array,
        start: jax.Array,
        last: jax.Array,
        stop: jax.Array,
    ) -> tuple[State, dict[str, jax.Array]]:
        """From step `start` of epoch `epoch` to before step `stop` of epoch `last`.

        Every epoch that is complete then is evaluated: all before `last`, and `last` if `stop` is
        the number of its steps. Nothing of this is compiled in: a chunk may be a step or a thousand
        epochs, and the result does not depend on how a training is cut into chunks.

        Returns:
          The state, and by metric name float32 [epochs_at_once]: of `epoch` and those after it, as
          `end_epoch` returns them; NaN for those that are not complete.
        """
        ended = jax.eval_shape(self.end_epoch, hyper, seed, state, data, epoch)[1]
        history = {name: jnp.full(self.epochs_at_once, jnp.nan, jnp.float32) for name in ended}

        def evaluated(now, state, history):
            state, metrics = self.end_epoch(hyper, seed, state, data, now)
            row = now - epoch
            return state, {name: history[name].at[row].set(metrics[name]) for name in history}

        def body(now, carried):
            state, history = carried
            first = jnp.where(now == epoch, start, 0)
            until = jnp.where(now == last, stop, self.steps_per_epoch)
            state = self.advance(hyper, seed, state, data, now, first, until)
            complete = until == self.steps_per_epoch
            return lax.cond(complete, evaluated, lambda _, *same: same, now, state, history)

        return lax.fori_loop(epoch, last + 1, body, (state, history))

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

        What is reported of a run that was stopped early stays as it is: it must not depend on how
        long the run's group goes on.
        """
        setting = self.setting(hyper)
        before = state
        member = member_seed(seed, setting.train.member)
        order = epoch_order(setting.data, member, epoch, self.train_size, data.folds)
        labels = self.training(hyper, seed, data).labels
        fresh = start == 0
        afresh = lambda count: jnp.where(fresh, jnp.zeros_like(count), count)
        state = dataclasses.replace(
            state,
            epoch_steps=afresh(state.epoch_steps),
            loss_sum=afresh(state.loss_sum),
            correct_sum=None if state.correct_sum is None else afresh(state.correct_sum),
        )
        batch = jnp.arange(setting.train.batch_size)

        def batch_of(i):
            # The last batch is completed with the first images of the epoch's order: all batches
            # have one size, and no image is omitted.
            chosen = order[jnp.mod(i * batch.size + batch, self.train_size)]
            return data.standardised(data.training.images[chosen]), labels[chosen]

        state = self.steps_on(hyper, seed, state, batch_of, start, stop)
        if state.best is not None and not is_off(setting.train.patience):
            # Outside the loop, which so is the same program with and without patience.
            kept = functools.partial(jnp.where, state.best.stopped_at > 0)
            reported = {
                name: jax.tree.map(kept, getattr(before, name), getattr(state, name))
                for name in _REPORTED
            }
            state = dataclasses.replace(state, **reported)
        return state

    def steps_on(
        self,
        hyper: trace.Hyper,
        seed: jax.Array,
        state: State,
        batch_of: Callable[[jax.Array], tuple[jax.Array, jax.Array]],
        start: jax.Array,
        stop: jax.Array,
    ) -> State:
        """Steps on the images and labels that `batch_of` returns for `start` … `stop` − 1."""
        body = lambda i, state: self._step(hyper, seed, state, *batch_of(i))
        return _as_in_the_loop(lax.fori_loop(start, stop, body, _as_in_the_loop(state)))

    def step(
        self, hyper: trace.Hyper, seed: jax.Array, state: State, x: jax.Array, y: jax.Array
    ) -> State:
        """One update on the images x [batch, height, width, channels] with labels y [batch]."""
        return _as_in_the_loop(self._step(hyper, seed, _as_in_the_loop(state), x, y))

    def _step(
        self, hyper: trace.Hyper, seed: jax.Array, state: State, x: jax.Array, y: jax.Array
    ) -> State:
        """`step` on a state as it stands in the loop, see `_as_in_the_loop`."""
        setting = self.setting(hyper)
        key = functools.partial(
            stream_key, member_seed(seed, setting.train.member), step=state.step
        )
        on_inputs, on_weights, on_labels = jax.random.split(key('noise'), 3)
        if self.of_classes:
            y = noisy_labels(on_labels, y, setting.noise.labels, self.classes)
        x, targets = augmented(key('augment'), x, y, self.classes, setting)
        x = noisy_inputs(on_inputs, x, setting.noise.input)

        def loss_of(params):
            """The penalised loss of a batch; and the plain one, the logits and the collections."""
            params = transpose_narrow(params)
            noisy = noisy_weights(on_weights, params, setting.noise.weights)
            # So that the products find noisy kernels as they would find those without noise.
            noisy = transpose_narrow(lax.optimization_barrier(transpose_narrow(noisy)))
            logits, mutated = self.apply(
                hyper,
                self.in_use(state.variables | {'params': noisy}),
                x,
                train=True,
                rngs={'dropout': key('dropout')} | tweak.keys(setting, key('tweaks')),
                mutable=['batch_stats', *(state.collections or ())],
            )
            loss = pairwise_mean(losses_of(setting, logits, y, targets))
            total = loss + penalty(params, setting.penalty)
            return total, (loss, logits, kept(mutated))

        gradients, (loss, logits, others) = transform.gradients(
            jax.grad(loss_of, has_aux=True), state.params, setting
        )
        updates, opt_state = self._updates(hyper, gradients, state.opt_state, state.params)
        params = transform.weights(optax.apply_updates(state.params, updates), setting)
        first_bad = (state.diverged_at < 0) & ~jnp.isfinite(loss)
        now = dataclasses.replace(
            state,
            params=params,
            **others,
            opt_state=opt_state,
            step=state.step + 1,
            epoch_steps=state.epoch_steps + 1,
            diverged_at=jnp.where(first_bad, state.step, state.diverged_at),
            loss_sum=state.loss_sum + loss,
        )
        if state.correct_sum is not None:
            correct = jnp.mean(jnp.argmax(logits, -1) == y)
            now = dataclasses.replace(now, correct_sum=state.correct_sum + correct)
        if state.ema is None:
            return now
        average = keep.averaged(state.ema, params, setting.train.ema_decay)
        return dataclasses.replace(now, ema=average)

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
          each also as accuracy, or as the metrics of the loss ('running' only as accuracy);
          'weight_norm' and 'small_weights', and 'unit_spread' if it is asked for; the test set's if
          `train.test_curve`, those of the data's probes by their names, and the running average's
          on validation ('ema_…'). The 'running' ones are means over the epoch's own batches, with
          the parameters and the noise they were trained with. After a run has stopped early its
          metrics are NaN.
        """
        train = self.static.train
        splits = {'validation': data.validation} | ({'test': data.test} if train.test_curve else {})
        metrics = {
            'running_loss': state.loss_sum / state.epoch_steps,
        }
        if state.correct_sum is not None:
            metrics['running_accuracy'] = state.correct_sum / state.epoch_steps
        metrics |= {
            'weight_norm': measure.weight_norm(state.params),
            'small_weights': measure.small_weights(state.params),
            **named('train', self.evaluate_training(hyper, seed, state.variables, data)),
        }
        if train.unit_spread:
            metrics['unit_spread'] = measure.unit_spread(state.params)
        for name, split in (splits | data.probes).items():
            metrics |= named(name, self.evaluate(hyper, state.variables, data, split))
        if state.ema is not None:
            average = state.variables | {'params': state.ema}
            found = self.evaluate(hyper, average, data, data.validation)
            metrics |= named('validation', found, EMA)
        over = stopped = False
        if state.best is not None:
            chosen = measured.chosen_by(self.static)
            value = metrics[chosen.on('validation')]
            score = -value if chosen.sign < 0 else value
            # Looked up before it is brought up to date: the epoch in which it stops still counts.
            stopped = state.best.stopped_at > 0
            metrics = {name: jnp.where(stopped, jnp.nan, value) for name, value in metrics.items()}
            best = keep.better(state.best, state.variables, score, epoch, self.setting(hyper).train)
            state = dataclasses.replace(state, best=best)
            over = best.stopped_at > 0
        if state.swa is not None:
            start = self.setting(hyper).train.swa_start
            mean = keep.averaged_epochs(state.swa, state.params, start, epoch)
            mean = jax.tree.map(functools.partial(jnp.where, stopped), state.swa, mean)
            state = dataclasses.replace(state, swa=mean)
        if state.snapshots is not None:
            taken = keep.with_snapshot(
                state.snapshots, state.variables, epoch, self.static.train.epochs, over
            )
            if not is_off(self.setting(hyper).train.patience):
                taken = jax.tree.map(functools.partial(jnp.where, stopped), state.snapshots, taken)
            state = dataclasses.replace(state, snapshots=taken)
        return state, metrics

    def finish(self, hyper: trace.Hyper, seed: jax.Array, state: State, data: DeviceData) -> Found:
        """Tests the chosen parameters, once: `finish.finish`."""
        return finish(self, hyper, seed, state, data)

    def _updates(
        self, hyper: trace.Hyper, gradients: Any, opt_state: Any, params: Any
    ) -> tuple[Any, Any]:
        """The optimiser's updates and its state after them, of trees as they stand in the loop.

        A user's optimiser is given them as the network has them, since an axis may mean something
        to it. Those of the package work entry by entry, or by the norm of a whole array.
        """
        setting = self.setting(hyper)
        given = gradients, opt_state, params
        built_in = trace.part(setting, 'optimiser').built_in
        with blaming(f"optimiser '{setting.optim.name}'"):
            given = given if built_in else transpose_narrow(given)
            updates, opt_state = self._optimiser(hyper).update(*given)
        return (updates, opt_state) if built_in else transpose_narrow((updates, opt_state))

    def _optimiser(self, hyper: trace.Hyper) -> optax.GradientTransformation:
        setting = self.setting(hyper)
        time = functools.partial(
            Time, steps_per_epoch=self.steps_per_epoch, epochs=self.static.train.epochs
        )
        found = trace.made(setting, 'optimiser', lambda step: learning_rate(setting, time(step)))
        if not isinstance(found, optax.GradientTransformation):
            raise UserError(
                f"optimiser '{setting.optim.name}': returns {found!r}; it must return an optax "
                'chain'
            )
        return found


def _as_in_the_loop(state: State) -> State:
    """A state with the narrow matrices that a step works on transposed; its own inverse."""
    return dataclasses.replace(
        state,
        params=transpose_narrow(state.params),
        opt_state=transpose_narrow(state.opt_state),
        ema=transpose_narrow(state.ema),
    )
