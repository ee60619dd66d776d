"""Several experiments by one command: resumed, one of them broken, and looked over."""

import errno
import io
import json
import os
import pathlib
import re
import shutil

import pytest
from rich.console import Console

from jaxtweaks import app
from jaxtweaks.base import provenance
from jaxtweaks.lab import answers, collection
from jaxtweaks.lab.experiment import build

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

ROOT = pathlib.Path(__file__).resolve().parents[1]
TINY = """
from jaxtweaks.lab.experiment import default_config
from jaxtweaks.config.expand import grid


def get_config(size=None):
    config = default_config({name!r})
    config.size, config.seeds = 'smoke', 2
    config.question = 'Does <b>it</b> help?'
    config.document = 'ROLE §1'
    config.data.name = 'digits'
    config.data.train_size, config.data.validation_size, config.data.test_size = 60, 20, 20
    config.model.name, config.model.hidden = 'mlp', (4,)
    config.train.batch_size, config.train.epochs = 20, 1
    config.sweep = grid({field!r}, {values})
    config.execution.batching = 'map'
    config.figures = (
        dict(name='it', kind='effect', title='It', metrics=('test_accuracy',), x={field!r}),
    )
    config.claims = (
        dict(sentence='It is <script>alert(1)</script> so.', source={source!r}, kind='greater',
             metric='test_accuracy', a={{{field!r}: {a}}}, b={{{field!r}: {b}}},
             published={{'then': 0.5}}),
    )
    return config
"""
BROKEN = 'def get_config(size=None):\n    return undefined\n'


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def configs(tmp_path):
    """A folder with two tiny configs, a broken one, and a collection of all three."""
    folder = tmp_path / 'configs'
    folder.mkdir()
    dropout = {'field': 'dropout.hidden', 'values': '0.0, 0.5', 'a': 0.0, 'b': 0.5}
    batches = {'field': 'train.batch_size', 'values': '10, 20', 'a': 10, 'b': 20}
    one = TINY.format(name='one', source='MLP-BN §2', **dropout)
    two = TINY.format(name='two', source='ROLE §3', **batches)
    (folder / 'one.py').write_text(one)
    (folder / 'broken.py').write_text(BROKEN)
    (folder / 'two.py').write_text(two)
    names = tuple(str(folder / f'{name}.py') for name in ('one', 'broken', 'two'))
    (folder / 'several.py').write_text(
        'from ml_collections import ConfigDict\n\n\ndef get_config(size=None):\n'
        f"    return ConfigDict({{'name': 'all', 'size': size or '', 'experiments': {names!r}}})\n"
    )
    return folder


