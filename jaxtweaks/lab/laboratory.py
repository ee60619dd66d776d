"""From an experiment to its answer: plan, run what is missing, test, draw, report."""

import dataclasses
import functools
import platform
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from jaxtweaks.base import provenance, surroundings
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.pinned import pinned
from jaxtweaks.base.words import count
from jaxtweaks.config import expand
from jaxtweaks.config.build import to_dict
from jaxtweaks.data import Dataset
from jaxtweaks.data.summary import summary
from jaxtweaks.lab import answers, folder, live, settle, stored
from jaxtweaks.lab.answer import Answer
from jaxtweaks.lab.crew import Crew
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.lab.methods import method_of
from jaxtweaks.results import derive
from jaxtweaks.run import devices
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run.cluster import Asked, Cluster, gpus
from jaxtweaks.run.manifest import (
    DataRecord,
    Launch,
    Manifest,
    TweaksRecord,
    describe_groups,
    restore_groups,
)
from jaxtweaks.run.method import Method
from jaxtweaks.run.plan import Group, Run
from jaxtweaks.run.progress import Reporter, notice, view_for
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.search import closer, possible
from jaxtweaks.run.workdir import Workdir

MEASURE = 'measure'  # in place of a dry run's True


@pinned()
def run(
    experiment: Experiment,
    path: Path,
    console: Console,
    *,
    command: str,
    dry_run: bool | str = False,
    quiet: bool = False,
    exports: Collection[str] = (),
    workers: Asked | None = None,
    mix_versions: bool = False,
    file: Path | None = None,
    named: bool = True,
    budget: float | None = None,
) -> Answer | None:
    """Carries out an experiment in the folder `path`, going on from what is there.

    Args:
      experiment: see `experiment.build`.
      path: the work folder.
      console: where to say what happens.
      command: how the user called it, for the record.
      dry_run: stop after the plan, with nothing written. What it costs is said by what is known
        here of its programs; if this is 'measure', they are compiled and measured.
      quiet: say only what must not be missed.
      exports: what else to write, some of `sweep.export.KINDS`.
      workers: which processes train, here or on other hosts; None for this one. Everything else is
        done here.
      mix_versions: whether groups may be trained by another version of the training code than those
        that are there; see `folder.check_version`.
      file: the config file, if it is of one.
      named: whether the user named the folder; see `folder.check_file`.
      budget: if given, seeds are added until the claims are settled, or until the folder's training
        has taken so many seconds in all; see `settle`.

    Returns:
      The answer, or None after a dry run.

    Raises:
      UserError: the folder is another experiment's, another config file's or another version's, or
        in use, or the data do not fit; or a worker cannot do its part.
      Interrupted: by a signal, after the state was saved.
      Unfinished: some groups failed on workers, or the scheduler is gone.
    """
    notify = functools.partial(notice, console)
    once = functools.cache(notify)  # though a search comes back for each round
    experiment = experiment.as_now()
    if budget is not None:
        settle.check(experiment)
        if not settle.possible(experiment):
            once('nothing here is left to chance, so no seeds are added')
            budget = None
    rough = dry_run and dry_run != MEASURE
    # The data of a folder that there is are compared with those it was trained on.
    method = method_of(experiment, notify, decode=not rough or path.exists())
    dataset = method.dataset
    method.check([run.setting for run in experiment.runs[:: experiment.seeds]])
    if dataset.fallback:
        console.print(Text(f'STAND-IN DATA: {dataset.label}', style='bold white on red'))
    workdir = Workdir(path)
    code = stored.code_of(experiment)
    record = _record(command, workdir.started, code, file, mix_versions)
    launch = _Launch(record, file, named, budget, console, quiet and not dry_run)
    if not dry_run:
        if not path.exists():  # what cannot be known of a tweak is said before there is a folder
            folder.forget_traces(experiment.digests)
        workdir.lock()
    crew = None
    if workers is not None:
        crew = Crew(Cluster(workers, launch.say, gpus), workdir, record.config, notify)
    try:
        if dry_run:
            plan = _plan(experiment, workdir, method, crew, launch, once, rough=bool(rough))
            _shown(plan, workdir, launch)
            return None
        experiment, found = _until_done(experiment, workdir, method, crew, launch, once)
        answer = answers.write(experiment, workdir, found, method, exports)
        if not quiet:
            answer.show(console)
        return answer
    finally:
        if crew is not None:
            crew.close()
        workdir.unlock()


@pinned()
def estimate(experiment: Experiment, console: Console) -> str:
    """What an experiment costs on this machine, in words; '' if that is not known beforehand."""
    method = method_of(experiment, functools.partial(notice, console))
    method.check([run.setting for run in experiment.runs[:: experiment.seeds]])
    return method.plan(experiment.runs, experiment.runs)[1]


