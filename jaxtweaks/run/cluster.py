"""Workers of a Dask cluster: one of this host's own, or one that the user has started.

Dask is imported where a cluster is asked for, and nowhere else. This module is imported by the
scheduler too, so it imports nothing heavy.
"""

import asyncio
import contextlib
import dataclasses
import importlib
import importlib.metadata
import importlib.util
import itertools
import logging
import os
import platform
import queue
import re
import signal
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtweaks.base import home
from jaxtweaks.base.errors import Unfinished, UserError
from jaxtweaks.config.config_file import one_line
from jaxtweaks.run import signals

AUTO = 'auto'
_EXTRA = "it needs Dask: pip install 'jaxtweaks[distributed]'"
_LEAVING_SECONDS = 60.0  # that workers may take to save and stop
_CONNECT_SECONDS = 30.0
# Settings of Dask where its defaults would do something else; the reasons are in docs/scaling.md.
_SETTINGS = {
    'distributed.nanny.pre-spawn-environ': {},
    'distributed.scheduler.allowed-failures': 3,
    'distributed.scheduler.work-stealing': False,
    'distributed.scheduler.worker-saturation': 1.0,
    'distributed.scheduler.worker-ttl': None,
    'distributed.worker.profile.enabled': False,
}


@dataclasses.dataclass(frozen=True)
class Asked:
    """Which workers the user wants.

    Attributes:
      workers: how many on this host, or 'auto'; None if a scheduler is named.
      scheduler: its address, or the path of its file.
    """

    workers: int | str | None = None
    scheduler: str | None = None

    @property
    def flag(self) -> str:
        """As it is given on the command line."""
        return f'--scheduler={self.scheduler}' if self.scheduler else f'--workers={self.workers}'


def asked(workers: int | str | None, scheduler: str | Path | None) -> Asked | None:
    """Which workers are wanted, None for none. Raises UserError if they are not to be had."""
    if workers in (None, '') and scheduler in (None, ''):
        return None
    if workers not in (None, '') and scheduler not in (None, ''):
        raise UserError(
            '--workers and --scheduler: the one starts workers here, the other has those of a '
            'cluster; omit one of the two'
        )
    found = Asked(scheduler=str(scheduler)) if scheduler else Asked(_number(workers))
    needed = ('distributed',) if found.scheduler else ('distributed', 'cryptography')
    if not all(map(importlib.util.find_spec, needed)):
        raise UserError(f'{found.flag}: {_EXTRA}')
    if found.scheduler and '://' not in found.scheduler:
        path = home.expanded(found.scheduler)
        if not path.is_file():
            raise UserError(
                f'--scheduler={scheduler}: is neither an address, as tcp://host:8786, nor a file '
                'that `dask scheduler --scheduler-file` has written'
            )
        found = Asked(scheduler=str(path))
    return found


def _number(workers: Any) -> int | str:
    if workers == AUTO:
        return AUTO
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if not isinstance(workers, bool) and int(workers) == float(workers) and int(workers) > 0:
            return int(workers)
    raise UserError(
        f"--workers={workers}: it must be a number from 1, or 'auto' for one for each GPU"
    )


