"""Regression in one dimension, next to NumPy and gradient descent written out."""

import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.studies import bias_variance, measured, regression
from jaxtweaks.studies.regression import Points

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

POINTS = regression.draw(0, 'order', samples=3, count=12, noise=0.2)


def setting_of(values=(), study='capacity'):
    base = {'study.name': study, 'optim.learning_rate': 0.05, 'penalty.l2_form': 'full'}
    return trace.replace(Setting(), base | dict(values))


def test_the_points_are_of_the_curve_and_the_noise():
    found = regression.draw(5, 'order', samples=200, count=100, noise=0.3)
    error = found.y - np.sin(np.pi * found.x)
    assert found.x.shape == (200, 100)
    assert -1 <= found.x.min() < -0.99
    assert 0.99 < found.x.max() <= 1
    assert abs(found.x.mean()) < 0.02
    assert error.std() == pytest.approx(0.3, rel=0.02)
    assert abs(np.corrcoef(error.ravel(), found.x.ravel())[0, 1]) < 0.03
    assert not np.isin(regression.draw(5, 'augment', 1, 100, 0.3).x, found.x).any()


def test_features_have_mean_square_one_and_are_orthogonal():
    x = (np.arange(200_000) + 0.5) / 100_000 - 1
    phi = regression.features(x, 5)
    np.testing.assert_allclose(phi.T @ phi / len(x), np.eye(6), atol=1e-8)


@pytest.mark.parametrize('degree', [0, 1, 4])
def test_the_minimum_is_numpys_polynomial(degree):
    at = np.linspace(-1, 1, 7)
    found = regression.fit(setting_of({'capacity.degree': degree}), 0, POINTS, at)
    expected = [np.polyval(np.polyfit(x, y, degree), at)
                for x, y in zip(POINTS.x, POINTS.y, strict=True)]  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize('l2', [0.0, 0.03])
@pytest.mark.parametrize('steps', [1, 7, 50])
def test_gradient_descent_step_by_step(steps, l2):
    found = regression.polynomial(POINTS, 4, steps, 0.05, l2)
    for x, y, weights in zip(POINTS.x, POINTS.y, found, strict=True):
        phi, theta = regression.features(x, 4), np.zeros(5)
        for _ in range(steps):
            slope = 2 * phi.T @ (phi @ theta - y) / len(x)
            theta -= 0.05 * (slope + 2 * l2 * np.array([0, *theta[1:]]))
        np.testing.assert_allclose(weights, theta, rtol=1e-9, atol=1e-12)


def test_the_penalty_is_that_of_the_lecture():
    """The derivative of mean squared error + λΣθ², the constant omitted, is 0 at the minimum."""
    (theta,) = regression.polynomial(Points(POINTS.x[:1], POINTS.y[:1]), 6, 0, 0.05, 0.2)
    phi, y = regression.features(POINTS.x[0], 6), POINTS.y[0]
    slope = 2 * phi.T @ (phi @ theta - y) / len(y) + 2 * 0.2 * np.array([0, *theta[1:]])
    np.testing.assert_allclose(slope, 0, atol=1e-12)
    half = setting_of({'penalty.l2': 0.4, 'penalty.l2_form': 'half', 'capacity.degree': 6})
    at = np.array([0.3])
    expected = regression.features(at, 6) @ theta
    np.testing.assert_allclose(regression.fit(half, 0, POINTS, at)[0], expected)


def test_more_coefficients_than_points_take_the_least_norm():
    few = Points(POINTS.x[:1, :3], POINTS.y[:1, :3])
    (theta,) = regression.polynomial(few, 5, 0, 0.05, 0.0)
    expected = np.linalg.pinv(regression.features(few.x[0], 5)) @ few.y[0]
    np.testing.assert_allclose(theta, expected, rtol=1e-8)


