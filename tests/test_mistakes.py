"""What a user can do wrong on the command line and in a config file is reported in one line."""

import re

import pytest
from command_line import SMOKE, call, in_the_checkout  # noqa: F401, a fixture

import jaxtweaks as jt
from jaxtweaks.lab import laboratory
from jaxtweaks.run.workdir import Workdir

pytestmark = pytest.mark.usefixtures('in_the_checkout')

# Mistakes: (arguments, words of the message).
MISTAKES = {
    'nothing': ([], ['no --config']),
    'a file that is not there': (
        ['--config=configs/bn_batchsiz.py'],
        ['no file configs/bn_batchsiz.py', "'configs/bn_batchsize.py'"],
    ),
    'no value': (['--config='], ['--config is empty']),
    'a size': (['--config=configs/clr_mlp3.py:papr'], ["'papr'", "'paper'"]),
    'a flag': ([SMOKE, '--wrkdir=x'], ['wrkdir', 'workdir']),
    'a word': ([SMOKE, 'quick'], ["'quick'", 'not a flag']),
    'a key': ([SMOKE, '--config.train.epoch=3'], ['config.train.epoch', "'epochs'"]),
    'a section': ([SMOKE, '--config.trian.epochs=3'], ["'trian'", "'train.epochs'"]),
    'an empty tuple for no key': ([SMOKE, '--config.t=()'], ['config.t', "'t'"]),
    'an empty tuple for a number': ([SMOKE, '--config.seeds=()'], ['seeds', "'()'", 'integer']),
    'a word for a number': (
        [SMOKE, '--config.seeds=many'],
        ['config.seeds', "'many'", 'integer', '≥ 1'],
    ),
    'a fraction for an integer': ([SMOKE, '--config.seeds=1.5'], ["'1.5'", 'integer']),
    'a number for a section': ([SMOKE, '--config.train=5'], ['config.train', 'set of keys']),
    'zero seeds': ([SMOKE, '--config.seeds=0'], ['seeds', '0', '≥ 1']),
    'a rate': ([SMOKE, '--config.dropout.hidden=1.5'], ['dropout.hidden', '1.5', '≤ 1']),
    'nan': ([SMOKE, '--config.optim.learning_rate=nan'], ['optim.learning_rate', 'nan']),
    'a batch': ([SMOKE, '--config.train.batch_size=513'], ['train.batch_size', '513', '≤ 512']),
    'an initialiser': ([SMOKE, '--config.init.scheme=hee'], ["'hee'", "'he'"]),
    'unread': ([SMOKE, '--config.dropout.conv=0.5'], ['dropout.conv', '0.5', 'model.name']),
    'a swept field': (
        [SMOKE, '--config.model.norm=batch'],
        ['config.model.norm: is swept', 'change the sweep', "--config.sweep=\"('grid'"],
    ),
    'unread, at its default': (
        [SMOKE, '--config.adamw.weight_decay=0.0'],
        ['adamw.weight_decay: 0.0 has no effect', "'sgd'", "'adamw'"],
    ),
    'a cycle longer than the run': (
        [SMOKE, '--config.triangular.half_cycle_epochs=3.0'],
        ['triangular.half_cycle_epochs: 3.0', 'train.epochs (2)'],
    ),
    'one image a step': ([SMOKE, '--config.train.batch_size=1'], ['train.batch_size: 1', '≥ 2']),
    'two lines': ([SMOKE, '--config.init.scheme=h\nee'], ['init.scheme', 'lecun']),
    'more data than there are': ([SMOKE, '--config.data.train_size=5000'], ['data.train_size']),
}


