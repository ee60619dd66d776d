"""The nonlinearities: parts that are functions of an array of any shape to one like it."""

import jax
import jax.numpy as jnp

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.fields import traced
from jaxtweaks.config.register import activation
from jaxtweaks.config.settings import Setting


def activated(setting: Setting, x: jax.Array) -> jax.Array:
    """The chosen nonlinearity of `x`. Raises UserError if that is no float array of its shape."""
    found = trace.made(setting, 'activation', x)
    kind = getattr(found, 'dtype', None)
    if kind is None or not jnp.issubdtype(kind, jnp.floating) or found.shape != x.shape:
        given = f'{kind} {list(found.shape)}' if kind is not None else repr(found)
        raise UserError(
            f"activation '{setting.model.activation}': returns {given} for {x.dtype} "
            f'{list(x.shape)}; it must return an array like the one it is given'
        )
    return found


@activation('relu', words='ReLU')
def relu(x: jax.Array) -> jax.Array:
    """max(0, x), with the gradient 0 at 0."""
    return _relu(x)


@jax.custom_jvp
def _relu(x: jax.Array) -> jax.Array:
    return jnp.maximum(x, 0)


@_relu.defjvp
def _relu_jvp(primals, tangents):
    """By the sign of y, not of x as `jax.nn.relu` does: nothing needs x then.

    The next layer keeps y anyway, so a bias is added and cut off in one pass over the memory.
    """
    (x,), (t,) = primals, tangents
    y = _relu(x)
    return y, jnp.where(y > 0, t, 0)


@activation('tanh')
def tanh(x: jax.Array) -> jax.Array:
    """The hyperbolic tangent."""
    return jnp.tanh(x)


@activation('sigmoid')
def sigmoid(x: jax.Array) -> jax.Array:
    """1 / (1 + e^−x)."""
    return jax.nn.sigmoid(x)


@activation('identity', words='none')
def identity(x: jax.Array) -> jax.Array:
    """x: a linear layer."""
    return x


@activation('gelu', words='GELU')
def gelu(x: jax.Array) -> jax.Array:
    """x Φ(x), Φ the normal distribution (Hendrycks and Gimpel 2016, arXiv 1606.08415), exact."""
    return jax.nn.gelu(x, approximate=False)


@activation('silu', words='SiLU')
def silu(x: jax.Array) -> jax.Array:
    """x / (1 + e^−x) (Elfwing et al. 2017, arXiv 1702.03118; also called swish)."""
    return jax.nn.silu(x)


@activation('leaky_relu', words='leaky ReLU')
def leaky_relu(
    x: jax.Array,
    *,
    slope: jax.Array | float = traced(0.01, 'slope below 0', words='slope of the leaky ReLU'),
) -> jax.Array:
    """x above 0 and `slope` · x below (Maas et al. 2013)."""
    return jnp.where(x >= 0, x, slope * x)


@activation('elu', words='ELU')
def elu(
    x: jax.Array,
    *,
    alpha: jax.Array | float = traced(
        1.0, 'α, minus the value far below 0', above=0.0, words='α of the ELU'
    ),
) -> jax.Array:
    """x above 0 and α (e^x − 1) below (Clevert et al. 2015, arXiv 1511.07289)."""
    below = jnp.where(x > 0, 0.0, x)  # where x is large the other branch would overflow
    return jnp.where(x > 0, x, alpha * jnp.expm1(below))
