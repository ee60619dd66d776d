"""Precision: what is bfloat16, what is never, and what programs ask of products."""

import contextlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_training import Trained, data, differing, group_of, numbers, program, setting

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.nn.dropout import dropout
from jaxtweaks.run import executables
from jaxtweaks.train import precision

SIDE = 10
SEEDS = (0, 1)


def network(name, **values):
    values = {'optim__name': 'adam', 'dropout__hidden': 0.3, 'penalty__l2': 1e-3} | values
    return setting(model__name=name, model__channels=(4,), **values)


def trained(one):
    group, hyper, seeds = group_of([(one, seed) for seed in SEEDS], 'map')
    return Trained(group, hyper, seeds, data(SIDE), finish=False)


def equations(jaxpr):
    """All equations of a program, those of loops and calls included."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda leaf: hasattr(leaf, 'eqns')
        ):
            inner = getattr(inner, 'jaxpr', inner)
            if hasattr(inner, 'eqns'):
                yield from equations(inner)


def step_program(one):
    p = program(one)
    state = jax.jit(p.init)(numbers(one), np.uint32(0), data(SIDE))
    x, y = jnp.zeros((8, SIDE, SIDE, 1)), jnp.zeros(8, jnp.int32)
    return jax.make_jaxpr(p.step)(numbers(one), np.uint32(0), state, x, y)


def test_every_program_of_a_group_asks_for_the_precision_of_its_setting(monkeypatch):
    asked = []

    def products(name):
        asked.append(name)
        return contextlib.nullcontext()

    monkeypatch.setattr(precision, 'products', products)
    monkeypatch.setattr(executables, 'compiled', lambda *lowered: lambda *args: None)
    group, hyper, seeds = group_of([(network('mlp', train__precision='tf32'), 0)])
    init = jax.vmap(group.program.init, (0, 0, None))
    state = jax.eval_shape(init, hyper, seeds, data(SIDE))
    group.init(hyper, seeds, data(SIDE))
    group.train(hyper, seeds, state, data(SIDE), 0, 0, 0, 1)
    group.finish(hyper, seeds, state, data(SIDE))
    assert asked == ['tf32'] * 3


@pytest.mark.usefixtures('quickly_compiled')
@pytest.mark.parametrize(('name', 'tolerance'), [('mlp', 0.03), ('cnn', 0.05)])
@pytest.mark.parametrize('norm', ['none', 'batch'])
def test_bf16_stays_near_float32(name, norm, tolerance):
    """Six steps: the loss within 3 or 5%, and what was learned points the same way."""
    one = network(name, model__norm=norm, optim__name='sgd', optim__learning_rate=0.05)
    full, half = (trained(setting_) for setting_ in (one, in_bf16(one)))
    for epoch in range(one.train.epochs):
        for metric in ('running_loss', 'validation_loss'):
            a, b = full.metrics[epoch][metric], half.metrics[epoch][metric]
            assert not np.array_equal(a, b), 'bf16 did nothing'
            assert b == pytest.approx(a, rel=tolerance)
    start, a, b = (
        np.concatenate([leaf[0].ravel() for leaf in jax.tree.leaves(state.params)])
        for state in (full.initial, full.final, half.final)
    )
    learned, learned_in_bf16 = a - start, b - start
    cosine = learned @ learned_in_bf16 / np.linalg.norm(learned) / np.linalg.norm(learned_in_bf16)
    assert cosine > 0.98  # within 12°; how a scale is rounded moves it by 0.003


def in_bf16(one):
    return trace.replace(one, {'train.precision': 'bf16'})


@pytest.mark.usefixtures('quickly_compiled')
@pytest.mark.parametrize('name', ['mlp', 'cnn'])
def test_bf16_starts_from_the_same_weights_and_keeps_everything_in_float32(name):
    one = network(name, model__norm='batch', model__norm_place='after', train__select='best_loss')
    full, half = trained(one), trained(in_bf16(one))
    assert differing(full.initial, half.initial) == []
    for state in (half.initial, half.final):
        kinds = {str(leaf.dtype) for leaf in jax.tree.leaves(state)}
        assert kinds <= {'float32', 'int32'}
    assert all(str(value.dtype) == 'float32' for value in half.metrics[0].values())


@pytest.mark.parametrize('name', ['mlp', 'cnn'])
def test_bf16_products_have_bf16_operands_and_sums_are_float32(name):
    one = in_bf16(network(name, model__norm='batch', model__hidden=(7, 5)))
    found = list(equations(step_program(one).jaxpr))
    products = [e for e in found if e.primitive.name in ('dot_general', 'conv_general_dilated')]
    wide = [e for e in products if any(v.aval.dtype != jnp.bfloat16 for v in e.invars)]
    assert len(products) > 6
    # The two products whose one operand is the gradient of the logits.
    assert len(wide) == 2
    assert all(e.invars[0].aval.shape[-1] == 3 or 3 in e.invars[1].aval.shape for e in wide)
    sums = [e for e in found if e.primitive.name in ('reduce_sum', 'exp', 'log', 'rsqrt', 'sqrt')]
    assert sums
    assert all(e.outvars[0].aval.dtype != jnp.bfloat16 for e in sums)


def test_dropout_drops_the_same_units_in_bf16():
    x = jnp.ones((64, 64))
    key = jax.random.key(3)
    full = dropout(key, x, 0.3)
    half = dropout(key, x.astype(jnp.bfloat16), 0.3)
    assert half.dtype == jnp.bfloat16
    assert np.array_equal(np.asarray(full) == 0, np.asarray(half, np.float32) == 0)


class _ForCuda:
    """A jitted function that is lowered for CUDA, whatever there is."""

    def __init__(self, jitted):
        self._jitted = jitted

    def lower(self, *args):
        return self._jitted.trace(*args).lower(lowering_platforms=('cuda',))


@pytest.mark.parametrize(
    ('name', 'words'), [('float32', {'HIGHEST'}), ('tf32', {'HIGH'}), ('bf16', {'HIGH'})]
)
def test_every_product_of_a_gpu_program_names_its_precision(name, words):
    """Compiled for CUDA as far as that goes without one."""
    one = network('cnn', train__precision=name)
    group, _, _ = group_of([(one, 0)])
    p, given = group.program, (numbers(one), np.uint32(0))
    state = jax.eval_shape(p.init, *given, data(SIDE))
    args = (*given, state, data(SIDE), *map(np.int32, (0, 0, 2)))
    lowered, _ = group._lowered(_ForCuda(jax.jit(p.advance)), args)
    lines = [
        line
        for line in lowered.as_text().splitlines()
        if 'stablehlo.dot_general' in line or 'convolution' in line
    ]
    assert lines
    for line in lines:
        assert set(re.findall(r'\b(?:DEFAULT|HIGHEST|HIGH)\b', line)) == words, line


def test_tf32_is_refused_on_a_cpu():
    precision.check([network('cnn'), in_bf16(network('cnn'))])
    with pytest.raises(UserError, match=r"train\.precision: 'tf32'.*NVIDIA.*'float32' or 'bf16'"):
        precision.check([network('cnn', train__precision='tf32')])


class _Device:
    def __init__(self, platform, capability):
        self.platform, self.compute_capability = platform, capability
        self.device_kind = 'card'


@pytest.mark.parametrize(
    ('device', 'has'),
    [
        (_Device('gpu', '9.0'), True),
        (_Device('gpu', '8.0'), True),
        (_Device('gpu', '7.0'), False),
        (_Device('gpu', 'gfx942'), False),
        (_Device('tpu', None), False),
    ],
)
def test_tf32_needs_an_nvidia_gpu_that_has_it(device, has, monkeypatch):
    monkeypatch.setattr(jax, 'local_devices', lambda: [device])
    assert (precision.unavailable('tf32') == '') == has
    assert precision.unavailable('bf16') == ''
