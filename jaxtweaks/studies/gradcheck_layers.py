"""Is the gradient of every layer right? Each alone, with respect to inputs and parameters.

A new layer, penalty or loss is one more entry of `LAYERS`.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.base.rng import stream_key
from jaxtweaks.config import parts
from jaxtweaks.config.fields import static
from jaxtweaks.config.part import Part
from jaxtweaks.config.settings import Penalty, Setting
from jaxtweaks.nn import conv, dropout, layers, norm, pool
from jaxtweaks.studies import gradients
from jaxtweaks.studies.study import Measured, options, study
from jaxtweaks.train.losses import cross_entropy, penalty

Layer = Callable[[dict[str, jax.Array]], jax.Array]
Shapes = dict[str, tuple[int, ...]]

_IMAGES = (3, 7, 6, 2)
_VECTORS = (5, 8)
_INIT = nn.initializers.zeros  # has no effect because the weights are given
_EPSILON = 1e-5
_LABELS = (0, 2, 1, 2, 0)


def _module(module: Any) -> Layer:
    """A Flax module of the project applied to 'x' with the other arrays as its parameters."""

    def apply(at):
        params = {name: values for name, values in at.items() if name != 'x'}
        return module.apply({'params': params}, at['x'])

    return apply


def _norm(at: dict[str, jax.Array]) -> jax.Array:
    found: Any = norm.batch_norm(at['x'], at['scale'], at['shift'], _EPSILON)
    return found[0]


def _dropout(kind: str) -> Layer:
    # The key within: importing this must not start JAX. It is one mask for all calls.
    return lambda at: dropout.dropout(stream_key(0, 'dropout'), at['x'], 0.4, kind)


def _penalty(**config: Any) -> Layer:
    return lambda at: jnp.asarray(penalty({'Dense_0': at}, Penalty(**config)))


def _activation(part: Part) -> Layer:
    given = {name: parameter.default for name, parameter in part.parameters.items()}
    return lambda at: part.build(at['x'], **given)


_CONV_PARAMS: Shapes = {'kernel': (3, 3, 2, 4), 'bias': (4,)}
_WEIGHTS: Shapes = {'kernel': (6, 4), 'bias': (4,)}

# What is computed, and the shapes of what it is differentiated by, drawn from N(0, 1).
LAYERS: dict[str, tuple[Layer, Shapes]] = {
    'dense': (_module(layers.Dense(4, _INIT)), {'x': _VECTORS, 'kernel': (8, 4), 'bias': (4,)}),
    'conv_same': (_module(layers.Conv(4, 'SAME', _INIT)), {'x': _IMAGES, **_CONV_PARAMS}),
    'conv_valid': (_module(layers.Conv(4, 'VALID', _INIT)), {'x': _IMAGES, **_CONV_PARAMS}),
    'conv_stride_2': (
        lambda at: conv.conv(at['x'], at['kernel'], 'SAME', 2),
        {'x': _IMAGES, 'kernel': (3, 3, 2, 4)},
    ),
    'conv_many_features': (  # its kernel has another gradient, see nn/conv.py
        lambda at: conv.conv(at['x'], at['kernel'], 'SAME'),
        {'x': (2, 5, 4, 1), 'kernel': (2, 2, 1, 9)},
    ),
    'conv_1d': (
        lambda at: conv.conv(at['x'], at['kernel'], 'VALID'),
        {'x': (3, 12, 1, 2), 'kernel': (5, 1, 2, 3)},
    ),
    'locally_connected': (
        _module(layers.Local(4, 'SAME', _INIT)),
        {'x': _IMAGES, 'kernel': (7, 6, 3, 3, 2, 4), 'bias': (7, 6, 4)},
    ),
    'max_pool_rows': (lambda at: pool.max_pool_rows(at['x']), {'x': _IMAGES}),
    'max_pool': (lambda at: pool.max_pool(at['x'], 2), {'x': _IMAGES}),
    'batch_norm': (_norm, {'x': _VECTORS, 'scale': (8,), 'shift': (8,)}),
    'batch_norm_images': (_norm, {'x': _IMAGES, 'scale': (2,), 'shift': (2,)}),
    'dropout_inverted': (_dropout('inverted'), {'x': _VECTORS}),
    'dropout_vanilla': (_dropout('vanilla'), {'x': _VECTORS}),
    **{
        name: (_activation(part), {'x': _VECTORS})
        for name, part in parts.of_slot('activation').items()
        if part.built_in
    },
    'cross_entropy': (lambda at: cross_entropy(at['x'], jnp.asarray(_LABELS)), {'x': (5, 3)}),
    'label_smoothing': (
        lambda at: cross_entropy(at['x'], jnp.asarray(_LABELS), smoothing=0.1),
        {'x': (5, 3)},
    ),
    'l1': (_penalty(l1=0.1), _WEIGHTS),
    'elastic_net': (_penalty(l1=0.1, elastic=0.7), _WEIGHTS),
    'l2_half': (_penalty(l2=0.1), _WEIGHTS),
    'l2_full': (_penalty(l2=0.1, l2_form='full'), _WEIGHTS),
    'l2_biases_too': (_penalty(l2=0.1, scope='all'), _WEIGHTS),
}


@functools.partial(jax.jit, static_argnums=(0, 3))
def _both(name: str, seed: int, step: float, differences: str) -> tuple[jax.Array, jax.Array]:
    """See `gradients.both`."""
    layer, shapes = LAYERS[name]
    key, *keys = jax.random.split(stream_key(seed, 'init'), 1 + len(shapes))
    at = {
        name: jax.random.normal(one, shape, jnp.float64)
        for one, (name, shape) in zip(keys, shapes.items(), strict=True)
    }
    weights = jax.random.normal(key, jax.eval_shape(layer, at).shape, jnp.float64)
    f = lambda at: jnp.sum(weights * layer(at))
    return gradients.both(f, at, step, differences=differences)


def check(setting: Setting) -> None:
    """Whether there is such a layer. Raises UserError."""
    layer = options(setting).layer
    if layer not in LAYERS:
        raise UserError(
            f"gradcheck_layers.layer: unknown layer '{layer}'; {did_you_mean(layer, LAYERS)}"
        )


@study(
    'gradcheck_layers',
    finals=gradients.FINALS,
    generated='generated: random arrays',
    check=check,
    threads=True,
)
def measure(
    setting: Setting,
    seed: int,
    *,
    layer: str = static('dense', 'the layer that is checked', former='study.layer'),
    differences: str = gradients.DIFFERENCES,
    step: float = gradients.STEP,
    tolerance: float = gradients.TOLERANCE,
) -> Measured:
    """Compares the gradient of a weighted sum of what the layer returns, at random arrays.

    Arrays and weights are drawn from N(0, 1) by the seed; no entry is on a kink but by a chance of
    about the step of the differences.
    """
    with gradients.float64():
        gradient, found = _both(layer, seed, step, differences)
        return gradients.compared(gradient, found, tolerance)
