"""A file is whole or absent."""

import os
import time

import pytest

from jaxtweaks.base import atomic


def test_parts_follow_each_other_and_the_folder_is_made(tmp_path):
    path = tmp_path / 'new' / 'a'
    atomic.write(path, b'one ', memoryview(b'two'))
    assert path.read_bytes() == b'one two'
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize('step', ['fsync', 'replace'])
def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / 'a'
    atomic.write(path, b'old')

    def fail(*args, **kwargs):
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(OSError, match='No space'):
            atomic.write(path, b'new' * 1000)
    assert path.read_bytes() == b'old'
    assert [p.name for p in tmp_path.iterdir()] == ['a']


def test_folders_appear_together_and_others_stay(tmp_path):
    path = tmp_path / 'all'
    for name in ('a', 'b'):
        (path / name).mkdir(parents=True)
        (path / name / 'old').touch()
    with atomic.folders(path) as new:
        for name in ('b', 'c'):
            (new / name).mkdir()
            (new / name / 'new').touch()
        assert not (path / 'c').exists()
    assert sorted(str(p.relative_to(path)) for p in path.glob('*/*')) == ['a/old', 'b/new', 'c/new']
    assert [p.name for p in tmp_path.iterdir()] == ['all']


DAY = 24 * 3600


def test_what_a_killed_process_left_in_a_cache_is_deleted_a_day_later(tmp_path):
    for folder in ('written', 'filled'):
        for name, age in (('old', DAY + 60), ('new', DAY - 60), ('mine', DAY + 60)):
            left = tmp_path / folder / f'.{name}.{"0f" * 6 if name != "mine" else "x"}.tmp'
            left.mkdir(parents=True)
            (left / 'a').touch()
            os.utime(left, (0, time.time() - age))
        left = tmp_path / folder / f'.file.{"a1" * 6}.tmp'
        left.write_bytes(b'half')
        os.utime(left, (0, time.time() - 30 * DAY))
    atomic.write(tmp_path / 'written' / 'data', b'x')
    with atomic.scratch(tmp_path / 'filled' / 'data') as new:
        (new / 'a').touch()
    there = {name: {p.name for p in (tmp_path / name).iterdir()} for name in ('written', 'filled')}
    kept = {f'.new.{"0f" * 6}.tmp', '.mine.x.tmp'}
    assert there == {'written': {*kept, 'data'}, 'filled': kept}


def test_a_folder_that_a_killed_process_left_half_filled_is_cleared(tmp_path):
    left = tmp_path / f'.all.{"0f" * 6}.tmp'
    (left / 'a').mkdir(parents=True)
    (tmp_path / '.mine.tmp').mkdir()
    atomic.remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ['.mine.tmp']
