"""A search for the best setting: rounds from coarse to fine, and an early end for the worst.

    config.sweep = log_uniform('optim.learning_rate', 1e-5, 1e-1, count=9)
    config.search.rounds = 2           # 9 settings over the whole range, then 8 around the best
    config.search.rungs = (3, 9)       # after 3 and 9 epochs only the best third goes on

A setting is judged by the mean of its seeds on validation, by what `train.select` keeps: the best
accuracy, loss or other metric of an epoch; or, after the last one, by the accuracy, or the first
metric of a loss that has none. Dropping the worst at
rungs is successive halving (Jamieson and Talwalkar 2016, AISTATS, §3; with a third kept as in
Hyperband, Li et al. 2018, JMLR 18:185).
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.metrics import Metric
from jaxtweaks.config import effect, measured, trace
from jaxtweaks.config.check import check_settings
from jaxtweaks.config.expand import Point, expand, points
from jaxtweaks.config.fields import plain
from jaxtweaks.config.reach import check_reach
from jaxtweaks.config.settings import Setting
from jaxtweaks.run.compaction import Standing

DROPPED = 'dropped_after'  # the final metric: the epoch after which a run was dropped, or 0


@dataclasses.dataclass(frozen=True)
class Search:
    """How the best setting of a sweep is looked for."""

    rounds: int = plain(0, 'rounds, the first being the sweep; 0: no search', low=0, high=20)
    samples: int = plain(8, 'settings of each further round', low=1, high=10_000)
    zoom: float = plain(
        0.3,
        "width of a round's ranges as a share of those of the round before, in decades",
        above=0.0,
        high=1.0,
    )
    rungs: tuple[int, ...] = plain(
        (), 'epochs after which only the best settings of the round go on', low=1
    )
    keep: float = plain(1 / 3, 'share of the settings that go on', above=0.0, high=0.99)


def score_of(setting: Setting) -> Metric:
    """The metric a search goes by, on validation."""
    return metrics.of(measured.chosen_by(setting).on('validation'))


def check(search: Search, settings: Sequence[Setting], swept: Sequence[Point]) -> None:
    """Whether a search is possible among these settings. Raises UserError."""
    if not search.rounds:
        if search.rungs:
            raise UserError('search.rungs: are read by a search; set search.rounds (1 is enough)')
        return
    if len(settings) < 2:
        raise UserError('search: the sweep must have two settings at least to choose from')
    if len({setting.train.select for setting in settings}) > 1:
        raise UserError('search: chooses by what train.select keeps, so that cannot be swept')
    if len({score_of(setting) for setting in settings}) > 1:
        raise UserError(
            'search: chooses by one metric, which these values of loss.name do not share; set '
            'train.select to one that they do'
        )
    if search.rounds > 1 and not _ranges(swept):
        raise UserError(
            'search.rounds: there is nothing to look at more closely; the sweep must give a field '
            'two positive numbers that are not whole'
        )
    if search.rungs:
        _check_rungs(search.rungs, settings)


def _check_rungs(rungs: Sequence[int], settings: Sequence[Setting]) -> None:
    epochs = min(setting.train.epochs for setting in settings)
    if list(rungs) != sorted(set(rungs)) or rungs[-1] >= epochs:
        raise UserError(
            f'search.rungs: {tuple(rungs)} must rise and end before the last epoch ({epochs})'
        )
    if len({setting.train.epochs for setting in settings}) > 1:
        raise UserError('search.rungs: compare runs of one length, so train.epochs cannot be swept')
    for field, value in (('patience', 0.0), ('snapshots', 0)):
        if any(getattr(setting.train, field) != value for setting in settings):
            raise UserError(f'search.rungs: say when runs end, so train.{field} must be {value:g}')


@dataclasses.dataclass(frozen=True)
class Rungs:
    """The worst settings leave at each rung. See `compaction.Stages`."""

    epochs: tuple[int, ...]
    keep: float
    compared = True

    def leaving(self, standing: Sequence[Standing]) -> set[str]:
        """The ids of the runs of the worst settings; at least one setting stays."""
        by_setting: dict[tuple, list[Standing]] = {}
        for one in standing:
            by_setting.setdefault(tuple(one.run.point.items()), []).append(one)
        settings = list(by_setting.values())
        scores = [np.mean([_score_so_far(one) for one in members]) for members in settings]
        # A stable sort: of equals, the first in the sweep go on.
        ranked = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind='stable')
        worst = ranked[_kept(len(settings), self.keep) :]
        return {one.run.id for i in worst for one in settings[i]}

    def share(self, settings: int, epochs: int, since: int = 0) -> float:
        """See `compaction.Stages`."""
        total, left, before = 0.0, settings, 0
        for epoch in (*(rung for rung in self.epochs if rung > since), epochs):
            total += left * (epoch - before)
            left, before = _kept(left, self.keep), epoch
        return total / (settings * epochs)


def _score_so_far(one: Standing) -> float:
    """What a run would be chosen by if it ended here; −∞ if it has diverged."""
    metric = score_of(one.run.setting)
    values = metric.sign * one.history[metric.name]
    score = values[-1] if one.run.setting.train.select == 'last' else np.max(values)
    return float(score) if np.isfinite(values).all() and not one.done else -math.inf


def _kept(settings: int, keep: float) -> int:
    """How many of so many settings go on at a rung: at least one.

    100 · 0.29 is a little less than 29 in floating point.
    """
    return max(1, math.floor(settings * keep + 1e-9))


def closer(
    search: Search, base: Setting, swept: Sequence[Point], best: Point, number: int
) -> list[Point]:
    """The next round: settings around the best one.

    Positive numbers that are not whole, and that the best setting reads, are drawn again, their
    logarithms uniform in a range around the best of `search.zoom` of the width there was, cut off
    where the field ends; all else is as in the best setting. The ends of a field are not drawn:
    many are open, and others are cases of their own, as β₂ = 1.

    Args:
      search: how many, and how near.
      base: what the sweep starts from.
      swept: the settings of the round before.
      best: the best setting of all rounds so far.
      number: of the new round, 2 for the one after the first; it is the seed of the drawing.
    """
    rng = np.random.default_rng(number)
    found = [dict(best) for _ in range(search.samples)]
    setting = trace.replace(base, best)
    for name, (low, high) in _ranges(swept).items():
        if effect.reason(setting, name) or best[name] <= 0:  # 0 stays 0
            continue
        half = search.zoom * math.log(high / low) / 2
        least, most = _ends(name)
        lower = max(-half, math.log(least / best[name])) if least > 0 else -half
        upper = min(half, math.log(most / best[name]))
        drawn = best[name] * np.exp(rng.uniform(lower, upper, search.samples))
        for point, value in zip(found, drawn, strict=True):
            point[name] = _rounded(value, least, most)
    return found


def possible(base: Setting, known: Sequence[Point], drawn: Sequence[Point]) -> list[Point]:
    """Those of the settings drawn for a round that are new and can be trained, each once.

    Args:
      base: what the sweep starts from.
      known: the settings of all rounds before.
      drawn: see `closer`.
    """
    key = lambda point: frozenset(point.items())
    there = set(map(key, known))
    new = list({key(point): point for point in drawn if key(point) not in there}.values())
    before = [trace.replace(base, point) for point in known]
    # Each alone first: to check each together with all there were takes their product.
    new = [point for point in new if _are_allowed(base, [], [point])]
    allowed = lambda some: _are_allowed(base, before, some)
    return new if allowed(new) else [point for point in new if allowed([point])]


def _are_allowed(base: Setting, before: Sequence[Setting], new: Sequence[Point]) -> bool:
    """Whether all fields have values they allow, and go together with those there were."""
    try:
        checked = [expand(points(point))[0] for point in new]
        settings = [trace.replace(base, point) for point in checked]
        check_settings([*before, *settings])
        check_reach(settings)
    except UserError:
        return False
    return True


def _ends(name: str) -> tuple[float, float]:
    """The least and the greatest value of a field; infinite where it has no end."""
    rule = trace.FIELDS[name].rule
    least = max((end for end in (rule.low, rule.above) if end is not None), default=-math.inf)
    return least, math.inf if rule.high is None else rule.high


def _rounded(value: float, least: float, most: float) -> float:
    """The value with four significant digits, or with more if these were an end of the field."""
    rounded = (float(f'{value:.{digits}g}') for digits in range(4, 17))
    return next((one for one in rounded if least < one < most), float(value))


def _ranges(swept: Sequence[Point]) -> dict[str, tuple[float, float]]:
    """The least and the greatest positive value of each field that is no whole number."""
    columns: dict[str, list[Any]] = {}
    for point in swept:
        for name, value in point.items():
            columns.setdefault(name, []).append(value)
    found = {}
    for name, values in columns.items():
        if trace.FIELDS[name].type is float:
            positive = [value for value in values if value > 0]
            if positive and min(positive) < max(positive):
                found[name] = min(positive), max(positive)
    return found
