"""What is to be done in a work folder: what is there, what is missing, whether it may be added."""

import functools
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from jaxtweaks.base import surroundings
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import count
from jaxtweaks.lab import folder, settle, stored
from jaxtweaks.lab.crew import Crew
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.lab.next_look import Allow
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run import trainers
from jaxtweaks.run.manifest import Manifest, restore_groups
from jaxtweaks.run.method import Method
from jaxtweaks.run.plan import ALONE, Group, Run
from jaxtweaks.run.workdir import Workdir

_ON_WORKERS = (
    'time and memory are those of the workers, not known here (--dry_run=measure asks one)'
)


class Launch(NamedTuple):
    """A launch: what is recorded of it, what `run` was given for it, and what carries it out.

    Attributes:
      record: for the manifest.
      file: the config file, if it is of one.
      named: whether the user named the folder.
      budget: seconds of training until which seeds are added; None if none are.
      allow: how long training may take, by how far it has come; None if that is the budget.
      console: where to say what happens.
      quiet: say only what must not be missed.
      workdir: the folder.
      method: how runs become results.
      notify: reports everything unexpected that is not an error, each once.
      crew: the workers, if it is not this process that trains.
    """

    record: manifest_lib.Launch
    file: Path | None
    named: bool
    budget: float | None
    allow: Allow | None
    console: Console
    quiet: bool
    workdir: Workdir
    method: Method
    notify: Callable[[str], None]
    crew: Crew | None = None

    def say(self, words: str) -> None:
        """Says what may be missed."""
        if not self.quiet:
            self.console.print(Text(words), soft_wrap=True)


