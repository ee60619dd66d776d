"""No folder named ~ appears anywhere."""

import os
from pathlib import Path

import pytest

import jaxtweaks as jt
from jaxtweaks import api, app, data
from jaxtweaks.base import home
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import settings
from jaxtweaks.data import cache, own
from jaxtweaks.run import compile_cache


@pytest.fixture(params=['not set', 'empty', 'relative'])
def homeless(request, tmp_path, monkeypatch):
    """A user that the system does not know, in an empty folder, with nothing in the environment."""
    for name in ('HOME', 'JAXTWEAKS_CACHE_DIR', 'XDG_CACHE_HOME', 'TFDS_DATA_DIR'):
        monkeypatch.delenv(name, raising=False)
    # As it is where neither HOME nor the system's list of users says anything.
    monkeypatch.setattr(os.path, 'expanduser', lambda path: path)
    if request.param != 'not set':
        monkeypatch.setenv('HOME', {'empty': '', 'relative': 'somewhere'}[request.param])
    monkeypatch.chdir(tmp_path)
    cache._temporary.cache_clear()
    return tmp_path


def test_without_a_home_folder_the_cache_does_not_last_and_it_is_said(homeless):
    assert not cache.lasts()
    folder = cache.folder()
    assert folder == cache.folder()
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o077 == 0
    reported = []
    assert compile_cache.enable(reported.append) is None
    assert 'HOME' in reported[0]
    assert 'not kept' in reported[0]
    assert list(homeless.iterdir()) == []


def test_a_path_of_the_users_without_a_home_folder_is_an_error(homeless, capsys, monkeypatch):
    said = 'the home folder ~ is not known'
    with pytest.raises(UserError, match=said):
        api.run({'name': 'x'}, '~/w')
    with pytest.raises(UserError, match=said):
        api.load('~/w')
    with pytest.raises(UserError, match=said):
        jt.from_folder('~/leaves')
    with pytest.raises(UserError, match=f'data.dir.*{said}'):
        data.load(settings.Data(name='mnist', dir='~/data'))
    for variable in ('TFDS_DATA_DIR', 'JAXTWEAKS_CACHE_DIR'):
        monkeypatch.setenv(variable, '~/data')
    with pytest.raises(UserError, match=said):
        jt.from_tfds('mnist')
    with pytest.raises(UserError, match=said):
        cache.folder()
    assert app.main(['main.py', '--overview=~/runs']) == 2
    assert said in capsys.readouterr().err
    assert list(homeless.iterdir()) == []


def test_data_that_are_not_in_the_default_folder_are_looked_for_elsewhere(homeless):
    reported = []
    source = data.load(
        settings.Data(name='mnist', fallback='digits', download=False, train_size=50,
                      validation_size=10, test_size=10),
        reported.append,
    )  # fmt: skip
    assert source.fallback
    assert 'the home folder ~ is not known' in ' '.join(reported)
    assert list(homeless.iterdir()) == []


def test_what_a_tilde_stands_for(monkeypatch, tmp_path):
    monkeypatch.setenv('HOME', str(tmp_path))
    assert home.folder() == tmp_path
    assert home.expanded('~') == tmp_path
    assert home.expanded('~/a/b') == home.expanded('~//a/b') == tmp_path / 'a' / 'b'
    assert home.expanded('~/') == home.expanded('~//') == tmp_path
    assert home.expanded('a/~/b') == Path('a/~/b')
    assert home.expanded('./~') == Path('./~')
    assert home.expanded(tmp_path / '~') == tmp_path / '~'
    assert home.expanded('~root/x') == Path(os.path.expanduser('~root/x'))
    with pytest.raises(UserError, match=r"~nobody-such/x: .* no user 'nobody-such'.* \./~nobody"):
        home.expanded('~nobody-such/x')


def test_a_work_folder_may_be_in_the_home_folder(tmp_path, monkeypatch):
    """Shells leave the ~ of --workdir=~/w as it is."""
    monkeypatch.setenv('HOME', str(tmp_path / 'me'))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match='me/w: holds no experiment'):
        api.load('~/w')
    monkeypatch.setattr(own, 'REGISTRY', {})
    with pytest.raises(UserError, match='me/leaves: there is no such folder'):
        jt.from_folder('~/leaves')
