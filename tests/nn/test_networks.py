"""The plain networks of the package against PyTorch's, and what they read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import models


def network(name, outputs=10, **values):
    named = {key.replace('__', '.'): value for key, value in values.items()}
    return models.build(
        trace.as_numbers(trace.replace(Setting(), {'model.name': name} | named)), outputs
    )


def variables_of(one, shape):
    return jax.eval_shape(
        lambda x: one.init(jax.random.key(0), x, train=False), jnp.zeros((2, *shape))
    )


def count(one, shape):
    return sum(leaf.size for leaf in jax.tree.leaves(variables_of(one, shape)['params']))


@pytest.mark.parametrize('form', ['original', 'preactivation'])
def test_a_resnet_20_has_the_parameters_of_the_paper(form):
    plain = 432 + 6 * 2_304 + 4_608 + 5 * 9_216 + 18_432 + 5 * 36_864 + 650
    assert count(network('resnet', resnet__form=form), (32, 32, 3)) == plain == 268_346
    with_norm = network('resnet', resnet__form=form, model__norm='batch')
    # The pre-activation form normalises before each convolution but the first, and at the end.
    assert count(with_norm, (32, 32, 3)) == {'original': 269_722, 'preactivation': 269_722}[form]
    # 6n + 2 layers: 56 for n = 9 (He et al. 2015, Table 6: 0.85M).
    deep = network('resnet', resnet__blocks=9, model__norm='batch')
    assert count(deep, (32, 32, 3)) == 853_018


def random_params(one, shape, seed=0):
    rng = np.random.default_rng(seed)
    draw = lambda leaf: jnp.asarray(rng.normal(0, 0.3, leaf.shape), jnp.float32)
    return jax.tree.map(draw, variables_of(one, shape)['params'])


@pytest.mark.parametrize('form', ['original', 'preactivation'])
def test_a_resnet_gives_what_pytorch_does(torch, form):
    """One block a stage, with group norm, recomputed in float64."""
    shape, F = (8, 8, 3), torch.nn.functional
    norm = {'model__norm': 'group', 'group__groups': 2}
    one = network('resnet', 3, resnet__blocks=1, resnet__width=4, resnet__form=form, **norm)
    params = random_params(one, shape)
    tensor = lambda a: torch.as_tensor(np.asarray(a, np.float64))
    convs = (tensor(params[f'Conv_{i}']['kernel']).permute(3, 2, 0, 1) for i in range(7))
    norms = (params[f'GroupNorm_{i}'] for i in range(7))

    def normalised(x):
        found = next(norms)
        return F.group_norm(x, 2, tensor(found['scale']), tensor(found['bias']))

    conv = lambda x, stride=1: F.conv2d(x, next(convs), stride=stride, padding=1)
    images = np.random.default_rng(1).normal(size=(2, *shape))
    x = conv(tensor(images).permute(0, 3, 1, 2))
    before = form == 'preactivation'
    x = x if before else torch.relu(normalised(x))
    for stage in range(3):
        stride = 1 if stage == 0 else 2
        short = x[:, :, ::stride, ::stride]
        short = torch.cat([short, torch.zeros_like(short)], 1) if stage else short
        if before:
            y = conv(torch.relu(normalised(x)), stride)
            x = conv(torch.relu(normalised(y))) + short
        else:
            y = torch.relu(normalised(conv(x, stride)))
            x = torch.relu(normalised(conv(y)) + short)
    x = torch.relu(normalised(x)) if before else x
    last = params['Dense_0']
    expected = x.mean((2, 3)) @ tensor(last['kernel']) + tensor(last['bias'])
    found = jax.jit(lambda p, x: one.apply({'params': p}, x, train=True))(
        params, jnp.asarray(images, jnp.float32)
    )
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-3)


def test_a_vision_transformer_gives_what_pytorch_does(torch):
    """Its blocks are PyTorch's encoder layers with the norm first and GELU."""
    shape, width, heads, factor = (8, 8, 3), 12, 3, 2
    given = {'vit__width': width, 'vit__heads': heads, 'vit__depth': 2, 'vit__factor': factor}
    one = network('vit', 5, **given)
    params = random_params(one, shape)
    tensor = lambda a: torch.as_tensor(np.asarray(a, np.float64))
    layer = torch.nn.TransformerEncoderLayer(
        width, heads, width * factor, 0.0, 'gelu', batch_first=True, norm_first=True
    ).double()
    of_block = sum(leaf.numel() for leaf in layer.parameters())
    patches = 4 * 4 * 3 * width + width + 4 * width
    assert count(one, shape) == patches + 2 * of_block + 2 * width + width * 5 + 5
    images = tensor(np.random.default_rng(1).normal(size=(2, *shape)))
    kernel = tensor(params['Conv_0']['kernel']).permute(3, 2, 0, 1)
    bias = tensor(params['Conv_0']['bias'])
    x = torch.nn.functional.conv2d(images.permute(0, 3, 1, 2), kernel, bias, stride=4)
    x = x.flatten(2).transpose(1, 2) + tensor(params['positions'])
    for block in range(2):
        attention = params[f'MultiHeadDotProductAttention_{block}']
        flat = lambda name, at=attention: tensor(at[name]['kernel']).reshape(width, width).T
        state = {
            'self_attn.in_proj_weight': torch.cat([flat(n) for n in ('query', 'key', 'value')]),
            'self_attn.in_proj_bias': torch.cat(
                [tensor(attention[n]['bias']).reshape(-1) for n in ('query', 'key', 'value')]
            ),
            'self_attn.out_proj.weight': tensor(attention['out']['kernel']).reshape(width, width).T,
            'self_attn.out_proj.bias': tensor(attention['out']['bias']),
        }
        for i in (1, 2):
            norm, dense = (
                params[f'LayerNorm_{2 * block + i - 1}'],
                params[f'Dense_{2 * block + i - 1}'],
            )
            state |= {
                f'norm{i}.weight': tensor(norm['scale']),
                f'norm{i}.bias': tensor(norm['bias']),
            }
            state |= {f'linear{i}.weight': tensor(dense['kernel']).T}
            state |= {f'linear{i}.bias': tensor(dense['bias'])}
        layer.load_state_dict(state)
        layer.train()
        x = layer(x)
    norm, last = params['LayerNorm_4'], params['Dense_4']
    x = torch.nn.functional.layer_norm(x, (width,), tensor(norm['scale']), tensor(norm['bias']))
    expected = x.mean(1) @ tensor(last['kernel']) + tensor(last['bias'])
    found = jax.jit(lambda p, x: one.apply({'params': p}, x, train=True))(
        params, jnp.asarray(images.numpy(), jnp.float32)
    )
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-3, atol=1e-3)


