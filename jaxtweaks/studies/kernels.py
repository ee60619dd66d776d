"""Dense layers without training and without biases."""

import functools
import itertools

import jax

from jaxtweaks.base.rng import stream_key
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn.init import initial_weights


def random_kernels(setting: Setting, seed: int) -> list[jax.Array]:
    """Initial weights [in, out] of each hidden layer, the input as wide as the first of them."""
    hidden, init = setting.model.hidden, trace.as_numbers(setting).init
    return _draw((hidden[0], *hidden), seed, init.scheme, init.distribution, init.sigma)


@functools.partial(jax.jit, static_argnums=0)
def _draw(
    widths: tuple[int, ...], seed: int, scheme: int, distribution: int, sigma: float
) -> list[jax.Array]:
    shapes = itertools.pairwise(widths)
    keys = jax.random.split(stream_key(seed, 'init'), len(widths) - 1)
    return [
        initial_weights(key, shape, scheme, distribution, sigma)
        for key, shape in zip(keys, shapes, strict=True)
    ]
