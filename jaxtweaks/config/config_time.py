"""How long an experiment takes, as the docstring of its config says; nothing is imported for it."""

import ast
import dataclasses
import re
from pathlib import Path

_UNITS = {'second': 1, 'minute': 60, 'hour': 3600}
_EXPECTED = re.compile(
    r'Expected \((?P<size>\w+)(?: size)?, (?:[^()]|\([^()]*\))*?'
    r'(?P<time>(?:[\d.]+ to )?(?P<most>[\d.]+) (?P<unit>second|minute|hour)s?)\b'
)


@dataclasses.dataclass(frozen=True)
class Measured:
    """How long an experiment took, as the docstring of its config says.

    Attributes:
      size: 'smoke', 'quick', 'paper', or 'any'.
      words: the time, as it stands there.
      seconds: the time; the longer one of two.
    """

    size: str
    words: str
    seconds: float


def measured(path: Path) -> Measured | None:
    """What a config's docstring says under 'Expected (size, …, time …)', None if it does not."""
    try:
        doc = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or ''
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None  # loading it says what is wrong
    found = _EXPECTED.search(' '.join(doc.split()))
    if not found:
        return None
    seconds = float(found['most']) * _UNITS[found['unit']]
    return Measured(found['size'], found['time'], seconds)
