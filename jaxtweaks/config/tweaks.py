"""Tweaks: functions of what goes through a network, registered by their names.

    @tweak('shrink', where='hidden')
    def shrink(key, x, train, *, by=traced(0.0, 'share that goes', low=0.0, high=1.0, off=0.0)):
        return x * (1 - by)

Such a tweak is a part (`parts.py`) with the field 'shrink.by'. One that declares nothing has a
strength alone:

    @tweak('shrink', where='hidden', low=0.0, high=1.0)
    def shrink(key, x, strength, train):
        return x * (1 - strength)

It is the traced field `tweaks.shrink`. Both can be set, swept and named in claims, and where they
are off in every run they are omitted from the program. What calls the functions is `nn/tweak.py`.
"""

import dataclasses
import functools
import hashlib
import inspect
import re
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from jaxtweaks.base import identity
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config import parts
from jaxtweaks.config.build import convert
from jaxtweaks.config.fields import Field, Rule
from jaxtweaks.config.signature import declares

SECTION = 'tweaks'
SLOT = 'tweak'
_TAKEN = 'on'  # `tweaks.on` is what the derivation `tweaks` gives
PLACES = ('input', 'conv', 'hidden', 'logits')

F = TypeVar('F', bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Tweak:
    """A registered tweak. Two are equal if they are of the very same function.

    Attributes:
      name: its field is `tweaks.<name>`.
      function: (key, x, strength, train) → x, see `tweak`.
      where: one of `PLACES`.
      rule: of its strength.
      known_as: the digest under which a work folder knows it, if that is not ours.
    """

    name: str
    function: Callable[..., Any]
    where: str
    rule: Rule
    known_as: str = ''

    @property
    def off(self) -> float:
        """The strength at which it does nothing."""
        assert self.rule.off is not None  # `tweak` declares it
        return self.rule.off

    @functools.cached_property
    def digest(self) -> str:
        """In hex, what the tweak does at the time of asking, so that another one is another run.

        Raises:
          UserError: that cannot be known, see `identity.digest`.
        """
        if self.known_as:
            return self.known_as
        does = identity.digest(self.function, f"tweak '{self.name}'")
        text = f'{does} {self.where} {float(self.off).hex()}'
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @functools.cached_property
    def by_source(self) -> str:
        """The digest in work folders of format 1: how the function is written."""
        return hashlib.sha256(_written(self.function).encode()).hexdigest()[:12]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tweak) and self._parts == other._parts

    def __hash__(self) -> int:
        return hash(self._parts)

    @property
    def _parts(self) -> tuple[Any, ...]:
        return self.name, id(self.function), self.where, self.rule, self.known_as

    def __repr__(self) -> str:
        return f'Tweak({self.name!r}, where={self.where!r})'


class Tweaks(Mapping[str, Any]):
    """The strengths of registered tweaks by name, hashable; those it does not name are off."""

    def __init__(self, strengths: Mapping[Tweak, Any] = types.MappingProxyType({})):
        """`strengths`: numbers, or tracers, or None where a program is not given them."""
        ordered = sorted(strengths.items(), key=lambda item: item[0].name)
        self._tweaks = {tweak.name: tweak for tweak, _ in ordered}
        self._strengths = {tweak.name: strength for tweak, strength in ordered}
        self._known: Callable[[Tweak], str] = lambda tweak: ''
        self._others: dict[str, Tweak] = {}  # those it does not name, as they were looked up

    @classmethod
    def of_config(cls, values: Any, path: str) -> 'Tweaks':
        """From a config's section: strength by name. Raises UserError, naming the `path`."""
        if not isinstance(values, Mapping):
            raise UserError(f'{path}: {values!r} is not a set of keys (it should be a dict)')
        found = {}
        for name, value in values.items():
            tweak = _registered(str(name), path)
            found[tweak] = convert(value, float, tweak.rule, f'{path}.{name}')
        return cls(found)

    def replaced(self, strengths: Mapping[str, Any]) -> 'Tweaks':
        """With these strengths, by name; a tweak it does not know yet is looked up."""
        new = {self._tweaks.get(name) or self._other(name): strengths[name] for name in strengths}
        return Tweaks(dict(self.items_at()) | new)

    def as_now(self, known: Callable[[Tweak], str] = lambda tweak: '') -> 'Tweaks':
        """The same, with all that their functions name as it is now.

        Args:
          known: returns the digest under which a work folder knows a tweak, '' for that of now.
        """
        found = {_renewed(tweak, known): strength for tweak, strength in self.items_at()}
        tweaks = Tweaks(found)
        tweaks._known = known
        return tweaks

    def _other(self, name: str) -> Tweak:
        if name not in self._others:
            self._others[name] = _renewed(_registered(name, SECTION), self._known)
        return self._others[name]

    def without(self, names: frozenset[str]) -> 'Tweaks':
        """Those that are not among `names`."""
        return Tweaks({tweak: s for tweak, s in self.items_at() if tweak.name not in names})

    def items_at(self, where: str = '') -> list[tuple[Tweak, Any]]:
        """Tweaks and strengths at a place, or at all of them, by name."""
        pairs = ((tweak, self._strengths[name]) for name, tweak in self._tweaks.items())
        return [(tweak, strength) for tweak, strength in pairs if where in ('', tweak.where)]

    def identity(self) -> dict[str, tuple[float, str]]:
        """What makes a run another run: of each tweak that is on the strength and the digest."""
        return {
            tweak.name: (strength, tweak.digest)
            for tweak, strength in self.items_at()
            if strength != tweak.rule.off
        }

    def __getitem__(self, name: str) -> Any:
        return self._strengths[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._strengths)

    def __len__(self) -> int:
        return len(self._strengths)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tweaks) and self.items_at() == other.items_at()

    def __hash__(self) -> int:
        return hash(tuple(self.items_at()))

    def __repr__(self) -> str:
        return f'Tweaks({dict(self.items_at())!r})'