class Plan(NamedTuple):
    """What is to be done.

    Attributes:
      experiment: with the rounds there are of a search, and the tweaks as the folder knows them.
      manifest: of the folder so far; None if it has none.
      groups: those of an earlier launch first.
      finished: the ids of those that are, with good results; the others are trained.
      code: by the id of a group the versions of the code that train it, see `folder.codes`.
      may_train: raises UserError if so many further runs must not be trained in the folder.
      words: the plan for the user.
    """

    experiment: Experiment
    manifest: Manifest | None
    groups: list[Group]
    finished: set[str]
    code: folder.Codes
    may_train: Callable[..., None]
    words: str

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be trained."""
        return all(group.id in self.finished for group in self.groups)


def plan(experiment: Experiment, launch: Launch, rough: bool = False) -> Plan:
    """What is to be done in a folder. Raises UserError if that is not to be done there.

    `rough`: nothing is measured for it.
    """
    workdir, method, notify = launch.workdir, launch.method, launch.notify
    manifest = manifest_lib.read(workdir, notify)
    looks = settle.settled(manifest.looks) if manifest and launch.budget is not None else []
    if launch.budget is not None:
        kept = workdir.read_json('config.json') if manifest else None
        experiment = settle.grown(experiment, looks, (kept or {}).get('seeds', 0))
    if manifest is not None:
        folder.check_file(workdir, manifest, experiment.name, launch.file, launch.named, notify)
        grown = experiment.asked.grown(manifest.rounds)
        experiment = stored.as_recorded(grown, manifest, notify)
    folder.forget_traces(experiment.digests)
    old, missing = _known(experiment, workdir, manifest, method)
    wanted = {run.id for run in settle.wanted(experiment, looks)}
    missing = [run for run in missing if run.id in wanted]
    there = {run.id for group in old for run in group.runs}
    runs = [run for run in experiment.runs if run.id in wanted | there]
    load = lambda group: workdir.load_result(group, lambda text: None)
    finished = {group.id for group in old if load(group) is not None}
    now = stored.code_of(experiment)
    may_train = functools.partial(
        folder.check_version,
        workdir,
        manifest,
        experiment,
        folder.codes(workdir, manifest, old, finished, now),
        mix=bool(launch.record.mix_versions),
    )
    left = len(missing) + sum(len(group.runs) for group in old if group.id not in finished)
    may_train(left, notify=notify)  # before anything is measured
    new, cost = _grouped(experiment, manifest, missing, runs, launch, rough)
    groups = old + new
    code = folder.codes(workdir, manifest, groups, finished, now)
    settings = len(experiment.points)
    words = (
        f'{experiment.name}:{experiment.size}: {method.count(groups, runs)} '
        f'({count(settings, "setting")} × {count(experiment.seeds, "seed")})'
    )
    if cost:
        words += f', {cost}'
    if more := experiment.rounds_to_come:
        words += f', then {count(more, "round")} of {experiment.search.samples} settings'
    if launch.budget is not None:
        each = method.seconds / len(missing) if missing and method.seconds else None
        done = len(there) // settings
        shared = launch.allow is not None
        words += f', {settle.plan_words(experiment, launch.budget, each, done, shared)}'
    if old:
        words += f', {len(finished)} of {len(old)} groups finished before'
    words += f', data: {method.dataset.label}, workdir: {workdir.path}'
    return Plan(experiment, manifest, groups, finished, code, may_train, words)


def _grouped(
    experiment: Experiment,
    manifest: Manifest | None,
    missing: Sequence[Run],
    runs: Sequence[Run],
    launch: Launch,
    rough: bool,
) -> tuple[list[Group], str]:
    """Groups of the missing runs, and what they cost: see `Method.plan`."""
    method, crew = launch.method, launch.crew
    if rough:
        groups, cost = method.guess(missing, runs, ALONE if crew is None else crew.expected())
        if crew is None or not cost or not trainers.accelerated():
            return groups, cost
        method.seconds = None  # what this process knows and guesses is of its own CPU
        return groups, _ON_WORKERS
    if crew is None or experiment.plain is not None or not missing:
        return method.plan(missing, runs)
    crew.asked(experiment, manifest, method)
    return crew.plan(missing, runs, method)


def _known(
    experiment: Experiment, workdir: Workdir, manifest: Manifest | None, method: Method
) -> tuple[list[Group], list[Run]]:
    """The groups of an earlier launch, and the runs that are in none. Raises UserError."""
    runs = experiment.runs
    old: list[Group] = []
    if manifest is not None:
        old = restore_groups(manifest.groups, runs) or []
        if not old:
            stored.refuse(experiment, workdir, manifest)
        stored.check_same_data(workdir, manifest, method.dataset)
    planned = {run.id for group in old for run in group.runs}
    _check_growth(experiment, planned)
    return old, [run for run in runs if run.id not in planned]


def check_surroundings(
    workdir: Workdir,
    manifest: Manifest | None,
    is_done: bool,
    notify: Callable[[str], None],
) -> None:
    """Whether what is still to be computed has the flags of XLA that the results there have.

    Args:
      workdir: the folder.
      manifest: of earlier launches, None if this is the first.
      is_done: whether nothing is left to be computed, see `Plan`.
      notify: reports flags that are set.

    Raises:
      UserError: it has others.
    """
    now = surroundings.current()
    if is_done:
        return
    if manifest is None:
        if now:
            notify(
                f'{surroundings.in_words(now)}: can change results, so it is recorded, and '
                f'{workdir.path} can only go on with it'
            )
    elif (then := manifest.surroundings) is None:
        if now:
            notify(
                f'{surroundings.in_words(now)}: can change results, and {workdir.path} is of a '
                'version that did not record whether its results were made with it'
            )
    elif changed := surroundings.differences(then, now):
        raise UserError(
            f'{workdir.path}: its results were made in other surroundings ({"; ".join(changed)}), '
            'which can change numbers; set them as they were or choose another --workdir'
        )


def _check_growth(experiment: Experiment, planned: Collection[str]) -> None:
    """Whether runs are missing that a search has left no room for. Raises UserError."""
    for points in experiment.points_by_round if experiment.search.rungs else ():
        ids = {run.id for run in experiment.runs_of(points)}
        if not ids.isdisjoint(planned) and not ids.issubset(planned):
            raise UserError(
                'search.rungs: settings were compared with one another and dropped, so no seeds or '
                'settings can be added to them; choose another --workdir'
            )
