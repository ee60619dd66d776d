"""Content that is believed only if its checksum is right: bytes in a file, and JSON.

A file of bytes is `MAGIC`, the SHA-256 of all that follows, and what follows. JSON has the SHA-256
of its other keys under the key `CHECKSUM`, so that it stays readable.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtweaks.base import atomic

MAGIC = b'jaxtweaks1\n'
CHECKSUM = 'sha256'
START = len(MAGIC) + hashlib.sha256().digest_size  # of what follows, in bytes
_WRONG = 'its checksum is wrong'


def write(path: Path, *parts: bytes | memoryview) -> None:
    """Writes the parts, one after the other, as one file. See `atomic.write`."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    atomic.write(path, MAGIC, digest.digest(), *parts)


def read(path: Path) -> memoryview:
    """The parts that `write` wrote.

    Raises:
      ValueError: the file is not what was written.
      OSError: it cannot be read.
    """
    return content(path.read_bytes())


def content(written: bytes) -> memoryview:
    """The parts, of the bytes of a file. Raises ValueError if they are not what was written."""
    stored = memoryview(written)
    if stored[: len(MAGIC)] != MAGIC:
        raise ValueError('it does not begin as it should')
    if hashlib.sha256(stored[START:]).digest() != stored[len(MAGIC) : START]:
        raise ValueError(_WRONG)
    return stored[START:]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes plain data; what is not finite is refused: JSON has no word for it."""
    plain = json.loads(json.dumps(content, allow_nan=False))  # as it will be read
    whole = plain | {CHECKSUM: _digest(plain)}
    text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)
    atomic.write_text(path, text + '\n')


def parse_json(data: bytes, required: bool = False) -> Any:
    """What `write_json` wrote, without the checksum.

    Args:
      data: the bytes of the file.
      required: whether it must have a checksum; a result without one is of an earlier version, and
        believed.

    Raises:
      ValueError: it is no JSON, or its checksum is wrong or missing.
    """
    try:
        content = json.loads(data)
    except RecursionError:
        raise ValueError('it is nested too deeply') from None
    if isinstance(content, dict) and CHECKSUM in content:
        if content.pop(CHECKSUM) != _digest(content):
            raise ValueError(f'{_WRONG}: it was damaged, or changed by hand')
    elif required:
        raise ValueError('its checksum is missing')
    return content


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
