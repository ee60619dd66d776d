"""Many experiments, one after the other, and one page about all of them.

A collection is a config with `experiments`, the config files of others. Each has its own work
folder, so that the same command again goes on where it stopped; one that fails does not stop the
rest.
"""

import dataclasses
import gc
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict
from rich.console import Console
from rich.text import Text

from jaxtweaks import data as data_lib
from jaxtweaks.base import errors, provenance
from jaxtweaks.base.errors import Unfinished, UserError
from jaxtweaks.base.numbers import digits
from jaxtweaks.config import config_file, sources
from jaxtweaks.config.build import from_dict
from jaxtweaks.config.fields import plain, required
from jaxtweaks.lab import answers, laboratory
from jaxtweaks.lab import experiment as experiment_lib
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.report import overview, report
from jaxtweaks.run.cluster import Asked
from jaxtweaks.run.group import Interrupted
from jaxtweaks.run.workdir import Workdir


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collection:
    """What to carry out."""

    name: str = required("the collection's name")
    size: str = plain('', "the size of every experiment; '' for what suits the machine")
    experiments: tuple[str, ...] = required('paths of config files, in the order of carrying out')


@dataclasses.dataclass(frozen=True)
class Options:
    """How to carry it out; see the flags of `app`."""

    dry_run: bool | str = False
    quiet: bool = False
    exports: tuple[str, ...] = ()
    workers: Asked | None = None
    mix_versions: bool = False
    budget: float | None = None
    fail_fast: bool = False


def build(values: Mapping[str, Any] | ConfigDict) -> Collection:
    """The collection of a config. Raises UserError."""
    values = values.to_dict() if isinstance(values, ConfigDict) else values
    collection = from_dict(Collection, values)
    if not collection.experiments:
        raise UserError('experiments: there are none; it must name config files')
    twice = [p for p in collection.experiments if collection.experiments.count(p) > 1]
    if twice:
        raise UserError(f'experiments: {twice[0]!r} is named twice')
    return collection


def run(
    collection: Collection,
    root: Path,
    console: Console,
    options: Options,
    command: Callable[[Sequence[str]], str],
) -> int:
    """Carries out every experiment in a folder of its own in `root`, and writes the overview.

    One that was finished before with the same config and the same commit is left as it is.

    Args:
      collection: what.
      root: gets a folder for each experiment and one for the overview.
      console: where to say what happens.
      options: how.
      command: what a user would type to give these arguments, for the record.

    Returns:
      The exit code: 0, or if an experiment failed, 2 if the mistakes are all the user's, else 1.

    Raises:
      Interrupted: by a signal, after the state was saved.
    """
    folders, failed, ours = [], {}, False
    size = collection.size
    for number, path in enumerate(collection.experiments, 1):
        heading = f'[{number}/{len(collection.experiments)}] {Path(path).stem}'
        try:
            with config_file.neighbours(Path(path)):
                experiment = _load(path, size)
                size = experiment.size
                folder = root / f'{experiment.name}-{experiment.size}'
                _run_one(experiment, path, folder, heading, console, options, command)
                folders.append(folder)  # not before: what an earlier launch left is no answer now
        except (Interrupted, BrokenPipeError):
            raise
        except UserError as error:
            failed[path] = config_file.one_line(error)
        except Unfinished as error:
            failed[path] = config_file.one_line(error)
            ours = True
        except OSError as error:
            failed[path], code = errors.os_error_words(error)
            ours |= code == 1
        except Exception as error:
            traceback.print_exc()
            ours = True
            failed[path] = f'{type(error).__name__}: {config_file.one_line(error)}'
        if path in failed:
            console.print(Text(f'{heading}: failed: {failed[path]}', style='red'), soft_wrap=True)
            if options.fail_fast:
                break
        # Programs and data of one experiment are of no use to the next.
        jax.clear_caches()
        gc.collect()
    if not options.dry_run and size:  # else none could be loaded, and each has been named
        collect(folders, root / f'overview-{size}', console, failed)
    if failed:
        listed = f'{len(failed)} of {len(collection.experiments)} failed: {", ".join(failed)}'
        console.print(Text(listed, style='bold red'), soft_wrap=True)
    return 1 if ours else 2 if failed else 0


