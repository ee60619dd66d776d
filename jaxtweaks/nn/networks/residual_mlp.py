"""A residual MLP (Gorishniy et al. 2021, arXiv 2106.11959, §3.2)."""

from collections.abc import Callable

import flax.linen as nn
import jax

from jaxtweaks.config.fields import static
from jaxtweaks.config.register import network


@network('residual_mlp', words='residual MLP')
class ResidualMLP(nn.Module):
    """A ResNet of dense layers for tables (Gorishniy et al. 2021, arXiv 2106.11959, §3.2).

    A dense layer, blocks x + drop(dense(drop(active(dense(norm(x)))))), and norm, activation and a
    dense layer at the end.
    """

    outputs: int
    norm: Callable[[], nn.Module]
    activation: Callable[[jax.Array], jax.Array]
    kernel_init: Callable[..., jax.Array]
    dropout: jax.Array | float
    blocks: int = static(2, 'residual blocks', low=1)
    width: int = static(128, 'units between the blocks', low=1)
    factor: int = static(2, 'by how much the units within a block are more', low=1)

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[batch, …] to [batch, outputs]."""
        x = self._dense(x.reshape(x.shape[0], -1), self.width)
        for _ in range(self.blocks):
            y = self._dense(self.norm()(x, train), self.width * self.factor)
            y = self._dropped(self.activation(y), train)
            x = x + self._dropped(self._dense(y, self.width), train)
        return self._dense(self.activation(self.norm()(x, train)), self.outputs)

    def _dense(self, x: jax.Array, features: int) -> jax.Array:
        return nn.Dense(features, kernel_init=self.kernel_init)(x)

    def _dropped(self, x: jax.Array, train: bool) -> jax.Array:
        rate: float = self.dropout  # pyright: ignore[reportAssignmentType] (it may be traced)
        return nn.Dropout(rate)(x, deterministic=not train)
