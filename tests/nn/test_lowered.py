"""Convolutions and pools of plain networks in a loop, taken over, against XLA's outside of one."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxtweaks.nn import conv, lowered
from jaxtweaks.run import native


def layer(window=(3, 3), strides=1, padding='SAME', features=4, **more):
    return nn.Conv(features, window, strides, padding, **more)


# By name: what images it takes (height, width, channels; or length, channels), and the layer.
CASES = {
    'same': ((8, 7, 3), layer()),
    'step 2': ((9, 8, 3), layer(strides=2)),
    'step 2, valid, even': ((8, 8, 3), layer(strides=2, padding='VALID')),
    'step 3': ((11, 10, 3), layer((5, 5), 3)),
    'step 4, a stem': ((17, 16, 3), layer((7, 7), 4)),
    'step 2 where pixels are left over': ((10, 11, 2), layer((3, 2), 2, 'VALID')),
    'unequal steps': ((9, 10, 3), layer((3, 4), (2, 3))),
    'explicit padding, step 2': ((7, 9, 3), layer(strides=2, padding=((1, 2), (3, 0)))),
    'padding wider than the window': ((5, 5, 2), layer((2, 2), padding=((4, 3), (3, 4)))),
    'circular': ((7, 6, 3), layer(padding='CIRCULAR')),
    '1 x 1': ((5, 6, 7), layer((1, 1), features=9)),
    '1 x 1, step 2': ((7, 8, 5), layer((1, 1), 2)),
    'patches with padding': ((7, 9, 3), layer((3, 3), 4, ((1, 2), (2, 1)))),
    'one output pixel': ((5, 5, 3), layer((5, 5), padding='VALID')),
    'two groups': ((7, 6, 4), layer(feature_group_count=2)),
    'ten groups, step 2': ((6, 6, 20), layer(strides=2, features=20, feature_group_count=10)),
    'depthwise, step 2': ((8, 7, 5), layer(strides=2, features=5, feature_group_count=5)),
    'depthwise, two each': ((7, 6, 3), layer(features=6, feature_group_count=3)),
    'depthwise, dilated': (
        (9, 8, 4),
        layer(features=4, feature_group_count=4, kernel_dilation=2),
    ),
    'dilated unequally': ((9, 12, 3), layer(kernel_dilation=(2, 3))),
    'dilated, step 2': ((11, 10, 2), layer(strides=2, kernel_dilation=2)),
    'signal, step 2': ((21, 3), layer((5,), 2, 'VALID')),
    'signal, dilated': ((20, 3), layer((3,), kernel_dilation=2)),
    'signal, causal': ((12, 3), layer((3,), padding='CAUSAL')),
    'width 1': ((20, 1, 3), layer((7, 1), padding='VALID')),
    'transposed': ((5, 4, 3), nn.ConvTranspose(4, (3, 3), (2, 2))),
    'transposed, valid': ((5, 4, 3), nn.ConvTranspose(4, (2, 3), (2, 3), padding='VALID')),
    'transposed signal': ((7, 3), nn.ConvTranspose(4, (4,), (2,))),
    'transposed, dilated': ((5, 6, 2), nn.ConvTranspose(3, (3, 3), (2, 2), kernel_dilation=(2, 2))),
}  # fmt: skip


# Those that are made of all that XLA's fast convolutions are asked for.
BY_XLA = (
    'same', 'step 3', 'unequal steps', 'dilated, step 2', 'signal, dilated', 'transposed, valid'
)  # fmt: skip


def ready(way):
    if way == 'native' and (reason := native.why_not('float32')):
        pytest.skip(f'no native convolutions: {reason}')


def arrays(name, count=3):
    """Images, parameters and a weighting of the output, in float64."""
    size, module = CASES[name]
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(count, *size)), jnp.float32)
    shapes = jax.eval_shape(module.init, jax.random.key(0), x)
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), shapes)
    out = jax.eval_shape(module.apply, shapes, x).shape
    return rng.normal(size=x.shape), params, rng.normal(size=out)


def results(module, x, params, weights):
    """The output, and the gradients for images and parameters."""
    y, back = jax.vjp(lambda x, params: module.apply(params, x), x, params)
    return y, *back(weights)


def in_loop(f, x, *rest):
    """What f returns in the second turn of a loop; the first has other numbers."""
    shapes = jax.eval_shape(f, x, *rest)
    first = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return lax.fori_loop(0, 2, lambda i, _: f(x * i.astype(x.dtype), *rest), first)


def everything(args, dtype, how):
    """`results` of all cases, in one program."""
    args = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), args)
    program = lambda args: {
        name: how(functools.partial(results, CASES[name][1]), *args[name]) for name in args
    }
    return jax.jit(program).lower(args), args


@functools.cache
def expected():
    with jax.enable_x64(True):
        args = {name: arrays(name) for name in CASES}
        program, args = everything(args, 'float64', lambda f, *args: f(*args))
        return jax.tree.map(np.asarray, program.compile()(args))


@functools.cache
def found(way):
    args = {name: arrays(name) for name in (CASES if way == 'native' else BY_XLA)}
    with lowered.convolutions(native=way == 'native') as taken:
        program, args = everything(args, 'float32', in_loop)
    assert not taken.left
    return jax.tree.map(np.asarray, program.compile()(args)), program.as_text()


@pytest.mark.parametrize(
    ('name', 'way'), [(name, 'native') for name in CASES] + [(name, 'xla') for name in BY_XLA]
)
def test_output_and_gradients(name, way):
    ready(way)
    got, wanted = (jax.tree.leaves(each[name]) for each in (found(way)[0], expected()))
    assert len(got) == len(wanted) == 4  # of kernel and bias
    for ours, theirs in zip(got, wanted, strict=True):
        assert ours.dtype == np.float32
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 2e-6 * np.abs(theirs).max()


def test_nothing_is_left_to_xla():
    ready('native')
    text = found('native')[1]
    assert 'stablehlo.convolution' not in text
    assert '@jaxtweaks_conv_forward(' in text
    assert '@jaxtweaks_conv_kernel_gradient(' in text


class Net(nn.Module):
    """Two of Flax's convolutions, one of them in a scan over itself."""

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.relu(nn.Conv(4, (3, 3), 2)(x))
        y = nn.Conv(4, (3, 3))(x)
        return nn.Dense(3)((x + y).mean((1, 2)))


