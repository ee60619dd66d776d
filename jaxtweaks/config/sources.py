"""Of which files a config is made, and what it can do, as its text says: nothing is imported.

What a text does not say for sure is taken for possible.
"""

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from jaxtweaks.config import config_file

# Libraries that give a config the same at each call; `_READS` are the exceptions.
_LIBRARIES = (
    *('__future__', 'collections', 'dataclasses', 'fractions', 'functools', 'itertools', 'math'),
    *('operator', 'string', 'typing', 'flax', 'jax', 'ml_collections', 'numpy', 'optax'),
)
_READS = {
    *('__import__', 'compile', 'eval', 'exec', 'getattr', 'globals', 'input', 'open'),
    *('fromfile', 'genfromtxt', 'load', 'load_library', 'loadtxt', 'memmap', 'random'),
}
# Of the package: what a config is written with, and registers nothing.
_PUBLIC = {
    *('CLASSIFICATION', 'UserError', 'default_config', 'grid', 'log_uniform', 'points', 'product'),
    *('union', 'zipped'),
}
_INSIDE = ('jaxtweaks.base.errors', 'jaxtweaks.config.expand')
_DEFAULT = ('jaxtweaks.lab.experiment', 'default_config')


@dataclasses.dataclass(frozen=True)
class Sources:
    """What a config is made of.

    Attributes:
      files: its own and those that it imports, from next to it or of the package's configs.
      closed: whether it depends on nothing besides them, the package and its libraries.
      registers: whether it can register parts of the user's.
    """

    files: tuple[Path, ...]
    closed: bool
    registers: bool


def of(path: Path) -> Sources:
    """The sources of the config file at `path`."""
    found: dict[Path, _File] = {}
    waiting = [path.resolve()]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found[file] = _File((), True, False) if _is_shared(file) else _read(file)
            waiting += found[file].neighbours
    read = found.values()
    closed, registers = all(one.closed for one in read), any(one.registers for one in read)
    return Sources(tuple(sorted(found)), closed, registers or not closed)


@dataclasses.dataclass(frozen=True)
class _File:
    neighbours: tuple[Path, ...] = ()
    closed: bool = False
    registers: bool = True


def _read(file: Path) -> _File:
    """What a file imports and can do."""
    try:
        tree = ast.parse(file.read_text(encoding='utf-8'))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return _File()  # loading it says what is wrong
    neighbours, closed, registers = [], True, _uses(tree)
    for node in ast.walk(tree):
        closed &= _named(node) not in _READS
        for module, name in _imported(node):
            closed &= _READS.isdisjoint((*module.split('.'), name))
            near = _neighbour(file.parent, module, name)
            if module.partition('.')[0] == 'jaxtweaks':
                registers |= not _is_plain(module, name)
            elif near is not None:
                neighbours.append(near)
            else:
                closed &= module.partition('.')[0] in _LIBRARIES
    return _File(tuple(neighbours), closed, registers)


def _is_plain(module: str, name: str) -> bool:
    """Whether what is imported of the package registers nothing; `_uses` is of the whole of it."""
    if module == 'jaxtweaks':
        return not name or name in _PUBLIC
    return module in _INSIDE or (module, name) == _DEFAULT


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Modules that a statement imports, each with a name in it; '' for the module as a whole."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, '') for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (('.' * node.level + (node.module or ''), alias.name) for alias in node.names)


def _neighbour(folder: Path, module: str, name: str) -> Path | None:
    """The file next to a config, or of the package's configs, that is imported as a module."""
    package, _, last = module.rpartition('.')
    file = f'{name if module == "configs" else last}.py'
    ours = config_file.shipped()
    if module == 'configs' or package == 'configs':
        places = [*([folder] if folder.name == 'configs' else []), *([ours] if ours else [])]
    else:
        places = [] if package else [folder]
    return next((place / file for place in places if (place / file).is_file()), None)


def _named(node: ast.AST) -> str:
    """The name that an expression or an import is about."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ''


def _uses(tree: ast.AST) -> bool:
    """Whether the package, imported as a whole, is used for more than `_PUBLIC`."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    aliases = [alias for node in imports for alias in node.names]
    known = {a.asname or a.name.partition('.')[0] for a in aliases if a.name == 'jaxtweaks'}
    whole = sum(isinstance(node, ast.Name) and node.id in known for node in ast.walk(tree))
    plain = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in known
    ]
    return len(plain) < whole or not _PUBLIC.issuperset(plain)


def _is_shared(file: Path) -> bool:
    """Whether a file is what the package's configs share: it reads the device, and no more."""
    ours = config_file.shipped()
    return ours is not None and file == ours.resolve() / 'common.py'
