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
def reported():
    return []


@pytest.fixture
def stored(reported):
    """The path of a file in the cache."""
    cache.write('x.arrays', 'key', ARRAYS, FACTS, reported.append)
    assert reported == []
    return cache.folder() / 'x.arrays'


def test_round_trip(stored, reported):
    arrays, facts = cache.read('x.arrays', 'key', reported.append)
    assert facts == FACTS
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
        assert not arrays[name].flags.writeable
    assert reported == []


def test_missing_and_other_key_are_none_without_a_word(stored, reported):
    assert cache.read('y.arrays', 'key', reported.append) is None
    assert cache.read('x.arrays', 'other', reported.append) is None
    assert reported == []


def test_every_flipped_bit_is_noticed(stored, reported):
    whole = stored.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        stored.write_bytes(damaged)
        assert cache.read('x.arrays', 'key', reported.append) is None, place
    assert len(reported) == len(whole)
    assert all(str(stored) in line and 'damaged' in line for line in reported)


def test_every_truncation_is_noticed(stored, reported):
    whole = stored.read_bytes()
    for length in range(len(whole)):
        stored.write_bytes(whole[:length])
        assert cache.read('x.arrays', 'key', reported.append) is None, length
    stored.write_bytes(whole + b'\0')
    assert cache.read('x.arrays', 'key', reported.append) is None
    assert len(reported) == len(whole) + 1


def test_writing_replaces_and_leaves_nothing_else(stored, reported):
    cache.write('x.arrays', 'new', {'images': ARRAYS['images'] + 1}, {}, reported.append)
    arrays, _ = cache.read('x.arrays', 'new', reported.append)
    np.testing.assert_array_equal(arrays['images'], ARRAYS['images'] + 1)
    assert os.listdir(stored.parent) == ['x.arrays']


def test_interrupted_writing_leaves_the_old_file(stored, reported, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'fsync', interrupt)
    with pytest.raises(KeyboardInterrupt):
        cache.write('x.arrays', 'new', ARRAYS, {}, reported.append)
    assert cache.read('x.arrays', 'key', reported.append) is not None
    assert os.listdir(stored.parent) == ['x.arrays']


def test_full_disk_is_a_notice(stored, reported, monkeypatch):
    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    cache.write('x.arrays', 'new', ARRAYS, {}, reported.append)
    assert len(reported) == 1
    assert 'No space left on device' in reported[0]
    assert os.listdir(stored.parent) == ['x.arrays']


def test_folder_that_cannot_be_made_is_a_notice(tmp_path, monkeypatch, reported):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path / 'file' / 'cache'))
    cache.write('x.arrays', 'key', ARRAYS, {}, reported.append)
    assert len(reported) == 1
    assert str(tmp_path / 'file' / 'cache') in reported[0]
    assert 'cannot be written' in reported[0]
    assert cache.read('x.arrays', 'key', reported.append) is None


def test_where_the_cache_lies(tmp_path, monkeypatch):
    assert cache.folder() == tmp_path / 'cache'
    monkeypatch.delenv('JAXTWEAKS_CACHE_DIR')
    assert cache.folder() == tmp_path / 'home' / '.cache' / 'jaxtweaks'
    monkeypatch.setenv('XDG_CACHE_HOME', 'relative')
    assert cache.folder() == tmp_path / 'home' / '.cache' / 'jaxtweaks'
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    assert cache.folder() == tmp_path / 'xdg' / 'jaxtweaks'
