"""What a search chose on validation, tested once, and what being chosen adds to a figure."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from jaxtweaks.base.metrics import Metric, is_of_test, label, on
from jaxtweaks.base.words import count, difference_interval, metric_interval, together
from jaxtweaks.claims.claim import Claim
from jaxtweaks.config.expand import Point
from jaxtweaks.figures.figure_spec import Figure, kind_of
from jaxtweaks.report.table import Table
from jaxtweaks.results.intervals import mean_interval
from jaxtweaks.results.results import Results
from jaxtweaks.run.search import DROPPED

_ONLY_ITS_OWN = 'of the test set only the result of this setting is reported'
_OTHERS_TOO = 'the test set, also where it is reported for other settings, played no part'


@dataclasses.dataclass(frozen=True)
class Choice:
    """What a search chose.

    Attributes:
      setting: the values of its swept fields.
      metric: on validation, by which it was chosen.
      tried, dropped: how many settings there were, and how many of them were not trained to the
        end.
      validation: the metric of the setting, [seeds].
      test: the same on the test set, [seeds].
      better: by how much validation is better than test, [seeds].
      luck: by how much validation is better than that of the setting that is chosen without this
        seed, [seeds]; NaN for a single seed.
    """

    setting: Point
    metric: str
    tried: int
    dropped: int
    validation: np.ndarray
    test: np.ndarray
    better: np.ndarray
    luck: np.ndarray

    def table(self, results: Results, others_reported: bool) -> Table:
        """A row that says it all.

        Args:
          results: of the search.
          others_reported: whether the config reports more of the test set, see `reports_test`.
        """
        test = on(self.metric, 'test')
        words = together(self.setting, results.words)
        cells = [words]
        keys: list[Any] = [words]
        for values, say in (
            (self.validation, metric_interval),
            (self.test, metric_interval),
            (self.better, difference_interval),
            (self.luck, difference_interval),
        ):
            mean, half = map(float, mean_interval(values))
            cells.append(say(self.metric, mean, half))
            keys.append(mean if math.isfinite(mean) else None)
        columns = ('setting', label(self.metric), label(test), 'selection bias', 'seed luck')
        dropped = f' ({self.dropped} of them dropped on the way)' if self.dropped else ''
        note = (
            f'Chosen among {count(self.tried, "setting")}{dropped} by the mean of the seeds on '
            f'validation; {_OTHERS_TOO if others_reported else _ONLY_ITS_OWN}. Being chosen '
            'adds to a figure. Selection bias: how much better validation is than test, because '
            'the choice was made on those images (or because they are of another kind). Seed luck: '
            'how much better validation is, seed by seed, than that of the setting chosen without '
            'this seed; the test figure has this luck too.'
        )
        return Table('The setting chosen', columns, (tuple(cells),), (tuple(keys),), note)


def reports_test(table: Iterable[str], figures: Iterable[Figure], claims: Iterable[Claim]) -> bool:
    """Whether a config's table, figures or claims report the test set."""
    figures = tuple(figures)
    metrics = [*table, *(claim.metric for claim in claims)]
    metrics += [metric for figure in figures for metric in (*figure.metrics, figure.x)]
    # A figure of boundaries names the test accuracy of each panel.
    shown = any(kind_of(figure).reports_test for figure in figures)
    return shown or any(map(is_of_test, metrics))


def choose(results: Results, by: Metric) -> Choice | None:
    """The best setting of a search; None if every one has diverged.

    Args:
      results: K settings, S seeds.
      by: the metric that all of them are judged by, on validation.
    """
    metric, sign, test = by.name, by.sign, on(by.name, 'test')
    validation, tested = results.final(metric), results.final(test)
    dropped = np.zeros(len(results.settings), bool)
    if DROPPED in results.finals:
        dropped = np.asarray(np.nan_to_num(results.final(DROPPED)).any(1))
    scores = np.where(dropped[:, None], np.nan, sign * validation)  # NaN for a diverged run too
    best = _best(scores)
    if best is None:
        return None
    return Choice(
        dict(results.settings[best]),
        metric,
        len(results.settings),
        int(dropped.sum()),
        validation[best],
        tested[best],
        sign * (validation - tested)[best],
        np.array([_luck(scores, best, seed) for seed in range(scores.shape[1])]),
    )


def _best(scores: np.ndarray) -> int | None:
    """The setting with the highest mean of scores [K, S]; None if each has a NaN, or S = 0."""
    means = scores.sum(1) / scores.shape[1] if scores.shape[1] else np.full(len(scores), np.nan)
    return None if np.isnan(means).all() else int(np.nanargmax(means))


def _luck(scores: np.ndarray, best: int, seed: int) -> float:
    """How much better the best setting is at a seed than the one chosen by the other seeds.

    Settings of which this seed diverged are no choice.
    """
    possible = np.where(np.isnan(scores[:, [seed]]), np.nan, scores)
    other = _best(np.delete(possible, seed, 1))
    return math.nan if other is None else float(scores[best, seed] - scores[other, seed])
