"""The digest of the training code changes with what it does, and with nothing else."""

import ast
import re

import pytest

from jaxtweaks.run import version

SOURCE = '''"""What it is."""

import jax  # to train


def f(x, rate=0.1):
    """Shapes: [B]."""
    if x is None:
        raise ValueError(f'x is {x}; it must be an array')
    return jax.numpy.tanh(x) * rate
'''
NATIVE = """// The convolutions.
#include <cstdint>
#define WIDE 8
/* Sums
   rows. */
static float add(const float* x, int n) {
  float sum = 0;  // of all
  for (int i = 0; i < n; ++i) sum += x[i] + 1e-3f;
  return sum;
}
"""


@pytest.mark.parametrize(
    ('old', 'new', 'same'),
    [
        ('  # to train', '', True),
        ('What it is', 'Something else', True),
        ('Shapes: [B]', 'Floats', True),
        ('\\n\\n\\n', '\\n', True),
        ('x is {x}; it must be', 'give', True),
        ('(x, rate=0.1)', '(\\n    x,\\n    rate=0.1,\\n)', True),
        ('rate=0.1', 'rate=0.2', False),
        ('tanh', 'sinh', False),
        ('x is None', 'x is not None', False),
        ('ValueError', 'TypeError', False),
        ('* rate', '+ rate', False),
    ],
)
def test_python_is_what_it_does(old, new, same):
    old, new = old.replace('\\n', '\n'), new.replace('\\n', '\n')
    assert old in SOURCE
    assert (version.python(SOURCE) == version.python(SOURCE.replace(old, new))) == same


@pytest.mark.parametrize(
    ('old', 'new', 'same'),
    [
        ('  // of all', '', True),
        ('/* Sums\n   rows. */', '/* Adds. */', True),
        ('{\n  float', '{ float', True),
        (' + 1e-3f', '+1e-3f', True),
        ('1e-3f', '1e-4f', False),
        ('WIDE 8', 'WIDE 4', False),
        ('sum = 0', 'sum = 1', False),
        ('#define', 'define', False),
    ],
)
def test_native_code_is_what_it_does(old, new, same):
    assert old in NATIVE
    assert (version.cplusplus(NATIVE) == version.cplusplus(NATIVE.replace(old, new))) == same


def test_a_file_that_changes_changes_the_digest(tmp_path):
    path = tmp_path / 'a.py'
    found = []
    for text in (SOURCE, SOURCE + '# done\n', SOURCE.replace('0.1', '0.2')):
        path.write_text(text)
        found.append(version.digest([path]))
    assert found[0] == found[1] != found[2]
    assert re.fullmatch('[0-9a-f]{12}', found[0])


SAID = """LIMIT: float = 3.0
LOSS = Metric('loss', better='low')


class Metric:
    words = 'as it reads'

    @property
    def sign(self):
        return {'high': 1, 'low': -1, '': 0}[self.better]
"""


def test_of_some_files_only_what_decides_numbers_counts():
    read = lambda source: version.python(source, ('LIMIT', 'LOSS', 'Metric.sign'))
    reworded = SAID.replace('as it reads', 'as it is read')
    assert reworded != SAID
    assert read(reworded) == read(SAID)
    for old, new in (('3.0', '4.0'), ("better='low'", "better='high'"), ("'low': -1", "'low': 1")):
        assert read(SAID.replace(old, new)) != read(SAID), old


@pytest.mark.parametrize(
    ('file', 'old', 'new', 'same'),
    [
        ('config/reach.py', 'GRADIENT_BATCH = 100', 'GRADIENT_BATCH = 50', False),
        ('config/reach.py', 'are more than', 'exceed', True),
        ('config/measured.py', 'if one.sign), LOSS)', 'if one.name), LOSS)', False),
        ('config/measured.py', 'return usual(setting)', 'return LOSS', False),
        ('config/measured.py', "'several labels, each", "'labels, each", True),
        ('base/metrics.py', "'low': -1", "'low': 1", False),
        ('base/metrics.py', "SHARE, 'high')", "SHARE, 'low')", False),
        ('base/metrics.py', 'hidden units lost', 'units lost', True),
    ],
)
def test_what_an_epoch_is_chosen_by_counts_and_its_words_do_not(
    tmp_path, monkeypatch, file, old, new, same
):
    source = (version._PACKAGE / file).read_text()
    assert old in source
    monkeypatch.setattr(version, '_PACKAGE', tmp_path)
    path, found = tmp_path / file, []
    path.parent.mkdir()
    for text in (source, source.replace(old, new)):
        path.write_text(text)
        found.append(version.digest([path]))
    assert (found[0] == found[1]) == same


def test_a_digest_is_kept_while_the_sources_are_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path / 'cache'))
    path = tmp_path / 'layers.py'
    path.write_text('x = 1')
    found = version.kept('some', [path])
    assert found == version.digest([path])
    with monkeypatch.context() as patch:
        patch.setattr(version, 'digest', None)
        assert version.kept('some', [path]) == found
    file = tmp_path / 'cache' / 'versions' / 'some.json'
    for wrong in (file.read_text().replace(found, '0' * 12), '[]', '{', 'null'):
        file.write_text(wrong)
        assert version.kept('some', [path]) == found
    path.write_text('x = 2')
    assert version.kept('some', [path]) == version.digest([path]) != found


def test_what_decides_numbers_is_in_it():
    """What these files import at their top is in it too, but for what decides no number."""
    inside = {
        path.relative_to(version._PACKAGE).as_posix() for path in version.files(version.TRAINING)
    }
    assert {
        'nn/conv_native.cc',
        'nn/native.h',
        'nn/conv.py',
        'train/program.py',
        'data/split.py',
    } < inside
    assert {'run/compiled.py', 'run/group.py', 'base/rng.py', 'data/split.py'} < inside
    assert version._ONLY.keys() < inside
    assert not any(name.startswith(('report', 'figures', 'claims', 'studies')) for name in inside)
    assert version.training() != version.studies()
    # Settings and what is said of them: their values are in the record of each run.
    other = {'config/settings.py', 'config/fields.py', 'config/tweaks.py', 'config/build.py'}
    other |= {'config/parts.py', 'config/slots.py', 'config/register.py', 'config/effect.py'}
    other |= {'config/part.py', 'base/home.py', 'base/sealed.py'}
    other |= {'config/check.py', 'config/config_file.py', 'base/errors.py', 'base/words.py'}
    other |= {'base/atomic.py', 'config/expand.py', 'run/files.py', 'run/plan.py', 'run/devices.py'}
    other |= {'run/progress.py', 'run/workdir.py', 'run/manifest.py', 'run/memory.py'}
    other |= {'run/result.py', 'run/work.py', 'run/compile_cache.py'}
    other |= {'base/limits.py', 'base/provenance.py', 'base/identity.py', *version._NOT}
    for name in inside:
        if name.endswith('.py'):
            assert imported(name) <= inside | other, name


def imported(name):
    """The modules of the package that a file imports, by their files."""
    found = set()
    for node in ast.walk(ast.parse((version._PACKAGE / name).read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('jaxtweaks'):
            base = node.module.split('.')[1:]
            found |= {'/'.join([*base, alias.name]) + '.py' for alias in node.names}
            found.add('/'.join(base) + '.py')
    return {one for one in found if (version._PACKAGE / one).is_file()}
