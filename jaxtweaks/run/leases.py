"""Who is at work on what, when several processes share a work folder.

A lease is a file that its owner touches every few seconds. One that stays untouched has lost its
owner, and whoever finds it so may take its place. No clocks are compared, and nothing is asked of
the file system but that only one process can make a new file of a given name: any that a cluster
shares will do.

No result depends on leases. Should two processes ever train the same group (one was only stalled),
both find the same bits, and every file they write is whole: it costs time.
"""

import contextlib
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

POLL_SECONDS = 0.5  # between two looks at what others are at work on


class Leases(Protocol):
    """Things by name, each the work of one process at a time."""

    def take(self, names: Sequence[str]) -> str | None:
        """Takes the first of these that is free; None if all are the work of others."""
        ...

    def release(self, name: str) -> None:
        """Gives back what was taken."""
        ...

    def taken(self, name: str) -> int:
        """How often a thing was taken up to now, by anyone."""
        ...

    def note(self, name: str, text: str) -> None:
        """Leaves a line with a thing that was taken, for those who take it later."""
        ...

    def notes(self, name: str, since: int) -> list[str]:
        """What was left with a thing after it had been taken `since` times."""
        ...

    def close(self) -> None:
        """Gives back everything."""
        ...


class Alone:
    """No other process is there: everything can be taken. See `Leases`."""

    def take(self, names):
        """See `Leases`."""
        return names[0]

    def release(self, name):
        """See `Leases`."""

    def taken(self, name):
        """See `Leases`."""
        return 0

    def note(self, name, text):
        """See `Leases`."""

    def notes(self, name, since):
        """See `Leases`."""
        return []

    def close(self):
        """See `Leases`."""


class Shared:
    """See `Leases`. The files are <name>.<n>, and the one with the highest n is the lease.

    None is ever deleted, so that nobody deletes what another has just made.
    """

    def __init__(self, folder: Path, patience: float):
        """`folder` is made; `patience`: seconds after which an untouched lease is free."""
        self._folder, self._patience = folder, patience
        self._held: dict[str, Path] = {}
        self._seen: dict[Path, tuple[int, float]] = {}  # when touched last, and since when we know
        self._lock = threading.Lock()
        self._closed = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)
        self._pulse = threading.Thread(target=self._touch_all, daemon=True)
        self._pulse.start()

    def take(self, names):
        """See `Leases`."""
        numbers = self._numbers()
        for name in names:
            last = numbers.get(name, 0)
            if (not last or self._is_free(self._path(name, last))) and self._make(name, last + 1):
                return name
        return None

    def release(self, name):
        """See `Leases`."""
        with self._lock, contextlib.suppress(OSError):  # it will be free for want of a touch
            os.utime(self._held.pop(name), (0, 0))

    def taken(self, name):
        """See `Leases`."""
        return self._numbers().get(name, 0)

    def note(self, name, text):
        """See `Leases`."""
        with open(self._held[name], 'a') as file:
            file.write(f'{text}\n')

    def notes(self, name, since):
        """See `Leases`."""
        paths = [self._path(name, number) for number in range(since + 1, self.taken(name) + 1)]
        return [line for path in paths for line in path.read_text().splitlines()[1:]]

    def close(self):
        """See `Leases`."""
        self._closed.set()
        self._pulse.join()
        for name in list(self._held):
            self.release(name)

    def _make(self, name: str, number: int) -> bool:
        """Makes the lease of this number, unless another process was faster."""
        path = self._path(name, number)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, 'w') as file:
            file.write(f'{platform.node()} {os.getpid()}\n')  # for whoever looks into the folder
        with self._lock:
            self._held[name] = path
        return True

    def _is_free(self, path: Path) -> bool:
        """Whether a lease was given back, or has stayed untouched for all the time we know it."""
        with open(path) as file:  # opened, because NFS may tell old times of files that are not
            touched = os.fstat(file.fileno()).st_mtime_ns
        if touched == 0:
            return True
        before, since = self._seen.get(path, (None, 0.0))
        if touched != before:
            self._seen[path] = touched, time.monotonic()
            return False
        return time.monotonic() - since > self._patience

    def _touch_all(self) -> None:
        while not self._closed.wait(self._patience / 8):
            with self._lock:
                for path in self._held.values():
                    with contextlib.suppress(OSError):  # next time it may go better
                        os.utime(path)

    def _numbers(self) -> dict[str, int]:
        """The highest number of each name."""
        found: dict[str, int] = {}
        for entry in os.listdir(self._folder):
            name, _, number = entry.rpartition('.')
            if number.isdecimal():
                found[name] = max(found.get(name, 0), int(number))
        return found

    def _path(self, name: str, number: int) -> Path:
        return self._folder / f'{name}.{number}'


@contextlib.contextmanager
def turn(leases: Leases, name: str, told: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Waits until nobody else has `name`, and has it inside; calls `told` if there is a wait."""
    waited = False
    while leases.take([name]) is None:
        if not waited:
            told()
        waited = True
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        leases.release(name)
