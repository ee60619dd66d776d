"""Changes of gradients and weights against PyTorch, Optax and NumPy."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_training import CLASSES, data, numbers, program, setting

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import parts, register
from jaxtweaks.config.fields import traced
from jaxtweaks.train import keep, transform
from jaxtweaks.train.statistics import statistics

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

DATA = data()


def started(p, hyper):
    return jax.jit(p.init)(hyper, np.uint32(0), DATA)


def part(name):
    return parts.get('transform', name).build


def tree(seed=0):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
    return {
        'Dense_0': {'kernel': draw(5, 3), 'bias': draw(3)},
        'Conv_0': {'kernel': draw(3, 3, 2, 4), 'bias': draw(4)},
        'Local_0': {'kernel': draw(2, 2, 3, 3, 2, 4), 'bias': draw(2, 2, 4)},
    }


def close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-6, atol=1e-7), a, b)


@pytest.mark.parametrize('norm', [0.5, 3.0, 1e3])
def test_clipping_is_that_of_optax(norm):
    gradients = tree()
    chain = optax.clip_by_global_norm(norm)
    expected, _ = chain.update(gradients, chain.init(gradients))
    found = jax.jit(part('clip'))(gradients, gradients, norm=norm)
    close(found, expected)
    length = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(found)))
    before = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(gradients)))
    assert length == pytest.approx(min(norm, before))


def test_a_gradient_of_zero_stays_zero():
    zero = jax.tree.map(jnp.zeros_like, tree())
    close(part('clip')(zero, zero, norm=1.0), zero)
    close(part('sam')(tree(), zero, rho=0.5), tree())


@pytest.mark.parametrize('norm', [0.7, 2.5])
def test_max_norm_is_that_of_numpy(norm):
    weights = tree()
    found = jax.jit(part('max_norm'))(weights, norm=norm)
    for layer, places in (('Dense_0', 0), ('Conv_0', 0), ('Local_0', 2)):
        kernel = np.asarray(weights[layer]['kernel'], np.float64)
        # Units of a place first: each is a row.
        inside = tuple(range(places, kernel.ndim - 1))
        order = (*range(places), kernel.ndim - 1, *inside)
        units = kernel.transpose(order).reshape(-1, np.prod([kernel.shape[i] for i in inside]))
        expected = units * np.minimum(1, norm / np.linalg.norm(units, axis=1, keepdims=True))
        got = np.asarray(found[layer]['kernel']).transpose(order).reshape(expected.shape)
        np.testing.assert_allclose(got, expected, rtol=2e-6)
        assert np.array_equal(found[layer]['bias'], weights[layer]['bias'])


def test_a_sharpness_aware_gradient_by_hand():
    """Of Σ w² at (3, 4), ‖g‖ is 10; half a step along it is (3.3, 4.4), of gradient (6.6, 8.8)."""
    gradient = lambda w: ({'w': 2 * w['w']}, w['w'])
    found, also = transform.gradients(gradient, {'w': jnp.array([3.0, 4.0])}, setting(sam__rho=0.5))
    np.testing.assert_allclose(found['w'], [6.6, 8.8], rtol=1e-6)
    assert also.tolist() == [3, 4]


def in_pytorch(torch, state):
    """The network of `tiny_training` with the weights of a state."""

    class Network(torch.nn.Module):
        def __init__(self, state):
            super().__init__()
            params = jax.tree.map(lambda leaf: torch.tensor(np.asarray(leaf, np.float64)), state)
            first, second = params['Dense_0'], params['Dense_1']
            self.hidden = torch.nn.Linear(*first['kernel'].shape, dtype=torch.float64)
            self.norm = torch.nn.BatchNorm1d(first['kernel'].shape[1], 1e-5, 0.1).double()
            self.last = torch.nn.Linear(*second['kernel'].shape, dtype=torch.float64)
            with torch.no_grad():
                for layer, values in ((self.hidden, first), (self.last, second)):
                    layer.weight.copy_(values['kernel'].T)
                    layer.bias.copy_(values['bias'])
                self.norm.weight.copy_(params['BatchNorm_0']['scale'])
                self.norm.bias.copy_(params['BatchNorm_0']['bias'])

        def forward(self, x):
            return self.last(torch.relu(self.norm(self.hidden(x.flatten(1)))))

        def as_params(self):
            array = lambda leaf: leaf.detach().numpy()
            layer = lambda one: {'kernel': array(one.weight).T, 'bias': array(one.bias)}
            norm = {'scale': array(self.norm.weight), 'bias': array(self.norm.bias)}
            return {
                'Dense_0': layer(self.hidden),
                'Dense_1': layer(self.last),
                'BatchNorm_0': norm,
            }

    return Network(state)


def images(count, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 4, 4, 1)).astype(np.float32)
    return x, (np.arange(count) % CLASSES).astype(np.int32)


def test_sharpness_aware_steps_are_those_of_pytorch(torch):
    """With batch norm: its averages are those of the first pass alone."""
    rho, rate = 0.3, 0.1
    one = setting(
        model__norm_place='before', optim__name='sgd', optim__learning_rate=rate, sam__rho=rho
    )
    p, hyper, seed = program(one), numbers(one), np.uint32(0)
    state = started(p, hyper)
    network = in_pytorch(torch, state.params)
    step = jax.jit(p.step)
    for i in range(3):
        x, y = images(8, i)
        state = step(hyper, seed, state, x, y)
        batch = torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.int64)
        weights = list(network.parameters())
        loss = lambda batch=batch: torch.nn.functional.cross_entropy(network(batch[0]), batch[1])
        gradients = torch.autograd.grad(loss(), weights)
        norm = torch.sqrt(sum(torch.sum(g**2) for g in gradients))
        moves = [rho * g / norm for g in gradients]
        with torch.no_grad():
            [w.add_(move) for w, move in zip(weights, moves, strict=True)]
        network.norm.momentum = 0.0
        gradients = torch.autograd.grad(loss(), weights)
        network.norm.momentum = 0.1
        with torch.no_grad():
            for w, move, g in zip(weights, moves, gradients, strict=True):
                w.sub_(move).sub_(rate * g)
    expected = network.as_params()
    assert state.params.keys() == expected.keys()
    for name, layer in expected.items():
        for leaf, value in layer.items():
            np.testing.assert_allclose(state.params[name][leaf], value, rtol=1e-4, atol=2e-6)
    averages = state.batch_stats['BatchNorm_0']
    np.testing.assert_allclose(averages['mean'], network.norm.running_mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(averages['var'], network.norm.running_var, rtol=1e-4)


def test_max_norm_is_of_each_unit_of_each_head():
    rng = np.random.default_rng(0)
    module = nn.MultiHeadDotProductAttention(4, qkv_features=8)
    params = module.init(jax.random.key(0), rng.normal(size=(1, 3, 6)))['params']
    found = part('max_norm')({'attention': params}, norm=0.9)['attention']
    for name, axes in (('query', 0), ('key', 0), ('value', 0), ('out', (0, 1))):
        before = np.asarray(params[name]['kernel'], np.float64)
        length = np.sqrt((before**2).sum(axes, keepdims=True))
        assert (length > 0.9).any()
        expected = before * np.minimum(1, 0.9 / length)
        np.testing.assert_allclose(found[name]['kernel'], expected, rtol=1e-5)


def test_an_average_over_epochs_by_hand():
    at = lambda number: {'w': jnp.float32(number)}
    for start, expected in ((1, [1, 1.5, 2, 2.5]), (3, [1, 2, 3, 3.5]), (0, [1, 2, 3, 4])):
        average, found = at(0), []
        for epoch in range(4):
            average = keep.averaged_epochs(average, at(epoch + 1), jnp.int32(start), epoch)
            found.append(float(average['w']))
        assert found == expected


def test_statistics_computed_again_are_those_of_pytorch(torch):
    """`torch.optim.swa_utils.update_bn`, on the batches of one size that training has."""
    one = setting(model__norm_place='before')
    p, hyper = program(one), numbers(one)
    state = started(p, hyper)
    again = jax.jit(lambda hyper, state: statistics(p, hyper, 0, state.variables, DATA))
    network = in_pytorch(torch, state.params)
    count, size = len(DATA.training.images), one.train.batch_size
    x = torch.tensor(np.asarray(DATA.standardised(DATA.training.images), np.float64))
    batches = [x[[j % count for j in range(i, i + size)]] for i in range(0, count, size)]
    torch.optim.swa_utils.update_bn(batches, network)
    for momentum in (0.0, 0.9, 0.99):  # whatever a layer makes of its batches
        hyper['batch.momentum'] = np.float32(momentum)
        found = again(hyper, state)['BatchNorm_0']
        np.testing.assert_allclose(found['mean'], network.norm.running_mean, rtol=1e-4, atol=2e-5)
        np.testing.assert_allclose(found['var'], network.norm.running_var, rtol=1e-4)


def test_an_average_of_one_epoch_is_tested_as_its_parameters():
    one = setting(train__swa_start=2, model__norm='none')
    p, hyper = program(one), numbers(one)
    state = started(p, hyper)
    finals = jax.jit(p.finish)(hyper, np.uint32(0), state, DATA).finals
    for split in ('validation', 'test'):
        for metric in ('loss', 'accuracy'):
            assert finals[f'swa_{split}_{metric}'] == finals[f'{split}_{metric}']


def test_a_clip_of_ones_own_is_three_lines():
    @register.transform('halved')
    def halved(gradients, weights, *, share=traced(0.0, 'share taken away', high=1.0, off=0.0)):
        return jax.tree.map(lambda g: g * (1 - share), gradients)

    one = setting(optim__name='sgd', halved__share=0.5)
    p, hyper = program(one), numbers(one)
    state, step = started(p, hyper), jax.jit(p.step)
    after = [step(hyper | {'halved.share': np.float32(s)}, 0, state, *images(8)) for s in (0.5, 0)]
    moved = [new.params['Dense_0']['kernel'] - state.params['Dense_0']['kernel'] for new in after]
    np.testing.assert_allclose(2 * moved[0], moved[1], rtol=1e-3, atol=1e-7)


WRONG = {
    'another tree': (lambda gradients, weights, *, a: jax.tree.leaves(gradients), 'must be a tree'),
    'another shape': (
        lambda gradients, weights, *, a: jax.tree.map(jnp.sum, gradients),
        r'returns float32 \[\] for gradients BatchNorm_0/bias, float32 \[7\]',
    ),
    'a mistake': (
        lambda gradients, weights, *, a: gradients.nothing,
        "transform 'wrong': .*nothing",
    ),
}


@pytest.mark.parametrize('case', WRONG)
def test_what_does_not_fit_is_named(case):
    function, words = WRONG[case]
    function.__kwdefaults__ = {'a': traced(0.0, 'a', off=0.0)}
    register.transform('wrong')(function)
    one = setting(wrong__a=1.0)
    p, hyper = program(one), numbers(one)
    with pytest.raises(UserError, match=words):
        jax.eval_shape(lambda: p.step(hyper, 0, p.init(hyper, 0, DATA), *images(8)))


def test_it_says_on_what_it_acts():
    with pytest.raises(UserError, match="on='weight'; did you mean 'weights'"):
        register.transform('x', on='weight')
    with pytest.raises(UserError, match=r"transform 'x': .* it must be"):
        register.transform('x', on='weights')(lambda gradients, weights: weights)
