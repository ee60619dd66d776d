"""Intervals and p values of per-seed numbers, and Holm's adjustment; pure functions of arrays.

A seed is the unit of evidence. `d` is always [n]: one number a seed, NaN-free. What is tested
how, and the error rates measured by simulation, stand in docs/statistics.md.
"""

import dataclasses
import functools
import math

import numpy as np
import scipy  # its parts are imported as they are used: that takes a second

_ENUMERATED = 16  # sign flips of up to this many seeds are all enumerated
_RESAMPLES = 19_999
_SEED = 20_251  # of every resampling here: the same data give the same answer
ROUNDING = 1e-6  # a standard deviation below this share of the values is float32 rounding


@dataclasses.dataclass(frozen=True)
class Test:
    """How per-seed numbers are compared with zero.

    Attributes:
      design: 'paired' for differences between runs of the same seed, whose noise is symmetric
        when both runs are alike: Student's t. 'single' for the values of one arm, whose noise may
        be skewed: the worse of Student's t and `skewed_t`. 'permutation' for sign flips.
      grain: the step of the measurement where it is coarse (1 for whole epochs); the variance
        of its rounding is added to that of the numbers.
      scale: magnitude of what was subtracted, to tell a standard deviation from rounding.
      span: the least and the largest that the mean can be; of 'permutation' only.
    """

    __test__ = False  # not a test case of pytest

    design: str = 'paired'
    grain: float = 0.0
    scale: float = 0.0
    span: tuple[float, float] = (-math.inf, math.inf)

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
        p = float(scipy.special.stdtr(len(d) - 1, -t))
        if self.design == 'single':
            # Skewed to the left, the mirror image of the reference, is the worse case here.
            reference = skewed_t(len(d))
            p = max(p, _share(np.searchsorted(reference, -t, 'right'), len(reference)))
        return p

    def differs(self, d: np.ndarray) -> float:
        """Two-sided p against 'the mean is 0'; NaN for fewer than two seeds."""
        if len(d) < 2:
            return math.nan
        if self._by_sign_flips(d):
            return permutation_p(d)
        t = abs(self._t(d))
        p = float(2 * scipy.special.stdtr(len(d) - 1, -t))
        if self.design == 'single':
            reference = skewed_size(len(d))
            extreme = len(reference) - np.searchsorted(reference, t, 'left')
            p = max(p, _share(extreme, len(reference)))
        return min(1.0, p)

    def interval(self, d: np.ndarray, level: float = 0.95) -> tuple[float, float]:
        """The means that the test does not reject at 1 − `level`.

        NaN where there is no such interval: fewer than two seeds, or seeds that do not differ and
        are too few for sign flips.
        """
        if len(d) < 2:
            return math.nan, math.nan
        if self.design == 'permutation':
            return permutation_interval(d, level, self.span)
        if is_constant(d, self.scale):
            enough = len(d) >= seeds_for_permutation(1 - level)
            return (float(d.min()), float(d.max())) if enough else (math.nan, math.nan)
        if self.design == 'single':
            return single_interval(d, level, self.grain)
        return paired_interval(d, level, self.grain)

    def _by_sign_flips(self, d: np.ndarray) -> bool:
        return self.design == 'permutation' or is_constant(d, self.scale)

    def _t(self, d: np.ndarray) -> float:
        variance = d.var(ddof=1) + self.rounding
        return float(d.mean() / math.sqrt(variance / len(d)))


def is_constant(d: np.ndarray, scale: float = 0.0) -> bool:
    """Whether `d` [n] varies by no more than rounding; t is then infinite and says nothing."""
    scale = max(scale, float(np.abs(d).max(initial=0.0)))
    return bool(d.std() <= ROUNDING * scale)


def paired_interval(d: np.ndarray, level: float = 0.95, grain: float = 0.0) -> tuple[float, float]:
    """Student's t interval of the mean of paired differences [n ≥ 2]; `grain`: as in `Test`."""
    error = math.sqrt((d.var(ddof=1) + grain**2 / 6) / len(d))
    half = scipy.special.stdtrit(len(d) - 1, (1 + level) / 2) * error
    return float(d.mean() - half), float(d.mean() + half)


