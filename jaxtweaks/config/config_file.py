"""Config files of the user: loaded, and what is wrong in them, with the line."""

import ast
import contextlib
import difflib
import hashlib
import importlib.machinery
import importlib.util
import os
import re
import sys
import sysconfig
import traceback
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxtweaks.base import home
from jaxtweaks.base.errors import UserError, did_you_mean

# The key that makes a config a collection of others.
COLLECTION = 'experiments'
NAME = r'[A-Za-z0-9][A-Za-z0-9_-]*'  # of an experiment


def load(path: Path, size: str | None) -> Mapping[str, Any] | ConfigDict:
    """The config that `get_config(size)` of a config file returns, or `get_config()` for None.

    The command line, `jaxtweaks.run` and collections all load a config in this way.

    Raises:
      UserError: there is no such file, something in it fails, or it returns something else.
    """
    if not path.is_file():
        raise UserError(not_there(path))
    try:
        with neighbours(path):
            module = _module(path)
            found = module.get_config() if size is None else module.get_config(size)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(complaint(error, path)) from error
    return checked(found, str(path))


def find(name: str) -> Path:
    """The config file that is meant by its path, or by its name alone.

    By a name, as bn_onoff, one in configs/ is meant, or else one that comes with the package. Where
    there is none, the path as it is given: to say that it is not there is up to the caller.
    """
    path = home.expanded(name)
    if not path.is_file() and re.fullmatch(NAME, name):
        known = (folder / f'{name}.py' for folder in folders())
        return next((file for file in known if file.is_file()), path)
    return path


def not_there(path: Path) -> str:
    """What to say of a config file that is not there: the nearest one that is."""
    if re.fullmatch(NAME, str(path)):
        names = [file.stem for folder in folders() for file in in_folder(folder)]
        return f"there is no config '{path}'; {did_you_mean(str(path), names)}"
    folder = path.parent if path.parent.is_dir() else Path(_CONFIGS)
    there = sorted(file.name for file in folder.glob('*.py'))
    near = difflib.get_close_matches(path.name, there, n=1, cutoff=0.4)
    hint = f"did you mean '{folder / near[0]}'?" if near else 'it must be a .py file'
    return f'there is no file {path}; {hint}'


def folders() -> list[Path]:
    """Where configs are looked for by their names: configs/ here, and those of the package.

    Each is followed by the folders of configs in it.
    """
    here, ours = Path(_CONFIGS), shipped()
    found = [here] if here.is_dir() else []
    found += [ours] if ours and not (found and here.resolve() == ours) else []
    return [folder for one in found for folder in (one, *inner(one))]


def inner(folder: Path) -> list[Path]:
    """The folders of a folder that have configs in them, by name; none that begins with a dot."""
    found = (one for one in sorted(folder.iterdir()) if not one.name.startswith('.'))
    return [one for one in found if one.is_dir() and in_folder(one)]


def shipped() -> Path | None:
    """The folder of the configs that come with the package; None if there is none."""
    root = Path(__file__).resolve().parents[2]  # where it is installed, or checked out
    found = (root / 'jaxtweaks_configs' / _CONFIGS, root / _CONFIGS)
    return next((folder for folder in found if (folder / 'common.py').is_file()), None)


@contextlib.contextmanager
def neighbours(path: Path) -> Iterator[None]:
    """Meanwhile a config file can import what lies next to it, from wherever it is loaded.

    As `import x`; and from a folder configs/ also as `from configs import x`. In this way, behind
    all else, the package's own configs are found too: `from configs import common`. Functions of
    the config may import when they are called, so this should last as long as they are of use. What
    an earlier config has imported from next to it is imported again: it may have changed since, or
    be a file of this name in another folder.
    """
    folder = path.resolve().parent
    if folder in _folders:
        yield
        return
    _forget_neighbours(folder)
    known, before = set(sys.modules), list(sys.path)
    # What lies next to a config hides no library. But a folder configs/ may be in many places.
    added = [str(folder.parent)] if folder.name == _CONFIGS else []
    ours = shipped()
    behind = [str(folder), *([str(ours.parent)] if ours else [])]
    behind = [entry for entry in behind if entry not in (*added, *before)]
    sys.path[:] = [*added, *before, *behind]
    _folders.append(folder)
    try:
        yield
    finally:
        _folders.remove(folder)
        for entry in (*added, *behind):
            with contextlib.suppress(ValueError):
                sys.path.remove(entry)
        new = {name: module for name, module in sys.modules.items() if name not in known}
        _neighbours.update(name for name, module in new.items() if _lies_in(folder, name, module))


