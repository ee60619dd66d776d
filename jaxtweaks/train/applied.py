"""A network of a program, applied without noise and measured."""

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax

from jaxtweaks.base import metrics
from jaxtweaks.config import layers, measured, trace
from jaxtweaks.config.parts import CLASSES
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import lowered, models
from jaxtweaks.nn.dense import transpose_narrow
from jaxtweaks.nn.network import LINEARITY, Network, Plain
from jaxtweaks.nn.norm import standardised_kernels
from jaxtweaks.train import evaluate, precision
from jaxtweaks.train.data import DeviceData, DeviceSplit, first_ones, images_in_use, training_labels
from jaxtweaks.train.measures import measures_of
from jaxtweaks.train.state import Variables


@dataclasses.dataclass(frozen=True)
class Applied:
    """The network of the settings of `static`.

    Methods take `hyper`, the traced numbers of a run (see `config.trace.split`), and its seed.

    Attributes:
      static: the static part of the setting.
      train_size: training images.
      classes: number of classes; where targets are none, of outputs.
    """

    static: Setting
    train_size: int
    classes: int

    @property
    def evaluated_at_once(self) -> int:
        """Images of a batch where the network is measured."""
        dense = layers.made_of(self.static.model) == 'dense'
        return evaluate.BATCH if dense else evaluate.CONVOLUTIONS_BATCH

    @property
    def targets(self) -> str:
        """What the loss takes as targets: 'classes', 'float' or 'multilabel'."""
        return measured.targets_of(self.static)

    @property
    def of_classes(self) -> bool:
        """Whether targets are classes."""
        return self.targets == CLASSES

    def setting(self, hyper: trace.Hyper) -> Setting:
        """The whole setting."""
        return trace.join(self.static, hyper)

    def network(self, hyper: trace.Hyper) -> Network | Plain:
        """The network, which is a linen module or is applied as one."""
        return models.build(self.setting(hyper), self.classes)

    def apply(self, hyper: trace.Hyper, variables: Variables, x: jax.Array, **how: Any) -> Any:
        """The network applied to images: the one place of a program where it is.

        Args:
          hyper: the traced numbers.
          variables: as `in_use` returns them.
          x: images.
          how: `train`, and as of linen's `apply` `rngs` and `mutable`.
        """
        return self.network(hyper).apply(variables, x, **how)

    def at_rest(self, hyper: trace.Hyper, variables: Variables) -> evaluate.Network:
        """Images to logits, as at test."""
        found = self.ready(variables)
        return lambda x: cast(jax.Array, self.apply(hyper, found(), x, train=False))

    def ready(self, variables: Variables) -> Callable[[], Variables]:
        """`in_use`, to be called where the network is applied again and again, in a loop.

        Outside the loop narrow kernels are transposed as its products find them (`nn.dense`).
        """
        standing = lax.optimization_barrier(transpose_narrow(variables['params']))
        return lambda: self.in_use(variables | {'params': transpose_narrow(standing)})

    def in_use(self, variables: Variables, precision_of: str = '') -> Variables:
        """'params' and all other collections as a network is applied to them.

        With `precision_of` as if `train.precision` were that.
        """
        params = variables['params']
        if self.static.model.weight_standardisation:
            params = standardised_kernels(params)
        params = precision.operands(params, precision_of or self.static.train.precision)
        others = variables.get(COLLECTIONS, {})
        return {'params': params, 'batch_stats': variables['batch_stats'], **others}

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
            network,
            data,
            split,
            self.classes,
            keep_logits,
            batch=self.evaluated_at_once,
            measures=measures_of(self.setting(hyper)),
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
            network,
            data,
            shown,
            self.classes,
            times=times,
            batch=self.evaluated_at_once,
            measures=measures_of(self.setting(hyper)),
        )

    def plain_convolutions(self, hyper: trace.Hyper, shape: tuple[int, ...]) -> int:
        """How many convolutions the network has that are not those of `nn.conv`.

        Found in the traced program, so that no network needs to declare them.

        Args:
          hyper: the traced numbers.
          shape: of an image.
        """
        images = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
        initial = lambda hyper, key, x: self.network(hyper).init(key, x, train=False)
        return lowered.of_others(jax.make_jaxpr(initial)(hyper, jax.random.key(0), images))

    def shapes(self, hyper: trace.Hyper, shape: tuple[int, ...]) -> Variables:
        """The shapes of the variables of a state; `shape`: of an image."""
        images = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
        initial = lambda hyper, key, x: dict(self.network(hyper).init(key, x, train=False))
        drawn = jax.eval_shape(initial, hyper, jax.random.key(0), images)
        return {'params': drawn['params'], **kept(drawn)}

    def training(self, hyper: trace.Hyper, seed: jax.Array, data: DeviceData) -> DeviceSplit:
        """The training set with the labels it is trained on."""
        if not self.of_classes:
            return data.training
        labels = training_labels(self.setting(hyper).data, seed, data.training.labels, self.classes)
        return dataclasses.replace(data.training, labels=labels)


# What a network keeps besides its parameters and 'batch_stats', by collection, where it does.
COLLECTIONS = 'collections'


def kept(variables: Variables) -> Variables:
    """What linen has returned but the parameters, as a state has it."""
    others = besides(variables)
    stats = others.pop('batch_stats', {})
    return {'batch_stats': stats} | ({COLLECTIONS: others} if others else {})


def besides(variables: Variables) -> Variables:
    """The collections of a network but its parameters; what it only measures is none."""
    omitted = ('params', LINEARITY)
    return {name: tree for name, tree in variables.items() if name not in omitted}


def named(split: str, found: dict[str, jax.Array], family: str = '') -> dict[str, jax.Array]:
    """The metrics of `evaluate.evaluate` under the names of a split (and family, `Metric.on`)."""
    scalars = evaluate.scalars(found).items()
    return {metrics.measure(key).on(split, family): value for key, value in scalars}
