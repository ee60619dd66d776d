"""How a verdict reads in a table and on a page. A verdict is what `Verdict.to_dict` gives."""

import math
from collections.abc import Mapping
from typing import Any

from jaxtweaks.study.figure_style import is_number
from jaxtweaks.study.words import ABSENT, is_share, metric_value, number

ICONS = {'supported': '✓', 'contradicted': '✗', 'inconclusive': '?'}


def effect_words(verdict: Mapping[str, Any]) -> tuple[str, str]:
    """The effect and its interval, in the unit of the claim: points, epochs, or plain numbers."""
    claim = verdict['claim']
    kind, metric = claim.get('kind', ''), claim.get('metric', '')
    share = is_share(metric) or metric == 'diverged'
    if kind == 'optimum':
        show, unit = number, ''
    elif kind == 'sooner':
        show, unit = (lambda value: f'{value:+.3g}'), ' epochs'
    elif share:
        show, unit = (lambda value: f'{100 * value:+.2f}'), ' points'
    else:
        show, unit = (lambda value: f'{value:+.4g}'), ''

    def words(value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return ABSENT
        return show(value).replace('-', '−')

    effect, low, high = (words(verdict[name]) for name in ('effect', 'low', 'high'))
    interval = ABSENT if low == high == ABSENT else f'{low} to {high}{unit}'
    return (effect if effect == ABSENT else effect + unit), interval


def p_words(p: float | None) -> str:
    """A p value with as many digits as mean something."""
    if p is None or not math.isfinite(p):
        return ABSENT
    return '< 0.001' if p < 0.001 else f'{p:.3g}'


def seeds_words(verdict: Mapping[str, Any]) -> str:
    """How many seeds a verdict rests on, and how many had to be left out."""
    dropped = f' ({verdict["dropped"]} left out)' if verdict['dropped'] else ''
    return f'{verdict["n"]}{dropped}'


def published_words(verdict: Mapping[str, Any]) -> str:
    """The published figures beside their labels; '' for none."""
    published = verdict.get('published') or {}
    pairs = published.items() if isinstance(published, Mapping) else published
    metric = verdict['claim'].get('metric', '')
    # An optimum is a place on the swept field's axis, in that field's unit.
    place = verdict['claim'].get('kind') == 'optimum'
    words = number if place else lambda value: metric_value(metric, value)
    return ', '.join(
        f'{label}: {words(value) if is_number(value) else value}' for label, value in pairs
    )
