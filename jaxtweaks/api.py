"""The package from Python and notebooks: `import jaxtweaks as jt`, then `jt.run` and `jt.load`."""

import contextlib
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxtweaks.base import home
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.numbers import digits
from jaxtweaks.base.terminal import Terminal
from jaxtweaks.config import config_file
from jaxtweaks.lab import asked as asked_lib
from jaxtweaks.lab import experiment, laboratory, settle, stored
from jaxtweaks.lab.answer import Answer
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.report import export
from jaxtweaks.run import cluster, compile_cache, trainers
from jaxtweaks.run.group import Interrupted

Config = str | Path | ConfigDict | Mapping | Experiment


def run(
    config: Config,
    workdir: str | Path | None = None,
    *,
    changes: Mapping[str, Any] | None = None,
    exports: Collection[str] = (),
    quiet: bool = False,
    dry_run: bool | str = False,
    mix_versions: bool = False,
    until_settled: bool = False,
    budget: str = '',
    workers: int | str | None = None,
    scheduler: str | Path | None = None,
) -> Answer | None:
    """Answers a question; what is there of the answer already is not trained again.

        answer = jt.run('configs/bn_onoff.py:smoke')
        answer = jt.run(config, changes={'seeds': 5, 'train.epochs': 3})

    Args:
      config: a config file, or the name of one in configs/ or of the package's, with ':smoke',
        ':quick' or ':paper' after it; or a config.
      workdir: the work folder; None for runs/<config>-<size>, with the changes after it, as on the
        command line.
      changes: values of keys by dotted name, in place of the config's.
      exports: what else to write: 'csv', 'pdf', 'latex', 'tensorboard', 'wandb',
        'mlflow'.
      quiet: say only what must not be missed.
      dry_run: only say what would be done, and what it costs as far as that is known or guessed;
        'measure' compiles the programs to measure it.
      mix_versions: go on in a folder though another version of the training code trained what is
        there; the numbers of both are then in one table, and the report says so.
      until_settled: add seeds, from 5 to 50, until every claim is settled or given up; not with
        `changes` of seeds, nor for a search.
      budget: the time that this may take in all, as '2h' or '90s'; '' for 30 minutes. More can
        follow, but the looks that a folder's first budget reaches have most of the power.
      workers: train by so many processes of this host; 'auto' for one for each GPU; without any,
        one for every two cores. In a script this goes below `if __name__ == '__main__':`, since
        each of them imports it.
      scheduler: train by the workers of a Dask cluster: the scheduler's address, or its file.

    Returns:
      The answer, None after a dry run.

    Raises:
      UserError: the config is wrong, the folder is another experiment's, or the data do not fit.
      KeyboardInterrupt: by Ctrl-C (or SIGTERM, SIGHUP, SIGUSR1 or SIGUSR2), after the state was
        saved; the same call goes on.
      Unfinished: some groups failed on workers and all others are finished, or the scheduler is
        gone; the same call goes on.
    """
    export.check(exports)
    if dry_run not in (True, False, laboratory.MEASURE):
        raise UserError(f"dry_run: is {dry_run!r}; it must be True, False or 'measure'")
    seconds = settle.budget_of(until_settled, budget)
    who = cluster.asked(workers, scheduler)
    if who is not None:
        trainers.keep_to_cpu(warnings.warn)
    with _with_neighbours(config), trainers.chosen(who, warnings.warn):
        return _run(config, workdir, changes, exports, quiet, dry_run, mix_versions, seconds, who)


def _run(
    config: Config,
    workdir: str | Path | None,
    changes: Mapping[str, Any] | None,
    exports: Collection[str],
    quiet: bool,
    dry_run: bool | str,
    mix_versions: bool,
    budget: float | None,
    workers: cluster.Asked | None,
) -> Answer | None:
    asked = _experiment(config, changes or {})
    if budget is not None:
        settle.check(asked, chosen='seeds' in (changes or {}))
    changed = asked_lib.changes(asked, _flat(changes or {}))
    path = home.expanded(workdir or asked_lib.folder(asked.name, asked.size, changed))
    compile_cache.enable(warnings.warn)
    try:
        return laboratory.run(
            asked,
            path,
            Terminal(),
            command=_call(config, workdir, changes, budget),
            dry_run=dry_run,
            quiet=quiet,
            exports=tuple(exports),
            mix_versions=mix_versions,
            file=_file_of(config),
            named=workdir is not None,
            budget=budget,
            workers=workers,
        )
    except Interrupted:
        raise KeyboardInterrupt(f'everything is saved in {path}; the same call goes on') from None


def load(workdir: str | Path) -> Answer:
    """The answer in a work folder, with nothing trained and nothing written.

    The data need not be there. What its config registered (parts, data sets, derivations, kinds of
    claims and figures) must be registered again: import that file. Of a sweep that is not finished
    it has what there is, with NaN for the rest, and a warning says how much that is.

    Raises:
      UserError: there is none, or none of its runs is finished.
    """
    return stored.load(home.expanded(workdir), warnings.warn)


def _experiment(config: Config, changes: Mapping[str, Any]) -> Experiment:
    """The experiment that is meant. Raises UserError."""
    if not isinstance(config, Config):
        raise UserError(f'config: is {config!r}; it must be a config file, a config or a dict')
    names = changes if isinstance(changes, Mapping | ConfigDict) else [None]
    if not all(isinstance(name, str) for name in names):
        raise UserError(f"changes: is {changes!r}; it must be a dict, as {{'train.epochs': 3}}")
    if isinstance(config, Experiment):
        if changes:
            raise UserError('changes: an Experiment is what it is; give a config to change')
        return config
    if isinstance(config, str | Path):
        path, size = _path_and_size(config)
        config = config_file.load(path, size)
    if config_file.COLLECTION in config:
        raise UserError('config: is a collection; run its experiments one by one')
    return experiment.changed(config, changes)


def _flat(values: Mapping[str, Any] | ConfigDict, prefix: str = '') -> dict[str, Any]:
    """The values of keys by their dotted names, sections taken apart."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        is_section = isinstance(value, Mapping | ConfigDict)
        found |= _flat(value, f'{prefix}{key}.') if is_section else {f'{prefix}{key}': value}
    return found


def _file_of(config: Config) -> Path | None:
    """The file that a config is of; None if it is of none."""
    return _path_and_size(config)[0] if isinstance(config, str | Path) else None


def _path_and_size(config: str | Path) -> tuple[Path, str | None]:
    """The file and the size of 'FILE:SIZE', None if it names no size."""
    name, _, size = str(config).partition(':')
    return config_file.find(name), size or None


def _with_neighbours(config: Config) -> contextlib.AbstractContextManager:
    """Lets functions of a config file import what lies next to it, for as long as they are used."""
    if isinstance(config, str | Path):
        return config_file.neighbours(_path_and_size(config)[0])
    return contextlib.nullcontext()


def _call(
    config: Config, workdir: Any, changes: Mapping[str, Any] | None, budget: float | None = None
) -> str:
    """What was called, for the record; a config that is no file stands in config.json."""
    shown = repr(str(config)) if isinstance(config, str | Path) else 'config'
    shown += f', {str(workdir)!r}' if workdir is not None else ''
    shown += f', changes={dict(changes)!r}' if changes else ''
    shown += '' if budget is None else f", until_settled=True, budget='{digits(budget)}s'"
    return f'jaxtweaks.run({shown})'
