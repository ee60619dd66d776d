"""What do all the documents' claims come to? Every experiment here, and an overview of them.

    python main.py --config=configs/all.py:quick
    python main.py --config=configs/all.py:quick --dry_run     what would be done, and how long

Each experiment has its own folder in `runs/` (or --workdir), where the same command again goes on;
those that are finished are left alone. One that fails does not stop the rest; it is named at the
end. `runs/overview-<size>/overview.html` lists every claim with its verdict.

The short ones come first, by what their docstrings say they took at `quick` on two CPU cores; those
that do not say it come last, by name.
"""

import os
from pathlib import Path

from ml_collections import ConfigDict

from configs import common
from jaxtweaks.config import config_file
from jaxtweaks.config.config_time import measured

HERE = Path(__file__).parent
NOT_EXPERIMENTS = ('all', 'common')


def get_config(size=None):
    """See the module's docstring."""
    names = {path.stem for path in config_file.in_folder(HERE)} - set(NOT_EXPERIMENTS)
    ordered = sorted(names, key=lambda name: (_seconds(name), name))
    paths = tuple(os.path.relpath(HERE / f'{name}.py') for name in ordered)
    return ConfigDict({'name': 'all', 'size': common.size_of(size), 'experiments': paths})


def _seconds(name: str) -> float:
    """What an experiment took at `quick`, as its docstring says."""
    found = measured(HERE / f'{name}.py')
    return found.seconds if found and found.size in ('quick', 'any') else float('inf')
