"""Files are whole or absent, and damage is never believed."""

import os

import numpy as np
import pytest

from jaxtweaks.run import files

TREE = {
    'state': {'w': np.arange(6, dtype=np.float32).reshape(2, 3), 'step': np.int32(4)},
    'done': 3,
    'name': 'x',
}


def same(a, b) -> bool:
    return (
        np.array_equal(a['state']['w'], b['state']['w'])
        and a['state']['w'].dtype == b['state']['w'].dtype
        and int(a['state']['step']) == int(b['state']['step'])
        and (a['done'], a['name']) == (b['done'], b['name'])
    )


def test_a_tree_comes_back(tmp_path):
    files.save_tree(tmp_path / 'deep' / 'a', TREE)
    assert same(files.load_tree(tmp_path / 'deep' / 'a'), TREE)


def test_a_flipped_bit_in_any_byte_is_found(tmp_path):
    path = tmp_path / 'a'
    files.save_tree(path, TREE)
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with pytest.raises(files.DamagedFile, match='damaged'):
            files.load_tree(path)


def test_a_file_cut_short_or_grown_is_found(tmp_path):
    path = tmp_path / 'a'
    files.save_tree(path, TREE)
    whole = path.read_bytes()
    for content in [*(whole[:n] for n in range(len(whole))), whole + b'\0']:
        path.write_bytes(content)
        with pytest.raises(files.DamagedFile):
            files.load_tree(path)


def test_a_missing_file_is_missing_not_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.load_tree(tmp_path / 'a')


def test_generations(tmp_path):
    path, reported = tmp_path / 'a', []
    assert files.load_generation(path, reported.append) is None
    for done in (1, 2, 3):
        files.save_generation(path, TREE | {'done': done})
    assert files.load_generation(path, reported.append)['done'] == 3
    assert reported == []
    path.write_bytes(path.read_bytes()[:-1])
    assert files.load_generation(path, reported.append)['done'] == 2
    assert len(reported) == 1
    assert str(path) in reported[0]
    assert not path.exists()  # else the next save would keep it instead of the good one
    files.save_generation(path, TREE | {'done': 4})
    path.unlink()
    assert files.load_generation(path, reported.append)['done'] == 2
    files.remove_generations(path)
    assert list(tmp_path.iterdir()) == []


def test_both_generations_damaged_is_none(tmp_path):
    path, reported = tmp_path / 'a', []
    for _ in range(2):
        files.save_generation(path, TREE)
    for file in tmp_path.iterdir():
        file.write_bytes(b'')
    assert files.load_generation(path, reported.append) is None
    assert len(reported) == 2


def test_a_failure_while_a_generation_is_written_leaves_one_to_go_on_from(tmp_path, monkeypatch):
    path = tmp_path / 'a'
    for done in (1, 2):
        files.save_generation(path, TREE | {'done': done})

    def fail(*args):
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', fail)
        with pytest.raises(OSError, match='No space'):
            files.save_generation(path, TREE | {'done': 3})
    assert files.load_generation(path, print)['done'] == 2


@pytest.mark.parametrize('value', [np.array([{}], object), object(), {1, 2}])
def test_objects_are_refused(tmp_path, value):
    """What would need pickle, which can run code, is not written."""
    with pytest.raises((ValueError, TypeError)):
        files.save_tree(tmp_path / 'a', {'x': value})
    assert list(tmp_path.iterdir()) == []
