"""Carries a plan out: trains every group that has no result yet."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from jaxtweaks.sweep import files, manifest, memory
from jaxtweaks.sweep.group import Execution, Interrupted, train_group
from jaxtweaks.sweep.machine import Machine
from jaxtweaks.sweep.plan import Group, halved
from jaxtweaks.sweep.progress import Reporter
from jaxtweaks.sweep.workdir import Workdir


def run_groups(
    groups: Sequence[Group],
    workdir: Workdir,
    machine: Machine,
    execution: Execution,
    reporter: Reporter,
) -> list[Group]:
    """Trains every group that has no result yet; results and checkpoints go to the workdir.

    A group that does not fit in the memory is halved, and so are the others of its program that
    are not finished; the manifest says so before they begin.

    Returns:
      The groups as they were trained.

    Raises:
      UserError: one run alone does not fit in the memory.
      Interrupted: by SIGINT (Ctrl-C) or SIGTERM, after the state was saved.
    """
    waiting = [g for g in groups if workdir.load_result(g, reporter.note) is None]
    work = {group.id: machine.work(group) for group in groups}
    left = sum(work[group.id] for group in waiting)
    with stop_on_signal() as asked_to_stop:
        reporter.begin(sum(work.values()), sum(work.values()) - left)
        try:
            while waiting:
                group = waiting[0]
                machine.keep_only(waiting)
                reporter.group(f'group {groups.index(group) + 1}/{len(groups)}')
                lacking = ''
                try:
                    _run_group(group, workdir, machine, execution, asked_to_stop, reporter)
                    waiting = waiting[1:]
                except Exception as error:  # see `memory.is_exhausted`
                    if not memory.is_exhausted(error):
                        raise
                    if group.size == 1:
                        raise memory.one_run_too_large(error) from error
                    lacking = memory.first_line(error)
                # Not in the handler: the error holds on to the arrays there was no room for.
                if lacking:
                    reporter.note(
                        f'{group.size} runs side by side do not fit in the memory ({lacking}); '
                        'their groups are halved'
                    )
                    groups, waiting = _halve(groups, waiting, lacking, workdir)
                if came := asked_to_stop():  # it came while the last figures were computed
                    raise Interrupted(came)
        finally:
            reporter.end()
    return list(groups)


def _halve(
    groups: Sequence[Group], waiting: Sequence[Group], lacking: str, workdir: Workdir
) -> tuple[list[Group], list[Group]]:
    """All groups and those that wait, with halves in the place of the first that waits.

    The others of its program that wait would not fit either, and are halved too.
    """
    program = lambda group: (group.static, group.size, group.batching)
    too_large = [group for group in waiting if program(group) == program(waiting[0])]

    def with_halves(old: Sequence[Group]) -> list[Group]:
        return [new for group in old for new in (halved(group) if group in too_large else [group])]

    new = with_halves(groups)
    event = {'too_large': [group.id for group in too_large], 'reason': lacking}
    manifest.regroup(workdir, new, event)
    for group in too_large:  # a state of so many runs is of no use to fewer
        files.remove_generations(workdir.checkpoint_path(group))
    return new, with_halves(waiting)


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

    Yields:
      A function that gives the number of the signal that came, 0 for none.
    """
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
