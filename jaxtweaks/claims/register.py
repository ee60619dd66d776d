"""The decorator that registers a kind of claim, public as `jt.claim`."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.claims.claim import KINDS
from jaxtweaks.claims.function import OfFunction
from jaxtweaks.claims.kind import OPTIONS, Kind

F = TypeVar('F', bound=Callable[..., Any])


def claim(
    name: str, *, needs: tuple[str, ...], reads: tuple[str, ...] = ('at', 'goal')
) -> Callable[[F], F]:
    """Registers a kind of claim: a function, or a class that inherits from `kind.Kind`.

    A function (arms, test) → (p_support, p_contradict) is given what is compared, by seed
    (`function.Arms`), and the tests of this package (`function.Tests`). Whatever the truth is, the
    chance that one that is wrong is at most α must be at most α. With `test.directional` it also
    says whether the difference is 'negligible', for which `reads` must have 'smallest'.

    Args:
      name: by which claims name it.
      needs: what a claim must set, of `kind.OPTIONS`; with 'along' it is of a curve.
      reads: what it may set besides.

    Raises:
      UserError: a name that cannot be, an option that there is not, or not such a function.
    """
    what = KINDS.check_name(name)
    for option in (*needs, *reads):
        if option not in OPTIONS:
            raise UserError(f"{what}: no option '{option}'; {did_you_mean(str(option), OPTIONS)}")

    def decorate(source: Any) -> Any:
        if isinstance(source, type) and issubclass(source, Kind):
            KINDS.add(name, source(name, needs, reads), source)
            return source
        try:
            inspect.signature(source).bind('arms', 'test')
        except (TypeError, ValueError):
            raise UserError(f'{what}: is {source!r}; it must be {KINDS.doc}') from None
        KINDS.add(name, OfFunction(name, needs, reads, source), source)
        return source

    return decorate
