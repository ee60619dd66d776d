"""The configs there are: what each asks, and how long it takes."""

import ast
import dataclasses
import gc
from collections.abc import Iterator, Mapping
from pathlib import Path

import jax
from ml_collections import ConfigDict
from rich.console import Console
from rich.text import Text

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import ABSENT
from jaxtweaks.config import config_file
from jaxtweaks.config.config_time import measured
from jaxtweaks.lab import experiment as experiment_lib
from jaxtweaks.lab import laboratory

_WIDTH = 24  # of the times: "1 to 2 minutes (quick)" and a little more


@dataclasses.dataclass(frozen=True)
class Entry:
    """A config in a line: its file, its question with the document, and its time in words."""

    path: Path
    question: str
    time: str


def entries(folder: Path, console: Console, estimate: bool = False) -> Iterator[Entry]:
    """Every config of a folder, at the size that suits the machine; collections come last.

    Args:
      folder: of config files.
      console: is told what happens while data are loaded for an estimate.
      estimate: whether to estimate, by a dry run, what was not measured at this size.

    Raises:
      UserError: there is no such folder, or a config has a mistake.
    """
    if not folder.is_dir():
        raise UserError(f'--list: there is no folder {folder} here; go to where main.py is')
    collections = []
    for path in config_file.in_folder(folder):
        values = config_file.load(path, None)
        if config_file.COLLECTION in values:
            doc = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or path.stem
            collections.append(Entry(path, doc.splitlines()[0], ABSENT))
        else:
            document = values.get('document')
            question = str(values.get('question') or ABSENT) + (
                f' ({document})' if document else ''
            )
            yield Entry(path, question, _time(path, values, console, estimate))
    yield from collections


def show(folder: Path, console: Console, estimate: bool = False) -> None:
    """Prints every config of a folder in a line. Arguments as of `entries`."""
    width = max((len(str(path)) for path in folder.glob('*.py')), default=0)
    for entry in entries(folder, console, estimate):
        line = f'{entry.path!s:{width}}  {entry.time:{_WIDTH}} {entry.question}'
        console.print(Text(line), soft_wrap=True)
    if not estimate:
        console.print(
            f'Times as measured on two CPU cores, at the size named. {ABSENT}: not measured; '
            '--list --dry_run estimates it on this machine, which takes a while.',
            highlight=False,
            soft_wrap=True,
        )


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
