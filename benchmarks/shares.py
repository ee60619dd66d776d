"""How often verdicts on shares of runs err, and how often their intervals hold the truth.

    python -m benchmarks.shares          # 2,000 experiments a cell
    python -m benchmarks.shares 200      # 200 experiments a cell: a quick look

Prints Markdown tables, which docs/statistics.md shows. Sign flips, which are not used, are there
for comparison.
"""

import sys
from collections.abc import Callable, Iterator

import numpy as np

from jaxtweaks.claims.shares import Shares
from jaxtweaks.claims.statistics import permutation_interval, permutation_p

SEEDS = (6, 8, 12, 20)
ALPHA = 0.05


def main() -> None:
    """Prints the tables."""
    count = int(sys.argv[1]) if sys.argv[1:] else 2_000
    print('Two arms of one rate: share of wrong verdicts, tested exactly / by sign flips.\n')
    table('settings', _errors(count))
    print('\nShare of nominal 95% intervals that hold the truth: used here / of sign flips.\n')
    table('share of', _coverage(count))


def table(first: str, rows: Iterator[tuple[str, list[str]]]) -> None:
    """Prints rows of names and cells by number of seeds."""
    print(f'| {first} | {" | ".join(f"n = {n}" for n in SEEDS)} |\n|---|{"---|" * len(SEEDS)}')
    for name, cells in rows:
        print(f'| {name} | {" | ".join(cells)} |', flush=True)


def _errors(count: int) -> Iterator[tuple[str, list[str]]]:
    for counts in ((1, 1), (1, 4), (3, 3)):
        shares = Shares(counts)
        exact = lambda rows, shares=shares: bool(2 * min(shares.more(rows)) <= ALPHA)
        flips = lambda rows: permutation_p(rows[0] - rows[1]) <= ALPHA
        for rate in (0.05, 0.1, 0.2, 0.5):
            drawn = [_drawn([(k, rate) for k in counts], n, count) for n in SEEDS]
            yield f'{counts[0]} against {counts[1]}, rate {rate:g}', _cells(drawn, exact, flips)


def _coverage(count: int) -> Iterator[tuple[str, list[str]]]:
    for rates in ((0.05,), (0.3,), (0.9,), (0.05, 0.05), (0.1, 0.5), (0.9, 0.1), (0.5, 0.5)):
        shares, span = Shares((1,) * len(rates)), (0.0 if len(rates) == 1 else -1.0, 1.0)
        truth = rates[0] - sum(rates[1:])

        def held(rows, shares=shares, truth=truth):
            low, high = shares.interval(rows)
            return low - 1e-9 <= truth <= high + 1e-9

        def held_by_flips(rows, span=span, truth=truth):
            low, high = permutation_interval(rows[0] - rows[1:].sum(axis=0), span=span)
            return low - 1e-6 <= truth <= high + 1e-6

        drawn = [_drawn([(1, rate) for rate in rates], n, count) for n in SEEDS]
        yield ' against '.join(f'{rate:g}' for rate in rates), _cells(drawn, held, held_by_flips)


def _drawn(arms: list[tuple[int, float]], n: int, count: int) -> np.ndarray:
    """Experiments of n seeds: by arm the share of its runs that do it, [count, A, n]."""
    rng = np.random.default_rng(n)
    return np.stack([rng.binomial(k, rate, (count, n)) / k for k, rate in arms], axis=1)


def _cells(drawn: list[np.ndarray], *each: Callable[[np.ndarray], bool]) -> list[str]:
    """By number of seeds how often each is so, of experiments [count, A, n]."""
    return [
        ' / '.join(f'{100 * np.mean([one(rows) for rows in rows_of]):.1f}%' for one in each)
        for rows_of in drawn
    ]


if __name__ == '__main__':
    main()
