"""Rows and event files hold what was measured."""

import numpy as np
import pytest

from jaxtweaks.config.settings import Setting
from jaxtweaks.sweep import export
from jaxtweaks.sweep.expand import expand, grid
from jaxtweaks.sweep.plan import all_runs

RUNS = all_runs(Setting(), expand(grid('dropout.hidden', 0.1, 0.5)), range(2))
CURVES = {'validation_loss': np.array([[[3.0, 2.0], [4.0, np.nan]], [[5.0, 1.0], [6.0, 0.5]]])}


def test_a_row_for_each_run_and_epoch():
    rows = export.epoch_rows(RUNS, CURVES).to_pylist()
    assert len(rows) == 8
    assert rows[3] == {
        'run': RUNS[1].id,
        'dropout.hidden': 0.1,
        'seed': 1,
        'epoch': 2,
        'validation_loss': None,
    }
    assert [row['validation_loss'] for row in rows[4:6]] == [5.0, 1.0]


def test_event_files_hold_the_curves(tmp_path):
    pytest.importorskip('tensorboardX', reason='the extra tensorboard is not installed')
    for _ in range(2):  # drawn again, nothing is there twice
        export.write_tensorboard(tmp_path, RUNS, CURVES)
    folders = sorted(path.name for path in tmp_path.iterdir())
    assert len(folders) == 4
    assert folders[0].startswith('dropout.hidden=0.1,seed=0-')
    for folder in folders:
        (file,) = (tmp_path / folder).iterdir()
        assert b'validation_loss' in file.read_bytes()
