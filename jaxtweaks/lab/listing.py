"""The configs there are: what each asks, and how long it takes."""

import ast
import dataclasses
import gc
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict
from rich.console import Console

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import ABSENT
from jaxtweaks.config import config_file
from jaxtweaks.config.config_time import measured
from jaxtweaks.lab import experiment as experiment_lib
from jaxtweaks.lab import laboratory
from jaxtweaks.lab.kept import MISTAKE, Line

_WIDTH = 24  # of the times: "1 to 2 minutes (quick)" and a little more


@dataclasses.dataclass(frozen=True)
class Entry:
    """A config in a line.

    Attributes:
      path: its file.
      question: what it asks, with the document.
      time: how long it takes, in words.
      mistake: what is wrong with it, '' if nothing is; then the others say nothing.
    """

    path: Path
    question: str = ABSENT
    time: str = ABSENT
    mistake: str = ''


def entries(folder: Path, console: Console, estimate: bool = False) -> Iterator[Entry]:
    """Every config of a folder, at the size that suits the machine; collections come last.

    One with a mistake, or whose data cannot be had, has an entry that says so.

    Args:
      folder: of config files.
      console: reports what happens while data are loaded for an estimate.
      estimate: whether to estimate, by a dry run, what was not measured at this size.

    Raises:
      UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f'--list: there is no folder {folder} here; make one, or go to where it is')
    collections = []
    for path in config_file.in_folder(folder):
        try:
            with config_file.neighbours(path):
                values = config_file.load(path, None)
                is_collection = config_file.COLLECTION in values
                entry = None if is_collection else _entry(path, values, console, estimate)
        except UserError as error:
            entry = Entry(path, mistake=config_file.one_line(error))
        if entry is not None:
            yield entry
            continue
        doc = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or path.stem
        collections.append(Entry(path, doc.splitlines()[0]))
    yield from collections


def _entry(
    path: Path, values: Mapping[str, Any] | ConfigDict, console: Console, estimate: bool
) -> Entry:
    document, question = values.get('document'), values.get('question') or ABSENT
    asked = f'{question} ({document})' if document else str(question)
    return Entry(path, config_file.one_line(asked), _time(path, values, console, estimate))


def lines(folder: Path, console: Console, estimate: bool = False) -> Iterator[Line]:
    """Every config of a folder in a line, with `MISTAKE` for a style where it has one.

    Those of the folders in it follow, each under its name. Arguments as of `entries`. Those that
    come with the package are known by their names alone.
    """
    by_name = folder == config_file.shipped()
    shown = lambda path: path.stem if by_name else str(path)
    inside = config_file.inner(folder) if folder.is_dir() else []
    every = [path for one in (folder, *inside) for path in one.glob('*.py')]
    width = max((len(shown(path)) for path in every), default=0)
    for one in (folder, *inside):
        if one != folder:
            yield f'{one.name.capitalize()}:', ''
        for entry in entries(one, console, estimate):
            wrong = entry.mistake
            time, rest = ('mistake', wrong) if wrong else (entry.time, entry.question)
            yield f'{shown(entry.path):{width}}  {time:{_WIDTH}} {rest}', MISTAKE if wrong else ''
    if not estimate:
        yield (
            f'Times as measured on two CPU cores, at the size named, or at any. {ABSENT}: not '
            'measured; --list --dry_run estimates it on this machine, which takes a while.',
            '',
        )
    listed = {one.resolve() for one in (folder, *inside)}
    further = [one for one in config_file.folders() if one.resolve() not in listed]
    for names in (_names(one, folder) for one in further):
        if names:
            yield f'By its name alone, one that comes with the package: {", ".join(names)}.', ''


def _names(folder: Path, but: Path) -> list[str]:
    """The names of the configs of a folder that another has no config of."""
    own = {path.name for path in but.glob('*.py')}
    return [path.stem for path in config_file.in_folder(folder) if path.name not in own]


def _time(path: Path, values: Mapping | ConfigDict, console: Console, estimate: bool) -> str:
    known, size = measured(path), values.get('size', experiment_lib.Experiment.size)
    if known and (known.size in (size, 'any') or not estimate):
        return f'{known.words} ({known.size})'.replace(' (any)', '')
    if not estimate:
        return ABSENT
    cost = laboratory.estimate(experiment_lib.build(values), console)
    # Programs and data of one experiment are of no use to the next.
    jax.clear_caches()
    gc.collect()
    return f'{cost} ({size})' if cost else ABSENT