def call(capsys, *args):
    capsys.readouterr()
    code = app.main(['main.py', *map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


def carry_out(capsys, configs, root, *more):
    return call(capsys, f'--config={configs / "several.py"}:smoke', f'--workdir={root}', *more)


def test_the_rest_goes_on_and_the_broken_one_is_named(capsys, configs, tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, 'commit', lambda: 'a' * 40)
    root = tmp_path / 'runs'
    code, out, _ = carry_out(capsys, configs, root)
    assert code == 2
    assert 'broken.py:2: NameError' in out
    assert f'1 of 3 failed: {configs / "broken.py"}' in out
    folder = root / 'overview-smoke'
    page = (folder / 'overview.html').read_text()
    assert 'href="../one-smoke/report.html"' in page
    assert (root / 'two-smoke' / 'report.html').is_file()
    assert 'Without an answer' in page
    assert 'broken.py:2: NameError' in page
    assert page.index('ROLE') < page.index('id="document-2">MLP-BN')
    assert page.count('<tr class=') == 2
    assert 'data-tweak="dropout"' in page
    assert 'data-tweak="batch size"' in page
    assert 'then: 50.00%' in page
    assert 'dropout' in json.loads((root / 'one-smoke' / 'claims.json').read_text())['tweaks']
    manifest = json.loads((root / 'one-smoke' / 'manifest.json').read_text())
    command = manifest['launches'][0]['command']
    assert re.fullmatch(r'python main.py --config=\S*one.py:smoke --workdir=\S*one-smoke', command)

    # Again: nothing is done twice, and what is missing is made.
    before = (root / 'one-smoke' / 'report.html').stat().st_mtime_ns
    (root / 'two-smoke' / 'report.html').unlink()
    (configs / 'broken.py').write_text((configs / 'one.py').read_text().replace("'one'", "'three'"))
    code, out, _ = carry_out(capsys, configs, root)
    assert code == 0
    assert '[1/3] one: finished before' in out
    assert '[3/3] two: finished before' not in out
    assert (root / 'one-smoke' / 'report.html').stat().st_mtime_ns == before
    assert (root / 'two-smoke' / 'report.html').is_file()
    assert '3 claims of 3 experiments' in (folder / 'overview.md').read_text()

    # A figure that is gone is drawn again.
    figures = root / 'one-smoke' / 'figures'
    there = sorted(figures.iterdir())
    there[0].unlink()
    _, out, _ = carry_out(capsys, configs, root)
    assert '[1/3] one: finished before' not in out
    assert '[3/3] two: finished before' in out
    assert sorted(figures.iterdir()) == there

    # Other code: what it says of the old results is said again.
    monkeypatch.setattr(provenance, 'commit', lambda: 'b' * 40)
    _, out, _ = carry_out(capsys, configs, root)
    assert 'finished before' not in re.sub(r'\d of \d groups finished before', '', out)


def test_two_files_of_one_name_fail_each_by_itself(capsys, tmp_path):
    for folder, wrong in (('a', "{'name': '?'}"), ('b', "{'name': '!'}")):
        (tmp_path / folder).mkdir()
        source = f'def get_config(size=None):\n    return {wrong}\n'
        (tmp_path / folder / 'same.py').write_text(source)
    names = tuple(str(tmp_path / folder / 'same.py') for folder in 'ab')
    several = {'name': 'all', 'experiments': names}
    (tmp_path / 'all.py').write_text(f'def get_config(size=None):\n    return {several!r}\n')
    code, out, _ = call(capsys, f'--config={tmp_path / "all.py"}', f'--workdir={tmp_path / "w"}')
    assert code == 2
    assert f'2 of 2 failed: {names[0]}, {names[1]}' in out
    assert "name: '?' is not allowed" in out
    assert "name: '!' is not allowed" in out


def test_an_answer_by_a_stand_in_is_none_once_the_data_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, 'commit', lambda: 'a' * 40)
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'nowhere'))
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path / 'cache'))
    for name, there in (('digits', True), ('cifar10', False)):
        asked = build({'name': 'x', 'data': {
            'name': name, 'train_size': 60, 'validation_size': 20, 'download': there}})  # fmt: skip
        for file in answers.files(asked):
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).touch()
        record = {'commit': 'a' * 40, 'config': answers.config_digest(asked), 'stand_in': False}
        said = tmp_path / name / 'claims.json'
        said.write_text(json.dumps(record))
        assert collection.is_finished(asked, tmp_path / name)
        said.write_text(json.dumps(record | {'stand_in': True}))
        assert collection.is_finished(asked, tmp_path / name) != there


def test_what_a_config_says_is_escaped_and_only_our_script_runs(capsys, configs, tmp_path):
    carry_out(capsys, configs, tmp_path / 'runs')
    folder = tmp_path / 'runs' / 'overview-smoke'
    page = (folder / 'overview.html').read_text()
    assert page.count('<script>') == 1
    assert 'It is &lt;script&gt;alert(1)&lt;/script&gt; so.' in page
    assert 'default-src &#39;none&#39;' in page or "default-src 'none'" in page
    assert 'http' not in page.replace('http-equiv', '')
    text = (folder / 'overview.md').read_text()
    assert '<script>' not in text.replace('\\<script\\>', '')
    assert '[one:smoke](<../one-smoke/report.md>)' in text


def test_a_dry_run_lists_everything_and_writes_nothing(capsys, configs, tmp_path, monkeypatch):
    # A cache of its own, in which no other test has left what such programs cost.
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path / 'cache'))
    root = tmp_path / 'runs'
    code, out, _ = carry_out(capsys, configs, root, '--dry_run')
    assert code == 2
    assert re.search(r'one:smoke: .*roughly .*guessed(.|\n)*two:smoke: .*roughly .*guessed', out)
    assert 'broken: failed' in out
    assert not root.exists()


@pytest.mark.parametrize(
    ('number', 'words', 'code'),
    [
        (errno.ENOSPC, 'f.npz: No space left on device; what was finished is kept', 1),
        (errno.EDQUOT, 'f.npz: Disk quota exceeded; what was finished is kept', 1),
        (errno.EACCES, 'f.npz: Permission denied; name another place', 2),
        (errno.EROFS, 'f.npz: Read-only file system; name another place', 2),
        (errno.EISDIR, 'f.npz: Is a directory; name another place', 2),
    ],
)
def test_a_file_that_cannot_be_written_is_a_line(
    capsys, configs, tmp_path, monkeypatch, number, words, code
):
    def run(*args, **options):
        raise OSError(number, os.strerror(number), 'f.npz')

    monkeypatch.setattr(collection.laboratory, 'run', run)
    found, out, err = carry_out(capsys, configs, tmp_path / 'runs')
    assert found == code
    assert f'failed: {words}' in out
    assert 'Traceback' not in err


