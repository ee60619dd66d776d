"""Files that are whole or absent, and are believed only if their checksum is right."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import flax.serialization

_MAGIC = b'jaxtweaks1\n'


class DamagedFile(Exception):
    """A file is not what was written; the message names it."""


def write_atomic(path: Path, content: bytes) -> None:
    """Writes a file that appears under its name only when all of it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def save_tree(path: Path, tree: Any) -> None:
    """Writes nested dicts of arrays, numbers and strings with a SHA-256 of their bytes."""
    content = flax.serialization.msgpack_serialize(tree)
    write_atomic(path, _MAGIC + hashlib.sha256(content).digest() + content)


def load_tree(path: Path) -> Any:
    """What `save_tree` wrote.

    Raises:
      FileNotFoundError: there is no such file.
      DamagedFile: its bytes are not those that were written.
    """
    data = path.read_bytes()
    start = len(_MAGIC) + 32
    content = data[start:]
    if not data.startswith(_MAGIC) or hashlib.sha256(content).digest() != data[len(_MAGIC) : start]:
        raise DamagedFile(f'{path} is damaged (its checksum is wrong)')
    return flax.serialization.msgpack_restore(content)


def save_generation(path: Path, tree: Any) -> None:
    """`save_tree`, keeping the file that was there before as `path` + '.previous'."""
    if path.exists():
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
    return None


def remove_generations(path: Path) -> None:
    """Deletes what `save_generation` wrote."""
    path.unlink(missing_ok=True)
    _previous(path).unlink(missing_ok=True)


def _previous(path: Path) -> Path:
    return path.with_name(path.name + '.previous')


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
