"""The decorator that registers a kind of figure, public as `jt.figure`."""

from collections.abc import Callable
from typing import Any, TypeVar

from jaxtweaks.figures.figure_spec import KINDS
from jaxtweaks.figures.function import OfCurves, OfFunction
from jaxtweaks.figures.kind import OPTIONS, Kind

F = TypeVar('F', bound=Callable[..., Any])
_USUAL = ('metrics', 'hue', 'panels', 'x', 'where', 'log_y')


def figure(
    name: str,
    *,
    reads: tuple[str, ...] = _USUAL,
    needs: tuple[str, ...] = (),
    arrays: tuple[str, ...] = (),
    by_epoch: bool = False,
) -> Callable[[F], F]:
    """Registers a kind of figure: a function, or a class that inherits from `kind.Kind`.

    A function (axes, panel) draws one panel, of one metric, with matplotlib: see `function.Panel`.
    The page, its title and size, the labels and ranges of the y axes, the legend of the hue and
    what stands below are made by this package.

    Args:
      name: by which figures name it.
      reads: the fields of a figure that it reads, of `kind.OPTIONS`.
      needs: those of them that must be set; a function needs metrics in any case.
      arrays: what it needs of `Results.arrays`; of a class.
      by_epoch: whether a function is given curves, not numbers of the chosen parameters.

    Raises:
      UserError: a name that cannot be, a field that there is not, or not such a function.
    """
    KINDS.check_options(name, (*reads, *needs), OPTIONS, 'field')
    made, always = OfCurves if by_epoch else OfFunction, ('metrics',)
    read, needed = (tuple(dict.fromkeys(always + more)) for more in (reads, needs))
    return KINDS.decorator(
        name,
        Kind,
        ('axes', 'panel'),
        of_class=lambda cls: cls(name, reads, needs, arrays),
        of_function=lambda function: made(name, read, needed, arrays, function),
    )