def test_a_residual_mlp_by_hand():
    given = {'residual_mlp__width': 6, 'residual_mlp__factor': 3, 'residual_mlp__blocks': 2}
    one = network('residual_mlp', 4, model__norm='layer', **given)
    params = jax.tree.map(np.float64, random_params(one, (1, 1, 5)))
    assert count(one, (1, 1, 5)) == 5 * 6 + 6 + 2 * (6 * 18 + 18 + 18 * 6 + 6) + 3 * 12 + 6 * 4 + 4
    dense = lambda x, i: x @ params[f'Dense_{i}']['kernel'] + params[f'Dense_{i}']['bias']

    def norm(x, i):
        x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
        return x * params[f'LayerNorm_{i}']['scale'] + params[f'LayerNorm_{i}']['bias']

    images = np.random.default_rng(1).normal(size=(3, 1, 1, 5))
    x = dense(images.reshape(3, 5), 0)
    for block in range(2):
        x = x + dense(np.maximum(dense(norm(x, block), 1 + 2 * block), 0), 2 + 2 * block)
    expected = dense(np.maximum(norm(x, 2), 0), 5)
    given = jax.tree.map(jnp.float32, params)
    found = one.apply({'params': given}, jnp.asarray(images, jnp.float32), train=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('small', [
    {'name': 'vit', 'vit__width': 8, 'vit__heads': 2, 'vit__depth': 1},
    {'name': 'residual_mlp', 'residual_mlp__width': 8, 'residual_mlp__blocks': 1},
])  # fmt: skip
def test_dropout_acts_in_training_alone(small):
    none, half = (network(outputs=3, dropout__hidden=rate, **small) for rate in (0.0, 0.5))
    params = random_params(none, (8, 8, 1))
    x = jnp.asarray(np.random.default_rng(1).normal(size=(2, 8, 8, 1)), jnp.float32)
    at_test = [one.apply({'params': params}, x, train=False) for one in (none, half)]
    rngs = {'dropout': jax.random.key(1)}
    trained = [one.apply({'params': params}, x, train=True, rngs=rngs) for one in (none, half)]
    np.testing.assert_allclose(at_test[0], at_test[1], rtol=1e-6)
    np.testing.assert_allclose(at_test[0], trained[0], rtol=1e-6)
    assert np.abs(np.asarray(trained[0] - trained[1])).max() > 0.01


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'vit__patch': 3}, r'vit\.patch: 3 does not divide images of 8 × 8'),
        ({'vit__heads': 5}, r'vit\.heads: 5 does not divide vit\.width'),
    ],
)
def test_what_a_transformer_cannot_do_is_said(values, words):
    with pytest.raises(UserError, match=words):
        variables_of(network('vit', **values), (8, 8, 3))


def test_weights_are_drawn_as_the_setting_says():
    one = network('resnet', init__scheme='sigma', sigma__sigma=0.5, init__distribution='constant')
    params = one.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), train=False)['params']
    kernels = [
        leaf for layer in params.values() for name, leaf in layer.items() if name == 'kernel'
    ]
    assert len(kernels) == 20
    assert all(np.all(leaf == 0.5) for leaf in kernels)
