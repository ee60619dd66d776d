"""Writing a file, or a folder, that is whole or absent.

What is under way has a name of its own. A process that is killed leaves it behind, and whoever
writes in the folder a day later deletes it.
"""

import contextlib
import errno
import functools
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path


def write(path: str | Path, *parts: bytes | memoryview) -> None:
    """Writes the parts, one after the other, as a file that appears only when it is on the disk.

    Its folder is made if need be. Whatever happens, others see the old file or the whole new one.

    Raises:
      OSError: it cannot be written; the old file is as it was. Its `filename` is `path`.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _tidy(path.parent.absolute())
        _write(path, parts)
    except OSError as error:
        # A full disk is found out by calls that know no name, or that of the temporary file.
        error.filename, error.filename2 = str(path), None
        raise


def write_text(path: str | Path, text: str) -> None:
    """Writes text as UTF-8, see `write`.

    A byte of a path that is not UTF-8, which Python has as a surrogate, becomes '\\udc' and its two
    hex digits: that is what JSON calls it too.
    """
    write(path, text.encode(errors='backslashreplace'))


@contextlib.contextmanager
def folders(path: Path) -> Iterator[Path]:
    """Folders within `path` that are filled elsewhere, and appear when all are whole.

    Those that are there already are deleted just before; others stay. If something goes wrong
    while they are filled, all is as it was.

    Yields:
      An empty folder next to `path`, on the same disk, to make them in.
    """
    with scratch(path) as temporary:
        yield temporary
        path.mkdir(exist_ok=True)
        for new in sorted(temporary.iterdir()):
            shutil.rmtree(path / new.name, ignore_errors=True)
            os.replace(new, path / new.name)
        _sync(path)


@contextlib.contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """An empty folder next to `path`, on the same disk, to make something in that is deleted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _tidy(path.parent.absolute())
    temporary = _temporary(path)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder: Path, seconds: float = -math.inf) -> None:
    """Deletes what processes that were killed while writing left in a folder.

    Args:
      folder: in which no one else is writing, unless only what is old is deleted.
      seconds: since they were last written to, at least.
    """
    for path in folder.glob('.*.tmp'):
        if not _TEMPORARY.fullmatch(path.name):
            continue
        with contextlib.suppress(FileNotFoundError):  # another process has deleted it meanwhile
            if time.time() - path.lstat().st_mtime < seconds:
                continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@functools.cache
def _tidy(folder: Path, /) -> None:
    """Deletes what was left in a folder, once a process: a cache has many files, and no owner."""
    with contextlib.suppress(OSError):  # it is not what was asked for
        remove_leftovers(folder, _DAY)


_DAY = 24 * 3600.0
_TEMPORARY = re.compile(r'\..+\.[0-9a-f]{12}\.tmp')


def _temporary(path: Path) -> Path:
    return path.with_name(f'.{path.name}.{secrets.token_hex(6)}.tmp')


def _write(path: Path, parts: tuple[bytes | memoryview, ...]) -> None:
    temporary = _temporary(path)
    try:
        with open(temporary, 'xb') as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Makes the renaming itself last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # not known of folders there
            raise
    finally:
        os.close(handle)
