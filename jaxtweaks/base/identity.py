"""What a function, a class or an object does, as a digest.

Two things with one digest do the same, as far as Python can know: the same code (`bytecode`), the
same constants, defaults, closures and attributes, and the same of everything that it names in the
user's own files, all the way down. Installed packages are known by their names and versions
(`installed`). Where it is written, and how, has no part in it. The same in every process; but not
in every version of Python: 3.11 and 3.12 compile differently.

What cannot be known is refused: what is read only once, as a file or a generator; the state of
random numbers; globals that a function changes; and objects that only C code sees into.
"""

import collections.abc
import contextlib
import copyreg
import dataclasses
import enum
import functools
import hashlib
import io
import struct
import sys
import types
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

from jaxtweaks.base import bytecode, installed, introspection
from jaxtweaks.base.errors import UserError

_MISSING = object()
_DESCRIPTORS = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_PLAIN = (object, tuple, list, dict, set, frozenset, str, bytes, bytearray, int, float, complex)


def digest(value: Any, what: str = '') -> str:
    """SHA-256, in hex, of what something does.

    Args:
      value: a function, a class, an object that is called, or anything they are made of. What is
        mutable counts as it is now.
      what: what it is, in words, for the message.

    Raises:
      UserError: it cannot be known what it does, and why.
    """
    walk = _Walk(what or getattr(value, '__name__', type(value).__name__))
    try:
        walk.value(value)
    except RecursionError:
        walk.refuse('is nested too deeply', 'something flatter')
    return walk.hash.hexdigest()


