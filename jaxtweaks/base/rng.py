"""Named random keys: every random number of a run follows from (seed, stream, step).

Nothing else enters a key: not the setting, not the position in a batch of runs, not the
chunk of steps a computation happens to be in. So all settings of one seed share their
initialisation and data order (paired comparisons), an interrupted run resumes exactly, and
any one run of a sweep can be replayed alone.
"""

import jax
import jax.numpy as jnp

# A stream's number is part of every published result: append, never renumber.
STREAMS = {
    'init': 0,
    'order': 1,
    'augment': 2,
    'dropout': 3,
    'noise': 4,
    'sample': 5,
    'labels': 6,
    'masks': 7,
    'tweaks': 8,
    'statistics': 9,
    'perturb': 10,
}
# 2³² over the golden ratio: the members of neighbouring seeds do not meet.
_MEMBER = 0x9E3779B1


def stream_key(seed: jax.Array | int, stream: str, step: jax.Array | int = 0) -> jax.Array:
    """The key of `stream` at `step` (or epoch) of the run with this `seed`.

    Args:
      seed: integer scalar, may be traced.
      stream: one of `STREAMS`.
      step: integer scalar, may be traced; an epoch for the stream 'order'.

    Returns:
      A typed threefry key. The implementation is named, so that neither a flag of JAX nor a
      change of its default changes a result.
    """
    key = jax.random.key(jnp.asarray(seed, jnp.uint32), impl='threefry2x32')
    return jax.random.fold_in(jax.random.fold_in(key, STREAMS[stream]), step)


def member_seed(seed: jax.Array | int, member: jax.Array | int) -> jax.Array:
    """The seed of a member of an ensemble; of member 0, `seed` itself.

    Args:
      seed: of the ensemble, integer scalar, may be traced.
      member: its number, from 0, may be traced.

    Returns:
      uint32 scalar. Different members of one seed never have the same.
    """
    return jnp.asarray(seed, jnp.uint32) + jnp.asarray(member, jnp.uint32) * jnp.uint32(_MEMBER)
