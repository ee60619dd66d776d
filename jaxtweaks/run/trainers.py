"""Who trains, and whether they have an accelerator: this process, workers here, or a cluster's.

A config is loaded before anything trains, and its size and seeds may go by the device that will.
Importing this module imports no JAX.
"""

import contextlib
import contextvars
import functools
import time
from collections.abc import Callable, Iterator

from jaxtweaks.run import cluster
from jaxtweaks.run.cluster import Asked, Cluster

_PLATFORM = f'{__name__}:platform'
_SECONDS = 30.0  # that a worker of a cluster may take to join before its device is asked for
_kept = False  # whether this process's JAX was kept off its GPUs
_accelerated: contextvars.ContextVar[Callable[[], bool]] = contextvars.ContextVar('_accelerated')


@contextlib.contextmanager
def chosen(asked: Asked | None, notify: Callable[[str], None]) -> Iterator[None]:
    """Within it, `accelerated` speaks of these workers, None for this process.

    `notify`: is called with what must not be missed.
    """
    if asked is None and _kept and cluster.gpus():
        notify(
            'the JAX of this process was kept off the GPUs for workers, and stays on the CPU: to '
            'train on a GPU here, start Python again'
        )
    find = _here if asked is None else functools.cache(functools.partial(_have, asked, notify))
    token = _accelerated.set(find)
    try:
        yield
    finally:
        _accelerated.reset(token)


def accelerated() -> bool:
    """Whether those who train have an accelerator. Workers of a cluster are asked once.

    Raises:
      UserError: the scheduler cannot be reached.
      Gone: it is gone.
    """
    return _accelerated.get(_here)()


def keep_to_cpu(notify: Callable[[str], None]) -> None:
    """Keeps the JAX of this process off all accelerators, which others are to have.

    `notify`: reports it if that is not possible any more.
    """
    global _kept
    import jax

    before = jax.config.values['jax_platforms']
    jax.config.update('jax_platforms', 'cpu')
    if jax.default_backend() == 'cpu':
        _kept = True
        return
    jax.config.update('jax_platforms', before)
    notify(
        'JAX was in use here before workers were asked for, so this process keeps its share of the '
        "accelerator's memory, which they lack: start Python again, and call jt.run first"
    )


def platform() -> str:
    """What JAX trains on in this process: 'cpu', or the accelerator's kind."""
    import jax

    return jax.default_backend()


def _here() -> bool:
    return platform() != 'cpu'


def _have(asked: Asked, notify: Callable[[str], None]) -> bool:
    """Whether workers have an accelerator; see `accelerated`."""
    if not asked.scheduler:
        return bool(cluster.gpus())
    workers = Cluster(asked, lambda text: None, cluster.gpus)
    try:
        deadline = time.monotonic() + _SECONDS
        while not (there := workers.count()) and time.monotonic() < deadline:
            time.sleep(0.5)
        found = workers.everywhere(_PLATFORM).values() if there else ()
    finally:
        workers.close()
    known = [one for one in found if isinstance(one, str)]
    if not known:
        why = next((f'{type(one).__name__}: {one}' for one in found), 'none has joined')
        notify(
            f'{asked.flag}: the workers could not be asked for their device ({why}), so they are '
            'taken to have no accelerator; name the size, as --config=FILE.py:paper'
        )
    return any(one != 'cpu' for one in known)
