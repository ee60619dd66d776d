"""What do all the documents' claims come to? Every experiment here, and an overview of them.

    python main.py --config=configs/all.py:quick
    python main.py --config=configs/all.py:quick --dry_run     what would be done, and how long

Each experiment has its own folder in `runs/` (or --workdir), where the same command again goes on;
those that are finished are left alone. One that fails does not stop the rest; it is named at the
end. `runs/overview-<size>/overview.html` lists every claim with its verdict.

The short ones come first, by what they took at `quick` on two CPU cores.
"""

import os
from pathlib import Path

from ml_collections import ConfigDict

from configs import common

HERE = Path(__file__).parent
NOT_EXPERIMENTS = ('all', 'common')
# Minutes at `quick`, as the configs themselves say; those not listed here come last, by name.
MINUTES = {
    'bias_variance': 0.2,
    'gradcheck_layers': 1,
    'dropout_linear': 2,
    'gradcheck': 2,
    'early_stopping': 2,
    'stopping_rules': 2,
    'dropout_inference': 2,
    'clr_mlp9': 2,
    'capacity': 3,
    'init_sensitivity': 3,
    'bn_batchsize': 3.5,
    'bn_onoff': 4,
    'bn_placement': 4,
    'lr_size': 4,
    'dropout_rate': 4.5,
    'circles': 8,
    'init_scaled': 12,
}


def get_config(size=None):
    """See the module's docstring."""
    names = {path.stem for path in HERE.glob('*.py')} - set(NOT_EXPERIMENTS)
    ordered = sorted(names, key=lambda name: (MINUTES.get(name, float('inf')), name))
    paths = tuple(os.path.relpath(HERE / f'{name}.py') for name in ordered)
    return ConfigDict({'name': 'all', 'size': common.size_of(size), 'experiments': paths})
