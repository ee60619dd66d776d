"""Carries a plan out: trains every group that has no result yet."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from jaxtweaks.sweep import files
from jaxtweaks.sweep.group import Execution, train_group
from jaxtweaks.sweep.machine import Machine
from jaxtweaks.sweep.plan import Group
from jaxtweaks.sweep.progress import Reporter
from jaxtweaks.sweep.waiting import hand_out, unfinished
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
    waiting = unfinished(groups, workdir, reporter.note)
    work = {group.id: machine.work(group) for group in groups}
    left = sum(work[group.id] for group in waiting)
    with stop_on_signal() as asked_to_stop:
        reporter.begin(sum(work.values()), sum(work.values()) - left)
        try:
            elsewhere = lambda group: reporter.finished(work[group.id])
            for group, left_over in hand_out(waiting, workdir, asked_to_stop, elsewhere):
                machine.keep_only(left_over)
                reporter.group(_place(group, groups))
                _run_group(group, workdir, machine, execution, asked_to_stop, reporter)
        finally:
            reporter.end()


def _place(group: Group, groups: Sequence[Group]) -> str:
    """Which group of how many, and if there is more than one program, of which."""
    words = f'group {groups.index(group) + 1}/{len(groups)}'
    programs = list(dict.fromkeys((g.static, g.size, g.batching) for g in groups))
    if len(programs) in (1, len(groups)):
        return words
    program = programs.index((group.static, group.size, group.batching)) + 1
    return f'program {program}/{len(programs)}, {words}'


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
