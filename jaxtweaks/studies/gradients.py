"""Gradients by automatic differentiation next to finite differences, in float64."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxtweaks.base.metrics import SHARE, Metric
from jaxtweaks.config.fields import static
from jaxtweaks.studies.study import Measured

# Options of the studies that compare gradients, former fields of `study`.
CENTRAL, FORWARD = 'central', 'forward'
DIFFERENCES = static(
    CENTRAL,
    "finite differences: 'central' for (f(θ + h) − f(θ − h))/2h, 'forward' for (f(θ + h) − f(θ))/h",
    choices=(CENTRAL, FORWARD),
)
STEP = static(
    1e-6,
    'h of the differences',
    above=0.0,
    former='study.step',
)
TOLERANCE = static(
    1e-6,
    'the difference below which two gradients agree',
    above=0.0,
    former='study.tolerance',
)
FINALS = {
    'share_within': Metric('share_within', 'share of differences below the tolerance', SHARE),
    'max_difference': 'largest |autodiff − finite difference|',
    'largest_gradient': 'largest |gradient|',
    'entries': 'entries',
}


@contextmanager
def float64() -> Iterator[None]:
    """Inside, JAX computes float64 where it is asked to; outside it stays as it was."""
    with jax.enable_x64(True):
        yield


def wide(tree: Any) -> Any:
    """The floating-point leaves of a tree as float64; to be called inside `float64`."""
    return jax.tree.map(
        lambda leaf: (
            jnp.asarray(leaf, jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
        ),
        tree,
    )


def both(
    f: Callable[[Any], jax.Array],
    at: Any,
    step: jax.Array | float,
    start: jax.Array | int = 0,
    stop: jax.Array | int | None = None,
    differences: str = CENTRAL,
) -> tuple[jax.Array, jax.Array]:
    """The gradient of `f` and finite differences, entry by entry; to be compiled.

    The error of the central (f(θ + h) − f(θ − h))/2h is h²/6 times the third derivative, that of
    the forward (f(θ + h) − f(θ))/h is h/2 times the second, each plus rounding of about 10⁻¹⁶/h,
    unless f has a kink between the two places.

    Args:
      f: tree of arrays to a scalar; no random number may change between calls.
      at: float64 arrays, P entries in all.
      step: h.
      start, stop: the entries, in the order of `places`, whose differences are taken; all of them
        if not given. The differences of the others are 0.
      differences: `CENTRAL` or `FORWARD`.

    Returns:
      Gradient and differences, float64 [P] each.
    """
    theta, unravel = ravel_pytree(at)
    flat = lambda theta: f(unravel(theta))

    here = flat(theta)

    def along(i, found):
        h = jnp.zeros_like(theta).at[i].set(step)
        if differences == FORWARD:
            return found.at[i].set((flat(theta + h) - here) / step)
        return found.at[i].set((flat(theta + h) - flat(theta - h)) / (2 * step))

    stop = len(theta) if stop is None else stop
    found = jax.lax.fori_loop(start, stop, along, jnp.zeros_like(theta))
    return jax.grad(flat)(theta), found


def places(tree: Any) -> dict[str, slice]:
    """Where the entries of each leaf lie in `both`, by its path; '' for all of them."""
    found, start = {}, 0
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        found['/'.join(key.key for key in path)] = slice(start, start + leaf.size)
        start += leaf.size
    return found | {'': slice(0, start)}


def compared(gradient: jax.Array, differences: jax.Array, tolerance: float) -> Measured:
    """The metrics `FINALS` of gradient and finite differences [P]."""
    found = np.asarray(gradient)
    error = np.abs(found - np.asarray(differences))
    return Measured(
        finals={
            'share_within': float(np.mean(error < tolerance)),
            'max_difference': float(error.max()),
            'largest_gradient': float(np.abs(found).max()),
            'entries': error.size,
        }
    )
