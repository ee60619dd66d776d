"""The list of configs says what their own files say."""

import io
import pathlib
import re

import pytest
from rich.console import Console

from jaxtweaks import app
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import config_file, config_time
from jaxtweaks.lab import collection, kept, listing

CONFIGS = pathlib.Path(__file__).resolve().parents[1] / 'configs'
TINY = '''"""Is this listed?
{expected}
"""

from jaxtweaks.lab.experiment import default_config


def get_config(size=None):
    config = default_config('tiny')
    config.size, config.seeds = 'smoke', 1
    config.question, config.document = 'Is this listed?', 'TEST §1'
    config.data.name, config.data.train_size, config.data.validation_size = 'digits', 64, 32
    config.data.test_size, config.model.name, config.model.hidden = 32, 'mlp', (4,)
    config.train.batch_size, config.train.epochs = 32, 1
    config.execution.batching = 'map'
    return config
'''


@pytest.mark.parametrize(
    ('expected', 'time'),
    [
        ('Expected (quick, 30 seeds, 3 minutes on two cores): x.', ('quick', '3 minutes', 180)),
        ('Expected (any size, 10 seconds): it.', ('any', '10 seconds', 10)),
        ('Expected (quick, CIFAR-10 (JPEG\nq75), 3 seeds, 1 to 2 minutes on 2): x',
         ('quick', '1 to 2 minutes', 120)),
        ('Expected (paper, 1.5 hours): x', ('paper', '1.5 hours', 5400)),
        ('Expected (quick): x. It took 4 minutes.', None),
        ('Took 4 minutes.', None),
    ],
)  # fmt: skip
def test_the_time_stands_in_the_docstring(tmp_path, expected, time):
    path = tmp_path / 'tiny.py'
    path.write_text(TINY.format(expected=expected))
    found = config_time.measured(path)
    assert (found and (found.size, found.words, found.seconds)) == time


def test_every_expectation_of_ours_has_a_time():
    said = [path for path in CONFIGS.glob('*.py') if 'Expected (' in path.read_text()]
    assert len(said) > 10
    assert all(config_time.measured(path) for path in said)


def test_every_config_has_a_line(capsys, monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    assert app.main(['main.py', '--list']) == 0
    lines = capsys.readouterr().out.splitlines()
    heading = lines.index('Classics:')
    for folder, found in (
        (CONFIGS, lines[:heading]),
        (CONFIGS / 'classics', lines[heading + 1 : -1]),
    ):
        paths = {path.relative_to(CONFIGS.parent) for path in folder.glob('*.py')}
        listed = {pathlib.Path(line.split()[0]) for line in found}
        assert listed == paths - {pathlib.Path('configs/common.py')}
    (line,) = [line for line in lines if line.startswith('configs/bn_onoff.py')]
    assert re.search(r'minutes \(quick\) +What does batch norm change .* \(ROLE §5\.3', line)


def test_a_list_is_kept_until_a_file_changes(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path / 'cache'))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'configs' / 'tiny.py'
    path.parent.mkdir()
    path.write_text(TINY.format(expected=''))

    def listed():
        code = app.main(['main.py', '--list'])
        return code, capsys.readouterr().out

    first = listed()
    assert (first[0], 'Is this listed?' in first[1]) == (0, True)
    with monkeypatch.context() as patch:
        patch.setattr(listing, 'lines', None)  # it is not made again
        assert listed() == first
    (record,) = (tmp_path / 'cache' / 'listings').iterdir()
    record.write_bytes(record.read_bytes()[:-9])  # damaged: it is
    assert listed() == first
    record.write_bytes(record.read_bytes().replace(b'Is this', b'Is thus'))
    assert listed() == first
    path.write_text(TINY.format(expected='').replace('Is this', 'Was that'))
    assert 'Was that listed?' in listed()[1]
    path.write_text('import nothing_of_this_name\ndef get_config(size=None): pass')
    assert listed()[0] == 2
    (tmp_path / 'nothing_of_this_name.py').write_text('')  # mended, and not by its own folder
    monkeypatch.syspath_prepend(tmp_path)
    assert 'returned None' in listed()[1]


def test_what_was_not_measured_is_estimated_on_demand(tmp_path):
    (tmp_path / 'tiny.py').write_text(TINY.format(expected=''))
    (tmp_path / 'known.py').write_text(TINY.format(expected='Expected (smoke, 7 seconds): x'))
    (tmp_path / 'helper.py').write_text('raise SystemExit')  # has no get_config
    console = Console(file=io.StringIO())
    known, tiny = listing.entries(tmp_path, console)
    assert (known.time, tiny.time) == ('7 seconds (smoke)', '—')
    assert tiny.question == 'Is this listed? (TEST §1)'
    known, tiny = listing.entries(tmp_path, console, estimate=True)
    assert known.time == '7 seconds (smoke)'
    assert re.fullmatch(r'about [\d.]+ GiB, about \d+ (s|min) \(smoke\)', tiny.time)


