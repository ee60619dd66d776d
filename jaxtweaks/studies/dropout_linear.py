"""Is the mean of a linear unit under dropout (1 − p) times what it is without? (DEEPREG)"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.rng import stream_key
from jaxtweaks.config.fields import static
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn.dropout import dropout
from jaxtweaks.studies.kernels import random_kernels
from jaxtweaks.studies.study import Measured, study

_AT_ONCE = 100  # masks


def _compare(
    z: np.ndarray, sums: np.ndarray, count: int, factor: float
) -> tuple[float, float, float]:
    """How the means under dropout lie to `factor` times the values without.

    Args:
      z: values without dropout, [vectors, units].
      sums: of the values under `count` masks and of their squares, [2, vectors, units].
      count: masks.
      factor: the expected ratio.

    Returns:
      The ratio (least squares through the origin), the expected one, and the root mean square of
      (mean − factor z) in standard errors of the mean, which is 1 if the means are equal.
    """
    mean = sums[0] / count
    variance = np.maximum(sums[1] / count - mean**2, 0) * count / (count - 1)
    # Where no mask dropped anything there is no standard error to speak of.
    some = variance > 0
    standard = (mean - factor * z)[some] / np.sqrt(variance[some] / count)
    standard_errors = float(np.sqrt((standard**2).mean())) if some.any() else math.nan
    return float((mean * z).sum() / (z * z).sum()), factor, standard_errors


@jax.jit
def _clean(kernels: list[jax.Array], x: jax.Array) -> list[jax.Array]:
    """The activations of every layer without dropout, [vectors, units] each."""
    z = [x]
    for kernel in kernels:
        z.append(z[-1] @ kernel)
    return z[1:]


@functools.partial(jax.jit, static_argnames='form')
def _masked(
    kernels: list[jax.Array], x: jax.Array, seed: int, piece: int, rate: float, form: str
) -> dict[str, list[jax.Array]]:
    """Sums over masks of the activations and of their squares, float32 [2, vectors, units] each.

    Returns:
      'alone': with dropout only in front of that layer; 'all': in front of every layer.
    """
    keys = jax.random.split(stream_key(seed, 'dropout', piece), 2 * len(kernels))
    z, chained = x, jnp.broadcast_to(x, (_AT_ONCE, *x.shape))
    found: dict[str, list[jax.Array]] = {'alone': [], 'all': []}
    for h, kernel in enumerate(kernels):
        of_each = jnp.broadcast_to(z, (_AT_ONCE, *z.shape))
        alone = dropout(keys[2 * h], of_each, rate, form) @ kernel
        chained = dropout(keys[2 * h + 1], chained, rate, form) @ kernel
        z = z @ kernel
        for name, values in (('alone', alone), ('all', chained)):
            found[name].append(jnp.stack([values.sum(0), jnp.square(values).sum(0)]))
    return found


def check(setting: Setting) -> None:
    """Whether the network is linear and something is dropped. Raises UserError."""
    if setting.model.activation != 'identity':
        raise UserError(
            f"model.activation: '{setting.model.activation}' is not linear; it must be 'identity'"
        )
    if not setting.model.hidden:
        raise UserError('model.hidden: is empty; it must have the width of every layer')
    if not 0 < setting.dropout.hidden < 1:
        raise UserError(
            f'dropout.hidden: {setting.dropout.hidden!r} leaves nothing to measure; it must be '
            'between 0 and 1'
        )


@study(
    'dropout_linear',
    curves={
        'factor': 'E[z̃] / z (dropout in front of the layer)',
        'expected': 'derived for dropout in front of the layer',
        'deviation': 'E[z̃] off its value in standard errors (dropout in front of the layer)',
        'factor_all': 'E[z̃] / z (dropout in front of every layer)',
        'expected_all': 'derived for dropout in front of every layer',
        'deviation_all': 'E[z̃] off its value in standard errors (dropout in front of every layer)',
    },
    finals={
        'mean_factor': 'E[z̃] / z (mean over layers)',
        'expected_factor': 'E[z̃] / z, derived',
        'largest_deviation': 'largest difference of a layer, in standard errors',
        'largest_deviation_all': 'the same with dropout in front of every layer',
    },
    reads=('model.hidden', 'model.activation', 'init', 'dropout.hidden', 'dropout.form'),
    axis='layer',
    generated='generated: random vectors',
    check=check,
    threads=True,
)
def measure(
    setting: Setting,
    seed: int,
    *,
    vectors: int = static(
        10_000,
        'random vectors that are sent through the network',
        low=1,
        former='study.vectors',
    ),
    masks: int = static(10_000, 'dropout masks that are drawn', low=2, former='study.masks'),
) -> Measured:
    """Means over masks, at every layer, next to what the lecture derives.

    In z̃ʰ = Σ w δ zʰ⁻¹ only the units in front of layer h are dropped ('alone'); the mean is then
    f zʰ, with f = 1 − p where dropout leaves what it keeps (vanilla) and f = 1 where it divides by
    1 − p (inverted). With dropout in front of every layer, as in training, it is fʰ zʰ ('all').
    """
    if masks % _AT_ONCE:
        raise UserError(
            f'dropout_linear.masks: {masks} is no multiple of {_AT_ONCE}, which are drawn at once; '
            'it must be one'
        )
    kernels = random_kernels(setting, seed)
    shape = (vectors, len(kernels[0]))
    x = jax.random.normal(stream_key(seed, 'noise'), shape)
    rate, form = setting.dropout.hidden, setting.dropout.form
    pieces = math.ceil(masks / _AT_ONCE)
    z = _clean(kernels, x)
    sums = {name: [np.zeros((2, *layer.shape)) for layer in z] for name in ('alone', 'all')}
    for piece in range(pieces):
        found = _masked(kernels, x, seed, piece, rate, form)
        for name, layers in found.items():
            for total, layer in zip(sums[name], layers, strict=True):
                total += np.asarray(layer, np.float64)
    count = pieces * _AT_ONCE
    factor = 1.0 if form == 'inverted' else 1 - rate
    powers = {'alone': [factor] * len(z), 'all': [factor ** (h + 1) for h in range(len(z))]}
    curves = {}
    for name, suffix in (('alone', ''), ('all', '_all')):
        found = [
            _compare(np.asarray(layer, np.float64), total, count, expected)
            for layer, total, expected in zip(z, sums[name], powers[name], strict=True)
        ]
        for i, metric in enumerate(('factor', 'expected', 'deviation')):
            curves[metric + suffix] = np.array([row[i] for row in found])
    return Measured(
        curves=curves,
        finals={
            'mean_factor': float(curves['factor'].mean()),
            'expected_factor': factor,
            'largest_deviation': float(curves['deviation'].max()),
            'largest_deviation_all': float(curves['deviation_all'].max()),
        },
    )
