"""What the text of a config says of what it is made of."""

import pytest

from jaxtweaks.config import sources, unknown

START = 'from jaxtweaks.lab.experiment import default_config\n'
# Text of a config, and whether it is closed and can register parts.
CASES = {
    'plain': ('import math\nimport jaxtweaks as jt\njt.grid("a", 1)\n', True, False),
    'from configs': ('from configs import common\n', True, False),
    'inside': (START + 'from jaxtweaks.config.expand import grid\n', True, False),
    'a neighbour': ('import neighbour\n', True, False),
    'a neighbour that registers': ('import parts\n', True, True),
    'a part': ('import jaxtweaks as jt\n@jt.loss\ndef l(): ...\n', True, True),
    'a part by its name': ('from jaxtweaks import loss\n', True, True),
    'the package handed on': ('import jaxtweaks as jt\nf(jt)\n', True, True),
    'a room of the package': ('from jaxtweaks.config import register\n', True, True),
    'a file that is read': ('x = open("x").read()\n', False, True),
    'an array that is read': ('import numpy as np\nx = np.load("x")\n', False, True),
    'an import of a reader': ('from numpy import load as l\n', False, True),
    'random numbers': ('from numpy.random import rand\n', False, True),
    'random numbers by another name': ('import numpy.random as r\n', False, True),
    'a variable': ('import os\n', False, True),
    'an own package': ('import mine\n', False, True),
    'a neighbour that reads': ('import reads\n', False, True),
    'a mistake': ('def\n', False, True),
}


@pytest.mark.parametrize('case', CASES)
def test_what_a_config_can_do_is_seen_in_its_text(tmp_path, case):
    text, closed, registers = CASES[case]
    (tmp_path / 'neighbour.py').write_text('from math import pi\n')
    (tmp_path / 'parts.py').write_text('import jaxtweaks\njaxtweaks.optimiser\n')
    (tmp_path / 'reads.py').write_text('import time\n')
    path = tmp_path / 'x.py'
    path.write_text(text)
    found = sources.of(path)
    assert (found.closed, found.registers) == (closed, registers)
    assert path in found.files


def test_neighbours_are_among_the_sources(tmp_path):
    (tmp_path / 'a.py').write_text('import b\n')
    (tmp_path / 'b.py').write_text('import a\n')
    assert sources.of(tmp_path / 'a.py').files == (tmp_path / 'a.py', tmp_path / 'b.py')


KNOWN = ('seeds', 'lion.b1', 'adam.b1', 'optim.learning_rate', 'train.epochs', 'train.patience')


@pytest.mark.parametrize(
    ('key', 'hint'),
    [
        ('loin.b1', "unknown key 'loin'; did you mean 'lion.b1'?"),
        ('loin.b11', "unknown key 'loin'; did you mean 'lion.b1'?"),
        ('seed', "unknown key 'seed'; did you mean 'seeds'?"),
        ('epochs', "unknown key 'epochs'; did you mean 'train.epochs'?"),
        ('train.epoch', "unknown key 'epoch' in config.train; did you mean 'epochs'?"),
        (
            'train.learning_rate',
            "unknown key 'learning_rate' in config.train; did you mean 'optim.learning_rate'?",
        ),
        ('seeds.x', "unknown key 'seeds.x'; did you mean 'seeds'?"),
        ('zz', "unknown key 'zz'; valid:"),
    ],
)
def test_the_key_that_was_meant_is_named(key, hint):
    assert unknown.complaint(key, KNOWN).startswith(f'config.{key}: {hint}')


def test_of_keys_that_there_are_nothing_is_said():
    assert [unknown.complaint(key, KNOWN) for key in (*KNOWN, 'train')] == [''] * 7
