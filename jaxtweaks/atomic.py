"""Writing a file that is whole or absent."""

import contextlib
import os
import secrets
from pathlib import Path


def write(path: str | Path, *parts: bytes | memoryview) -> None:
    """Writes the parts, one after the other, as a file that appears only when it is on the disk.

    Its folder is made if need be. Whatever happens, others see the old file or the whole new one.

    Raises:
      OSError: it cannot be written; the old file is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
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
