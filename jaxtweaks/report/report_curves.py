"""The curves of all runs, as the report's page draws them on demand."""

import math
from typing import Any

import numpy as np

from jaxtweaks.base.words import is_share, together
from jaxtweaks.results.results import Results, derived_metrics, label

LOOKS = 8  # colours and dashes of settings on the page; see report.html
_DIGITS = 5
_MOST = 300_000  # numbers on a page: about 2 MB
_FIRST = ('validation_accuracy', 'validation_loss', 'train_accuracy', 'train_loss')


def of(results: Results) -> dict[str, Any] | None:
    """What the page needs to draw every run, as JSON can hold it; None if there are no curves.

    Returns:
      axis: what x counts; x: [X]; settings: words, [K]; seeds: [S]; diverged: [K][S];
      metrics: for each its `label`, whether it is a `share`, and its `values`, [K][S][X], rounded
      to 5 digits, null where there is none; looks: how many there are; note: what was left out.
    """
    known = list(results.curves)
    metrics = [*_FIRST, *known, *(m for m in derived_metrics(known) if m.startswith('gap'))]
    metrics = [m for m in dict.fromkeys(metrics) if m in known or m.startswith('gap')]
    values = {metric: np.asarray(results.curve(metric), float) for metric in metrics}
    values = {metric: curve for metric, curve in values.items() if np.isfinite(curve).any()}
    if not values:
        return None
    every = math.ceil(sum(curve.size for curve in values.values()) / _MOST)
    # The last epoch counts most, so thinning goes backwards from it.
    kept = np.arange(len(results.epochs))[::-every][::-1]
    return {
        'axis': results.axis,
        'x': [int(x) for x in results.epochs[kept]],
        'settings': _settings(results),
        'seeds': [int(seed) for seed in results.seeds],
        'diverged': results.diverged.tolist(),
        'metrics': [
            {'label': label(metric), 'share': is_share(metric), 'values': _plain(curve[..., kept])}
            for metric, curve in values.items()
        ],
        'looks': LOOKS,
        'note': f'Shown is one {results.axis} in {every}, and the last.' if every > 1 else '',
    }


def _settings(results: Results) -> list[str]:
    """Each setting by the fields that differ, in the config's words."""
    return [
        together({field: setting.get(field) for field in results.varied}, results.words)
        or 'the one setting'
        for setting in results.settings
    ]


def _plain(values: np.ndarray) -> Any:
    if values.ndim:
        return [_plain(value) for value in values]
    return float(f'{float(values):.{_DIGITS}g}') if math.isfinite(values) else None
