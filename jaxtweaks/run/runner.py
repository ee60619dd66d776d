"""Carries a plan out: trains every group that has no result yet."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jaxtweaks.base.errors import Unfinished
from jaxtweaks.run import checkpoint, compaction, files, manifest, memory, trained
from jaxtweaks.run.compaction import Stages
from jaxtweaks.run.group import Execution, Interrupted, train_group
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.plan import Group, halved, replaced
from jaxtweaks.run.progress import Reporter
from jaxtweaks.run.signals import stop_on_signal
from jaxtweaks.run.workdir import Workdir
from jaxtweaks.run.workers import Ended, Tally, Workers, carry_out, failed_words


def run_groups(
    groups: Sequence[Group],
    workdir: Workdir,
    machine: Machine,
    execution: Execution,
    reporter: Reporter,
    stages: Stages,
    workers: Workers | None = None,
) -> list[Group]:
    """Trains every group that has no result yet; results and checkpoints go to the workdir.

    A group that does not fit in the memory is halved, and so are the others of its program that
    are not finished; the manifest says so before they begin. The halves go on where the whole was.
    At a stage the groups wait for one another, and those whose runs go on become fewer, see
    `compaction`. All this is decided here; `workers`, if there are any, train.

    Returns:
      The groups as they were trained.

    Raises:
      UserError: one run alone does not fit in the memory; or a worker cannot do its part.
      Interrupted: by a signal (see `stop_on_signal`), after the state was saved.
      Unfinished: some groups failed on workers, and all others are trained; or the engine is gone.
    """
    waiting = unfinished(groups, workdir, reporter.note)
    _clear_states(groups, waiting, workdir)
    work = _work(groups, waiting, machine, stages)
    total, to_do = sum(work.values()), sum(work[group.id] for group in waiting)
    tally = Tally(reporter)
    failed: dict[str, str] = {}
    with stop_on_signal() as asked_to_stop:
        reporter.begin(total, total - to_do)
        try:
            for part in _to_come(stages, waiting):
                train = _Training(
                    groups, workdir, machine, execution, asked_to_stop, reporter, part
                )
                while waiting:
                    ended = train.by(workers, waiting, tally)
                    failed |= ended.failed
                    waiting = [one for one in waiting if one.id not in failed]
                    if failed and stages.compared:
                        raise Unfinished(failed_words(failed, len(groups)))
                    if not ended.too_large:
                        break
                    for group, lacking in ended.too_large:
                        if all(one.id != group.id for one in waiting):
                            continue  # halved with another of its program
                        reporter.note(_too_large(group, lacking))
                        left_over = [one for one in waiting if not workdir.has_result(one)]
                        new = _halve(group, left_over, lacking, workdir, reporter.note)
                        groups, waiting = replaced(groups, new), replaced(left_over, new)
                        tally.halved(new)
                        reporter.regrouped()
                        train = train.knowing(groups, new[group.id])
                if part.until is not None:
                    waiting = [one for one in waiting if not workdir.has_result(one)]
                    groups, waiting = compaction.compact(
                        groups, waiting, part.until, stages, workdir
                    )
                    reporter.regrouped()
                    before, total = total, sum(_work(groups, waiting, machine, stages).values())
                    reporter.dropped(before - total)
        finally:
            reporter.end()
    if failed:
        raise Unfinished(failed_words(failed, len(groups)))
    return list(groups)


def _too_large(group: Group, lacking: str) -> str:
    """What is reported of a group that lacks memory."""
    return (
        f'{group.size} runs side by side do not fit in the memory ({lacking}); their groups are '
        'halved'
    )


def _clear_states(groups: Sequence[Group], waiting: Sequence[Group], workdir: Workdir) -> None:
    """Deletes states of finished groups: of a kill between saving a result and deleting them."""
    finished = {group.id for group in groups} - {group.id for group in waiting}
    for name in finished & workdir.with_checkpoints():  # of thousands hardly any has one
        files.remove_generations(workdir.checkpoint_path_of(name))


def unfinished(
    groups: Sequence[Group], workdir: Workdir, notify: Callable[[str], None]
) -> list[Group]:
    """The groups without a good result; `notify` reports in a sentence each damaged one.

    Those are deleted, so that a result that is there is a good one.
    """
    load = lambda group: workdir.load_result(group, notify, discard=True)
    return [group for group in groups if load(group) is None]


def _work(
    groups: Sequence[Group], waiting: Sequence[Group], machine: Machine, stages: Stages
) -> dict[str, float]:
    """By id how much there is to do of each group, without what is known to be dropped.

    Args:
      groups: all of which that is asked.
      waiting: those without a result: among them are all that will be compared.
      machine: says what is to be done of a group that is trained to its end.
      stages: who leaves.
    """
    going_on = {group.id for group in waiting if compaction.next_stage(group, stages)}
    compared: dict[int, set[tuple]] = {}  # the settings by the stage their groups have come to
    for group in waiting:
        if group.id in going_on:
            points = {tuple(run.point.items()) for run in group.runs}
            compared.setdefault(group.stage, set()).update(points)

    def share(group: Group) -> float:
        if not (group.leaves or group.id in going_on):
            return 1.0
        epochs = group.runs[0].setting.train.epochs
        if group.leaves:
            return group.stage / epochs
        return stages.share(len(compared[group.stage]), epochs, group.stage)

    return {group.id: machine.work(group, share(group)) for group in groups}


class _Part(NamedTuple):
    """A part of the training of all groups: each is trained until it waits for others.

    Attributes:
      until: the epoch of the stage at its end; None for the last part.
      first: of this launch.
      stages: all of them.
    """

    until: int | None
    first: bool
    stages: Stages

    def until_of(self, group: Group) -> int | None:
        """The epoch at which a group waits; None if it does not."""
        if self.until is None:
            return None
        return compaction.next_stage(group, self.stages, self.until)


def _to_come(stages: Stages, waiting: Sequence[Group]) -> list[_Part]:
    """What is left to do, cut at the stages at which groups wait for one another."""
    programs = [group.program for group in waiting]
    fewer = len(set(programs)) < len(programs)
    ahead = [compaction.next_stage(group, stages) for group in waiting]
    first = min((epoch for epoch in ahead if epoch), default=math.inf)
    wait = [epoch for epoch in stages.epochs if epoch >= first and (stages.compared or fewer)]
    return [_Part(until, i == 0, stages) for i, until in enumerate([*wait, None])]


class _Training(NamedTuple):
    """What it takes to carry a part out.

    `groups` are all there are; of those in `known` the reporter knows what is done already.
    """

    groups: Sequence[Group]
    workdir: Workdir
    machine: Machine
    execution: Execution
    asked_to_stop: Callable[[], int]
    reporter: Reporter
    part: _Part
    known: frozenset[str] = frozenset()

    def knowing(self, groups: Sequence[Group], halves: Sequence[Group]) -> '_Training':
        """With these groups from now on, among them halves of one that was begun here."""
        return self._replace(groups=groups, known=self.known | {one.id for one in halves})

    def by(self, workers: Workers | None, waiting: Sequence[Group], tally: Tally) -> Ended:
        """Trains the groups that wait, by workers or, if there are none, here."""
        return self.here(waiting) if workers is None else self.elsewhere(waiting, workers, tally)

    def here(self, waiting: Sequence[Group]) -> Ended:
        """Trains the groups that wait, one after the other, until one does not fit in the memory.

        Raises UserError if one run alone does not.
        """
        places, loaded = _places(self.groups), None
        waiting = [one for one in waiting if not self.workdir.has_result(one)]
        for number, group in enumerate(waiting):
            if group.program != loaded:  # not for each group: there may be thousands
                self.machine.keep_only(waiting[number:])
                loaded = group.program
            points = {tuple(run.point.items()): run.point for run in group.runs}
            self.reporter.group(places[group.id], list(points.values()))
            try:
                self._run(group)
            except Exception as error:  # see `memory.is_exhausted`
                if not memory.is_exhausted(error):
                    raise
                if group.size == 1:
                    raise memory.one_run_too_large(error) from error
                return Ended([(group, memory.first_line(error))])
            if came := self.asked_to_stop():  # perhaps while the last figures were computed
                raise Interrupted(came)
        return Ended()

    def elsewhere(self, waiting: Sequence[Group], workers: Workers, tally: Tally) -> Ended:
        """Has workers train the groups that wait. Raises as `carry_out` does."""
        return carry_out(
            waiting,
            _work(waiting, waiting, self.machine, self.part.stages),
            workers,
            self.workdir,
            self.asked_to_stop,
            self.reporter,
            _places(self.groups),
            self.part.until_of,
            tally,
            counted=not self.part.first,
        )

    def _run(self, group: Group) -> None:
        run_group(
            group,
            self.workdir,
            self.machine,
            self.execution,
            self.asked_to_stop,
            self.reporter,
            self.part.until_of(group),
            counted=not self.part.first or group.id in self.known,
        )


def _halve(
    group: Group,
    waiting: Sequence[Group],
    lacking: str,
    workdir: Workdir,
    notify: Callable[[str], None],
) -> dict[str, list[Group]]:
    """What is from now on in the place of a group that is too large, by its id.

    The others of its program that wait would not fit either, and are halved too. Of those that have
    a state each half is given its runs', and the manifest says in what they were trained until
    then: the size of a group decides last bits. As in `compaction`, states come before the
    manifest, and the old ones are deleted after it.
    """
    too_large = [one for one in waiting if one.program == group.program]
    new = {one.id: halved(one) for one in too_large}
    places = compaction.places_of(too_large)
    went_on: dict[str, list[int]] = {}
    for one in too_large:
        saved = checkpoint.read(workdir.checkpoint_path(one), notify)
        if saved is None:
            continue
        for half in new[one.id]:
            state = compaction.gathered(half, places, lambda _, saved=saved: saved)
            checkpoint.put(workdir.checkpoint_path(half), state)
        stood = [one.size, saved.epoch, saved.done, *([saved.masks] if saved.masks else [])]
        went_on |= {run.id: stood for run in one.runs}
    event = {'too_large': list(new), 'reason': lacking}
    manifest.regroup(workdir, new, event | ({'went_on': went_on} if went_on else {}))
    for one in too_large:
        files.remove_generations(workdir.checkpoint_path(one))
    return new


def _places(groups: Sequence[Group]) -> dict[str, str]:
    """By id, which group of how many, and if there is more than one program, of which."""
    programs: dict[tuple, int] = {}
    for group in groups:
        programs.setdefault(group.program, len(programs) + 1)
    words = {one.id: f'group {i}/{len(groups)}' for i, one in enumerate(groups, 1)}
    if len(programs) in (1, len(groups)):
        return words
    program = lambda group: f'program {programs[group.program]}/{len(programs)}'
    return {group.id: f'{program(group)}, {words[group.id]}' for group in groups}


def run_group(
    group: Group,
    workdir: Workdir,
    machine: Machine,
    execution: Execution,
    asked_to_stop: Callable[[], int],
    reporter: Reporter,
    until: int | None = None,
    counted: bool = False,
) -> bool:
    """Trains a group, see `train_group`; whether it is done, with its result in the workdir."""
    path = workdir.checkpoint_path(group)
    result = train_group(
        group,
        machine.compiled(group),
        machine.data(group.static.data),
        path,
        execution,
        asked_to_stop,
        reporter,
        until,
        counted=counted,
    )
    if result is None:  # it waits for the others
        return False
    # First: where there is a result, there are the networks that it is of.
    outputs = machine.compiled(group).program.classes
    trained.save(workdir.path, result, machine.scale(group.static.data), outputs)
    workdir.save_result(group, result)
    files.remove_generations(path)
    return True
