"""`ensemble`: networks that predict together, as settings of their own.

The fields `train.member` and `data.fold` go; 'ensemble.kind', 'ensemble.size' (M) and
'ensemble.combine' come. The seed stays the unit: the members of one seed are its runs with
`train.member` = 0, 1, ….

members    the first M members; M = 1 is the mean over all members, each alone
top        the M best settings of the seed, among those that take snapshots if and only if the
           config's own does; what else was swept has no value then. The best are those with the
           highest validation accuracy; or, by k-fold cross-validation, with the highest mean
           accuracy on the folds, if each is also trained with `data.fold` = 1 … k
snapshots  the last M snapshots of one run, and
ema        the running average of its parameters: both as a mean over the members' runs

`test_accuracy_gain` is by how much the test accuracy of an ensemble is above the mean of its
members', each alone. Combined as 'alone', the same members are not combined: every number is the
mean of theirs, to which a claim compares the ensemble seed by seed. Runs that lack a fold only
judge settings; they are part of no ensemble.

Networks that predict together have diverged if one of them has. In a mean over runs a diverged one
counts as a guess, where guesses count and mean something, else the others are averaged.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import measured
from jaxtweaks.config.expand import Point
from jaxtweaks.config.fields import plain
from jaxtweaks.config.parts import CLASSES
from jaxtweaks.config.settings import Setting
from jaxtweaks.data.standardise import standardised_targets, target_scale
from jaxtweaks.results import guess
from jaxtweaks.results.derive.combine import (
    ALONE,
    HOW,
    OF_NUMBERS,
    combine,
    combine_labels,
    score,
    ways,
)
from jaxtweaks.results.derive.derivation import Derivation, Selected, derivation
from jaxtweaks.results.derive.settings import setting_of
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results
from jaxtweaks.train.measures import measures_of

MEMBER, FOLD = 'train.member', 'data.fold'
KINDS = ('members', 'top', 'snapshots', 'ema')
GAIN = 'test_accuracy_gain'
# Where the logits of a kind are; validation is known of whole runs only.
_LOGITS = {
    'members': ('test_logits', 'validation_logits'),
    'top': ('test_logits', 'validation_logits'),
    'snapshots': ('snapshot_test_logits',),
    'ema': ('ema_test_logits',),
}


@derivation('ensemble')
class Ensemble(Derivation):
    """Puts together what networks predict."""

    kinds: tuple[str, ...] = plain(('members',), 'of what', choices=KINDS)
    sizes: tuple[int, ...] = plain((), 'numbers of members; () for 1, 2, 4, … and all', low=1)
    combine: tuple[str, ...] = plain(
        HOW,
        'how predictions become one; of numbers by the mean or median of outputs; or each alone',
        choices=(*HOW, *OF_NUMBERS, ALONE),
    )

    def points(self, points: Sequence[Point], base: Setting) -> list[Point]:
        """What the settings become. Raises UserError if there is nothing to put together."""
        return [one.point for one in _plan(points, self, base)]

    def selected(self, points: Sequence[Point], base: Setting) -> list[Selected | None]:
        """Those of the kind 'top', unless they are made of all there are."""
        return [
            Selected('fold' if one.folds else 'validation', len(one.among), one.size)
            if one.kind == 'top' and one.size < len(one.among)
            else None
            for one in _plan(points, self, base)
        ]

    def recorded(self, recorded: Recorded, base: Setting) -> Recorded:
        """What is known of an ensemble: its curves are the mean of its members'."""
        for kind in self.kinds:
            missing = [name for name in _LOGITS[kind] if name not in recorded.arrays]
            if missing:
                raise UserError(f"derive: 'ensemble' of kind '{kind}' needs train.keep_logits")
        arrays = ('confusion',) if measured.targets_of(base) == CLASSES else ()
        return dataclasses.replace(recorded, finals=_finals(base), arrays=arrays)

    def results(self, results: Results, base: Setting) -> Results:
        """The ensembles. One with a diverged member is diverged; a mean, if every run of it is."""
        plans = _plan(results.settings, self, base)
        seeds = range(len(results.seeds))
        scored = [[_score(one, results, s, base) for s in seeds] for one in plans]
        runs = [[_runs(one, results, s, base) for s in seeds] for one in plans]

        def of_scores(name: str) -> np.ndarray:
            return np.array([[found[name] for found in row] for row in scored])

        def over_runs(values: np.ndarray, reduce: Callable[..., Any]) -> np.ndarray:
            """A number of each run [K, S, …] for each ensemble [J, S, …], by its runs.

            `reduce`: of a plan, values of its runs [R, …] and whether each diverged [R].
            """
            rows = [
                [reduce(one, values[ks, s], results.diverged[ks, s]) for s, ks in enumerate(row)]
                for one, row in zip(plans, runs, strict=True)
            ]
            return np.array(rows).reshape(len(plans), *values.shape[1:])

        def curve(name: str) -> np.ndarray:
            worth = guess.of(name, results.guesses)
            reduce = lambda one, values, lost: _mean_curve(values, lost & _is_mean(one), worth)
            return over_runs(results.curves[name], reduce)

        # −1, the least, is of a run that is left, by which a mean has a value.
        lost_at = lambda one, values, _: values.min() if _is_mean(one) else values.max()
        return dataclasses.replace(
            results,
            settings=tuple(one.point for one in plans),
            curves={name: curve(name) for name in results.curves},
            finals={name: of_scores(name) for name in _finals(base)},
            confusion=of_scores('confusion'),
            chosen_epoch=over_runs(results.chosen_epoch, lambda one, values, _: values.max()),
            diverged_at=over_runs(results.diverged_at, lost_at),
            arrays={},
        )


