"""Results on named axes from what the groups of a sweep left behind."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from jaxtweaks.data import Dataset
from jaxtweaks.results.results import Plane, Results
from jaxtweaks.run.plan import Run
from jaxtweaks.run.result import GroupResult


def collect(
    runs: Sequence[Run],
    found: Iterable[GroupResult],
    dataset: Dataset,
    axis: str = 'epoch',
) -> Results:
    """Puts the runs of all groups on the axes (setting, seed, epoch).

    Args:
      runs: all runs of the experiment, settings first.
      found: the results of the groups.
      dataset: the data that was used.
      axis: what the curves count.

    Returns:
      Results in which a run without a result is NaN, and a run that diverged is NaN from the
      epoch it diverged in on. Arrays of different sizes are filled up with NaN.
    """
    found = list(found)
    seeds = list(dict.fromkeys(run.seed for run in runs))
    settings = list({tuple(run.point.items()): run.point for run in runs}.values())
    table = _Table((len(settings), len(seeds)), len(dataset.classes), found)
    ids = [run.id for run in runs]
    by_run = {
        run_id: (group, column) for group in found for column, run_id in enumerate(group.runs)
    }
    # By place and not by id: points that differ only in what is off, or in where data lie, are one
    # run in two places.
    for i, run_id in enumerate(ids):
        if run_id in by_run:
            table.put(divmod(i, len(seeds)), *by_run[run_id])
    return Results(
        settings=tuple(settings),
        seeds=np.asarray(seeds),
        epochs=np.arange(1, table.epochs + 1),
        curves=table.curves,
        finals=table.finals,
        confusion=table.confusion,
        chosen_epoch=table.chosen_epoch,
        diverged_at=table.diverged_at,
        classes=dataset.classes,
        label_counts=_label_counts(dataset),
        data_label=dataset.label,
        fallback=dataset.fallback,
        arrays=table.arrays,
        axis=axis,
        labels={
            'training': dataset.training.labels,
            'validation': dataset.validation.labels,
            'test': dataset.test.labels,
        },
        plane=_plane(dataset),
        ids=np.array(ids).reshape(table.shape),
    )


class _Table:
    """The numbers of all runs by setting and seed; a run that is not put in is NaN.

    Attributes: as in `Results`; epochs: of the run that has most.
    """

    def __init__(self, shape: tuple[int, int], classes: int, found: Sequence[GroupResult]):
        lengths = [len(curve) for group in found for curve in group.history.values()]
        self.shape, self.epochs = shape, max(lengths, default=0)
        self.curves: dict[str, np.ndarray] = {}
        self.finals: dict[str, np.ndarray] = {}
        self.arrays: dict[str, np.ndarray] = {}
        self.confusion = np.zeros((*shape, classes, classes), np.int64)
        self.chosen_epoch = np.zeros(shape, np.int64)
        self.diverged_at = np.full(shape, -1, np.int64)
        self._found = found

    def put(self, place: tuple[int, int], group: GroupResult, column: int) -> None:
        """The run in this column of a group's results has this setting and seed."""
        if group.confusion is not None:
            self.confusion[place] = group.confusion[column]
        self.chosen_epoch[place] = group.chosen_epoch[column]
        self.diverged_at[place] = group.diverged_at[column]
        diverged = self.diverged_at[place] >= 0
        for name, history in group.history.items():
            if name not in self.curves:  # room for all runs is made once
                self.curves[name] = np.full((*self.shape, self.epochs), np.nan)
            curve = self.curves[name]
            curve[place][: len(history)] = history[:, column]
            if diverged:
                kept = _epochs_kept(group.history['running_loss'][:, column])
                curve[place][kept:] = np.nan
        for name, values in group.finals.items():
            if name not in self.finals:
                self.finals[name] = np.full(self.shape, np.nan)
            self.finals[name][place] = np.nan if diverged else values[column]
        for name, values in group.arrays.items():
            if name not in self.arrays:
                self.arrays[name] = _room(self.shape, name, self._found)
            inside = tuple(slice(size) for size in values.shape[1:])
            if not diverged:
                self.arrays[name][(*place, *inside)] = values[column]


def _label_counts(dataset: Dataset) -> dict[str, np.ndarray]:
    """Images of each class by split, int64 [classes] each; none where targets are no classes."""
    if dataset.targets != 'classes':
        return {}
    return {
        name: np.bincount(getattr(dataset, name).labels, minlength=len(dataset.classes)).astype(
            np.int64
        )
        for name in ('training', 'validation', 'test')
    }


def _room(shape: tuple[int, int], name: str, found: Sequence[GroupResult]) -> np.ndarray:
    """NaN for an array of every run [K, S, ...], as large as the largest of them."""
    given = [group.arrays[name] for group in found if name in group.arrays]
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
