"""Where dropout stands in a network, and what it does there, against NumPy."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference_networks import KEY, Reference, images, random_variables, setting, tiny

from jaxtweaks.config.settings import Dropout, Model
from jaxtweaks.nn import layers, models

# Dropout layers of the networks that are `tiny`, by the field that has their rate.
PLACES = {
    'mlp': {'input': [0], 'conv': [], 'hidden': [1, 2]},
    'cnn': {'input': [0], 'conv': [1, 2], 'hidden': [3, 4]},
    'lenet5': {'input': [0], 'conv': [1, 2], 'hidden': [3, 4]},
    'convnet1d': {'input': [0], 'conv': [1, 2, 3], 'hidden': [4]},
}


@pytest.mark.parametrize(
    ('name', 'form'),
    [*((name, 'inverted') for name in PLACES), ('mlp', 'vanilla'), ('cnn', 'vanilla')],
)
def test_dropout_stands_where_the_setting_says(name, form):
    """What a layer with a rate is given is dropped and scaled; the others pass it on."""
    model, x = tiny(name, norm='batch', norm_place='after'), images(name)
    variables = random_variables(models.build(setting(model), 3), x)
    reference = Reference(model, variables, True)
    expected = reference(x)

    @jax.jit
    def apply(rates):
        passed = []

        def record(call, args, kwargs, context):
            found = call(*args, **kwargs)
            if isinstance(context.module, layers.Dropout):
                passed.append((args[0], found))
            return found

        network = models.build(setting(model, Dropout(form, **rates)), 3)
        with nn.intercept_methods(record):
            logits, _ = network.apply(
                variables, x, train=True, rngs={'dropout': KEY}, mutable=['batch_stats']
            )
        return logits, passed

    for field, places in PLACES[name].items():
        logits, passed = apply(dict.fromkeys(PLACES[name], 0.0) | {field: 0.5})
        assert len(passed) == len(reference.before_dropout) == 1 + max(PLACES[name]['hidden'])
        for place, (given, found) in enumerate(map(np.asarray, pair) for pair in passed):
            if not places or place <= places[0]:  # nothing is dropped before it
                before = reference.before_dropout[place]
                np.testing.assert_allclose(given.ravel(), before.ravel(), rtol=1e-3, atol=1e-4)
            if place not in places:
                assert np.array_equal(found, given)
                continue
            dropped, some = found == 0, given != 0
            assert abs(np.mean(dropped[some]) - 0.5) < 4 * 0.5 / some.sum() ** 0.5
            scale = 2 if form == 'inverted' else 1
            np.testing.assert_allclose(found, np.where(dropped, 0, scale * given), rtol=1e-5)
        if places:
            assert float(np.max(np.abs(np.asarray(logits) - expected))) > 1e-2
        else:
            np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4)


def test_each_hidden_layer_may_have_a_rate_of_its_own():
    """Rates by layer, as numbers or traced; where they agree it is as with one rate for all."""
    model, x = Model('mlp', hidden=(64, 48)), images()
    plain = models.build(setting(model), 3)
    variables = random_variables(plain, x)

    @jax.jit
    def dropped(by_layer, hidden=0.0):
        rates = Dropout(hidden=hidden, by_layer=by_layer)
        _, found = models.build(setting(model, rates), 3).apply(
            variables,
            x,
            train=True,
            rngs={'dropout': KEY},
            mutable=['intermediates'],
            capture_intermediates=True,
        )
        kept = found['intermediates']
        return [kept[f'Dropout_{i}']['__call__'][0] for i in (1, 2)]

    without = dropped(())
    for same in (dropped((0.3, 0.3)), dropped(jnp.float32([0.3, 0.3]))):
        for got, expected in zip(same, dropped((), 0.3), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    second = dropped(jnp.float32([0.0, 0.5]))
    np.testing.assert_allclose(second[0], without[0], rtol=1e-5, atol=1e-5)
    kept = np.asarray(second[1]) != 0
    wanted = np.where(kept, 2 * np.asarray(without[1]), 0)
    np.testing.assert_allclose(second[1], wanted, rtol=1e-5, atol=1e-5)
    assert 0.3 < np.mean(kept[np.asarray(without[1]) > 0]) < 0.7
    first = dropped((0.5, 0.0))
    assert np.max(np.abs(np.asarray(first[0]) - np.asarray(without[0]))) > 1


@pytest.mark.parametrize('form', ['inverted', 'vanilla'])
def test_dropout_at_test_time(form):
    """Nothing, or (vanilla) scaling by the keep probability."""
    model, x = tiny('mlp'), images()
    network = models.build(setting(model), 3)
    variables = random_variables(network, x)
    dropping = models.build(setting(model, Dropout(form, input=0.2, hidden=0.4)), 3)
    logits = dropping.apply(variables, x, train=False)
    h = np.asarray(x, np.float64).reshape(len(x), -1) * (0.8 if form == 'vanilla' else 1)
    reference = Reference(model, variables, False)
    for index in range(2):
        h = np.maximum(reference.dense(h, index), 0) * (0.6 if form == 'vanilla' else 1)
    np.testing.assert_allclose(logits, reference.dense(h, 2), rtol=1e-4, atol=1e-4)


def test_layers_have_masks_of_their_own():
    """Two hidden layers of one width, equal inputs: their masks differ; so do those of two keys."""
    model = Model('mlp', hidden=(64, 64))
    network = models.build(setting(model, Dropout(hidden=0.5)), 3)
    x = np.ones((4, 4, 4, 1), np.float32)
    shapes = jax.eval_shape(lambda: network.init(KEY, x, train=False))
    ones = jax.tree.map(jnp.ones_like, shapes)

    def masks(key):
        _, found = network.apply(
            ones, x, train=True, rngs={'dropout': key}, capture_intermediates=True
        )
        layers = found['intermediates']
        return [np.asarray(layers[f'Dropout_{i}']['__call__'][0]) != 0 for i in (1, 2)]

    first, second = masks(KEY)
    other, _ = masks(jax.random.fold_in(KEY, 1))
    assert 0.3 < np.mean(first == second) < 0.7
    assert 0.3 < np.mean(first == other) < 0.7
    assert not np.array_equal(first[0], first[1])
    assert np.array_equal(first, masks(KEY)[0])
