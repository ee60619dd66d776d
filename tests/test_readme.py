"""What the README shows works."""

import importlib.util
import re
from pathlib import Path

import pytest

from jaxtweaks.config import parts, slots
from jaxtweaks.lab import experiment, parts_list

README = (Path(__file__).parents[1] / 'README.md').read_text()


@pytest.mark.parametrize('size', experiment.SIZES)
def test_the_question_of_ones_own(tmp_path, size):
    (code,) = re.findall(r'```python\n(.*?)```', README, re.DOTALL)
    path = tmp_path / 'two_layers.py'
    path.write_text(code)
    spec = importlib.util.spec_from_file_location('two_layers', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = experiment.build(module.get_config(size))
    assert len(found.points) == 9
    assert found.size == size


@pytest.mark.parametrize('slot', slots.SLOTS)
def test_every_part_is_in_its_row(slot):
    built_in = {name for name, part in parts.of_slot(slot).items() if part.built_in}
    assert in_the_row_of(slot) == built_in


@pytest.mark.parametrize('registry', parts_list.REGISTRIES, ids=lambda registry: registry.slot)
def test_every_kind_is_in_its_row(registry):
    assert in_the_row_of(registry.slot) == {name for name in registry if registry.built_in(name)}


def in_the_row_of(slot):
    """The names in the row of the README's table of parts that ends with a decorator."""
    (row,) = re.findall(rf'^\|(.*)\| `jt\.{slot}` \|$', README, re.MULTILINE)
    return set(re.findall(r'`(\w+)`', row))


@pytest.mark.parametrize(
    ('folder', 'others'),
    [('configs', {'all', 'classics', 'common'}), ('configs/classics', set())],
)
def test_every_config_has_its_row(folder, others):
    configs = {path.stem for path in (Path(__file__).parents[1] / folder).glob('*.py')}
    rows = set(re.findall(rf'\| \[`(\w+)`\]\({folder}/\1\.py\)', README))
    assert rows == configs - others
