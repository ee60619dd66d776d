"""How do bias and variance change with the capacity? (GENERAL, bias-variance trade-off)"""

import numpy as np

from jaxtweaks.config.settings import Setting
from jaxtweaks.data import Dataset
from jaxtweaks.studies import regression
from jaxtweaks.studies.study import Measured, Study

_PLACES = 201


def measure(setting: Setting, seed: int, data: Dataset) -> Measured:
    """Bias² and variance of the fit over many training samples, means over x uniform on [−1, 1].

    A seed is an independent repetition of the whole estimate: other samples, other test points.
    """
    study = setting.study
    points = regression.draw(seed, 'order', study.samples, study.points, study.noise)
    test = regression.draw(seed, 'augment', study.samples, study.points, study.noise)
    # The midpoints of equal parts: their mean is the integral, without a weight for the ends.
    grid = (np.arange(_PLACES) + 0.5) / _PLACES * 2 - 1
    places = np.concatenate([np.broadcast_to(grid, (study.samples, _PLACES)), test.x, points.x], 1)
    fitted = regression.fit(setting, seed, points, places)
    on_grid, on_test, on_train = np.split(fitted, [_PLACES, _PLACES + study.points], axis=1)
    bias_squared, variance = _bias_variance(on_grid, regression.truth(grid))
    return Measured(
        finals={
            'bias_squared': bias_squared,
            'variance': variance,
            'noise_variance': study.noise**2,
            'test_mse': float(np.mean((on_test - test.y) ** 2)),
            'train_mse': float(np.mean((on_train - points.y) ** 2)),
        }
    )


def _bias_variance(fitted: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Unbiased estimates of mean bias² and variance.

    Args:
      fitted: [samples, places].
      truth: [places].
    """
    variance = float(fitted.var(0, ddof=1).mean())
    # The mean over samples has a variance of its own, which is no bias.
    return float(np.mean((fitted.mean(0) - truth) ** 2)) - variance / len(fitted), variance


STUDY = Study(
    measure=measure,
    finals={
        'bias_squared': 'bias²',
        'variance': 'variance',
        'noise_variance': 'variance of the noise',
        'test_mse': regression.TEST_ERROR,
        'train_mse': regression.TRAIN_ERROR,
    },
    reads_of=regression.reads_of,
    generated='generated: noisy points of sin(πx)',
    check=regression.check,
)