def collect(
    folders: Sequence[Path],
    target: Path,
    console: Console,
    failed: Mapping[str, str] | None = None,
) -> None:
    """Writes the overview of what work folders hold.

    Args:
      folders: work folders, or folders of them.
      target: gets overview.html and overview.md.
      console: reports them.
      failed: paths of configs that came to nothing, and why.

    Raises:
      UserError: there is nothing to show, or the target cannot be.
    """
    entries = overview.gather(folders)
    if not entries and not failed:
        looked = ', '.join(map(str, folders)) or 'no folder'
        raise UserError(f'no finished experiment found in {looked}')
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in errors.OF_DISK:
            raise
        raise UserError(
            f'{target}: cannot be made a folder ({error.strerror}); choose another --workdir'
        ) from None
    page, _ = overview.write(target, entries, failed)
    finished = sum(entry.record is not None for entry in entries)
    for words in overview.counted(overview.lines(entries, target), finished):
        console.print(words, highlight=False)
    console.print(f'overview: {page}', highlight=False, markup=False, soft_wrap=True)


def _load(path: str, size: str) -> Experiment:
    values = config_file.load(Path(path), size or None)
    if config_file.COLLECTION in values:
        raise UserError(f'{path}: is a collection itself; name the experiments in it')
    return experiment_lib.build(values)


def _run_one(
    experiment: Experiment,
    path: str,
    folder: Path,
    heading: str,
    console: Console,
    options: Options,
    command: Callable[[Sequence[str]], str],
) -> None:
    # An experiment without claims, or a search, has nothing that more seeds would settle.
    budget = options.budget if experiment.claims and not experiment.search.rounds else None
    known = not _from_outside(experiment, Path(path)) and is_finished(experiment, folder)
    if budget is None and known and not options.exports:
        if not options.quiet:
            console.print(f'{heading}: finished before', highlight=False, markup=False)
        return
    if not options.quiet and not options.dry_run:
        console.print(Text(heading, style='bold'))
    laboratory.run(
        experiment,
        folder,
        console,
        command=command(
            [
                f'--config={path}:{experiment.size}',
                f'--workdir={folder}',
                *([] if budget is None else ['--until_settled', f'--budget={digits(budget)}s']),
            ]
        ),
        dry_run=options.dry_run,
        quiet=options.quiet,
        exports=options.exports,
        workers=options.workers,
        mix_versions=options.mix_versions,
        budget=budget,
        file=Path(path),
        named=False,
    )


def _from_outside(experiment: Experiment, path: Path) -> bool:
    """Whether an answer depends on what neither its config's values nor the commit say.

    Such are files of data that a user may change, and parts that a config outside of this checkout
    registers. Carried out again it trains nothing, but checks that they are the same.
    """
    if experiment.base.data.name.partition(':')[0] in ('csv', 'folder'):
        return True
    inside = path.resolve().is_relative_to(provenance.ROOT)
    return not inside and sources.of(path).registers


def is_finished(experiment: Experiment, folder: Path) -> bool:
    """Whether a folder holds the answer to just this, by the code as it is committed now.

    One by data that stand in for others is none once the others are there: carried out again, it
    is refused with the reason.
    """
    try:
        record = Workdir(folder).read_json('claims.json') if folder.is_dir() else None
    except UserError:  # damaged; it is made again from the results
        return False
    commit = provenance.commit()
    known = commit != 'unknown' and not commit.endswith('+')
    return (
        known
        and isinstance(record, dict)
        and record.get('commit') == commit
        and record.get('config') == answers.config_digest(experiment)
        and all((folder / name).is_file() for name in answers.files(experiment))
        and not report.is_live(folder / 'report.html')
        and not (record.get('stand_in') and _has_its_data(experiment))
    )


def _has_its_data(experiment: Experiment) -> bool:
    """Whether the data asked for can be had now."""
    return not data_lib.load(experiment.base.data, lambda text: None).fallback
