"""The rows of a sweep, one per run and epoch and one per run, for other programs."""

import hashlib
import importlib.util
import io
import logging
import os
import re
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from jaxtweaks.base import atomic
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.results.results import Results
from jaxtweaks.run.plan import Run

# What is written besides Parquet, PNG, SVG and Markdown if it is asked for: rows, figures, tables,
# event files, what other programs keep of runs.
KINDS = ('csv', 'pdf', 'latex', 'tensorboard', 'wandb', 'mlflow')


def check(kinds: Iterable[str]) -> None:
    """Whether all of this can be written here. Raises UserError."""
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"--export: unknown kind '{kind}'; {did_you_mean(kind, KINDS)}")
        for module in _MODULES.get(kind, ()):
            if not _is_installed(module):
                raise UserError(
                    f"--export={kind}: {module} is not installed; pip install -e '.[{kind}]'"
                )


def written_before(folder: Path) -> list[str]:
    """The kinds that were written into a work folder before, and can be written here."""
    places = {
        'csv': 'runs.csv',
        'pdf': 'figures/*.pdf',
        'latex': 'tables.tex',
        'tensorboard': 'tensorboard',
        'wandb': 'wandb',
        'mlflow': 'mlflow.db',
    }
    found = [kind for kind, place in places.items() if next(folder.glob(place), None)]
    can = lambda kind: all(map(_is_installed, _MODULES.get(kind, ())))
    return [kind for kind in found if can(kind)]


def _is_installed(module: str) -> bool:
    """Whether a module can be imported: a folder of this name that lies here is none."""
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None


# What a kind needs that is an extra of its name.
_MODULES = {
    'tensorboard': ('tensorboardX',),
    'wandb': ('wandb',),
    'mlflow': ('mlflow', 'sqlalchemy', 'alembic'),
}


def epoch_rows(runs: list[Run], curves: dict[str, np.ndarray], axis: str = 'epoch') -> pa.Table:
    """One row per run and epoch: 'run', the swept fields, 'seed', 'epoch', the metrics.

    Args:
      runs: settings first, then seeds; K × S of them.
      curves: metric to [K, S, E]; NaN where a run has no value, which becomes a null.
      axis: what the curves run over, if not epochs.
    """
    count = next(iter(curves.values())).shape[-1] if curves else 0
    columns = {
        name: np.repeat(np.asarray(values, object), count)
        for name, values in _identity(runs).items()
    }
    columns[axis] = np.tile(np.arange(1, count + 1), len(runs))
    columns |= {name: values.reshape(-1) for name, values in curves.items()}
    return _table(columns)


def run_rows(runs: list[Run], results: Results) -> pa.Table:
    """One row per run: 'run', the swept fields, 'seed', the final metrics, how it ended.

    'chosen_epoch' is null where no epoch was chosen or the run diverged; 'diverged_at' is −1 where
    it did not, and null, as all the rest, where the run was not carried out.

    Args:
      runs: settings first, then seeds; K × S of them.
      results: of the runs; NaN of a metric becomes a null.
    """
    finals = {name: values.reshape(-1) for name, values in results.finals.items()}
    carried_out, chosen = results.carried_out, results.chosen_epoch > 0
    chosen &= carried_out & ~results.diverged
    epochs, diverged_at = results.chosen_epoch.reshape(-1), results.diverged_at.reshape(-1)
    ended = {
        'chosen_epoch': pa.array(epochs, mask=~chosen.reshape(-1)),
        'diverged_at': pa.array(diverged_at, mask=~carried_out.reshape(-1)),
    }
    return _table(_identity(runs) | finals | ended)


def setting_rows(
    settings: Sequence[Mapping[str, Any]], seeds: np.ndarray, finals: dict[str, np.ndarray]
) -> pa.Table:
    """One row per setting and seed of derived results: the fields, 'seed', the metrics.

    Args:
      settings: K of them, by field; a field may be missing from some.
      seeds: [S].
      finals: metric to [K, S]; NaN becomes a null.
    """
    fields = dict.fromkeys(name for setting in settings for name in setting)
    columns: dict[str, Any] = {
        name: _cells([setting.get(name) for setting in settings for _ in seeds]) for name in fields
    }
    columns['seed'] = np.tile(seeds, len(settings))
    return _table(columns | {name: values.reshape(-1) for name, values in finals.items()})


