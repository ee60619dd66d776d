"""The version of the code that decides numbers, as a digest of its sources.

What a result is made by: the networks, the training, how data are split and put on the device, and
how runs are compiled, batched, stopped and put together. Comments, docstrings, layout and the words
of error messages have no part in it; the versions of Python and of packages neither: every launch
records them. What fetches data is not in it: the data have a fingerprint.
"""

import ast
import contextlib
import functools
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxtweaks.base import atomic, home

_PACKAGE = Path(__file__).resolve().parents[1]
# Folders with all that is in them, and single files.
TRAINING = (
    *('nn', 'train', 'data', 'base/rng.py', 'base/pinned.py', 'config/layers.py'),
    'config/trace.py',
    *('run/checkpoint.py', 'run/compaction.py', 'run/compiled.py', 'run/executables.py'),
    *('run/group.py', 'run/machine.py', 'run/native.py', 'run/search.py'),
    *('base/metrics.py', 'config/measured.py', 'config/reach.py'),
)
# Of files that else say what fields and metrics mean: what decides numbers. By what a network is
# chosen, and which end of that is better; how many images a gradient is of that is compared.
_ONLY = {
    'base/metrics.py': ('Metric.sign', 'Metric.on', 'LOSS', 'ACCURACY'),
    'config/measured.py': ('of_loss', 'usual', 'chosen_by'),
    'config/reach.py': ('GRADIENT_BATCH',),
}
STUDIES = (*TRAINING, 'studies')
# What workers are asked for, and what they say; see `run/workers.py`.
ENGINE = ('base', 'config', 'lab', 'run')
# How data get here, and what is said of them; what they are then is in their fingerprint.
_NOT = tuple(
    f'data/{name}.py'
    for name in (
        *('archives', 'cache', 'catalogue', 'columns', 'csv_file', 'download', 'folder_layout'),
        *('folder_listing', 'frame', 'image_file', 'image_folder', 'own', 'summary'),
        *('tfds_folder', 'world'),
    )
)
_LENGTH = 12
UNRECORDED = 'unrecorded'  # in place of a digest, of what was trained before there was one


@functools.cache
def training() -> str:
    """Of what trains networks, in hex."""
    return kept('training', files(TRAINING))


@functools.cache
def studies() -> str:
    """Of what the studies compute that are plain functions, in hex; networks are a part of it."""
    return kept('studies', files(STUDIES))


@functools.cache
def engine() -> str:
    """Of what the driver and its workers must have in common besides what computes, in hex.

    Of the files as they are: comments count, which costs nobody anything, and it takes no time.
    """
    whole = hashlib.sha256()
    for path in files(ENGINE):
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()[:_LENGTH]


def kept(name: str, sources: Sequence[Path]) -> str:
    """`digest` of the sources, kept in the cache while their bytes are the same.

    To parse them all takes more than a second.

    Args:
      name: of the file in the cache; what was kept under it before is replaced.
      sources: the files.
    """
    folder = home.cache()
    if folder is None:
        return digest(sources)
    whole = hashlib.sha256(sys.version.encode())
    for path in (*sources, Path(__file__)):
        whole.update(f'{path} {hashlib.sha256(path.read_bytes()).hexdigest()}\n'.encode())
    path, key = folder / 'versions' / f'{name}.json', whole.hexdigest()
    sealed = lambda found: [key, found, hashlib.sha256(f'{key} {found}'.encode()).hexdigest()]
    with contextlib.suppress(OSError, ValueError, IndexError, KeyError, TypeError):
        content = json.loads(path.read_bytes())
        if content == sealed(content[1]):
            return content[1]
    found = digest(sources)
    with contextlib.suppress(OSError):  # a full or locked cache: it is computed next time too
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, json.dumps(sealed(found)).encode())
    return found


def files(places: Iterable[str]) -> list[Path]:
    """The sources in folders of the package, and single ones, without those that only fetch."""
    found: set[Path] = set()
    for place in places:
        path = _PACKAGE / place
        inside = path.rglob('*') if path.is_dir() else [path]
        found |= {file for file in inside if file.suffix in ('.py', '.cc', '.h')}
    return sorted(found - {_PACKAGE / name for name in _NOT})


def digest(sources: Iterable[Path]) -> str:
    """Of these files, in hex: their names in the package and what they do."""
    whole = hashlib.sha256()
    for path in sources:
        content = path.read_text(encoding='utf-8')
        name = path.relative_to(_PACKAGE).as_posix() if path.is_relative_to(_PACKAGE) else path.name
        only = _ONLY.get(name, ())
        written = python(content, only) if path.suffix == '.py' else cplusplus(content)
        whole.update(f'{name} {hashlib.sha256(written.encode()).hexdigest()}\n'.encode())
    return whole.hexdigest()[:_LENGTH]


def python(source: str, only: Sequence[str] = ()) -> str:
    """Python without what changes nothing: comments, docstrings, layout, what an error says.

    Args:
      source: of a file.
      only: names of the definitions that count, of a class's own with a dot; all if there are none.
    """
    tree = ast.parse(source)
    return '\n'.join(_parts([_definition(tree, name) for name in only] if only else tree))


def _definition(tree: ast.Module, name: str) -> ast.AST:
    """What binds a name at the top of a file, or in a class there. Raises KeyError."""
    found: Any = tree
    for part in name.split('.'):
        found = {one: node for node in found.body for one in _binds(node)}[part]
    return found


def _binds(node: ast.AST) -> list[str]:
    """The names that a statement binds."""
    if isinstance(node, ast.Assign):
        parts = [one for target in node.targets for one in ast.walk(target)]
        return [one.id for one in parts if isinstance(one, ast.Name)]
    if isinstance(node, ast.AnnAssign):
        return [node.target.id] if isinstance(node.target, ast.Name) else []
    named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    return [node.name] if named else []


def cplusplus(source: str) -> str:
    """C++ without comments and layout; lines of the preprocessor stay lines."""
    pieces = re.findall(
        r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/|\n[ \t]*#|\w+|\s+|.', source, re.DOTALL
    )
    kept = [one for one in pieces if not one.startswith(('//', '/*')) and not one.isspace()]
    return '\n'.join(one.strip() if one.endswith('#') else one for one in kept)


def _parts(node: Any) -> Iterator[str]:
    """A syntax tree in words that are the same in every version of Python that has it."""
    if isinstance(node, list):
        yield f'{len(node)} items'
        for item in node:
            yield from _parts(item)
    elif isinstance(node, ast.Raise):
        error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        yield 'Raise'
        yield from _parts(error)
    elif isinstance(node, ast.AST):
        yield type(node).__name__
        for name, value in ast.iter_fields(node):
            if isinstance(value, list) and name in ('body', 'orelse', 'finalbody'):
                value = [one for one in value if not _says_nothing(one)]
            if value not in (None, []):  # a later version of Python may have further fields
                yield name
                yield from _parts(value)
    else:
        yield f'{type(node).__name__} {node!r}'


def _says_nothing(node: Any) -> bool:
    """Whether a statement is a docstring or another constant that nothing reads."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