def single_interval(x: np.ndarray, level: float = 0.95, grain: float = 0.0) -> tuple[float, float]:
    """Confidence interval of the mean of one arm `x` [n ≥ 2], whose noise may be skewed.

    Student's t with the critical value that holds for `skewed_t` too; see docs/statistics.md.
    `grain`: as in `Test`.
    """
    reference = skewed_size(len(x))
    # The smallest value that `Test.differs` calls significant, the observed one counted too.
    rank = math.ceil(level * (len(reference) + 1)) - 1
    critical = max(
        scipy.special.stdtrit(len(x) - 1, (1 + level) / 2),
        reference[rank] if rank < len(reference) else math.inf,
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


@functools.lru_cache(maxsize=64)
def skewed_size(n: int, samples: int = 99_999) -> np.ndarray:
    """The sizes of `skewed_t`, ascending, [samples]."""
    return np.sort(np.abs(skewed_t(n, samples)))


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
    flipped = _all_flips(d) if exact else drawn_signs(len(d)) @ d
    if alternative == 'two-sided':
        flipped, observed = np.abs(flipped), abs(observed)
    extreme = flipped >= observed - tolerance
    return float(extreme.mean()) if exact else _share(extreme.sum(), len(extreme))


def permutation_interval(
    d: np.ndarray, level: float = 0.95, span: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[float, float]:
    """The means from which `d` [n] does not differ by sign flips at 1 − `level`.

    All of `span` where sign flips reject nothing: fewer than 6 seeds at 95%.
    """
    if len(d) < seeds_for_permutation(1 - level):
        return min(span[0], float(d.min())), max(span[1], float(d.max()))
    return _furthest_kept(d, level, -1), _furthest_kept(d, level, 1)


def _furthest_kept(d: np.ndarray, level: float, sign: int) -> float:
    """The furthest value below (−1) or above (+1) the mean of `d` that sign flips do not reject."""
    # Beyond all of the numbers they have one sign, which is rejected; p only falls on the way.
    kept, rejected = float(d.mean()), float(d.mean()) + sign * 1.001 * float(np.ptp(d))
    for _ in range(40):
        middle = (kept + rejected) / 2
        if permutation_p(d - middle) > 1 - level:
            kept = middle
        else:
            rejected = middle
    return round(kept, 6)


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
    """Holm's step-down adjusted p values (1979, Scand. J. Stat. 6:65) of m claims, [m] or [m, k].

    With k tests of a claim, of which those that can err are nested, it goes by Shaffer's steps
    (1986, J. Am. Stat. Assoc. 81:826): p is multiplied by the number of claims that may still err,
    those of which not every test is significant yet.

    Args:
      p: NaN is no such test, but in the first column a test that could not be done. Its claim
        stays among the m.
    """
    p = np.asarray(p, dtype=float)
    table = p.reshape(len(p), -1) if len(p) else p.reshape(0, 1)
    open_tests = np.isfinite(table).sum(axis=1) + ~np.isfinite(table[:, 0])
    adjusted, largest, may_err = np.full(table.shape, np.nan), 0.0, len(table)
    for place in np.argsort(table, axis=None, kind='stable')[: np.isfinite(table).sum()]:
        claim, test = np.unravel_index(place, table.shape)
        largest = max(largest, min(1.0, float(table[claim, test]) * may_err))
        adjusted[claim, test] = largest
        open_tests[claim] -= 1
        may_err -= int(open_tests[claim] == 0)
    return adjusted.reshape(p.shape)


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
def drawn_signs(n: int) -> np.ndarray:
    """The sign flips of n seeds that are drawn where not all are enumerated, [19,999, n]."""
    return np.random.default_rng(_SEED).choice([-1.0, 1.0], (_RESAMPLES, n))


def _share(extreme: int | np.integer, drawn: int) -> float:
    """The share of drawn statistics that are extreme, the observed one counted among them."""
    return (1 + int(extreme)) / (1 + drawn)
