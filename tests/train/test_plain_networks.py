"""Plain linen networks, unchanged, through the whole of training."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny_training import Trained, data, differing, group_of, numbers, program, setting

import jaxtweaks as jt
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import register, trace
from jaxtweaks.config.fields import static
from jaxtweaks.nn.network import Plain
from jaxtweaks.run import checkpoint
from jaxtweaks.train.measure import kernels
from jaxtweaks.train.precision import operands

SIDE = 4
DATA = data(SIDE)
SEEDS = (0, 3)
OTHERS = frozenset(name for name, one in trace.FIELDS.items() if one.rule.off is not None)
OTHERS -= {'dropout.hidden'}
SEEN = []  # dtypes of what the layers of a network give


class Zoo(nn.Module):
    """Layers of every kind, a weight and a count of its own."""

    outputs: int
    dropout: float
    width: int = static(4, 'channels', low=1)

    @nn.compact
    def __call__(self, x, train):
        steps = self.variable('memory', 'steps', lambda: jnp.int32(0))
        if train and not self.is_initializing():
            steps.value += 1
        x = nn.Conv(self.width, (3, 3), strides=2)(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not train)(x))
        SEEN.append(x.dtype)
        x = nn.Dropout(self.dropout)(x.mean((1, 2)), deterministic=not train)
        weight = self.param('w', nn.initializers.normal(0.5), (self.width, self.width))
        return nn.Dense(self.outputs)(x @ weight)


@pytest.fixture(autouse=True)
def _registered():
    register.network('zoo')(Zoo)
    SEEN.clear()


def zoo(**values):
    return setting(model__name='zoo', model__norm='none', model__norm_place='before', **values)


def trained(*ones, off=frozenset()):
    runs = [(one, seed) for one in ones for seed in SEEDS]
    group, hyper, seeds = group_of(runs, 'map', OTHERS | off)
    return Trained(group, hyper, seeds, DATA)


def test_seeds_and_settings_side_by_side_are_each_as_if_alone():
    """Everything that is kept of a run is there, its own collection too."""
    kept = {'train__select': 'best_loss', 'train__snapshots': 1, 'train__mc_samples': (2,)}
    off, on = zoo(**kept), zoo(dropout__hidden=0.5, **kept)
    found = trained(off, on)
    steps = 3 * on.train.epochs
    assert found.final.collections['memory']['steps'].tolist() == [steps] * 4
    assert found.final.snapshots['collections']['memory']['steps'].tolist() == [[steps]] * 4
    assert np.all(found.final.best.collections['memory']['steps'] <= steps)
    for tree in (found.final.params, found.final.batch_stats, found.found.finals):
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(tree))
    assert np.all(found.final.batch_stats['BatchNorm_0']['mean'] != 0)
    weights = found.final.params['w']
    assert len({weight.tobytes() for weight in weights}) == 4
    # Kernels and other weights are measured; biases and scales are not.
    assert len(kernels(found.final.params)) == 3
    # A drop rate that is off, traced, is bitwise the program without it.
    alone = trained(off, off=frozenset({'dropout.hidden'}))
    assert differing(found.run(1), alone.run(1)) == []


def test_what_a_run_that_stopped_keeps_stays_and_is_in_its_checkpoint(tmp_path):
    """Of four epochs of three steps; nothing is better than the first by so much."""
    rules = {'train__select': 'best_loss', 'train__min_improvement': 100.0, 'train__epochs': 4}
    runs = [(zoo(train__patience=patience, **rules), 0) for patience in (1.0, 9.0)]
    group, hyper, seeds = group_of(runs, 'map', OTHERS - {'train.patience'})
    state = Trained(group, hyper, seeds, DATA, finish=False).final
    assert state.best.stopped_at.tolist() == [2, 0]
    assert state.step.tolist() == [6, 12]
    assert state.collections['memory']['steps'].tolist() == [6, 12]
    path = tmp_path / 'a.ckpt'
    checkpoint.save(path, checkpoint.Progress(state, epoch=4))
    shapes = jax.eval_shape(jax.vmap(group.program.init, (0, 0, None)), hyper, seeds, DATA)
    loaded = checkpoint.load(path, lambda: shapes, pytest.fail)
    assert differing(loaded.state, state) == []


def test_bf16_is_what_the_layers_compute_in_and_the_loss_is_near():
    for precision, kind in (('float32', jnp.float32), ('bf16', jnp.bfloat16)):
        one = zoo(train__precision=precision)
        p, hyper = program(one, OTHERS), numbers(one, OTHERS)
        state = jax.jit(p.init)(hyper, np.uint32(0), DATA)
        SEEN.clear()
        images = DATA.standardised(DATA.training.images)
        stepped = jax.jit(p.step)(hyper, np.uint32(0), state, images, DATA.training.labels)
        assert set(SEEN) == {jnp.dtype(kind)}
        assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(stepped.params))
        if kind == jnp.float32:
            full = stepped.loss_sum
    assert stepped.loss_sum != full
    np.testing.assert_allclose(stepped.loss_sum, full, rtol=0.02)


class Twice(nn.Module):
    """One dense layer that is called twice, and maybe something after it."""

    outputs: int
    after: bool = False

    @nn.compact
    def __call__(self, x):
        dense = nn.Dense(self.outputs, bias_init=nn.initializers.normal(1.0))
        x = dense(nn.tanh(dense(x.reshape(x.shape[0], -1))))
        return 1 * x if self.after else x


def rounded(x):
    """To bfloat16, as float64."""
    return np.asarray(jnp.asarray(x, jnp.float32).astype(jnp.bfloat16), np.float64)


def test_in_bf16_only_the_sums_of_the_last_dense_layer_are_float32():
    """Against NumPy, all roundings by hand."""
    x = np.random.default_rng(0).normal(size=(5, 3, 3, 1)).astype(np.float32)
    for after in (False, True):
        one = Plain(Twice(9, after), 9, setting(model__name='mlp'))
        params = one.init(jax.random.key(0), x, train=False)['params']
        logits = one.apply({'params': operands(params, 'bf16')}, x, train=False)
        assert logits.dtype == jnp.float32
        kernel, bias = (np.asarray(params['Dense_0'][name]) for name in ('kernel', 'bias'))
        first = rounded(rounded(rounded(x.reshape(5, 9)) @ rounded(kernel)) + rounded(bias))
        product = rounded(np.tanh(first)) @ rounded(kernel)
        half = rounded(rounded(product) + rounded(bias))
        expected = half if after else product + bias
        # The first layer's roundings may fall to the other side, each by 2⁻⁸ of a number.
        np.testing.assert_allclose(logits, expected, atol=0.02)
        assert np.array_equal(logits, rounded(logits)) == after


@pytest.mark.parametrize('name', ['residual_mlp', 'vit'])
def test_in_bf16_the_logits_of_built_in_networks_are_not_rounded(name):
    values = {'model__name': name, 'model__norm': 'none', 'model__norm_place': 'before'}
    one = setting(train__precision='bf16', **values)
    p, hyper = program(one, OTHERS), numbers(one, OTHERS)
    state = p.init(hyper, np.uint32(0), DATA)
    logits = p.at_rest(hyper, state.variables)(DATA.standardised(DATA.test.images))
    assert np.mean(np.asarray(logits) == rounded(logits)) < 0.2


def test_in_bf16_what_no_linen_layer_multiplies_has_rounded_weights_and_the_dtype_that_follows():
    """As docs/your_own.md says of nnx and of weights of a network's own."""

    class Small(nnx.Module):
        def __init__(self, outputs, rngs):
            self.last = nnx.Linear(9, outputs, rngs=rngs)

        def __call__(self, x):
            return self.last(x.reshape(len(x), -1))

    class Own(nn.Module):
        outputs: int

        @nn.compact
        def __call__(self, x):
            return x.reshape(len(x), -1) @ self.param('w', nn.initializers.normal(), (9, 4))

    x = np.random.default_rng(0).normal(size=(5, 3, 3, 1)).astype(np.float32)
    for module in (nnx.bridge.to_linen(Small, 4), Own(4)):
        one = Plain(module, 4, setting(model__name='mlp'))
        params = one.init(jax.random.key(0), x, train=False)['params']
        logits = one.apply({'params': operands(params, 'bf16')}, x, train=False)
        (kernel,) = (leaf for leaf in jax.tree.leaves(params) if leaf.ndim == 2)
        expected = x.reshape(5, 9).astype(np.float64) @ rounded(kernel)
        np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


