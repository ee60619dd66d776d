"""What the architectures share: the order of normalisation and nonlinearity, and the dense end.

And how a plain linen network, which shares nothing with them, is applied in their place.
"""

import contextlib
import dataclasses
import inspect
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import settings
from jaxtweaks.config.config_file import blaming
from jaxtweaks.config.layers import hidden_widths
from jaxtweaks.nn import dropout as dropout_lib
from jaxtweaks.nn import plain, tweak
from jaxtweaks.nn.activations import activated
from jaxtweaks.nn.init import Initialiser, initialiser
from jaxtweaks.nn.layers import Conv, Dense, Dropout, zero_biases
from jaxtweaks.nn.linearity import linearity
from jaxtweaks.nn.norms import normalised
from jaxtweaks.nn.pool import max_pool

# The collection into which each nonlinearity puts how near to linear it is, if it is asked for.
LINEARITY = 'linearity'


class Network(nn.Module):
    """A network of a setting; its methods are called inside `nn.compact`."""

    outputs: int
    setting: settings.Setting

    @property
    def drawn(self) -> Initialiser:
        """How the weights of a layer are drawn."""
        return initialiser(self.setting)

    @property
    def drawn_biases(self) -> Callable[[int], Initialiser]:
        """By the inputs of a unit, how the biases of dense layers are drawn."""
        return zero_biases

    def finish(self, x: jax.Array, train: bool) -> jax.Array:
        """The nonlinearity, with the normalisation before or after it."""
        place = self.setting.model.norm_place
        if place == 'before':
            x = normalised(self.setting, x, train)
        entered, x = x, activated(self.setting, x)
        if self.is_mutable_collection(LINEARITY):
            self.sow(LINEARITY, 'units', linearity(entered, x))
        return normalised(self.setting, x, train) if place == 'after' else x

    def finished(self, layer: nn.Module, x: jax.Array, train: bool) -> jax.Array:
        """A layer and `finish`; where it can, a convolution does both, to the same bits."""
        if self._ends_in_relu(layer):
            return layer(x, relu=True)
        return self.finish(layer(x), train)

    def pooled(self, layer: nn.Module, x: jax.Array, train: bool) -> jax.Array:
        """`finished`, and a max-pool in windows of 2 × 2.

        Where nothing lies between a convolution and ReLU, the pool comes before both the bias and
        ReLU, to the same bits: neither changes which number is the largest, and they have a quarter
        of the numbers then. (Of numbers that rounding makes equal, the gradient goes to the one
        that was the largest instead of the first.)
        """
        if self._ends_in_relu(layer):
            return layer(x, pool=2, relu=True)
        return max_pool(self.finish(layer(x), train), 2)

    def _ends_in_relu(self, layer: nn.Module) -> bool:
        """Whether it is a convolution, and only ReLU follows; nor is what enters that measured."""
        model = self.setting.model
        bare = model.norm == 'none' and model.activation == 'relu'
        return bare and isinstance(layer, Conv) and not self.is_mutable_collection(LINEARITY)

    def tweaked(self, x: jax.Array, where: str, train: bool) -> jax.Array:
        """The registered tweaks of a place, see `config.tweaks.PLACES`, one after the other."""
        return tweak.applied(self.setting, where, x, self.make_rng, train)

    def drop(self, x: jax.Array, where: str, train: bool) -> jax.Array:
        """Registered tweaks and dropout on the 'input' or after a pool ('conv')."""
        dropout = self.setting.dropout
        x = self.tweaked(x, where, train)
        return Dropout(getattr(dropout, where), dropout.form)(x, train)

    def drop_hidden(self, x: jax.Array, layer: int, train: bool) -> jax.Array:
        """Registered tweaks and dropout after a hidden dense layer, 0 for the first."""
        dropout = self.setting.dropout
        # () when no setting has rates by layer; otherwise a tuple or a traced [layers].
        by_layer = len(dropout.by_layer) > 0
        rate = dropout.by_layer[layer] if by_layer else dropout.hidden
        x = self.tweaked(x, 'hidden', train)
        return Dropout(rate, dropout.form)(x, train)

    def head(self, x: jax.Array, train: bool) -> jax.Array:
        """The hidden dense layers and the output layer: [batch, …] to [batch, outputs]."""
        x = x.reshape(x.shape[0], -1)
        for layer, width in enumerate(hidden_widths(self.setting.model)):
            x = self.finish(Dense(width, self.drawn, biases=self.drawn_biases)(x), train)
            x = self.drop_hidden(x, layer, train)
        return self.logits(x, train)

    def logits(self, x: jax.Array, train: bool) -> jax.Array:
        """The output layer: [batch, units] to [batch, outputs]."""
        x = Dense(self.outputs, self.drawn, last=True, biases=self.drawn_biases)(x)
        return self.tweaked(x, 'logits', train)


