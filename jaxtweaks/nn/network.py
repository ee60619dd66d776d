"""What the architectures share: the order of batch norm and nonlinearity, and the dense end."""

import flax.linen as nn
import jax

from jaxtweaks.config import settings
from jaxtweaks.config.layers import hidden_widths
from jaxtweaks.nn import tweak as tweak_lib
from jaxtweaks.nn.activations import activated
from jaxtweaks.nn.layers import BatchNorm, Dense, Dropout
from jaxtweaks.nn.linearity import linearity

# The collection into which each nonlinearity puts how near to linear it is, if it is asked for.
LINEARITY = 'linearity'


class Network(nn.Module):
    """A network of a setting; its methods are called inside `nn.compact`."""

    classes: int
    setting: settings.Setting

    def finish(self, x: jax.Array, train: bool) -> jax.Array:
        """The nonlinearity with batch norm before, after or without."""
        model = self.setting.model
        if model.batch_norm == 'before':
            x = BatchNorm(model)(x, train)
        entered, x = x, activated(self.setting, x)
        if self.is_mutable_collection(LINEARITY):
            self.sow(LINEARITY, 'units', linearity(entered, x))
        if model.batch_norm == 'after':
            x = BatchNorm(model)(x, train)
        return x

    def tweaked(self, x: jax.Array, where: str, train: bool) -> jax.Array:
        """The registered tweaks of a place, see `config.tweaks.PLACES`, one after the other."""
        for tweak, strength in self.setting.tweaks.items_at(where):
            key = self.make_rng(tweak_lib.stream(tweak)) if train else None
            x = tweak_lib.apply(tweak, key, x, strength, train)
        return x

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
        """The hidden dense layers and the output layer: [batch, …] to [batch, classes]."""
        init = self.setting.init
        x = x.reshape(x.shape[0], -1)
        for layer, width in enumerate(hidden_widths(self.setting.model)):
            x = self.finish(Dense(width, init)(x), train)
            x = self.drop_hidden(x, layer, train)
        return self.logits(x, train)

    def logits(self, x: jax.Array, train: bool) -> jax.Array:
        """The output layer: [batch, units] to [batch, classes]."""
        x = Dense(self.classes, self.setting.init, last=True)(x)
        return self.tweaked(x, 'logits', train)
