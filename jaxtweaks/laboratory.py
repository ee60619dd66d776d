"""From an experiment to its answer: plan, train what is missing, test, draw, report."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from jaxtweaks import answers, provenance
from jaxtweaks import data as data_lib
from jaxtweaks.answers import Answer
from jaxtweaks.config import trace
from jaxtweaks.config.build import to_dict
from jaxtweaks.config.check import check_batches, check_image
from jaxtweaks.errors import UserError
from jaxtweaks.experiment import Experiment
from jaxtweaks.sweep import layout, runner
from jaxtweaks.sweep.machine import Machine
from jaxtweaks.sweep.plan import Group
from jaxtweaks.sweep.progress import duration, for_console
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
    machine = Machine(lambda config: data_lib.load(config, notify))
    dataset = machine.dataset(experiment.data)
    settings = [run.setting for run in experiment.runs[:: experiment.seeds]]
    for setting in settings:
        images = machine.dataset(setting.data).training.images
        check_batches([setting], len(images), dataset.label)
        check_image([setting], min(images.shape[1:3]))
    if dataset.fallback:
        console.print(Text(f'STAND-IN DATA: {dataset.label}', style='bold white on red'))
    workdir = Workdir(path)
    if not dry_run:
        workdir.lock()
    try:
        manifest = workdir.read_json('manifest.json')
        groups, plan = _plan(experiment, workdir, manifest, machine, dataset)
        if not quiet or dry_run:
            console.print(plan, highlight=False, markup=False, soft_wrap=True)
        if dry_run:
            return None
        _freeze(experiment, workdir, manifest, groups, dataset, command)
        reporter = for_console(console, quiet)
        runner.run_groups(groups, workdir, machine, experiment.execution, reporter)
        found = [workdir.load_result(group, reporter.note) for group in groups]
        answer = answers.write(experiment, workdir, found, dataset, tensorboard)
        if not quiet:
            answer.show(console)
        return answer
    finally:
        workdir.unlock()


def _plan(
    experiment: Experiment,
    workdir: Workdir,
    manifest: dict[str, Any] | None,
    machine: Machine,
    dataset: data_lib.Dataset,
) -> tuple[list[Group], str]:
    """The groups, those of an earlier launch first, and the plan in words."""
    runs = experiment.runs
    old: list[Group] = []
    if manifest is not None:
        old = restore_groups(manifest['groups'], runs) or []
        if not old:
            _refuse(experiment, workdir)
        _check_same(workdir, manifest, dataset)
    planned = {run.id for group in old for run in group.runs}
    missing = [run for run in runs if run.id not in planned]
    off = trace.off_everywhere(run.setting for run in runs)
    new, probes = layout.make_groups(missing, experiment.execution, machine, off)
    groups = old + new
    cost = layout.estimate(new, probes, machine)
    programs = len({(group.static, group.size, group.batching) for group in groups})
    settings = len(runs) // experiment.seeds
    plan = (
        f'{experiment.name}:{experiment.size}: {programs} programs × {len(runs) / programs:g} runs '
        f'({settings} settings × {experiment.seeds} seeds)'
    )
    if new:
        plan += f', about {max(cost.gibibytes, 0.01):.2g} GiB, about {duration(cost.seconds)}'
    if old:
        finished = sum(workdir.load_result(group, lambda text: None) is not None for group in old)
        plan += f', {finished} of {len(old)} groups finished before'
    return groups, f'{plan}, data: {dataset.label}, workdir: {workdir.path}'


def _check_same(workdir: Workdir, manifest: dict[str, Any], dataset: data_lib.Dataset) -> None:
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
    dataset: data_lib.Dataset,
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
    }
    workdir.write_json('config.json', to_dict(experiment))
    workdir.write_json(
        'manifest.json',
        {
            'launches': [*launches, launch],
            'data': _describe(dataset),
            'groups': describe_groups(groups),
        },
    )


def _describe(dataset: data_lib.Dataset) -> dict[str, Any]:
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
