"""The decorator that registers a kind of claim, public as `jt.claim`."""

from collections.abc import Callable
from typing import Any, TypeVar

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
    KINDS.check_options(name, (*needs, *reads), OPTIONS)
    return KINDS.decorator(
        name,
        Kind,
        ('arms', 'test'),
        of_class=lambda cls: cls(name, needs, reads),
        of_function=lambda function: OfFunction(name, needs, reads, function),
    )
