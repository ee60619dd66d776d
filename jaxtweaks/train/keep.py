"""The parameters kept besides the current ones: the best, averages, snapshots.

Each is a part of the state of a run, made before the first step and brought up to date after a
step or an epoch.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxtweaks.config.settings import Train
from jaxtweaks.train.state import Best, Variables


def first_best(variables: Variables) -> Best:
    """Nothing is chosen yet; `variables`: 'params' and 'batch_stats'.

    Until an epoch is, its numbers are NaN: where no epoch of a run has a score, nothing is measured
    of the initial network in place of the best one.
    """
    zero = jnp.int32(0)
    score = jnp.float32(-jnp.inf)
    nothing = jax.tree.map(_nothing, variables)
    return Best(**nothing, score=score, epoch=zero, stale=zero, stopped_at=zero)


def _nothing(leaf: jax.Array) -> jax.Array:
    return jnp.full_like(leaf, jnp.nan) if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf


def better(
    best: Best, variables: Variables, score: jax.Array, epoch: jax.Array, config: Train
) -> Best:
    """The best so far, after an epoch: the earlier of two equals, and never a diverged one.

    A run that has had `patience` epochs without a score better by more than `min_improvement` is
    stopped: it goes on being computed with the others of its group, and nothing more is chosen.

    Args:
      best: from `first_best` or an earlier call.
      variables: after this epoch.
      score: the higher the better; NaN is never better.
      epoch: from 0.
      config: `patience` and `min_improvement`, may be traced.
    """
    running = best.stopped_at == 0
    improved = running & (score > best.score + config.min_improvement)
    stale = jnp.where(improved, 0, best.stale + 1)
    stop = running & (config.patience > 0) & (stale >= config.patience)
    now = variables | {'score': score, 'epoch': epoch + 1}
    chosen = jax.tree.map(
        lambda new, old: jnp.where(improved, new, old),
        now,
        {name: getattr(best, name) for name in now},
    )
    stopped_at = jnp.where(stop, epoch + 1, best.stopped_at)
    return dataclasses.replace(best, **chosen, stale=stale, stopped_at=stopped_at)


def averaged(average: Any, params: Any, decay: jax.Array | float) -> Any:
    """decay · average + (1 − decay) · params (Polyak and Juditsky 1992, exponentially)."""
    return jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, average, params)


def averaged_epochs(average: Any, params: Any, start: jax.Array | int, epoch: jax.Array) -> Any:
    """The mean of the parameters at the ends of the epochs from `start` on (SWA).

    Izmailov et al. 2018 (arXiv 1803.05407), Algorithm 1 with a cycle of one epoch.

    Args:
      average: of the epochs before; not read before the second one that counts.
      params: at the end of this epoch.
      start: the first epoch that counts, from 1; where it is 0 the average stays `params`.
      epoch: this one, from 0.
    """
    count = jnp.where(start > 0, jnp.maximum(epoch + 2 - start, 1), 1).astype(jnp.float32)
    # Of one epoch the mean is bitwise that epoch, whatever stood there before.
    mean = lambda old, new: jnp.where(count > 1, old + (new - old) / count, new)
    return jax.tree.map(mean, average, params)


def snapshot_epochs(count: int, epochs: int) -> tuple[int, ...]:
    """After which epochs, from 1, snapshots are taken: at equal distances, the last one included.

    Args:
      count: of snapshots, at most `epochs`.
      epochs: of the run.
    """
    return tuple(math.ceil(j * epochs / count) for j in range(1, count + 1))


def first_snapshots(variables: Variables, count: int) -> Variables:
    """`count` snapshots, the first axis, none of them taken yet."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), variables)


def with_snapshot(
    snapshots: Variables,
    variables: Variables,
    epoch: jax.Array,
    epochs: int,
    over: jax.Array | bool = False,
) -> Variables:
    """The snapshots after an epoch (from 0): it is one of them or it is not.

    If training is `over` with this epoch, it is all that were still to come.
    """
    count = jax.tree.leaves(snapshots)[0].shape[0]
    due = jnp.asarray(snapshot_epochs(count, epochs))
    taken = (due == epoch + 1) | ((due > epoch + 1) & over)

    def put(kept, new):
        return jnp.where(taken.reshape(-1, *[1] * new.ndim), new[None], kept)

    return jax.tree.map(put, snapshots, variables)
