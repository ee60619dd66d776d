"""The curves of all runs, as the report's page draws them on demand."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.metrics import label
from jaxtweaks.base.numbers import number
from jaxtweaks.base.words import is_share, together
from jaxtweaks.results.results import Results

COLOURS, DASHES, ENDS = 8, 8, 4  # of the looks of settings on the page; see report.html
SIGNS = ('', '■', '▲', '●')  # at the end of a curve, by its look
_DIGITS = 5
_SETTINGS = 200  # on a page
_RUNS = 1_000  # on a page: more curves cannot be distinguished, and make it slow
_MOST = 300_000  # numbers on a page: about 2 MB


def of(results: Results) -> dict[str, Any] | None:
    """What the page needs to draw every run, as JSON can hold it; None if there are no curves.

    Returns:
      axis: what x counts; x: [X]; settings: words, [K]; seeds: [S]; diverged: [K][S];
      metrics: for each its `label`, whether it is a `share`, and its `values`, [K][S][X], rounded
      to 5 digits of their range, null where there is none; looks: of each setting, see `look`;
      note: what was omitted.
    """
    known = list(results.curves)
    gaps = [name for name in metrics.derived(known) if metrics.parents(name)[0] == 'gap_']
    every = dict.fromkeys([*_first(known), *known, *gaps])
    settings, seeds = _kept(*results.diverged.shape)
    values = {
        metric: np.asarray(results.curve(metric), float)[np.ix_(settings, seeds)]
        for metric in every
    }
    values = {metric: curve for metric, curve in values.items() if np.isfinite(curve).any()}
    if not values:
        return None
    every = math.ceil(sum(curve.size for curve in values.values()) / _MOST)
    # The last epoch counts most, so thinning goes backwards from it.
    kept = np.arange(len(results.epochs))[::-every][::-1]
    return {
        'axis': results.axis,
        'x': [int(x) for x in results.epochs[kept]],
        'settings': [_words(results, k) for k in settings],
        'looks': [list(look(i)) for i in range(len(settings))],
        'seeds': [int(seed) for seed in results.seeds[seeds]],
        'diverged': results.diverged[np.ix_(settings, seeds)].tolist(),
        'metrics': [
            {
                'label': label(metric),
                'share': is_share(metric),
                'values': _plain(curve[..., kept], _digits(curve)),
            }
            for metric, curve in values.items()
        ],
        'note': ' '.join(_notes(results, settings, seeds, every)),
    }


def _first(known: Sequence[str]) -> list[str]:
    """Those of the metrics that the page shows first: validation, training, the loss last."""
    found = {name: metrics.of(name) for name in known}
    splits = ('validation', 'train')
    places = {
        name: (splits.index(one.split), one.measure == metrics.LOSS.name)
        for name, one in found.items()
        if one.split in splits and metrics.family(name)[0] == ''
    }
    return sorted(places, key=places.__getitem__)


def look(setting: int) -> tuple[int, int, int]:
    """Colour, dashes and end of a setting's curves; as many as there are have a look each."""
    row = setting // COLOURS
    return setting % COLOURS, (setting + row) % DASHES, row // DASHES % ENDS


def _kept(settings: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """The places of the settings and of the seeds that are on the page.

    Settings are spread evenly over the sweep, from the first to the last; seeds are the first ones.
    """
    few = min(seeds, _RUNS // min(settings, 8)) if settings else seeds
    most = max(1, min(_SETTINGS, _RUNS // max(1, few)))
    places = np.linspace(0, settings - 1, min(settings, most)).round().astype(int)
    return places, np.arange(few)


def _notes(results: Results, settings: np.ndarray, seeds: np.ndarray, every: int) -> Iterator[str]:
    """What the page does not have, in sentences."""
    all_settings, all_seeds = results.diverged.shape
    if len(settings) < all_settings:
        yield f'Shown are {len(settings):,} of {all_settings:,} settings, evenly spread.'
    if len(seeds) < all_seeds:
        yield f'Shown are the first {len(seeds):,} of {all_seeds:,} seeds.'
    if every > 1:
        yield f'Shown is one {results.axis} in {every}, and the last.'
    if every > 1 or len(settings) < all_settings or len(seeds) < all_seeds:
        yield f'All are in {results.axis}s.parquet.'


def _words(results: Results, setting: int) -> str:
    """A setting by the fields that differ, in the config's words."""
    values = {field: results.settings[setting].get(field) for field in results.varied}
    return together(values, results.words) or 'the one setting'


def _digits(curve: np.ndarray) -> int:
    """Significant digits that leave the curves smooth, also where they take a narrow range."""
    known = curve[np.isfinite(curve)]
    largest, spread = float(np.abs(known).max()), float(np.ptp(known))
    return min(15, _DIGITS + math.floor(math.log10(largest / spread))) if spread else _DIGITS


def _plain(values: np.ndarray, digits: int) -> Any:
    """Nested lists with numbers of few digits, and null for what there is not."""
    return [
        _plain(value, digits) if np.ndim(value) else _rounded(value, digits) for value in values
    ]


def _rounded(value: float, digits: int) -> float | None:
    if not math.isfinite(value):
        return None
    return float(number(value, digits).replace('−', '-'))
