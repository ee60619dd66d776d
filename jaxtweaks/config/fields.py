"""How a field of a setting is declared: its type, what is allowed, and whether it is traced.

A *static* field (a shape or a choice) is compiled into the program: each distinct value is a
program of its own. A *traced* field (a number) is an argument of the program: a sweep over it
is one program, vmapped. A field may be neither (`plain`): it describes the study or the way it
is carried out and does not reach the training program.
"""

import dataclasses
import importlib
from collections.abc import Sequence
from typing import Any


class Names(Sequence[str]):
    """Choices to which others can be added, and forms such as 'tfds:NAME' that many strings have.

    It lists the forms as they are written; what begins like one, up to its colon, is among it.
    """

    def __init__(self, module: str, forms: tuple[str, ...] = ()):
        """`module`: adds the names when it is imported, by itself or when one is looked for."""
        self._module = module
        self._names: list[str] = []
        self._forms = forms

    def add(self, *names: str) -> None:
        """Allows more names."""
        self._names += [name for name in names if name not in self._names]

    def __contains__(self, value: object) -> bool:
        beginning, colon, rest = str(value).partition(':')
        return value in self._known() or (
            bool(rest) and any(form.startswith(beginning + colon) for form in self._forms)
        )

    def __getitem__(self, index: Any) -> Any:
        return [*self._known(), *self._forms][index]

    def __len__(self) -> int:
        return len(self._known()) + len(self._forms)

    def _known(self) -> list[str]:
        importlib.import_module(self._module)
        return self._names


@dataclasses.dataclass(frozen=True)
class Rule:
    """What one field allows.

    Attributes:
      kind: 'static', 'traced' or 'plain'.
      doc: one sentence for the user, with the unit where there is one.
      choices: the allowed strings, or None.
      low, high: inclusive bounds of a number (of each number of a tuple), or None.
      above: an exclusive lower bound, or None.
      off: the value at which a traced tweak does nothing. If it has this value in every run of
        a sweep it is omitted from the program altogether.
      when: the field (dotted name) and its values for which this one is read; None for always.
      words: how the field reads in tables and figures, where it belongs to a part.
      former: the dotted name that the field had in older work folders, where it is another one:
        runs keep their ids, and folders stay readable.
      older: what was done before there was this field, where that is not its default: the value it
        has in work folders that lack it; see `older.py`. `...` for the default.
    """

    kind: str
    doc: str
    choices: Sequence[str] | None = None
    low: float | None = None
    high: float | None = None
    above: float | None = None
    off: float | None = None
    when: tuple[str, tuple[str, ...]] | None = None
    words: str = ''
    former: str = ''
    older: Any = ...

    def allowed(self) -> str:
        """The allowed values in words, '' when every value of the type is allowed."""
        if self.choices is not None:
            return 'one of ' + ', '.join(repr(c) for c in self.choices)
        low = f'≥ {self.low:g}' if self.low is not None else ''
        low = low or (f'> {self.above:g}' if self.above is not None else '')
        high = f'≤ {self.high:g}' if self.high is not None else ''
        return ' and '.join(part for part in (low, high) if part)

    def admits(self, value: Any) -> bool:
        """Whether `value` (already of the right type) is allowed; a tuple item by item."""
        if isinstance(value, tuple):
            return all(self.admits(item) for item in value)
        if self.choices is not None:
            return value in self.choices
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        if value != value or value in (float('inf'), float('-inf')):
            return False
        return (
            (self.low is None or value >= self.low)
            and (self.above is None or value > self.above)
            and (self.high is None or value <= self.high)
        )


@dataclasses.dataclass(frozen=True)
class Field:
    """A declared field of a setting.

    Attributes:
      type: of its values.
      default: its value where a config does not say.
      rule: what it allows.
    """

    type: Any
    default: Any
    rule: Rule


def _declare(kind: str, default: Any, doc: str, **rule: Any) -> Any:
    metadata = {'rule': Rule(kind, doc, **rule)}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def static(default: Any, doc: str, **rule: Any) -> Any:
    """A field compiled into the program. `rule`: see `Rule`."""
    return _declare('static', default, doc, **rule)


def traced(default: Any, doc: str, **rule: Any) -> Any:
    """A number (or the index of a choice) given to the program. `rule`: see `Rule`."""
    return _declare('traced', default, doc, **rule)


def plain(default: Any, doc: str, **rule: Any) -> Any:
    """A field that does not reach the training program. `rule`: see `Rule`."""
    return _declare('plain', default, doc, **rule)


def required(doc: str, **rule: Any) -> Any:
    """A plain field without a default."""
    return _declare('plain', dataclasses.MISSING, doc, **rule)
