"""How many seeds would settle a claim: the verdict's own test on samples that might have been.

The seeds seen say how far apart the arms are and how they scatter. Experiments of n seeds with
just this mean and scatter are drawn, and each meets the test that decides the claim. Its share of
significant p values is the power with n seeds.
"""

import dataclasses
import math

import numpy as np
import scipy  # its parts are imported as they are used: that takes a second

from jaxtweaks.claims import statistics
from jaxtweaks.claims.finding import VERDICTS, Finding, Ways
from jaxtweaks.claims.shares import Shares
from jaxtweaks.claims.statistics import Test

POWER = 0.8
MOST = 1_000  # more seeds than this are not looked for
_EXPERIMENTS = 600  # drawn for each n: one standard error of a power of 80% is 1.6 points
_REFERENCE = 9_999  # samples of the skewed reference of one arm
_SEED = 20_251  # the same results give the same answer


@dataclasses.dataclass(frozen=True)
class Need:
    """What it would take to settle a claim, if what was seen is all there is to it.

    Attributes:
      seeds: the fewest that settle it with the power asked for; None if `MOST` do not.
      verdict: what they would say; '' if `seeds` is None.
    """

    seeds: int | None
    verdict: str


def need(found: Finding, alpha: float, power: float = POWER) -> Need | None:
    """How many seeds would settle a claim at the level `alpha`.

    The noise of the seeds is taken to be normal; of shares of runs, to be that of the seeds seen.

    Args:
      found: the claim's finding, on the seeds there are.
      alpha: the level; for one of m claims α/m, the first and strictest step of Holm's.
      power: the chance of a significant result that is asked for.

    Returns:
      None if fewer than two seeds are left: nothing is known of their scatter.
    """
    if found.rows is None or found.n < 2:
        return None
    sizes = _sizes()
    enough = lambda i: max(_powers(found, int(sizes[i]), alpha)) >= power
    low, high = -1, 0
    while not enough(high):
        if high == len(sizes) - 1:
            return Need(None, '')
        low, high = high, min(2 * high + 1, len(sizes) - 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    n = int(sizes[high])
    powers = _powers(found, n, alpha)
    return Need(n, VERDICTS[int(np.argmax(powers))])


def forecast(found: Finding, n: int, alpha: float) -> float:
    """The chance that a claim is settled at level `alpha` once there are n seeds, those seen kept.

    Unlike `need` it allows for what the seeds seen do not know: the mean and the scatter of those
    to come are drawn from what the seen say of them (the predictive distribution of normal noise
    under the usual flat prior; of shares of runs see `Shares.continued`).

    Args:
      found: the claim's finding, on at least two seeds.
    """
    many, rows, ways = _tested(found)
    samples = many.continued(rows, max(n, found.n), _EXPERIMENTS, _SEED)
    return float(np.mean(np.min(ways(samples, many), axis=0) <= alpha))


def spread_known(n: int, level: float = 0.95) -> tuple[float, float]:
    """From and to how many times the standard deviation seen in n ≥ 2 seeds the true one is.

    The interval of `level` for normal noise, by the χ² distribution.
    """
    tails = scipy.stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], n - 1)
    low, high = np.sqrt((n - 1) / tails)
    return float(low), float(high)


def _sizes() -> np.ndarray:
    """Numbers of seeds: every one up to 25, then steps of 4%."""
    steps = np.geomspace(25, MOST, 96).round().astype(int)
    return np.unique(np.concatenate([np.arange(3, 25), steps]))


def _powers(found: Finding, n: int, alpha: float) -> list[float]:
    """The chances that n seeds come to each of `VERDICTS`, as far as the claim knows them."""
    many, rows, ways = _tested(found)
    samples = many.drawn(rows, n, _EXPERIMENTS, _SEED)
    return [float(np.mean(p <= alpha)) for p in ways(samples, many)]


def _tested(found: Finding) -> tuple['Shares | _Many', np.ndarray, Ways]:
    """What draws and tests experiments like that of a finding; its rows [A, seen]; its ways."""
    assert found.rows is not None, 'nothing was tested'
    assert found.ways is not None, 'nothing was tested'
    assert found.test is not None, 'nothing was tested'
    many = found.test if isinstance(found.test, Shares) else _Many.like(found.test)
    return many, found.rows, found.ways


