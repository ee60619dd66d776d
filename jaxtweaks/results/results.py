"""What a sweep found, on named axes (setting, seed, epoch)."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.base.field_names import terms
from jaxtweaks.base.numbers import complements
from jaxtweaks.base.words import Names


@dataclasses.dataclass(frozen=True)
class Plane:
    """Inputs that are points of a plane, in the data's own units.

    Attributes:
      grid: where `arrays['grid_probabilities']` were taken, float64 [G, 2].
      points: the training inputs, float64 [N, 2].
      classes: of the points, int32 [N].
    """

    grid: np.ndarray
    points: np.ndarray
    classes: np.ndarray


@dataclasses.dataclass(frozen=True)
class Results:
    """The measurements of a sweep: K settings, S seeds, E epochs, C classes.

    Attributes:
      settings: for each setting the values of the swept fields, by dotted name
        (`{'train.batch_size': 8, 'model.norm': 'batch'}`), in the order of the sweep.
      seeds: integers, [S].
      epochs: 1 … E, [E].
      curves: metric name to float64 [K, S, E], at the end of each epoch; NaN where a run has
        none (it diverged, was not finished, or trained for fewer epochs).
      finals: metric name to float64 [K, S], of the parameters that were chosen; `test_loss` and
        `test_accuracy` among them. NaN where a run diverged or is missing.
      confusion: test images by (true class, predicted class), int64 [K, S, C, C].
      chosen_epoch: the epoch of the chosen parameters, int64 [K, S].
      diverged_at: the step of the first non-finite loss, −1 for none, int64 [K, S].
      classes: C names; of targets that are no classes, the names of the outputs.
      label_counts: split name ('training', 'validation', 'test') to int64 [C].
      data_label: the data used, in words; it stands in every figure and table.
      fallback: True if the data stand in for those the config asked for.
      arrays: whatever else was kept of each run, by name, [K, S, ...].
      axis: what `epochs` counts: 'epoch', or, in a study without training, something else such as
        'layer'; '' if there are no curves.
      exact: whether no seed changes a result: what was counted or derived, not sampled.
      labels: split name ('training', 'validation', 'test') to the targets of its images: classes,
        int32 [N]; or numbers, or 0 and 1, float [N, C].
      usual: what of a split says how good a network is, by the experiment's loss.
      plane: the data of a decision boundary, None if the inputs are not pairs of numbers.
      names: the config's words for 'field', 'field=value' or 'value'.
      ids: what each run is called in files and by `--replay`, [K, S]; None for what is no run.
      guesses: what a diverged run counts as in claims, see `guess`; empty to drop it there.
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
    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    axis: str = 'epoch'
    exact: bool = False
    labels: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    usual: str = 'accuracy'
    plane: Plane | None = None
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ids: np.ndarray | None = None
    guesses: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def words(self) -> Names:
        """The same words, by which no two values of a field read alike."""
        return Names(self.names, self.settings)

    @functools.cached_property
    def swept(self) -> tuple[str, ...]:
        """The dotted names of the fields that differ between settings, in order."""
        names = dict.fromkeys(name for setting in self.settings for name in setting)
        return tuple(names)

    @functools.cached_property
    def varied(self) -> tuple[str, ...]:
        """Those of the swept fields that differ between the settings there are."""
        return tuple(
            name
            for name in self.swept
            if len({str(setting.get(name)) for setting in self.settings}) > 1
        )

    def values(self, name: str) -> list[Any]:
        """The value of a swept field for each setting, [K].

        `name` may be `1-field`: the complement, for a document that has the probability to
        keep where the field is the rate to drop. Or several names joined by ` + `, where one
        field alone does not tell settings apart: their values are tuples.
        """
        term, *others = terms(name)
        if others:
            return list(zip(*(self.values(str(one)) for one in (term, *others)), strict=True))
        field = term.field
        if field not in self.swept:
            raise UserError(f"'{field}' is not swept; {did_you_mean(field, self.swept)}")
        values: list[Any] = [setting.get(field) for setting in self.settings]
        if not term.complement:
            return values
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
            raise UserError(f"'{name}': {field} is not a number; write '{field}'")
        return complements(values)

    def select(self, where: Mapping[str, Any]) -> list[int]:
        """The indices of the settings whose swept fields have the values in `where`.

        A value may be a tuple: any of its items matches. An empty `where` selects all.
        """
        chosen = list(range(len(self.settings)))
        for name, wanted in where.items():
            accepted = wanted if isinstance(wanted, tuple | list) else (wanted,)
            column = self.values(name)
            chosen = [k for k in chosen if column[k] in accepted]
        return chosen

    def unmet(self, where: Mapping[str, Any]) -> str:
        """Why no setting has the values in `where`, see `select`; '' if one has."""
        if self.select(where):
            return ''
        for name, wanted in where.items():
            if self.select({name: wanted}):
                continue
            known = list(dict.fromkeys(self.values(name)))
            if isinstance(wanted, tuple | list) and tuple(wanted) in known:
                one = tuple(wanted)
                return f'{name} = {one!r} means any of its items; for the value write ({one!r},)'
            return f'no setting has {name} = {wanted!r}; valid: {", ".join(map(repr, known))}'
        return f'no setting has all of {where}'

    def curve(self, metric: str) -> np.ndarray:
        """Values by epoch, [K, S, E]; `metrics.derived` are worked out here."""
        return _derive(self.curves, metric, 'metric by epoch')

    def final(self, metric: str) -> np.ndarray:
        """Values of the chosen parameters, [K, S]; derived as by `curve`."""
        return _derive(self.finals, metric, 'final metric')

    def first_seeds(self, n: int) -> 'Results':
        """The results of the first n seeds."""
        return self.of_seeds(slice(n))

    def of_seeds(self, places: slice) -> 'Results':
        """The results of the seeds at these places."""
        part = lambda arrays: {name: values[:, places] for name, values in arrays.items()}
        return dataclasses.replace(
            self,
            seeds=self.seeds[places],
            curves=part(self.curves),
            finals=part(self.finals),
            confusion=self.confusion[:, places],
            chosen_epoch=self.chosen_epoch[:, places],
            diverged_at=self.diverged_at[:, places],
            arrays=part(self.arrays),
            ids=None if self.ids is None else self.ids[:, places],
        )

    def runs_of(self, setting: int) -> int:
        """How many seeds a setting has: fewer than others if no open claim needed more of it."""
        return int(self.carried_out[setting].sum())

    def has(self, metric: str) -> bool:
        """Whether there is a final metric of this name, or it follows from those there are."""
        try:
            self.final(metric)
        except UserError:
            return False
        return True

    @functools.cached_property  # asked for each setting, of every curve
    def carried_out(self) -> np.ndarray:
        """Whether a run was carried out, bool [K, S]: not if no open claim needed it."""
        known = [np.isfinite(values) for values in self.finals.values()]
        known += [np.isfinite(values).any(-1) for values in self.curves.values()]
        return np.any([*known, self.diverged], axis=0)

    @property
    def trained(self) -> bool:
        """Whether networks were trained: there are epochs, and runs may have diverged."""
        return self.axis == 'epoch'

    @functools.cached_property
    def diverged(self) -> np.ndarray:
        """Whether a run met a non-finite loss, bool [K, S]."""
        return self.diverged_at >= 0


def _derive(measured: Mapping[str, np.ndarray], metric: str, what: str) -> np.ndarray:
    """A metric, or what follows from others. Raises UserError, naming the nearest."""
    if metric in measured:
        return measured[metric]
    how, parents = metrics.parents(metric)
    if not how:
        known = [*measured, *metrics.derived(measured)]
        raise UserError(f"no {what} '{metric}'; {did_you_mean(metric, known)}")
    values = [_derive(measured, name, what) for name in parents]
    if how in metrics.GAPS:
        return values[0] - values[1] if metrics.of(parents[0]).sign < 0 else values[1] - values[0]
    if how == '1-':
        return 1 - values[0]
    plain = np.asarray(values[0], float)
    return np.log10(plain, where=plain > 0, out=np.full_like(plain, np.nan))


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