def write_parquet(path: Path, table: pa.Table) -> None:
    """Writes a table, whole or not at all, with checksums on its pages."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, write_page_checksum=True)
    atomic.write(path, buffer.getvalue())


def write_csv(path: Path, table: pa.Table) -> None:
    """Writes a table, whole or not at all; a null is an empty cell."""
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(table, buffer)
    atomic.write(path, buffer.getvalue())


def write_tensorboard(folder: Path, runs: list[Run], curves: dict[str, np.ndarray]) -> None:
    """Writes an event file for each run that has a value, with every metric by epoch, all or none.

    Args:
      folder: gets a folder for each run, named by its swept fields and seed.
      runs, curves: as for `epoch_rows`.

    Raises:
      ImportError: tensorboardX, an extra, is not installed.
    """
    from tensorboardX import SummaryWriter  # pyright: ignore[reportMissingImports]: an extra

    # One folder a run, the same name at each drawing: what was there is of the same run.
    with atomic.folders(folder) as new:
        for i, run in enumerate(runs):
            of_run = {metric: values.reshape(len(runs), -1)[i] for metric, values in curves.items()}
            if not any(np.isfinite(values).any() for values in of_run.values()):
                continue
            with SummaryWriter(str(new / _named(run))) as writer:
                for metric, values in of_run.items():
                    for epoch, value in enumerate(values, 1):
                        if np.isfinite(value):
                            writer.add_scalar(metric, float(value), epoch)


def write_wandb(folder: Path, project: str, runs: list[Run], results: Results) -> None:
    """Writes an offline run of Weights & Biases for each run that was carried out.

    It has every metric by epoch, and in its summary how it ended. Nothing is sent anywhere;
    `wandb sync FOLDER/RUN/wandb/offline-run-*` does that, and once more it updates the same run.
    All or none.

    Args:
      folder: gets a folder for each run, named by its swept fields and seed.
      project: the name of the project there.
      runs: as for `epoch_rows`.
      results: of these runs.

    Raises:
      ImportError: wandb, an extra, is not installed.
    """
    import wandb  # pyright: ignore[reportMissingImports]: an extra

    quiet = wandb.Settings(
        silent=True, console='off', disable_git=True, disable_code=True, x_disable_stats=True
    )
    carried_out = results.carried_out.reshape(-1)
    with atomic.folders(folder) as new:
        for i, run in enumerate(runs):
            if not carried_out[i]:
                continue
            place = new / _named(run)
            place.mkdir()
            with wandb.init(
                mode='offline',
                dir=str(place),
                project=project,
                id=hashlib.sha256(_named(run).encode()).hexdigest()[:32],
                resume='allow',
                name=_named(run),
                config={**run.point, 'seed': run.seed},
                settings=quiet,
            ) as written:
                of_run = _by_epoch(results, i)
                for epoch in range(max(map(len, of_run.values()), default=0)):
                    values = {name: float(curve[epoch]) for name, curve in of_run.items()}
                    finite = {name: value for name, value in values.items() if np.isfinite(value)}
                    written.log(finite, step=epoch + 1)
                written.summary.update(_at_end(results, i))


def write_mlflow(path: Path, project: str, runs: list[Run], results: Results) -> None:
    """Writes a database of MLflow in place of the one that was there.

    It has a run for each run that was carried out; one that diverged has failed. Swept fields and
    the seed are its parameters, curves its metrics by epoch; how it ended has the last epoch as its
    step. Nothing is sent anywhere. All or none.

    Args:
      path: of the database, for `mlflow ui --backend-store-uri sqlite:///PATH`.
      project: the name of the experiment there.
      runs: as for `epoch_rows`.
      results: of these runs.

    Raises:
      ImportError: MLflow or what its databases need, an extra, is not installed.
    """
    os.environ.setdefault('MLFLOW_DISABLE_TELEMETRY', 'true')  # read when it is imported
    from mlflow import MlflowClient  # pyright: ignore[reportMissingImports]: an extra

    logging.getLogger('mlflow').setLevel(logging.WARNING)  # else it reports how it makes its tables
    carried_out, diverged = results.carried_out.reshape(-1), results.diverged.reshape(-1)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / path.name
        client = MlflowClient(f'sqlite:///{made}')
        artifacts = path.with_suffix('.artifacts').resolve().as_uri()
        experiment = client.create_experiment(project, artifact_location=artifacts)
        for i, run in enumerate(runs):
            if carried_out[i]:
                status = 'FAILED' if diverged[i] else 'FINISHED'
                of_run = _by_epoch(results, i), _at_end(results, i)
                _log_run(client, experiment, run, *of_run, status)
        atomic.write(path, made.read_bytes())


def _log_run(
    client: Any,
    experiment: str,
    run: Run,
    curves: Mapping[str, np.ndarray],
    at_end: Mapping[str, float],
    status: str,
) -> None:
    """A run for MLflow; `curves`, `at_end`: see `_by_epoch`, `_at_end`."""
    from mlflow.entities import Metric, Param  # pyright: ignore[reportMissingImports]: an extra

    now = round(1000 * time.time())
    last = max(map(len, curves.values()), default=0)
    values = [(name, v, epoch) for name, of in curves.items() for epoch, v in enumerate(of, 1)]
    values += [(name, value, last) for name, value in at_end.items()]
    metrics = [Metric(name, float(v), now, step) for name, v, step in values if np.isfinite(v)]
    params = [Param(name, str(value)) for name, value in {**run.point, 'seed': run.seed}.items()]
    tags = {'jaxtweaks.run': run.id}
    made = client.create_run(experiment, run_name=_named(run), tags=tags, start_time=now)
    client.log_batch(made.info.run_id, params=params)
    for start in range(0, len(metrics), _MOST_AT_ONCE):
        client.log_batch(made.info.run_id, metrics=metrics[start : start + _MOST_AT_ONCE])
    client.set_terminated(made.info.run_id, status=status, end_time=now)


_MOST_AT_ONCE = 1_000  # metrics that MLflow takes at once


def _by_epoch(results: Results, place: int) -> dict[str, np.ndarray]:
    """The curves of a run, metric to [E]; `place`: among all runs, settings first."""
    every = results.carried_out.size
    return {name: np.reshape(v, (every, -1))[place] for name, v in results.curves.items()}


def _at_end(results: Results, place: int) -> dict[str, float]:
    """How a run ended, by name: `final/METRIC`, of the chosen parameters, and what else is known.

    A name of its own: a curve of the metric ends with the last epoch, which may not be chosen.
    """
    found = {f'final/{name}': v.reshape(-1)[place] for name, v in results.finals.items()}
    chosen = results.chosen_epoch.reshape(-1)[place]
    if results.diverged.reshape(-1)[place]:
        found['diverged_at'] = results.diverged_at.reshape(-1)[place]
    elif chosen > 0:
        found['chosen_epoch'] = chosen
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def _named(run: Run) -> str:
    """The name of a run's folder, the same at each drawing."""
    words = [f'{name}={value}' for name, value in run.point.items()] + [f'seed={run.seed}']
    name = re.sub(r'[^\w.=,-]+', '-', ','.join(words))
    # File systems have room for 255 bytes; the run's id tells apart what is cut off.
    return f'{name.encode()[:_LONGEST].decode(errors="ignore")}-{run.id}'


_LONGEST = 200


def _identity(runs: list[Run]) -> dict[str, Any]:
    swept = dict.fromkeys(name for run in runs for name in run.point)
    columns: dict[str, Any] = {'run': [run.id for run in runs]}
    for name in swept:
        columns[name] = _cells([run.point.get(name) for run in runs])
    return columns | {'seed': [run.seed for run in runs]}


def _cells(values: Sequence[Any]) -> list[Any]:
    """The values of a field as a column can hold them: tuples, and all if they are mixed, as text.

    None, where a setting has no value, stays so.
    """
    cells = [str(value) if isinstance(value, tuple) else value for value in values]
    if _of_one_type([cell for cell in cells if cell is not None]):
        return cells
    return [None if cell is None else str(cell) for cell in cells]


def _of_one_type(values: Sequence[Any]) -> bool:
    if len({isinstance(value, bool) for value in values}) > 1:  # after 0.5 True would become 1.0
        return False
    try:
        pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return False
    return True


def _table(columns: dict[str, Any]) -> pa.Table:
    return pa.table(
        {
            name: values if isinstance(values, pa.Array) else pa.array(values, from_pandas=True)
            for name, values in columns.items()
        }
    )
