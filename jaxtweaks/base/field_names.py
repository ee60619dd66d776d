"""How configs name fields: 'field', '1-field', 'field + field', and with values 'field=value'.

'1-field' is the complement, for a document that has the probability to keep where the field is the
rate to drop. 'a + b' are several fields that tell settings apart together, whose values are tuples.
The words of a config (`names`) have keys of all these, and of a value: 'a + b=(1, 2)'.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

_JOINT, _COMPLEMENT = ' + ', '1-'


@dataclasses.dataclass(frozen=True)
class Term:
    """One field of a name; `complement`: what is missing of it to 1."""

    field: str
    complement: bool = False

    def __str__(self) -> str:
        return f'{_COMPLEMENT if self.complement else ""}{self.field}'

    def of(self, value: Any) -> Any:
        """The value of this term where the field has `value`; itself where it is no number."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return round(1 - value, 10) if self.complement and is_number else value


@functools.lru_cache(maxsize=4_096)
def terms(name: str) -> tuple[Term, ...]:
    """The fields that a name is of: one, unless several are joined."""
    return tuple(
        Term(part.removeprefix(_COMPLEMENT), part.startswith(_COMPLEMENT))
        for part in name.split(_JOINT)
    )


def joined(fields: Sequence[object]) -> str:
    """The name of several fields together."""
    return _JOINT.join(map(str, fields))


def split_key(key: str) -> tuple[str, str | None]:
    """A key of a config's words: a name, and the value behind it as text; None without one."""
    name, equals, value = key.partition('=')
    return name, value if equals else None


def value_of(setting: Mapping[str, Any], name: str) -> Any:
    """The value that a setting has of a field, or of several joined the tuple of theirs."""
    found = terms(name)
    if len(found) > 1:
        return tuple(setting.get(str(term)) for term in found)
    return setting.get(name)