def _until_done(
    experiment: Experiment,
    workdir: Workdir,
    method: Method,
    crew: Crew | None,
    launch: '_Launch',
    notify: Callable[[str], None],
) -> tuple[Experiment, list[GroupResult]]:
    """Plans and trains until no round of a search, and no further seed, is to come.

    Returns:
      The experiment with all its rounds, and what its groups found.
    """
    while True:
        plan = _plan(experiment, workdir, method, crew, launch, notify)
        experiment = plan.experiment
        _shown(plan, workdir, launch)
        _freeze(plan, workdir, method, launch)
        reporter = _reporter(launch, plan, workdir, method)
        groups = _carry_out(plan, workdir, method, reporter, crew)
        loaded = [workdir.load_result(group, reporter.note) for group in groups]
        found = [one for one in loaded if one is not None]
        if len(found) < len(groups):  # damaged since it was written: it is trained again
            continue
        if _goes_on(experiment, workdir, found, method, reporter.note, plan.may_train):
            continue
        if not _looks(plan, workdir, found, method, launch.budget, launch.say):
            return experiment, found


def _shown(plan: '_Plan', workdir: Workdir, launch: '_Launch') -> None:
    """Shows a plan. Raises UserError if it must not be added to what is in the folder."""
    notify = functools.partial(notice, launch.console)
    _check_surroundings(workdir, plan.manifest, plan.groups, notify)
    launch.say(plan.words)


def _reporter(launch: '_Launch', plan: '_Plan', workdir: Workdir, method: Method) -> Reporter:
    """What shows how it goes: a page too, if something is to be done."""
    view = view_for(launch.console, launch.quiet)
    if all(workdir.has_result(group) for group in plan.groups):
        return Reporter(launch.console, view)
    looks = None if launch.budget is None else manifest_lib.current(workdir).looks
    return live.LivePage(
        launch.console, view, plan.experiment, workdir, method, launch.record, looks=looks
    )


def _carry_out(
    plan: '_Plan', workdir: Workdir, method: Method, reporter: Reporter, crew: Crew | None
) -> list[Group]:
    """Trains what is missing, and puts on record which workers did. See `Method.carry_out`."""
    if crew is None or all(workdir.has_result(group) for group in plan.groups):
        return method.carry_out(plan.groups, workdir, reporter)
    crew.asked(plan.experiment, manifest_lib.current(workdir), method)
    try:
        groups = method.carry_out(plan.groups, workdir, reporter, crew)
    finally:
        crew.record()
    workdir.remove_leftovers()  # of workers that were killed while they saved
    return groups


class _Launch(NamedTuple):
    """A launch: what is recorded of it, and what `run` was given for it.

    The budget is None if no seeds are added.
    """

    record: Launch
    file: Path | None
    named: bool
    budget: float | None
    console: Console
    quiet: bool

    def say(self, words: str) -> None:
        """Says what may be missed."""
        if not self.quiet:
            self.console.print(Text(words), soft_wrap=True)


class _Plan(NamedTuple):
    """What is to be done.

    Attributes:
      experiment: with the rounds there are of a search, and the tweaks as the folder knows them.
      manifest: of the folder so far; None if it has none.
      groups: those of an earlier launch first.
      code: by the id of a group the versions of the code that train it, see `folder.codes`.
      may_train: raises UserError if so many further runs must not be trained in the folder.
      words: the plan for the user.
    """

    experiment: Experiment
    manifest: Manifest | None
    groups: list[Group]
    code: folder.Codes
    may_train: Callable[..., None]
    words: str


def _plan(
    experiment: Experiment,
    workdir: Workdir,
    method: Method,
    crew: Crew | None,
    launch: _Launch,
    notify: Callable[[str], None],
    rough: bool = False,
) -> _Plan:
    """What is to be done in a folder. Raises UserError if that is not to be done there.

    `crew`: who measures it, and trains; `rough`: nothing is measured for it.
    """
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
    new, cost = _grouped(experiment, manifest, missing, runs, method, crew, rough)
    groups = old + new
    code = folder.codes(workdir, manifest, groups, finished, now)
    settings = len(experiment.runs) // experiment.seeds
    plan = (
        f'{experiment.name}:{experiment.size}: {method.count(groups, runs)} '
        f'({count(settings, "setting")} × {count(experiment.seeds, "seed")})'
    )
    if cost:
        plan += f', {cost}'
    if more := experiment.rounds_to_come:
        plan += f', then {count(more, "round")} of {experiment.search.samples} settings'
    if launch.budget is not None:
        each = method.seconds / len(missing) if missing and method.seconds else None
        done = len(there) // settings
        plan += f', {settle.plan_words(experiment, launch.budget, each, done)}'
    if old:
        plan += f', {len(finished)} of {len(old)} groups finished before'
    plan += f', data: {method.dataset.label}, workdir: {workdir.path}'
    return _Plan(experiment, manifest, groups, code, may_train, plan)


def _grouped(
    experiment: Experiment,
    manifest: Manifest | None,
    missing: Sequence[Run],
    runs: Sequence[Run],
    method: Method,
    crew: Crew | None,
    rough: bool,
) -> tuple[list[Group], str]:
    """Groups of the missing runs, and what they cost: see `Method.plan`."""
    if rough:
        return method.guess(missing, runs, 1 if crew is None else crew.expected())
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


