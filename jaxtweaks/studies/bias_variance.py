"""How do bias and variance change with the capacity? (GENERAL, bias-variance trade-off)"""

import numpy as np

from jaxtweaks.config.fields import static
from jaxtweaks.config.settings import Setting
from jaxtweaks.studies import regression
from jaxtweaks.studies.study import Measured, study

_PLACES = 201


def _bias_variance(fitted: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Unbiased estimates of mean bias² and variance.

    Args:
      fitted: [samples, places].
      truth: [places].
    """
    variance = float(fitted.var(0, ddof=1).mean())
    # The mean over samples has a variance of its own, which is no bias.
    return float(np.mean((fitted.mean(0) - truth) ** 2)) - variance / len(fitted), variance


@study(
    'bias_variance',
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
    threads=True,
)
def measure(
    setting: Setting,
    seed: int,
    *,
    regressor: str = regression.REGRESSOR,
    degree: int = regression.DEGREE,
    steps: int = regression.STEPS,
    points: int = regression.POINTS,
    noise: float = regression.NOISE,
    samples: int = static(200, 'training samples of one estimate', low=2, former='study.samples'),
) -> Measured:
    """Bias² and variance of the fit over many training samples, means over x uniform on [−1, 1].

    A seed is an independent repetition of the whole estimate: other samples, other test points.
    """
    drawn = regression.draw(seed, 'order', samples, points, noise)
    test = regression.draw(seed, 'augment', samples, points, noise)
    # The midpoints of equal parts: their mean is the integral, without a weight for the ends.
    grid = (np.arange(_PLACES) + 0.5) / _PLACES * 2 - 1
    places = np.concatenate([np.broadcast_to(grid, (samples, _PLACES)), test.x, drawn.x], 1)
    fitted = regression.fit(setting, seed, drawn, places)
    on_grid, on_test, on_train = np.split(fitted, [_PLACES, _PLACES + points], axis=1)
    bias_squared, variance = _bias_variance(on_grid, regression.truth(grid))
    return Measured(
        finals={
            'bias_squared': bias_squared,
            'variance': variance,
            'noise_variance': noise**2,
            'test_mse': float(np.mean((on_test - test.y) ** 2)),
            'train_mse': float(np.mean((on_train - drawn.y) ** 2)),
        }
    )
