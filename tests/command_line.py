"""The command line in this process, from the checkout."""

import pathlib

import pytest

from jaxtweaks import app

ROOT = pathlib.Path(__file__).resolve().parents[1]
SMOKE = '--config=configs/clr_mlp3.py:smoke'


@pytest.fixture
def in_the_checkout(monkeypatch):
    """Paths of configs are found, and no real data are."""
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv('TFDS_DATA_DIR', raising=False)


def call(capsys, *args):
    """The exit code, stdout and stderr of a command line, without a process of its own."""
    capsys.readouterr()
    code = app.main(['main.py', *map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err
