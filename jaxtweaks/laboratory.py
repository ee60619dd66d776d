"""From an experiment to its answer: plan, run what is missing, test, draw, report."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from jaxtweaks import answers, provenance
from jaxtweaks.answers import Answer
from jaxtweaks.config.build import to_dict
from jaxtweaks.data import Dataset
from jaxtweaks.errors import UserError
from jaxtweaks.experiment import Experiment
from jaxtweaks.study.studies.calls import Calls
from jaxtweaks.sweep import manifest as manifest_lib
from jaxtweaks.sweep.method import Method
from jaxtweaks.sweep.plan import Group
from jaxtweaks.sweep.progress import for_console
from jaxtweaks.sweep.training import Training
from jaxtweaks.sweep.workdir import Workdir, describe_groups, differences, restore_groups


def run(
    experiment: Experiment,
    path: Path,
    console: Console,
    *,
    command: str,
    dry_run: bool = False,
    quiet: bool = False,
    tensorboard: bool = False,
) -> Answer | None:
    """Carries out an experiment in the folder `path`, going on from what is there.

    Args:
      experiment: see `experiment.build`.
      path: the work folder.
      console: where to say what happens.
      command: how the user called it, for the record.
      dry_run: stop after the plan, with nothing written.
      quiet: say only what must not be missed.
      tensorboard: also write event files.

    Returns:
      The answer, or None after a dry run.

    Raises:
      UserError: the folder is another experiment's or in use, or the data do not fit.
      Interrupted: by a signal, after the state was saved.
    """
    notify = lambda text: console.print(Text(text, style='yellow'))
    method = method_of(experiment, notify)
    dataset = method.dataset
    method.check([run.setting for run in experiment.runs[:: experiment.seeds]])
    if dataset.fallback:
        console.print(Text(f'STAND-IN DATA: {dataset.label}', style='bold white on red'))
    workdir = Workdir(path)
    if not dry_run:
        workdir.lock()
    try:
        manifest = manifest_lib.read(workdir, notify)
        groups, plan = _plan(experiment, workdir, manifest, method)
        if not quiet or dry_run:
            console.print(plan, highlight=False, markup=False, soft_wrap=True)
        if dry_run:
            return None
        _freeze(experiment, workdir, manifest, groups, method, command)
        reporter = for_console(console, quiet)
        groups = method.carry_out(groups, workdir, reporter)
        found = [workdir.load_result(group, reporter.note) for group in groups]
        answer = answers.write(experiment, workdir, found, method, tensorboard)
        if not quiet:
            answer.show(console)
        return answer
    finally:
        workdir.unlock()


def method_of(experiment: Experiment, notify: Callable[[str], None]) -> Method:
    """How the runs of an experiment are carried out, with its data loaded."""
    if experiment.plain is None:
        return Training(experiment.data, experiment.execution, notify)
    return Calls(experiment.plain, experiment.data, notify)


def _plan(
    experiment: Experiment,
    workdir: Workdir,
    manifest: dict[str, Any] | None,
    method: Method,
) -> tuple[list[Group], str]:
    """The groups, those of an earlier launch first, and the plan in words."""
    runs = experiment.runs
    old: list[Group] = []
    if manifest is not None:
        old = restore_groups(manifest['groups'], runs) or []
        if not old:
            _refuse(experiment, workdir)
        check_same_data(workdir, manifest, method.dataset)
    planned = {run.id for group in old for run in group.runs}
    missing = [run for run in runs if run.id not in planned]
    new, cost = method.plan(missing, runs)
    groups = old + new
    settings = len(runs) // experiment.seeds
    plan = (
        f'{experiment.name}:{experiment.size}: {method.count(groups, runs)} '
        f'({settings} settings × {experiment.seeds} seeds)'
    )
    if cost:
        plan += f', {cost}'
    if old:
        finished = sum(workdir.load_result(group, lambda text: None) is not None for group in old)
        plan += f', {finished} of {len(old)} groups finished before'
    return groups, f'{plan}, data: {method.dataset.label}, workdir: {workdir.path}'


def check_same_data(workdir: Workdir, manifest: dict[str, Any], dataset: Dataset) -> None:
    """Whether the data are those that a work folder's results are of. Raises UserError."""
    if manifest['data']['fingerprint'] != dataset.fingerprint:
        raise UserError(
            f'{workdir.path}: was made with other data ({manifest["data"]["label"]}, from '
            f'{manifest["data"]["source"]}) than are found now ({dataset.label}, from '
            f'{dataset.source}); give the same data or choose another --workdir'
        )


def _refuse(experiment: Experiment, workdir: Workdir) -> None:
    frozen = workdir.read_json('config.json')
    changed = differences(frozen, to_dict(experiment)) if frozen else ['config.json is missing']
    listed = '; '.join(changed[:8]) + (' …' if len(changed) > 8 else '')
    raise UserError(
        f'{workdir.path}: holds runs of another config ({listed}); choose another --workdir'
    )


def _freeze(
    experiment: Experiment,
    workdir: Workdir,
    manifest: dict[str, Any] | None,
    groups: Sequence[Group],
    method: Method,
    command: str,
) -> None:
    """Writes what this sweep is, before the first step."""
    launches = manifest['launches'] if manifest else []
    launch = {
        'command': command,
        'started': time.time(),
        'commit': provenance.commit(),
        'versions': provenance.versions(),
        'device': provenance.device(),
        'batchings_that_failed': method.failed,
    }
    workdir.write_json('config.json', to_dict(experiment))
    manifest_lib.write(
        workdir,
        {
            'launches': [*launches, launch],
            'data': _describe(method.dataset),
            'groups': describe_groups(groups),
        },
    )


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
    }
