"""Tweaks: functions of what goes through a network, registered by their names.

    @tweak('shrink', where='hidden')
    def shrink(key, x, train, *, by=traced(0.0, 'share that goes', low=0.0, high=1.0, off=0.0)):
        return x * (1 - by)

It is a part (`parts.py`) with the field 'shrink.by'. One that declares nothing has a strength
alone, which is traced:

    @tweak('shrink', where='hidden', low=0.0, high=1.0)
    def shrink(key, x, strength, train):
        return x * (1 - strength)

Its field is 'tweaks.shrink'. What calls the functions is `nn/tweak.py`.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config import parts
from jaxtweaks.config.build import convert
from jaxtweaks.config.fields import Field, Rule
from jaxtweaks.config.part import Part
from jaxtweaks.config.signature import declares

SLOT = 'tweak'
_TAKEN = 'on'  # `tweaks.on` is what the derivation `tweaks` adds
PLACES = ('input', 'conv', 'hidden', 'logits')

F = TypeVar('F', bound=Callable[..., Any])


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
      words: how it reads in tables and figures.

    Returns:
      A decorator that returns the function.

    Raises:
      UserError: a name or place that cannot be, bounds without `off` between them, or not a
        function of four arguments.
    """
    what = f"tweak '{name}'"
    _check(name, where)
    given = {'off': (off, 0.0), 'low': (low, 0.0), 'high': (high, None), 'doc': (doc, '')}
    of_strength = [one for one, (value, default) in given.items() if value != default]
    rule = Rule('traced', doc or f'strength of the {what}', low=low, high=high, off=off)
    strength = Field(float, convert(off, float, rule, f'{what}: off'), rule)

    def register(function: F) -> F:
        """Registers the function, as it is. Raises UserError: it takes other arguments."""
        if declares(function):
            if of_strength:
                raise UserError(
                    f'{what}: {of_strength[0]} is said of a strength that the function '
                    'declares itself; write it there, as in traced(0.0, …, off=0.0)'
                )
            return parts.register(SLOT, name, words, where=where)(function)
        try:
            inspect.signature(function).bind('key', 'x', 'strength', 'train')
        except (TypeError, ValueError):
            raise UserError(
                f'{what}: {function!r} must be a function (key, x, strength, train), or '
                '(key, x, train) with parameters that it declares by traced(…) or static(…)'
            ) from None
        facts = {'where': where}
        parts.add(Part(SLOT, name, function, {'strength': strength}, words, facts, alone=True))
        return function

    return register


def _check(name: str, where: str) -> None:
    """Whether a tweak can have this name and place. Raises UserError."""
    if not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', name) or name == _TAKEN:
        raise UserError(
            f'tweak {name!r}: the name must be letters, digits and _, a letter first, not '
            f'{_TAKEN!r}'
        )
    if where not in PLACES:
        raise UserError(f"tweak '{name}': where={where!r}; {did_you_mean(str(where), PLACES)}")


def place(name: str) -> str:
    """Where the tweak acts whose field has this dotted name; '' if it is no tweak's."""
    acting = (part for part in parts.of_slot(SLOT).values() if name in part.fields)
    return next((part.facts['where'] for part in acting), '')
