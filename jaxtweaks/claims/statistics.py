"""Intervals and p values of per-seed numbers, and Holm's adjustment; pure functions of arrays.

A seed is the unit of evidence. `d` is always [n]: one number a seed, NaN-free. What is tested
how, and the error rates measured by simulation, stand in docs/statistics.md.
"""

import dataclasses
import functools
import math

import numpy as np
from scipy import stats

# From this many seeds on the bootstrap interval is wide enough and sign flips are fine enough.
MANY_SEEDS = 15
_ENUMERATED = 16  # sign flips of up to this many seeds are all enumerated
_RESAMPLES = 19_999
_SEED = 20_251  # of every resampling here: the same data give the same answer
ROUNDING = 1e-6  # a deviation below this share of the values is float32 rounding


@dataclasses.dataclass(frozen=True)
class Test:
    """How per-seed numbers are compared with zero.

    Attributes:
      design: 'paired' for differences between runs of the same seed, whose noise is symmetric
        when both runs are alike: Student's t below `MANY_SEEDS` seeds, sign flips from there on.
        'single' for the values of one arm, whose noise may be skewed: the worse of Student's t
        and `skewed_t`. 'permutation' for sign flips at every n.
      grain: the step of the measurement where it is coarse (1 for whole epochs); the variance
        of its rounding is added to that of the numbers.
      scale: magnitude of what was subtracted, to tell a deviation from rounding.
    """

    __test__ = False  # not a test case of pytest

    design: str = 'paired'
    grain: float = 0.0
    scale: float = 0.0

    @property
    def rounding(self) -> float:
        """The variance that values rounded to `grain` bring: grain²/12 each, twice in a pair."""
        return self.grain**2 / (12 if self.design == 'single' else 6)

    def greater(self, d: np.ndarray) -> float:
        """One-sided p against 'the mean is at most 0'; NaN for fewer than two seeds."""
        if len(d) < 2:
            return math.nan
        if self._by_sign_flips(d):
            return permutation_p(d, 'greater')
        t = self._t(d)
        p = float(stats.t.sf(t, len(d) - 1))
        if self.design == 'single':
            # Skewed to the left, the mirror image of the reference, is the worse case here.
            p = max(p, _share(skewed_t(len(d)) <= -t))
        return p

    def differs(self, d: np.ndarray) -> float:
        """Two-sided p against 'the mean is 0'; NaN for fewer than two seeds."""
        if len(d) < 2:
            return math.nan
        if self._by_sign_flips(d):
            return permutation_p(d)
        t = abs(self._t(d))
        p = float(2 * stats.t.sf(t, len(d) - 1))
        if self.design == 'single':
            p = max(p, _share(np.abs(skewed_t(len(d))) >= t))
        return min(1.0, p)

    def interval(self, d: np.ndarray, level: float = 0.95) -> tuple[float, float]:
        """The interval that goes with the test: `paired_interval`, or wider for one arm."""
        if self.design == 'single':
            return single_interval(d, level, self.grain)
        return paired_interval(d, level, self.grain)

    def _by_sign_flips(self, d: np.ndarray) -> bool:
        many = self.design == 'paired' and len(d) >= MANY_SEEDS
        return self.design == 'permutation' or many or is_constant(d, self.scale)

    def _t(self, d: np.ndarray) -> float:
        variance = d.var(ddof=1) + self.rounding
        return float(d.mean() / math.sqrt(variance / len(d)))


def is_constant(d: np.ndarray, scale: float = 0.0) -> bool:
    """Whether `d` [n] varies by no more than rounding; t is then infinite and says nothing."""
    scale = max(scale, float(np.abs(d).max(initial=0.0)))
    return bool(d.std() <= ROUNDING * scale)


def paired_interval(d: np.ndarray, level: float = 0.95, grain: float = 0.0) -> tuple[float, float]:
    """Confidence interval of the mean of paired differences [n].

    Student's t below 15 seeds; from 15 on the bias-corrected accelerated (BCa) bootstrap
    (Efron 1987, J. Am. Stat. Assoc. 82:171), with a fixed seed. The point itself if all are
    equal; NaN for fewer than two seeds. `grain`: as in `Test`, for Student's t.
    """
    if len(d) < 2:
        return math.nan, math.nan
    if np.ptp(d) == 0:
        return float(d[0]), float(d[0])
    if len(d) >= MANY_SEEDS:
        low, high = bca_interval(d, level)
        if math.isfinite(low) and math.isfinite(high):
            return low, high
    deviation = math.sqrt((d.var(ddof=1) + grain**2 / 6) / len(d))
    half = stats.t.ppf((1 + level) / 2, len(d) - 1) * deviation
    return float(d.mean() - half), float(d.mean() + half)


