"""The custom masks for a CPU: bit by bit those of JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.base.rng import stream_key
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Dropout, Model, Setting
from jaxtweaks.nn import mask_native
from jaxtweaks.nn.dropout import dropout
from jaxtweaks.run import native
from jaxtweaks.run.compiled import GroupProgram
from jaxtweaks.train.program import Program


@pytest.fixture(autouse=True)
def _built():
    if reason := native.why_not('float32'):
        pytest.skip(f'no native kernels: {reason}')


def drawn(key, rate, x, wanted):
    with mask_native.drawing(wanted):
        made = jax.jit(lambda key, rate, x: dropout(key, x, rate)).lower(key, rate, x)
    assert ('jaxtweaks_bernoulli' in made.as_text()) == wanted
    return made.compile()(key, rate, x)


# A thread draws 4,096 numbers on end: met exactly, and missed by one on either side.
@pytest.mark.parametrize('shape', [(), (1,), (17, 3), (4095,), (4096,), (4097,), (32, 15, 15, 8)])
@pytest.mark.parametrize('rate', [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
def test_dropout_is_bitwise_the_same(shape, rate, dtype):
    key = stream_key(7, 'dropout', 3)
    x = jnp.asarray(np.random.default_rng(0).normal(size=shape), dtype)
    found, expected = (drawn(key, jnp.float32(rate), x, wanted) for wanted in (True, False))
    np.testing.assert_array_equal(np.asarray(found, np.float32), np.asarray(expected, np.float32))


def test_side_by_side_each_has_its_own():
    keys = jax.vmap(lambda seed: stream_key(seed, 'dropout'))(jnp.arange(3))
    rates, x = jnp.asarray([0.1, 0.5, 0.9], jnp.float32), jnp.ones((3, 50, 40))
    each = jax.vmap(lambda key, rate, x: dropout(key, x, rate))
    with mask_native.drawing(True):
        made = jax.jit(lambda *args: each(*args)).lower(keys, rates, x)
    assert 'jaxtweaks_bernoulli' in made.as_text()
    np.testing.assert_array_equal(made.compile()(keys, rates, x), each(keys, rates, x))


def test_what_it_does_not_draw_as_jax_does_is_left_to_jax():
    x, half = jnp.ones((50, 40)), jnp.float32(0.5)
    keys = jax.random.key(0, impl='rbg'), jax.random.PRNGKey(0)
    assert not any(mask_native.takes(key, half) for key in keys)
    with mask_native.drawing(True):
        threefry = stream_key(0, 'dropout')
        assert mask_native.takes(threefry, half)
        assert not mask_native.takes(threefry, jnp.full(40, 0.5))
        assert not any(mask_native.takes(key, half) for key in keys)
        with jax.threefry_partitionable(False):
            assert not mask_native.takes(threefry, half)
        for key in keys:
            assert (
                'jaxtweaks' not in jax.jit(lambda x, k=key: dropout(k, x, half)).lower(x).as_text()
            )


@pytest.mark.parametrize('way', ['threads', 'vmap_loop', 'map'])
@pytest.mark.parametrize(
    ('rates', 'drops'),
    [(Dropout(), False), (Dropout(hidden=0.3), True), (Dropout(by_layer=(0.1,)), True)],
)
def test_programs_that_drop_have_them_however_they_are_batched(way, rates, drops):
    setting = Setting(model=Model('mlp', hidden=(8,)), dropout=rates)
    static = trace.split(setting, trace.off_everywhere([setting]))[0]
    assert GroupProgram(Program(static, 20, 3), way)._draws == drops
