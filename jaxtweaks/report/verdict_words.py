"""How a verdict reads in a table and on a page. A verdict is what `Verdict.to_dict` returns."""

import collections
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import rich.text

from jaxtweaks.base import numbers
from jaxtweaks.base.words import ABSENT, count
from jaxtweaks.claims.claim import KINDS
from jaxtweaks.claims.kind import Words
from jaxtweaks.figures.figure_style import is_number

COLORS = {
    'supported': 'green', 'contradicted': 'red', 'negligible': 'cyan', 'inconclusive': 'yellow'
}  # fmt: skip
ICONS = {'supported': '✓', 'contradicted': '✗', 'negligible': '≈', 'inconclusive': '?'}


def effect_words(verdict: Mapping[str, Any]) -> tuple[str, str]:
    """The effect and its interval, in the unit of the claim: points, epochs, or plain numbers."""
    metric = verdict['claim'].get('metric', '')
    show, unit = _kind(verdict).effect(metric, verdict)

    def words(value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return ABSENT
        return show(value)

    effect, low, high = (words(verdict[name]) for name in ('effect', 'low', 'high'))
    interval = ABSENT if low == high == ABSENT else f'{low} to {high}{unit}'
    return (effect if effect == ABSENT else effect + unit), interval


def _kind(verdict: Mapping[str, Any]) -> Words:
    """The kind of claim of a verdict, which may have been stored where others are registered."""
    return KINDS.get(verdict['claim'].get('kind', ''), Words())


# What is noted of many verdicts alike: it is of their seeds and looks, not of what they found.
_SHARED = re.compile(
    r'with \d+ seeds no permutation test can reach [\d.]+; \d+ would'
    r'|looked at with [\d, and]+ seeds, and corrected for it \(interval at [\d.]+ ?%\)'
    r'|settled at \d+: an early stop overestimates the effect'
    r'|not corrected for an earlier look at [\d and]+ seeds, after which seeds were added'
    r'|exact: nothing here is left to chance'
)


def notes_of(verdicts: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """The note of each verdict, and what is noted of several in the same words, to be said once."""
    notes = [verdict.get('note') or '' for verdict in verdicts]
    counts = collections.Counter(words for note in notes for words in {*_SHARED.findall(note)})
    common = [words for words, times in counts.items() if times > 1]
    own = []
    for note in notes:
        for words in common:
            note = note.replace(f'{words}; ', '').replace(words, '').removesuffix('; ')
        own.append(note)
    whole = len(verdicts)
    return own, [f'{_many(counts[words], whole)}: {words}' for words in sorted(common)]


def _many(some: int, whole: int) -> str:
    """So many of all claims."""
    if some < whole:
        return f'{some} of {whole} claims'
    return 'Both claims' if whole == 2 else f'All {whole} claims'


def remarked(verdict: Mapping[str, Any], note: str) -> str:
    """A note next to its verdict: why it is open; of one that is settled it is no reason."""
    is_open = verdict['verdict'] == 'inconclusive'
    return f'Open: {note.removeprefix("open: ")}' if is_open else f'Note: {note}'


def verdict_lines(verdicts: Sequence[Mapping[str, Any]]) -> rich.text.Text:
    """The verdicts for the terminal: what, on which claim, and on what evidence."""
    text = rich.text.Text()
    notes, shared = notes_of(verdicts)
    for verdict, note in zip(verdicts, notes, strict=True):
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
            parts += [evidence_words(verdict), f'p (Holm) {p_words(verdict["p_adjusted"])}']
        published = published_words(verdict)
        parts += [f'published {published}'] if published else []
        text.append(f'    {"; ".join(parts)}\n')
        if note:
            text.append(f'    {note}\n', 'dim')
    for words in shared:
        text.append(f'{words}\n', 'dim')
    return text


def effect_at_level(verdict: Mapping[str, Any]) -> tuple[str, str]:
    """`effect_words`, with the level of the interval next to it unless it is 95%."""
    effect, interval = effect_words(verdict)
    if interval != ABSENT and (level := level_words(verdict)) != '95%':
        interval += f' ({level})'
    return effect, interval


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
    """How many seeds a verdict rests on, and how many had to be omitted, for a column of seeds."""
    return f'{verdict["n"]}{_omitted(verdict)}'


def evidence_words(verdict: Mapping[str, Any]) -> str:
    """The same in a sentence: '5 seeds (1 omitted)'; 'exact' of what is no matter of chance."""
    if verdict['smallest_permutation_p'] is None:
        return 'exact'
    return count(verdict['n'], 'seed') + _omitted(verdict)


def _omitted(verdict: Mapping[str, Any]) -> str:
    return f' ({verdict["dropped"]} omitted)' if verdict['dropped'] else ''


def measured_words(verdict: Mapping[str, Any]) -> str:
    """The means that were compared, each after what it is of; '' for none."""
    words = _kind(verdict).measured(verdict['claim'].get('metric', ''))
    measured = (verdict.get('measured') or {}).items()
    # The words themselves may hold commas.
    return '; '.join(
        f'{name}: {ABSENT if value is None else words(value)}' for name, value in measured
    )


def published_words(verdict: Mapping[str, Any]) -> str:
    """The published figures next to their labels; '' for none."""
    published = verdict.get('published') or {}
    pairs = published.items() if isinstance(published, Mapping) else published
    words = _kind(verdict).published(verdict['claim'].get('metric', ''), verdict)
    return '; '.join(
        f'{label}: {words(value) if is_number(value) else value}' for label, value in pairs
    )
