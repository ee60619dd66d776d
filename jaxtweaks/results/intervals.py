"""The mean over seeds and its interval, for tables, figures and labelled arrays alike."""

import functools

import numpy as np
import scipy  # its parts are imported as they are used: that takes a second

CONFIDENCE = 0.95


def mean_interval(values: np.ndarray, axis: int = -1) -> tuple[np.ndarray, np.ndarray]:
    """The mean over seeds and the half width of its 95% Student-t interval.

    Args:
      values: measurements of n seeds along `axis`; one that is not finite makes both NaN.
      axis: the axis of the seeds.

    Returns:
      mean and half width, without `axis`; the half width is NaN for fewer than 2 seeds.
    """
    values = np.asarray(values, float)
    n = values.shape[axis]
    empty = np.full(np.delete(values.shape, axis), np.nan)
    if n == 0:
        return empty, empty
    with np.errstate(invalid='ignore', over='ignore'):
        mean = values.mean(axis)
        if n == 1:
            return mean, empty
        error = values.std(axis, ddof=1) / np.sqrt(n)
    return mean, _quantile(n) * error


@functools.lru_cache
def _quantile(n: int) -> float:
    """Of Student's t for n seeds: half the width of an interval in standard errors."""
    return float(scipy.stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1))
