"""Which code is installed, and known by its name and version, and which is the user's own."""

import functools
import importlib.metadata
import importlib.util
import site
import sys
import sysconfig
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

# Their versions are in the record of every launch (`provenance.versions`), and the package itself
# has a digest there: they do not make a function another one.
_RECORDED = ('jaxtweaks', 'jax', 'jaxlib', 'flax', 'optax', 'numpy', 'scipy')
_OURS = str(Path(__file__).resolve().parents[1])


@functools.cache
def _folders() -> tuple[str, ...]:
    paths = [sysconfig.get_path(name) for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')]
    paths += [*site.getsitepackages(), site.getusersitepackages(), _OURS]
    return tuple(sorted({str(Path(path).resolve()) for path in paths}))


@functools.cache
def is_file(name: str) -> bool:
    """Whether a file of code is of an installed package, of Python or of this package."""
    if name.startswith('<'):  # typed in, or made as Python goes; <frozen …> is Python's
        return name.startswith('<frozen')
    path = Path(name).resolve()
    return any(path.is_relative_to(folder) for folder in _folders())


def is_function(function: FunctionType) -> bool:
    """Whether a function was written in an installed package, or made by one for itself."""
    file = function.__code__.co_filename
    if not file.startswith('<'):
        return is_file(file)
    home = sys.modules.get(function.__globals__.get('__name__', ''))
    return is_file(file) or (home is not None and is_module(home))


def is_module(module: ModuleType) -> bool:
    """Whether a module is of an installed package; one without a file is Python's, or typed in."""
    if file := getattr(module, '__file__', None):
        return is_file(file)
    if folders := list(getattr(module, '__path__', ())):
        return all(is_file(folder) for folder in folders)
    if getattr(module.__spec__, 'origin', None) in ('built-in', 'frozen'):
        return True
    above = sys.modules.get(module.__name__.rpartition('.')[0])  # a part of one in C
    return above is not None and is_module(above)


def is_importable(name: str) -> bool:
    """Whether `import name` finds an installed module, or none at all."""
    top = name.partition('.')[0]
    if top in sys.modules:
        return is_module(sys.modules[top])
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return True
    if spec is None or spec.origin in ('built-in', 'frozen'):
        return True
    return all(is_file(place) for place in [spec.origin] if place) and all(
        is_file(folder) for folder in spec.submodule_search_locations or ()
    )


def named(value: Any) -> tuple[str, str] | None:
    """Module and name of what an installed module has by that name; None if that is not it."""
    module = getattr(value, '__module__', None)
    name = getattr(value, '__qualname__', None) or getattr(value, '__name__', None)
    if not (isinstance(module, str) and isinstance(name, str)):
        return None
    home = sys.modules.get(module)
    if home is None or not is_module(home):
        return None
    found: Any = home
    for part in name.split('.'):
        found = getattr(found, part, None)
    return (module, name) if found is value else None


@functools.cache
def version(module: str) -> str:
    """The version of the package that a module is of; '' for one that each launch records."""
    top = module.partition('.')[0]
    if top in sys.stdlib_module_names or top in _RECORDED:
        return ''
    try:
        return importlib.metadata.version(top)
    except importlib.metadata.PackageNotFoundError:
        packages = importlib.metadata.packages_distributions().get(top, ())
        return ' '.join(importlib.metadata.version(package) for package in sorted(set(packages)))