def test_without_a_size_no_overview_is_written_of_none(capsys, tmp_path):
    broken, root = str(tmp_path / 'broken.py'), tmp_path / 'runs'
    pathlib.Path(broken).write_text('import nothing_of_this_name\n')
    several = collection.build({'name': 'all', 'experiments': [broken]})
    console = Console(file=io.StringIO(), width=200)
    assert collection.run(several, root, console, collection.Options(), ' '.join) == 2
    assert f'1 of 1 failed: {broken}' in console.file.getvalue()
    assert not root.exists()


def test_an_error_of_ours_does_not_stop_the_rest(capsys, configs, tmp_path, monkeypatch):
    run_one = collection.laboratory.run

    def run(experiment, *args, **options):
        if experiment.name == 'one':
            raise ZeroDivisionError('by nought')
        return run_one(experiment, *args, **options)

    monkeypatch.setattr(collection.laboratory, 'run', run)
    code, out, err = carry_out(capsys, configs, tmp_path / 'runs')
    assert code == 1
    assert f'2 of 3 failed: {configs / "one.py"}, {configs / "broken.py"}' in out
    assert 'by nought' in err
    page = (tmp_path / 'runs' / 'overview-smoke' / 'overview.html').read_text()
    assert 'ZeroDivisionError: by nought' in page
    assert page.count('<tr class=') == 1


def test_what_was_answered_before_a_failure_is_no_answer(capsys, configs, tmp_path, monkeypatch):
    root = tmp_path / 'runs'
    earlier = (root / 'one-smoke' / 'claims.json', root / 'two-smoke' / 'claims.json')
    for path in earlier:
        path.parent.mkdir(parents=True)
        record = {'experiment': path.parent.name, 'size': 'smoke', 'document': '', 'tweaks': []}
        record |= {'data': '', 'stand_in': False, 'verdicts': []}
        path.write_text(json.dumps(record))

    def run(experiment, *args, **options):
        if experiment.name == 'one':
            raise ZeroDivisionError('by nought')

    monkeypatch.setattr(collection.laboratory, 'run', run)
    carry_out(capsys, configs, root)
    text = (root / 'overview-smoke' / 'overview.md').read_text()
    assert '0 claims of 1 experiment.' in text
    assert 'one.py: ZeroDivisionError: by nought' in text


def test_seeds_are_added_to_what_has_claims_and_is_no_search(configs, tmp_path, monkeypatch):
    source, names = (configs / 'one.py').read_text(), []
    lines = {'claims': '', 'none': 'config.claims = ()', 'search': 'config.search.rounds = 1'}
    for name, line in lines.items():
        text = source.replace('return config', f'{line}\n    return config')
        (configs / f'{name}.py').write_text(text.replace("'one'", repr(name)))
        names.append(str(configs / f'{name}.py'))
    several = collection.build({'name': 'all', 'size': 'smoke', 'experiments': names})
    runs, options = [], collection.Options(budget=1.08e6)
    monkeypatch.setattr(collection, 'collect', lambda *_: None)
    monkeypatch.setattr(collection.laboratory, 'run', lambda *_, **how: runs.append(how))
    carried_out = lambda: collection.run(
        several, tmp_path, Console(file=io.StringIO()), options, ' '.join
    )
    assert carried_out() == 0
    # There is one budget for all; two thirds of it are what looks are planned for.
    assert [how['budget'] for how in runs] == [pytest.approx(7.2e5), None, None]
    assert [how['allow'] is None for how in runs] == [False, True, True]
    commands = [f'--config={names[i]}:smoke --workdir={tmp_path / name}-smoke'
                for i, name in enumerate(lines)]  # fmt: skip
    commands[0] += ' --until_settled --budget=720000s'
    assert [how['command'] for how in runs] == commands
    # What was finished before may get more of them too; of the others nothing is open.
    monkeypatch.setattr(collection, 'is_finished', lambda *_: True)
    monkeypatch.setattr(collection, '_from_outside', lambda *_: False)
    assert carried_out() == 0
    assert [how['budget'] for how in runs[3:]] == [pytest.approx(7.2e5)]


@pytest.mark.parametrize(
    ('more', 'root'),
    [
        ([], 'runs'),
        (['--config.first_seed=7'], 'runs/first_seed=7'),
        (['--config.first_seed=7', '--workdir=w'], 'w'),
    ],
)
def test_other_seeds_have_folders_of_their_own(capsys, monkeypatch, more, root):
    asked = []

    def run(found, folder, *_):
        asked.append((found.first_seed, folder))
        return 0

    monkeypatch.setattr(collection, 'run', run)
    assert call(capsys, '--config=configs/all.py:smoke', *more)[0] == 0
    assert asked == [(7 if more else 0, pathlib.Path(root))]


