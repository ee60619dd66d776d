"""Seeds added until every claim is settled, without erring more often for having looked.

Seeds grow along a grid fixed beforehand, and every claim is tested at every look. A share w of α
goes to each look (`shares`), and

    q = min over the looks so far of p / w

is a p value again: P(q ≤ α) ≤ Σ P(p ≤ α w) ≤ α Σ w = α by the union bound, whatever the test, the
noise, the rule that stops, and the looks that were omitted, as long as the shares are fixed before
a result is seen. Among several claims Holm's adjustment goes over q. docs/statistics.md shows how
often it errs and what it costs. Pure functions.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from jaxtweaks.claims import power, statistics
from jaxtweaks.claims.finding import Finding

GRID = (5, 8, 12, 20, 32, 50)
# A claim that no later look settles with at least this chance gets no more seeds.
FUTILE = 0.05
# The share of α that is kept for looks beyond the one that was planned as the last.
RESERVE = 0.2


@dataclasses.dataclass(frozen=True)
class Look:
    """What was found with some number of seeds.

    Attributes:
      seeds: so many that the experiment asked for.
      p: the two p values of each claim, by its own tests (`Finding.tests`), [m]; NaN where nothing
        could be tested, or the claim was not looked at.
      share: of α that the look may spend.
    """

    seeds: int
    p: tuple[tuple[float, float], ...]
    share: float


def shares(planned: int = GRID[-1], grid: Sequence[int] = GRID) -> dict[int, float]:
    """The share of α that goes to each look: by the seeds it adds over those of the last look.

    The looks up to the planned one divide what is not kept in `RESERVE`, and those beyond it, which
    a larger budget may come to, divide that. Looks that nobody is going to make would else have
    most of α: of 50 seeds the first look, at 5, has a tenth.

    Args:
      planned: the seeds of the look that is expected to be the last, chosen before any result.
      grid: the seeds of all looks.

    Returns:
      The share of each look, by its seeds; they sum to 1.

    Raises:
      ValueError: the grid does not grow, or has no look with the planned seeds.
    """
    added = np.diff([0, *grid])
    if planned not in grid or (added <= 0).any():
        raise ValueError(f'no growing seeds of looks with one at {planned}: {tuple(grid)}')
    kept = RESERVE if planned < grid[-1] else 0.0
    divided = lambda n: (1 - kept) / planned if n <= planned else kept / (grid[-1] - planned)
    return {n: float(more * divided(n)) for n, more in zip(grid, added, strict=True)}


def grid_from(first: int) -> tuple[int, ...]:
    """The seeds of the looks from one on; of all of them if there is none with so many."""
    return GRID[GRID.index(first) :] if first in GRID else GRID


def first_look(by_flips: int, alpha: float = 0.05) -> int:
    """The seeds of the first look, at which every claim can be settled.

    With n seeds sign flips have a p value of 2/2ⁿ at least. So a look at fewer than it takes would
    spend its share of α on claims that it cannot settle. The other claims are taken as settled.

    Args:
      by_flips: how many claims are decided by sign flips.
      alpha: the level of all of them together.
    """
    least = alpha * (1 - RESERVE) / max(by_flips, 1)
    enough = (n for n in GRID if not by_flips or statistics.smallest_permutation_p(n) <= least)
    return next(enough, GRID[-1])


def affordable(seconds_of_a_seed: float, budget: float, first: int = GRID[0]) -> int:
    """The seeds of the last look that a budget (in seconds) reaches; the first look at least."""
    return max((n for n in GRID if n * seconds_of_a_seed <= budget and n >= first), default=first)


def confidence(share: float, alpha: float = 0.05) -> float:
    """The level of the intervals of a look: all of them at once hold what they should at 1 − α."""
    return 1 - alpha * share


def q_values(looks: Sequence[Look]) -> np.ndarray:
    """p values that hold for having looked so far, [m, 2]; NaN where nothing was ever tested.

    A look without a share of α does not count.
    """
    return np.minimum(1.0, np.fmin.reduce(_by_share(looks)))


def adjusted(looks: Sequence[Look]) -> np.ndarray:
    """`q_values` after `statistics.holm` over the claims, [m, 2]: significant if at most α.

    Never rises from look to look: what is significant stays so.
    """
    return statistics.holm(q_values(looks))


def settled(looks: Sequence[Look], alpha: float = 0.05) -> list[tuple[int, int] | None]:
    """Of each claim what its verdict rests on: which look, and which of the two tests.

    The second test says 'negligible', and comes before the first: `Finding.side` of that look. The
    look is that of the smallest p / w. None of a claim that is open.
    """
    found = []
    for claim, significant in enumerate(adjusted(looks) <= alpha):
        test = int(significant[1])
        at = _by_share(looks)[:, claim, test]
        found.append((int(np.nanargmin(at)), test) if significant.any() else None)
    return found


def _by_share(looks: Sequence[Look]) -> np.ndarray:
    """p / w of each look, claim and test, [looks, m, 2]; NaN where a look has no share."""
    return np.array([np.array(look.p) / (look.share or np.nan) for look in looks])


def chances(
    found: Finding, seeds: int, share: Mapping[int, float], tests: int = 1, alpha: float = 0.05
) -> Iterator[tuple[int, float]]:
    """Each look to come, the last one first, and the chance that it settles a claim.

    Args:
      found: the claim's finding with the seeds there are, two at least.
      seeds: the number of the last look.
      share: of α of each look, by its seeds.
      tests: how many claims are still open: Holm asks the smallest p for α over their number.
    """
    # Seeds that dropped out at this look (a run diverged) do so at later ones.
    lost = found.n / seeds
    for n in sorted((n for n in share if n > seeds), reverse=True):
        yield n, power.forecast(found, round(lost * n), alpha * share[n] / tests)


def hopeless(
    found: Finding, seeds: int, share: Mapping[int, float], tests: int = 1, alpha: float = 0.05
) -> bool:
    """Whether no look to come is likely to settle a claim, as far as the seeds seen can say.

    Args: as those of `chances`.
    """
    return not any(chance >= FUTILE for _, chance in chances(found, seeds, share, tests, alpha))


def open_claims(
    found: Sequence[Finding | None],
    looks: Sequence[Look],
    share: Mapping[int, float],
    alpha: float = 0.05,
) -> list[int]:
    """The claims for which more seeds are worth training: not settled, and not hopeless.

    To give one up costs power at worst: it adds no verdict, so no wrong one.

    Args:
      found: of each claim, with the seeds of the last look; None if it was given up before.
      looks: all looks so far, the last one last.
      share: of α of each look, also of those to come, by its seeds.
    """
    last = looks[-1].seeds
    if last >= max(share):
        return []
    unsettled = [i for i, rests_on in enumerate(settled(looks, alpha)) if rests_on is None]
    going = []
    for i in unsettled:
        one = found[i]
        if one is None or one.rows is None:
            continue
        if one.n < 2 or not hopeless(one, last, share, len(unsettled), alpha):
            going.append(i)
    return going