def _moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of `rows` [A, seen] and what gives noise their covariance, [A] and [A, rank]."""
    mean = rows.mean(axis=1)
    axes, lengths, _ = np.linalg.svd(rows - mean[:, None], full_matrices=False)
    rank = max(1, min(len(lengths), rows.shape[1] - 1))
    return mean, axes[:, :rank] * lengths[:rank] / math.sqrt(rows.shape[1] - 1)


class _Many(Test):
    """The tests of `Test` on many samples at once, [..., n] to [...]; and how these are drawn.

    Where sign flips decide, Student's t stands in for them, and never says less than they can.
    """

    @classmethod
    def like(cls, test: Test) -> '_Many':
        return cls(test.design, test.grain, test.scale)

    def drawn(self, rows: np.ndarray, n: int, experiments: int, seed: int) -> np.ndarray:
        """Experiments of n seeds with the mean and covariance of `rows` [A, seen].

        Returns:
          [A, experiments, n].
        """
        mean, mixing = _moments(rows)
        noise = np.random.default_rng(seed).standard_normal((mixing.shape[1], experiments, n))
        return mean[:, None, None] + np.tensordot(mixing, noise, 1)

    def continued(self, rows: np.ndarray, n: int, experiments: int, seed: int) -> np.ndarray:
        """Experiments that begin with the seeds seen, `rows` [A, seen], and go on to n of them.

        Returns:
          [A, experiments, n].
        """
        seen = rows.shape[1]
        mean, mixing = _moments(rows)
        rng = np.random.default_rng(seed)
        # The true spread, the true mean, and then the seeds to come.
        spread = np.sqrt((seen - 1) / rng.chisquare(seen - 1, (1, experiments, 1)))
        off = rng.standard_normal((mixing.shape[1], experiments, 1)) / math.sqrt(seen)
        noise = rng.standard_normal((mixing.shape[1], experiments, n - seen)) + off
        later = mean[:, None, None] + spread * np.tensordot(mixing, noise, 1)
        before = np.broadcast_to(rows[:, None, :], (len(rows), experiments, seen))
        return np.concatenate([before, later], axis=2)

    def greater(self, d: np.ndarray) -> np.ndarray:
        """See `Test`."""
        n, t = d.shape[-1], self._t(d)
        p = scipy.special.stdtr(n - 1, -t)
        if self.design == 'single':
            reference = statistics.skewed_t(n, _REFERENCE)
            beyond = np.searchsorted(reference, -t, side='right')
            p = np.maximum(p, (1 + beyond) / (1 + _REFERENCE))
        return np.maximum(p, self._least(d))

    def differs(self, d: np.ndarray) -> np.ndarray:
        """See `Test`."""
        n, t = d.shape[-1], np.abs(self._t(d))
        p = 2 * scipy.special.stdtr(n - 1, -t)
        if self.design == 'single':
            reference = statistics.skewed_size(n, _REFERENCE)
            beyond = _REFERENCE - np.searchsorted(reference, t, side='left')
            p = np.maximum(p, (1 + beyond) / (1 + _REFERENCE))
        return np.minimum(1.0, np.maximum(p, 2 * self._least(d)))

    def _least(self, d: np.ndarray) -> np.ndarray:
        """The smallest one-sided p where sign flips decide, else 0."""
        flips = (self.design == 'permutation') | self._constant(d)
        return np.where(flips, 0.5 ** d.shape[-1], 0.0)

    def _constant(self, d: np.ndarray) -> np.ndarray:
        scale = np.maximum(self.scale, np.abs(d).max(axis=-1))
        return d.std(axis=-1) <= statistics.ROUNDING * scale

    def _t(self, d: np.ndarray) -> np.ndarray:
        mean, n = d.mean(axis=-1), d.shape[-1]
        standard_error = np.sqrt((d.var(axis=-1, ddof=1) + self.rounding) / n)
        # Without scatter a mean that is no more than rounding is none, and any other is sure.
        nothing = np.abs(mean) <= statistics.ROUNDING * self.scale
        certain = np.where(nothing, 0.0, np.copysign(np.inf, mean))
        with np.errstate(divide='ignore', invalid='ignore'):
            return np.where(self._constant(d), certain, mean / standard_error)
