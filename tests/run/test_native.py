"""Building the native convolutions: with what compiler there is, once, and tried out."""

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.settings import Model, Setting, Train
from jaxtweaks.nn import conv_native
from jaxtweaks.run import native
from jaxtweaks.run.compiled import GroupProgram, candidates, lacks_native
from jaxtweaks.train.program import Program

SMALL = Setting(model=Model(channels=(4,), hidden=(8,)), train=Train(epochs=1))
ASK = 'from jaxtweaks.run import native; print(native.why_not("float32"))'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """Makes a script the C++ compiler; `$REAL` in it is the real one."""
    real = native._compiler()
    if real is None:
        pytest.skip('no C++ compiler')

    def use(script):
        # Nothing here is about speed: without optimisation it compiles in a third of the time.
        script = script.replace('"$@"', '$(echo "$@" | sed s/-O3/-O0/)', 1)
        path = tmp_path / 'compiler'
        path.write_text(f'#!/bin/sh\nREAL="{shlex.join(real)}"\n{script}\n')
        path.chmod(0o755)
        monkeypatch.setenv('CXX', str(path))

    return use


def why_not(ask=ASK):
    """The answer in a process of its own: what is loaded stays loaded."""
    root = str(Path(native.__file__).parents[2])
    environment = os.environ | {'PYTHONPATH': root}
    done = subprocess.run(
        [sys.executable, '-c', ask], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def libraries(cache):
    return sorted(cache.glob('native/*/*.so'))


def fresh():
    """The answer in this process, as if it had not been asked for before."""
    return native.why_not.__wrapped__('float32')


def test_it_is_built_once(cache, compiler, tmp_path):
    compiler(f'echo built >> {tmp_path}/log; exec $REAL "$@"')
    assert why_not() == ''
    (library,) = libraries(cache)
    assert stat.S_IMODE(library.parent.stat().st_mode) & 0o077 == 0
    assert not [path for path in library.parent.iterdir() if path != library]
    built = (tmp_path / 'log').read_text()
    assert why_not() == ''
    assert (tmp_path / 'log').read_text() == built != ''


REPLACED = """
import pathlib, shutil
from jaxtweaks.run import native

assert native.why_not('float32') == ''
(library,) = pathlib.Path(CACHE).glob('native/*/*.so')
shutil.copy(library, library.with_suffix('.new'))
library.with_suffix('.new').replace(library)
native.load('float32')
native.why_not('bf16')
print('ready')
"""


def test_one_that_another_process_put_there_meanwhile_is_not_taken_too(cache, compiler):
    compiler('exec $REAL "$@"')
    assert why_not(f'CACHE = {str(cache)!r}\n{REPLACED}') == 'ready'


def test_a_damaged_library_is_built_again(cache, compiler):
    compiler('exec $REAL "$@"')
    assert why_not() == ''
    (library,) = libraries(cache)
    whole = library.read_bytes()
    library.write_bytes(whole[:-1000])
    assert why_not() == ''
    (again,) = libraries(cache)
    assert len(again.read_bytes()) == len(whole)


def test_what_computes_wrong_numbers_is_not_kept(cache, compiler, tmp_path):
    wrong = conv_native.SOURCE.read_text().replace('+= a * b[v]', '+= a * b[0]')
    assert wrong != conv_native.SOURCE.read_text()
    (tmp_path / 'wrong.cc').write_text(wrong)
    (tmp_path / 'native.h').write_text(conv_native.HEADER.read_text())
    swap = f's#{conv_native.SOURCE}#{tmp_path}/wrong.cc#'
    compiler(f'exec $REAL $(echo "$@" | sed "{swap}")')
    assert 'computes wrong numbers' in why_not()
    assert libraries(cache) == []


def test_without_a_compiler_xla_does_it(cache, monkeypatch):
    monkeypatch.setenv('CXX', '/nowhere/c++')
    assert 'no C++ compiler was found' in fresh()
    assert libraries(cache) == []


def test_a_compiler_may_have_options(monkeypatch):
    monkeypatch.setenv('CXX', 'env -u NOTHING c++')
    found = native._compiler()
    assert (Path(found[0]).name, found[1:]) == ('env', ('-u', 'NOTHING', 'c++'))
    monkeypatch.setenv('CXX', '/nowhere/ccache g++')
    assert native._compiler() is None


def test_a_compiler_that_fails(cache, compiler):
    compiler('echo "conv_native.cc:1: error: no such luck" >&2; exit 1')
    assert fresh().endswith('fails: conv_native.cc:1: error: no such luck')
    assert libraries(cache) == []


def test_a_folder_that_others_can_write_is_not_trusted(cache, compiler):
    compiler('exec $REAL "$@"')
    folder = cache / 'native' / native.compile_cache.name_of_machine()
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert 'can be written by others' in fresh()


def test_it_can_be_declined(monkeypatch):
    monkeypatch.setenv('JAXTWEAKS_NATIVE', '0')
    assert fresh() == 'JAXTWEAKS_NATIVE is 0'


def test_the_way_of_batching_follows(monkeypatch):
    monkeypatch.setattr(native, 'why_not', lambda precision: '')
    assert candidates(SMALL) == ('threads_native',)
    assert candidates(Setting()) == ('map_native',)
    assert candidates(Setting(model=Model('lenet5'))) == ('threads_native',)
    assert candidates(Setting(model=Model(channels=()))) == ('threads_native',)
    half = Train(precision='bf16')
    both = ('threads_native', 'map_native')
    assert candidates(Setting(train=half)) == both
    assert candidates(Setting(model=Model('mlp'), train=half)) == both
    assert candidates(Setting(model=Model('mlp'), train=half), plain_convolutions=True) == both
    assert candidates(Setting(model=Model('mlp'))) == ('threads', 'vmap_loop')
    lacking = {'float32': 'no compiler', 'bf16': 'no AMX'}
    monkeypatch.setattr(native, 'why_not', lacking.get)
    assert candidates(SMALL) == ('threads',)
    assert lacks_native(SMALL) == 'no compiler'
    assert lacks_native(Setting(train=half)) == 'no AMX'
    assert candidates(Setting(model=Model('mlp'), train=half)) == ('threads', 'vmap_loop')
    assert lacks_native(Setting(model=Model('mlp'))) == ''
    with pytest.raises(UserError, match=r'cannot be had here \(no compiler\)'):
        GroupProgram(Program(SMALL, 10, 2), 'map_native')
