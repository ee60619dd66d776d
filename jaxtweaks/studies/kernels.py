"""Dense layers without training and without biases."""

import functools
import itertools

import jax
import numpy as np

from jaxtweaks.base.rng import stream_key
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn.init import initialiser


def random_kernels(setting: Setting, seed: int) -> list[jax.Array]:
    """Initial weights [in, out] of each hidden layer, the input as wide as the first of them."""
    hidden, (static, hyper) = setting.model.hidden, trace.split(setting)
    of_init = {name: value for name, value in hyper.items() if name in _traced(static)}
    rest = trace.replace(Setting(parts=static.parts), dict.fromkeys(of_init))
    return _draw((hidden[0], *hidden), rest, seed, of_init)


def _traced(static: Setting) -> set[str]:
    """The traced fields that say how weights are drawn."""
    every = (name for part in trace.table(static, 'init') for name in part.fields)
    return {'init.scheme', 'init.distribution', *every}


@functools.partial(jax.jit, static_argnums=(0, 1))
def _draw(
    widths: tuple[int, ...], static: Setting, seed: int, hyper: trace.Hyper
) -> list[jax.Array]:
    draw = initialiser(trace.join(static, hyper))
    shapes = list(itertools.pairwise(widths))
    keys = jax.random.split(stream_key(seed, 'init'), len(shapes))
    kernels: list[jax.Array] = [keys] * len(shapes)
    for shape in dict.fromkeys(shapes):
        # All layers of a shape in a loop: a deep network compiles as fast as a shallow one.
        layers = np.flatnonzero([other == shape for other in shapes])
        drawn = jax.lax.map(functools.partial(draw, shape=shape), keys[layers])
        for layer, kernel in zip(layers, drawn, strict=True):
            kernels[layer] = kernel
    return kernels
