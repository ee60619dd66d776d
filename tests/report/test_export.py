"""Rows and event files hold what was measured."""

import contextlib
import dataclasses
import pathlib
import sqlite3
import sys
import types

import numpy as np
import pyarrow.parquet as pq
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.expand import expand, grid
from jaxtweaks.config.settings import Setting
from jaxtweaks.report import export
from jaxtweaks.results.results import without_runs
from jaxtweaks.run.plan import all_runs

RUNS = all_runs(Setting(), expand(grid('dropout.hidden', 0.1, 0.5)), range(2))
CURVES = {'validation_loss': np.array([[[3.0, 2.0], [4.0, np.nan]], [[5.0, 1.0], [6.0, 0.5]]])}
# The second run diverged, the last was not carried out.
RESULTS = dataclasses.replace(
    without_runs([{'dropout.hidden': rate} for rate in (0.1, 0.5)]),
    seeds=np.arange(2),
    curves={'validation_loss': np.array([[[3.0, 2.0], [4.0, np.nan]], [[5.0, 1.0], [np.nan] * 2]])},
    finals={
        'validation_loss': np.array([[2.0, np.nan], [1.0, np.nan]]),
        'test_loss': np.array([[2.5, np.nan], [0.75, np.nan]]),
    },
    chosen_epoch=np.array([[1, 1], [2, 0]]),
    diverged_at=np.array([[-1, 7], [-1, -1]]),
)


def of_finals(finals, **others):
    """Results of these metrics, of which no epoch was chosen and no run diverged."""
    shape = next(iter(finals.values())).shape if finals else (2, 2)
    none = np.zeros(shape, int)
    settings = without_runs([{}] * shape[0])
    ended = {'chosen_epoch': none, 'diverged_at': none - 1}
    return dataclasses.replace(
        settings, seeds=np.arange(shape[1]), finals=finals, **ended, **others
    )


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


@pytest.mark.parametrize(
    ('values', 'cells'),
    [
        (('a', 1), ['a', '1']),
        ((True, 0.5), ['True', '0.5']),
        ((0.5, True), ['0.5', 'True']),
        (((1,), 2), ['(1,)', '2']),
        ((None, 1, 'a'), [None, '1', 'a']),
        ((2**64, 1), [str(2**64), '1']),
        ((1, 0.5), [1.0, 0.5]),
        ((True, False), [True, False]),
        (((1, 2), None), ['(1, 2)', None]),
    ],
)
def test_values_of_mixed_types_are_text(tmp_path, values, cells):
    runs = [dataclasses.replace(RUNS[0], point={'field': value}) for value in values]
    nothing = np.zeros((len(values), 1, 1))
    tables = (
        export.epoch_rows(runs, {'loss': nothing}),
        export.run_rows(runs, of_finals({'loss': nothing[..., 0]})),
        export.setting_rows([run.point for run in runs], np.arange(1), {'loss': nothing[..., 0]}),
    )
    for table in tables:
        export.write_parquet(tmp_path / 'it.parquet', table)
        assert pq.read_table(tmp_path / 'it.parquet')['field'].to_pylist() == cells


def test_a_row_for_each_run_has_nulls_for_what_is_not():
    rows = export.run_rows(RUNS, RESULTS)
    ended = ('validation_loss', 'test_loss', 'chosen_epoch', 'diverged_at')
    assert [tuple(row[name] for name in ended) for row in rows.to_pylist()] == [
        (2.0, 2.5, 1, -1),
        (None, None, None, 7),  # diverged
        (1.0, 0.75, 2, -1),
        (None, None, None, None),  # not carried out
    ]


def test_a_run_of_which_no_epoch_was_chosen_has_no_number_of_one():
    """As of a study, which has no epochs, or if the score on validation was never a number."""
    rows = export.run_rows(RUNS, of_finals({'parameters': np.full((2, 2), 9.0)}))
    assert rows['chosen_epoch'].to_pylist() == [None] * 4
    assert rows['chosen_epoch'].type == 'int64'
    assert rows['diverged_at'].to_pylist() == [-1] * 4
    found = dataclasses.replace(RESULTS, chosen_epoch=np.zeros((2, 2), int))
    assert 'chosen_epoch' not in export._at_end(found, 0)


