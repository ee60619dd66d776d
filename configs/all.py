"""What do all the documents' claims come to? Every experiment here, and an overview of them.

    python main.py --config=configs/all.py:quick
    python main.py --config=configs/all.py:quick --dry_run     what would be done, and how long
    python main.py --config=configs/all.py:quick --until_settled --budget=95m  adds seeds

Each experiment has its own folder in `runs/` (or --workdir), where the same command again goes on;
those that are finished are left alone. One that fails does not stop the rest; it is named at the
end. `runs/overview-<size>/overview.html` lists every claim with its verdict.

The short ones come first, by what their docstrings say they took at `quick` on two CPU cores; those
that do not say it come last, by name.
"""

from pathlib import Path

from configs import common

HERE = Path(__file__).parent
NOT_EXPERIMENTS = ('all', 'classics', 'common')


def get_config(size=None):
    """See the module's docstring."""
    return common.collection('all', size, HERE, but=NOT_EXPERIMENTS)
