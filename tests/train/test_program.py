"""The training of one network, alone and next to others."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny_training
from tiny_training import (
    CLASSES,
    TEST,
    TRAIN,
    Trained,
    data,
    differing,
    numbers,
    program,
    setting,
)

from jaxtweaks.base.rng import member_seed, stream_key
from jaxtweaks.config import register, trace
from jaxtweaks.config.choices import Choices
from jaxtweaks.nn import models
from jaxtweaks.nn.norm import standardised_kernels
from jaxtweaks.run import executables
from jaxtweaks.train.program import DeviceData, DeviceSplit, Program

DATA = data()
group_of = functools.partial(tiny_training.group_of, kept={})
# Three runs that differ in seed and in traced numbers; every kind of randomness is on.
RUNS = (
    (setting(dropout__hidden=0.3), 0),
    (setting(dropout__hidden=0.1, dropout__input=0.2, optim__learning_rate=0.05), 1),
    (setting(penalty__l2=0.01, schedule__warmup_epochs=1.0), 0),
)


@functools.cache
def trained(batching='vmap_loop', order=(0, 1, 2), broken=None, rate=np.inf):
    """The runs in this order; the learning rate of the run `broken` replaced by `rate`."""
    group, hyper, seeds = group_of([RUNS[i] for i in order], batching)
    if broken is not None:
        hyper['optim.learning_rate'][broken] = rate
    return Trained(group, hyper, seeds, DATA)


@functools.cache
def compiled(one, kind=Program):
    """Program and its jitted init and advance, of one network alone."""
    p = program(one, kind=kind)
    return p, jax.jit(p.init), jax.jit(p.advance)


def alone(one, seed, epochs=2, cuts=(), as_it_trains=False):
    """Initial and final state of one run, each epoch cut into chunks."""
    p, init, advance = compiled(program_setting(one))
    hyper = numbers(one)
    state = first = init(hyper, np.uint32(seed), DATA)
    if as_it_trains:
        lowered = advance.lower(hyper, np.uint32(seed), state, DATA, *np.zeros(3, np.int32))
        advance = executables.compiled(lowered, executables.FAST_CPU)
    ends = (0, *cuts, p.steps_per_epoch)
    for epoch in range(epochs):
        for start, stop in itertools.pairwise(ends):
            state = advance(
                hyper,
                np.uint32(seed),
                state,
                DATA,
                np.int32(epoch),
                np.int32(start),
                np.int32(stop),
            )
    return first, state


def program_setting(one):
    """All of RUNS share one program; name it by one setting, so that it compiles once."""
    return RUNS[0][0] if any(one == run for run, _ in RUNS) else one


def of_member(number, one=None):
    return numbers(one or setting()) | {'train.member': np.int32(number)}


class Recording(Program):
    """Counts how often each image is used, instead of training; labels are image numbers."""

    def _step(self, hyper, seed, state, x, y):
        del hyper, seed
        shown = jnp.round(x[:, 0, 0, 0]).astype(jnp.int32)
        noted = state.batch_stats
        noted = {
            'seen': noted['seen'].at[y].add(1),
            'matched': noted['matched'] & jnp.all(shown == y),
            'first': noted['first'].at[state.step].set(y),
        }
        return dataclasses.replace(state, batch_stats=noted, step=state.step + 1)


def record(seed, epoch, member=0):
    images = jnp.broadcast_to(
        jnp.arange(TRAIN, dtype=jnp.uint8)[:, None, None, None], (TRAIN, 4, 4, 1)
    )
    numbered = DeviceSplit(images, jnp.arange(TRAIN, dtype=jnp.int32))
    plain = DeviceData(numbered, numbered, numbered, jnp.zeros((4, 4, 1)), jnp.ones((4, 4, 1)))
    p, _, advance = compiled(setting(), Recording)
    noted = {
        'seen': jnp.zeros(TRAIN, jnp.int32),
        'matched': jnp.bool_(True),
        'first': jnp.zeros((p.steps_per_epoch, 8), jnp.int32),
    }
    hyper, key = of_member(member), np.uint32(seed)
    state = dataclasses.replace(jax.jit(p.init)(hyper, key, plain), batch_stats=noted)
    args = (np.int32(epoch), np.int32(0), np.int32(p.steps_per_epoch))
    return jax.tree.map(np.asarray, advance(hyper, key, state, plain, *args).batch_stats)


@pytest.mark.parametrize(('seed', 'epoch'), [(0, 0), (0, 1), (5, 0)])
def test_every_image_is_seen_in_every_epoch(seed, epoch):
    """22 images in batches of 8: three steps, the last completed with the first two images."""
    state = record(seed, epoch)
    order = state['first'].ravel()
    assert state['matched']
    assert sorted(order[:TRAIN]) == list(range(TRAIN))
    assert list(order[TRAIN:]) == list(order[:2])
    assert state['seen'].sum() == 24
    expected = np.ones(TRAIN)
    expected[order[:2]] = 2
    assert np.array_equal(state['seen'], expected)


def test_orders_differ_by_seed_and_epoch():
    orders = [record(s, e)['first'].ravel()[:TRAIN] for s, e in ((0, 0), (0, 1), (5, 0))]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.mean(orders[a] == orders[b]) < 0.4
    assert np.array_equal(orders[0], record(0, 0)['first'].ravel()[:TRAIN])
    assert not np.array_equal(orders[0], np.arange(TRAIN))


def test_members_of_a_seed_differ_in_weights_order_and_masks_and_share_wrong_labels():
    one, seed = RUNS[0][0], np.uint32(5)
    assert int(member_seed(5, 0)) == 5 != int(member_seed(5, 1))
    p, init, _ = compiled(one)
    first, second = (init(of_member(number, one), seed, DATA) for number in (0, 1))
    kernels = [state.params['Dense_0']['kernel'] for state in (first, second)]
    assert not np.any(kernels[0] == kernels[1])
    orders = [record(5, 0, number)['first'].ravel()[:TRAIN] for number in (0, 1)]
    assert np.mean(orders[0] == orders[1]) < 0.4
    x, y = DATA.standardised(DATA.training.images[:8]), DATA.training.labels[:8]
    step = jax.jit(p.step)
    losses = [float(step(of_member(m, one), seed, first, x, y).loss_sum) for m in (0, 1)]
    assert losses[0] != losses[1]
    noisy = program(setting(data__label_noise=0.5))
    labels = [noisy.training(of_member(m, setting(data__label_noise=0.5)), seed, DATA).labels
              for m in (0, 1)]  # fmt: skip
    assert np.array_equal(*labels)
    assert not np.array_equal(labels[0], DATA.training.labels)


@pytest.mark.parametrize('batching', ['map', 'threads', 'vmap_loop'])
def test_however_a_training_is_cut_it_finds_the_same_bits(batching):
    """Four epochs of three steps: in one call, and cut within epochs, at their ends and across."""
    long = {'train__epochs': 4, 'train__select': 'best_loss', 'train__ema_decay': 0.5}
    runs = [(setting(dropout__hidden=0.3, **long), 0), (setting(dropout__hidden=0.1, **long), 1)]
    group, hyper, seeds = group_of(runs, batching)
    steps = group.program.steps_per_epoch

    def found(cuts):
        state, rows = group.init(hyper, seeds, DATA), []
        for (epoch, start), (last, stop) in cuts:
            state, metrics = group.train(hyper, seeds, state, DATA, epoch, start, last, stop)
            ended = last - epoch + (stop == steps)
            for name, values in metrics.items():
                assert values.shape == (2, 4)
                assert np.isfinite(values[:, :ended]).all()
                assert np.isnan(values[:, ended:]).all(), name
            rows += [{name: values[:, i] for name, values in metrics.items()} for i in range(ended)]
        return state, rows

    whole = found([((0, 0), (3, steps))])
    cut = found([((0, 0), (0, 1)), ((0, 1), (1, 2)), ((1, 2), (1, steps)), ((2, 0), (3, steps))])
    assert len(whole[1]) == len(cut[1]) == 4
    assert differing(whole, cut) == []


@pytest.mark.usefixtures('quickly_compiled')
@pytest.mark.parametrize('steps', [1, 2, 3, 7])
def test_steps_alone_are_so_many_and_are_not_followed_by_an_evaluation(steps):
    """Epochs have three steps, and the first one is omitted: two would end the first epoch."""
    group, hyper, seeds = group_of([(setting(train__select='best_loss'), 0)])
    before = jax.tree.map(np.array, group.init(hyper, seeds, DATA))
    after = group.steps_alone(hyper, seeds, group.init(hyper, seeds, DATA), DATA, steps)
    assert after.step.tolist() == [steps]
    assert differing(before.best, after.best) == []


@pytest.mark.usefixtures('quickly_compiled')
def test_loss_falls_and_the_classes_are_learnt():
    easy = setting(train__epochs=15)
    group, hyper, seeds = group_of([(easy, 0), (easy, 1)])
    result = Trained(group, hyper, seeds, DATA)
    losses = np.array([m['running_loss'] for m in result.metrics])
    assert np.all(losses[-1] < 0.3 * losses[0])
    for name in ('train', 'validation', 'test'):
        assert np.all(result.found.finals[f'{name}_accuracy'] >= 0.9)
        assert np.all(result.found.finals[f'{name}_loss'] < 0.5)
    assert list(result.found.chosen_epoch) == [15, 15]
    assert list(result.final.step) == [45, 45]
    assert list(result.final.diverged_at) == [-1, -1]


@pytest.mark.parametrize('cuts', [(1,), (2,), (1, 2), (0, 3)])
def test_cutting_an_epoch_into_chunks_changes_no_bit(cuts):
    one, seed = RUNS[1]
    whole, cut = (alone(one, seed, cuts=ends, as_it_trains=True)[1] for ends in ((), cuts))
    assert differing(whole, cut) == []


def test_same_seed_is_identical_and_others_differ():
    one, _ = RUNS[0]
    (first, final), (_, again), (other, _) = (alone(one, seed) for seed in (3, 3, 4))
    assert differing(final, again) == []
    a, b = (s.params['Dense_0']['kernel'] for s in (first, other))
    assert not np.any(np.asarray(a) == np.asarray(b))


def test_masks_depend_on_seed_and_step_alone():
    """From one state, with a rate of ½, the loss of a batch tells the masks."""
    one = RUNS[0][0]
    p, init, _ = compiled(one)
    state = init(numbers(one), np.uint32(0), DATA)
    x = DATA.standardised(DATA.training.images[:8])
    y = DATA.training.labels[:8]
    step = jax.jit(p.step)

    def loss(seed, number, **changes):
        hyper = numbers(one) | {'dropout.hidden': np.float32(0.5)} | changes
        moved = dataclasses.replace(state, step=jnp.int32(number))
        return float(step(hyper, np.uint32(seed), moved, x, y).loss_sum)

    assert loss(0, 0) == loss(0, 0)
    assert len({loss(0, 0), loss(0, 1), loss(1, 0), loss(1, 1)}) == 4
    # Settings of one seed share their masks: what does not enter the forward pass changes nothing.
    assert loss(0, 1) == loss(0, 1, **{'optim.learning_rate': np.float32(0.7)})


def test_settings_of_one_seed_share_their_initial_weights():
    initial = trained().initial.params
    kernel = initial['Dense_0']['kernel']
    assert np.array_equal(kernel[0], kernel[2])
    assert not np.any(kernel[0] == kernel[1])
    # Of two schemes: the same draw, scaled. 16 inputs and 7 units.
    states = []
    for scheme in ('he', 'glorot'):
        hyper = numbers(RUNS[0][0]) | {'init.scheme': np.int32(Choices('init').index(scheme))}
        states.append(compiled(RUNS[0][0])[1](hyper, np.uint32(0), DATA))
    he, glorot = (np.asarray(s.params['Dense_0']['kernel'], np.float64) for s in states)
    np.testing.assert_allclose(glorot / he, ((2 / 23) / (2 / 16)) ** 0.5, rtol=1e-5)


@pytest.mark.parametrize('batching', ['vmap_loop', 'map', 'threads'])
def test_grouped_equals_alone(batching):
    for index, (one, seed) in enumerate(RUNS):
        _, final = alone(one, seed)
        mine = jax.tree.map(lambda leaf, i=index: leaf[i], trained(batching).final)
        # Made at the ends of epochs, which `alone` omits.
        mine, final = (dataclasses.replace(state, swa=None) for state in (mine, final))
        for got, expected in zip(jax.tree.leaves(mine), jax.tree.leaves(final), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize('batching', ['vmap_loop', 'map', 'threads'])
def test_regrouped_is_the_same(batching):
    """Groups of 1 and of 3: bitwise where runs take turns, else within the rounding."""
    for index in range(3):
        whole, single = trained(batching).run(index), trained(batching, (index,)).run(0)
        if batching == 'map':
            assert differing(whole, single) == []
        for path, expected in single.items():
            np.testing.assert_allclose(whole[path], expected, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize('batching', ['vmap_loop', 'map', 'threads'])
@pytest.mark.parametrize('order', [(2, 0, 1), (1, 0, 2)])
def test_the_place_in_a_group_changes_no_bit(order, batching):
    for place, index in enumerate(order):
        assert differing(trained(batching, order).run(place), trained(batching).run(index)) == []


@pytest.mark.parametrize('batching', ['vmap_loop', 'map', 'threads'])
@pytest.mark.parametrize('rate', [np.inf, 3e38])
def test_a_run_that_diverges_is_marked_and_leaves_the_others_alone(rate, batching):
    result = trained(batching, broken=1, rate=rate)
    for other in (0, 2):
        assert differing(result.run(other), trained(batching).run(other)) == []
    # The first loss is that of the initial weights; the first update ruins them.
    assert list(result.final.diverged_at) == [-1, 1, -1]
    for metrics in result.metrics:
        for name in ('train', 'validation'):
            assert np.isnan(metrics[f'{name}_accuracy'][1])
            assert not np.isfinite(metrics[f'{name}_loss'][1])
    assert np.isnan(result.found.finals['test_accuracy'][1])
    assert np.all(np.isfinite(result.found.finals['test_accuracy'][[0, 2]]))


def test_what_else_is_in_a_group_changes_no_bit():
    """Padding: the last run repeated."""
    assert differing(trained(order=(0, 1, 1)).run(0), trained().run(0)) == []
    assert differing(trained(order=(0, 1, 1)).run(1), trained(order=(0, 1, 1)).run(2)) == []


def test_confusion_and_accuracy_agree():
    found = trained().found
    for r in range(3):
        confusion = found.confusion[r]
        assert confusion.sum() == TEST
        assert np.array_equal(confusion.sum(1), np.bincount(DATA.test.labels, minlength=CLASSES))
        assert found.finals['test_accuracy'][r] == pytest.approx(
            np.trace(confusion) / TEST, rel=1e-6
        )


def test_running_metrics_are_means_over_the_epoch():
    """One step at a time, by the sums of the state; the first step of an epoch starts again."""
    one = RUNS[0][0]
    p, init, advance = compiled(one)
    hyper = numbers(one)
    state = init(hyper, np.uint32(0), DATA)
    for epoch in range(2):
        total, correct = 0.0, 0.0
        for i in range(p.steps_per_epoch):
            before = (float(state.loss_sum), float(state.correct_sum)) if i else (0.0, 0.0)
            state = advance(
                hyper, np.uint32(0), state, DATA, np.int32(epoch), np.int32(i), np.int32(i + 1)
            )
            total += float(state.loss_sum) - before[0]
            correct += float(state.correct_sum) - before[1]
        metrics = trained().metrics[epoch]
        assert metrics['running_loss'][0] == pytest.approx(total / 3, rel=1e-4)
        assert 0 < correct < 3
        assert metrics['running_accuracy'][0] == pytest.approx(correct / 3, abs=1e-5)


def batch_by_hand(seed, step):
    """The standardised images [8, pixels] and labels of a step of the first epoch."""
    order = np.asarray(jax.random.permutation(stream_key(seed, 'order', 0), TRAIN))
    order = order[8 * step : 8 * (step + 1)]
    x = np.asarray(DATA.training.images, np.float64)[order] - np.asarray(DATA.mean)
    x = (x * np.asarray(DATA.inverse_std)).reshape(8, -1)
    return x, np.asarray(DATA.training.labels)[order]


def gradients_by_hand(params, x, y):
    """Of the mean cross-entropy of the network without normalisation; and its probabilities."""
    (w0, b0), (w1, b1) = (
        [np.asarray(params[f'Dense_{i}'][name], np.float64) for name in ('kernel', 'bias')]
        for i in (0, 1)
    )
    h = np.maximum(x @ w0 + b0, 0)
    e = np.exp(h @ w1 + b1)
    p_y = e / e.sum(1, keepdims=True)
    d1 = (p_y - np.eye(CLASSES)[y]) / len(y)
    d0 = (d1 @ w1.T) * (h > 0)
    return {
        'Dense_0': {'kernel': x.T @ d0, 'bias': d0.sum(0)},
        'Dense_1': {'kernel': h.T @ d1, 'bias': d1.sum(0)},
    }, p_y


@pytest.mark.usefixtures('quickly_compiled')
def test_first_step_against_numpy():
    """SGD without normalisation: one update of every parameter, recomputed in float64."""
    one = setting(model__norm='none', optim__name='sgd', optim__learning_rate=0.5, penalty__l2=0.3)
    p = program(one)
    hyper = numbers(one)
    state = jax.jit(p.init)(hyper, np.uint32(2), DATA)
    args = (np.int32(0), np.int32(0), np.int32(1))
    after = jax.jit(p.advance)(hyper, np.uint32(2), state, DATA, *args)
    x, y = batch_by_hand(2, 0)
    gradients, p_y = gradients_by_hand(state.params, x, y)
    w0, w1 = (np.asarray(state.params[f'Dense_{i}']['kernel'], np.float64) for i in (0, 1))
    d0, d1 = (gradients[f'Dense_{i}'] for i in (0, 1))
    expected = {
        'Dense_0': {'kernel': w0 - 0.5 * (d0['kernel'] + 0.3 * w0), 'bias': -0.5 * d0['bias']},
        'Dense_1': {'kernel': w1 - 0.5 * (d1['kernel'] + 0.3 * w1), 'bias': -0.5 * d1['bias']},
    }
    for layer, leaves in expected.items():
        for name, value in leaves.items():
            np.testing.assert_allclose(after.params[layer][name], value, rtol=1e-4, atol=1e-5)
    # The loss that is reported is without the penalty.
    assert float(after.loss_sum) == pytest.approx(-np.mean(np.log(p_y[np.arange(8), y])), rel=1e-5)
    assert float(after.correct_sum) == pytest.approx(np.mean(p_y.argmax(1) == y))
    assert int(after.step) == 1


@pytest.mark.usefixtures('quickly_compiled')
def test_standardised_weights_are_what_a_network_is_applied_with():
    one = setting(model__name='cnn', model__norm='none', model__weight_standardisation=True)
    p, hyper, seed = program(one), numbers(one), np.uint32(0)
    x, y = DATA.standardised(DATA.training.images[:8]), DATA.training.labels[:8]
    state = jax.jit(p.init)(hyper, seed, DATA)
    network = models.build(trace.as_numbers(one), CLASSES)
    plain = jax.jit(lambda params: network.apply({'params': params}, x, train=False))
    raw, expected = plain(state.params), plain(standardised_kernels(state.params))
    assert np.abs(np.asarray(raw - expected)).max() > 0.01
    at_rest = jax.jit(lambda variables: p.at_rest(hyper, variables)(x))(state.variables)
    np.testing.assert_allclose(at_rest, expected, rtol=1e-4, atol=1e-5)
    loss = jax.jit(p.step)(hyper, seed, state, x, y).loss_sum
    wanted = optax.softmax_cross_entropy_with_integer_labels(expected, y).mean()
    np.testing.assert_allclose(loss, wanted, rtol=1e-4)


@pytest.mark.usefixtures('quickly_compiled')
def test_an_optimiser_of_ones_own_is_given_kernels_as_the_network_has_them():
    """Two steps of one that scales by unit, all numbers recomputed in float64."""
    shapes = []

    def over_inputs(leaf):
        return jnp.sum(jnp.square(leaf), tuple(range(leaf.ndim - 1)), keepdims=True)

    @register.optimiser('by_unit')
    def by_unit(learning_rate):
        """v ← v + Σ g² over the inputs of a unit, then −η (1 + number of the unit) g / √v."""

        def init(params):
            return jax.tree.map(lambda w: jnp.zeros_like(over_inputs(w)), params)

        def update(gradients, state, params):
            shapes.extend([w.shape for w in jax.tree.leaves(params)])
            state = jax.tree.map(lambda v, g: v + over_inputs(g), state, gradients)
            number = lambda g: jnp.arange(1.0, g.shape[-1] + 1)[(None,) * (g.ndim - 1)]
            scaled = jax.tree.map(lambda g, v: number(g) * g / jnp.sqrt(v + 1e-6), gradients, state)
            return jax.tree.map(lambda g: -learning_rate(0) * g, scaled), state

        return optax.GradientTransformation(init, update)

    one = setting(model__norm='none', optim__name='by_unit', optim__learning_rate=0.1)
    p, hyper = program(one), numbers(one)
    state = jax.jit(p.init)(hyper, np.uint32(2), DATA)
    args = (np.int32(0), np.int32(0), np.int32(2))
    after = jax.jit(p.advance)(hyper, np.uint32(2), state, DATA, *args)
    assert set(shapes) == {(16, 7), (7,), (7, 3), (3,)}
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), state.params)
    sums = jax.tree.map(lambda leaf: 0.0, params)
    for step in (0, 1):
        gradients, _ = gradients_by_hand(params, *batch_by_hand(2, step))
        for layer, leaves in gradients.items():
            for name, g in leaves.items():
                sums[layer][name] += np.sum(np.square(g), 0) if name == 'kernel' else g**2
                scale = np.arange(1, g.shape[-1] + 1) / np.sqrt(sums[layer][name] + 1e-6)
                params[layer][name] = params[layer][name] - 0.1 * scale * g
    for layer, leaves in params.items():
        for name, value in leaves.items():
            np.testing.assert_allclose(after.params[layer][name], value, rtol=2e-4, atol=1e-5)
            kept = np.asarray(after.opt_state[layer][name]).reshape(sums[layer][name].shape)
            np.testing.assert_allclose(kept, sums[layer][name], rtol=1e-3, atol=1e-7)


@pytest.mark.usefixtures('quickly_compiled')
@pytest.mark.parametrize('select', ['best_loss', 'best_accuracy'])
def test_the_chosen_parameters_are_the_ones_tested(select):
    """Wrong labels spoil the end of training; the best epoch's figures are found again."""
    spoilt = {'optim__learning_rate': 0.1, 'data__label_noise': 0.6}
    one = setting(train__select=select, train__epochs=5, **spoilt)
    group, hyper, seeds = group_of([(one, 0), (one, 1)])
    result = Trained(group, hyper, seeds, DATA)
    key = 'validation_loss' if select == 'best_loss' else 'validation_accuracy'
    curve = np.array([m[key] for m in result.metrics])
    best = curve.argmin(0) if select == 'best_loss' else curve.argmax(0)
    assert (best < 4).any()  # not all of them the last
    assert list(result.found.chosen_epoch) == list(best + 1)
    for r in range(2):
        assert result.found.finals[key][r] == pytest.approx(curve[best[r], r], rel=1e-5)


@pytest.mark.usefixtures('quickly_compiled')
def test_two_optimisers_in_one_process():
    """Their evaluations are the same program to the letter, yet take different states."""
    for name in ('adam', 'momentum'):
        one = setting(optim__name=name, train__epochs=1)
        result = Trained(*group_of([(one, 0)]), DATA, finish=False)
        assert np.isfinite(result.metrics[0]['validation_loss'][0])
