"""What becomes of a signal and of its gradient in an untrained deep network? (INITREG §I)"""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.rng import stream_key
from jaxtweaks.config import trace
from jaxtweaks.config.fields import static
from jaxtweaks.config.part import Part
from jaxtweaks.config.settings import Setting
from jaxtweaks.studies.kernels import random_kernels
from jaxtweaks.studies.study import Measured, study
from jaxtweaks.train.losses import cross_entropy

_AT_ONCE = 500  # vectors whose activations are kept for the way back
_NORMAL = float(np.finfo(np.float32).tiny)  # the smallest float32 with all its digits


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _vectors(
    seed: int, start: int, count: int, width: int, classes: int
) -> tuple[jax.Array, jax.Array]:
    """Some random vectors [count, width] and their classes; a program for networks of any depth."""
    key = stream_key(seed, 'noise', start)
    x = jax.random.normal(key, (count, width), jnp.float32)
    return x, jax.random.randint(jax.random.fold_in(key, 1), (count,), 0, classes)


@functools.partial(jax.jit, static_argnums=(3, 4))
def _piece(
    kernels: list[jax.Array],
    x: jax.Array,
    labels: jax.Array,
    total: int,
    activation: tuple[Part, tuple[tuple[str, Any], ...]],
) -> jax.Array:
    """Moments of activations and of gradients over some of the vectors, [2, 2, layers].

    Args:
      kernels: [in, out] of each layer.
      x: vectors [count, in].
      labels: their classes, [count].
      total: vectors of the whole loss.
      activation: the nonlinearity, and its arguments by name.
    """
    part, given = activation[0], dict(activation[1])
    stacks = _stacks(kernels)

    def layer(at, given_here):
        kernel, offset = given_here
        at = part.build(at @ kernel, **given) + offset
        return at, at

    def loss(offsets):
        """Offsets of zero, added to each layer's activations, have their gradients."""
        at, activations = x, []
        for stack, offset in zip(stacks, offsets, strict=True):
            if len(stack) == 1:
                at, one = layer(at, (stack[0], offset[0]))
                activations.append(one[None])
            else:
                at, several = jax.lax.scan(layer, at, (stack, offset))
                activations.append(several)
        return jnp.sum(cross_entropy(at, labels)) / total, activations

    zeros = [jnp.zeros((len(stack), len(x), stack.shape[2]), jnp.float32) for stack in stacks]
    gradients, activations = jax.grad(loss, has_aux=True)(zeros)
    return jnp.stack(
        [
            jnp.concatenate([jax.vmap(_moments, out_axes=1)(values) for values in found], 1)
            for found in (activations, gradients)
        ]
    )


def _stacks(kernels: list[jax.Array]) -> list[jax.Array]:
    """Neighbouring layers that are as wide as their input together, [layers, in, out] each.

    They are one loop of the program, which otherwise takes longer to compile than to run.
    """
    key = lambda kernel: kernel.shape if kernel.shape[0] == kernel.shape[1] else id(kernel)
    return [jnp.stack(list(run)) for _, run in itertools.groupby(kernels, key)]


def _moments(values: jax.Array) -> jax.Array:
    """Mean and standard deviation of all entries, [2], whose squares need not be float32."""
    size = jnp.max(jnp.abs(values))
    unit = jnp.where(size > 0, size, 1)
    return jnp.stack([jnp.mean(values / unit), jnp.std(values / unit)]) * unit


def _combined(pieces: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of all from those of parts.

    Args:
      pieces: float64 [parts, 2, 2, layers], the third axis being mean and standard deviation.
      sizes: entries of each part, up to a factor, [parts].

    Returns:
      [2, 2, layers].
    """
    share = (sizes / sizes.sum())[:, None, None]
    mean = (share * pieces[:, :, 0]).sum(0)
    square = (share * (pieces[:, :, 1] ** 2 + (pieces[:, :, 0] - mean) ** 2)).sum(0)
    return np.stack([mean, np.sqrt(square)], 1)


def _factor(std: np.ndarray) -> float:
    """Geometric mean of what each step multiplies `std` [layers] with; 0 if it ends at 0.

    1 for a single layer, which has no step.
    """
    if not std[-1]:
        return 0.0
    return float((std[-1] / std[0]) ** (1 / max(1, len(std) - 1)))


def check(setting: Setting) -> None:
    """Whether there are layers. Raises UserError."""
    if not setting.model.hidden:
        raise UserError('model.hidden: is empty; it must have the width of every layer')


@study(
    'signal_propagation',
    curves={
        'activation_mean': '|mean| of the activations',
        'activation_std': 'standard deviation of the activations',
        'gradient_mean': '|mean| of the gradients',
        'gradient_std': 'standard deviation of the gradients',
    },
    finals={
        'last_activation_std': 'standard deviation of the last activations',
        'first_gradient_std': "standard deviation of the first layer's gradients",
        'gradient_ratio': "standard deviation of the first layer's gradients over the last's",
        'living_activations': 'layers whose activations have not vanished',
        'living_gradients': 'layers whose gradients have not vanished',
        'activation_factor': 'by how much a layer multiplies the standard deviation of '
        'activations (geometric mean)',
        'gradient_factor': 'by how much a layer multiplies the standard deviation of gradients '
        'on the way back (geometric mean)',
    },
    reads=('model.hidden', 'model.activation', 'init'),
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
) -> Measured:
    """Mean and standard deviation of activations and gradients, by layer.

    Vectors of independent N(0, 1) entries, as wide as the first layer, go through dense layers
    with zero biases, each with the activation. The loss is the mean cross entropy of the last
    layer's activations with random classes; the gradients are those of the loss with respect to
    the activations of each layer.
    """
    kernels = random_kernels(setting, seed)
    part = trace.part(setting, 'activation')
    activation = part, tuple(trace.arguments(setting, part).items())
    width, classes = kernels[0].shape[0], kernels[-1].shape[1]
    starts = range(0, vectors, _AT_ONCE)
    sizes = np.array([min(_AT_ONCE, vectors - start) for start in starts])
    pieces = [
        _piece(kernels, *_vectors(seed, start, size, width, classes), vectors, activation)
        for start, size in zip(starts, sizes.tolist(), strict=True)
    ]
    moments = _combined(np.asarray(pieces, np.float64), sizes)  # [2, 2, layers]
    (activation_mean, activation_std), (gradient_mean, gradient_std) = moments
    return Measured(
        curves={
            'activation_mean': np.abs(activation_mean),
            'activation_std': activation_std,
            'gradient_mean': np.abs(gradient_mean),
            'gradient_std': gradient_std,
        },
        finals={
            'last_activation_std': activation_std[-1],
            'first_gradient_std': gradient_std[0],
            'gradient_ratio': gradient_std[0] / gradient_std[-1],
            'living_activations': int((activation_std >= _NORMAL).sum()),
            'living_gradients': int((gradient_std >= _NORMAL).sum()),
            'activation_factor': _factor(activation_std),
            'gradient_factor': _factor(gradient_std[::-1]),
        },
    )
