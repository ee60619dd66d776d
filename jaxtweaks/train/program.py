"""Training of one network as pure functions: one seed, one setting, no other runs in sight.

The runner maps these functions over runs and compiles them; see `jaxtweaks/sweep`.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import models
from jaxtweaks.rng import stream_key
from jaxtweaks.train import optimisers
from jaxtweaks.train.losses import cross_entropy, penalty
from jaxtweaks.train.schedules import learning_rate

State = dict[str, Any]
EVAL_BATCH = 500


@dataclasses.dataclass(frozen=True)
class DeviceSplit:
    """A split on the device. A pytree.

    Attributes:
      images: uint8 [N, height, width, channels].
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
    """

    training: DeviceSplit
    validation: DeviceSplit
    test: DeviceSplit
    mean: jax.Array
    inverse_deviation: jax.Array


for _cls in (DeviceSplit, DeviceData):
    jax.tree_util.register_dataclass(
        _cls, data_fields=[field.name for field in dataclasses.fields(_cls)], meta_fields=[]
    )


@dataclasses.dataclass(frozen=True)
class Program:
    """The functions that train one network with the settings of `static`.

    Each takes `hyper`, the traced numbers of a run (see `config.trace.split`), and is pure.

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
          epoch so far; and, unless the last parameters are kept, 'best': those chosen so far.
        """
        network = models.build(trace.join(self.static, hyper), self.classes)
        example = jnp.zeros((2, *data.training.images.shape[1:]), jnp.float32)
        variables = network.init(stream_key(seed, 'init'), example, train=False)
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
        if self.static.train.select != 'last':
            state['best'] = {
                'params': params,
                'batch_stats': stats,
                'score': jnp.float32(-jnp.inf),
                'epoch': jnp.int32(0),
            }
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
        does not depend on how an epoch is cut into chunks.
        """
        order = jax.random.permutation(stream_key(seed, 'order', epoch), self.train_size)
        fresh = start == 0
        state = state | {
            name: jnp.where(fresh, jnp.zeros_like(state[name]), state[name])
            for name in ('epoch_steps', 'loss_sum', 'correct_sum')
        }
        batch = jnp.arange(self.static.train.batch_size)

        def body(i, state):
            # The last batch is completed with the first images of the epoch's order: all batches
            # have one size, and no image is left out.
            chosen = order[jnp.mod(i * batch.size + batch, self.train_size)]
            return self.step(
                hyper,
                seed,
                state,
                self._standardised(data, data.training.images[chosen]),
                data.training.labels[chosen],
            )

        return lax.fori_loop(start, stop, body, state)

    def step(
        self, hyper: trace.Hyper, seed: jax.Array, state: State, x: jax.Array, y: jax.Array
    ) -> State:
        """One update on the images x [batch, height, width, channels] with labels y [batch]."""
        setting = trace.join(self.static, hyper)
        network = models.build(setting, self.classes)
        key = stream_key(seed, 'dropout', state['step'])

        def loss_of(params):
            logits, mutated = network.apply(
                {'params': params, 'batch_stats': state['batch_stats']},
                x,
                train=True,
                rngs={'dropout': key},
                mutable=['batch_stats'],
            )
            loss = jnp.mean(cross_entropy(logits, y))
            total = loss + penalty(params, setting.penalty)
            return total, (loss, logits, mutated.get('batch_stats', {}))

        gradients, (loss, logits, stats) = jax.grad(loss_of, has_aux=True)(state['params'])
        updates, opt_state = self._optimiser(hyper).update(
            gradients, state['opt_state'], state['params']
        )
        first_bad = (state['diverged_at'] < 0) & ~jnp.isfinite(loss)
        return state | {
            'params': optax.apply_updates(state['params'], updates),
            'batch_stats': stats,
            'opt_state': opt_state,
            'step': state['step'] + 1,
            'epoch_steps': state['epoch_steps'] + 1,
            'diverged_at': jnp.where(first_bad, state['step'], state['diverged_at']),
            'loss_sum': state['loss_sum'] + loss,
            'correct_sum': state['correct_sum'] + jnp.mean(jnp.argmax(logits, -1) == y),
        }

    def end_epoch(
        self, hyper: trace.Hyper, state: State, data: DeviceData, epoch: jax.Array
    ) -> tuple[State, dict[str, jax.Array]]:
        """Evaluates on a part of the training set and on validation, and keeps the best.

        Returns:
          The state, and scalars by metric name ('running_loss', 'train_loss', 'validation_loss',
          each also as accuracy). The 'running' ones are means over the epoch's own batches, with
          the parameters and the noise they were trained with.
        """
        metrics = {
            'running_loss': state['loss_sum'] / state['epoch_steps'],
            'running_accuracy': state['correct_sum'] / state['epoch_steps'],
        }
        for name, split in (('train', self._shown(data)), ('validation', data.validation)):
            measured = self.evaluate(hyper, state, data, split)
            metrics |= {f'{name}_{key}': measured[key] for key in ('loss', 'accuracy')}
        if self.static.train.select == 'last':
            return state, metrics
        return state | {'best': self._better(state, metrics, epoch)}, metrics

    def finish(self, hyper: trace.Hyper, state: State, data: DeviceData) -> dict[str, jax.Array]:
        """Tests the chosen parameters, once.

        Returns:
          'train_loss', 'validation_loss', 'test_loss', each also as accuracy, scalars;
          'confusion' of the test set, int32 [classes, classes]; 'chosen_epoch', 1 for the first;
          'diverged_at' as in the state, or the number of steps if only the last update ruined what
          is tested.
        """
        if self.static.train.select == 'last':
            chosen = state | {'epoch': jnp.int32(self.static.train.epochs)}
        else:
            chosen = state['best']
        splits = {'train': self._shown(data), 'validation': data.validation, 'test': data.test}
        found = {'chosen_epoch': chosen['epoch']}
        for name, split in splits.items():
            measured = self.evaluate(hyper, chosen, data, split)
            found |= {f'{name}_{key}': measured[key] for key in ('loss', 'accuracy')}
        ruined = (state['diverged_at'] < 0) & ~jnp.isfinite(found['test_loss'])
        diverged_at = jnp.where(ruined, state['step'], state['diverged_at'])
        return found | {'confusion': measured['confusion'], 'diverged_at': diverged_at}

    def evaluate(
        self,
        hyper: trace.Hyper,
        variables: dict[str, Any],
        data: DeviceData,
        split: DeviceSplit,
    ) -> dict[str, jax.Array]:
        """Loss, accuracy and confusion of a network on a split, without noise.

        Args:
          hyper: the traced numbers.
          variables: with 'params' and 'batch_stats'.
          data: for the standardisation.
          split: N images.

        Returns:
          'loss' and 'accuracy', float32 scalars; 'confusion', int32 [classes, classes]: images by
          (true, predicted) class. If the loss is not finite the accuracy is
          NaN: a network that diverged predicts nothing.
        """
        network = models.build(trace.join(self.static, hyper), self.classes)
        count = split.labels.shape[0]
        size = min(EVAL_BATCH, count)
        batches = math.ceil(count / size)
        variables = {name: variables[name] for name in ('params', 'batch_stats')}

        def body(i, sums):
            index = i * size + jnp.arange(size)
            inside = index < count
            index = jnp.minimum(index, count - 1)
            x = self._standardised(data, split.images[index])
            y = split.labels[index]
            logits = network.apply(variables, x, train=False)
            losses = jnp.where(inside, cross_entropy(logits, y), 0)
            predicted = jnp.argmax(logits, -1)
            return {
                'loss': sums['loss'] + jnp.sum(losses),
                'confusion': sums['confusion'].at[y, predicted].add(inside.astype(jnp.int32)),
            }

        zero = {'loss': jnp.float32(0), 'confusion': jnp.zeros((self.classes,) * 2, jnp.int32)}
        sums = lax.fori_loop(0, batches, body, zero)
        correct = jnp.trace(sums['confusion']).astype(jnp.float32)
        loss = sums['loss'] / count
        return {
            'loss': loss,
            'accuracy': jnp.where(jnp.isfinite(loss), correct / count, jnp.nan),
            'confusion': sums['confusion'],
        }

    def _shown(self, data: DeviceData) -> DeviceSplit:
        """The training images on which networks are evaluated: the first, the same for all."""
        count = min(self.static.train.train_eval_size, self.train_size)
        return jax.tree.map(lambda leaf: leaf[:count], data.training)

    def _standardised(self, data: DeviceData, images: jax.Array) -> jax.Array:
        pixels = images.astype(jnp.float32)
        return (pixels - data.mean[None]) * data.inverse_deviation[None]

    def _optimiser(self, hyper: trace.Hyper) -> optax.GradientTransformation:
        setting = trace.join(self.static, hyper)
        schedule = lambda step: learning_rate(
            step,
            setting.optim.learning_rate,
            setting.schedule,
            self.steps_per_epoch,
            self.static.train.epochs,
        )
        return optimisers.build(setting.optim, schedule)

    def _better(self, state: State, metrics: dict[str, jax.Array], epoch: jax.Array) -> Any:
        """The best parameters so far; the earlier of two equals, and never diverged ones."""
        by_loss = self.static.train.select == 'best_loss'
        score = -metrics['validation_loss'] if by_loss else metrics['validation_accuracy']
        now = {
            'params': state['params'],
            'batch_stats': state['batch_stats'],
            'score': score,
            'epoch': epoch + 1,
        }
        improved = score > state['best']['score']
        return jax.tree.map(lambda new, old: jnp.where(improved, new, old), now, state['best'])