IMAGES = jnp.ones((2, 6, 5, 3))


def test_alone_and_in_turns_are_bitwise_the_same():
    ready('native')
    net, rng = Net(), np.random.default_rng(0)
    shapes = jax.eval_shape(net.init, jax.random.key(0), IMAGES)
    draw = lambda leaf: rng.normal(size=(2, *leaf.shape)).astype(np.float32)
    params, x = jax.tree.map(draw, (shapes, IMAGES))

    def trained(params, x):
        loss = lambda params: jnp.sum(jnp.square(net.apply(params, x)))
        step = lambda _, now: jax.tree.map(lambda p, g: p - 0.01 * g, now, jax.grad(loss)(now))
        return lax.fori_loop(0, 3, step, params)

    compiled = lambda f, *args: lowered.lower(jax.jit(f), args, native=True)[0].compile()(*args)
    turns = compiled(lambda *all_runs: lax.map(lambda one: trained(*one), all_runs), params, x)
    alone = compiled(trained, *jax.tree.map(lambda leaf: leaf[1], (params, x)))
    for got, wanted in zip(jax.tree.leaves(turns), jax.tree.leaves(alone), strict=True):
        np.testing.assert_array_equal(got[1], wanted)


def test_mapped_over_kernels_it_is_groups():
    ready('native')
    x, params, _ = arrays('same')
    kernels = jnp.stack([jnp.float32(params['params']['kernel'])] * 9) * jnp.arange(9.0).reshape(
        -1, 1, 1, 1, 1
    )
    x = jnp.asarray(np.stack([x] * 9), jnp.float32)
    plain = lambda x, kernel: lax.conv(x, kernel.transpose(3, 2, 0, 1), (1, 1), 'SAME')
    mapped = jax.vmap(lambda x, kernel: plain(x.transpose(0, 3, 1, 2), kernel))
    made, taken = lowered.lower(jax.jit(mapped), (x, kernels), native=True)
    assert not taken.left
    assert 'stablehlo.convolution' not in made.as_text()
    np.testing.assert_allclose(made.compile()(x, kernels), mapped(x, kernels), rtol=0, atol=1e-4)


def test_outside_nothing_is_taken_over():
    assert lowered.why_not() == ''
    params = Net().init(jax.random.key(0), IMAGES)
    with lowered.convolutions(native=False):
        pass
    text = jax.jit(Net().apply).lower(params, IMAGES).as_text()
    assert text.count('stablehlo.convolution') == 2


@pytest.mark.parametrize('how', conv.LOWERINGS)
def test_those_of_nn_conv_are_not_those_of_others(how):
    kernel = jnp.ones((2, 3, 3, 9, 9))
    x = jnp.ones((2, 4, 8, 8, 9))
    mapped = jax.vmap(lambda x, kernel: conv.conv(x, kernel, 'SAME', 2))
    both = jax.grad(lambda x, kernel: jnp.sum(mapped(x, kernel) ** 2), (0, 1))
    with conv.lowering(how):
        assert lowered.of_others(jax.make_jaxpr(both)(x, kernel)) == 0
        once = jax.jit(lambda *args: both(*args)).lower(x, kernel).as_text()
        again, taken = lowered.lower(jax.jit(lambda *args: both(*args)), (x, kernel), False)
    assert again.as_text() == once
    assert (taken.count, taken.left) == (0, set())


