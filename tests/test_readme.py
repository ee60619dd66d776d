"""What the README shows works, and what documents name is there."""

import importlib.util
import re
from pathlib import Path

import pytest

from jaxtweaks.config import parts, slots
from jaxtweaks.lab import experiment, parts_list

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()


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


def test_every_test_that_a_document_names_is_where_it_says():
    """`tests/FILE.py::NAME`, or the end of its path; `::NAME` is of the file named before it."""
    files = {path.as_posix(): path.read_text() for path in (ROOT / 'tests').rglob('*.py')}
    reference = re.compile(r'`((?:[\w/]*/)?test_\w+\.py)?((?:::\w+)*)')
    wrong = []
    for path in (*ROOT.glob('*.md'), *ROOT.glob('docs/*.md'), *ROOT.glob('docs/fidelity/*.md')):
        named = ''
        for file, name in reference.findall(path.read_text()):
            named = file or named
            texts = [text for path, text in files.items() if path.endswith(f'/{named}')]
            last = name.rpartition('::')[2]
            found = any(re.search(rf'^ *(def|class) {last}\b', text, re.M) for text in texts)
            if (file and not texts) or (last and not found):
                wrong.append(f'{path.name}: {named}{name}')
    assert wrong == []