def _check_surroundings(
    workdir: Workdir,
    manifest: Manifest | None,
    groups: Sequence[Group],
    notify: Callable[[str], None],
) -> None:
    """Whether what is still to be computed has the flags of XLA that the results there have.

    Args:
      workdir: the folder.
      manifest: of earlier launches, None if this is the first.
      groups: all of them.
      notify: is told of flags that are set.

    Raises:
      UserError: it has others.
    """
    now = surroundings.current()
    if all(workdir.has_result(group) for group in groups):
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


def _goes_on(
    experiment: Experiment,
    workdir: Workdir,
    found: Sequence[GroupResult],
    method: Method,
    notify: Callable[[str], None],
    may_train: Callable[..., None] = lambda left, notify: None,
) -> bool:
    """Whether a search has a further round to come; it is then in the manifest.

    `may_train`: raises UserError if so many further runs must not be trained in the folder.
    """
    if not experiment.rounds_to_come:
        return False
    rounds = experiment.points_by_round
    measured = answers.measure(experiment, found, method.dataset)
    choice = answers.choice_of(experiment, measured)
    if choice is None:
        notify('every run of the search has diverged, so there is nothing to look at more closely')
        return False
    number = len(rounds) + 1
    drawn = closer(experiment.search, experiment.base, rounds[-1], choice.setting, number)
    new = possible(experiment.base, experiment.points, drawn)
    if len(new) < len(drawn):
        notify(
            f'round {number} of the search: {len(drawn) - len(new)} of {len(drawn)} settings '
            'around the best are there already or do not go together, and are omitted'
            + ('' if new else '; none is left, so the search ends')
        )
    if not new:
        return False
    may_train(1, notify=lambda text: None)
    manifest_lib.add_round(workdir, number, expand.points(*new))
    return True


def _looks(
    plan: _Plan,
    workdir: Workdir,
    found: Sequence[GroupResult],
    method: Method,
    budget: float | None,
    say: Callable[[str], object],
) -> bool:
    """Looks at the claims, and puts it on record; whether more seeds are to be trained for them."""
    experiment = plan.experiment
    if not settle.possible(experiment):
        return False
    measured = answers.measure(experiment, found, method.dataset)
    results = derive.derived(measured, experiment.derivations, experiment.base)
    if budget is None:
        settle.record_fixed(experiment, results, workdir)
        return False
    may_train = lambda: plan.may_train(1, notify=lambda text: None)
    return settle.decide(experiment, results, workdir, found, budget, say, may_train)


def _record(
    command: str, started: float, code: str, file: Path | None, mix_versions: bool
) -> Launch:
    """What there is to know of this launch, for the record."""
    return Launch(
        command=command,
        started=started,
        code=code,
        commit=provenance.commit(),
        versions=provenance.versions(),
        device=provenance.device(),
        devices=devices.count(),
        host=platform.node(),
        config=str(file.resolve()) if file else None,
        mix_versions=True if mix_versions else None,
    )


def _freeze(plan: _Plan, workdir: Workdir, method: Method, launch: _Launch) -> None:
    """Writes what this sweep is, before the first step."""
    experiment, manifest, record = plan.experiment, plan.manifest, launch.record
    launches = manifest.launches if manifest else ()
    if all(one.started != record.started for one in launches):  # not a round of this one
        tried = dataclasses.replace(
            record, batchings_measured=method.measured, batchings_that_failed=method.failed
        )
        launches = (*launches, tried)
    workdir.write_json('config.json', to_dict(experiment.asked))
    workdir.save_summary(summary(method.dataset))  # by which an unfinished sweep can be loaded
    manifest_lib.write(
        workdir,
        Manifest(
            format=manifest.format if manifest else manifest_lib.FORMAT,
            launches=launches,
            tweaks=_tweaks(experiment, manifest),
            data=_describe(method.dataset),
            groups=describe_groups(plan.groups, plan.code),
            rounds=tuple(expand.parts_by_round(experiment.sweep)[1:]),
            # Those of the first launch.
            surroundings=manifest.surroundings if manifest else surroundings.current(),
            looks=manifest.looks if manifest else (),
        ),
    )


def _tweaks(experiment: Experiment, manifest: Manifest | None) -> TweaksRecord | None:
    """What the registered tweaks do, as the folder knows it."""
    known = manifest.tweaks if manifest else None
    if manifest is not None and stored.known_by(manifest):
        return known
    digests = {**(known.digests if known else {}), **experiment.digests}
    return TweaksRecord(python=provenance.python(), digests=digests)


def _describe(dataset: Dataset) -> DataRecord:
    splits = {
        'training': dataset.training,
        'validation': dataset.validation,
        'test': dataset.test,
    }
    return DataRecord(
        label=dataset.label,
        source=dataset.source,
        sizes={name: len(split) for name, split in splits.items()},
        fingerprint=dataset.fingerprint,
        notices=tuple(dataset.notices) or None,
    )
