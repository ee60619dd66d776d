"""What the derivations share: the setting behind a point, and results with other settings."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from jaxtweaks.config import trace
from jaxtweaks.config.expand import Point
from jaxtweaks.config.settings import Penalty, Setting
from jaxtweaks.results.results import Results


def setting_of(point: Point, base: Setting) -> Setting:
    """All fields of a setting, whatever fields of derivations its point has besides."""
    own = {name: value for name, value in point.items() if name in trace.FIELDS}
    return trace.replace(base, own)


def weight_of_squares(penalty: Penalty) -> float:
    """What Σw² of the kernels is multiplied with in the cost; NaN if there is more to it."""
    l2 = penalty.l2 * (0.5 if penalty.l2_form == 'half' else 1.0)
    return np.nan if penalty.l1 or (l2 and penalty.scope == 'all') else l2


def picked(
    results: Results,
    parents: Sequence[int],
    settings: Sequence[Point],
    finals: Mapping[str, np.ndarray],
) -> Results:
    """Results of other settings, each made of one that there is.

    Args:
      results: K settings.
      parents: for each new setting the index of the old one that it has its curves from, [J].
      settings: the new settings, [J].
      finals: metric to [J, S].

    Returns:
      J settings; without arrays and confusion, which are of the runs as they ended.
    """
    parents = list(parents)
    return dataclasses.replace(
        results,
        settings=tuple(settings),
        curves={name: values[parents] for name, values in results.curves.items()},
        finals=dict(finals),
        confusion=np.zeros_like(results.confusion[parents]),
        chosen_epoch=results.chosen_epoch[parents],
        diverged_at=results.diverged_at[parents],
        arrays={},
    )
