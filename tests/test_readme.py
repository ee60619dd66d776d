"""What the README shows works."""

import importlib.util
import re
from pathlib import Path

import pytest

from jaxtweaks.lab import experiment

README = (Path(__file__).parents[1] / 'README.md').read_text()


@pytest.mark.parametrize('size', experiment.SIZES)
def test_the_question_of_ones_own(tmp_path, size):
    (code,) = re.findall(r'```python\n(.*?)```', README, re.DOTALL)
    path = tmp_path / 'momentum.py'
    path.write_text(code)
    spec = importlib.util.spec_from_file_location('momentum', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = experiment.build(module.get_config(size))
    assert len(found.points) == 9
    assert found.size == size


def test_every_config_has_its_row():
    folder = Path(__file__).parents[1] / 'configs'
    for prefix, others in (('', {'all', 'classics', 'common'}), ('classics/', set())):
        configs = {path.stem for path in (folder / prefix).glob('*.py')}
        rows = set(re.findall(rf'\| \[`(\w+)`\]\(configs/{prefix}\1\.py\)', README))
        assert rows == configs - others
