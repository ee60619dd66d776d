"""What `pip install` puts elsewhere works there: command, configs, a config of one's own."""

import json
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

from jaxtweaks.config import config_file

ROOT = pathlib.Path(__file__).resolve().parents[1]
OWN = '''"""Does it find what it shares with the others?"""

from configs import common


def get_config(size=None):
    return common.general_mlp('mine', size)
'''
# Run elsewhere: prints where what was found lies.
CODE = """
import json
import jaxtweaks
from jaxtweaks import api
from jaxtweaks.config import config_file

asked = [api._experiment(name, {}) for name in ('bn_onoff:smoke', 'mine.py:smoke')]
places = [jaxtweaks.__file__, str(config_file.find('bn_onoff')), str(config_file.shipped())]
print(json.dumps([[one.name for one in asked], places]))
"""


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """A wheel of a copy of the sources: building leaves folders behind."""
    pytest.importorskip('setuptools', '77')
    source, out = tmp_path_factory.mktemp('source'), tmp_path_factory.mktemp('wheel')
    for name in ('pyproject.toml', 'README.md', 'LICENSE'):
        shutil.copy(ROOT / name, source)
    for name in ('jaxtweaks', 'configs'):
        ignore = shutil.ignore_patterns('__pycache__')
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    build = f'from setuptools import build_meta; build_meta.build_wheel({str(out)!r})'
    subprocess.run([sys.executable, '-c', build], cwd=source, check=True, capture_output=True)
    (built,) = out.glob('*.whl')
    return built


def test_a_wheel_has_every_file_and_the_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry,) = (name for name in names if name.endswith('entry_points.txt'))
        command = archive.read(entry).decode()
    kinds = ('.py', '.cc', '.h', '.html', '.css', '.js', '.typed')
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / 'jaxtweaks').rglob('*')
        if path.suffix in kinds or path.name == 'py.typed'
    }
    configs = {
        f'jaxtweaks_configs/{path.relative_to(ROOT).as_posix()}'
        for path in (ROOT / 'configs').rglob('*.py')
    }
    assert {name for name in names if '.dist-info/' not in name} == ours | configs
    assert 'jaxtweaks = jaxtweaks.__main__:main' in command.splitlines()


def test_elsewhere_configs_are_known_by_name_and_may_be_imported(wheel, tmp_path):
    site, folder = tmp_path / 'site', tmp_path / 'elsewhere'
    folder.mkdir()
    (folder / 'mine.py').write_text(OWN)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    done = subprocess.run(
        [sys.executable, '-c', CODE],
        cwd=folder,
        env={'PATH': '', 'PYTHONPATH': str(site), 'JAXTWEAKS_CACHE_DIR': str(tmp_path / 'cache')},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names, places = json.loads(done.stdout)
    assert names == ['bn_onoff', 'mine']
    configs = site / 'jaxtweaks_configs' / 'configs'
    assert places == [str(site / 'jaxtweaks' / '__init__.py'),
                      str(configs / 'bn_onoff.py'), str(configs)]  # fmt: skip


def test_a_name_is_of_the_folder_here_before_that_of_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config_file.find('bn_onoff') == ROOT / 'configs' / 'bn_onoff.py'
    assert config_file.find('configs/bn_onoff.py') == pathlib.Path('configs/bn_onoff.py')
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'configs' / 'bn_onoff.py').write_text('')
    assert config_file.find('bn_onoff') == pathlib.Path('configs/bn_onoff.py')
    ours = [ROOT / 'configs', ROOT / 'configs' / 'classics']
    assert config_file.folders() == [pathlib.Path('configs'), *ours]
    assert config_file.find('swa') == ROOT / 'configs' / 'classics' / 'swa.py'
    assert config_file.find('nothing') == pathlib.Path('nothing')
    assert "did you mean 'bn_onoff'" in config_file.not_there(pathlib.Path('bn_onof'))
