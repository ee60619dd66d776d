"""Numbers in words: as short as they can be, and never as 0 or 1 where they are not.

What was chosen (the values of a field) keeps all its digits if they are few, and as many as tell it
from the other values. What was measured has a fixed number of digits, and more only near 0 and 1.
"""

import collections
import decimal
import math
from collections.abc import Iterable, Sequence

ABSENT = '—'
_SHORT = 6  # significant digits of a chosen value that is shown to the last of them
_MOST = 17  # significant digits that tell any two float64 apart
_NOISE = 1e-12  # of 1: what is left over where shares are subtracted or averaged
_PLAIN = 1e5  # numbers from here on have a power of ten, if they are not counts


def apart(values: Iterable[float]) -> dict[float, str]:
    """Numbers that stand for one another's alternatives, no two of which read the same.

    Args:
      values: of one field, int or float, whatever they are; the same value may come again.

    Returns:
      The words of each distinct value. Whole numbers and those of up to 6 significant digits are
      shown as they are, others to 3 digits or as many as keep them apart.
    """
    words: dict[float, str] = dict.fromkeys(values, '')
    left = list(words)
    for digits in range(3, _MOST + 1):
        words |= {value: _chosen(value, digits) for value in left}
        alike = collections.Counter(words.values())
        left = [value for value, text in words.items() if alike[text] > 1]
        if not left:
            break
    return words


def digits(value: float) -> str:
    """The digits of a finite number, without an exponent, that read back as the same number."""
    text = f'{decimal.Decimal(repr(float(value))):f}'
    return text.removesuffix('.0')


def number(value: float, digits: int = 3, sign: str = '') -> str:
    """What was measured, to at most so many significant digits; `sign` is '+' to show a plus.

    More digits where it would read as 1 and is not. NaN is a number that there is not.
    """
    if not math.isfinite(value):
        return ABSENT if math.isnan(value) else _not_finite(value)
    if float(value).is_integer() and abs(value) < _PLAIN:
        return _minus(f'{int(value):{sign}}')
    for more in range(digits, _MOST + 1):
        text = f'{value:{sign}.{more}g}'
        if not _misread(value, float(text), 1.0):
            break
    return _minus(_short_power(text))


def fixed(value: float, decimals: int, one: float = 1.0, sign: str = '') -> str:
    """What was measured, finite, to so many decimals.

    More decimals where it would read as 0 or as ±`one` and is not; what is left over of a
    subtraction (1e-12 of `one`) is 0.
    """
    for places in range(decimals, decimals + 13):
        text = f'{value:{sign}.{places}f}'
        if not _misread(value, float(text), one):
            break
    if float(text) == 0:
        text = text.replace('-', sign)
    return _minus(text)


def percent(share: float, decimals: int = 2, sign: str = '') -> str:
    """A share in percent, without the sign: 0.9996 is '99.96', and to 1 decimal '99.96' as well."""
    return fixed(100 * share, decimals, 100.0, sign)


def p_value(p: float) -> str:
    """A p value, finite, with as many digits as mean something."""
    if p < 0.001:
        return '< 0.001'
    return '> 0.999' if 0.999 < p < 1 else f'{p:.3g}'


def of_bytes(count: float) -> str:
    """A number of bytes, as '3.4 MiB'."""
    units = ('B', 'KiB', 'MiB', 'GiB', 'TiB')
    power = min(int(math.log2(max(count, 1))) // 10, len(units) - 1)
    value = count / 1024**power
    return f'{value:.3g} {units[power]}' if value < 100 else f'{value:.0f} {units[power]}'


def complements(values: Sequence[float]) -> list[float]:
    """1 − each value, as one would write it: 1 − 0.9 is 0.1, and no two become the same."""
    rounded = [round(1 - value, 10) for value in values]
    exact = [float(1 - decimal.Decimal(str(value))) for value in values]
    if len(set(rounded)) < len(set(values)):
        return exact
    return [b if _misread(b, a, 1.0) else a for a, b in zip(rounded, exact, strict=True)]


def _chosen(value: float, digits: int) -> str:
    """A value that a config has; of a float that is not whole at least so many digits."""
    if not math.isfinite(value):
        return _not_finite(value)
    if isinstance(value, int) or (value.is_integer() and abs(value) < _PLAIN):
        return _minus(str(int(value)))
    for few in range(1, _SHORT + 1):
        if float(f'{value:.{few}g}') == value:
            return _minus(_decimal(value, few))
    if value.is_integer() and abs(value) < 10**15:
        return _minus(str(int(value)))
    for more in range(digits, _MOST + 1):
        text = _decimal(value, more)
        if abs(value) >= _PLAIN or not float(text).is_integer():
            break
    return _minus(text)


def _decimal(value: float, digits: int) -> str:
    """To so many significant digits, below 100,000 without a power of ten."""
    whole = math.floor(math.log10(abs(value))) + 1 if 1 <= abs(value) < _PLAIN else 0
    return _short_power(f'{value:.{max(digits, whole)}g}')


def _misread(value: float, read: float, one: float) -> bool:
    """Whether a number reads as 0 or ±`one` and is farther from it than what rounding leaves."""
    return read in (0.0, one, -one) and abs(value - read) > _NOISE * one


def _not_finite(value: float) -> str:
    return 'NaN' if math.isnan(value) else '∞' if value > 0 else '−∞'


def _short_power(text: str) -> str:
    """'1e-06' as '1e-6', '1e+05' as '1e5'."""
    mantissa, power, exponent = text.partition('e')
    return f'{mantissa}e{int(exponent)}' if power else text


def _minus(text: str) -> str:
    return text.replace('-', '−')
