"""Listings that take seconds to make, kept in the cache until what they are made of has changed.

What is here imports neither JAX nor anything else that takes long: a listing is to be read at once.
"""

import contextlib
import hashlib
import importlib.metadata
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from jaxtweaks.base import home, sealed

Line = tuple[str, str]  # and its style, as rich knows it
MISTAKE = 'red'  # the style of a line that names one

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = ('jax', 'flax', 'optax')
# What a listing may depend on besides files: on which device there is the default size does.
_VARIABLES = ('JAX_', 'CUDA_', 'ROCR_', 'HIP_', 'TPU_', 'TFDS_DATA_DIR')
_SET_BY_JAX = ('TPU_SKIP_MDS_QUERY',)  # when it is imported, so only in some processes
_DEVICES = ('/dev/nvidia0', '/dev/kfd', '/dev/accel0', '/dev/vfio/0')


def key(folders: Iterable[Path] = ()) -> str:
    """SHA-256, in hex, of what decides a listing: sources, versions, variables and devices.

    Args:
      folders: whose Python files it is made of, besides the package's own.
    """
    whole = hashlib.sha256()
    for folder in (_PACKAGE, *folders):
        for path in sorted(folder.rglob('*.py')):
            with contextlib.suppress(OSError):  # a link to nowhere, a folder that is locked
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                whole.update(f'{path.resolve()} {digest}\n'.encode(errors='surrogateescape'))
    named = [name for name in os.environ if name.startswith(_VARIABLES)]
    variables = {name: os.environ[name] for name in named if name not in _SET_BY_JAX}
    devices = [name for name in _DEVICES if os.path.exists(name)]
    versions = [importlib.metadata.version(name) for name in _INSTALLED]
    whole.update(repr((sys.version, versions, sorted(variables.items()), devices)).encode())
    return whole.hexdigest()


def recall(name: str, key: str) -> Any | None:
    """What `keep` kept under this name and key; None if there is nothing, or it is damaged."""
    path = _path(name)
    try:
        content = sealed.parse_json(path.read_bytes(), required=True) if path else None
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get('key') != key:
        return None
    return content.get('content')


def keep(name: str, key: str, content: Any) -> None:
    """Keeps what JSON can hold, if there is a place for it."""
    if path := _path(name):
        with contextlib.suppress(OSError):
            sealed.write_json(path, {'key': key, 'content': content})


def printed(lines: Iterable[Line], console: Console) -> Iterator[Line]:
    """The lines, each printed as it comes."""
    for text, style in lines:
        console.print(Text(text, style=style), soft_wrap=True)
        yield text, style


def mistakes(lines: Iterable[Line]) -> int:
    """How many of the lines are of a config with a mistake."""
    return sum(style == MISTAKE for _, style in lines)


def _path(name: str) -> Path | None:
    folder = home.cache()
    return folder / 'listings' / f'{name}.json' if folder else None