def test_a_run_of_a_study_with_curves_alone_was_carried_out():
    found = of_finals({}, curves=CURVES)
    assert export.run_rows(RUNS, found)['diverged_at'].to_pylist() == [-1] * 4


def test_a_csv_has_every_digit_and_empty_cells(tmp_path):
    export.write_csv(
        tmp_path / 'epochs.csv', export.epoch_rows(RUNS, {'x': CURVES['validation_loss'] / 3})
    )
    lines = (tmp_path / 'epochs.csv').read_text().splitlines()
    assert lines[0] == '"run","dropout.hidden","seed","epoch","x"'
    assert lines[1] == f'"{RUNS[0].id}",0.1,0,1,1'
    assert float(lines[2].rpartition(',')[2]) == 2 / 3
    assert lines[4].endswith(',2,')


def test_a_folder_of_many_swept_fields_has_a_name_that_file_systems_take(tmp_path):
    point = {f'section.a_field_with_a_long_name_{i}': 0.1234567890123 for i in range(8)}
    runs = [dataclasses.replace(run, point=point | {'é': 'ü' * 90}) for run in RUNS[:2]]
    names = {export._named(run) for run in runs}
    assert len(names) == 2
    for name in names:
        (tmp_path / name).mkdir()


def test_what_was_written_before_is_known(tmp_path):
    assert export.written_before(tmp_path) == []
    (tmp_path / 'figures').mkdir()
    for name in ('runs.csv', 'tables.tex', 'figures/it.pdf'):
        (tmp_path / name).write_text('')
    assert export.written_before(tmp_path) == ['csv', 'pdf', 'latex']


