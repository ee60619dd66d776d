"""The devices of this process, and how the runs of a group lie on them."""

import os

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxtweaks.base import limits
from jaxtweaks.base.errors import UserError

# How many threads train parts of a group at once, where several processes share a CPU.
THREADS = 'JAXTWEAKS_THREADS'
_RUNS = 'runs'


def count() -> int:
    """The devices of this process."""
    return jax.local_device_count()


def threads() -> int:
    """How many threads of this process may train at once: one for each core, or JAXTWEAKS_THREADS.

    Not how many parts a group is cut into: bits do not depend on it.

    Raises:
      UserError: JAXTWEAKS_THREADS is not a number from 1.
    """
    wanted = os.environ.get(THREADS, '')
    if not wanted:
        return limits.cores()
    if not wanted.isdecimal() or int(wanted) < 1:
        raise UserError(f'{THREADS} is {wanted!r}: it should be a whole number from 1')
    return min(int(wanted), limits.cores())


def copied() -> NamedSharding | None:
    """How data lie on several devices: each has a copy. None if there is only one."""
    return NamedSharding(_mesh(count()), PartitionSpec()) if count() > 1 else None


def spread(shares: int) -> NamedSharding:
    """How an array lies whose first axis is the runs of a group, made of so many equal shares.

    Each device has as many shares as the others: so if not all devices can have that, only the
    first ones have any.
    """
    used = max(n for n in range(1, min(shares, count()) + 1) if shares % n == 0)
    return NamedSharding(_mesh(used), PartitionSpec(_RUNS))


def _mesh(devices: int) -> Mesh:
    return Mesh(np.array(jax.local_devices()[:devices]), (_RUNS,))