# By name. Names live as long as the process; a config file that is loaded again registers again.
_REGISTRY: dict[str, Tweak] = {}
# Every registered field by dotted name, see `trace.FIELDS`.
FIELDS: dict[str, Field] = {}


def tweak(
    name: str,
    *,
    where: str = 'hidden',
    off: float = 0.0,
    low: float | None = 0.0,
    high: float | None = None,
    doc: str = '',
    words: str = '',
) -> Callable[[F], F]:
    """Registers a function of what goes through a network as a tweak.

    A function (key, x, train) that declares its parameters, see `parts.register`, the first with an
    `off` value its strength, which must not be static; or a function (key, x, strength, train),
    whose strength is the field `tweaks.<name>`. It returns an array like `x`. It is called once for
    each place it acts on, with a random key of its own (None at test, where nothing is random), and
    whether this is training; numbers that are swept are float32 scalars that may be traced. No
    Python `if` on them: where the strength is off the result is bitwise `x`, whatever the function
    returns there, and so is the gradient. A name that is registered again is replaced.

    Args:
      name: letters, digits and _; figures and tables call it so.
      where: 'input', 'conv' or 'hidden', just before dropout of these names: the standardised
        images [batch, height, width, channels], what comes out of each max-pool, or of each hidden
        dense layer [batch, units]; or 'logits', [batch, classes].
      off: the strength at which it does nothing, of a function that declares none.
      low, high: inclusive bounds of this strength, None for none.
      doc: what this strength is, for error messages.
      words: how a tweak that declares parameters reads in tables and figures.

    Returns:
      A decorator that returns the function.

    Raises:
      UserError: a name or place that cannot be, bounds without `off` between them, or not a
        function of four arguments.
    """
    if not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', name) or name == _TAKEN:
        raise UserError(
            f'tweak {name!r}: the name must be letters, digits and _, a letter first, not '
            f'{_TAKEN!r}'
        )
    if where not in PLACES:
        raise UserError(f"tweak '{name}': where={where!r}; {did_you_mean(str(where), PLACES)}")
    given = {'off': (off, 0.0), 'low': (low, 0.0), 'high': (high, None), 'doc': (doc, '')}
    of_strength = [one for one, (value, default) in given.items() if value != default]
    rule = Rule('traced', doc or f"strength of the tweak '{name}'", low=low, high=high, off=off)
    if not rule.admits(off):
        raise UserError(f"tweak '{name}': off={off!r} is not allowed itself: {rule.allowed()}")

    def register(function: F) -> F:
        if declares(function):
            if of_strength:
                raise UserError(
                    f"tweak '{name}': {of_strength[0]} is said of a strength that the function "
                    'declares itself; write it there, as in traced(0.0, …, off=0.0)'
                )
            parts.register(SLOT, name, words, where=where)(function)
            if name in _REGISTRY:
                del _REGISTRY[name], FIELDS[f'{SECTION}.{name}']
            return function
        try:
            inspect.signature(function).bind('key', 'x', 'strength', 'train')
        except (TypeError, ValueError):
            raise UserError(
                f"tweak '{name}': {function!r} must be a function (key, x, strength, train), or "
                '(key, x, train) with parameters that it declares by traced(…) or static(…)'
            ) from None
        parts.remove(SLOT, name)
        _REGISTRY[name] = Tweak(name, function, where, rule)
        FIELDS[f'{SECTION}.{name}'] = Field(float, off, rule)
        return function

    return register


def _renewed(tweak: Tweak, known: Callable[[Tweak], str]) -> Tweak:
    """The tweak with no digest worked out yet."""
    return dataclasses.replace(tweak, known_as=known(tweak))


def registered() -> Mapping[str, Tweak]:
    """Every registered tweak by name."""
    return _REGISTRY


def place(name: str) -> str:
    """Where the tweak acts whose field has this dotted name; '' if it is no tweak's."""
    section, _, rest = name.partition('.')
    if section == SECTION:
        return _REGISTRY[rest].where if rest in _REGISTRY else ''
    part = parts.of_slot(SLOT).get(section)
    return part.facts['where'] if part is not None and name in part.fields else ''


def off_strengths() -> dict[str, float]:
    """Every registered tweak, off."""
    return {name: tweak.off for name, tweak in _REGISTRY.items()}


def _registered(name: str, path: str) -> Tweak:
    if name not in _REGISTRY:
        hint = did_you_mean(name, _REGISTRY) if _REGISTRY else 'none is registered'
        raise UserError(
            f"{path}.{name}: no tweak '{name}'; {hint}. A tweak is registered by jaxtweaks.tweak "
            'in the config file or before it is used'
        )
    return _REGISTRY[name]


def _written(function: Callable[..., Any]) -> str:
    """How a function is written: its source, or where that is lost its code. See `by_source`."""
    function = inspect.unwrap(function)
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        code = getattr(function, '__code__', None)
        return _instructions(code) if code else repr(type(function))


def _instructions(code: types.CodeType) -> str:
    constants = [
        _instructions(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts
    ]
    return f'{code.co_code.hex()} {constants} {code.co_names}'
