"""The command line completed in a shell, as far as that shell is here."""

import shutil
import subprocess

import pytest

from jaxtweaks import app
from jaxtweaks.lab import experiment

ASK = """
. "$1"; shift
compopt() { :; }  # there is no line being edited
for COMP_LINE in "$@"; do COMP_POINT=${#COMP_LINE}; _jaxtweaks; echo "${COMPREPLY[*]}"; done
"""
ASKED = {
    'jaxtweaks --config=bn_on': 'bn_onoff',
    'jaxtweaks --config=bn_onoff:q': 'quick',
    'jaxtweaks --config=x --config.train.ep': '--config.train.epochs=',
    'jaxtweaks --fail': '--fail_fast',
    'jaxtweaks --workd': '--workdir=',
    'jaxtweaks --sched': '--scheduler=',
    'jaxtweaks --sweep=optim.learning_r': 'optim.learning_rate=',
    'jaxtweaks --completion=z': 'zsh',
    'jaxtweaks --config=folder/my': 'folder/my.py',
}


@pytest.fixture
def scripts(tmp_path, monkeypatch, capsys):
    """A script for each shell."""
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'folder' / 'my.py').write_text('')
    monkeypatch.chdir(tmp_path)
    found = {}
    for shell in ('bash', 'zsh', 'fish'):
        assert app.main(['jaxtweaks', f'--completion={shell}']) == 0
        found[shell] = tmp_path / shell
        found[shell].write_text(capsys.readouterr().out)
    return found


def test_bash_completes_configs_sizes_flags_and_keys(scripts):
    if not shutil.which('bash'):
        pytest.skip('there is no bash')
    command = ['bash', '-c', ASK, 'bash', str(scripts['bash']), *ASKED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == list(ASKED.values())
    assert done.stderr == ''


def test_other_shells_know_the_same_words(scripts):
    for shell in ('zsh', 'fish'):
        text = scripts[shell].read_text()
        assert all(
            word in text for word in ('bn_onoff', 'config.train.epochs', 'fail_fast', 'quick')
        )
        if shutil.which(shell):
            subprocess.run([shell, '-n', str(scripts[shell])], check=True)


def test_keys_are_those_that_a_config_takes():
    fields, keys, _ = experiment.every_key()
    for key in keys:
        experiment.check_key(key)
    assert {'optim.learning_rate', 'adamw.weight_decay'} <= set(fields) <= set(keys)
    assert 'data.name' not in fields


def test_a_shell_that_is_not_known_is_named(capsys):
    assert app.main(['jaxtweaks', '--completion=tcsh']) == 2
    assert 'bash|zsh|fish' in capsys.readouterr().err
