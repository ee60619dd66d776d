"""How a verdict reads in a table and on a page. A verdict is what `Verdict.to_dict` returns."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import rich.text

from jaxtweaks.base import numbers
from jaxtweaks.base.numbers import number
from jaxtweaks.base.words import ABSENT, is_share, metric_value
from jaxtweaks.figures.figure_style import is_number

COLORS = {
    'supported': 'green', 'contradicted': 'red', 'negligible': 'cyan', 'inconclusive': 'yellow'
}  # fmt: skip
ICONS = {'supported': '✓', 'contradicted': '✗', 'negligible': '≈', 'inconclusive': '?'}


def effect_words(verdict: Mapping[str, Any]) -> tuple[str, str]:
    """The effect and its interval, in the unit of the claim: points, epochs, or plain numbers."""
    claim = verdict['claim']
    kind, metric = claim.get('kind', ''), claim.get('metric', '')
    share = is_share(metric) or metric == 'diverged'
    if kind == 'optimum':
        show, unit = _places(verdict).__getitem__, ''
    elif kind == 'sooner':
        show, unit = (lambda value: number(value, 3, '+')), ' epochs'
    elif kind in ('level', 'published'):  # a mean, not a difference
        show, unit = (lambda value: metric_value(metric, value)), ''
    elif share:
        show, unit = (lambda value: numbers.percent(value, sign='+')), ' points'
    else:
        show, unit = (lambda value: number(value, 4, '+')), ''

    def words(value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return ABSENT
        return show(value)

    effect, low, high = (words(verdict[name]) for name in ('effect', 'low', 'high'))
    interval = ABSENT if low == high == ABSENT else f'{low} to {high}{unit}'
    return (effect if effect == ABSENT else effect + unit), interval


def _places(verdict: Mapping[str, Any]) -> dict[float, str]:
    """Places on the axis of the swept field, all that a verdict on an optimum tells of."""
    published = verdict.get('published') or {}
    found = [verdict['effect'], verdict['low'], verdict['high'], *dict(published).values()]
    return numbers.apart(value for value in found if is_number(value))


_FEW_SEEDS = re.compile(r'with \d+ seeds no permutation test can reach [\d.]+; \d+ would')


def verdict_lines(verdicts: Sequence[Mapping[str, Any]]) -> rich.text.Text:
    """The verdicts for the terminal: what, on which claim, and on what evidence.

    What is to be noted of several of them in the same words is said once, at the end.
    """
    text = rich.text.Text()
    notes = [_FEW_SEEDS.findall(verdict['note']) for verdict in verdicts]
    common = {words for found in notes for words in found if sum(map(found.__eq__, notes)) > 1}
    for verdict in verdicts:
        claim, (effect, interval) = verdict['claim'], effect_words(verdict)
        text.append(f'{ICONS[verdict["verdict"]]} {verdict["verdict"]}', COLORS[verdict['verdict']])
        text.append(f'  {claim["sentence"]}', 'bold')
        text.append(f' ({claim["source"]})\n')
        level = level_words(verdict)
        parts = [
            f'{verdict["what"]}: {effect}'
            + ('' if interval == ABSENT else f' ({level} {interval})')
        ]
        if verdict['smallest_permutation_p'] is not None:  # None: exact, no matter of chance
            parts += [f'{seeds_words(verdict)} seeds', f'p (Holm) {p_words(verdict["p_adjusted"])}']
        published = published_words(verdict)
        parts += [f'published {published}'] if published else []
        text.append(f'    {"; ".join(parts)}\n')
        note = verdict['note']
        for words in common:
            note = note.replace(f'{words}; ', '').replace(words, '').removesuffix('; ')
        if note:
            text.append(f'    {note}\n', 'dim')
    for words in sorted(common):
        text.append(f'{words}\n', 'dim')
    return text


def level_words(verdict: Mapping[str, Any]) -> str:
    """The level of a verdict's interval: '95%', or that of the look that it rests on."""
    level = verdict.get('level') or 0.95
    return f'{numbers.percent(level, 0 if round(100 * level, 6) % 1 == 0 else 1)}%'


def p_words(p: float | None) -> str:
    """A p value with as many digits as mean something."""
    if p is None or not math.isfinite(p):
        return ABSENT
    return numbers.p_value(p)


def seeds_words(verdict: Mapping[str, Any]) -> str:
    """How many seeds a verdict rests on, and how many had to be omitted."""
    dropped = f' ({verdict["dropped"]} left out)' if verdict['dropped'] else ''
    return f'{verdict["n"]}{dropped}'


def measured_words(verdict: Mapping[str, Any]) -> str:
    """The means that were compared, each after what it is of; '' for none."""
    metric = verdict['claim'].get('metric', '')
    if verdict['claim'].get('kind') == 'sooner':
        words = number
    elif metric == 'diverged':
        words = lambda value: f'{number(100 * value)} %'
    else:
        words = lambda value: metric_value(metric, value)
    measured = (verdict.get('measured') or {}).items()
    # The words themselves may hold commas.
    return '; '.join(
        f'{name}: {ABSENT if value is None else words(value)}' for name, value in measured
    )


def published_words(verdict: Mapping[str, Any]) -> str:
    """The published figures next to their labels; '' for none."""
    published = verdict.get('published') or {}
    pairs = published.items() if isinstance(published, Mapping) else published
    metric = verdict['claim'].get('metric', '')
    # An optimum is a place on the swept field's axis, in that field's unit.
    place = verdict['claim'].get('kind') == 'optimum'
    words = _places(verdict).__getitem__ if place else lambda value: metric_value(metric, value)
    return '; '.join(
        f'{label}: {words(value) if is_number(value) else value}' for label, value in pairs
    )
