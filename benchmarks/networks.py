"""The networks of the benchmarks, each as a setting and as its users' other libraries have it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import optax

from benchmarks.peers import flax_plain
from jaxtweaks.config.settings import Model, Optim, Setting, Train


@dataclasses.dataclass(frozen=True)
class Network:
    """One network in three libraries, with the same optimiser; 32 × 32 × 3 images, 10 classes.

    Attributes:
      setting: how jaxtweaks trains it.
    """

    setting: Setting

    def flax(self) -> tuple[nn.Module, optax.GradientTransformation]:
        """As a Flax tutorial would write it."""
        model, optim = self.setting.model, self.setting.optim
        optimiser = {'adam': optax.adam, 'sgd': optax.sgd}[optim.name](optim.learning_rate)
        if model.name == 'cnn':
            return flax_plain.PlainCNN(model.channels, model.hidden, self._norm), optimiser
        return flax_plain.PlainMLP(model.hidden, self._norm), optimiser

    def pytorch(self, running: bool = True) -> Callable[[], Any]:
        """What makes a PyTorch module; `running`: batch norm keeps averages, which vmap cannot.

        Raises:
          ImportError: PyTorch is not installed.
        """
        from benchmarks.peers import pytorch

        model = self.setting.model
        if model.name == 'cnn':
            return lambda: pytorch.cnn(model.channels, model.hidden, self._norm, running)
        return lambda: pytorch.mlp(model.hidden, self._norm, running)

    @property
    def _norm(self) -> bool:
        return self.setting.model.norm != 'none'


def cnn(
    batch: int,
    precision: str = 'float32',
    model: Model | None = None,
    *,
    batch_norm: bool = False,
) -> Network:
    """ROLE's CNN; `model`: a smaller one in its place, for trying things out."""
    train = Train(batch_size=batch, precision=precision)
    model = model or Model()
    if batch_norm:
        model = dataclasses.replace(model, norm='batch')
    return Network(Setting(model=model, train=train))


def mlp(
    *hidden: int, batch_norm: bool = False, batch: int = 100, precision: str = 'float32'
) -> Network:
    """MLP-BN's networks, trained as there with SGD."""
    model = Model('mlp', hidden=hidden, norm='batch' if batch_norm else 'none')
    train = Train(batch_size=batch, precision=precision)
    return Network(Setting(model=model, optim=Optim('sgd', 0.01), train=train))