def _finals(base: Setting) -> tuple[str, ...]:
    """What is known of an ensemble."""
    measures = measured.measures(base)
    gain = [GAIN] if measured.targets_of(base) == CLASSES else []
    return (*(one.on(split) for split in ('test', 'validation') for one in measures), *gain)


# By the fields of a setting but for member and fold, the settings there are.
_Groups = dict[tuple, list[int]]


class _Plan(NamedTuple):
    """One setting to come.

    Attributes:
      point: what it is called.
      kind, size, combine: its fields.
      among: the settings there are that it is made of.
      folds: of each of these the settings that judge it, each lacking another fold; none for
        the other kinds, and where there are no folds.
    """

    point: Point
    kind: str
    size: int
    combine: str
    among: list[int]
    folds: list[list[int]]


def _plan(points: Sequence[Point], asked: Ensemble, base: Setting) -> list[_Plan]:
    groups, judges = _grouped(points)
    if judges and 'top' not in asked.kinds:
        raise UserError(
            f"derive: 'ensemble' reads {FOLD} only for the kind 'top'; omit it from the sweep, "
            "or add 'top' to ensemble.kinds"
        )
    plans = []
    for kind in asked.kinds:
        folds = []
        if kind == 'top':
            rivals = _rivals(points, groups, base)
            folds = _judging(points, rivals, groups, judges, base)
            made = [({name: None for name, _ in next(iter(groups))}, rivals, len(rivals))]
        else:
            made = [
                (dict(key), ks, _available(kind, points[ks[0]], ks, base))
                for key, ks in groups.items()
            ]
        if max(available for *_, available in made) < (1 if kind == 'ema' else 2):
            raise UserError(f"derive: 'ensemble' of kind '{kind}' needs {_NEEDS[kind]}")
        for rest, among, available in made:
            sizes = (1,) if kind == 'ema' else asked.sizes
            for size in _sizes(sizes, available):
                for how in ways(asked.combine, measured.targets_of(base)):
                    fields = {'kind': kind, 'size': size, 'combine': how}
                    named = {f'ensemble.{name}': value for name, value in fields.items()}
                    plans.append(_Plan(rest | named, kind, size, how, among, folds))
    if not plans:
        raise UserError(f'ensemble.sizes: {asked.sizes!r} are all more than there are to combine')
    return plans


