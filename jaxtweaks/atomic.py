"""Writing a file that is whole or absent."""

import contextlib
import os
import re
import secrets
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
        _write(path, parts)
    except OSError as error:
        # A full disk is found out by calls that know no name, or that of the temporary file.
        error.filename, error.filename2 = str(path), None
        raise


def remove_leftovers(folder: Path) -> None:
    """Deletes what processes that were killed while writing left in a folder.

    Only for a folder in which no one else is writing.
    """
    for path in folder.glob('.*.tmp'):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


_TEMPORARY = re.compile(r'\..+\.[0-9a-f]{12}\.tmp')


def _write(path: Path, parts: tuple[bytes | memoryview, ...]) -> None:
    temporary = path.with_name(f'.{path.name}.{secrets.token_hex(6)}.tmp')
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
    finally:
        os.close(handle)
