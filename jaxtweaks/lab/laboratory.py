"""From an experiment to its answer: plan, run what is missing, test, draw, report."""

import functools
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from jaxtweaks.base.pinned import pinned
from jaxtweaks.config import expand
from jaxtweaks.lab import agenda, answers, folder, live, next_look, record, settle, stored
from jaxtweaks.lab.agenda import Launch, Plan
from jaxtweaks.lab.answer import Answer
from jaxtweaks.lab.crew import Crew
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.lab.methods import method_of
from jaxtweaks.lab.next_look import Allow, Allowed
from jaxtweaks.results import derive
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run.cluster import Asked, Cluster, gpus
from jaxtweaks.run.method import Method
from jaxtweaks.run.plan import Group
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
    allow: Allow | None = None,
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
      exports: what else to write, some of `report.export.KINDS`.
      workers: which processes train, here or on other hosts; None for this one; all else is here.
      mix_versions: whether groups may be trained by another version of the training code than those
        that are there; see `folder.check_version`.
      file: the config file, if it is of one.
      named: whether the user named the folder; see `folder.check_file`.
      budget: if given, seeds are added until the claims are settled, or until the folder's training
        has taken so many seconds in all; see `settle`.
      allow: how long training may take, if that is not the budget, by which the looks are planned.

    Returns:
      The answer, or None after a dry run.

    Raises:
      UserError: the folder is another experiment's, another config file's or another version's, or
        in use, or the data do not fit; or a worker cannot do its part.
      Interrupted: by a signal, after the state was saved.
      Unfinished: some groups failed on workers, or the scheduler is gone.
    """
    once = functools.cache(functools.partial(notice, console))  # a search comes back each round
    experiment = experiment.as_now()
    budget = _that_can_settle(budget, experiment, once)
    rough = bool(dry_run) and dry_run != MEASURE
    # The data of a folder that there is are compared with those it was trained on.
    method = _checked(experiment, console, decode=not rough or path.exists())
    workdir, code = Workdir(path), stored.code_of(experiment)
    made = record.of_launch(
        command, workdir.started, code, file, mix_versions, budget, by_workers=workers is not None
    )
    silent = quiet and not dry_run
    alone = Launch(made, file, named, budget, allow, console, silent, workdir, method, once)
    launch = _with_workers(alone, workers)
    try:
        if dry_run:
            _shown(agenda.plan(experiment, launch, rough), launch)
            return None
        _lock(workdir, experiment)
        experiment, found = _until_done(experiment, launch)
        answer = answers.write(experiment, workdir, found, method, exports)
        if not quiet:
            answer.show(console)
        return answer
    finally:
        _let_go(launch)


def _let_go(launch: Launch) -> None:
    """Ends the workers, and releases the folder."""
    if launch.crew is not None:
        launch.crew.close()
    launch.workdir.unlock()


def _lock(workdir: Workdir, experiment: Experiment) -> None:
    """Takes a folder for this process. Raises UserError: another one has it."""
    # What cannot be known of a tweak is reported before there is a folder.
    if not workdir.path.exists():
        folder.forget_traces(experiment.digests)
    workdir.lock()


def _with_workers(launch: Launch, workers: Asked | None) -> Launch:
    """The launch with the crew that trains, if it is not this process."""
    if workers is None:
        return launch
    notify = functools.partial(notice, launch.console)
    cluster = Cluster(workers, launch.say, gpus)
    return launch._replace(crew=Crew(cluster, launch.workdir, launch.record.config, notify))


def _that_can_settle(
    budget: float | None, experiment: Experiment, notify: Callable[[str], None]
) -> float | None:
    """The budget, None if no seeds can be added. Raises UserError, see `settle.check`."""
    if budget is None:
        return None
    settle.check(experiment)
    if settle.possible(experiment):
        return budget
    notify('nothing here is left to chance, so no seeds are added')
    return None


def _checked(experiment: Experiment, console: Console, decode: bool = True) -> Method:
    """The method of an experiment, with data that suit its settings. Raises UserError."""
    method = method_of(experiment, functools.partial(notice, console), decode)
    method.check([run.setting for run in experiment.runs[:: experiment.seeds]])
    if method.dataset.fallback:
        label = f'STAND-IN DATA: {method.dataset.label}'
        console.print(Text(label, style='bold white on red'))
    return method


@pinned()
def estimate(experiment: Experiment, console: Console) -> str:
    """What an experiment costs on this machine, in words; '' if that is not known beforehand."""
    method = method_of(experiment, functools.partial(notice, console))
    method.check([run.setting for run in experiment.runs[:: experiment.seeds]])
    return method.plan(experiment.runs, experiment.runs)[1]


def _until_done(experiment: Experiment, launch: Launch) -> tuple[Experiment, list[GroupResult]]:
    """Plans and trains until no round of a search, and no further seed, is to come.

    Returns:
      The experiment with all its rounds, and what its groups found.
    """
    workdir, method = launch.workdir, launch.method
    while True:
        plan = agenda.plan(experiment, launch)
        experiment = plan.experiment
        _shown(plan, launch)
        record.freeze(plan, workdir, method, launch.record)
        reporter = _reporter(plan, launch)
        groups = _carry_out(plan, launch, reporter)
        loaded = [workdir.load_result(group, reporter.note) for group in groups]
        found = [one for one in loaded if one is not None]
        if len(found) < len(groups):  # damaged since it was written: it is trained again
            continue
        if _goes_on(experiment, workdir, found, method, reporter.note, plan.may_train):
            continue
        if not _looks(plan, launch, found):
            return experiment, found


def _shown(plan: Plan, launch: Launch) -> None:
    """Shows a plan. Raises UserError if it must not be added to what is in the folder."""
    notify = functools.partial(notice, launch.console)
    agenda.check_surroundings(launch.workdir, plan.manifest, plan.is_done, notify)
    launch.say(plan.words)


def _reporter(plan: Plan, launch: Launch) -> Reporter:
    """What shows how it goes: a page too, if something is to be done."""
    workdir, view = launch.workdir, view_for(launch.console, launch.quiet)
    if plan.is_done:
        return Reporter(launch.console, view)
    looks = None if launch.budget is None else manifest_lib.current(workdir).looks
    return live.LivePage(
        launch.console, view, plan.experiment, workdir, launch.method, launch.record, looks=looks
    )


def _carry_out(plan: Plan, launch: Launch, reporter: Reporter) -> list[Group]:
    """Trains what is missing, and puts on record which workers did. See `Method.carry_out`."""
    workdir, method, crew = launch.workdir, launch.method, launch.crew
    if crew is None or plan.is_done:
        return method.carry_out(plan.groups, workdir, reporter)
    crew.asked(plan.experiment, manifest_lib.current(workdir), method)
    try:
        groups = method.carry_out(plan.groups, workdir, reporter, crew)
    finally:
        crew.record()
    workdir.remove_leftovers()  # of workers that were killed while they saved
    return groups


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
            'around the best are there already, are drawn twice or do not go together, and are '
            'omitted' + ('' if new else '; none is left, so the search ends')
        )
    if not new:
        return False
    may_train(1, notify=lambda text: None)
    manifest_lib.add_round(workdir, number, expand.points(*new))
    return True


def _looks(plan: Plan, launch: Launch, found: Sequence[GroupResult]) -> bool:
    """Looks at the claims, and puts it on record; whether more seeds are to be trained for them."""
    experiment, workdir = plan.experiment, launch.workdir
    if not settle.possible(experiment):
        return False
    measured = answers.measure(experiment, found, launch.method.dataset)
    results = derive.derived(measured, experiment.derivations, experiment.base)
    if launch.budget is None:
        settle.record_fixed(experiment, results, workdir)
        return False
    may_train = lambda: plan.may_train(1, notify=lambda text: None)
    budget, say = Allowed(launch.budget), launch.say
    allow = launch.allow or (lambda standing: budget)
    return next_look.decide(experiment, results, workdir, found, allow, say, may_train)