def _grouped(points: Sequence[Point]) -> tuple[_Groups, _Groups]:
    """The members of each setting in their order, and those of its runs that lack a fold."""
    groups, judges = {}, {}
    for k, point in enumerate(points):
        key = tuple((name, value) for name, value in point.items() if name not in (MEMBER, FOLD))
        (judges if point.get(FOLD) else groups).setdefault(key, []).append(k)
    for ks in groups.values():
        ks.sort(key=lambda k: points[k].get(MEMBER, 0))
    if not groups:
        raise UserError(f"derive: 'ensemble' needs settings with {FOLD} = 0 to combine")
    return groups, judges


def _judging(
    points: Sequence[Point],
    rivals: Sequence[int],
    groups: _Groups,
    judges: _Groups,
    base: Setting,
) -> list[list[int]]:
    """Of each rival the settings that judge it; [] if validation does. Raises UserError."""
    keys = {ks[0]: key for key, ks in groups.items()}
    judged = {keys[k] for k in rivals}
    for key, ks in judges.items():
        if key not in judged:
            raise UserError(
                f"derive: 'ensemble' of kind 'top' has nothing to choose that {points[ks[0]]!r} "
                f'would judge; it needs the same setting with {FOLD} = 0'
            )
    if not judges:
        return []
    found = [judges.get(keys[k], []) for k in rivals]
    for k, ks in zip(rivals, found, strict=True):
        folds = setting_of(points[k], base).data.folds
        if sorted(points[judge][FOLD] for judge in ks) != list(range(1, folds + 1)):
            raise UserError(
                f"derive: 'ensemble' of kind 'top' chooses by cross-validation, so it needs every "
                f'setting once with each {FOLD} = 1 … {folds}'
            )
    return found


def _rivals(points: Sequence[Point], groups: _Groups, base: Setting) -> list[int]:
    """One run of every setting that the best are chosen from."""
    takes = lambda point: bool(setting_of(point, base).train.snapshots)
    usual = bool(base.train.snapshots)
    return [ks[0] for ks in groups.values() if takes(points[ks[0]]) == usual]


_NEEDS = {
    'members': 'train.member in the sweep, with several values',
    'top': 'a sweep with several settings to choose from',
    'snapshots': 'train.snapshots ≥ 2',
    'ema': 'train.ema_decay > 0',
}


def _available(kind: str, point: Point, ks: list[int], base: Setting) -> int:
    """How many predictions a setting has for an ensemble of this kind."""
    train = setting_of(point, base).train
    return {
        'members': len(ks),
        'snapshots': train.snapshots,
        'ema': 1 if train.ema_decay else 0,
    }[kind]


def _sizes(asked: Sequence[int], available: int) -> list[int]:
    """The sizes asked for that can be had; of its own accord 1, 2, 4, … and all."""
    powers = [2**i for i in range(available.bit_length()) if 2**i <= available]
    sizes = asked or [*powers, *([available] if available else [])]
    return sorted({size for size in sizes if size <= available})


def _runs(one: _Plan, results: Results, seed: int, base: Setting) -> list[int]:
    """The settings whose run of this seed takes part."""
    if one.kind == 'top':
        by = measured.usual(base)
        if one.folds:
            values = results.finals[by.on('fold')][one.folds, seed].mean(-1)
        else:
            values = results.finals[by.on('validation')][one.among, seed]
        order = np.argsort(-by.sign * values, kind='stable')  # what has no value comes last
        return [one.among[i] for i in order[: one.size]]
    together = one.kind == 'members' and one.size > 1
    return one.among[: one.size] if together else one.among


def _together(one: _Plan) -> bool:
    """Whether the runs that take part predict together, unless they are left alone."""
    return one.kind == 'top' or (one.kind == 'members' and one.size > 1)


def _is_mean(one: _Plan) -> bool:
    """Whether it is a mean over runs of what each is worth, and no prediction of several."""
    return one.combine == ALONE or not _together(one)


