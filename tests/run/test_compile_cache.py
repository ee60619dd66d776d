"""Compiled programs are kept where nobody else can write, and apart for what they were made for."""

import stat

import jax
import pytest

from jaxtweaks.run import compile_cache


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder of the user's, and JAX as it is before `enable`."""
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path))
    monkeypatch.delenv('JAXTWEAKS_COMPILE_CACHE', raising=False)
    before = jax.config.jax_compilation_cache_dir
    enabled = jax.config.jax_enable_compilation_cache
    jax.config.update('jax_compilation_cache_dir', None)
    jax.config.update('jax_enable_compilation_cache', True)
    yield tmp_path
    jax.config.update('jax_compilation_cache_dir', before)
    jax.config.update('jax_enable_compilation_cache', enabled)


def enabled():
    said = []
    return compile_cache.enable(said.append), said


def test_the_folder_is_the_users_alone(cache):
    folder, said = enabled()
    assert said == []
    assert folder.parent == cache / 'compiled'
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert jax.config.jax_compilation_cache_dir == str(folder)


def test_versions_and_processors_have_folders_of_their_own(cache, monkeypatch):
    names = {compile_cache.name_of_machine()}
    monkeypatch.setattr(jax, '__version__', '0.0.0')
    names.add(compile_cache.name_of_machine())
    monkeypatch.setattr(compile_cache, '_processor', lambda: 'another one')
    names.add(compile_cache.name_of_machine())
    assert len(names) == 3


def test_one_that_others_can_write_is_not_used(cache):
    folder = cache / 'compiled' / compile_cache.name_of_machine()
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    found, (said,) = enabled()
    assert found is None
    assert said == f'{folder} can be written by others; compiled programs are not kept'
    assert jax.config.jax_compilation_cache_dir is None


def test_one_that_cannot_be_made(cache):
    (cache / 'compiled').write_text('a file')
    found, (said,) = enabled()
    assert found is None
    assert said.endswith('compiled programs are not kept')


@pytest.mark.parametrize('by', ['JAXTWEAKS_COMPILE_CACHE', 'JAX, off', 'JAX, elsewhere'])
def test_the_user_can_say_otherwise(cache, by, monkeypatch):
    elsewhere = None
    if by == 'JAX, off':
        jax.config.update('jax_enable_compilation_cache', False)
    elif by == 'JAX, elsewhere':
        elsewhere = str(cache / 'elsewhere')
        jax.config.update('jax_compilation_cache_dir', elsewhere)
    else:
        monkeypatch.setenv(by, '0')
    assert enabled() == (None, [])
    assert jax.config.jax_compilation_cache_dir == elsewhere
    assert list(cache.iterdir()) == []
