"""Many experiments, one after the other, and one page about all of them.

A collection is a config with `experiments`, the config files of others. Each has its own work
folder, so that the same command again goes on where it stopped; one that fails does not stop the
rest.
"""

import contextlib
import dataclasses
import functools
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
from jaxtweaks.base.words import count
from jaxtweaks.config import config_file, sources
from jaxtweaks.config.build import from_dict
from jaxtweaks.config.fields import plain, required
from jaxtweaks.lab import answers, laboratory, settle, stored
from jaxtweaks.lab import experiment as experiment_lib
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.lab.shared_budget import SharedBudget
from jaxtweaks.report import overview, report
from jaxtweaks.run.cluster import Asked
from jaxtweaks.run.group import Interrupted
from jaxtweaks.run.progress import duration
from jaxtweaks.run.workdir import Workdir


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collection:
    """What to carry out."""

    name: str = required("the collection's name")
    size: str = plain('', "the size of every experiment; '' for what suits the machine")
    first_seed: int = plain(0, 'of every experiment; 0 for its own', low=0, high=4e9)
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
    course = _Course(collection, root, console, options, command)
    course.carry_out()
    failed, internal = course.failed, course.internal
    if not options.dry_run and course.size:  # else none could be loaded, and each has been named
        collect(course.folders, root / f'overview-{course.size}', console, failed)
    if failed:
        listed = f'{len(failed)} of {len(collection.experiments)} failed: {", ".join(failed)}'
        console.print(Text(listed, style='bold red'), soft_wrap=True)
    return 1 if internal else 2 if failed else 0


class _Course:
    """The experiments of a collection, as far as they have come.

    Attributes:
      size: of the experiments; that of the first if the collection has none.
      folders: of those that have an answer by now, in their order.
      failed: the paths of those that failed, and why.
      internal: whether an error was not by what was asked.
    """

    def __init__(
        self,
        collection: Collection,
        root: Path,
        console: Console,
        options: Options,
        command: Callable[[Sequence[str]], str],
    ):
        """Args: as those of `run`."""
        self._collection, self._root, self._console = collection, root, console
        self._options, self._command = options, command
        self._budget = (
            SharedBudget(options.budget, len(collection.experiments)) if options.budget else None
        )
        self.size = collection.size
        self.failed: dict[str, str] = {}
        self.internal = False
        self._folders: dict[str, Path] = {}

    @property
    def folders(self) -> list[Path]:
        return [folder for path, folder in self._folders.items() if path not in self.failed]

    def carry_out(self) -> None:
        """Each of them, and with a budget those again that it goes to."""
        paths, budget = self._collection.experiments, self._budget
        if budget:
            self._say(
                f'budget: {duration(budget.seconds)} of training for all. Looks at claims are '
                f'planned for {duration(budget.part)} of each experiment'
            )
        for number, path in enumerate(paths, 1):
            self._attempt(path, f'[{number}/{len(paths)}] {Path(path).stem}')
            if path in self.failed and self._options.fail_fast:
                return
        while budget and (chosen := budget.choose()):
            cost, left = duration(chosen.seconds), duration(chosen.left)
            seeds = f'up to {chosen.seeds} seeds, about {cost} of the {left} left'
            self._attempt(chosen.name, f'{Path(chosen.name).stem}: {seeds}')
            if chosen.name in self.failed and self._options.fail_fast:
                return
        if budget and budget.wanted:
            left, wanted = duration(budget.left), count(budget.wanted, 'experiment')
            self._say(
                f'{left} of the budget left, too little for a further look at the claims of '
                f'{wanted}: raise --budget to go on'
            )

    def _say(self, words: str) -> None:
        if not self._options.quiet:
            self._console.print(words, highlight=False, markup=False, soft_wrap=True)

    def _attempt(self, path: str, heading: str) -> None:
        """Carries out an experiment; a failure is said, and put down in `failed`."""
        try:
            with config_file.neighbours(Path(path)):
                self._carry_out(path, heading)
        except (Interrupted, BrokenPipeError):
            raise
        except UserError as error:
            self.failed[path] = config_file.one_line(error)
        except Unfinished as error:
            self.failed[path] = config_file.one_line(error)
            self.internal = True
        except OSError as error:
            self.failed[path], code = errors.os_error_words(error)
            self.internal |= code == 1
        except Exception as error:
            traceback.print_exc()
            self.internal = True
            self.failed[path] = f'{type(error).__name__}: {config_file.one_line(error)}'
        if path in self.failed:
            failed = f'{heading}: failed: {self.failed[path]}'
            self._console.print(Text(failed, style='red'), soft_wrap=True)
        # Programs and data of one experiment are of no use to the next.
        jax.clear_caches()
        gc.collect()

    def _carry_out(self, path: str, heading: str) -> None:
        experiment = _load(path, self.size, self._collection.first_seed)
        self.size = experiment.size
        folder = self._root / f'{experiment.name}-{experiment.size}'
        counted = contextlib.nullcontext()
        if self._budget and not self._options.dry_run:
            trained = functools.partial(_seconds, experiment, folder)
            counted = self._budget.visit(path, trained, alone=self._options.workers is None)
        with counted:
            self._train(experiment, path, folder, heading)
        self._folders[path] = folder  # not before: what an earlier launch left is no answer now

    def _train(self, experiment: Experiment, path: str, folder: Path, heading: str) -> None:
        options = self._options
        # Without claims, if nothing is left to chance, and of a search more seeds settle nothing.
        growing = settle.possible(experiment) and not experiment.search.rounds
        shared = self._budget if growing else None
        known = not _from_outside(experiment, Path(path)) and is_finished(experiment, folder)
        if not shared and known and not options.exports:
            self._say(f'{heading}: finished before')
            return
        if not options.quiet and not options.dry_run:
            self._console.print(Text(heading, style='bold'))
        budget = shared.part if shared else None
        laboratory.run(
            experiment,
            folder,
            self._console,
            command=self._command(self._arguments(experiment, path, folder, budget)),
            dry_run=options.dry_run,
            quiet=options.quiet,
            exports=options.exports,
            workers=options.workers,
            mix_versions=options.mix_versions,
            budget=budget,
            allow=shared.allow(path) if shared else None,
            file=Path(path),
            named=False,
        )

    def _arguments(
        self, experiment: Experiment, path: str, folder: Path, budget: float | None
    ) -> list[str]:
        """What one would type to carry out one experiment of them."""
        first = self._collection.first_seed
        return [
            f'--config={path}:{experiment.size}',
            f'--workdir={folder}',
            *([f'--config.first_seed={first}'] if first else []),
            *([] if budget is None else ['--until_settled', f'--budget={digits(budget)}s']),
        ]


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


def _load(path: str, size: str, first_seed: int) -> Experiment:
    values = config_file.load(Path(path), size or None)
    if config_file.COLLECTION in values:
        raise UserError(f'{path}: is a collection itself; name the experiments in it')
    experiment = experiment_lib.build(values)
    return dataclasses.replace(experiment, first_seed=first_seed or experiment.first_seed)


def _seconds(experiment: Experiment, folder: Path) -> float:
    """What the results in a folder took; 0 if it cannot be read, which is reported elsewhere."""
    try:
        found = stored.read(experiment, Workdir(folder), lambda text: None)
    except UserError:
        return 0.0
    return found.seconds if found else 0.0


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