@pytest.mark.parametrize('case', MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_written(capsys, tmp_path, case):
    arguments, words = MISTAKES[case]
    code, _, err = call(capsys, *arguments, f'--workdir={tmp_path / "w"}')
    assert code == 2
    assert err.count('\n') == 1
    assert err.startswith('error: ')
    assert 'Traceback' not in err
    assert all(word in err for word in words), err
    assert list(tmp_path.iterdir()) == []


# What a config file holds, the line of the fault (None: the file as a whole), words.
BROKEN = {
    'syntax': ('x = = 3', 1, 'SyntaxError'),
    'import': ('\nimport nosuchmodule', 2, 'nosuchmodule'),
    'name': ('def get_config(size=None):\n    return undefined', 2, 'undefined'),
    'value': (
        'import numpy\ndef get_config(size=None):\n    numpy.ones(2).reshape(3)',
        3,
        'reshape',
    ),
    'file': ('def get_config(size=None):\n    open("/no/such")', 2, '/no/such'),
    'key': (
        'from jaxtweaks.lab.experiment import default_config\n'
        'def get_config(size=None):\n    default_config("x").trian.epochs = 3',
        3,
        'train',
    ),
    'type': (
        'from jaxtweaks.lab.experiment import default_config\n'
        'def get_config(size=None):\n    default_config("x").train.epochs = "many"',
        3,
        'epochs',
    ),
    'none': ('def get_config(size=None):\n    pass', None, 'returned None'),
    'exit': ('def get_config(size=None):\n    raise SystemExit(0)', 2, 'SystemExit: 0'),
    'no size': ('def get_config():\n    pass', None, 'get_config()'),
}


@pytest.mark.parametrize('case', BROKEN)
def test_a_broken_config_file_is_named_with_its_line(capsys, tmp_path, case):
    content, line, word = BROKEN[case]
    path = tmp_path / f'broken_{case.replace(" ", "_")}.py'
    path.write_text(content)
    code, _, err = call(capsys, f'--config={path}:smoke', f'--workdir={tmp_path / "w"}')
    assert code == 2
    assert err.count('\n') == 1
    assert 'Traceback' not in err
    assert (f'{path.name}:{line}:' if line else path.name) in err
    assert word in err
    assert not (tmp_path / 'w').exists()


def test_overrides_reach_the_experiment(monkeypatch, capsys):
    runs = []
    monkeypatch.setattr(laboratory, 'run', lambda experiment, *_, **__: runs.append(experiment))
    overrides = '--config.seeds=7', '--config.model.hidden=(3,)', '--config.claims=()'
    assert call(capsys, SMOKE, *overrides)[0] == 0
    (found,) = runs
    assert (found.seeds, found.base.model.hidden, found.claims) == (7, (3,), ())


def test_a_precision_the_device_lacks_is_refused_before_anything_is_written(capsys, tmp_path):
    folder = tmp_path / 'w'
    code, _, err = call(capsys, SMOKE, '--config.train.precision=tf32', f'--workdir={folder}')
    assert code == 2
    assert "train.precision: 'tf32' cannot be had here" in err
    assert not folder.exists()


def test_help_says_how(capsys):
    code, out, _ = call(capsys, '--help')
    assert code == 0
    assert '--config=configs/' in out
    described = re.findall(r'^  (--[\w.]+)(?:\[?=\S+)?(?:\n? +)(\w.*)$', out, re.MULTILINE)
    names = {name for name, words in described if len(words) > 8}
    assert {'--config', '--config.KEY', '--workdir', '--dry_run', '--list', '--plan_seeds'} <= names
    assert {'--overview', '--quiet', '--export', '--help'} <= names
    assert 'flagfile' not in out  # absl's own
    assert all(len(line) <= 100 for line in out.splitlines())
    assert call(capsys, '-h', SMOKE) == call(capsys, '--helpfull') == (0, out, '')
    assert 'repeat this option' not in out
    assert '<bash' not in out
    assert '=…' not in out  # every value is named
    assert '--completion=bash|zsh|fish' in out
    assert '--dry_run[=measure]' in out


def test_a_folder_s_other_runs_are_named_by_what_was_lost_of_them_and_nothing_else(tmp_path):
    """Settings that are not asked now; not the figures and claims that may be others as well."""
    claim = {'source': 'x', 'kind': 'greater', 'metric': 'test_mse', 'a': {'capacity.degree': 3}}
    config = {'name': 'x', 'size': 'smoke', 'seeds': 2, 'study': {'name': 'capacity'}}

    def ask(degrees, b, **how):
        asked = {
            'sweep': jt.grid('capacity.degree', *degrees),
            'claims': [claim | {'sentence': f'3 against {b}.', 'b': {'capacity.degree': b}}],
            'capacity': {'points': how.get('points', 10)},
            'seeds': how.get('seeds', 2),
        }
        return jt.run(config | asked, tmp_path / 'w', quiet=True)

    ask((2, 3, 4), b=2)
    with pytest.raises(jt.UserError) as refused:
        ask((3, 4, 5), b=4, seeds=3)
    said = re.search(r'another config \((.*)\); choose', str(refused.value))[1]
    assert said == 'sweep: 1 setting of 3 there not asked now, as capacity.degree=2'
    with pytest.raises(jt.UserError, match=r'\(seeds: 2 there, 1 now\)'):
        ask((2, 3, 4), b=4, seeds=1)
    with pytest.raises(jt.UserError, match=r'\(capacity\.points: 10 there, 11 now\)'):
        ask((2, 3, 4), b=4, points=11)
    # More settings, more seeds, and another claim are no other runs.
    assert len(ask((2, 3, 4, 5), b=4, seeds=3).results.settings) == 4


def test_settings_are_the_same_by_whichever_fields_they_are_swept(tmp_path):
    """What is swept now and was the config's own value is no other setting, nor the reverse."""

    def ask(seeds, sweep, points=10):
        asked = {'sweep': sweep, 'seeds': seeds, 'capacity': {'points': points}}
        config = {'name': 'x', 'size': 'smoke', 'study': {'name': 'capacity'}} | asked
        return jt.run(config, tmp_path / 'w', quiet=True)

    degrees = jt.grid('capacity.degree', 2, 3)
    ask(2, degrees)
    both = jt.product(degrees, jt.grid('capacity.points', 10, 11))
    with pytest.raises(jt.UserError, match=r'\(seeds: 2 there, 1 now\)'):
        ask(1, both, points=12)  # which no setting has
    with pytest.raises(jt.UserError, match=r'\(capacity\.points: 10 there, 12 now\)'):
        ask(2, degrees, points=12)
    two = jt.product(degrees, jt.grid('capacity.points', 11, 12))
    with pytest.raises(jt.UserError, match='sweep: 2 settings of 2 there not asked now, as capac'):
        ask(2, two)
    assert len(ask(2, both, points=12).results.settings) == 4


def test_a_folder_whose_sweep_has_a_field_that_is_gone_is_refused_as_any_other(tmp_path):
    """One of a part that is registered no more."""
    config = {'name': 'x', 'size': 'smoke', 'seeds': 1, 'study': {'name': 'capacity'}}
    jt.run(config | {'sweep': jt.grid('capacity.degree', 2, 3)}, tmp_path / 'w', quiet=True)
    folder = Workdir(tmp_path / 'w')
    kept = folder.read_json('config.json')
    folder.write_json('config.json', kept | {'sweep': ['grid', 'gone.by', [2, 3]]})
    with pytest.raises(jt.UserError) as refused:
        jt.run(config | {'sweep': jt.grid('capacity.degree', 4)}, tmp_path / 'w', quiet=True)
    assert 'holds runs of another config (' in str(refused.value)
    assert "'gone.by'" in str(refused.value)
    assert 'choose another --workdir' in str(refused.value)