# The folders whose files can be imported now, and the modules that were.
_folders: list[Path] = []
_neighbours: set[str] = set()
_CONFIGS = 'configs'


def _forget_neighbours(folder: Path) -> None:
    """Has what earlier configs imported from next to them imported again by one in this folder."""
    importlib.invalidate_caches()
    if folder.name == _CONFIGS:
        inside = [name for name in sys.modules if name.startswith(f'{_CONFIGS}.')]
        elsewhere = [name for name in inside if not _lies_in(folder, name, sys.modules[name])]
        _neighbours.update(elsewhere)
    if any(name.startswith(f'{_CONFIGS}.') for name in _neighbours):
        _neighbours.add(_CONFIGS)  # it has them as attributes
    for name in _neighbours:
        sys.modules.pop(name, None)
    _neighbours.clear()


def _lies_in(folder: Path, name: str, module: Any) -> bool:
    """Whether a module is the file of its name in a folder."""
    package, _, last = name.rpartition('.')
    file = getattr(module, '__file__', None)
    return package in ('', _CONFIGS) and bool(file) and Path(file) == folder / f'{last}.py'


def _module(path: Path) -> types.ModuleType:
    """The module of a config file.

    It is found in `sys.modules`, as dataclasses, `typing.get_type_hints` and pickle need it, under
    a name of its own for each file, that is neither '__main__' nor a library's.
    """
    path = path.resolve()
    name = f'config_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}'
    loader = _Source(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None  # it has a loader
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        raise
    return module


class _Source(importlib.machinery.SourceFileLoader):
    """Reads the source: Python's cache takes a file of the same second and size for the same."""

    def get_code(self, fullname: str) -> types.CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def checked(found: Any, where: str) -> Mapping[str, Any] | ConfigDict:
    """What a `get_config` returned.

    Raises:
      UserError: it is no config; `where` is what the complaint begins with.
    """
    if not isinstance(found, Mapping | ConfigDict):
        raise UserError(
            f'{where}: get_config() returned {found!r}; it must return a config, as those in '
            'configs/ do'
        )
    return found


def in_folder(folder: Path) -> list[Path]:
    """The files of a folder that have a `get_config`, by name; nothing is imported for it."""
    # What begins with a dot is an editor's, as the locks of Emacs.
    paths = [path for path in sorted(folder.glob('*.py')) if not path.name.startswith('.')]
    return [path for path in paths if _has_get_config(path)]


def _has_get_config(path: Path) -> bool:
    try:
        body = ast.parse(path.read_text(encoding='utf-8')).body
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return True  # loading it says what is wrong
    return any('get_config' in _names(node) for node in body)


def _names(node: ast.stmt) -> list[str]:
    """What a statement of a module defines, if it is a function, an import or an assignment."""
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


@contextlib.contextmanager
def blaming(what: str) -> Iterator[None]:
    """Turns what fails in a function of the user's into a UserError that names it and its line."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f'{what}: {complaint(error, Path("its function"))}') from error


def complaint(error: BaseException, path: Path | None) -> str:
    """What went wrong in the user's config file, with its line."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UserError):
            return str(cause)
        what = f'{type(cause).__name__}: {one_line(cause)}'
        if isinstance(cause, SyntaxError) and cause.filename:
            return f'{os.path.relpath(cause.filename)}:{cause.lineno}: {what}'
        own = [f for f in traceback.extract_tb(cause.__traceback__) if _is_users(f.filename)]
        if own:
            return f'{os.path.relpath(own[-1].filename)}:{own[-1].lineno}: {what}'
        last, cause = what, cause.__cause__ or cause.__context__
    return f'{path}: {last}'


def one_line(text: object) -> str:
    """Text without line breaks."""
    return ' '.join(str(text).split())


def _is_users(filename: str) -> bool:
    """Whether a file is neither ours nor a library's."""
    libraries = [sysconfig.get_path(name) for name in ('stdlib', 'purelib', 'platlib')]
    others = (Path(__file__).parents[1], *libraries)
    return not (filename.startswith('<') or any(map(Path(filename).is_relative_to, others)))
