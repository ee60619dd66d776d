"""The numbers behind a figure: which runs belong together."""

import dataclasses
from collections.abc import Collection
from typing import Any

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import count
from jaxtweaks.results.results import Results


@dataclasses.dataclass(frozen=True)
class Seeds:
    """The runs of one setting of one metric, split by what became of them.

    Attributes:
      whole: values of the runs that did not diverge and have a value, [n] or [n, E].
      broken: values of the diverged runs (NaN from some epoch on), [d] or [d, E].
      missing: how many runs have no value and are not known to have diverged.
    """

    whole: np.ndarray
    broken: np.ndarray
    missing: int

    @property
    def total(self) -> int:
        return len(self.whole) + len(self.broken) + self.missing

    def tally(self) -> str:
        """What the mean omits, in words; '' when it omits nothing."""
        parts = [f'{len(self.broken)} of {self.total} diverged'] if len(self.broken) else []
        parts += [f'{self.missing} of {self.total} not trained'] if self.missing else []
        return ', '.join(parts)


def seeds_of(results: Results, values: np.ndarray, setting: int) -> Seeds:
    """The runs of a setting. `values`: a metric of all runs, [K, S] or [K, S, E]."""
    diverged = results.diverged[setting]
    rows = values[setting]
    finite = np.isfinite(rows) if rows.ndim == 1 else np.isfinite(rows).any(-1)
    return Seeds(
        whole=rows[~diverged & finite],
        broken=rows[diverged],
        missing=int((~diverged & ~finite).sum()),
    )


def seeds_words(runs: Collection[int]) -> str:
    """'5 seeds', or '3 to 5 seeds' where settings have different numbers of runs; not empty."""
    fewest, most = min(runs), max(runs)
    return f'{fewest} to {count(most, "seed")}' if fewest < most else count(most, 'seed')


def ordered(values: list[Any]) -> list[Any]:
    """The distinct values: numbers by size, anything else in the order of the sweep."""
    distinct = list(dict.fromkeys(values))
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in distinct)
    return sorted(distinct) if numbers else distinct


def column(results: Results, name: str) -> list[Any]:
    """The values of a swept field, [K]; of '' one and the same value for every setting."""
    if not name:
        return [''] * len(results.settings)
    return [tuple(v) if isinstance(v, list) else v for v in results.values(name)]


def arrange(
    results: Results, fields: tuple[str, ...], where: dict[str, Any], title: str
) -> dict[tuple[Any, ...], int]:
    """One setting for each combination of values of `fields` ('' for none), by those values.

    Raises:
      UserError: no setting has the values in `where`, or two settings that differ elsewhere
        have the same values of `fields`: their mean would mix what the sweep keeps apart.
    """
    chosen = results.select(where)
    if not chosen:
        raise UserError(f"figure '{title}': {results.unmet(where)}")
    columns = [column(results, name) for name in fields]
    found: dict[tuple[Any, ...], int] = {}
    for k in chosen:
        key = tuple(values[k] for values in columns)
        if key in found:
            other = results.settings[found[key]]
            differ = [
                name for name in results.swept if other.get(name) != results.settings[k].get(name)
            ]
            raise UserError(
                f"figure '{title}': settings that differ in {', '.join(differ) or 'nothing'} "
                'would be drawn as one; give that field to hue or panels, or choose with where'
            )
        found[key] = k
    return found
