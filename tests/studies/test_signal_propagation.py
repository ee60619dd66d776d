"""The propagation of a signal, next to NumPy's float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.base.rng import stream_key
from jaxtweaks.config import parts, trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.studies import measured, options, signal_propagation
from jaxtweaks.studies.kernels import random_kernels

F = {'tanh': np.tanh, 'relu': lambda a: np.maximum(a, 0), 'sigmoid': lambda a: 1 / (1 + np.exp(-a))}
SLOPE = {'tanh': lambda h: 1 - h**2, 'relu': lambda h: h > 0, 'sigmoid': lambda h: h * (1 - h)}


def setting_of(**values):
    fields = {
        'model__hidden': (5, 4, 3),
        'model__activation': 'tanh',
        'signal_propagation__vectors': 6,
        'study__name': 'signal_propagation',
    }
    return trace.replace(
        Setting(), {name.replace('__', '.'): v for name, v in (fields | values).items()}
    )


def by_hand(setting, seed):
    """Activations and gradients of every layer, with backpropagation written out."""
    count, activation = options(setting).vectors, setting.model.activation
    key = stream_key(seed, 'noise', 0)
    h = np.asarray(jax.random.normal(key, (count, 5)), np.float64)
    labels = np.asarray(jax.random.randint(jax.random.fold_in(key, 1), (count,), 0, 3))
    kernels = [np.asarray(kernel, np.float64) for kernel in random_kernels(setting, seed)]
    activations = []
    for kernel in kernels:
        h = F[activation](h @ kernel)
        activations.append(h)
    odds = np.exp(h)
    g = (odds / odds.sum(1, keepdims=True) - np.eye(3)[labels]) / count
    gradients = [g]
    for kernel, h in zip(kernels[:0:-1], activations[:0:-1], strict=True):
        g = (g * SLOPE[activation](h)) @ kernel.T
        gradients.insert(0, g)
    return activations, gradients


@pytest.mark.parametrize('activation', ['tanh', 'relu', 'sigmoid'])
def test_moments_of_activations_and_gradients(activation):
    setting = setting_of(model__activation=activation)
    found = measured(setting, 3, None)
    for name, layers in zip(('activation', 'gradient'), by_hand(setting, 3), strict=True):
        mean = [abs(layer.mean()) for layer in layers]
        std = [layer.std() for layer in layers]
        np.testing.assert_allclose(found.curves[f'{name}_mean'], mean, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(found.curves[f'{name}_std'], std, rtol=1e-4)
    assert found.finals['last_activation_std'] == found.curves['activation_std'][-1]
    assert found.finals['first_gradient_std'] == found.curves['gradient_std'][0]
    first, last = (by_hand(setting, 3)[1][layer].std() for layer in (0, -1))
    assert found.finals['gradient_ratio'] == pytest.approx(first / last, rel=1e-4)
    assert found.finals['living_activations'] == found.finals['living_gradients'] == 3
    forward, back = (np.array([x.std() for x in side]) for side in by_hand(setting, 3))
    steps = np.exp(np.log(forward[1:] / forward[:-1]).mean())
    assert found.finals['activation_factor'] == pytest.approx(steps, rel=1e-4)
    steps = np.exp(np.log(back[:-1] / back[1:]).mean())
    assert found.finals['gradient_factor'] == pytest.approx(steps, rel=1e-4)


def test_weights_are_those_of_the_settings_rule():
    setting = setting_of(
        model__hidden=(400, 300), init__scheme='heuristic', init__distribution='uniform'
    )
    first, second = (np.asarray(kernel) for kernel in random_kernels(setting, 0))
    assert (first.shape, second.shape) == ((400, 400), (400, 300))
    assert 0.9995 / 20 < np.abs(first).max() <= 1 / 20
    assert not np.array_equal(first[:, :300], second)


def test_parts_make_the_whole():
    random = np.random.default_rng(1)
    values = [random.normal(size=(n, 2)) * 3 + 1 for n in (4, 4, 3)]
    pieces = np.array([[[[v[:, 0].mean(), v[:, 1].mean()], [v[:, 0].std(), v[:, 1].std()]]] * 2
                       for v in values])  # fmt: skip
    found = signal_propagation._combined(pieces, np.array([4, 4, 3]))
    every = np.concatenate(values)
    np.testing.assert_allclose(found[0, 0], every.mean(0))
    np.testing.assert_allclose(found[1, 1], every.std(0))


def test_more_vectors_than_are_kept_at_once(monkeypatch):
    monkeypatch.setattr(signal_propagation, '_AT_ONCE', 4)
    setting = setting_of(signal_propagation__vectors=10)
    tanh, kernels = (parts.get('activation', 'tanh'), ()), random_kernels(setting, 0)
    _piece, _vectors = signal_propagation._piece, signal_propagation._vectors
    pieces = [
        np.asarray(_piece(kernels, *_vectors(0, start, n, 5, 3), 10, tanh))
        for start, n in ((0, 4), (4, 4), (8, 2))
    ]
    assert len({float(piece[0, 0, 0]) for piece in pieces}) == 3  # other vectors in each
    mean = np.average([piece[1, 0] for piece in pieces], axis=0, weights=[4, 4, 2])
    found = measured(setting, 0, None).curves['gradient_mean']
    np.testing.assert_allclose(found, np.abs(mean), rtol=1e-5, atol=1e-9)


def test_standard_deviations_whose_squares_are_no_float32():
    values = np.array([1.0, 2.0, 4.0]) * 1e-30
    mean, std = signal_propagation._moments(jnp.asarray(values, jnp.float32))
    assert float(mean) == pytest.approx(values.mean(), rel=1e-5)
    assert float(std) == pytest.approx(values.std(), rel=1e-5)
    assert not np.asarray(signal_propagation._moments(jnp.zeros(3))).any()


def test_a_signal_that_vanishes_is_counted():
    setting = setting_of(
        model__hidden=(8,) * 6,
        init__scheme='sigma',
        sigma__sigma=1e-9,
        signal_propagation__vectors=20,
    )
    found = measured(setting, 0, None)
    # Each layer makes it about 3e-9 times as large; 1.2e-38 is reached at the fifth.
    assert found.finals['living_activations'] == 4
    assert found.finals['activation_factor'] == 0  # what is 0 at the end
