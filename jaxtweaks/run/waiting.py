"""Which group comes next, in a work folder that several processes may share."""

import time
from collections.abc import Callable, Generator, Sequence

from jaxtweaks.run.group import Interrupted
from jaxtweaks.run.leases import POLL_SECONDS
from jaxtweaks.run.plan import Group
from jaxtweaks.run.workdir import Workdir


def unfinished(
    groups: Sequence[Group], workdir: Workdir, notify: Callable[[str], None]
) -> list[Group]:
    """The groups without a good result; `notify` is told in a sentence of each damaged one.

    Those are deleted, so that a result that is there is a good one.
    """
    load = lambda group: workdir.load_result(group, notify, discard=True)
    return [group for group in groups if load(group) is None]


def hand_out(
    waiting: Sequence[Group],
    workdir: Workdir,
    asked_to_stop: Callable[[], int],
    finished_elsewhere: Callable[[Group], None],
) -> Generator[tuple[Group, list[Group]], None, None]:
    """Hands out groups until all have a result.

    A group is handed out to one of the processes that share the folder, and must have its result
    when the next is asked for. The last ones to be handed out are those of a process that died.

    Args:
      waiting: groups without a result.
      workdir: where results appear.
      asked_to_stop: the number of a signal, or 0 to go on.
      finished_elsewhere: is told of each group that another process finished.

    Yields:
      A group, and all that are still without a result.

    Raises:
      Interrupted: `asked_to_stop` said so.
    """
    waiting = list(waiting)
    while waiting:
        name = workdir.leases.take([group.id for group in waiting])
        group = next((one for one in waiting if one.id == name), None)
        if name is None or group is None:
            time.sleep(POLL_SECONDS)
        else:
            try:
                if not workdir.has_result(group):
                    yield group, waiting
                    waiting.remove(group)
            finally:
                workdir.leases.release(name)
        if came := asked_to_stop():  # perhaps while the last figures were computed
            raise Interrupted(came)
        finished = workdir.with_results()  # one look for all: there may be thousands
        for other in [one for one in waiting if one.id in finished]:
            finished_elsewhere(other)
            waiting.remove(other)