def test_those_of_others_are_found_wherever_they_are():
    params = Net().init(jax.random.key(0), IMAGES)
    loss = lambda params: Net().apply(params, IMAGES).sum()
    looped = lambda params: lax.scan(
        lambda p, _: (jax.jit(jax.grad(loss))(p), None), params, length=2
    )
    assert lowered.of_others(jax.make_jaxpr(loss)(params)) == 2
    assert lowered.of_others(jax.make_jaxpr(looped)(params)) == 5  # no gradient of the images
    assert lowered.of_others(jax.make_jaxpr(lambda p: jax.tree.map(jnp.sum, p))(params)) == 0


def test_what_is_left_is_said_once_with_the_reason():
    def f(x, y):
        for _ in range(2):
            x = lax.conv(x, jnp.ones((1, 1, 2, 2, 2)), (1, 1, 1), 'SAME')
            y = lax.conv(y, jnp.ones((1, 1, 2, 2), jnp.int32), (1, 1), 'SAME')
        return x, y

    args = jnp.ones((1, 1, 3, 3, 3)), jnp.ones((1, 1, 3, 3), jnp.int32)
    made, taken = lowered.lower(jax.jit(f), args, native=False)
    assert taken.left == {'convolutions over 3 axes', 'convolutions of int32'}
    assert made.as_text().count('stablehlo.convolution') == 4


# Windows, steps and padding of max-pools, and whether they are taken over.
POOLS = [
    ((2, 2), (2, 2), 'VALID', True),
    ((3, 3), (3, 3), 'VALID', True),
    ((3, 3), (2, 2), 'VALID', False),
    ((2, 2), (2, 2), 'SAME', False),
    ((2, 3), (2, 3), 'VALID', False),
]


@pytest.mark.parametrize('way', ['native', 'without'])
@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(('window', 'steps', 'padding', 'taken_over'), POOLS)
def test_max_pools_are_bitwise_those_of_xla(window, steps, padding, taken_over, dtype, way):
    ready(way)
    rng = np.random.default_rng(0)
    # Few values, so that many are equal.
    x = jnp.asarray(rng.integers(-2, 3, (2, 9, 7, 5)), dtype)

    def both(x):
        y, back = jax.vjp(lambda x: nn.max_pool(x, window, steps, padding), x)
        return y, *back(jnp.cos(jnp.arange(y.size)).reshape(y.shape).astype(dtype))

    made, taken = lowered.lower(jax.jit(lambda x: both(x)), (x,), native=way == 'native')
    text = made.as_text()
    assert ('select_and_scatter' in text) != taken_over
    # Forward, and again for the gradient.
    assert text.count('custom_call @jaxtweaks_') == (3 if taken_over and way == 'native' else 0)
    left = set() if taken_over else {'max-pools with windows that overlap or are padded'}
    assert taken.left == left
    for got, wanted in zip(made.compile()(x), jax.jit(lambda x: both(x))(x), strict=True):
        np.testing.assert_array_equal(np.asarray(got, np.float32), np.asarray(wanted, np.float32))


def test_other_floats_are_those_of_xla_that_are_fast():
    text = []
    for dtype in ('bfloat16', 'float32'):
        x, kernel = jnp.ones((1, 5, 5, 9), dtype), jnp.ones((3, 3, 9, 9), dtype)
        f = lambda x, k: lax.conv_general_dilated(x, k, (2, 2), 'SAME', dimension_numbers=NHWC)
        made, taken = lowered.lower(jax.jit(f), (x, kernel), native=True)
        assert not taken.left
        text.append('@jaxtweaks_conv_forward(' in made.as_text())
    assert text == [False, True]


NHWC = ('NHWC', 'HWIO', 'NHWC')


def test_if_jax_moves_its_rule_those_of_linen_are_still_taken_over(monkeypatch):
    def moved(primitive):
        raise AttributeError('no such name')

    monkeypatch.setattr(lowered, '_default', moved)
    reason = lowered.why_not.__wrapped__()
    assert reason == 'JAX keeps its own rule elsewhere: AttributeError: no such name'
    monkeypatch.setattr(lowered, 'why_not', lambda: reason)
    params = Net().init(jax.random.key(0), IMAGES)
    loss = lambda params: Net().apply(params, IMAGES).sum()
    with conv.lowering('native'):
        made, taken = lowered.lower(jax.jit(jax.grad(loss)), (params,), native=True)
    assert not taken.left
    assert 'stablehlo.convolution' not in made.as_text()
    assert made.as_text().count('@jaxtweaks_conv_') == 5  # no gradient of the images
    one = lambda x: lax.conv(x, jnp.ones((1, 1, 2, 2)), (1, 1), 'SAME')
    taken = lowered.lower(jax.jit(one), (jnp.ones((1, 1, 3, 3)),), native=True)[1]
    assert taken.left == {f'convolutions of others than nn.Conv ({reason})'}
