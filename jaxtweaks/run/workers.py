"""Groups carried out by other processes: what is asked of them, and what is believed of the rest.

Workers train, save, and say how they stand; which group comes next is decided here, longest first,
and given to whoever is free. Nothing of what is said enters a result: those are in the work folder,
and a launch that ends at any point is gone on with by the next.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import count
from jaxtweaks.run.group import Interrupted
from jaxtweaks.run.plan import Group
from jaxtweaks.run.progress import Now, Reporter
from jaxtweaks.run.workdir import Workdir

SECONDS = 0.5  # between two looks at what the user or the engine has to say
_SEEN_AFTER = 90.0  # seconds until what one host wrote must be seen on another
_NAMED = 8  # workers that are named
# How the part of a worker in a group ends.
SAVED = 'saved'  # its result is in the work folder
WAITS = 'waits'  # for other groups, with its state saved
TOO_LARGE = 'too large'  # for the memory there
REFUSED = 'refused'  # nothing can be trained there
FAILED = 'failed'
ENDS = (SAVED, WAITS, TOO_LARGE, REFUSED, FAILED)


@dataclasses.dataclass(frozen=True)
class Event:
    """What a worker, or the engine about it, says of a group.

    Attributes:
      group: its id.
      kind: one of `ENDS`; or 'began', 'resumed', 'advance', 'finished', 'dropped' and 'note', as a
        `Reporter` has them.
      worker: its name.
      work: that was done, or need not be, see `Reporter`.
      now: how the group stands.
      text: what there is to say.
    """

    group: str
    kind: str
    worker: str = ''
    work: float = 0.0
    now: Now | None = None
    text: str = ''


class Workers(Protocol):
    """Other processes that carry out groups."""

    def count(self) -> int:
        """How many there are now. Raises Unfinished if the engine is gone."""
        ...

    def start(self, group: Group, until: int | None) -> None:
        """Has a group carried out by one that is free; `until`: see `train_group`."""
        ...

    def event(self, seconds: float) -> Event | None:
        """What is said next, None if nothing is for so long. Raises Unfinished."""
        ...

    def stop(self) -> None:
        """Has all that are at work save and stop, and waits for that."""
        ...


class Forwarding(Reporter):
    """The reporter of a worker: its events go to the process that started the group."""

    def __init__(self, say: Callable[..., None]):
        """`say`: is given the fields of an `Event`, as plain data."""
        self._say = say

    def resumed(self, work):
        """See `Reporter`."""
        self._say(kind='resumed', work=float(work))

    def advance(self, work, now):
        """See `Reporter`; the curves so far stay here."""
        self._say(**as_plain(kind='advance', work=float(work), now=now))

    def finished(self, work):
        """See `Reporter`."""
        self._say(kind='finished', work=float(work))

    def dropped(self, work):
        """See `Reporter`."""
        self._say(kind='dropped', work=float(work))

    def note(self, text):
        """See `Reporter`."""
        self._say(kind='note', text=text)


@dataclasses.dataclass
class Ended:
    """How a part of the training of all groups ended.

    Attributes:
      too_large: groups for which a worker had no memory, and what it said.
      failed: groups that could not be carried out, by id, and why.
    """

    too_large: list[tuple[Group, str]] = dataclasses.field(default_factory=list)
    failed: dict[str, str] = dataclasses.field(default_factory=dict)


class Presence:
    """Says whenever there is no worker, and when one has joined."""

    def __init__(self, notify: Callable[[str], None]):
        """`notify`: is called with a sentence."""
        self._notify, self._some = notify, True

    def seen(self, count: int) -> int:
        """There are so many now; returns the same."""
        if bool(count) != self._some:
            self._some = not self._some
            self._notify(
                'a worker has joined, and goes on'
                if self._some
                else 'there is no worker; it goes on as soon as one joins'
            )
        return count


class Tally:
    """How much of each group is known to be done, whoever did it."""

    def __init__(self, reporter: Reporter):
        self._reporter = reporter
        self._known: dict[str, float] = {}
        self._begun: set[str] = set()  # again, and it is not known yet from where

    def began(self, group: str) -> None:
        """A worker begins with a group, or goes on with what another has left."""
        self._begun.add(group)

    def resumed(self, group: str, work: float, counted: bool) -> None:
        """So much of a group was done; `counted`: what is not known of it was reported before."""
        self._begun.discard(group)
        before = self._known.get(group, work if counted else 0.0)
        self._reporter.resumed(work - before)
        self._known[group] = work

    def advance(self, group: str, work: float, now: Now | None) -> None:
        """Some more of a group is done."""
        if group in self._begun:
            self.resumed(group, 0.0, False)
        self._known[group] = self._known.get(group, 0.0) + work
        if now is None:
            self._reporter.finished(work)
        else:
            self._reporter.advance(work, now)

    def dropped(self, group: str, work: float) -> None:
        """Some of a group need not be done; whoever goes on with it counts it as done."""
        self._known[group] = self._known.get(group, 0.0) + work
        self._reporter.dropped(work)

    def halved(self, new: Mapping[str, Sequence[Group]]) -> None:
        """Others are in the place of groups, by the ids of these, with what is known of them."""
        for group, parts in new.items():
            runs = sum(len(one.runs) for one in parts)
            if (known := self._known.pop(group, None)) is not None:
                self._known |= {one.id: known * len(one.runs) / runs for one in parts}

    def saved(self, group: str, work: float) -> None:
        """A group is done, which is so much work in all."""
        left = work - self._known.get(group, 0.0)
        if left > 0.5:  # a worker died when it had saved the result and not yet said so
            self.advance(group, left, None)


def carry_out(
    waiting: Sequence[Group],
    work: Mapping[str, float],
    workers: Workers,
    workdir: Workdir,
    asked_to_stop: Callable[[], int],
    reporter: Reporter,
    places: Mapping[str, str],
    until_of: Callable[[Group], int | None] = lambda group: None,
    tally: Tally | None = None,
    counted: bool = False,
) -> Ended:
    """Has workers carry out groups until each has a result, waits for others, or cannot be.

    Of a program for which one of them has too little memory, no further group is begun.

    Args:
      waiting: groups without a result.
      work: by the id of a group how much there is to do of it.
      workers: who does it.
      workdir: where results and states appear.
      asked_to_stop: the number of a signal, or 0 to go on.
      reporter: reports the progress of all.
      places: by the id of a group what it is called.
      until_of: the epoch at which a group waits for others, None for none.
      tally: of the groups so far.
      counted: whether the reporter knows of what earlier launches did.

    Raises:
      UserError: a worker cannot do its part, as for want of the data.
      Interrupted: `asked_to_stop` said so, and all have saved and stopped.
      Unfinished: the engine is gone.
    """
    groups = {one.id: one for one in waiting if not workdir.has_result(one)}
    queue = sorted(groups.values(), key=lambda group: -work[group.id])
    desk = _Desk(reporter, places, tally or Tally(reporter), counted)
    ended = Ended()
    arriving: list[_Arriving] = []
    presence = Presence(reporter.note)
    while queue or desk.running or arriving:
        free = presence.seen(workers.count()) - len(desk.running)
        for group in queue[: max(free, 0)]:
            workers.start(group, until_of(group))
            desk.started(group)
        del queue[: max(free, 0)]
        desk.waiting = len(queue)
        event = workers.event(SECONDS)
        if came := asked_to_stop():
            workers.stop()
            raise Interrupted(came)
        if event is not None and event.group in desk.running:
            group = groups[event.group]
            desk.heard(group, event)
            if event.kind == REFUSED:
                workers.stop()
                raise UserError(f'worker {event.worker}: {event.text}')
            if event.kind == TOO_LARGE:
                ended.too_large.append((group, event.text))
                queue = [one for one in queue if one.program != group.program]
            elif event.kind == FAILED:
                ended.failed[group.id] = desk.gave_up(group, event)
            elif event.kind in ENDS:
                arriving.append(_Arriving(group, event, time.monotonic() + _SEEN_AFTER))
        for one in [one for one in arriving if one.is_over(workdir)]:
            arriving.remove(one)
            if not one.is_here(workdir):
                ended.failed[one.group.id] = desk.gave_up(one.group, one.event)
            elif one.event.kind == SAVED:
                desk.tally.saved(one.group.id, work[one.group.id])
    return ended


def failed_words(failed: Mapping[str, str], groups: int) -> str:
    """What to say at the end of groups that failed; `groups`: how many there are."""
    reasons = list(dict.fromkeys(failed.values()))
    more = f' (and {len(reasons) - 1} other reasons)' if len(reasons) > 1 else ''
    return (
        f'{len(failed)} of {count(groups, "group")} failed: {reasons[0]}{more}; all others that '
        'could be are finished and kept, and the same command tries what failed again'
    )


class _Desk:
    """Who has what, as it is shown."""

    def __init__(self, reporter: Reporter, places: Mapping[str, str], tally: Tally, counted: bool):
        self.running: dict[str, str] = {}  # by the id of a group the worker that has it
        self.waiting = self.failed = 0
        self._reporter, self._places = reporter, places
        self.tally, self._counted = tally, counted
        self._shown = ''

    def started(self, group: Group) -> None:
        """A group is given to whoever is free."""
        self.running[group.id] = ''

    def heard(self, group: Group, event: Event) -> None:
        """A worker says how a group stands, or that it is done with it."""
        if event.kind in ENDS:
            del self.running[group.id]
            return
        self.running[group.id] = event.worker
        if event.kind == 'note':
            self._reporter.note(f'worker {event.worker}: {event.text}')
        elif event.kind == 'began':
            self.tally.began(group.id)
            self._show(group)
        elif event.kind == 'resumed':
            self.tally.resumed(group.id, event.work, self._counted)
        elif event.kind == 'dropped':
            self.tally.dropped(group.id, event.work)
        else:
            if self._shown != group.id:
                self._show(group)
            self.tally.advance(group.id, event.work, event.now)

    def gave_up(self, group: Group, event: Event) -> str:
        """A group has failed; in words, why."""
        self.failed += 1
        text = event.text or f'what worker {event.worker} saved of it is not to be seen here'
        self._reporter.note(f'{self._places[group.id]} failed: {text}')
        return text

    def _show(self, group: Group) -> None:
        self._shown = group.id
        points = {tuple(run.point.items()): run.point for run in group.runs}
        self._reporter.group(self._places[group.id], list(points.values()), self._words())

    def _words(self) -> str:
        """Who has what, and what else there is."""
        has = [f'worker {who}: {self._places[one]}' for one, who in self.running.items() if who]
        more = [f'{len(has) - _NAMED} more'] if len(has) > _NAMED else []
        rest = [f'{n} {word}' for n, word in self._rest() if n]
        return '; '.join([', '.join([*has[:_NAMED], *more]), *rest])

    def _rest(self) -> list[tuple[int, str]]:
        return [(len(self.running), 'running'), (self.waiting, 'waiting'), (self.failed, 'failed')]


class _Arriving(NamedTuple):
    """A group of which a worker has saved something; file systems of hosts may take a while for it.

    Attributes:
      group: which.
      event: by which the worker said so.
      deadline: on the monotonic clock.
    """

    group: Group
    event: Event
    deadline: float

    def is_here(self, workdir: Workdir) -> bool:
        """Whether what was saved can be seen."""
        there = workdir.has_result if self.event.kind == SAVED else workdir.has_checkpoint
        return there(self.group)

    def is_over(self, workdir: Workdir) -> bool:
        """Whether that is so, or the deadline has passed."""
        return self.is_here(workdir) or time.monotonic() > self.deadline


def as_plain(**fields: Any) -> dict[str, Any]:
    """The fields of an event as plain data; see `from_plain`."""
    now = fields.get('now')
    if now is None:
        return fields
    return fields | {'now': {k: v for k, v in vars(now).items() if k != 'so_far'}}


def from_plain(fields: Mapping[str, Any]) -> Event:
    """An event from what `as_plain` returned."""
    now = fields.get('now')
    return Event(**{**fields, 'now': None if now is None else Now(**now)})
