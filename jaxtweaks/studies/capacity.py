"""Which capacity fits best? One sample of points, one fit, its errors (DEEPREG, capacity)."""

import numpy as np

from jaxtweaks.config.settings import Setting
from jaxtweaks.studies import regression
from jaxtweaks.studies.study import Measured, study

_TEST_POINTS = 2_000
_PLACES = 201


@study(
    'capacity',
    finals={
        'train_mse': regression.TRAIN_ERROR,
        'test_mse': regression.TEST_ERROR,
    },
    reads_of=regression.reads_of,
    generated='generated: noisy points of sin(πx)',
    check=regression.check,
    arrays=('fit_x', 'fit_truth', 'fit', 'points_x', 'points_y'),
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
) -> Measured:
    """Errors on the training sample and on new points; the fitted curve for a figure.

    All settings of a seed have the same points.
    """
    drawn = regression.draw(seed, 'order', 1, points, noise)
    test = regression.draw(seed, 'augment', 1, _TEST_POINTS, noise)
    grid = np.linspace(-1, 1, _PLACES)
    places = np.concatenate([grid, test.x[0], drawn.x[0]])
    on_grid, on_test, on_train = np.split(
        regression.fit(setting, seed, drawn, places)[0], [_PLACES, _PLACES + _TEST_POINTS]
    )
    return Measured(
        finals={
            'train_mse': float(np.mean((on_train - drawn.y) ** 2)),
            'test_mse': float(np.mean((on_test - test.y) ** 2)),
        },
        arrays={
            'fit_x': grid,
            'fit_truth': regression.truth(grid),
            'fit': on_grid,
            'points_x': drawn.x[0],
            'points_y': drawn.y[0],
        },
    )
