"""A config file to start from: `jaxtweaks --new=NAME`."""

import os
import re
from pathlib import Path

from jaxtweaks.base import atomic
from jaxtweaks.base.errors import UserError
from jaxtweaks.config.config_file import NAME

# Everything a config has, once: a question, data, a network, a sweep, a figure, a claim. The data
# are embedded and the network is small, so that it runs anywhere, as it stands.
_TEMPLATE = '''"""Does dropout lower the test loss of a small network?

    jaxtweaks --config={path}

Two hidden layers on scikit-learn's digits, at three rates of dropout.
"""

import jaxtweaks as jt

RATE = 'dropout.hidden'


def get_config(size=None):
    """The experiment; `size` is what stands after the colon: smoke, quick or paper."""
    config = jt.default_config({name!r})
    config.size = size or 'quick'
    config.question = 'Does dropout lower the test loss of a small network?'
    config.document = 'my own'
    config.seeds = {{'smoke': 2, 'paper': 10}}.get(size, 5)

    # The keys, what they are for and may be: jaxtweaks/config/settings.py; those above, of the
    # experiment: jaxtweaks/lab/experiment.py; those of parts, as adam.b1: jaxtweaks --parts.
    config.data.name = 'digits'  # or cifar10, mnist, tfds:NAME, folder:PATH
    config.data.train_size, config.data.validation_size, config.data.test_size = 1_000, 400, 360
    config.model.name, config.model.hidden = 'mlp', (64, 64)
    config.optim.name, config.optim.learning_rate = 'adam', 1e-3
    config.train.batch_size, config.train.epochs = 50, 20
    if size == 'smoke':  # a try of seconds
        config.data.train_size, config.model.hidden, config.train.epochs = 200, (16,), 2
        config.train.train_eval_size = 100

    # What varies: jt.grid, jt.points, jt.log_uniform; put together by jt.product, jt.zipped,
    # jt.union.
    config.sweep = jt.grid(RATE, 0.0, 0.25, 0.5)

    # What is drawn: jaxtweaks/figures/figure_spec.py.
    config.figures = (
        {{
            'name': 'by_rate',
            'kind': 'effect',
            'title': 'Test loss and generalisation gap against the rate of dropout',
            'metrics': ('test_loss', 'gap_loss'),
            'x': RATE,
        }},
    )

    # What is tested over the seeds: jaxtweaks/claims/claim.py.
    config.claims = (
        {{
            'sentence': 'Dropping a quarter of the units lowers the test loss.',
            'source': 'my guess',
            'kind': 'less',
            'metric': 'test_loss',
            'a': {{RATE: 0.25}},
            'b': {{RATE: 0.0}},
        }},
    )
    return config
'''


def text(name: str, path: Path) -> str:
    """The config file of an experiment of this name, as it lies at `path`."""
    return _TEMPLATE.format(name=name, path=path)


def write(name: str, folder: Path) -> Path:
    """Writes a config file that runs as it stands into a folder, and returns its path.

    Raises:
      UserError: the name is not allowed, there is no such folder, or such a file already.
    """
    if not re.fullmatch(NAME, name):
        raise UserError(f'--new: {name!r} is not allowed; it must be letters, digits, - and _')
    if not folder.is_dir():
        raise UserError(f'--new: there is no folder {folder} here; make one, or go to where it is')
    path = folder / f'{name}.py'
    if os.path.lexists(path):
        raise UserError(f'--new: {path} is there already; choose another name')
    atomic.write_text(path, text(name, path))
    return path
