"""Named keys, against an independent threefry written in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.base.rng import STREAMS, stream_key


def threefry(key, counter):
    """Threefry-2x32 with 20 rounds (Salmon et al. 2011): two uint32 words to two."""
    rotations = [(13, 15, 26, 6), (17, 29, 16, 24)]
    mask = 0xFFFFFFFF
    ks = [key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA]
    x = [(counter[0] + ks[0]) & mask, (counter[1] + ks[1]) & mask]
    for block in range(5):
        for turn in rotations[block % 2]:
            x[0] = (x[0] + x[1]) & mask
            x[1] = ((x[1] << turn | x[1] >> (32 - turn)) & mask) ^ x[0]
        x[0] = (x[0] + ks[(block + 1) % 3]) & mask
        x[1] = (x[1] + ks[(block + 2) % 3] + block + 1) & mask
    return tuple(x)


def words(key):
    return tuple(int(word) for word in jax.random.key_data(key))


def test_reference_is_threefry():
    # Known answers of the Random123 distribution.
    assert threefry((0, 0), (0, 0)) == (0x6B200159, 0x99BA4EFE)
    assert threefry((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2) == (0x1CB996FC, 0xBB002BE7)


def test_stream_numbers_are_published():
    published = {'init': 0, 'order': 1, 'augment': 2, 'dropout': 3, 'noise': 4}
    assert {name: STREAMS[name] for name in published} == published
    assert len(set(STREAMS.values())) == len(STREAMS)


@pytest.mark.parametrize('seed', [0, 1, 2**31 + 5, 2**32 - 1])
@pytest.mark.parametrize('stream', sorted(STREAMS))
@pytest.mark.parametrize('step', [0, 7, 100_000])
def test_key_is_seed_then_stream_then_step(seed, stream, step):
    expected = threefry(threefry((0, seed), (0, STREAMS[stream])), (0, step))
    assert words(stream_key(seed, stream, step)) == expected


@pytest.mark.usefixtures('optimised')
def test_traced_equals_python_alone_and_mapped():
    f = lambda seed, step: jax.random.key_data(stream_key(seed, 'dropout', step))
    seeds, steps = jnp.arange(3, dtype=jnp.uint32), jnp.arange(4, 7, dtype=jnp.int32)
    mapped = jax.jit(jax.vmap(f))(seeds, steps)
    for row, seed, step in zip(mapped, (0, 1, 2), (4, 5, 6), strict=True):
        assert tuple(map(int, row)) == words(stream_key(seed, 'dropout', step))
        assert np.array_equal(row, jax.jit(f)(seed, step))


def test_every_seed_stream_and_step_has_its_own_key():
    keys = {
        words(stream_key(seed, stream, step))
        for seed in range(4)
        for stream in STREAMS
        for step in range(4)
    }
    assert len(keys) == 4 * len(STREAMS) * 4


def test_no_flag_of_jax_changes_a_key():
    expected = words(stream_key(3, 'order', 2))
    old = jax.config.jax_default_prng_impl
    try:
        jax.config.update('jax_default_prng_impl', 'rbg')
        assert words(stream_key(3, 'order', 2)) == expected
    finally:
        jax.config.update('jax_default_prng_impl', old)
    with jax.enable_x64(True):
        assert words(stream_key(3, 'order', 2)) == expected


def test_unknown_stream_is_an_error():
    with pytest.raises(KeyError):
        stream_key(0, 'Init')
