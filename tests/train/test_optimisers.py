"""Every optimiser, three steps recomputed in NumPy float64 from its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxtweaks.config import parts

OPTIMISERS = [name for name, part in parts.of_slot('optimiser').items() if part.built_in]

WEIGHTS = np.array([1.0, -2.0, 0.5])
GRADIENTS = [np.array(g) for g in ([0.1, -3.0, 0.0], [0.4, 2.0, -0.5], [-0.2, 1.0, 0.25])]
RATES = [0.1, 0.2, 0.05]
START = 0.1  # of AdaGrad's sum
DECAYED = ('adamw', 'lamb')


def by_hand(name, momentum, beta2, epsilon, decay):
    w, m, v = WEIGHTS.copy(), np.zeros(3), np.zeros(3)
    v = v + START * (name == 'adagrad')
    for t, (g, rate) in enumerate(zip(GRADIENTS, RATES, strict=True), 1):
        if name in ('sgd', 'sgd_shrink'):
            w = w * (1 - 2 * decay * (name == 'sgd_shrink')) - rate * g
        elif name in ('momentum', 'nesterov'):
            v = momentum * v + g
            w = w - rate * (g + momentum * v if name == 'nesterov' else v)
        elif name == 'rmsprop':
            v = beta2 * v + (1 - beta2) * g**2
            w = w - rate * g / (np.sqrt(v) + epsilon)
        elif name == 'adagrad':
            v = v + g**2
            w = w - rate * g / np.sqrt(v + epsilon)
        elif name == 'lion':
            w = w - rate * (np.sign(momentum * m + (1 - momentum) * g) + decay * w)
            m = beta2 * m + (1 - beta2) * g
        else:
            m = momentum * m + (1 - momentum) * g
            v = beta2 * v + (1 - beta2) * g**2
            m_hat, v_hat = m / (1 - momentum**t), v / (1 - beta2**t)
            if name == 'nadam':  # one step ahead: Dozat 2016, Algorithm 2, with one β₁
                m_hat = momentum * m / (1 - momentum ** (t + 1))
                m_hat = m_hat + (1 - momentum) * g / (1 - momentum**t)
            step = m_hat / (np.sqrt(v_hat) + epsilon) + decay * w * (name in DECAYED)
            if name == 'lamb':
                step = step * np.linalg.norm(w) / np.linalg.norm(step)
            if name == 'radam':
                longest = 2 / (1 - beta2) - 1
                length = longest - 2 * t * beta2**t / (1 - beta2**t)
                step = m_hat
                if length >= 5:
                    share = (length - 4) / (longest - 4) * (length - 2) / (longest - 2)
                    rectified = np.sqrt(share * longest / length)
                    step = rectified * m_hat / (np.sqrt(v_hat) + epsilon)
            w = w - rate * step
    return w


def built(name, schedule, momentum=0.9, beta2=0.999, epsilon=1e-8, decay=0.0):
    numbers = {'b1': momentum, 'b2': beta2, 'epsilon': epsilon, 'weight_decay': decay}
    numbers |= {'decay': beta2, 'momentum': momentum, 'start': START, 'shrink': decay}
    part = parts.get('optimiser', name)
    return part.build(schedule, **{key: numbers[key] for key in part.parameters})


@pytest.mark.parametrize('name', OPTIMISERS)
def test_three_steps_with_traced_numbers(name):
    schedule = lambda step: jnp.asarray(RATES, jnp.float32)[step]

    @jax.jit
    def train(momentum, beta2, epsilon, decay):
        optimiser = built(name, schedule, momentum, beta2, epsilon, decay)
        params = {'kernel': jnp.asarray(WEIGHTS, jnp.float32)}
        state = optimiser.init(params)
        for g in GRADIENTS:
            gradient = {'kernel': jnp.asarray(g, jnp.float32)}
            updates, state = optimiser.update(gradient, state, params)
            params = optax.apply_updates(params, updates)
        return params['kernel']

    found = []
    for numbers in ((0.9, 0.999, 1e-8, 0.0), (0.5, 0.9, 1e-2, 0.3), (0.0, 0.5, 1.0, 1.0)):
        got = np.asarray(train(*numbers))
        np.testing.assert_allclose(got, by_hand(name, *numbers), rtol=2e-5, atol=2e-6)
        found.append(got)
    assert train._cache_size() == 1
    assert name == 'sgd' or not np.allclose(found[0], found[1], rtol=1e-3)


def test_first_steps_in_numbers():
    """w = 1, g = 0.5, rate 0.1: the definitions once more, as plain numbers."""
    expected = {
        'sgd': 0.95,
        'sgd_shrink': 0.6 - 0.05,
        'momentum': 0.95,
        'nesterov': 1 - 0.1 * (0.5 + 0.9 * 0.5),
        'adam': 0.9,
        'adamw': 0.9 - 0.1 * 0.2,
        'rmsprop': 1 - 0.1 / 0.001**0.5,
        'nadam': 1 - 0.1 * (0.9 * 0.1 / (1 - 0.81) + 0.1 / (1 - 0.9)),
        'radam': 1 - 0.1 * 0.5,
        'lamb': 0.9,
        'lion': 1 - 0.1 * (1 + 0.2),
        'adagrad': 1 - 0.1 * 0.5 / (0.1 + 0.25) ** 0.5,
    }
    assert set(expected) == set(OPTIMISERS)
    for name, value in expected.items():
        optimiser = built(name, lambda step: jnp.float32(0.1), decay=0.2)
        w = {'kernel': jnp.float32(1)}
        updates, _ = optimiser.update({'kernel': jnp.float32(0.5)}, optimiser.init(w), w)
        assert float(1 + updates['kernel']) == pytest.approx(value, rel=1e-4)


def test_biases_are_not_shrunk():
    optimiser = built('sgd_shrink', lambda step: jnp.float32(0.1), decay=0.25)
    params = {'kernel': jnp.ones((2, 2)), 'bias': jnp.ones(2)}
    zero = jax.tree.map(jnp.zeros_like, params)
    updates, _ = optimiser.update(zero, optimiser.init(params), params)
    assert np.all(updates['kernel'] == -0.5)
    assert not np.any(updates['bias'])


@pytest.mark.parametrize(
    ('name', 'theirs', 'numbers'),
    [
        ('radam', 'RAdam', {'betas': (0.8, 0.95), 'eps': 1e-8}),
        ('adagrad', 'Adagrad', {'initial_accumulator_value': START, 'eps': 1e-12}),
    ],
)
def test_twenty_steps_are_those_of_pytorch(torch, name, theirs, numbers):
    """For RAdam also when the variance of its steps has become known."""
    w = torch.nn.Parameter(torch.tensor(WEIGHTS))
    reference = getattr(torch.optim, theirs)([w], lr=0.1, **numbers)
    ours = built(name, lambda step: 0.1, *numbers.get('betas', (0.0, 0.0)), numbers['eps'])
    params = jnp.asarray(WEIGHTS, jnp.float32)
    state, update = ours.init(params), jax.jit(ours.update)
    for i in range(20):
        g = GRADIENTS[i % 3]
        w.grad = torch.tensor(g)
        reference.step()
        updates, state = update(jnp.asarray(g, jnp.float32), state, params)
        params = params + updates
    np.testing.assert_allclose(params, w.detach().numpy(), rtol=2e-4, atol=2e-5)