def test_its_dropout_drops_a_share_and_scales_the_rest():
    @register.network('drops')
    class Drops(nn.Module):
        outputs: int
        dropout: float

        @nn.compact
        def __call__(self, x, train):
            x = x.reshape(x.shape[0], -1)[:, : self.outputs]
            return nn.Dropout(self.dropout, broadcast_dims=(0,))(x, deterministic=not train)

    x = np.ones((2, 50, 50, 1), np.float32)
    apply = lambda rate, form, **how: Plain(
        Drops(2000, rate), 2000, setting(model__name='drops', dropout__form=form)
    ).apply({}, x, **how)
    rngs = {'dropout': jax.random.key(0)}
    for form, kept, at_test in (('inverted', 4.0, 1.0), ('vanilla', 1.0, 0.25)):
        traced = jax.jit(lambda rate, form=form: apply(rate, form, train=True, rngs=rngs))
        dropped = np.asarray(traced(0.75))
        assert np.array_equal(dropped[0], dropped[1])  # broadcast over the batch
        assert set(np.unique(dropped)) == {0.0, kept}
        assert abs(np.mean(dropped != 0) - 0.25) < 4 * (0.75 * 0.25 / 2000) ** 0.5
        assert np.all(apply(0.75, form, train=False) == at_test)
        masks = apply(0.75, form, train=False, rngs=rngs)  # a key at test draws masks all the same
        assert np.array_equal(masks, dropped)
    assert np.all(apply(0.0, 'inverted', train=True) == 1)