@dataclasses.dataclass(frozen=True)
class Plain:
    """A plain linen network, applied as those of this package are.

    What does not depend on its layers acts around it: tweaks and dropout of the input, tweaks of
    the logits, and the precision. Its `nn.Dropout` take rates that are traced.

    Attributes:
      module: takes images [batch, height, width, channels] to [batch, outputs].
      outputs: how many it should give.
      setting: of the run; traced fields may hold tracers.
    """

    module: nn.Module
    outputs: int
    setting: settings.Setting

    def init(self, rngs: Any, x: jax.Array, *, train: bool) -> dict[str, Any]:
        """Its variables; `rngs` is a key, or keys by stream."""
        if hasattr(self.module, 'nnx_class') and not isinstance(rngs, dict):
            rngs = {'params': rngs, 'dropout': rngs}  # its dropout asks for one when it is made
        with self._taken_over(x.dtype, draw_masks=False):
            return dict(self.module.init(rngs, x, **self._train(train)))

    def apply(
        self,
        variables: dict[str, Any],
        x: jax.Array,
        *,
        train: bool,
        rngs: dict[str, jax.Array] | None = None,
        mutable: Any = False,
        **options: Any,
    ) -> Any:
        """Images to logits, float32 or wider; and with `mutable` what has become of collections."""
        rngs = rngs or {}
        x = self._tweaked(x, 'input', train, rngs)
        x = self._dropped(x, train, rngs.get('dropout'))
        weights = jax.tree.leaves(variables.get('params', {}))
        in_bf16 = any(leaf.dtype == jnp.bfloat16 for leaf in weights)
        dtype = jnp.bfloat16 if in_bf16 else x.dtype
        draw_masks = not train and 'dropout' in rngs

        def applied(last: plain.Call | None = None) -> tuple[list[Any], dict[plain.Call, Any]]:
            """The outputs, and what has become of collections; and what dense layers returned."""
            with self._taken_over(dtype, draw_masks, last) as returned:
                found = self.module.apply(
                    variables, x, **self._train(train), rngs=rngs, mutable=mutable, **options
                )
            return list(found) if mutable is not False else [found], returned

        def only_outputs() -> tuple[Any, dict[plain.Call, Any]]:
            found, returned = applied()
            return found[0], returned

        (logits, *rest), _ = applied(plain.last_dense(only_outputs) if in_bf16 else None)
        logits = self._tweaked(self._checked(logits, x), 'logits', train, rngs)
        return (logits, *rest) if rest else logits

    @contextlib.contextmanager
    def _taken_over(
        self, dtype: Any, draw_masks: bool, last: plain.Call | None = None
    ) -> Iterator[dict[plain.Call, jax.Array]]:
        """Inside, linen's layers do what the setting says, and what fails names the network.

        Arguments and what it yields: `plain.layers`.
        """
        named = blaming(f"network '{self.setting.model.name}'")
        with named, plain.layers(draw_masks, self.setting.dropout.form, dtype, last) as returned:
            yield returned

    def _train(self, train: bool) -> dict[str, Any]:
        # Flax's bridge passes on what the nnx module in it takes.
        inner = getattr(self.module, 'nnx_class', type(self.module))
        takes = inspect.signature(inner.__call__).parameters
        return {'train': train} if 'train' in takes else {}

    def _tweaked(self, x: jax.Array, where: str, train: bool, rngs: dict[str, Any]) -> jax.Array:
        return tweak.applied(self.setting, where, x, rngs.__getitem__, train)

    def _dropped(self, x: jax.Array, train: bool, key: jax.Array | None) -> jax.Array:
        rate, form = self.setting.dropout.input, self.setting.dropout.form
        x = dropout_lib.entering(x, _INPUT, rate, form)
        if dropout_lib.is_off(rate):
            return x
        if key is None:
            return dropout_lib.dropout_at_test(x, rate, form)
        return dropout_lib.dropout(jax.random.fold_in(key, _INPUT), x, rate, form)

    def _checked(self, logits: Any, x: jax.Array) -> jax.Array:
        kind, expected = getattr(logits, 'dtype', None), (x.shape[0], self.outputs)
        if kind is None or not jnp.issubdtype(kind, jnp.floating) or logits.shape != expected:
            given = f'{kind} {list(logits.shape)}' if kind is not None else repr(logits)
            raise UserError(
                f"network '{self.setting.model.name}': returns {given} for {list(x.shape)}; it "
                f'must return float outputs {list(expected)}'
            )
        return logits.astype(jnp.promote_types(kind, jnp.float32))


_INPUT = zlib.crc32(b'input')  # names the key of the dropout before a plain network
