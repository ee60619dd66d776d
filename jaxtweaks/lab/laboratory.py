"""From an experiment to its answer: plan, run what is missing, test, draw, report."""

import functools
import platform
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from jaxtweaks.base import provenance, surroundings
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.pinned import pinned
from jaxtweaks.base.words import count
from jaxtweaks.config import expand
from jaxtweaks.config.build import to_dict
from jaxtweaks.data import Dataset
from jaxtweaks.lab import answers, stored
from jaxtweaks.lab.answer import Answer
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.lab.methods import method_of
from jaxtweaks.run import devices
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run.leases import turn
from jaxtweaks.run.method import Method
from jaxtweaks.run.plan import Group
from jaxtweaks.run.progress import for_console, notice
from jaxtweaks.run.search import closer, possible
from jaxtweaks.run.workdir import Workdir, describe_groups, restore_groups


@pinned()
def run(
    experiment: Experiment,
    path: Path,
    console: Console,
    *,
    command: str,
    dry_run: bool = False,
    quiet: bool = False,
    exports: Collection[str] = (),
    processes: int = 1,
) -> Answer | None:
    """Carries out an experiment in the folder `path`, going on from what is there.

    Args:
      experiment: see `experiment.build`.
      path: the work folder.
      console: where to say what happens.
      command: how the user called it, for the record.
      dry_run: stop after the plan, with nothing written.
      quiet: say only what must not be missed.
      exports: what else to write, some of `sweep.export.KINDS`.
      processes: if more than 1, the folder is shared with other processes that are called in the
        same way, here or on other hosts: about so many in all. Each trains what no other is at
        work on, and one of them writes the answer.

    Returns:
      The answer, or None after a dry run or if another process wrote it.

    Raises:
      UserError: the folder is another experiment's or in use, or the data do not fit.
      Interrupted: by a signal, after the state was saved.
    """
    notify = functools.partial(notice, console)
    method = method_of(experiment, notify)
    dataset = method.dataset
    method.check([run.setting for run in experiment.runs[:: experiment.seeds]])
    if dataset.fallback:
        console.print(Text(f'STAND-IN DATA: {dataset.label}', style='bold white on red'))
    if processes > 1 and experiment.search.rungs:
        raise UserError(
            '--processes: the rungs of a search compare all runs, which one process must train; '
            'leave it out, or search.rungs'
        )
    workdir = Workdir(path)
    launch = _launch(command, workdir.started)
    if not dry_run:
        workdir.lock(experiment.execution.patience_seconds if processes > 1 else None)
    try:
        reporter = for_console(console, quiet)
        reports_before = workdir.leases.taken('report')
        while True:
            # The first to come measures, and the others believe it.
            waits = lambda: quiet or notify('another process is making the plan; it is waited for')
            with turn(workdir.leases, 'plan', waits):
                manifest = manifest_lib.read(workdir, notify)
                if manifest is not None:
                    experiment = experiment.asked.grown(manifest_lib.rounds(manifest))
                groups, plan = _plan(experiment, workdir, manifest, method, processes)
                _check_surroundings(workdir, manifest, groups, notify)
                if not quiet or dry_run:
                    console.print(plan, highlight=False, markup=False, soft_wrap=True)
                if dry_run:
                    return None
                _freeze(experiment, workdir, manifest, groups, method, launch)
            groups = method.carry_out(groups, workdir, reporter)
            found = [workdir.load_result(group, reporter.note) for group in groups]
            if None in found:  # damaged since it was written: it is trained again
                continue
            if not _goes_on(experiment, workdir, found, method, reporter.note):
                break
        with turn(workdir.leases, 'report'):
            digest = answers.config_digest(experiment)
            if digest in workdir.leases.notes('report', reports_before):
                console.print('another process has written the report', highlight=False)
                return None
            answer = answers.write(experiment, workdir, found, method, exports)
            workdir.leases.note('report', digest)
        if not quiet:
            answer.show(console)
        return answer
    finally:
        workdir.unlock()


