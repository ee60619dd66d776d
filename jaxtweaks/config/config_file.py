"""Config files of the user: loaded, and what is wrong in them, with the line."""

import ast
import contextlib
import importlib.util
import os
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxtweaks.base.errors import UserError

# The key that makes a config a collection of others.
COLLECTION = 'experiments'


def load(path: Path, size: str | None) -> Mapping[str, Any] | ConfigDict:
    """The config that `get_config(size)` of a config file returns.

    Raises:
      UserError: there is no such file, something in it fails, or it returns something else.
    """
    if not path.is_file():
        raise UserError(f'there is no file {path}')
    try:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found = module.get_config(size)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(complaint(error, path)) from error
    return checked(found, str(path))


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
    except (OSError, ValueError, SyntaxError):
        return True  # loading it says what is wrong
    return any(isinstance(node, ast.FunctionDef) and node.name == 'get_config' for node in body)


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
    ours = str(Path(__file__).parents[1])
    return not filename.startswith(('<', ours, *libraries))
