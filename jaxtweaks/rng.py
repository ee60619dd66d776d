"""Named random keys: every random number of a run follows from (seed, stream, step).

Nothing else enters a key: not the setting, not the position in a batch of runs, not the
chunk of steps a computation happens to be in. So all settings of one seed share their
initialisation and data order (paired comparisons), an interrupted run resumes exactly, and
any one run of a sweep can be replayed alone.
"""

import jax
import jax.numpy as jnp

# A stream's number is part of every published result: append, never renumber.
STREAMS = {'init': 0, 'order': 1, 'augment': 2, 'dropout': 3, 'noise': 4}


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
