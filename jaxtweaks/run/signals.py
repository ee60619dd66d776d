"""Signals that ask a process to leave, as requests to save first."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# What asks a process to leave: by hand or by a scheduler; by a terminal that is closed, or as what
# a scheduler can be asked to send some time before it ends a job.
_ALWAYS = (signal.SIGINT, signal.SIGTERM)
_UNLESS_TAKEN = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def ignore() -> None:
    """Leaves all of them to the process that started this one."""
    for number in (*_ALWAYS, *_UNLESS_TAKEN):
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], int]]:
    """Turns the first SIGINT, SIGTERM, SIGHUP or SIGUSR1/2 into a request.

    A second SIGINT or SIGTERM acts as usual; of the others several may come at once, as SIGHUP does
    from a shell and its terminal. A signal that is ignored stays so (`nohup`), and so does one of
    the last three that has a handler already. Only the main thread receives signals; in others
    nothing ever comes.

    Yields:
      A function that returns the number of the first signal that came, 0 for none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    came = 0
    terminals = [fd for fd in (1, 2) if _is_terminal(fd)]

    def handler(number, frame):
        nonlocal came
        came = came or number
        if number in _ALWAYS:
            signal.signal(number, before[number])
        for fd in terminals if number == signal.SIGHUP else ():
            _leave_terminal(fd)

    before = {number: signal.getsignal(number) for number in (*_ALWAYS, *_UNLESS_TAKEN)}
    before = {
        number: old
        for number, old in before.items()
        if old == signal.SIG_DFL or (number in _ALWAYS and old not in (signal.SIG_IGN, None))
    }
    try:
        for number in before:
            signal.signal(number, handler)
        yield lambda: came
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False


def _leave_terminal(fd: int) -> None:
    """Sends what is written to a terminal that was closed nowhere: to write there is an error."""
    if not _is_terminal(fd):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, fd)
        os.close(nowhere)
