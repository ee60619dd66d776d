"""What a sweep found, on named axes (setting, seed, epoch)."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxtweaks.errors import UserError, did_you_mean

# How a metric reads on an axis or in a sentence.
LABELS = {
    'running_loss': 'training loss (as trained, mean over the epoch)',
    'running_accuracy': 'training accuracy (as trained, mean over the epoch)',
    'train_loss': 'training loss',
    'train_accuracy': 'training accuracy',
    'validation_loss': 'validation loss',
    'validation_accuracy': 'validation accuracy',
    'test_loss': 'test loss',
    'test_accuracy': 'test accuracy',
    'gap_loss': 'generalisation gap (validation − training loss)',
    'gap_accuracy': 'generalisation gap (training − validation accuracy)',
}


@dataclasses.dataclass(frozen=True)
class Results:
    """The measurements of a sweep: K settings, S seeds, E epochs, C classes.

    Attributes:
      settings: for each setting the values of the swept fields, by dotted name
        (`{'train.batch_size': 8, 'model.batch_norm': 'before'}`), in the order of the sweep.
      seeds: integers, [S].
      epochs: 1 … E, [E].
      curves: metric name to float64 [K, S, E], at the end of each epoch; NaN where a run has
        none (it diverged, was not finished, or trained for fewer epochs).
      finals: metric name to float64 [K, S], of the parameters that were chosen; `test_loss` and
        `test_accuracy` among them. NaN where a run diverged or is missing.
      confusion: test images by (true class, predicted class), int64 [K, S, C, C].
      chosen_epoch: the epoch of the chosen parameters, int64 [K, S].
      diverged_at: the step of the first non-finite loss, −1 for none, int64 [K, S].
      classes: C names.
      label_counts: split name ('training', 'validation', 'test') to int64 [C].
      data_label: the data used, in words; it stands in every figure and table.
      fallback: True if the data stand in for those the config asked for.
    """

    settings: tuple[dict[str, Any], ...]
    seeds: np.ndarray
    epochs: np.ndarray
    curves: dict[str, np.ndarray]
    finals: dict[str, np.ndarray]
    confusion: np.ndarray
    chosen_epoch: np.ndarray
    diverged_at: np.ndarray
    classes: tuple[str, ...]
    label_counts: dict[str, np.ndarray]
    data_label: str
    fallback: bool

    @property
    def swept(self) -> tuple[str, ...]:
        """The dotted names of the fields that differ between settings, in order."""
        names = dict.fromkeys(name for setting in self.settings for name in setting)
        return tuple(names)

    def values(self, name: str) -> list[Any]:
        """The value of a swept field for each setting, [K].

        `name` may be `1-field`: the complement, for a document that gives the probability to
        keep where the field is the rate to drop.
        """
        complement = name.startswith('1-')
        field = name.removeprefix('1-')
        if field not in self.swept:
            raise UserError(f"'{field}' is not swept; {did_you_mean(field, self.swept)}")
        values = [setting.get(field) for setting in self.settings]
        if not complement:
            return values
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
            raise UserError(f"'{name}': {field} is not a number; write '{field}'")
        return [round(1 - value, 10) for value in values]

    def select(self, where: dict[str, Any]) -> list[int]:
        """The indices of the settings whose swept fields have the values in `where`.

        A value may be a tuple: any of its items matches. An empty `where` selects all.
        """
        chosen = list(range(len(self.settings)))
        for name, wanted in where.items():
            accepted = wanted if isinstance(wanted, tuple | list) else (wanted,)
            column = self.values(name)
            chosen = [k for k in chosen if column[k] in accepted]
        return chosen

    def curve(self, metric: str) -> np.ndarray:
        """Values by epoch, [K, S, E]; the generalisation gaps are derived here."""
        if metric == 'gap_loss':
            return self.curve('validation_loss') - self.curve('train_loss')
        if metric == 'gap_accuracy':
            return self.curve('train_accuracy') - self.curve('validation_accuracy')
        if metric not in self.curves:
            known = [*self.curves, 'gap_loss', 'gap_accuracy']
            raise UserError(f"no metric '{metric}' by epoch; {did_you_mean(metric, known)}")
        return self.curves[metric]

    def final(self, metric: str) -> np.ndarray:
        """Values of the chosen parameters, [K, S]."""
        if metric == 'gap_loss':
            return self.final('validation_loss') - self.final('train_loss')
        if metric == 'gap_accuracy':
            return self.final('train_accuracy') - self.final('validation_accuracy')
        if metric not in self.finals:
            known = [*self.finals, 'gap_loss', 'gap_accuracy']
            raise UserError(f"no final metric '{metric}'; {did_you_mean(metric, known)}")
        return self.finals[metric]

    @property
    def diverged(self) -> np.ndarray:
        """Whether a run met a non-finite loss, bool [K, S]."""
        return self.diverged_at >= 0


def without_runs(settings: Sequence[dict[str, Any]]) -> Results:
    """Results that know their settings and nothing else: enough to look up fields."""
    nothing = np.zeros((len(settings), 0))
    return Results(
        settings=tuple(settings),
        seeds=np.zeros(0, int),
        epochs=np.zeros(0, int),
        curves={},
        finals={},
        confusion=nothing,
        chosen_epoch=nothing,
        diverged_at=nothing,
        classes=(),
        label_counts={},
        data_label='',
        fallback=False,
    )
