"""A network of a program, applied without noise and measured."""

import dataclasses
from collections.abc import Callable
from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import models
from jaxtweaks.nn.dense import turned
from jaxtweaks.train import evaluate, precision
from jaxtweaks.train.data import DeviceData, DeviceSplit, first_ones, images_in_use, training_labels
from jaxtweaks.train.state import Variables


@dataclasses.dataclass(frozen=True)
class Applied:
    """The network of the settings of `static`.

    Methods take `hyper`, the traced numbers of a run (see `config.trace.split`), and its seed.

    Attributes:
      static: the static part of the setting.
      train_size: training images.
      classes: number of classes.
    """

    static: Setting
    train_size: int
    classes: int

    @property
    def evaluated_at_once(self) -> int:
        """Images of a batch where the network is measured."""
        dense = self.static.model.name == 'mlp'
        return evaluate.BATCH if dense else evaluate.CONVOLUTIONS_BATCH

    def setting(self, hyper: trace.Hyper) -> Setting:
        """The whole setting."""
        return trace.join(self.static, hyper)

    def network(self, hyper: trace.Hyper) -> nn.Module:
        """The Flax module."""
        return models.build(self.setting(hyper), self.classes)

    def at_rest(self, hyper: trace.Hyper, variables: Variables) -> evaluate.Network:
        """Images to logits, as at test."""
        network, found = self.network(hyper), self.ready(variables)
        return lambda x: cast(jax.Array, network.apply(found(), x, train=False))

    def ready(self, variables: Variables) -> Callable[[], Variables]:
        """`in_use`, to be called where the network is applied again and again, in a loop.

        Outside the loop narrow kernels are turned as its products find them (`nn.dense`).
        """
        standing = lax.optimization_barrier(turned(variables['params']))
        return lambda: self.in_use(variables | {'params': turned(standing)})

    def in_use(self, variables: Variables) -> Variables:
        """'params' and 'batch_stats' as a network is applied to them."""
        params = precision.operands(variables['params'], self.static.train.precision)
        return variables | {'params': params}

    def evaluate(
        self,
        hyper: trace.Hyper,
        variables: Variables,
        data: DeviceData,
        split: DeviceSplit,
        keep_logits: bool = False,
    ) -> dict[str, jax.Array]:
        """A network ('params' and 'batch_stats') on a split, without noise: `evaluate.evaluate`."""
        network = self.at_rest(hyper, variables)
        return evaluate.evaluate(
            network, data, split, self.classes, keep_logits, batch=self.evaluated_at_once
        )

    def evaluate_training(
        self, hyper: trace.Hyper, seed: jax.Array, variables: Variables, data: DeviceData
    ) -> dict[str, jax.Array]:
        """`evaluate` on the first of the training images in use, and the labels trained on."""
        count = min(self.static.train.train_eval_size, self.train_size)
        shown = jax.tree.map(lambda leaf: leaf[:count], self.training(hyper, seed, data))
        config = self.setting(hyper).data
        used, times = images_in_use(config, self.train_size, data.folds), None
        if used is not None:
            # Those in use again and again. Counted, not gathered: the images stay those of all
            # runs, so the network's products and their last bits do.
            first, inside = first_ones(used[:count], count)
            index = first[jnp.mod(jnp.arange(count), inside)]
            times = jnp.zeros(count, jnp.int32).at[index].add(1)
        network = self.at_rest(hyper, variables)
        return evaluate.evaluate(
            network, data, shown, self.classes, times=times, batch=self.evaluated_at_once
        )

    def training(self, hyper: trace.Hyper, seed: jax.Array, data: DeviceData) -> DeviceSplit:
        """The training set with the labels it is trained on."""
        labels = training_labels(self.setting(hyper).data, seed, data.training.labels, self.classes)
        return dataclasses.replace(data.training, labels=labels)


def named(split: str, measured: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Loss and accuracy of `evaluate.evaluate` under the names of a split."""
    return {f'{split}_{key}': measured[key] for key in ('loss', 'accuracy')}
