"""A config to start from is written, runs as it stands, and replaces nothing."""

import pathlib

import numpy as np
import pytest

import jaxtweaks as jt
from jaxtweaks import app, data
from jaxtweaks.config import config_file
from jaxtweaks.lab import experiment, new_config


@pytest.fixture
def configs(tmp_path, monkeypatch):
    """An empty folder configs/, next to which the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'configs').mkdir()
    return pathlib.Path('configs')


def test_what_is_written_answers_its_question_at_smoke(configs, capsys):
    assert app.main(['main.py', '--new=my-own_2']) == 0
    assert 'main.py --config=configs/my-own_2.py:smoke' in capsys.readouterr().out
    answer = jt.run('configs/my-own_2.py:smoke', quiet=True)
    assert answer.experiment.name == 'my-own_2'
    assert np.isfinite(answer.results.final('test_loss')).all()
    assert len(answer.verdicts) == 1
    assert (answer.folder / 'figures' / 'by_rate.png').is_file()


@pytest.mark.parametrize('size', [None, *experiment.SIZES])
def test_it_is_a_plan_at_every_size(configs, size):
    path = new_config.write('x', configs)
    found = experiment.build(config_file.load(path, size))
    assert found.size == (size or 'quick')
    assert found.question.endswith('?')
    assert (len(found.points), len(found.figures), len(found.claims)) == (3, 1, 1)
    assert len(data.load(found.base.data, print).training.images) == found.base.data.train_size


def test_an_unknown_size_is_named(configs):
    path = new_config.write('x', configs)
    with pytest.raises(jt.UserError, match="size: 'smok' is not allowed; did you mean 'smoke'"):
        experiment.build(config_file.load(path, 'smok'))


def test_what_is_there_is_not_overwritten(configs, capsys):
    (configs / 'mine.py').write_text('my work')
    (configs / 'gone.py').symlink_to('nowhere.py')
    for name in ('mine', 'gone'):
        assert app.main(['main.py', f'--new={name}']) == 2
        assert 'is there already; choose another name' in capsys.readouterr().err
    assert (configs / 'mine.py').read_text() == 'my work'
    assert (configs / 'gone.py').is_symlink()


@pytest.mark.parametrize('name', ['', 'configs/x', 'x.py', '../x', '-x', "x'"])
def test_a_name_that_is_none_is_refused(configs, capsys, name):
    assert app.main(['main.py', f'--new={name}']) == 2
    assert 'it must be letters, digits, - and _' in capsys.readouterr().err
    assert not list(configs.iterdir())


def test_without_a_folder_configs_it_is_written_here(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert app.main(['jaxtweaks', '--new=x']) == 0
    assert 'wrote x.py; try it: jaxtweaks --config=x.py:smoke' in capsys.readouterr().out
    assert '    jaxtweaks --config=x.py\n' in (tmp_path / 'x.py').read_text()


def test_nothing_else_is_read(configs, capsys):
    assert app.main(['main.py', '--new=x', '--quiet']) == 2
    assert '--quiet: --new does not read it' in capsys.readouterr().err
    assert not list(configs.iterdir())
