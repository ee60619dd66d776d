"""Layers with parameters or random keys, as Flax linen modules over pure functions next to them.

A layer knows its static settings as attributes; those that may be traced (drop rates) are
attributes too, and may hold tracers.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxtweaks.nn import bias as bias_lib
from jaxtweaks.nn import conv as conv_lib
from jaxtweaks.nn import dense
from jaxtweaks.nn import dropout as dropout_lib
from jaxtweaks.nn import local as local_lib
from jaxtweaks.nn.init import Initialiser
from jaxtweaks.nn.pool import max_pool


def _kernel(module: nn.Module, shape: tuple[int, ...], init: Initialiser) -> jax.Array:
    """A kernel [..., in, out], as a parameter of `module`."""
    return module.param('kernel', init, shape)


def _bias(
    module: nn.Module, shape: tuple[int, ...], init: Initialiser = nn.initializers.zeros
) -> jax.Array:
    return module.param('bias', init, shape, jnp.float32)


def zero_biases(fan_in: int) -> Initialiser:
    """Biases of 0, however many inputs a unit has."""
    del fan_in
    return nn.initializers.zeros


def uniform_biases(fan_in: int) -> Initialiser:
    """Biases from U(±1/√fan_in), as PyTorch's Linear draws them."""
    end = fan_in**-0.5
    return lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, -end, end)


class Dense(nn.Module):
    """x W + b, computed in the dtype of the weights it is applied with.

    As `last` layer it returns float32 (or wider): its product is not rounded on the way out.
    """

    features: int
    init: Initialiser
    last: bool = False
    biases: Callable[[int], Initialiser] = zero_biases

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[batch, in] to [batch, features]."""
        biases = self.biases(x.shape[-1])
        kernel = _kernel(self, (x.shape[-1], self.features), self.init)
        dtype = jnp.promote_types(kernel.dtype, jnp.float32) if self.last else kernel.dtype
        product = dense.matmul(x.astype(kernel.dtype), kernel, dtype)
        return bias_lib.add_bias(product, _bias(self, (self.features,), biases))


class Conv(nn.Module):
    """Convolution with bias, step 1."""

    features: int
    padding: str
    init: Initialiser
    window: tuple[int, int] = (3, 3)

    @nn.compact
    def __call__(self, x: jax.Array, pool: int = 1, relu: bool = False) -> jax.Array:
        """[batch, height, width, in] to [batch, height', width', features].

        With `pool` what a max-pool of that window makes of this, and with `relu` its ReLU, to the
        same bits: rounding keeps the order of numbers, so the bias is added to those that are left.
        """
        kernel = _kernel(self, (*self.window, x.shape[-1], self.features), self.init)
        bias = _bias(self, (self.features,))
        if relu and pool == 1:
            return bias_lib.conv_relu(x, kernel, bias, self.padding)
        x = conv_lib.conv(x, kernel, self.padding)
        x = max_pool(x, pool) if pool > 1 else x
        return bias_lib.add_bias_relu(x, bias) if relu else bias_lib.add_bias(x, bias)


class Local(nn.Module):
    """The twin of `Conv` that shares nothing: a kernel and a bias for each place."""

    features: int
    padding: str
    init: Initialiser
    window: tuple[int, int] = (3, 3)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[batch, height, width, in] to [batch, height', width', features]."""
        places = local_lib.places((x.shape[1], x.shape[2]), self.window, self.padding)
        shape = (*places, *self.window, x.shape[-1], self.features)
        bias = _bias(self, (*places, self.features))
        kernel = _kernel(self, shape, self.init)
        return local_lib.local(x.astype(kernel.dtype), kernel, self.padding) + bias[None]


class Dropout(nn.Module):
    """Dropout with a key from the stream 'dropout' and a rate that may be traced."""

    rate: jax.Array | float
    form: str

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Any shape to the same shape."""
        x = dropout_lib.entering(x, self.path, self.rate, self.form)
        if dropout_lib.is_off(self.rate):
            return x
        # At test a key means that masks are to be drawn all the same (Monte-Carlo dropout).
        if not train and not self.has_rng('dropout'):
            return dropout_lib.dropout_at_test(x, self.rate, self.form)
        return dropout_lib.dropout(self.make_rng('dropout'), x, self.rate, self.form)