def test_what_values_and_commit_do_not_tell_of_is_carried_out_again(tmp_path):
    plain, mine = tmp_path / 'plain.py', tmp_path / 'mine.py'
    plain.write_text('from jaxtweaks.lab.experiment import default_config\n')
    mine.write_text('import jaxtweaks as jt\n@jt.loss("mine")\ndef mine(outputs, targets): ...\n')
    ours = ROOT / 'configs' / 'classics' / 'adaptive_methods.py'  # it registers a network
    asked = build({'name': 'it'})
    outside = [collection._from_outside(asked, path) for path in (plain, mine, ours)]
    assert outside == [False, True, False]
    table = build({'name': 'it', 'data': {'name': 'csv:cars.csv?target=price'}})
    assert collection._from_outside(table, plain)


def test_brackets_in_the_name_of_a_config_are_brackets(configs, monkeypatch, tmp_path):
    monkeypatch.setattr(collection, 'is_finished', lambda *_: True)
    monkeypatch.setattr(collection, '_from_outside', lambda *_: False)
    console = Console(file=io.StringIO())
    config = tmp_path / 'a[' / 'b].py'
    config.parent.mkdir()
    shutil.copy(configs / 'one.py', config)
    several = collection.build({'name': 'all', 'size': 'smoke', 'experiments': [str(config)]})
    course = collection._Course(several, tmp_path, console, collection.Options(), ' '.join)
    course.carry_out()
    assert console.file.getvalue() == '[1/1] b]: finished before\n'


def test_any_folders_can_be_looked_over(capsys, configs, tmp_path):
    for name in ('one', 'two'):
        code, *_ = call(
            capsys, f'--config={configs / name}.py', f'--workdir={tmp_path / "there" / name}'
        )
        assert code == 0
    code, out, _ = call(capsys, f'--overview={tmp_path / "there"}')
    assert code == 0
    assert '2 claims of 2 experiments' in out
    assert (
        'href="../two/report.html"'
        in (tmp_path / 'there' / 'overview' / 'overview.html').read_text()
    )
    target = tmp_path / 'else[/b]where'  # rich takes brackets for markup
    code, out, _ = call(capsys, f'--overview={tmp_path / "there" / "one"}', f'--workdir={target}')
    assert code == 0
    assert f'overview: {target}' in out
    assert 'there/one/report.html' in (target / 'overview.html').read_text()
    (tmp_path / 'file').touch()
    for taken in ('file', 'file/below'):
        found = [f'--overview={tmp_path / "there"}', f'--workdir={tmp_path / taken}']
        code, _, err = call(capsys, *found)
        assert (code, 'cannot be made a folder' in err) == (2, True)
    (tmp_path / 'there' / 'two' / 'claims.json').write_text('[]')
    call(capsys, f'--overview={tmp_path / "there"}')
    page = (tmp_path / 'there' / 'overview' / 'overview.html').read_text()
    assert 'of an earlier version' in page
    assert page.count('<tr class=') == 1


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (['--overview=nowhere'], 'no folder nowhere'),
        (['--overview=configs,'], '--overview: a folder has no name'),
        (['--overview='], '--overview: a folder has no name'),
        (['--overview=configs'], 'no finished experiment found in configs'),
        (['--config={}/several.py', '--config.seeds=3'], 'seeds'),
        (['--config={}/several.py', '--config.experiments=()'], 'experiments: there are none'),
        (
            ['--config={0}/several.py', "--config.experiments=('a.py','a.py')"],
            "'a.py' is named twice",
        ),
        (['--config={}/one.py', "--config.experiments=('a.py',)"], 'experiments'),
        (
            ['--config=configs/all.py:smoke', '--config.seeds=5'],
            "config.seeds: configs/all.py has no key 'seeds'; did you mean 'first_seed'? "
            '(valid: experiments, first_seed, name, size)',
        ),
        (['--config={}/one.py', '--config.tweaks.foo=1'], "no tweak 'foo' is registered; one of"),
        (['--overview=configs', '--dry_run'], '--dry_run: --overview does not read it'),
    ],
)
def test_a_mistake_is_one_line(capsys, configs, tmp_path, args, words):
    args = [arg.format(configs) for arg in args]
    code, _, err = call(capsys, *args, f'--workdir={tmp_path / "w"}')
    assert code == 2
    assert err.count('\n') == 1
    assert words in err
    assert not (tmp_path / 'w').exists()


def test_all_takes_a_broken_config_along_and_passes_over_what_is_none(configs, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    (configs / 'broken.py').write_text('x = = 3')
    (configs / 'helper.py').write_text('x = 3')
    (configs / '.#one.py').symlink_to('somebody@somewhere')
    shutil.copy(ROOT / 'configs' / 'all.py', configs)
    found = collection.config_file.load(configs / 'all.py', 'smoke')['experiments']
    assert [pathlib.Path(path).stem for path in found] == ['broken', 'one', 'several', 'two']