class _Walk:
    """Writes down, in one order, all that a value is made of.

    Whatever can contain itself is written once, and named by its number after that.
    """

    def __init__(self, what: str, seen: Mapping[int, tuple[int, Any]] | None = None):
        self.hash = hashlib.sha256()
        self._what = what
        self._path: list[str] = []
        # By id: its number, and the thing itself, so that no other gets the same id.
        self._seen = dict(seen or {})

    def refuse(self, why: str, right: str) -> NoReturn:
        """Raises UserError, naming the way to what is wrong."""
        place = ' → '.join([self._what, *self._path])
        raise UserError(f'{place}: {why}, so what it does cannot be known; {right} would be right')

    def put(self, *words: Any) -> None:
        """Writes words so that no two lists of them look the same."""
        data = [str(word).encode('utf-8', 'surrogatepass') for word in words]
        self.hash.update(f'{len(data)}('.encode())
        for part in data:
            self.hash.update(b'%d:' % len(part))
            self.hash.update(part)

    def value(self, value: Any, name: str = '') -> None:
        """Writes a value; `name`: what it is in what it is found in."""
        with self._inside(name):
            if not (self._is_constant(value) or self._is_known(value)):
                self._refuse_unknowable(value)
                self._write(value)

    @contextlib.contextmanager
    def _inside(self, name: str) -> Iterator[None]:
        if name:
            self._path.append(name)
        yield
        if name:
            self._path.pop()

    def _is_constant(self, value: Any) -> bool:
        """Writes what has no parts, or only such, and cannot be changed."""
        kind = type(value)
        if value is None or kind in (bool, type(...), type(NotImplemented)):
            self.put('constant', value)
        elif kind is int:
            self.put('int', hex(value))
        elif kind is float:
            self.put('float', struct.pack('<d', value).hex())
        elif kind is complex:
            self.put('complex', struct.pack('<dd', value.real, value.imag).hex())
        elif kind is str:
            self.put('str', value)
        elif kind in (bytes, bytearray):
            self.put(kind.__name__, value.hex())
        elif kind is tuple:
            self._items('tuple', value)
        elif kind is frozenset:
            self._unordered('frozenset', value)
        elif isinstance(value, types.CodeType):
            self._code(value)
        else:
            return False
        return True

    def _is_known(self, value: Any) -> bool:
        """Writes the number of what was written before."""
        if (before := self._seen.get(id(value))) is not None:
            self.put('again', before[0])
            return True
        self._seen[id(value)] = len(self._seen), value
        return False

    def _refuse_unknowable(self, value: Any) -> None:
        kind = type(value).__name__
        if isinstance(value, io.IOBase):
            self.refuse(f'is an open file ({kind})', 'what is read from it')
        if introspection.is_random(value):
            self.refuse(
                f'is a state of random numbers ({kind}) that moves on',
                'the key that the function is given, or numbers drawn before,',
            )
        if isinstance(value, collections.abc.Iterator | collections.abc.AsyncIterator):
            self.refuse(f'can be read only once ({kind})', 'a tuple of its items')
        if isinstance(value, weakref.ref):
            self.refuse('is a weak reference', 'the object itself')
        if (jax := sys.modules.get('jax')) and isinstance(value, jax.core.Tracer):
            self.refuse('is a traced array', 'an array')

    def _write(self, value: Any) -> None:
        for kinds, write in self._kinds():
            if isinstance(value, kinds):
                write(value)
                return
        if array := introspection.array(value):
            self._array(*array)
        elif (home := installed.named(value)) is not None:
            self._named(*home)
        elif isinstance(value, type):
            self._class(value)
        elif (
            callable(value) and hasattr(value, '__wrapped__') and introspection.is_of_c(type(value))
        ):
            self.put('wrapped', type(value).__qualname__)  # jit, lru_cache
            self.value(value.__wrapped__)
        else:
            self._object(value)

    def _kinds(self) -> tuple[tuple[Any, Callable[[Any], None]], ...]:
        return (
            (types.FunctionType, self._function),
            (types.MethodType, lambda it: self._items('method', [it.__func__, it.__self__])),
            ((staticmethod, classmethod), lambda it: self._parts(type(it), it.__func__)),
            (property, lambda it: self._parts(property, it.fget, it.fset, it.fdel)),
            (functools.cached_property, lambda it: self._parts(type(it), it.func)),
            (
                (functools.partial, functools.partialmethod),
                lambda it: self._parts(functools.partial, it.func, it.args, _Sorted(it.keywords)),
            ),
            (_Sorted, lambda it: self._sorted(it.values)),
            (types.ModuleType, self._module),
            (types.BuiltinFunctionType, self._builtin),
            (types.MethodWrapperType, lambda it: self._bound(it.__name__, it.__self__)),
            (_DESCRIPTORS, lambda it: self._bound(it.__name__, it.__objclass__)),
            (types.MappingProxyType, lambda it: self._mapping(it)),
            (enum.Enum, self._member),
        )

    def _items(self, kind: str, items: Iterable[Any]) -> None:
        items = list(items)
        self.put(kind, len(items))
        for i, item in enumerate(items):
            self.value(item, f'[{i}]' if kind in ('tuple', 'list') else '')

    def _parts(self, kind: type, *parts: Any) -> None:
        self._items(kind.__name__, parts)

    def _mapping(self, mapping: Mapping[Any, Any]) -> None:
        """In the order there is: a function that goes through it sees that."""
        self.put('mapping', len(mapping))
        for key, item in mapping.items():
            self.value(key)
            self.value(item, f'[{key!r}]' if isinstance(key, str | int) else '[…]')

    def _sorted(self, values: Mapping[str, Any]) -> None:
        """Attributes and arguments by name, in the order of their names."""
        self.put('by name', len(values))
        for name in sorted(values):
            self.put(name)
            self.value(values[name], name)

    def _unordered(self, kind: str, items: Iterable[Any]) -> None:
        """Items whose order is another one in each process."""
        found = []
        for item in items:
            walk = _Walk(self._what, self._seen)
            walk._path = list(self._path)
            walk.value(item)
            found.append(walk.hash.hexdigest())
        self.put(kind, *sorted(found))

    def _array(self, kind: str, array: Any) -> None:
        if array.dtype.hasobject:
            self.put(kind, array.dtype, array.shape)
            self._items('objects', array.ravel().tolist())
            return
        self.put(kind, array.dtype.descr if array.dtype.names else array.dtype, array.shape)
        self.hash.update(array.tobytes())

    def _named(self, module: str, name: str) -> None:
        self.put('installed', module, name, installed.version(module))

    def _module(self, module: types.ModuleType) -> None:
        if not installed.is_module(module):
            self.refuse(
                f'is the whole module {module.__name__}, used as a value',
                'what is needed of it, as `from … import …` gives it,',
            )
        self._named(module.__name__, '')

    def _builtin(self, function: types.BuiltinFunctionType) -> None:
        owner = function.__self__
        if owner is None or isinstance(owner, types.ModuleType):
            name = function.__module__ or getattr(owner, '__name__', '')
            if not name or function.__qualname__ == '<lambda>':
                self.refuse('is a function in C without a name', 'a function in Python')
            self._named(name, function.__qualname__)
        else:
            self._bound(function.__name__, owner)

    def _bound(self, name: str, owner: Any) -> None:
        self.put('method', name)
        self.value(owner)

    def _code(self, code: types.CodeType) -> None:
        found, table = bytecode.operations(code)
        self.put('code', *sys.version_info[:2], *bytecode.signature(code))
        for operation in found:
            if isinstance(operation.argument, bytecode.Constant):
                self.put(operation.name)
                self.value(operation.argument.value)
            else:
                self.put(operation.name, operation.argument)
        self.put('handlers', *table)

    def _function(self, function: types.FunctionType) -> None:
        if installed.is_function(function):
            home = installed.named(function)
            if home is None:  # made by a function of a package; what it was made of is in it
                module = str(function.__globals__.get('__name__'))
                home = module, function.__code__.co_qualname
            self._named(*home)
            if installed.named(function) is not None:
                return
        else:
            self.put('function')
            self._code(function.__code__)
            self._around(function)
        self.value(function.__defaults__)
        self._sorted(function.__kwdefaults__ or {})
        self._closure(function)
        own = vars(function).items()
        self._sorted({k: v for k, v in own if k not in introspection.BOOKKEEPING})

    def _closure(self, function: types.FunctionType) -> None:
        chains = bytecode.names(function.__code__).outer
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            try:
                content = cell.cell_contents
            except ValueError:
                self.put('empty')
                continue
            if isinstance(content, types.ModuleType):
                used = [chain for chain in chains if chain[0] == name]
                self._of_module(content, sorted(used) or [(name,)])
            else:
                self.value(content, name)

    def _around(self, function: types.FunctionType) -> None:
        """What the code takes of its file."""
        names = bytecode.names(function.__code__)
        if names.changed:
            self.refuse(
                f'changes {min(names.changed)} outside of itself', 'a function without a memory'
            )
        for module, level in sorted(names.imports):
            if level or not installed.is_importable(module):
                self.refuse(
                    f'imports {"." * level}{module} inside itself',
                    'an import at the top of its file',
                )
        chains: dict[str, list[tuple[str, ...]]] = {}
        for chain in sorted(names.globals):
            if chain[0] not in introspection.BOOKKEEPING:
                chains.setdefault(chain[0], []).append(chain)
        for name, used in chains.items():
            found = function.__globals__.get(name, _MISSING)
            self.put('global', name if found is _MISSING else '')
            if isinstance(found, types.ModuleType):
                self._of_module(found, used)
            elif found is not _MISSING:
                self.value(found, name)

    def _of_module(self, module: types.ModuleType, chains: Iterable[tuple[str, ...]]) -> None:
        """Of an installed module its name; of one of the user's what is looked up in it."""
        if installed.is_module(module):
            self.value(module)
            return
        for name, *rest in chains:
            found: Any = module
            path = [name]
            while rest and isinstance(found, types.ModuleType) and not installed.is_module(found):
                path.append(rest.pop(0))
                found = getattr(found, path[-1], _MISSING)
            self.put('of a module', *path[1:])
            if found is not _MISSING:
                self.value(found, '.'.join(path))

    def _class(self, cls: type) -> None:
        if introspection.is_installed_class(cls):
            self._named(cls.__module__, cls.__qualname__)
            return
        self.put('class', cls.__name__)  # flax names parameters by it
        self.value(type(cls))
        self._items('bases', cls.__bases__)
        if issubclass(cls, enum.Enum):
            self._items('members', [(name, one.value) for name, one in cls.__members__.items()])
        skipped = introspection.bookkeeping(cls)
        body = {
            name: introspection.unwrapped(value)
            for name, value in vars(cls).items()
            if name not in skipped and not introspection.is_made_for(cls, name, value)
        }
        self._sorted(body)
        if dataclasses.is_dataclass(cls) and '__dataclass_fields__' in vars(cls):
            self._fields(cls)

    def _fields(self, cls: type) -> None:
        for field in dataclasses.fields(cls):
            if field.name in introspection.bookkeeping(cls):
                continue
            self.put('field', field.name, field.init, field.kw_only)
            for default in (field.default, field.default_factory):
                self.value(None if default is dataclasses.MISSING else (default,), field.name)

    def _member(self, member: enum.Enum) -> None:
        self.put('member', member.name)
        self.value(type(member))

    def _object(self, value: Any) -> None:
        """An instance: its class, what is in it, and its attributes."""
        cls = type(value)
        solid = next(base for base in cls.__mro__ if introspection.is_of_c(base))
        if solid in _PLAIN:
            self.put('object')
            self.value(cls)
            self._content(value)
            self._sorted(introspection.attributes(value))
            return
        try:
            reduce = copyreg.dispatch_table.get(cls)
            reduced = reduce(value) if reduce else value.__reduce_ex__(4)
        except Exception:  # whatever its own code raises
            self.refuse(
                f'is {_article(cls.__name__)} whose content only its own code sees',
                'an array, a number, a string, or a function or an object of these',
            )
        if isinstance(reduced, str):
            self.put('installed', cls.__module__, reduced, installed.version(cls.__module__))
            return
        whole: tuple[Any, ...] = (*reduced, None, None, None)
        made, arguments, state, items, pairs = whole[:5]
        self.put('reduced')
        state = _Sorted(state) if _is_by_name(state) else state
        parts = [list(part) if part is not None else None for part in (items, pairs)]
        self._items('made of', [made, arguments, state, *parts])

    def _content(self, value: Any) -> None:
        if isinstance(value, dict):
            self._mapping(dict(value.items()) if type(value) is dict else dict.copy(value))
        elif isinstance(value, set | frozenset):
            self._unordered('set', value)
        elif isinstance(value, list | tuple):
            kind: Any = list if isinstance(value, list) else tuple
            self._items(kind.__name__, kind.__iter__(value))
        else:
            bases: tuple[Any, ...] = (str, bytes, int, float, complex)
            for base in bases:
                if isinstance(value, base):
                    self.value(base.__getnewargs__(value)[0])
            if isinstance(value, bytearray):
                self.value(bytes(value))


@dataclasses.dataclass(frozen=True)
class _Sorted:
    """Values by name whose order does not matter."""

    values: Mapping[str, Any]


def _is_by_name(state: Any) -> bool:
    return type(state) is dict and all(isinstance(key, str) for key in state)


def _article(noun: str) -> str:
    return f'{"an" if noun[:1].lower() in "aeiou" else "a"} {noun}'
