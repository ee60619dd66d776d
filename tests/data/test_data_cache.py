"""The cache of arrays: exact, atomic, and never believed when damaged."""

import os

import numpy as np
import pytest

from jaxtweaks.data import cache

ARRAYS = {
    'images': np.arange(120, dtype=np.uint8).reshape(5, 4, 3, 2),
    'labels': np.array([3, -1, 2**31 - 1, 0, 7], np.int32),
}
FACTS = {'label': 'CIFAR-10 (JPEG q75)', 'größe': 5}


@pytest.fixture
def told():
    return []


@pytest.fixture
def stored(told):
    """The path of a file in the cache."""
    cache.write('x.arrays', 'key', ARRAYS, FACTS, told.append)
    assert told == []
    return cache.folder() / 'x.arrays'


def test_round_trip(stored, told):
    arrays, facts = cache.read('x.arrays', 'key', told.append)
    assert facts == FACTS
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
        assert not arrays[name].flags.writeable
    assert told == []


def test_missing_and_other_key_are_none_without_a_word(stored, told):
    assert cache.read('y.arrays', 'key', told.append) is None
    assert cache.read('x.arrays', 'other', told.append) is None
    assert told == []


def test_every_flipped_bit_is_noticed(stored, told):
    whole = stored.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        stored.write_bytes(damaged)
        assert cache.read('x.arrays', 'key', told.append) is None, place
    assert len(told) == len(whole)
    assert all(str(stored) in line and 'damaged' in line for line in told)


def test_every_truncation_is_noticed(stored, told):
    whole = stored.read_bytes()
    for length in range(len(whole)):
        stored.write_bytes(whole[:length])
        assert cache.read('x.arrays', 'key', told.append) is None, length
    stored.write_bytes(whole + b'\0')
    assert cache.read('x.arrays', 'key', told.append) is None
    assert len(told) == len(whole) + 1


def test_writing_replaces_and_leaves_nothing_else(stored, told):
    cache.write('x.arrays', 'new', {'images': ARRAYS['images'] + 1}, {}, told.append)
    arrays, _ = cache.read('x.arrays', 'new', told.append)
    np.testing.assert_array_equal(arrays['images'], ARRAYS['images'] + 1)
    assert os.listdir(stored.parent) == ['x.arrays']


def test_interrupted_writing_leaves_the_old_file(stored, told, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'fsync', interrupt)
    with pytest.raises(KeyboardInterrupt):
        cache.write('x.arrays', 'new', ARRAYS, {}, told.append)
    assert cache.read('x.arrays', 'key', told.append) is not None
    assert os.listdir(stored.parent) == ['x.arrays']


def test_full_disk_is_a_notice(stored, told, monkeypatch):
    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    cache.write('x.arrays', 'new', ARRAYS, {}, told.append)
    assert len(told) == 1
    assert 'No space left on device' in told[0]
    assert os.listdir(stored.parent) == ['x.arrays']


def test_folder_that_cannot_be_made_is_a_notice(tmp_path, monkeypatch, told):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path / 'file' / 'cache'))
    cache.write('x.arrays', 'key', ARRAYS, {}, told.append)
    assert len(told) == 1
    assert str(tmp_path / 'file' / 'cache') in told[0]
    assert 'cannot be written' in told[0]
    assert cache.read('x.arrays', 'key', told.append) is None


def test_where_the_cache_lies(tmp_path, monkeypatch):
    assert cache.folder() == tmp_path / 'cache'
    monkeypatch.delenv('JAXTWEAKS_CACHE_DIR')
    assert cache.folder() == tmp_path / 'home' / '.cache' / 'jaxtweaks'
    monkeypatch.setenv('XDG_CACHE_HOME', 'relative')
    assert cache.folder() == tmp_path / 'home' / '.cache' / 'jaxtweaks'
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    assert cache.folder() == tmp_path / 'xdg' / 'jaxtweaks'
