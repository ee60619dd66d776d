"""Where an axis of a figure has ticks, and their numbers in one notation."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from jaxtweaks.base.words import number

_FEW = 4  # powers of ten from which on 2 and 5 have no ticks between them
_MOST = 9  # ticks of a logarithmic axis with as many powers
_FEWEST = 3  # ticks that say how an axis runs
_EPOCHS = 8  # steps on an axis of epochs
_DIGITS = 6
_NUMBER = re.compile(r'−?\d+(\.\d+)?(e−?\d+)?')


def alike(words: Sequence[str]) -> list[str]:
    """The words of one axis; if one number has a power of ten, all but 0 have."""
    numbers = [word for word in words if _NUMBER.fullmatch(word)]
    if not any('e' in word for word in numbers):
        return list(words)
    return [_with_power(word) if word in numbers else word for word in words]


def _with_power(word: str) -> str:
    """'0.0001' as '1e−4'."""
    value = float(word.replace('−', '-'))
    if value == 0 or 'e' in word:
        return word
    mantissa, _, exponent = f'{value:.{_DIGITS + 3}e}'.partition('e')
    mantissa = mantissa.rstrip('0').rstrip('.')
    return f'{mantissa}e{int(exponent)}'.replace('-', '−')


def words_of(values: Sequence[float]) -> list[str]:
    """Ticks in one notation."""
    return alike([number(value, _DIGITS) for value in values])


def logarithmic(
    low: float, high: float, most: int = _MOST, between: Sequence[float] = (1, 2, 5)
) -> list[float]:
    """The ticks of an axis from `low` to `high`, both above 0.

    At most so many powers of ten; these times `between` if there are few of them.
    """
    low, high = low * (1 - 1e-9), high * (1 + 1e-9)
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    if len(powers) >= _FEW:
        return [10.0**power for power in powers[:: -(-len(powers) // most)]]
    wider = range(powers.start - 1, powers.stop)
    ticks = [step * 10.0**power for power in wider for step in between]
    ticks = [tick for tick in ticks if low <= tick <= high]
    return ticks if len(ticks) >= _FEWEST else evenly(low, high, 5)


def evenly(low: float, high: float, steps: int, whole: bool = False) -> list[float]:
    """Round numbers from `low` to `high`, at most so many steps apart."""
    from matplotlib.ticker import MaxNLocator

    locator = MaxNLocator(nbins=steps, steps=[1, 2, 5, 10], integer=whole, min_n_ticks=1)
    return [float(tick) for tick in locator.tick_values(low, high) if low <= tick <= high]


def of_epochs(first: int, last: int, apart: float) -> list[int]:
    """Round epochs, and the first and the last one; at least `apart` from one another."""
    steps = max(1, min(_EPOCHS, int((last - first) / apart))) if apart > 0 else _EPOCHS
    between = [int(tick) for tick in evenly(first, last, steps, whole=True)]
    between = [tick for tick in between if last - tick >= apart and tick - first >= apart]
    ends = [first, last] if last - first >= apart else [last]
    return sorted({*ends, *between})
