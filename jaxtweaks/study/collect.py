"""Results on named axes from what the groups of a sweep left behind."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from jaxtweaks.data import Dataset
from jaxtweaks.study.results import Plane, Results
from jaxtweaks.sweep.plan import Run


def collect(
    runs: Sequence[Run],
    found: Iterable[dict[str, Any]],
    dataset: Dataset,
    axis: str = 'epoch',
) -> Results:
    """Puts the runs of all groups on the axes (setting, seed, epoch).

    Args:
      runs: all runs of the experiment, settings first.
      found: the results of the groups (see `sweep.group.train_group`), with 'runs', their ids.
      dataset: the data that was used.
      axis: what the curves count.

    Returns:
      Results in which a run without a result is NaN, and a run that diverged is NaN from the
      epoch it diverged in on. Arrays of different sizes are filled up with NaN.
    """
    ids = [run.id for run in runs]
    found = list(found)
    by_run = {}
    for group in found:
        for column, run_id in group['runs'].items():
            by_run[run_id] = (group, int(column))
    seeds = list(dict.fromkeys(run.seed for run in runs))
    settings = list({tuple(run.point.items()): run.point for run in runs}.values())
    classes = len(dataset.classes)
    shape = (len(settings), len(seeds))
    lengths = [len(curve) for group in found for curve in group['history'].values()]
    epochs = max(lengths, default=0)
    curves: dict[str, np.ndarray] = {}
    finals: dict[str, np.ndarray] = {}
    arrays: dict[str, np.ndarray] = {}
    confusion = np.zeros((*shape, classes, classes), np.int64)
    chosen, diverged = np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
    for i, run_id in enumerate(ids):
        place = divmod(i, len(seeds))
        if run_id not in by_run:
            continue
        group, column = by_run[run_id]
        if 'confusion' in group:
            confusion[place] = group['confusion'][column]
        chosen[place] = group['chosen_epoch'][column]
        diverged[place] = group['diverged_at'][column]
        for name, history in group['history'].items():
            curve = curves.setdefault(name, np.full((*shape, epochs), np.nan))
            curve[place][: len(history)] = history[:, column]
            if diverged[place] >= 0:
                kept = _epochs_kept(group['history']['running_loss'][:, column])
                curve[place][kept:] = np.nan
        for name, values in group['finals'].items():
            final = finals.setdefault(name, np.full(shape, np.nan))
            final[place] = values[column] if diverged[place] < 0 else np.nan
        for name, values in group.get('arrays', {}).items():
            if name not in arrays:
                arrays[name] = _room(shape, name, found)
            inside = tuple(slice(size) for size in values.shape[1:])
            if diverged[place] < 0:
                arrays[name][(*place, *inside)] = values[column]
    return Results(
        settings=tuple(settings),
        seeds=np.asarray(seeds),
        epochs=np.arange(1, epochs + 1),
        curves=curves,
        finals=finals,
        confusion=confusion,
        chosen_epoch=chosen,
        diverged_at=diverged,
        classes=dataset.classes,
        label_counts=_label_counts(dataset),
        data_label=dataset.label,
        fallback=dataset.fallback,
        arrays=arrays,
        axis=axis,
        labels={'validation': dataset.validation.labels, 'test': dataset.test.labels},
        plane=_plane(dataset),
        ids=np.array(ids).reshape(shape),
    )


def _label_counts(dataset: Dataset) -> dict[str, np.ndarray]:
    """Images of each class by split, int64 [classes] each."""
    return {
        name: np.bincount(getattr(dataset, name).labels, minlength=len(dataset.classes)).astype(
            np.int64
        )
        for name in ('training', 'validation', 'test')
    }


def _room(shape: tuple[int, int], name: str, found: Sequence[dict[str, Any]]) -> np.ndarray:
    """NaN for an array of every run [K, S, ...], as large as the largest of them."""
    given = [group['arrays'][name] for group in found if name in group.get('arrays', {})]
    sizes = np.max([array.shape[1:] for array in given], axis=0, initial=0).astype(int)
    # Logits stay float32; a count of images must not lose its last digits in it.
    kind = np.result_type(*(array.dtype for array in given), np.float32)
    return np.full((*shape, *sizes), np.nan, kind)


def _plane(dataset: Dataset) -> Plane | None:
    """The data of decision boundaries, if the inputs are pairs of numbers."""
    if dataset.grid is None or math.prod(dataset.grid.shape[1:]) != 2:
        return None
    grid, points = (
        np.asarray(inputs, np.float64).reshape(-1, 2)
        for inputs in (dataset.grid, dataset.training.images)
    )
    return Plane(grid, points, dataset.training.labels)


def _epochs_kept(running_loss: np.ndarray) -> int:
    """How many epochs a run finished before it diverged; all if only the last step ruined it.

    Args:
      running_loss: by epoch, [epochs]; a step that is not finite makes its epoch's so.
    """
    finite = np.isfinite(running_loss)
    return len(finite) if finite.all() else int(finite.argmin())
