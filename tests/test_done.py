"""A command that is done is known as such only while nothing that it depends on has changed."""

import io

import pytest
from rich.console import Console

from jaxtweaks.lab import done, kept


def console(width=80):
    return Console(file=io.StringIO(), width=width)


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """Keeps a command as done; returns a function that says what is known of one now."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path / 'cache'))
    (tmp_path / 'x.py').write_text('import neighbour\n')
    (tmp_path / 'neighbour.py').write_text('')
    (tmp_path / 'w' / 'results').mkdir(parents=True)
    (tmp_path / 'w' / 'results' / 'a.npz').write_bytes(b'numbers')

    def known(*args, width=80):
        one = done.command(['main.py', *args], tmp_path / 'x.py', console(width))
        return one and done.recall(one)

    done.keep(done.command(['main.py'], tmp_path / 'x.py', console()), tmp_path / 'w', 'answer\n')
    assert known() == known('--quiet') == done.Done(tmp_path / 'w', 'answer\n')
    return known


CHANGES = {
    'the config': lambda path: (path / 'x.py').write_text('import neighbour  # still\n'),
    'a file next to it': lambda path: (path / 'neighbour.py').write_text('A = 1\n'),
    'a result': lambda path: (path / 'w' / 'results' / 'a.npz').write_bytes(b'NUMBERS'),
    'a result that is gone': lambda path: (path / 'w' / 'results' / 'a.npz').unlink(),
    'a new file': lambda path: (path / 'w' / 'lock').write_text(''),
    'what the config can do': lambda path: (path / 'x.py').write_text('import os, neighbour\n'),
}


@pytest.mark.parametrize('change', CHANGES)
def test_after_a_change_nothing_is_known(finished, tmp_path, change):
    CHANGES[change](tmp_path)
    assert finished() is None


@pytest.mark.parametrize('change', ['content', 'gone', 'another file'])
def test_after_a_change_of_the_data_nothing_is_known(finished, tmp_path, change):
    folder = tmp_path / 'data'
    folder.mkdir()
    (folder / 'cars.csv').write_text('a,b\n1,2\n')
    one = done.command(['main.py'], tmp_path / 'x.py', console())
    for place in (folder, folder / 'cars.csv')[: 1 + (change != 'another file')]:
        done.keep(one, tmp_path / 'w', 'answer\n', data=place)
        assert finished() is not None
    if change == 'content':
        (folder / 'cars.csv').write_text('a,b\n1,3\n')
    elif change == 'gone':
        (folder / 'cars.csv').unlink()
    else:
        (folder / 'b.csv').write_text('')
    assert finished() is None


def test_links_are_followed_to_the_data(finished, tmp_path):
    elsewhere, folder = tmp_path / 'elsewhere', tmp_path / 'data'
    for each in (elsewhere, folder):
        each.mkdir()
    (elsewhere / 'a.png').write_text('1')
    (folder / 'cats').symlink_to(elsewhere, target_is_directory=True)
    (folder / 'round').symlink_to(folder, target_is_directory=True)
    (folder / 'gone').symlink_to(tmp_path / 'nowhere')
    one = done.command(['main.py'], tmp_path / 'x.py', console())
    done.keep(one, tmp_path / 'w', 'answer\n', data=folder)
    assert finished() is not None
    (elsewhere / 'a.png').write_text('12')
    assert finished() is None


def test_a_file_that_goes_while_it_is_looked_at_was_not_there(tmp_path, monkeypatch):
    (tmp_path / 'stays').write_text('12')
    listed = [(str(tmp_path), [], ['gone', 'stays'])]
    monkeypatch.setattr(done.os, 'walk', lambda *_, **__: listed)
    ((name, size, _),) = done._files(tmp_path)
    assert (name, size) == ('stays', 2)


def test_another_command_terminal_or_version_is_another(finished, monkeypatch):
    assert finished('--config.seeds=3') is None
    assert finished(width=100) is None
    monkeypatch.setattr(kept, 'key', lambda: 'another version')
    assert finished() is None


def test_a_config_that_registers_parts_or_reads_files_is_never_known(tmp_path):
    for text in ('import jaxtweaks as jt\n@jt.loss\ndef l(): ...\n', 'open("x")\n'):
        (tmp_path / 'x.py').write_text(text)
        assert done.command(['main.py'], tmp_path / 'x.py', console()) is None