def test_what_cannot_be_written_is_refused(monkeypatch):
    export.check(['csv', 'pdf', 'latex'])
    with pytest.raises(UserError, match=r"--export: unknown kind 'cvs'; did you mean 'csv'"):
        export.check(['cvs'])
    monkeypatch.setattr(export.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(UserError, match='tensorboardX is not installed'):
        export.check(['tensorboard'])
    with pytest.raises(UserError, match=r"wandb is not installed; pip install -e '.\[wandb\]'"):
        export.check(['wandb'])
    with pytest.raises(UserError, match=r"mlflow is not installed; pip install -e '.\[mlflow\]'"):
        export.check(['mlflow'])


def test_a_folder_of_data_is_no_module(tmp_path, monkeypatch):
    """Else a folder wandb/ next to the user would be taken for the package."""
    (tmp_path / 'no_such_package').mkdir()
    (tmp_path / 'wandb').mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(export._MODULES, 'wandb', ('no_such_package',))
    with pytest.raises(UserError, match='no_such_package is not installed'):
        export.check(['wandb'])
    assert export.written_before(tmp_path) == []


def test_the_end_of_a_run_is_that_of_the_chosen_epoch():
    assert export._at_end(RESULTS, 0) == {
        'final/validation_loss': 2.0,
        'final/test_loss': 2.5,
        'chosen_epoch': 1.0,
    }
    assert export._at_end(RESULTS, 1) == {'diverged_at': 7.0}
    assert export._by_epoch(RESULTS, 2)['validation_loss'].tolist() == [5.0, 1.0]


def test_what_is_written_for_tensorboard(tmp_path, monkeypatch):
    """Whether it is installed or not."""
    written = {}

    class Writer(contextlib.nullcontext):
        def __init__(self, folder):
            super().__init__(self)
            self.scalars = written.setdefault(pathlib.Path(folder).name, [])

        def add_scalar(self, *scalar):
            self.scalars.append(scalar)

    monkeypatch.setitem(sys.modules, 'tensorboardX', types.SimpleNamespace(SummaryWriter=Writer))
    export.write_tensorboard(tmp_path / 'tensorboard', RUNS, CURVES)
    curves = [[(3.0, 1), (2.0, 2)], [(4.0, 1)], [(5.0, 1), (1.0, 2)], [(6.0, 1), (0.5, 2)]]
    assert written == {
        export._named(run): [('validation_loss', *scalar) for scalar in curve]
        for run, curve in zip(RUNS, curves, strict=True)
    }


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


def test_a_run_that_was_not_carried_out_has_no_event_file(tmp_path):
    pytest.importorskip('tensorboardX', reason='the extra tensorboard is not installed')
    export.write_tensorboard(tmp_path, RUNS, RESULTS.curves)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(export._named(run) for run in RUNS[:3])


def test_event_files_stay_as_they_were_if_new_ones_cannot_be_written(tmp_path, monkeypatch):
    tensorboardX = pytest.importorskip('tensorboardX')
    folder = tmp_path / 'tensorboard'
    export.write_tensorboard(folder, RUNS, CURVES)
    (folder / 'mine').mkdir()
    content = lambda: {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
    before, written = content(), []
    add_scalar = tensorboardX.SummaryWriter.add_scalar

    def full(*args):
        written.append(args)
        if len(written) == 5:  # in the third of four runs
            raise OSError(28, 'No space left on device')
        return add_scalar(*args)

    monkeypatch.setattr(tensorboardX.SummaryWriter, 'add_scalar', full)
    with pytest.raises(OSError, match='No space'):
        export.write_tensorboard(folder, RUNS, CURVES)
    assert content() == before
    assert [path.name for path in tmp_path.iterdir()] == ['tensorboard']
    assert (folder / 'mine').is_dir()


def test_wandb_has_an_offline_run_for_each_run(tmp_path, monkeypatch):
    pytest.importorskip('wandb', reason='the extra wandb is not installed')
    for name in ('HTTP_PROXY', 'HTTPS_PROXY'):  # nothing is sent: there is nobody to send it to
        monkeypatch.setenv(name, 'http://127.0.0.1:9')
    monkeypatch.setenv('WANDB_ERROR_REPORTING', 'false')
    folder = tmp_path / 'wandb'
    names = []
    for _ in range(2):
        export.write_wandb(folder, 'tiny', RUNS, RESULTS)
        # Not the one that was not carried out.
        assert [run.name[-len(RUNS[0].id) :] for run in sorted(folder.iterdir())] == [
            run.id for run in RUNS[:3]
        ]
        (record,) = min(folder.iterdir()).glob('wandb/offline-run-*/run-*.wandb')
        names.append(record.name)
    content = record.read_bytes()
    assert all(name.encode() in content for name in CURVES)
    assert all(name in content for name in (b'tiny', b'final/test_loss', b'chosen_epoch'))
    assert names[0] == names[1]  # the same run for who has taken it before


def test_mlflow_has_a_run_for_each_run_however_often_it_is_written(tmp_path, monkeypatch):
    for module in ('mlflow', 'sqlalchemy', 'alembic'):
        pytest.importorskip(module, reason='the extra mlflow is not installed')
    for name in ('HTTP_PROXY', 'HTTPS_PROXY'):  # nothing is sent: there is nobody to send it to
        monkeypatch.setenv(name, 'http://127.0.0.1:9')
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'mlflow.db'
    for _ in range(2):
        export.write_mlflow(path, 'tiny', RUNS, RESULTS)
    assert [one.name for one in tmp_path.iterdir()] == ['mlflow.db']
    with contextlib.closing(sqlite3.connect(path)) as base:
        rows = base.execute('SELECT run_uuid, name, status FROM runs').fetchall()
        of = lambda table, columns, run: sorted(
            base.execute(f'SELECT {columns} FROM {table} WHERE run_uuid = ?', [run]).fetchall()
        )
        by_id = {dict(of('tags', 'key, value', run))['jaxtweaks.run']: run for run, _, _ in rows}
        assert set(by_id) == {run.id for run in RUNS[:3]}
        ended = {run: status for run, _, status in rows}
        assert [ended[by_id[run.id]] for run in RUNS[:3]] == ['FINISHED', 'FAILED', 'FINISHED']
        assert of('params', 'key, value', by_id[RUNS[1].id]) == [
            ('dropout.hidden', '0.1'),
            ('seed', '1'),
        ]
        metrics = lambda run: of('metrics', 'key, step, value', by_id[run.id])
        # Without what is not finite.
        assert metrics(RUNS[1]) == [('diverged_at', 2, 7.0), ('validation_loss', 1, 4.0)]
        assert metrics(RUNS[2]) == [
            ('chosen_epoch', 2, 2.0),
            ('final/test_loss', 2, 0.75),
            ('final/validation_loss', 2, 1.0),
            ('validation_loss', 1, 5.0),
            ('validation_loss', 2, 1.0),
        ]
        assert base.execute("SELECT name FROM experiments WHERE name = 'tiny'").fetchall()
