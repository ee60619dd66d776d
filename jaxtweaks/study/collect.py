"""Results on named axes from what the groups of a sweep left behind."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from jaxtweaks.data import Dataset
from jaxtweaks.study.results import Results
from jaxtweaks.sweep.plan import Run


def collect(
    runs: Sequence[Run],
    found: Iterable[dict[str, Any]],
    dataset: Dataset,
) -> Results:
    """Puts the runs of all groups on the axes (setting, seed, epoch).

    Args:
      runs: all runs of the experiment, settings first.
      found: the results of the groups (see `sweep.group.train_group`), with 'runs', their ids.
      dataset: the data that was used.

    Returns:
      Results in which a run without a result is NaN, and a run that diverged is NaN from the
      epoch it diverged in on.
    """
    ids = [run.id for run in runs]
    by_run = {}
    for group in found:
        for column, run_id in group['runs'].items():
            by_run[run_id] = (group, int(column))
    seeds = list(dict.fromkeys(run.seed for run in runs))
    settings = list({tuple(run.point.items()): run.point for run in runs}.values())
    epochs = max(run.setting.train.epochs for run in runs)
    classes = len(dataset.classes)
    shape = (len(settings), len(seeds))
    curves: dict[str, np.ndarray] = {}
    finals: dict[str, np.ndarray] = {}
    confusion = np.zeros((*shape, classes, classes), np.int64)
    chosen, diverged = np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
    for i, run_id in enumerate(ids):
        place = divmod(i, len(seeds))
        if run_id not in by_run:
            continue
        group, column = by_run[run_id]
        confusion[place] = group['confusion'][column]
        chosen[place] = group['chosen_epoch'][column]
        diverged[place] = group['diverged_at'][column]
        kept = _epochs_kept(diverged[place], group['history']['running_loss'][:, column])
        for name, history in group['history'].items():
            curve = curves.setdefault(name, np.full((*shape, epochs), np.nan))
            curve[place][: len(history)] = history[:, column]
            curve[place][kept:] = np.nan
        for name, values in group['finals'].items():
            final = finals.setdefault(name, np.full(shape, np.nan))
            final[place] = values[column] if diverged[place] < 0 else np.nan
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
        label_counts={
            name: np.bincount(split.labels, minlength=classes).astype(np.int64)
            for name, split in (
                ('training', dataset.training),
                ('validation', dataset.validation),
                ('test', dataset.test),
            )
        },
        data_label=dataset.label,
        fallback=dataset.fallback,
    )


def _epochs_kept(diverged_at: int, running_loss: np.ndarray) -> int:
    """How many epochs a run finished before it diverged; all if it did not.

    Args:
      diverged_at: the step, −1 for none.
      running_loss: by epoch, [epochs]; a step that is not finite makes its epoch's so.
    """
    if diverged_at < 0:
        return len(running_loss)
    return int(np.isfinite(running_loss).argmin())
