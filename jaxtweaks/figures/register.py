"""The decorator that registers a kind of figure, public as `jt.figure`."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from jaxtweaks.base.errors import UserError, did_you_mean
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
    what = KINDS.check_name(name)
    for option in (*reads, *needs):
        if option not in OPTIONS:
            raise UserError(f"{what}: no field '{option}'; {did_you_mean(str(option), OPTIONS)}")

    def decorate(source: Any) -> Any:
        if isinstance(source, type) and issubclass(source, Kind):
            KINDS.add(name, source(name, reads, needs, arrays), source)
            return source
        try:
            inspect.signature(source).bind('axes', 'panel')
        except (TypeError, ValueError):
            raise UserError(f'{what}: is {source!r}; it must be {KINDS.doc}') from None
        cls, always = OfCurves if by_epoch else OfFunction, ('metrics',)
        read, needed = (tuple(dict.fromkeys(always + more)) for more in (reads, needs))
        KINDS.add(name, cls(name, read, needed, arrays, source), source)
        return source

    return decorate