def bca_interval(d: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """BCa bootstrap interval of the mean of `d` [n]; NaN where it does not exist."""
    found = stats.bootstrap(
        (d,),
        np.mean,
        confidence_level=level,
        n_resamples=9_999,
        method='BCa',
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return float(found.low), float(found.high)


def single_interval(x: np.ndarray, level: float = 0.95, grain: float = 0.0) -> tuple[float, float]:
    """Confidence interval of the mean of one arm `x` [n], whose noise may be skewed.

    Student's t with the critical value that holds for `skewed_t` too; see docs/statistics.md.
    The point itself if all are equal. `grain`: as in `Test`.
    """
    if len(x) < 2:
        return math.nan, math.nan
    if np.ptp(x) == 0:
        return float(x[0]), float(x[0])
    critical = max(
        stats.t.ppf((1 + level) / 2, len(x) - 1),
        np.quantile(np.abs(skewed_t(len(x))), level),
    )
    half = critical * math.sqrt((x.var(ddof=1) + grain**2 / 12) / len(x))
    return float(x.mean() - half), float(x.mean() + half)


@functools.lru_cache(maxsize=64)
def skewed_t(n: int, samples: int = 99_999) -> np.ndarray:
    """t statistics of n draws of strongly skewed noise of mean zero, ascending, [samples].

    The noise is log-normal with σ = 1 (skewness 6.2): the worst that the test of one arm is
    made to withstand.
    """
    rng = np.random.default_rng(_SEED)
    parts = []
    for size in np.diff(np.linspace(0, samples, 1 + max(1, n // 25)).astype(int)):
        noise = np.exp(rng.standard_normal((size, n))) - math.exp(0.5)
        parts.append(noise.mean(axis=1) / (noise.std(axis=1, ddof=1) / math.sqrt(n)))
    return np.sort(np.concatenate(parts))


def permutation_p(d: np.ndarray, alternative: str = 'two-sided') -> float:
    """Sign-flip permutation p of the mean of `d` [n] against zero.

    Exact if the noise is symmetric about zero: all 2ⁿ sign flips are enumerated up to n = 16;
    above, 19,999 are drawn with a fixed seed and the observed one is counted too (Phipson and
    Smyth 2010).

    Args:
      alternative: 'two-sided' or 'greater'.
    """
    if len(d) < 1:
        return math.nan
    tolerance = 1e-9 * np.abs(d).sum()
    observed = d.sum()
    exact = len(d) <= _ENUMERATED
    flipped = _all_flips(d) if exact else _signs(len(d)) @ d
    if alternative == 'two-sided':
        flipped, observed = np.abs(flipped), abs(observed)
    extreme = flipped >= observed - tolerance
    return float(extreme.mean()) if exact else _share(extreme)


def smallest_permutation_p(n: int) -> float:
    """The smallest two-sided sign-flip p that n seeds can give: 2/2ⁿ."""
    return min(1.0, 2.0 / 2.0**n)


def seeds_for_permutation(alpha: float = 0.05) -> int:
    """The fewest seeds whose two-sided sign-flip p can reach `alpha` (6 for 0.05)."""
    return math.ceil(math.log2(2 / alpha))


def tost_p(d: np.ndarray, margin: float, test: Test) -> np.ndarray:
    """p of two one-sided tests that the mean of `d` [..., n] lies within ±margin, [...].

    Schuirmann 1987, J. Pharmacokinet. Biopharm. 15:657.
    """
    return np.maximum(test.greater(d + margin), test.greater(margin - d))


def outside_p(d: np.ndarray, margin: float, test: Test) -> np.ndarray:
    """p that the mean of `d` [..., n], n ≥ 2, lies beyond ±margin; 1 if the sample mean does not.

    Returns:
      [...].
    """
    mean = d.mean(axis=-1, keepdims=True)
    p = test.differs(d - np.copysign(margin, mean))
    return np.where(np.abs(mean[..., 0]) <= margin, 1.0, p)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p values (1979, Scand. J. Stat. 6:65), [m].

    NaN (not tested) stays NaN but counts among the m.
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(np.where(np.isnan(p), 1.0, p), kind='stable')
    scaled = np.minimum(1.0, p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.fmax.accumulate(scaled) if len(p) else scaled
    return np.where(np.isnan(p), np.nan, adjusted)


@functools.lru_cache(maxsize=16)
def bootstrap_counts(n: int, resamples: int = 2_000) -> np.ndarray:
    """How often each of n seeds is drawn in each bootstrap sample, [resamples, n]."""
    return np.random.default_rng(_SEED).multinomial(n, np.full(n, 1 / n), resamples)


def _all_flips(d: np.ndarray) -> np.ndarray:
    """The sum of `d` [n] under every choice of signs, [2ⁿ]."""
    sums = np.zeros(1)
    for value in d:
        sums = np.concatenate([sums + value, sums - value])
    return sums


@functools.lru_cache(maxsize=16)
def _signs(n: int) -> np.ndarray:
    return np.random.default_rng(_SEED).choice([-1.0, 1.0], (_RESAMPLES, n))


def _share(extreme: np.ndarray) -> float:
    """The share of drawn statistics that are extreme, the observed one counted among them."""
    return float((1 + extreme.sum()) / (1 + len(extreme)))
