"""Tests and intervals of shares of runs: of runs that do something, such as diverge, or do not.

A run is 0 or 1, for which Student's t is no test; the noise of a share near 0 or 1 is as skewed as
noise can be. docs/statistics.md says what is done instead, and how often it errs.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
import scipy  # its parts are imported as they are used: that takes a second

from jaxtweaks.claims import statistics

HALF = 0.5


@dataclasses.dataclass(frozen=True)
class Shares:
    """How the share of one arm is compared with one half, or that of two with each other.

    Attributes:
      counts: how many runs of a seed each arm has, one number or two.
    """

    counts: tuple[int, ...]

    def more(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One-sided p that the share is larger than the other one (or one half), and smaller.

        Of one experiment they are exact, of many at once normal approximations to that.

        Args:
          rows: by seed the share of each arm's runs, [A, n], or of many experiments [A, ..., n].

        Returns:
          [] each, or [...].
        """
        if len(self.counts) == 1:
            return self._from_half(rows[0])
        ones = np.rint(rows * np.reshape(self.counts, (2, *[1] * (rows.ndim - 1))))
        if rows.ndim > 2:
            return self._between_many(ones)
        null = _sum_of_draws(tuple(ones.sum(axis=0).astype(int).tolist()), self.counts)
        at = int(ones[0].sum())
        return np.minimum(1.0, null[at:].sum()), np.minimum(1.0, null[: at + 1].sum())

    def interval(self, rows: np.ndarray, level: float = 0.95) -> tuple[float, float]:
        """The interval of the share [1, n], or of the difference of two [2, n]; NaN for n < 2.

        One arm: Clopper and Pearson 1934 (Biometrika 26:404), with a seed as one trial however many
        runs it has. Two arms: the limits of each put together (Zou and Donner 2008, Stat. Med.
        27:1693; that runs of a seed do the same is not made use of, that they do the opposite is).
        One half, or no difference, is inside exactly if the test keeps it.
        """
        n = rows.shape[1]
        if n < 2:
            return math.nan, math.nan
        limits = [_clopper_pearson(float(row.sum()), n, level) for row in rows]
        if len(rows) == 1:
            (low, high), null, seen = limits[0], HALF, float(rows.mean())
        else:
            low, high = _difference(rows, limits)
            null, seen = 0.0, float(rows[0].mean() - rows[1].mean())
        if 2 * min(self.more(rows)) > 1 - level:
            return min(low, null), max(high, null)
        return (max(low, null), high) if seen > null else (low, min(high, null))

    def drawn(self, rows: np.ndarray, n: int, experiments: int, seed: int) -> np.ndarray:
        """Experiments of n seeds, each like one of those seen (a bootstrap).

        Args:
          rows: of the seeds seen, [A, seen].

        Returns:
          [A, experiments, n].
        """
        chosen = np.random.default_rng(seed).integers(rows.shape[1], size=(experiments, n))
        return rows[:, chosen]

    def continued(self, rows: np.ndarray, n: int, experiments: int, seed: int) -> np.ndarray:
        """Experiments that begin with the seeds seen and go on to n of them.

        How often each outcome comes among those to come is drawn from what the seen say about it:
        a Bayesian bootstrap (Rubin 1981, Ann. Stat. 9:130) to which one more seed is added, spread
        over the outcomes in which all runs of an arm agree. Without it a share that was 0 so far
        would be 0 for ever.

        Args:
          rows: of the seeds seen, [A, seen].

        Returns:
          [A, experiments, n].
        """
        rng = np.random.default_rng(seed)
        seen = rows.shape[1]
        agreed = np.stack(np.meshgrid(*[[0.0, 1.0]] * len(rows))).reshape(len(rows), -1)
        outcomes = np.concatenate([rows, agreed], axis=1)
        weight = np.concatenate([np.ones(seen), np.full(agreed.shape[1], 1 / agreed.shape[1])])
        bounds = np.cumsum(rng.dirichlet(weight, experiments), axis=1)
        uniform = rng.random((experiments, n - seen))
        chosen = (uniform[:, :, None] > bounds[:, None, :-1]).sum(axis=2)
        before = np.broadcast_to(rows[:, None, :], (len(rows), experiments, seen))
        return np.concatenate([before, outcomes[:, chosen]], axis=2)

    def _from_half(self, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """By sign flips of the distances from one half: for one run of a seed a binomial test."""
        d = row - HALF
        if row.ndim == 1:
            return (
                np.asarray(statistics.permutation_p(d, 'greater')),
                np.asarray(statistics.permutation_p(-d, 'greater')),
            )
        return _normal(d.sum(axis=-1), (d**2).sum(axis=-1), HALF / self.counts[0])

    def _between_many(self, ones: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`more` of two arms for many experiments: Cochran, Mantel and Haenszel's statistic."""
        a, b = self.counts
        both, together = ones.sum(axis=0), a + b
        above = (ones[0] - both * a / together).sum(axis=-1)
        variance = a * b * both * (together - both) / (together**2 * max(1, together - 1))
        return _normal(above, variance.sum(axis=-1), HALF)


@functools.lru_cache(maxsize=64)
def _sum_of_draws(ones: tuple[int, ...], counts: tuple[int, int]) -> np.ndarray:
    """How many of the ones fall to the first arm, if they fall by chance within each seed.

    The exact test of strata (Mantel and Haenszel 1959, J. Natl. Cancer Inst. 22:719): under equal
    rates every choice of a seed's runs for the first arm is as likely as every other.

    Args:
      ones: of each seed, how many runs of both arms are 1.
      counts: runs of a seed in each arm.

    Returns:
      The probability of 0, 1, …, n · counts[0].
    """
    total = np.ones(1)
    for m in ones:
        total = np.convolve(total, _draws_of_a_seed(m, counts))
    return total


@functools.lru_cache(maxsize=256)
def _draws_of_a_seed(ones: int, counts: tuple[int, int]) -> np.ndarray:
    """The probability that 0, 1, …, counts[0] of a seed's ones fall to the first arm."""
    a, b = counts
    return scipy.stats.hypergeom.pmf(np.arange(a + 1), a + b, ones, a)


def _normal(above: np.ndarray, variance: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """One-sided p of sums, and of their negatives, with the continuity correction of `step`."""

    def p(side: np.ndarray) -> np.ndarray:
        with np.errstate(divide='ignore', invalid='ignore'):
            size = (side - step) / np.sqrt(variance)
        return np.where(variance > 0, scipy.special.ndtr(-size), 1.0)

    return p(above), p(-above)


def _clopper_pearson(ones: float, n: int, level: float) -> tuple[float, float]:
    """Limits of a probability of which n trials brought so many ones (also parts of one)."""
    beta, tail = scipy.stats.beta, (1 - level) / 2
    low = float(beta.ppf(tail, ones, n - ones + 1)) if ones > 0 else 0.0
    high = float(beta.ppf(1 - tail, ones + 1, n - ones)) if ones < n else 1.0
    return low, high


def _difference(rows: np.ndarray, limits: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The limits of a difference of two shares, from rows [2, n] and the limits of each."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    sizes = float(np.prod((centred**2).sum(axis=1)))
    # The correlation of the two, where they do the opposite.
    opposite = max(0.0, -float(np.prod(centred, axis=0).sum()) / math.sqrt(sizes or 1.0))

    def together(a: float, b: float) -> float:
        return math.sqrt(a**2 + b**2 + 2 * opposite * a * b)

    (low, high), (other_low, other_high) = limits
    one, other = rows.mean(axis=1).tolist()
    below = together(one - low, other_high - other)
    above = together(high - one, other - other_low)
    return one - other - below, one - other + above
