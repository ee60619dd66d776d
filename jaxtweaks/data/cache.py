"""Arrays kept between runs: written atomically, verified on reading, never believed if damaged.

A file (see `base.sealed`) has the length of a JSON header (8 bytes, little endian), the header, and
the bytes of the arrays it lists. Nothing in it is ever executed.
"""

import atexit
import functools
import hashlib
import inspect
import json
import math
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from jaxtweaks.base import home, sealed
from jaxtweaks.base.errors import UserError

_SMALL = 128 * 2**20  # bytes; they are read in a fraction of a second
_DTYPES = {'uint8': '|u1', 'int32': '<i4'}

Made = tuple[dict[str, np.ndarray], dict]  # arrays, and the facts that go with them


def folder() -> pathlib.Path:
    """Where the cache lies: see `home.cache`.

    Where no home folder is known, a temporary folder that is deleted when the process ends.

    Raises:
      UserError: JAXTWEAKS_CACHE_DIR begins with a ~ that stands for nothing.
    """
    return home.cache() or _temporary()


def lasts() -> bool:
    """Whether the cache is there for the next process."""
    return home.cache() is not None


@functools.cache
def _temporary() -> pathlib.Path:
    """A folder of this process alone: a name known beforehand could be taken by another user."""
    made = tempfile.mkdtemp(prefix='jaxtweaks-')
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return pathlib.Path(made)


def key(files: Mapping[str, pathlib.Path], options: object, code: Sequence[str]) -> str:
    """What decides the arrays made of `files`: it changes when any of that does.

    Files are known by their content if they are small together, otherwise by size, the times of
    the last change of content and of the entry (which cannot be set back), and inode.

    Args:
      files: by their names relative to the folder they are of; renamed, they are others.
      options: whatever else decides the arrays, for JSON.
      code: the names of the modules that make the arrays.

    Raises:
      UserError: a file cannot be read.
    """
    try:
        stats = [(name, path, path.stat()) for name, path in files.items()]
        if sum(stat.st_size for _, _, stat in stats) <= _SMALL:
            listed = [[name, _digest(path)] for name, path, _ in stats]
        else:
            listed = [
                [name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
                for name, _, stat in stats
            ]
        makers = [_digest(pathlib.Path(inspect.getfile(sys.modules[name]))) for name in code]
    except OSError as error:
        raise UserError(f'{error.filename}: cannot be read ({error.strerror})') from error
    return hashlib.sha256(json.dumps([listed, options, makers]).encode()).hexdigest()


def _digest(path: pathlib.Path) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def read(name: str, key: str, notify: Callable[[str], None]) -> Made | None:
    """The arrays (read-only) and facts stored under `name`, if `key` is what they were stored with.

    None if there is no such file, if it was made from something else (`key` differs), or if it is
    damaged; the last with a notice, since the caller has to make it again.
    """
    path = folder() / name
    try:
        arrays, header = _unpack(sealed.read(path))
        return (arrays, header['facts']) if header['key'] == key else None
    except FileNotFoundError:
        return None
    except OSError as error:
        notify(f'notice: the cache file {path} cannot be read ({error.strerror})')
        return None
    except (ValueError, KeyError, TypeError) as error:
        notify(f'notice: the cache file {path} is damaged ({error}); it is made again')
        return None


def facts(name: str, files: Iterable[pathlib.Path]) -> dict | None:
    """The facts stored under `name`, if that was later than the last change of `files`; else None.

    The arrays are not read, so that this takes no time, and nothing is verified.
    """
    path = folder() / name
    try:
        if path.stat().st_mtime_ns < max(one.stat().st_ctime_ns for one in files):
            return None
        with path.open('rb') as file:
            file.seek(sealed.START)
            length = int.from_bytes(file.read(8), 'little')
            return json.loads(file.read(min(length, _SMALL)))['facts']
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(
    name: str,
    key: str,
    arrays: Mapping[str, np.ndarray],
    facts: Mapping[str, object],
    notify: Callable[[str], None],
) -> None:
    """Stores `arrays` (uint8 or int32) and `facts` (JSON) under `name`, replacing what was there.

    A folder that cannot be written is a notice, no error: the data is there, only not for the next
    run.
    """
    path = folder() / name
    try:
        sealed.write(path, *_parts(key, arrays, facts))
    except OSError as error:
        notify(
            f'notice: the cache folder {path.parent} cannot be written ({error.strerror}), so the '
            f'next run has to prepare the data again (JAXTWEAKS_CACHE_DIR names another folder)'
        )


def made(
    name: str,
    key: str,
    make: Callable[[], Made],
    again: Callable[[], str],
    place: pathlib.Path,
    notify: Callable[[str], None],
) -> Made:
    """The arrays and facts stored under `name`, or those that are made now, which are stored.

    Args:
      name: of the cache file.
      key: what decides them.
      make: makes them.
      again: returns the key once they are made.
      place: the folder whose files they are made of.
      notify: reports that files changed meanwhile, so that nothing is stored, and what `read` and
        `write` report.
    """
    if found := read(name, key, notify):
        return found
    arrays, facts = make()
    if again() == key:
        write(name, key, arrays, facts, notify)
    else:
        notify(
            f'notice: files in {place} changed while they were decoded, so that the images may be '
            'of before or after; they are not kept in the cache, and the next run decodes them '
            'again'
        )
    return arrays, facts


def _parts(key, arrays, facts) -> list[bytes | memoryview]:
    """The pieces of a file, in order."""
    listed = [
        {'name': name, 'dtype': array.dtype.name, 'shape': array.shape}
        for name, array in arrays.items()
    ]
    header = json.dumps({'key': key, 'facts': dict(facts), 'arrays': listed}).encode()
    body: list[bytes | memoryview] = [len(header).to_bytes(8, 'little'), header]
    for array in arrays.values():
        little = np.ascontiguousarray(array, _DTYPES[array.dtype.name])
        body.append(little.reshape(-1).view(np.uint8).data)
    return body


def _unpack(stored: memoryview) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays and the header of a file; ValueError, KeyError, TypeError if it is none."""
    end = 8 + int.from_bytes(stored[:8], 'little')
    header = json.loads(bytes(stored[8:end]))
    arrays = {}
    for item in header['arrays']:
        dtype = np.dtype(_DTYPES[item['dtype']])
        count = math.prod(item['shape'])
        flat = np.frombuffer(stored, dtype, count, end)
        arrays[item['name']] = flat.reshape(item['shape'])
        end += count * dtype.itemsize
    if end != len(stored):
        raise ValueError('its length is wrong')
    return arrays, header
