"""The kinds of targets: how outputs become predictions, and several predictions one.

Of classes and of several labels probabilities are averaged, in logarithms; of numbers the outputs
themselves.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Kind:
    """How the outputs of several networks, or under several masks, are averaged.

    Attributes:
      start: what a running mean begins with.
      first: outputs [N, outputs] to what is averaged.
      add: the mean of n − 1, the n-th, and n, to the mean of n.
      read: what was averaged to outputs [N, outputs], of which `first` would make it again.
    """

    start: float
    first: Callable[[jax.Array], jax.Array]
    add: Callable[[jax.Array, jax.Array, jax.Array | int], jax.Array]
    read: Callable[[jax.Array], jax.Array]

    def mean(self, outputs: jax.Array) -> jax.Array:
        """The outputs [n, N, outputs] of n networks as one's."""
        mean = jnp.full(self.first(outputs[0]).shape, self.start)
        for n, one in enumerate(outputs, 1):
            mean = self.add(mean, self.first(one), n)
        return self.read(mean)


def log_mean(mean: jax.Array, new: jax.Array, n: jax.Array | int) -> jax.Array:
    """The logarithm of a mean of n numbers, from that of the first n − 1 and the last one.

    Probabilities that underflow keep their place. Numbers that are all the same leave the mean
    bitwise as it is.

    Args:
      mean: logarithms of the mean so far, −∞ at the beginning.
      new: logarithms of the n-th numbers, finite, like `mean`.
      n: how many there are with these.
    """
    d = new - mean
    up = new + jnp.log1p((n - 1) / n * jnp.expm1(-jnp.abs(d)))
    down = mean + jnp.log1p(jnp.expm1(-jnp.abs(d)) / n)
    return jnp.where(d > 0, up, down)


def _plain_mean(mean: jax.Array, new: jax.Array, n: jax.Array | int) -> jax.Array:
    return mean + (new - mean) / n


def _of_labels(outputs: jax.Array) -> jax.Array:
    """Logarithms of the probabilities that a label is 1, and that it is 0."""
    return jnp.stack([jax.nn.log_sigmoid(outputs), jax.nn.log_sigmoid(-outputs)])


KINDS = {
    'classes': Kind(-jnp.inf, jax.nn.log_softmax, log_mean, lambda mean: mean),
    'float': Kind(0.0, lambda z: z, _plain_mean, lambda mean: mean),
    'multilabel': Kind(-jnp.inf, _of_labels, log_mean, lambda mean: mean[0] - mean[1]),
}
