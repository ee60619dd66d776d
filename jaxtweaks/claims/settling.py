"""Seeds added until every claim is settled, without erring more often for having looked.

Seeds grow along a grid fixed beforehand, and every claim is tested at every look. A share w of α
goes to each look, in proportion to the seeds that it adds, and

    q = min over the looks so far of p / w

is a p value again: P(q ≤ α) ≤ Σ P(p ≤ α w) ≤ α Σ w = α by the union bound, whatever the test, the
noise, the rule that stops, and the looks that were omitted. Among several claims Holm's adjustment
goes over q. docs/statistics.md shows how often it errs and what it costs. Pure functions.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxtweaks.claims import power, statistics
from jaxtweaks.claims.finding import Finding

GRID = (5, 8, 12, 20, 32, 50)
# A claim that no later look settles with at least this chance gets no more seeds.
FUTILE = 0.05


@dataclasses.dataclass(frozen=True)
class Look:
    """What was found with some number of seeds.

    Attributes:
      seeds: so many that the experiment asked for.
      p: the two p values of each claim, by its own tests (`Finding.tests`), [m]; NaN where nothing
        could be tested, or the claim was not looked at.
    """

    seeds: int
    p: tuple[tuple[float, float], ...]


def weights(grid: Sequence[int] = GRID) -> dict[int, float]:
    """The share of α that goes to each look: the seeds it adds over those of the last.

    Raises:
      ValueError: the grid does not grow.
    """
    added = np.diff([0, *grid])
    if not len(grid) or (added <= 0).any():
        raise ValueError(f'the seeds of the looks must grow, not {tuple(grid)}')
    return dict(zip(grid, (added / grid[-1]).tolist(), strict=True))


def confidence(seeds: int, grid: Sequence[int] = GRID, alpha: float = 0.05) -> float:
    """The level of the intervals of a look: all of them at once hold what they should at 1 − α.

    1, an interval without end, at a number of seeds that is not in the grid.
    """
    return 1 - alpha * weights(grid).get(seeds, 0.0)


def q_values(looks: Sequence[Look], grid: Sequence[int] = GRID) -> np.ndarray:
    """p values that hold for having looked so far, [m, 2]; NaN where nothing was ever tested.

    A look at a number of seeds that is not in the grid has no share of α, and does not count.
    """
    return np.minimum(1.0, np.fmin.reduce(_weighted(looks, grid)))


def adjusted(looks: Sequence[Look], grid: Sequence[int] = GRID) -> np.ndarray:
    """`q_values` after `statistics.holm` over the claims, [m, 2]: significant if at most α.

    Never rises from look to look: what is significant stays so.
    """
    return statistics.holm(q_values(looks, grid))


def settled(
    looks: Sequence[Look], grid: Sequence[int] = GRID, alpha: float = 0.05
) -> list[tuple[int, int] | None]:
    """Of each claim what its verdict rests on: which look, and which of the two tests.

    The second test says 'negligible', and comes before the first: `Finding.side` of that look. The
    look is that of the smallest p / w. None of a claim that is open.
    """
    found = []
    for claim, significant in enumerate(adjusted(looks, grid) <= alpha):
        test = int(significant[1])
        at = _weighted(looks, grid)[:, claim, test]
        found.append((int(np.nanargmin(at)), test) if significant.any() else None)
    return found


def _weighted(looks: Sequence[Look], grid: Sequence[int]) -> np.ndarray:
    """p / w of each look, claim and test, [looks, m, 2]; NaN outside the grid."""
    share = weights(grid)
    return np.array([np.array(look.p) / share.get(look.seeds, np.nan) for look in looks])


def hopeless(
    found: Finding, seeds: int, tests: int = 1, grid: Sequence[int] = GRID, alpha: float = 0.05
) -> bool:
    """Whether no look to come is likely to settle a claim, as far as the seeds seen can say.

    Args:
      found: the claim's finding with the seeds there are, two at least.
      seeds: the number of the last look.
      tests: how many claims are still open: Holm asks the smallest p for α over their number.
    """
    share = weights(grid)
    # Seeds that dropped out at this look (a run diverged) do so at later ones.
    lost = found.n / seeds
    return not any(
        power.forecast(found, round(lost * n), alpha * share[n] / tests) >= FUTILE
        for n in sorted((n for n in grid if n > seeds), reverse=True)
    )


def open_claims(
    found: Sequence[Finding | None],
    looks: Sequence[Look],
    grid: Sequence[int] = GRID,
    alpha: float = 0.05,
) -> list[int]:
    """The claims for which more seeds are worth training: not settled, and not hopeless.

    To give one up costs power at worst: it adds no verdict, so no wrong one.

    Args:
      found: of each claim, with the seeds of the last look; None if it was given up before.
      looks: all looks so far, the last one last.
    """
    last = looks[-1].seeds
    if last >= grid[-1]:
        return []
    unsettled = [i for i, rests_on in enumerate(settled(looks, grid, alpha)) if rests_on is None]
    going = []
    for i in unsettled:
        one = found[i]
        if one is None or one.rows is None:
            continue
        if one.n < 2 or not hopeless(one, last, len(unsettled), grid, alpha):
            going.append(i)
    return going
