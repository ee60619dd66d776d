"""A config file works the same from the command line, from Python and in a collection."""

import os
import pathlib
import pickle
import pkgutil
import sys

import jax
import pytest

from jaxtweaks import api, app
from jaxtweaks.config import config_file
from jaxtweaks.lab import laboratory

PACKAGE = pathlib.Path(config_file.__file__).parents[1]
TINY = """
from jaxtweaks.lab.experiment import default_config


def tiny(name):
    config = default_config(name)
    config.size, config.data.name = 'smoke', 'digits'
    return config
"""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Somewhere that nothing of the project can be imported from by accident."""
    for name in list(sys.modules):
        if name == 'configs' or name.startswith('configs.'):
            monkeypatch.delitem(sys.modules, name)
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    return tmp_path


def carried_out(monkeypatch, way, path):
    """What would be trained; 'late' of it is called as a data set or a tweak is."""
    found = []

    def run(experiment, *args, **options):
        found.append(experiment)
        module = next(m for m in list(sys.modules.values()) if _file(m) == str(path))
        if hasattr(module, 'late'):
            found.append(module.late())

    monkeypatch.setattr(laboratory, 'run', run)
    before = list(sys.path)
    if way == 'command line':
        assert app.main(['main.py', f'--config={path}']) == 0
    elif way == 'python':
        api.run(path)
    else:
        (path.parent / 'whole.py').write_text(
            f'def get_config(size=None):\n    return dict(name="all", experiments=({str(path)!r},))'
        )
        app.main(['main.py', f'--config={path.parent / "whole.py"}', '--dry_run'])
    assert sys.path == before
    return found


def _file(module):
    return getattr(module, '__file__', None)


def by_name(cls):
    """The class that pickle finds in another process, by the names of its module and its own."""
    assert pickle.dumps(cls)  # an error if what it finds is another one
    return pkgutil.resolve_name(f'{cls.__module__}:{cls.__qualname__}')


WAYS = ('command line', 'python', 'collection')
WHOLE = '''
"""Everything that a file of Python may hold."""

from __future__ import annotations

import dataclasses
import os
import pickle
import typing

from tiny_nearby import tiny


@dataclasses.dataclass
class Sizes:
    train: int = 200
    names: tuple[str, ...] = ('a',)


class Named(typing.NamedTuple):
    size: Sizes


def get_config(size='not given'):
    import later_nearby

    assert typing.get_type_hints(Sizes)['train'] is int
    assert typing.get_type_hints(Named)['size'] is Sizes
    assert pickle.dumps(Sizes(3))  # found by the names of its module and its own
    assert os.path.isabs(__file__)
    assert size == 'not given'
    return tiny(later_nearby.NAME)


def late():
    import latest_nearby

    return latest_nearby.NAME, Sizes


if __name__ == '__main__':
    raise RuntimeError('it is no program')
'''


@pytest.mark.parametrize('way', WAYS)
def test_it_may_do_all_that_a_module_may(elsewhere, monkeypatch, way):
    (elsewhere / 'mine').mkdir()
    (elsewhere / 'mine' / 'tiny_nearby.py').write_text(TINY)
    (elsewhere / 'mine' / 'later_nearby.py').write_text('NAME = "later"')
    (elsewhere / 'mine' / 'latest_nearby.py').write_text('NAME = "latest"')
    path = elsewhere / 'mine' / 'json.py'  # a name that a library has
    path.write_text(WHOLE)
    import json

    if way == 'collection':  # names its size; '' is that of the machine
        path.write_text(WHOLE.replace("assert size == 'not given'", ''))
    experiment, (name, cls) = carried_out(monkeypatch, way, path)
    assert (experiment.name, name) == ('later', 'latest')
    assert by_name(cls) is cls
    assert cls(4).train == 4
    assert sys.modules['json'] is json


@pytest.mark.parametrize('way', WAYS)
def test_files_of_one_name_in_two_folders_are_two(elsewhere, monkeypatch, way):
    """And so are the files next to them, also those that are imported as `configs.…`."""
    text = (
        'import tiny_nearby\nfrom configs import own_nearby\n'
        'def get_config(*size):\n    return tiny_nearby.tiny(own_nearby.NAME)'
    )
    for folder in ('one', 'two'):
        configs = elsewhere / folder / 'configs'
        configs.mkdir(parents=True)
        (configs / 'same.py').write_text(text)
        (configs / 'tiny_nearby.py').write_text(TINY)
        (configs / 'own_nearby.py').write_text(f'NAME = "{folder}"')
    for folder in ('one', 'two', 'one'):
        path = elsewhere / folder / 'configs' / 'same.py'
        assert carried_out(monkeypatch, way, path)[0].name == folder
    paths = [elsewhere / folder / 'configs' / 'same.py' for folder in ('one', 'two')]
    modules = [m.__name__ for m in sys.modules.values() if _file(m) in map(str, paths)]
    assert len(set(modules)) == 2


def test_what_is_edited_is_read_again(elsewhere):
    """In a notebook: within a second, and with no letter more, Python's own cache is mistaken."""
    path = elsewhere / 'edited.py'
    other = elsewhere / 'value_other.py'
    for number in range(4):
        path.write_text(
            f'import value_other\ndef get_config():\n    return {{"a": {number}, '
            '"b": value_other.VALUE}'
        )
        other.write_text(f'VALUE = {number}' + '\n' * number)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        assert config_file.load(path, None) == {'a': number, 'b': number}
    assert not list(elsewhere.glob('__pycache__/edited*'))


def test_one_that_fails_leaves_the_one_before(elsewhere):
    path = elsewhere / 'once.py'
    path.write_text('class A: pass\ndef get_config():\n    return {"a": A}')
    cls = config_file.load(path, None)['a']
    path.write_text('class A: pass\n1 / 0')
    with pytest.raises(config_file.UserError, match=r'once\.py:2: ZeroDivisionError'):
        config_file.load(path, None)
    assert by_name(cls) is cls


def test_a_function_that_is_given_or_made_is_found(tmp_path):
    texts = {
        'alias': 'def f(size): pass\nget_config = f',
        'imported': 'from somewhere import get_config',
        'renamed': 'from somewhere import other as get_config',
        'function': 'def get_config(): pass',
        'nested': '[' * 10_000 + ']' * 10_000,  # no parser takes it: loading says so
        'none': 'def got_config(): pass\nfrom somewhere import get_config as f',
    }
    for name, text in texts.items():
        (tmp_path / f'{name}.py').write_text(text)
    found = {path.stem for path in config_file.in_folder(pathlib.Path(tmp_path))}
    assert found == set(texts) - {'none'}


@pytest.mark.parametrize(
    ('place', 'users'),
    [
        (PACKAGE / 'config' / 'trace.py', False),
        (pathlib.Path(f'{PACKAGE}_mine') / 'x.py', True),
        (pathlib.Path(jax.__file__), False),
        (pathlib.Path(os.__file__), False),
        (pathlib.Path(f'{pathlib.Path(os.__file__).parent}_mine') / 'x.py', True),
        (pathlib.Path('<string>'), False),
    ],
)
def test_a_file_is_the_users_unless_it_lies_in_the_package_or_a_library(place, users):
    fails = compile('\n\n1 / 0', str(place), 'exec')
    with pytest.raises(ZeroDivisionError) as raised:
        exec(fails)
    said = config_file.complaint(raised.value, pathlib.Path('the_config.py'))
    assert said.startswith(f'{os.path.relpath(place)}:3: ') == users