class Cluster:
    """Workers, connected to when the first is asked for something.

    Calls go by the names of functions, 'module:function', which are called on a worker with plain
    data, see `Here`.
    """

    def __init__(self, wanted: Asked, notify: Callable[[str], None], gpus: Callable[[], list[str]]):
        """
        Args:
          wanted: which.
          notify: is called with a sentence that says where they are.
          gpus: what CUDA_VISIBLE_DEVICES names, each alone, on this host.
        """
        self.wanted = wanted
        self._notify, self._gpus = notify, gpus
        self._client: Any = None
        self._stack = contextlib.ExitStack()
        self._topic = f'jaxtweaks-{uuid.uuid4().hex}'
        self._futures: dict[str, Any] = {}
        self._said: queue.Queue[tuple[str, Any]] = queue.Queue()

    def expected(self) -> int:
        """How many workers there are, or will be."""
        if self.wanted.scheduler:
            return max(1, self.count())
        if self.wanted.workers == AUTO:
            return len(self._gpus()) or max(1, _devices().threads() // 2)
        return int(self.wanted.workers or 1)

    def sharing(self) -> int:
        """How many workers share the memory and cores of a host, as far as that is known here.

        Those of this host do that have no GPUs; of a cluster of the user's it is not known.
        """
        return 1 if self.wanted.scheduler or self._gpus() else self.expected()

    def count(self) -> int:
        """How many workers have joined. Raises Gone."""
        client = self._connected()
        with _or_gone(self):
            return len(client.nthreads())

    def everywhere(self, function: str) -> dict[str, Any]:
        """What a short function of nothing returns, or raises, on each worker. Raises Gone.

        Busy workers call it besides, as in `aside`.
        """
        client = self._connected()
        with _or_gone(self):
            return client.run(call_aside, function, {}, on_error='return')

    def start(self, name: str, function: str, given: Mapping[str, Any]) -> None:
        """Has a function called by a worker that is free; `name`: of the call, for `next`."""
        client = self._connected()
        with _or_gone(self):
            # Another key each time: what was called before under this name is of no use.
            key = f'{name}-{uuid.uuid4().hex[:8]}'
            future = client.submit(
                on_worker, function, name, dict(given), self._topic, key=key, pure=False
            )
        self._futures[name] = future
        future.add_done_callback(lambda done: self._said.put(('done', (name, done))))

    def next(self, seconds: float) -> dict[str, Any] | None:
        """What a worker says next, or what a call returned; None if there is nothing for so long.

        What a call returned has 'returned'; if it failed, 'error', the exception. Raises Gone.
        """
        try:
            kind, what = self._said.get(timeout=seconds)
        except queue.Empty:
            if self._client is not None and self._client.status != 'running':
                raise Gone(self.wanted) from None
            return None
        if kind == 'said':
            return what
        name, future = what
        if self._futures.get(name) is not future:  # it was stopped
            return None
        del self._futures[name]
        return self._returned(name, future)

    def _returned(self, name: str, future: Any) -> dict[str, Any]:
        """See `next`; of a call that has ended."""
        if future.cancelled():
            raise Gone(self.wanted)
        with _or_gone(self):
            error = future.exception()
            found = {} if error is not None else {'returned': future.result()}
        return {'group': name, 'error': error, **found}

    def aside(self, address: str, function: str, given: Mapping[str, Any]) -> Any:
        """What a short function returns that a busy worker calls besides; None if it is gone.

        Args:
          address: of the worker, as it is in what it says.
          function: as in `start`; it is given no `Here`.
          given: to the function. Neither this nor what is returned stays with the scheduler.

        Raises:
          Gone: the scheduler is.
        """
        client = self._connected()
        with _or_gone(self):
            found = client.run(
                call_aside, function, dict(given), workers=[address], on_error='return'
            ).get(address)
        if client.status != 'running':
            raise Gone(self.wanted)
        if isinstance(found, Exception) and not isinstance(found, OSError):
            raise found
        return None if isinstance(found, OSError) else found

    def stop(self) -> list[dict[str, Any]]:
        """Has all calls stop, and waits until they have, but not for ever.

        Returns:
          What `next` had yet to return of calls that had ended.
        """
        futures, self._futures = self._futures, {}
        if not futures or self._client.status != 'running':
            return []
        ended = []
        for name in [name for name, one in futures.items() if one.done()]:
            with contextlib.suppress(Exception):  # lost on its way: it is as if it had not ended
                ended.append(self._returned(name, futures[name]))
                del futures[name]
        with contextlib.suppress(Exception):  # it stops in any case when the scheduler forgets it
            keys = [one.key for one in futures.values()]
            self._client.cancel(list(futures.values()))
            self._client.run(wait_until_ended, keys, _LEAVING_SECONDS)
        return ended

    def close(self) -> None:
        """Leaves a cluster of the user's as it is, and ends one of this host's own."""
        self.stop()
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close(timeout=5)
        self._stack.close()

    def _connected(self) -> Any:
        if self._client is None:
            import dask.config
            import distributed

            self._stack.enter_context(dask.config.set(_SETTINGS))
            if self.wanted.scheduler:
                self._client = self._to_users(distributed)
            else:
                self._client = self._to_own(distributed)
            self._client.subscribe_topic(self._topic, self._hear)
        return self._client

    def _hear(self, event: tuple[float, Any]) -> None:
        fields = dict(event[1])
        self._said.put(
            ('said', fields | {'worker': fields.pop('who'), 'address': fields['worker']})
        )

    def _to_users(self, distributed: Any) -> Any:
        where = str(self.wanted.scheduler)
        how = {'address': where} if '://' in where else {'scheduler_file': where}
        try:
            client = distributed.Client(**how, timeout=_CONNECT_SECONDS)
        except Exception as error:  # whatever the file or the address leads to
            raise UserError(
                f'--scheduler={where}: no scheduler can be reached there '
                f'({type(error).__name__}: {one_line(error)}); is `dask scheduler` running?'
            ) from None
        info = client.scheduler_info(n_workers=0)
        address = f'scheduler {client.scheduler.address}'
        board = f', dashboard {client.dashboard_link}' if 'dashboard' in info['services'] else ''
        self._notify(f'{address}, {len(client.nthreads())} workers{board}')
        return client

    def _to_own(self, distributed: Any) -> Any:
        """A cluster on this host that nobody else can use: on loopback, with keys of its own."""
        number, gpus = self.expected(), self._gpus()
        security = distributed.Security.temporary()
        common = {'host': '127.0.0.1', 'protocol': 'tls', 'security': security}
        options = lambda i: {
            **common, 'nthreads': 1, 'memory_limit': 0, 'env': share(i, number, gpus),
            'name': str(i), 'dashboard': False, 'preload': [__name__],
            'silence_logs': logging.CRITICAL,
        }  # fmt: skip
        cluster = distributed.SpecCluster(
            workers={i: {'cls': distributed.Nanny, 'options': options(i)} for i in range(number)},
            scheduler={
                'cls': distributed.Scheduler,
                'options': {**common, 'port': 0, 'dashboard': False},
            },
            security=security,
            silence_logs='CRITICAL',
        )
        self._stack.callback(_end, cluster)
        client = distributed.Client(cluster, timeout=_CONNECT_SECONDS)
        each = ', one for each GPU' if gpus and number == len(gpus) else ''
        self._notify(f'{number} workers on this host{each}')
        return client


def _end(cluster: Any) -> None:
    """Ends a cluster of this host, and all its processes whatever they do: they ignore SIGTERM."""
    nannies = list(cluster.workers.values())
    try:
        cluster.close(timeout=20)
    finally:
        for pid in filter(None, (nanny.pid for nanny in nannies)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Gone(Unfinished):
    """The scheduler, and with it the connection to all workers, is gone."""

    def __init__(self, wanted: Asked):
        where = f'the scheduler {wanted.scheduler}' if wanted.scheduler else 'the scheduler'
        again = (
            'start one, and the same command goes on'
            if wanted.scheduler
            else ('the same command goes on')
        )
        super().__init__(f'{where} is gone; what was saved is kept: {again} from there')


@contextlib.contextmanager
def _or_gone(cluster: Cluster) -> Iterator[None]:
    """Turns what Dask raises when the scheduler is not there any more into Gone."""
    try:
        yield
    except (OSError, TimeoutError, RuntimeError) as error:
        lost = cluster._client is None or cluster._client.status != 'running'
        if lost or isinstance(error, OSError | TimeoutError):
            raise Gone(cluster.wanted) from None
        raise


@dataclasses.dataclass(frozen=True)
class Here:
    """What a function that is called on a worker knows of where it is.

    Attributes:
      worker: its name.
      host: of the worker.
      folder: on a disk of its own, which goes when the worker does; it need not exist.
      say: sends plain data to who called; 'group', the name of the call, is among them, and so is
        'address', that of the worker.
      wanted: whether anybody still wants the result.
      asked_to_stop: the number of a signal if the worker is to leave or nobody wants the result
        any more, else 0.
    """

    worker: str
    host: str
    folder: Path
    say: Callable[..., None]
    wanted: Callable[[], bool]
    asked_to_stop: Callable[[], int]


def dask_setup(worker: Any) -> None:
    """Called by Dask in each worker process of this host's own cluster, when it starts.

    Ctrl-C reaches all processes of a terminal, and what a scheduler sends those of a job. The one
    that was called has them save; if it dies its pipe ends, and Dask ends this process at once.
    """
    signals.ignore()


_one_at_a_time = threading.Lock()
_under_way: set[Any] = set()  # the key of the call here, if there is one


def on_worker(function: str, name: str, given: dict[str, Any], topic: str) -> Any:
    """Called by Dask on a worker: calls a function there, with a `Here` and what is given.

    A worker of several threads does one after the other: they would share a device.
    """
    from distributed import Reschedule, get_worker
    from distributed.core import Status

    worker = get_worker()
    key = worker.get_current_task()
    called = str(worker.name)
    # Not 'worker', which the scheduler puts the address in.
    say = lambda **fields: worker.log_event(topic, {'group': name, 'who': called, **fields})

    def unwanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state == 'cancelled'

    def asked_to_stop() -> int:
        stays = worker.status in (Status.running, Status.paused)
        return 0 if stays and not unwanted() else signal.SIGTERM

    module, _, called_function = function.partition(':')
    with _one_at_a_time:
        if unwanted():
            return None
        _under_way.add(key)
        try:
            call = getattr(importlib.import_module(module), called_function)
            folder = Path(worker.local_directory) / 'jaxtweaks'
            wanted = lambda: not unwanted()
            return call(Here(called, platform.node(), folder, say, wanted, asked_to_stop), **given)
        except Left:
            if unwanted():
                return None
            raise Reschedule() from None  # another worker goes on from what was saved
        except Exception:
            traceback.print_exc()  # in the log of the worker
            raise
        finally:
            _under_way.discard(key)


def call_aside(function: str, given: Mapping[str, Any]) -> Any:
    """Called by Dask on a worker: calls a function there, which must not take long."""
    module, _, called = function.partition(':')
    return getattr(importlib.import_module(module), called)(**given)


class Left(Exception):
    """Raised by a function on a worker that was asked to stop, when it has saved."""


async def wait_until_ended(keys: Sequence[Any], seconds: float) -> None:
    """Called by Dask on every worker: waits until none of these calls is under way there.

    Another launch may have calls on the same cluster.
    """
    deadline = time.monotonic() + seconds
    while not _under_way.isdisjoint(keys) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)


def share(i: int, workers: int, gpus: Sequence[str]) -> dict[str, str]:
    """Variables that give one of the workers of this host its GPU, or its share of the threads.

    On a CPU each may use all cores, since last bits depend on their number.
    """
    if gpus:
        return {'CUDA_VISIBLE_DEVICES': gpus[i % len(gpus)]}
    return {_devices().THREADS: str(max(1, _devices().threads() // workers))}


def _devices() -> Any:
    from jaxtweaks.run import devices  # which imports JAX, and help needs this module

    return devices


def gpus() -> list[str]:
    """The GPUs of this host that JAX would take, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get('CUDA_VISIBLE_DEVICES')
    if os.environ.get('JAX_PLATFORMS', '').startswith('cpu') or not _takes_gpus():
        return []
    if named is None:
        return [str(i) for i in range(len(list(Path('/dev').glob('nvidia[0-9]*'))))]
    given = [one.strip() for one in named.split(',')]
    # Those behind one that is none do not count, and -1 is none.
    return list(itertools.takewhile(lambda one: one and not one.startswith('-'), given))


def _takes_gpus() -> bool:
    """Whether JAX is installed with what it needs for GPUs."""
    names = (one.metadata['Name'] or '' for one in importlib.metadata.distributions())
    return any(re.match('jax[-_](cuda|rocm)', name, re.IGNORECASE) for name in names)