def test_bias_and_variance_add_up_to_the_error_on_new_points():
    values = {'bias_variance.samples': 3_000, 'bias_variance.degree': 2, 'bias_variance.points': 20}
    found = measured(setting_of(values, 'bias_variance'), 0, None).finals
    parts = found['bias_squared'] + found['variance'] + found['noise_variance']
    assert found['test_mse'] == pytest.approx(parts, rel=0.02)
    assert found['noise_variance'] == pytest.approx(0.09)
    assert found['train_mse'] < found['test_mse']


def test_bias_of_the_constant_by_hand():
    """The best constant for sin(πx) is 0: bias² = ½; variance = (½ + σ²)/n."""
    values = {
        'bias_variance.samples': 4_000,
        'bias_variance.degree': 0,
        'bias_variance.points': 10,
        'bias_variance.noise': 0.1,
    }
    found = measured(setting_of(values, 'bias_variance'), 1, None).finals
    assert found['bias_squared'] == pytest.approx(0.5, rel=0.01)
    assert found['variance'] == pytest.approx(0.051, rel=0.08)


def test_the_variance_of_few_samples_is_no_bias():
    random = np.random.default_rng(0)
    found = np.array([
        bias_variance._bias_variance(random.normal(size=(4, 6)), np.zeros(6))
        for _ in range(4_000)
    ]).mean(0)  # fmt: skip
    np.testing.assert_allclose(found, [0, 1], atol=0.03)


NETWORK = {
    'capacity.regressor': 'network',
    'capacity.steps': 300,
    'model.name': 'mlp',
    'model.hidden': (30,),
    'optim.learning_rate': 0.02,
}


def test_a_network_learns_the_points():
    found = measured(setting_of(NETWORK), 0, None)
    y = found.arrays['points_y']
    assert found.finals['train_mse'] < 0.5 * np.mean((y - y.mean()) ** 2)
    x, fit = found.arrays['points_x'], found.arrays['fit']
    on_points = np.interp(x, found.arrays['fit_x'], fit)
    assert np.mean((on_points - y) ** 2) == pytest.approx(found.finals['train_mse'], rel=0.1)


def test_dropout_changes_the_fit_of_a_network_and_all_see_the_same_points():
    without, drops = (
        measured(setting_of(NETWORK | {'dropout.hidden': rate}), 0, None) for rate in (0.0, 0.8)
    )
    assert np.array_equal(without.arrays['points_y'], drops.arrays['points_y'])
    assert drops.finals['train_mse'] > 1.2 * without.finals['train_mse']


def test_a_step_of_a_linear_network_with_its_penalty_by_hand():
    linear = NETWORK | {'model.hidden': (), 'optim.name': 'sgd', 'penalty.l2': 0.3}
    (before, after) = (
        regression.fit(setting_of(linear | {'capacity.steps': steps}), 0, POINTS, np.array([0, 1]))
        for steps in (0, 1)
    )
    for x, y, (b, at_1), found in zip(POINTS.x, POINTS.y, before, after, strict=True):
        w = at_1 - b
        rest = w * x + b - y
        w -= 0.02 * (2 * np.mean(rest * x) + 2 * 0.3 * w)
        b -= 0.02 * 2 * np.mean(rest)
        np.testing.assert_allclose(found, [b, w + b], rtol=1e-4, atol=1e-6)


def test_samples_are_fitted_apart():
    setting = setting_of(NETWORK | {'capacity.steps': 20})
    at = np.linspace(-1, 1, 5)
    points = Points(POINTS.x, POINTS.y)
    together = regression.fit(setting, 0, points, at)
    alone = regression.fit(setting, 0, Points(points.x[1:2], points.y[1:2]), at)
    np.testing.assert_allclose(together[1], alone[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'dropout.hidden': 0.1}, 'no units to drop'),
        (NETWORK | {'capacity.steps': 0}, 'capacity.steps'),
        (NETWORK | {'model.name': 'cnn'}, "must be 'mlp'"),
        (NETWORK | {'model.norm': 'batch'}, 'model.norm'),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, words):
    with pytest.raises(UserError, match=words):
        regression.check(setting_of(values))
