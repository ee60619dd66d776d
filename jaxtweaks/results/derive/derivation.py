"""What every derivation is: a frozen dataclass whose fields are its options."""

import abc
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.registry import Registry
from jaxtweaks.config.build import convert
from jaxtweaks.config.expand import Point
from jaxtweaks.config.settings import Setting
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

C = TypeVar('C', bound=type)


@dataclasses.dataclass(frozen=True)
class Selected:
    """By what each seed chose a setting.

    Attributes:
      on: the split whose numbers chose, 'validation', 'train' or 'fold'.
      among: how many settings it was chosen from.
      kept: how many of them were chosen together.
    """

    on: str
    among: int
    kept: int = 1


@dataclasses.dataclass(frozen=True)
class Derivation(abc.ABC):
    """Turns results into results with further fields or metrics.

    It reads its own options and the base setting, which has the fields that no point names, and
    nothing else of an experiment. Each method keeps to the order of the settings it is given.
    """

    def points(self, points: Sequence[Point], base: Setting) -> list[Point]:
        """What the settings become, known before training. Raises UserError if it cannot be."""
        return list(points)

    def recorded(self, recorded: Recorded, base: Setting) -> Recorded:
        """What there will be of each of them. Raises UserError if something that it needs lacks."""
        return recorded

    def selected(self, points: Sequence[Point], base: Setting) -> list[Selected | None]:
        """Of each setting that `points` returns by what it is chosen; None where it is given."""
        return [None] * len(self.points(points, base))

    @abc.abstractmethod
    def results(self, results: Results, base: Setting) -> Results:
        """The results themselves, of the settings that `points` returns."""


# By name; a config registers further ones by `jt.derivation`, and all are listed by --parts.
DERIVATIONS: Registry[type[Derivation]] = Registry(
    'derivation',
    'a class that inherits from Derivation and has a method `results`',
    'derive',
    tuple(
        f'jaxtweaks.results.derive.{name}'
        for name in (
            'mc',
            'ensemble',
            'stopping',
            'tested',
            'best',
            'aligned',
            'tweaks',
            'roughness',
            'cost',
            'disagreement',
        )
    ),
)


def derivation(name: str) -> Callable[[C], C]:
    """Registers a class that inherits from `Derivation`, for a config to name it in `derive`.

    Its options are annotated fields, declared with `static` and a default; a config sets them in a
    section of the name of the derivation.

    Raises:
      UserError: a name that cannot be, or not such a class.
    """
    what = DERIVATIONS.check_name(name)

    def decorate(source: Any) -> Any:
        """The class as a frozen dataclass, registered."""
        fits = isinstance(source, type) and issubclass(source, Derivation)
        if not fits or inspect.isabstract(source):
            raise UserError(f'{what}: is {source!r}; it must be {DERIVATIONS.doc}')
        ready = '__dataclass_params__' in vars(source)
        made: Any = source if ready else dataclasses.dataclass(frozen=True)(source)
        for field in dataclasses.fields(made):
            if 'rule' not in field.metadata or field.default is dataclasses.MISSING:
                raise UserError(
                    f'{what}: {field.name}: an option must be declared with a default, as in '
                    f"{field.name}: int = jt.static(3, 'what it is for')"
                )
        DERIVATIONS.add(name, made, made)
        return made

    return decorate


class Options(Mapping[str, Derivation]):
    """The options of every derivation that has some, by its name; defaults where none are given.

    A config has a section for each of them.
    """

    def __init__(self, given: Mapping[str, Derivation] = {}):
        self._given = dict(given)

    @classmethod
    def registered(cls) -> dict[str, tuple[Any, dataclasses.Field]]:
        """The sections there are: the class, and the field that a dataclass would have for it."""
        found = {}
        for name, one in DERIVATIONS.items():
            if dataclasses.fields(one):
                field: Any = dataclasses.field(default_factory=one)
                found[name] = one, field
        return found

    @classmethod
    def of_config(cls, values: Mapping[str, Any], path: str) -> 'Options':
        """From a config: section by name. Raises UserError."""
        known = cls.registered()
        return cls({name: convert(values[name], known[name][0], None, name) for name in values})

    def only(self, names: Sequence[str]) -> 'Options':
        """With those from outside that are named, so that a config has no section of others."""
        built_in = [name for name in self if DERIVATIONS.built_in(name)]
        return _Only({name: self[name] for name in self if name in (*built_in, *names)})

    def __getitem__(self, name: str) -> Derivation:
        return self._given[name] if name in self._given else self.registered()[name][0]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.registered())

    def __len__(self) -> int:
        return len(self.registered())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Options) and dict(self) == dict(other)

    def __repr__(self) -> str:
        return f'Options({dict(self)!r})'


class _Only(Options):
    """Options of an experiment that has been built: no section comes to it later."""

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)
