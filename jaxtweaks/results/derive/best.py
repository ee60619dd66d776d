"""`best`: besides the settings of the sweep, the one that is best, seed by seed.

Best on validation, or with `best.by = 'train_loss'` of the lowest loss on the training set.

The field 'best.setting' comes: 'each' for the settings there are, 'best' for the new one. With
`best.within` there is a new one for each value of the fields named there, chosen from the settings
that have it. With `best.choices` there is one for each choice, called by its name, which is made
among the settings that meet its conditions. A new one has the values that all settings it is chosen
from share; other swept fields have no value, since each seed chooses its own.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config import measured
from jaxtweaks.config.expand import Point
from jaxtweaks.config.fields import Rule, plain, required
from jaxtweaks.config.settings import Setting
from jaxtweaks.results.derive.derivation import Derivation, Selected, derivation
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results, without_runs

FIELD, EACH = 'best.setting', 'each'


@dataclasses.dataclass(frozen=True)
class Choice:
    """Settings among which one is chosen."""

    name: str = required('what the chosen setting is called')
    where: dict[str, Any] = dataclasses.field(
        default_factory=dict,
        metadata={'rule': Rule('plain', 'conditions of the settings it is chosen from')},
    )


@derivation('best')
class Best(Derivation):
    """Adds what each seed would have chosen."""

    choices: tuple[Choice, ...] = plain((), 'the choices that are made; () for one among all')
    within: tuple[str, ...] = plain((), 'swept fields for each of whose values a best is chosen')
    by: str = plain(
        'validation',
        'what is best: the highest accuracy on validation (without accuracy, the first metric of '
        'the loss), or the lowest loss on the training set',
        choices=('validation', 'train_loss'),
    )

    def points(self, points: Sequence[Point], base: Setting) -> list[Point]:
        """Each setting, and the best of each choice. Raises UserError if there is none."""
        found = [point | {FIELD: EACH} for point in points]
        for name, among in self._made(points):
            first, *others = (points[k] for k in among)
            shared = {
                field: value if all(other.get(field) == value for other in others) else None
                for field, value in first.items()
            }
            # Of a choice among all, as of settings drawn at random, no value is reported.
            all_of_them = not (self.choices or self.within)
            found.append((dict.fromkeys(first) if all_of_them else shared) | {FIELD: name})
        return found

    def _made(self, points: Sequence[Point]) -> list[tuple[str, list[int]]]:
        """Of each choice its name and the settings it is made among. Raises UserError."""
        if self.choices and self.within:
            raise UserError('best.within: has no effect on best.choices; set only one of them')
        if not self.choices:
            return [('best', among) for among in self._by_value(points)]
        names = [EACH, *(choice.name for choice in self.choices)]
        if twice := next((name for name in names if names.count(name) > 1), ''):
            raise UserError(f'best.choices: {twice!r} is the name of two settings; choose another')
        known, found = without_runs(points), []
        for choice in self.choices:
            if wrong := known.unmet(choice.where):
                raise UserError(f'best.choices: {choice.name!r}: {wrong}')
            found.append((choice.name, known.select(choice.where)))
        return found

    def _by_value(self, points: Sequence[Point]) -> list[list[int]]:
        """The settings that a best is chosen from, by the values of `within`, in their order."""
        found: dict[tuple, list[int]] = {}
        for name in self.within:
            if not all(name in point for point in points):
                swept = dict.fromkeys(name for point in points for name in point)
                raise UserError(f"best.within: '{name}' is not swept; {did_you_mean(name, swept)}")
        for k, point in enumerate(points):
            found.setdefault(tuple(point[name] for name in self.within), []).append(k)
        return list(found.values())

    def selected(self, points: Sequence[Point], base: Setting) -> list[Selected | None]:
        """The best of each choice, unless there is nothing to choose from."""
        on = 'train' if self.by == 'train_loss' else 'validation'
        numbers = [len(among) for _, among in self._made(points)]
        return [None] * len(points) + [Selected(on, n) if n > 1 else None for n in numbers]

    def recorded(self, recorded: Recorded, base: Setting) -> Recorded:
        """The same as before."""
        return recorded

    def results(self, results: Results, base: Setting) -> Results:
        """With each seed's run that is best by `by`; the first of equals.

        If all runs of a seed diverged, the best did as well.
        """
        if self.by == 'train_loss':
            score = -results.final('train_loss')
        else:
            usual = measured.usual(base)
            score = usual.sign * results.final(usual.on('validation'))
        score = np.where(results.diverged, np.nan, score)
        score = np.where(np.isfinite(score), score, -np.inf)
        among = [np.array(ks) for _, ks in self._made(results.settings)]
        chosen = np.stack([ks[score[ks].argmax(axis=0)] for ks in among])  # [bests, seeds]
        seeds = np.arange(len(results.seeds))

        def with_best(values: np.ndarray) -> np.ndarray:
            return np.concatenate([values, values[chosen, seeds]])

        return dataclasses.replace(
            results,
            settings=tuple(self.points(results.settings, base)),
            curves={name: with_best(values) for name, values in results.curves.items()},
            finals={name: with_best(values) for name, values in results.finals.items()},
            confusion=with_best(results.confusion),
            chosen_epoch=with_best(results.chosen_epoch),
            diverged_at=with_best(results.diverged_at),
            arrays={name: with_best(values) for name, values in results.arrays.items()},
        )
