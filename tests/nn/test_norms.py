"""The normalisations against NumPy in float64, and that against PyTorch."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import parts, trace
from jaxtweaks.config.settings import Model, Setting
from jaxtweaks.nn import models, norms
from jaxtweaks.nn.layers import Dense
from jaxtweaks.nn.norm import standardised_kernels

_rng = np.random.default_rng(0)
MAPS, ROWS = _rng.normal(2.0, 3.0, (8, 5, 4, 6)), _rng.normal(2.0, 3.0, (8, 6))
SCALE, SHIFT = _rng.normal(size=6), _rng.normal(size=6)
EPSILON = 1e-5


def ours(module, x, stats=None, train=True):
    variables = {'params': {'scale': SCALE, 'bias': SHIFT}} | (
        {'batch_stats': stats} if stats else {}
    )
    variables = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), variables)
    found, mutated = jax.jit(lambda v, x: module.apply(v, x, train, mutable=['batch_stats']))(
        variables, jnp.asarray(x, jnp.float32)
    )
    return np.asarray(found), mutated.get('batch_stats', {})


def standard(x, *axes):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + EPSILON)


def over(x, *axes):
    """By the moments over these axes, then scaled and shifted."""
    return standard(x, *axes) * SCALE + SHIFT


def by_group(x, count):
    """Each group of features by its own moments."""
    groups = [standard(group, *range(1, x.ndim)) for group in np.split(x, count, -1)]
    return np.concatenate(groups, -1) * SCALE + SHIFT


# A module, what it is given, and the same in NumPy and, channels first, in PyTorch.
NORMS = {
    'group of maps': (
        norms.GroupNorm(3), MAPS, lambda x: by_group(x, 3),
        lambda F, x, g, b: F.group_norm(x, 3, g, b, EPSILON),
    ),
    'group of rows': (
        norms.GroupNorm(2), ROWS, lambda x: by_group(x, 2),
        lambda F, x, g, b: F.group_norm(x, 2, g, b, EPSILON),
    ),
    'layer over the image': (
        norms.LayerNorm('image'), MAPS, lambda x: over(x, 1, 2, 3),
        lambda F, x, g, b: F.group_norm(x, 1, g, b, EPSILON),
    ),
    'layer over features': (
        norms.LayerNorm(), MAPS, lambda x: over(x, 3),
        lambda F, x, g, b: F.layer_norm(x.movedim(1, -1), (6,), g, b, EPSILON).movedim(-1, 1),
    ),
    'layer of rows': (
        norms.LayerNorm(), ROWS, lambda x: over(x, 1),
        lambda F, x, g, b: F.layer_norm(x, (6,), g, b, EPSILON),
    ),
    'instance': (
        norms.InstanceNorm(), MAPS, lambda x: over(x, 1, 2),
        lambda F, x, g, b: F.instance_norm(x, weight=g, bias=b, eps=EPSILON),
    ),
    'batch': (
        norms.BatchNorm(), MAPS, lambda x: over(x, 0, 1, 2),
        lambda F, x, g, b: F.batch_norm(x, None, None, g, b, training=True, eps=EPSILON),
    ),
    'none': (norms.NoNorm(), MAPS, lambda x: x, lambda F, x, g, b: x),
}  # fmt: skip


@pytest.mark.parametrize('case', NORMS)
def test_it_is_that_of_numpy(case):
    module, x, function, _ = NORMS[case]
    stats = {'mean': np.zeros(6), 'var': np.ones(6)} if case == 'batch' else None
    np.testing.assert_allclose(ours(module, x, stats)[0], function(x), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize('case', NORMS)
def test_that_of_numpy_is_that_of_pytorch(torch, case):
    _, x, function, theirs = NORMS[case]
    first = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    found = theirs(torch.nn.functional, *map(torch.as_tensor, (first, SCALE, SHIFT)))
    np.testing.assert_allclose(np.moveaxis(found.numpy(), 1, -1), function(x), atol=1e-10)


@pytest.mark.parametrize('train', [True, False])
def test_batch_norm_without_its_scale_and_shift_is_that_with_one_and_zero(train):
    stats = {'mean': SHIFT, 'var': np.square(SCALE) + 0.1}
    own, _ = ours(norms.BatchNorm(affine=False), ROWS, stats, train)
    moments = (ROWS.mean(0), ROWS.var(0)) if train else (stats['mean'], stats['var'])
    expected = (ROWS - moments[0]) / np.sqrt(moments[1] + EPSILON)
    np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)
    drawn = norms.BatchNorm(affine=False).init(jax.random.key(0), jnp.asarray(ROWS), True)
    assert 'params' not in drawn


@pytest.mark.parametrize('x', [MAPS, ROWS])
def test_ghost_batches_are_batches_one_after_the_other(x):
    """Of 8 images in two parts of 4, and the running averages after both."""
    rng, axes = np.random.default_rng(1), tuple(range(x.ndim - 1))
    mean, variance = rng.normal(size=6), rng.uniform(1, 2, 6)
    found, stats = ours(norms.GhostBatchNorm(4, momentum=0.75), x, {'mean': mean, 'var': variance})
    expected = np.concatenate([over(part, *axes) for part in (x[:4], x[4:])])
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
    for part in (x[:4], x[4:]):
        mean = 0.75 * mean + 0.25 * part.mean(axes)
        variance = 0.75 * variance + 0.25 * part.var(axes, ddof=1)
    np.testing.assert_allclose(stats['mean'], mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(stats['var'], variance, rtol=1e-5, atol=1e-6)
    found, after = ours(norms.GhostBatchNorm(4), x, stats, train=False)
    expected = (x - mean) / np.sqrt(variance + EPSILON) * SCALE + SHIFT
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert all(np.array_equal(after[name], stats[name]) for name in stats)


def test_kernels_are_standardised_by_output():
    kernel = np.random.default_rng(2).normal(1.0, 2.0, (3, 3, 5, 7))
    params = {'Conv_0': {'kernel': kernel, 'bias': SCALE}, 'Dense_0': {'kernel': ROWS}}
    found = standardised_kernels(jax.tree.map(jnp.asarray, params))
    mean = kernel.mean((0, 1, 2))
    expected = (kernel - mean) / np.sqrt(kernel.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(found['Conv_0']['kernel'], expected, rtol=1e-4, atol=1e-5)
    for layer, name in (('Conv_0', 'bias'), ('Dense_0', 'kernel')):
        assert np.array_equal(found[layer][name], np.float32(params[layer][name]))
    local = np.stack([kernel, 2 * kernel + 1])[None]  # a kernel for each place
    found = standardised_kernels({'kernel': jnp.asarray(local)})['kernel']
    np.testing.assert_allclose(found[0], [expected, expected], rtol=1e-4, atol=1e-4)


def test_kernels_of_attention_are_not_standardised():
    """Dense layers, in linen's of three axes; a convolution over time of the same name is one."""
    module = nn.MultiHeadDotProductAttention(2, qkv_features=6)
    params = {'attention': module.init(jax.random.key(0), jnp.ones((1, 3, 4)))['params']}
    found = standardised_kernels(params)
    assert params['attention']['out']['kernel'].ndim == 3
    jax.tree.map(np.testing.assert_array_equal, found, params)
    drawn = np.random.default_rng(3).normal(1.0, 2.0, (3, 5, 7))
    own = {'out': {'kernel': jnp.asarray(drawn)}}
    kernel = np.asarray(standardised_kernels(own)['out']['kernel'])
    np.testing.assert_allclose(kernel.mean((0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(kernel.var((0, 1)), 1, rtol=1e-4)


@pytest.mark.parametrize(
    ('module', 'words'),
    [
        (norms.GroupNorm(4), r'group\.groups: 4 does not divide 6 features'),
        (norms.GhostBatchNorm(3), r'ghost_batch\.size: 3 does not divide a batch of 8'),
        (norms.InstanceNorm(), "'instance' gives a dense layer one value"),
    ],
)
def test_what_it_cannot_take_is_said(module, words):
    with pytest.raises(UserError, match=words):
        module.init_with_output(jax.random.key(0), jnp.zeros((8, 6)), True)


@pytest.mark.parametrize('name', [name for name in parts.of_slot('norm') if name != 'instance'])
@pytest.mark.parametrize('place', ['before', 'after'])
def test_each_stands_before_or_after_the_activation(name, place):
    """Behind a ReLU nothing is negative, unless it is normalised there."""
    model = Model('mlp', hidden=(8,), norm=name, norm_place=place)
    network = models.build(trace.as_numbers(Setting(model=model)), 3)
    entered = []

    def record(call, args, kwargs, context):
        if isinstance(context.module, Dense):
            entered.append(args[0])
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        network.init(jax.random.key(0), jnp.asarray(ROWS, jnp.float32), train=True)
    assert bool(jnp.any(entered[1] < 0)) == (place == 'after' and name != 'none')
