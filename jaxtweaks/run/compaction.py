"""Runs that are done leave, and the others go on in fewer groups of the same size.

At a stage, an epoch after which the groups of a sweep wait for one another, some runs leave: they
have stopped early or diverged, or are the worst of a search. What they have found is tested as it
stands, and the states of those that go on are regrouped. What else is in a group changes no
bit of a run, and the size of the group stays: a run ends as it would have ended in its first group.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.run import checkpoint, files, manifest
from jaxtweaks.run.checkpoint import Saved
from jaxtweaks.run.plan import Group, Run, replaced
from jaxtweaks.run.workdir import Workdir

_LOOKS = 8  # into so many parts the stages cut a training in which runs may stop early


@dataclasses.dataclass(frozen=True)
class Standing:
    """Where a run is at a stage.

    Attributes:
      run: which.
      history: by metric its values after each epoch so far, [epochs].
      done: whether it has stopped early or diverged.
    """

    run: Run
    history: dict[str, np.ndarray]
    done: bool


class Stages(Protocol):
    """When groups wait for one another, and who leaves then.

    Attributes:
      epochs: after which that is, rising.
      compared: whether who leaves depends on all runs, so that all of them must be there.
    """

    @property
    def epochs(self) -> tuple[int, ...]: ...

    @property
    def compared(self) -> bool: ...

    def leaving(self, standing: Sequence[Standing]) -> set[str]:
        """The ids of the runs that leave."""
        ...

    def share(self, settings: int, epochs: int, since: int = 0) -> float:
        """The share of all epochs that are trained, as far as that is known before.

        Args:
          settings: how many are compared at the first stage after `since`.
          epochs: of each run.
          since: the stage at which all of these go on, 0 for the beginning.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Done:
    """Those leave that have stopped early or diverged. See `Stages`."""

    epochs: tuple[int, ...] = ()
    compared = False

    @classmethod
    def among(cls, groups: Iterable[Group]) -> 'Done':
        """A few looks at the runs of these groups while some of them may have stopped early."""
        runs = [run for group in groups for run in group.runs]
        patient = [run.setting.train for run in runs if run.setting.train.patience > 0]
        last = max((train.epochs for train in patient), default=0)
        first = min((train.patience for train in patient), default=0)
        looks = sorted({math.ceil(last * part / _LOOKS) for part in range(1, _LOOKS)})
        return cls(tuple(epoch for epoch in looks if first < epoch < last))

    def leaving(self, standing: Sequence[Standing]) -> set[str]:
        """See `Stages`."""
        return {one.run.id for one in standing if one.done}

    def share(self, settings: int, epochs: int, since: int = 0) -> float:
        """See `Stages`: it is not known before who stops early."""
        return 1.0


def next_stage(group: Group, stages: Stages, since: int = 0) -> int | None:
    """The epoch after which a group next waits for others; None if it goes on to its end.

    Args:
      group: which.
      stages: of all groups.
      since: those before this epoch are over.
    """
    if group.leaves:
        return None
    first = max(since, group.stage + 1)
    return next((epoch for epoch in stages.epochs if epoch >= first), None)