def _mean_curve(values: np.ndarray, lost: np.ndarray, worth: float) -> np.ndarray:
    """The mean of runs' curves [R, E], [E], in which those `lost` [R] have guessed since.

    `worth`: what a guess is worth; NaN to omit those lost. If all are lost it is their own mean.
    """
    if lost.all() or not lost.any():
        return values.mean(0)
    if math.isnan(worth):
        return values[~lost].mean(0)
    return np.where(lost[:, None] & ~np.isfinite(values), worth, values).mean(0)


def _score(one: _Plan, results: Results, seed: int, base: Setting) -> dict[str, Any]:
    """What is measured on test (and, of whole runs, validation), and the test confusion."""
    every = _runs(one, results, seed, base)
    left = [k for k in every if not results.diverged[k, seed]]
    runs = left if _is_mean(one) and left else every
    found = _score_of(runs, one, results, seed, base)
    lost = len(every) - len(runs)
    for name in _finals(base) if lost else ():
        worth = guess.of(name, results.guesses)
        if math.isfinite(worth):
            found[name] = (len(runs) * found[name] + lost * worth) / len(every)
    return found


def _score_of(
    runs: Sequence[int], one: _Plan, results: Results, seed: int, base: Setting
) -> dict[str, Any]:
    """What `_score` is of these runs alone."""
    together = _together(one)
    found: dict[str, Any] = dict.fromkeys(_finals(base), np.nan)
    found['confusion'] = np.zeros_like(results.confusion[0, 0])
    alike = _scorer(results, base)
    for name in _LOGITS[one.kind]:
        split = 'validation' if name.startswith('validation') else 'test'
        logits = [results.arrays[name][k, seed] for k in runs]
        if one.kind == 'snapshots':
            kept = [setting_of(results.settings[k], base).train.snapshots for k in runs]
            teams = [z[n - one.size : n] for z, n in zip(logits, kept, strict=True)]
        else:
            teams = [np.stack(logits)] if together else [z[None] for z in logits]
        how = one.combine
        if how == ALONE:  # in which way one network is combined makes no difference
            teams = [member[None] for team in teams for member in team]
            how = 'probabilities'
        scores = [alike(team, split, how) for team in teams]
        for metric in scores[0].keys() - {'confusion'}:
            found[metrics.measure(metric).on(split)] = float(
                np.mean([each[metric] for each in scores])
            )
        if split == 'test' and GAIN in found:
            found['confusion'] = np.sum([each['confusion'] for each in scores], axis=0)
            alone = [
                score(member[None], results.labels[split], how)['accuracy']
                for team in teams
                for member in team
            ]
            found[GAIN] = found['test_accuracy'] - float(np.mean(alone))
    return found


def _scorer(results: Results, base: Setting) -> Callable[[np.ndarray, str, str], dict[str, Any]]:
    """(outputs [M, N, C] of a team, split, how they become one) to what is measured of it."""
    measures, scale = measures_of(base), (np.zeros(1), np.ones(1))
    if measures.targets == 'float':
        scale = target_scale(results.labels['training'], base.data.standardise_targets)

    def of_classes(team: np.ndarray, split: str, how: str) -> dict[str, Any]:
        labels = results.labels[split]
        found = score(team, labels, how)
        if how == 'votes' or not np.isfinite(team).all():  # votes give no probabilities
            return found | {name: np.nan for name, _ in measures.functions}
        together = jnp.asarray(combine(team, how)[1])
        values = {name: float(function(together, labels)) for name, function in measures.functions}
        return found | values

    def of_others(team: np.ndarray, split: str, how: str) -> dict[str, Any]:
        given = combine_labels(team, how), results.labels[split]
        trained = (jnp.asarray(standardised_targets(one, *scale)) for one in given)
        single = [jnp.asarray(one, jnp.float32) for one in given]
        losses = measures.losses(*trained)
        found = {name: function(*single) for name, function in measures.functions}
        finite = np.isfinite(team).all()
        found['loss'] = jnp.mean(losses)
        return {name: float(value) if finite else np.nan for name, value in found.items()}

    return of_classes if measures.targets == CLASSES else of_others
