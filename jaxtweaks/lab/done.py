"""A command with nothing left to do, known at once: neither JAX nor a config is imported for it.

When a command is done, what it was made of is kept in the cache: the package's sources and the
config's, versions, variables, the command itself, and size and time of every file of the work
folder and of the data, with what was shown last. While all of it is the same, the same command has
the same answer.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from jaxtweaks.config import sources
from jaxtweaks.lab import kept


@dataclasses.dataclass(frozen=True)
class Done:
    """What a command came to.

    Attributes:
      workdir: its work folder.
      shown: the answer as it was shown, for the same terminal.
    """

    workdir: Path
    shown: str


@dataclasses.dataclass(frozen=True)
class Command:
    """A command, and all that its answer depends on besides the work folder."""

    name: str
    key: str


def command(argv: Sequence[str], path: Path, console: Console) -> Command | None:
    """What is to be known of a command line; None if its answer may depend on more than is seen.

    Args:
      argv: the command line.
      path: of its config file.
      console: where the answer is shown.
    """
    found = sources.of(path)
    if found.registers:
        return None
    asked = [arg for arg in argv[1:] if arg.lstrip('-') != 'quiet']
    try:
        texts = [hashlib.sha256(file.read_bytes()).hexdigest() for file in found.files]
    except OSError:
        return None
    terminal = console.width, console.color_system, console.encoding
    parts = [kept.key(), list(map(str, found.files)), texts, terminal]
    where = _digest([os.getcwd(), asked])
    return Command(f'done-{where[:24]}', _digest([*parts, where]))


def keep(one: Command, workdir: Path, shown: str, data: Path | None = None) -> None:
    """Keeps that a command is done.

    Args:
      one: the command.
      workdir: its work folder.
      shown: its answer, as it was shown.
      data: the file or folder that its data are read from, if there is one.
    """
    content = {
        'workdir': str(workdir),
        'shown': shown,
        'files': _files(workdir),
        'data': [str(data), _files(data)] if data else None,
    }
    kept.keep(one.name, one.key, content)


def recall(one: Command) -> Done | None:
    """What a command came to, if nothing of it has changed; else None."""
    found = kept.recall(one.name, one.key)
    if found is None or found['files'] != _files(Path(found['workdir'])):
        return None
    if found['data'] and found['data'][1] != _files(Path(found['data'][0])):
        return None
    return Done(Path(found['workdir']), found['shown'])


def _files(folder: Path) -> list[list[str | int]]:
    """The path, the size and the time of each file of a folder, or of the one file that it is."""
    if folder.is_file():
        stat = folder.stat()
        return [['', stat.st_size, stat.st_mtime_ns]]
    found, seen = [], set()
    # A data set may be made of links, to images and to folders of them.
    for inside, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(inside)) in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in names:
            path = Path(inside, name)
            try:
                stat = path.stat() if path.exists() else path.lstat()
            except FileNotFoundError:  # it has gone since it was listed
                continue
            found.append([str(path.relative_to(folder)), stat.st_size, stat.st_mtime_ns])
    return sorted(found)


def _digest(content: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
