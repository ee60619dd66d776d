"""Trees of arrays in files that are believed only if their checksum is right."""

import contextlib
import os
from pathlib import Path
from typing import Any

import flax.serialization

from jaxtweaks.base import atomic, sealed


class DamagedFile(Exception):
    """A file is not what was written; the message names it."""


def save_tree(path: Path, tree: Any) -> None:
    """Writes nested dicts of arrays, numbers and strings with a SHA-256 of their bytes."""
    sealed.write(path, flax.serialization.msgpack_serialize(tree))


def load_tree(path: Path) -> Any:
    """What `save_tree` wrote.

    Raises:
      FileNotFoundError: there is no such file.
      DamagedFile: its bytes are not those that were written, or hold what is never written.
    """
    try:
        content = sealed.read(path)
    except ValueError as error:
        raise DamagedFile(f'{path} is damaged ({error})') from None
    try:
        return flax.serialization.msgpack_restore(bytes(content))
    except Exception as error:  # arrays of objects and whatever else was planted, not written
        raise DamagedFile(f'{path} is damaged ({type(error).__name__}: {error})') from None


def save_generation(path: Path, tree: Any) -> None:
    """`save_tree`, keeping the file that was there before as `path` + '.previous'."""
    with contextlib.suppress(FileNotFoundError):
        os.replace(path, _previous(path))
    save_tree(path, tree)


def load_generation(path: Path, notify: Any) -> Any | None:
    """The newest undamaged generation, or None; says by `notify(text)` what was damaged."""
    for candidate in (path, _previous(path)):
        try:
            return load_tree(candidate)
        except FileNotFoundError:
            continue
        except DamagedFile as damage:
            notify(f'{damage}; going back to an earlier state')
            # Out of the way: the next save must not push out the good one in its place.
            os.replace(candidate, _damaged(candidate))
    return None


def copied_generation(path: Path) -> bytes | None:
    """The bytes of the newest undamaged generation, for `put_generation`; None if there is none."""
    for candidate in (path, _previous(path)):
        with contextlib.suppress(FileNotFoundError, ValueError):
            stored = candidate.read_bytes()
            sealed.content(stored)
            return stored
    return None


def put_generation(path: Path, stored: bytes) -> None:
    """Writes what `copied_generation` returned as the newest. Raises DamagedFile."""
    _check(path, stored)
    with contextlib.suppress(FileNotFoundError):
        os.replace(path, _previous(path))
    atomic.write(path, stored)


def put_tree(path: Path, stored: bytes) -> None:
    """Writes the bytes of a file that `save_tree` wrote. Raises DamagedFile."""
    _check(path, stored)
    atomic.write(path, stored)


def _check(path: Path, stored: bytes) -> None:
    try:
        sealed.content(stored)
    except ValueError as error:
        raise DamagedFile(f'{path.name} was damaged on its way ({error})') from None


def has_generation(path: Path) -> bool:
    """Whether there is a file that `save_generation` wrote."""
    return path.exists() or _previous(path).exists()


def remove_generations(path: Path) -> None:
    """Deletes what `save_generation` wrote."""
    for old in (path, _previous(path)):
        old.unlink(missing_ok=True)
        _damaged(old).unlink(missing_ok=True)


def _damaged(path: Path) -> Path:
    return path.with_name(path.name + '.damaged')


def _previous(path: Path) -> Path:
    return path.with_name(path.name + '.previous')
