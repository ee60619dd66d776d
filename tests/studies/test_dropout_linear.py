"""Means under dropout in a linear network, next to enumeration of all masks."""

import itertools

import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.studies import dropout_linear, measured
from jaxtweaks.studies.kernels import random_kernels

LINEAR = {
    'model.activation': 'identity',
    'model.hidden': (4, 3),
    'init.scheme': 'lecun',
    'dropout.hidden': 0.3,
    'dropout.form': 'vanilla',
    'study.name': 'dropout_linear',
    'dropout_linear.vectors': 50,
    'dropout_linear.masks': 4_000,
}


def setting_of(values=()):
    return trace.replace(Setting(), LINEAR | dict(values))


def enumerated(kernels, x, rate):
    """Mean and variance of the last layer over all masks in front of both layers, exactly."""
    mean = square = 0.0
    for bits in itertools.product([0, 1], repeat=8):
        masks = np.array(bits).reshape(2, 4)
        probability = np.prod(np.where(masks, 1 - rate, rate))
        z = ((x * masks[0]) @ kernels[0] * masks[1]) @ kernels[1]
        mean, square = mean + probability * z, square + probability * z**2
    return mean, square - mean**2


def test_the_derivation_holds_over_all_masks():
    kernels = [np.asarray(kernel, np.float64) for kernel in random_kernels(setting_of(), 0)]
    x = np.random.default_rng(0).normal(size=(5, 4))
    mean, _ = enumerated(kernels, x, 0.3)
    np.testing.assert_allclose(mean, 0.7**2 * x @ kernels[0] @ kernels[1], rtol=1e-12)


def test_sampled_sums_have_the_enumerated_moments():
    setting = setting_of()
    kernels = random_kernels(setting, 0)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    sums = sum(
        np.asarray(dropout_linear._masked(kernels, x, 0, piece, 0.3, 'vanilla')['all'][1],
                   np.float64)
        for piece in range(200)
    )  # fmt: skip
    mean, variance = enumerated([np.asarray(k, np.float64) for k in kernels], x, 0.3)
    count = 200 * 100
    error = (sums[0] / count - mean) / np.sqrt(variance / count)
    assert np.abs(error).max() < 4.5
    np.testing.assert_allclose(sums[1] / count - (sums[0] / count) ** 2, variance, rtol=0.1)


@pytest.mark.parametrize(('form', 'factor'), [('vanilla', 0.7), ('inverted', 1.0)])
def test_both_forms_have_the_mean_that_is_derived(form, factor):
    found = measured(setting_of({'dropout.form': form}), 1, None)
    np.testing.assert_allclose(found.curves['factor'], factor, rtol=0.02)
    np.testing.assert_allclose(found.curves['factor_all'], [factor, factor**2], rtol=0.03)
    np.testing.assert_allclose(found.curves['expected_all'], [factor, factor**2])
    np.testing.assert_allclose(found.curves['deviation'], 1, atol=0.3)
    assert found.finals['expected_factor'] == factor
    assert found.finals['largest_deviation'] == found.curves['deviation'].max()


def test_a_factor_that_is_wrong_is_many_standard_errors_off():
    random = np.random.default_rng(0)
    z = random.normal(size=(20, 30))
    draws = 0.7 * z + random.normal(size=(400, 20, 30))
    sums = np.stack([draws.sum(0), (draws**2).sum(0)])
    ratio, expected, standard_errors = dropout_linear._compare(z, sums, 400, 0.7)
    assert ratio == pytest.approx(0.7, abs=0.01)
    assert expected == 0.7
    assert standard_errors == pytest.approx(1, abs=0.1)
    # 0.1 z in standard errors of 1/20 is 2 z: with the noise √(1 + 4).
    assert dropout_linear._compare(z, sums, 400, 0.8)[2] == pytest.approx(5**0.5, rel=0.1)


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'model.activation': 'relu'}, "must be 'identity'"),
        ({'dropout.hidden': 0.0}, 'between 0 and 1'),
        ({'dropout.hidden': 1.0}, 'between 0 and 1'),
        ({'model.hidden': ()}, 'model.hidden'),
    ],
)
def test_settings_that_ask_nothing_are_refused(values, words):
    with pytest.raises(UserError, match=words):
        dropout_linear.check(setting_of(values))