def compact(
    groups: Sequence[Group], waiting: Sequence[Group], epoch: int, stages: Stages, workdir: Workdir
) -> tuple[list[Group], list[Group]]:
    """Lets the runs leave that are to leave at a stage.

    The new states are written first, then the manifest, then the old states are deleted: whatever
    comes in between, the groups of the manifest have their states.

    Args:
      groups: all groups of the sweep.
      waiting: those without a result; whose next stage this is, have their checkpoints at it.
      epoch: of the stage.
      stages: who leaves.
      workdir: of the sweep.

    Returns:
      All groups and those that wait, as they are from now on.

    Raises:
      UserError: all must be at the stage, and the state of one is not what was written.
    """
    cached = functools.lru_cache(2)(_read)
    read = lambda group: cached(workdir.checkpoint_path(group))
    going = [group for group in waiting if next_stage(group, stages, epoch) == epoch]
    here = [group for group in going if _is_at(read(group), epoch)]
    there = {group.id for group in here}
    lost = next((group for group in going if group.id not in there), None)
    if stages.compared and lost is not None:
        raise UserError(
            f'{workdir.checkpoint_path(lost)}: was damaged after it was written; give the same '
            'command again, which trains these runs again'
        )
    state = lambda group: cast(Saved, read(group))  # of a group at the stage
    standing = [one for group in here for one in _standing(group, state(group))]
    gone = stages.leaving(standing)
    new: dict[str, list[Group]] = {}
    old: list[Group] = []
    for members in _by_program(here):
        parts = _parted(members, gone, epoch)
        going_on = [group for group in parts if not group.leaves]
        # Where all are compared the stage is noted though nobody leaves: it is passed only once.
        if stages.compared or (gone and len(going_on) < len(members)):
            new |= {group.id: [] for group in members} | {members[0].id: parts}
            old += members
            places = places_of(members)
            for group in parts:
                checkpoint.put(workdir.checkpoint_path(group), gathered(group, places, state))
    if not old:
        return list(groups), list(waiting)
    event = {'stage': epoch, 'left': sorted(gone & {r.id for group in old for r in group.runs})}
    manifest.regroup(workdir, new, event)
    for group in old:
        files.remove_generations(workdir.checkpoint_path(group))
    return replaced(groups, new), replaced(waiting, new)


def _by_program(groups: Iterable[Group]) -> list[list[Group]]:
    found: dict[tuple, list[Group]] = {}
    for group in groups:
        found.setdefault((group.program, group.off), []).append(group)
    return list(found.values())


def _parted(members: Sequence[Group], gone: set[str], epoch: int) -> list[Group]:
    """The runs of one program's groups in new ones: those that go on, then those that leave."""
    runs = [run for group in members for run in group.runs]
    like = max(members, key=lambda group: group.shares)
    room = like.size * like.shares
    parts = []
    for leaves in (False, True):
        mine = [run for run in runs if (run.id in gone) == leaves]
        for part in (tuple(mine[i : i + room]) for i in range(0, len(mine), room)):
            shares = math.ceil(len(part) / like.size)
            parts.append(
                dataclasses.replace(like, runs=part, shares=shares, stage=epoch, leaves=leaves)
            )
    return parts


def _read(path: Path) -> Saved | None:
    return checkpoint.read(path, lambda text: None)


def _is_at(saved: Saved | None, epoch: int) -> bool:
    return saved is not None and (saved.epoch, saved.done) == (epoch, 0)


def _standing(group: Group, saved: Saved) -> list[Standing]:
    ended, history = saved.ended, saved.history
    return [
        Standing(run, {name: values[:, i] for name, values in history.items()}, bool(ended[i]))
        for i, run in enumerate(group.runs)
    ]


def places_of(groups: Iterable[Group]) -> dict[str, tuple[Group, int]]:
    """By the id of a run the group that it is in, and its place there."""
    return {run.id: (one, i) for one in groups for i, run in enumerate(one.runs)}


def gathered(
    group: Group, places: Mapping[str, tuple[Group, int]], read: Callable[[Group], Saved]
) -> Saved:
    """The checkpoint of a group, from those of the groups its runs were in.

    Args:
      group: a new one.
      places: see `places_of`; of the groups before.
      read: the checkpoint of such a group.
    """
    wanted = [places[run.id] for run in group.padded()]
    sources = list({one.id: one for one, _ in wanted}.values())
    # Column by source, then each run's place in the row of all of them.
    columns = {one.id: [i for other, i in wanted if other is one] for one in sources}
    order = [k for one in sources for k, (other, _) in enumerate(wanted) if other is one]
    parts = []
    for one in sources:
        saved, mine = read(one), columns[one.id]
        seconds = saved.seconds * len(set(mine)) / len(one.runs)
        parts.append(dataclasses.replace(saved.columns(mine), seconds=seconds))
    return checkpoint.joined(parts).columns(np.argsort(order).tolist())