def test_a_config_may_be_silent_about_its_question_and_its_size(tmp_path):
    source = "def get_config(size=None):\n    return {'name': 'bare'}\n"
    (tmp_path / 'bare.py').write_text(source)
    (tmp_path / 'known.py').write_text(f'"""Expected (any size, 7 seconds): x."""\n{source}')
    bare, known = listing.entries(tmp_path, Console(file=io.StringIO()))
    assert (bare.question, bare.time) == ('—', '—')
    assert known.time == '7 seconds'


def test_what_is_no_config_is_passed_over_and_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / '.#lock.py').symlink_to('somebody@somewhere')
    (tmp_path / 'helper.py').write_text('x = 1')
    (tmp_path / 'broken.py').write_text('x = = 3')
    (tmp_path / 'gone.py').symlink_to('nowhere.py')
    broken, gone = config_file.in_folder(tmp_path)
    assert (config_time.measured(broken), config_time.measured(gone)) == (None, None)
    with pytest.raises(UserError, match=r'broken\.py:1: SyntaxError'):
        config_file.load(broken, None)
    with pytest.raises(UserError, match=r'no file .*gone\.py'):
        config_file.load(gone, None)


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(UserError, match='no folder'):
        list(listing.entries(tmp_path / 'configs', Console()))


BROKEN = {
    'fails': ('def get_config(size=None):\n    1 / 0', 'fails.py:2: ZeroDivisionError'),
    'leaves': ('raise SystemExit\ndef get_config(size=None): pass', 'SystemExit'),
    'no_config': ('def get_config(size=None):\n    return 5', 'returned 5'),
    'syntax': ('x = = 3', 'SyntaxError'),
    'too_deep': ('[' * 10_000 + ']' * 10_000, 'too_deep.py'),
    'encoding': (b'x = "\xff"', 'encoding.py'),
}


def test_a_broken_config_does_not_end_the_list(tmp_path, capsys, monkeypatch):
    (tmp_path / 'configs').mkdir()
    for name, (text, _) in BROKEN.items():
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / 'configs' / f'{name}.py').write_bytes(content)
    for name in ('a_good_one', 'zoo'):
        (tmp_path / 'configs' / f'{name}.py').write_text(TINY.format(expected=''))
    monkeypatch.chdir(tmp_path)
    assert app.main(['main.py', '--list']) == 2
    out, err = capsys.readouterr()
    named = [line for line in out.splitlines() if line.startswith('configs/')]
    lines = {pathlib.Path(line.split()[0]).stem: line for line in named}
    assert set(lines) == {*BROKEN, 'a_good_one', 'zoo'}
    for name, (_, words) in BROKEN.items():
        assert re.match(rf'configs/{name}\.py +mistake +.*{re.escape(words)}', lines[name])
    assert 'Is this listed? (TEST §1)' in lines['zoo']
    assert err == ''


def test_what_cannot_be_estimated_does_not_end_the_list(tmp_path):
    wrong = TINY.replace("'digits', 64", "'digits', 64_000").format(expected='')
    (tmp_path / 'big.py').write_text(wrong)
    (tmp_path / 'known.py').write_text(TINY.format(expected='Expected (smoke, 7 seconds): x'))
    out = io.StringIO()
    lines = list(listing.lines(tmp_path, Console(file=out, width=300), estimate=True))
    assert kept.mistakes(lines) == 1
    (big, _), (known, _), *_ = lines
    assert re.search(r'big\.py +mistake +data\.train_size', big)
    assert '7 seconds (smoke)' in known


def test_the_collection_of_all_goes_on_past_a_broken_config(tmp_path):
    """`configs/all.py` names what `in_folder` finds."""
    (tmp_path / 'broken.py').write_text('x = = 3')
    (tmp_path / 'good.py').write_text(TINY.format(expected=''))
    found = collection.Collection(
        name='all', experiments=tuple(map(str, config_file.in_folder(tmp_path)))
    )
    out = io.StringIO()
    options = collection.Options(dry_run=True, quiet=True)
    console = Console(file=out, width=300)
    assert collection.run(found, tmp_path / 'runs', console, options, ' '.join) == 2
    assert re.search(r'\[1/2\] broken: failed: .*broken\.py:1: SyntaxError', out.getvalue())
    assert re.search(r'tiny:smoke: \d+ runs? in 1 program', out.getvalue())