def test_tweaks_and_dropout_of_the_input_act_on_any_network():
    one = zoo(dropout__input=0.5)
    p, hyper = program(one), numbers(one)
    state = p.init(hyper, np.uint32(0), DATA)
    x = jnp.ones((4, SIDE, SIDE, 1))
    found = [
        p.apply(hyper | {'dropout.input': rate}, p.in_use(state.variables), x, train=True,
                rngs={'dropout': jax.random.key(1)}, mutable=['batch_stats', 'memory'])[0]
        for rate in (0.0, 0.5)
    ]  # fmt: skip
    assert not np.allclose(*found)


def test_a_tweak_acts_on_what_enters_any_network_and_on_what_leaves_it():
    jt.tweak('scaled', where='input')(lambda key, x, strength, train: x * (1 + strength))
    jt.tweak('raised', where='logits')(lambda key, x, strength, train: x + strength)
    one = trace.replace(zoo(), {'tweaks.scaled': 2.0, 'tweaks.raised': 5.0})
    p, plain = program(one), program(zoo())
    variables = plain.init(numbers(zoo()), np.uint32(0), DATA).variables
    x = DATA.standardised(DATA.test.images)
    apply = lambda p, one, x: p.apply(numbers(one), p.in_use(variables), x, train=False)
    expected = apply(plain, zoo(), 3 * x) + 5
    np.testing.assert_allclose(apply(p, one, x), expected, rtol=1e-5)
    assert not np.allclose(expected, apply(plain, zoo(), x) + 5, atol=0.01)


def test_attention_is_no_convolution_to_standardise_the_weights_of(tmp_path):
    class Attends(nn.Module):
        outputs: int

        @nn.compact
        def __call__(self, x, train):
            rows = nn.MultiHeadDotProductAttention(2)(x[..., 0])
            return nn.Dense(self.outputs)(rows.reshape(len(x), -1))

    register.network('attends')(Attends)
    config = {
        'name': 'attends',
        'model': {'name': 'attends', 'weight_standardisation': True},
        'data': {'name': 'digits', 'train_size': 64, 'validation_size': 32},
        'train': {'batch_size': 16, 'epochs': 1},
    }
    with pytest.raises(UserError, match=r'weight_standardisation: .* has no convolutions'):
        jt.run(config, tmp_path / 'w', quiet=True)
