"""A small vision transformer (Dosovitskiy et al. 2020, arXiv 2010.11929)."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.fields import static
from jaxtweaks.config.register import network


@network('vit', words='vision transformer')
class VisionTransformer(nn.Module):
    """A vision transformer (Dosovitskiy et al. 2020, arXiv 2010.11929).

    Patches become tokens, with learned positions; blocks of attention and an MLP with GELU, each
    after layer norm and next to a shortcut; layer norm, the mean of all tokens and a dense layer
    (the mean in place of a class token: Beyer et al. 2022, arXiv 2205.01580). Dropout is after the
    positions, the attention and each layer of the MLPs.
    """

    outputs: int
    kernel_init: Callable[..., jax.Array]
    dropout: jax.Array | float
    patch: int = static(4, 'pixels along a side of a patch', low=1)
    width: int = static(64, 'features of a token', low=1)
    depth: int = static(4, 'blocks', low=1)
    heads: int = static(4, 'heads of the attention, which divide the width evenly', low=1)
    factor: int = static(2, 'by how much the units within an MLP are more', low=1)

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Images to outputs."""
        side, size = self.patch, x.shape[1:3]
        if size[0] % side or size[1] % side:
            raise UserError(
                f'vit.patch: {side} does not divide images of {size[0]} × {size[1]} pixels'
            )
        if self.width % self.heads:
            raise UserError(f'vit.heads: {self.heads} does not divide vit.width ({self.width})')
        x = nn.Conv(self.width, (side, side), side, padding='VALID', kernel_init=self.kernel_init)(
            x
        )
        x = x.reshape(x.shape[0], -1, self.width)
        place = self.param('positions', nn.initializers.normal(0.02), (1, *x.shape[1:]))
        x = self._dropped(x + place.astype(x.dtype), train)
        for _ in range(self.depth):
            x = x + self._dropped(self._attention(nn.LayerNorm(1e-5)(x)), train)
            y = self._dense(nn.LayerNorm(1e-5)(x), self.width * self.factor)
            y = self._dropped(nn.gelu(y, approximate=False), train)
            x = x + self._dropped(self._dense(y, self.width), train)
        return self._dense(jnp.mean(nn.LayerNorm(1e-5)(x), 1), self.outputs)

    def _attention(self, x: jax.Array) -> jax.Array:
        return nn.MultiHeadDotProductAttention(self.heads, kernel_init=self.kernel_init)(x)

    def _dense(self, x: jax.Array, features: int) -> jax.Array:
        return nn.Dense(features, kernel_init=self.kernel_init)(x)

    def _dropped(self, x: jax.Array, train: bool) -> jax.Array:
        rate: float = self.dropout  # pyright: ignore[reportAssignmentType] (it may be traced)
        return nn.Dropout(rate)(x, deterministic=not train)
