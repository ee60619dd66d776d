"""Carries a plan out: trains every group that has no result yet."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from jaxtweaks.sweep import files
from jaxtweaks.sweep.group import Execution, Interrupted, train_group
from jaxtweaks.sweep.machine import Machine
from jaxtweaks.sweep.plan import Group
from jaxtweaks.sweep.progress import Reporter
from jaxtweaks.sweep.workdir import Workdir


def run_groups(
    groups: Sequence[Group],
    workdir: Workdir,
    machine: Machine,
    execution: Execution,
    reporter: Reporter,
) -> None:
    """Trains every group that has no result yet; results and checkpoints go to the workdir.

    Raises:
      Interrupted: by SIGINT (Ctrl-C) or SIGTERM, after the state was saved.
    """
    waiting = [g for g in groups if workdir.load_result(g, reporter.note) is None]
    work = {group.id: machine.work(group) for group in groups}
    left = sum(work[group.id] for group in waiting)
    with stop_on_signal() as asked_to_stop:
        reporter.begin(sum(work.values()), sum(work.values()) - left)
        try:
            for number, group in enumerate(waiting):
                machine.keep_only(waiting[number:])
                reporter.group(f'group {groups.index(group) + 1}/{len(groups)}')
                _run_group(group, workdir, machine, execution, asked_to_stop, reporter)
                if came := asked_to_stop():  # it came while the last figures were computed
                    raise Interrupted(came)
        finally:
            reporter.end()


def _run_group(group, workdir, machine, execution, asked_to_stop, reporter) -> None:
    path = workdir.checkpoint_path(group)
    result = train_group(
        group,
        machine.compiled(group),
        machine.data(group.static.data),
        path,
        execution,
        asked_to_stop,
        reporter,
    )
    workdir.save_result(group, result)
    files.remove_generations(path)


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], int]]:
    """Turns the first SIGINT or SIGTERM into a request; a second one acts as usual.

    Only the main thread is told of signals; in others nothing ever comes.

    Yields:
      A function that gives the number of the signal that came, 0 for none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    came = 0

    def handler(number, frame):
        nonlocal came
        came = number
        signal.signal(number, before[number])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, handler)
        yield lambda: came
    finally:
        for number, old in before.items():
            signal.signal(number, old)
