"""What lies below a folder, at any depth: files, folders, and what is passed over."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from jaxtweaks.base.errors import UserError

# The names on the way from a folder to what lies below it.
Place = tuple[str, ...]

# Left by macOS and Windows in every folder they show; nobody's data.
_LITTER = ('.ds_store', 'thumbs.db', 'ehthumbs.db', 'desktop.ini', '__macosx')


@dataclasses.dataclass(frozen=True)
class Listing:
    """What lies below `folder`, each in the order of the names; links are followed.

    Attributes:
      files: what can be read.
      folders: those that were looked into.
      hidden: files and folders whose names begin with '.'; nothing below them is listed.
      nowhere: links that lead nowhere, or back to a folder they lie in.
      special: what is neither file nor folder.
    """

    folder: Path
    files: tuple[Place, ...]
    folders: tuple[Place, ...]
    hidden: tuple[Place, ...]
    nowhere: tuple[Place, ...]
    special: tuple[Place, ...]

    def path(self, place: Place) -> Path:
        """Where it is."""
        return self.folder.joinpath(*place)


def listing(folder: Path, ours: Path) -> Listing:
    """Lists a folder, without the folder `ours` if that should be in it.

    Raises:
      UserError: a folder in it cannot be read.
    """
    found: dict[str, list[Place]] = {
        field.name: [] for field in dataclasses.fields(Listing) if field.name != 'folder'
    }
    try:
        waiting: list[tuple[Place, frozenset[tuple[int, int]]]]
        waiting = [((), frozenset([_identity(folder)]))]
        while waiting:
            place, above = waiting.pop()
            with os.scandir(folder.joinpath(*place)) as entries:
                for entry in entries:
                    kind = 'litter' if _is(entry, ours) else _kind(entry, above)
                    below = (*place, entry.name)
                    found.setdefault(kind, []).append(below)
                    if kind == 'folders':
                        waiting.append((below, above | {_identity(entry.path)}))
    except OSError as error:
        raise UserError(f'{error.filename}: cannot be read ({error.strerror})') from error
    found.pop('litter', None)
    return Listing(folder, **{kind: tuple(sorted(places)) for kind, places in found.items()})


def shown(place: Place) -> str:
    """A place as a path on one line, whatever the names are."""
    path = '/'.join(place)
    return path if path.isprintable() else ascii(path)[1:-1]


def such_as(places: Sequence[Place], words: str) -> list[str]:
    """The sentence 'N {words}, such as PLACE'; [] if there are no places.

    `words` has {s}, {is_}, {has}, {lies} or {leads} where it agrees with the number.
    """
    if not places:
        return []
    forms = _PLURAL if len(places) > 1 else _SINGULAR
    return [f'{len(places):,} {words.format(**forms)}, such as {shown(places[0])}']


_SINGULAR = {'s': '', 'is_': 'is', 'has': 'has', 'lies': 'lies', 'leads': 'leads'}
_PLURAL = {'s': 's', 'is_': 'are', 'has': 'have', 'lies': 'lie', 'leads': 'lead'}


def _identity(path: str | Path) -> tuple[int, int]:
    stat = os.stat(path)
    return stat.st_dev, stat.st_ino


def _is(entry: os.DirEntry, ours: Path) -> bool:
    named = entry.name == ours.name and entry.is_dir() and ours.is_dir()
    return named and os.path.samefile(entry.path, ours)


def _kind(entry: os.DirEntry, above: frozenset[tuple[int, int]]) -> str:
    """In which list of `Listing` it belongs, or 'litter'."""
    name = entry.name
    if name.casefold() in _LITTER or name.startswith('._'):
        return 'litter'
    if name.startswith('.'):
        return 'hidden'
    try:
        if entry.is_dir():
            return 'nowhere' if _identity(entry.path) in above else 'folders'
        if entry.is_file():
            return 'files'
    except OSError:  # a link to itself
        if not entry.is_symlink():
            raise
    return 'nowhere' if entry.is_symlink() else 'special'
