"""Do the famous claims about tweaks hold here too? Every experiment of classics/, and an overview.

    python main.py --config=configs/classics.py:quick
    python main.py --config=configs/classics.py:quick --dry_run     what would be done

As `configs/all.py` does it for the documents. The experiments are the files of the folder
`configs/classics/`; nothing is imported from it, so that this file may have its name.
"""

from pathlib import Path

from configs import common

HERE = Path(__file__).parent


def get_config(size=None):
    """See the module's docstring."""
    return common.collection('classics', size, HERE / 'classics')