@pinned()
def estimate(experiment: Experiment, console: Console) -> str:
    """What an experiment costs on this machine, in words; '' if that is not known beforehand."""
    method = method_of(experiment, functools.partial(notice, console))
    method.check([run.setting for run in experiment.runs[:: experiment.seeds]])
    return method.plan(experiment.runs, experiment.runs)[1]


def _plan(
    experiment: Experiment,
    workdir: Workdir,
    manifest: dict[str, Any] | None,
    method: Method,
    processes: int,
) -> tuple[list[Group], str]:
    """The groups, those of an earlier launch first, and the plan in words."""
    runs = experiment.runs
    old: list[Group] = []
    if manifest is not None:
        old = restore_groups(manifest['groups'], runs) or []
        if not old:
            stored.refuse(experiment, workdir)
        stored.check_same_data(workdir, manifest, method.dataset)
    planned = {run.id for group in old for run in group.runs}
    _check_growth(experiment, planned)
    missing = [run for run in runs if run.id not in planned]
    new, cost = method.plan(missing, runs, processes)
    groups = old + new
    settings = len(runs) // experiment.seeds
    plan = (
        f'{experiment.name}:{experiment.size}: {method.count(groups, runs)} '
        f'({count(settings, "setting")} × {count(experiment.seeds, "seed")})'
    )
    if cost:
        plan += f', {cost}'
    if more := experiment.rounds_to_come:
        plan += f', then {count(more, "round")} of {experiment.search.samples} settings'
    if old:
        finished = sum(workdir.load_result(group, lambda text: None) is not None for group in old)
        plan += f', {finished} of {len(old)} groups finished before'
    return groups, f'{plan}, data: {method.dataset.label}, workdir: {workdir.path}'


def _check_surroundings(
    workdir: Workdir,
    manifest: dict[str, Any] | None,
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
    elif (then := manifest.get('surroundings')) is None:
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
    found: Sequence[dict[str, Any]],
    method: Method,
    notify: Callable[[str], None],
) -> bool:
    """Whether a search has a further round to come; it is then in the manifest."""
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
            'around the best are there already or do not go together, and are left out'
            + ('' if new else '; none is left, so the search ends')
        )
    if not new:
        return False
    with turn(workdir.leases, 'plan'):
        manifest_lib.add_round(workdir, number, expand.points(*new))
    return True


def _launch(command: str, started: float) -> dict[str, Any]:
    """What there is to know of this launch, for the record."""
    return {
        'command': command,
        'started': started,
        'commit': provenance.commit(),
        'versions': provenance.versions(),
        'device': provenance.device(),
        'devices': devices.count(),
        'host': platform.node(),
    }


def _freeze(
    experiment: Experiment,
    workdir: Workdir,
    manifest: dict[str, Any] | None,
    groups: Sequence[Group],
    method: Method,
    launch: dict[str, Any],
) -> None:
    """Writes what this sweep is, before the first step."""
    launches = manifest['launches'] if manifest else []
    if all(one.get('started') != launch['started'] for one in launches):  # not a round of this one
        ways = {'batchings_measured': method.measured, 'batchings_that_failed': method.failed}
        launches = [*launches, launch | ways]
    workdir.write_json('config.json', to_dict(experiment.asked))
    manifest_lib.write(
        workdir,
        {
            'launches': launches,
            'data': _describe(method.dataset),
            'groups': describe_groups(groups),
            'rounds': expand.parts_by_round(experiment.sweep)[1:],
            **_surroundings(manifest),
        },
    )


def _surroundings(manifest: dict[str, Any] | None) -> dict[str, Any]:
    """What the manifest says of the surroundings of the results, which the first launch settles."""
    if manifest is None:
        return {'surroundings': surroundings.current()}
    return {name: manifest[name] for name in ('surroundings',) if name in manifest}


def _describe(dataset: Dataset) -> dict[str, Any]:
    splits = {
        'training': dataset.training,
        'validation': dataset.validation,
        'test': dataset.test,
    }
    return {
        'label': dataset.label,
        'source': dataset.source,
        'sizes': {name: len(split) for name, split in splits.items()},
        'fingerprint': dataset.fingerprint,
        **({'notices': list(dataset.notices)} if dataset.notices else {}),
    }
