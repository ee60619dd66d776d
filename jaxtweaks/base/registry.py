"""What is registered by a name, the package's own as a user's: kinds of claims, of figures, …

Parts of a setting have a registry of their own (`config/parts.py`), because their parameters are
fields of every setting; what is registered here is named by a config and reads no field.
"""

import contextlib
import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from jaxtweaks.base.errors import UserError, did_you_mean

T = TypeVar('T')
F = TypeVar('F', bound=Callable[..., Any])


class Registry(Mapping[str, T], Generic[T]):
    """What is registered in a slot, by name, in the order in which it was registered.

    Names live as long as the process; a config file that is loaded again registers again.

    Attributes:
      slot: the name of the decorator that fills it, as 'claim' of `jt.claim`.
      doc: what is registered in it, for error messages.
      named_by: which key of a config names it.
    """

    def __init__(self, slot: str, doc: str, named_by: str, modules: Sequence[str]):
        """`modules`: that register the built-in ones, imported when they are first asked for."""
        self.slot, self.doc, self.named_by = slot, doc, named_by
        self._modules = tuple(modules)
        self._loaded = False
        self._items: dict[str, T] = {}
        self._sources: dict[str, Any] = {}

    def add(self, name: str, item: T, source: Any) -> None:
        """Registers an item made of `source`, a function or class. Raises UserError."""
        if not self._is_own(source):
            self._load()
            if self.built_in(name):
                raise UserError(
                    f"{self.slot} '{name}': is the name of a built-in {self.slot}; choose another "
                    'one'
                )
        self._items[name], self._sources[name] = item, source

    def check_name(self, name: Any) -> str:
        """What is registered, in words: the slot and the name. Raises UserError."""
        if not isinstance(name, str):
            raise UserError(
                f"{self.slot}: it is registered by a name, as in @jt.{self.slot}('mine')"
            )
        if not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', name):
            raise UserError(
                f"{self.slot} '{name}': the name must be letters, digits and _, a letter first"
            )
        return f"{self.slot} '{name}'"

    def check_options(
        self, name: str, given: Sequence[str], known: Sequence[str], word: str = 'option'
    ) -> None:
        """Whether what a kind needs and reads, in a word, is there. Raises UserError."""
        for option in given:
            if option not in known:
                hint = did_you_mean(str(option), known)
                raise UserError(f"{self.slot} '{name}': no {word} '{option}'; {hint}")

    def decorator(
        self,
        name: str,
        kind: type,
        arguments: Sequence[str],
        of_class: Callable[[type], T],
        of_function: Callable[[Callable[..., Any]], T],
    ) -> Callable[[F], F]:
        """A decorator that registers a function, or a class that inherits from `kind`.

        Args:
          name: by which a config names it.
          kind: what a class must be.
          arguments: the names of what a function is called with, in their order.
          of_class: makes the item of such a class.
          of_function: makes it of such a function.

        Raises:
          UserError: a name that cannot be, or it is neither.
        """
        what = self.check_name(name)

        def decorate(source: Any) -> Any:
            if isinstance(source, type) and issubclass(source, kind):
                if lacks := sorted(getattr(source, '__abstractmethods__', ())):
                    raise UserError(f'{what}: {source!r} has no {" and no ".join(lacks)}')
                self.add(name, of_class(source), source)
                return source
            try:
                inspect.signature(source).bind(*arguments)
            except (TypeError, ValueError):
                raise UserError(f'{what}: is {source!r}; it must be {self.doc}') from None
            self.add(name, of_function(source), source)
            return source

        return decorate

    def find(self, name: str) -> T:
        """An item by its name. Raises UserError, naming the nearest."""
        if name not in self:
            raise UserError(f"{self.slot}: no '{name}'; {did_you_mean(name, self)}")
        return self[name]

    def built_in(self, name: str) -> bool:
        """Whether it is one of the package's own."""
        return name in self._sources and self._is_own(self._sources[name])

    def first_line(self, name: str) -> str:
        """What an item is, by the first paragraph of its source's docstring."""
        doc = inspect.getdoc(self._sources[name]) or name
        return ' '.join(doc.partition('\n\n')[0].split())

    @contextlib.contextmanager
    def temporary(self) -> Iterator[None]:
        """Forgets afterwards what is registered meanwhile; for tests."""
        self._load()
        before = dict(self._items), dict(self._sources)
        try:
            yield
        finally:
            self._items, self._sources = before

    @property
    def names(self) -> Sequence[str]:
        """The names, those registered later included, as choices of a field."""
        return _Names(self)

    def _is_own(self, source: Any) -> bool:
        return getattr(source, '__module__', '') in self._modules

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True
            for module in self._modules:
                importlib.import_module(module)

    def __getitem__(self, name: str) -> T:
        self._load()
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._items)

    def __len__(self) -> int:
        self._load()
        return len(self._items)


class _Names(Sequence[str]):
    """The names of a registry as they are now."""

    def __init__(self, registry: Registry[Any]):
        self._registry = registry

    def __getitem__(self, index: Any) -> Any:
        return list(self._registry)[index]

    def __len__(self) -> int:
        return len(self._registry)

    def __contains__(self, value: object) -> bool:
        return value in self._registry
