"""Convolutions of plain networks in a loop, taken over, against XLA's in float64 outside of one."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxtweaks.nn import lowered
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
    if way == 'native' and (reason := native.why_not()):
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
