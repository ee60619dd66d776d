"""What a report says of its runs besides their results: warnings, and the record."""

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxtweaks.base.metrics import measure
from jaxtweaks.base.words import count
from jaxtweaks.results.results import Results

FEW_SEEDS = 6  # below it no two-sided sign-flip p can reach 0.05


def stand_in(results: Results) -> str:
    """What stands in for the data that were asked for; '' if they are those."""
    return results.data_label.removeprefix('stand-in data: ') if results.fallback else ''


def without_choice(results: Results) -> np.ndarray:
    """The runs that were trained to the end and of which no epoch is the best, bool [K, S].

    Their score on validation was never a number above −∞, so that no parameters are tested.
    """
    nothing = np.full(results.diverged.shape, np.nan)
    ended = np.isfinite(results.finals.get('parameters', nothing))
    tested = np.isfinite(results.finals.get(measure(results.usual).on('test'), nothing))
    none = (results.chosen_epoch == 0) & ended & ~tested & ~results.diverged
    return none & results.trained


def warnings(results: Results, meta: Mapping[str, Any]) -> list[str]:
    """What to know before believing the results, in sentences; `meta`: see `Contents`."""
    found = []
    codes = meta.get('training_code') or {}
    if len(codes) > 1:
        found.append(
            f'Numbers of {len(codes)} versions of the training code are mixed here: '
            f'{_by_version(codes)}.'
        )
    found += [words for words in meta.get('remarks') or () if words]
    n = len(results.seeds)
    if n < FEW_SEEDS and not results.exact:
        found.append(
            f'Few seeds: {n}. Intervals are wide, and by sign flips alone no claim can reach '
            f'p < 0.05 with fewer than {FEW_SEEDS}.'
        )
    diverged = int(results.diverged.sum())
    if diverged:
        lost = (results.diverged | ~results.carried_out).all(1) & results.diverged.any(1)
        all_of = int(lost.sum())
        every = f' In {count(all_of, "setting")} every run diverged.' if all_of else ''
        guess = ' Claims count them as guessing.' if results.guesses else ''
        found.append(
            f'{count(diverged, "run")} of {results.carried_out.sum()} diverged: counted and shown, '
            f'and omitted from the means.{guess}{every}'
        )
    if unchosen := int(without_choice(results).sum()):
        found.append(
            f'{count(unchosen, "run")} of {results.carried_out.sum()} tested no parameters, '
            'because the score on validation that chooses an epoch (train.select) was never a '
            'number above −∞: no final values, and omitted from means and claims.'
        )
    return found


def facts(meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of everything else to know about the run."""
    found = [
        (name, str(meta[name]))
        for name in ('document', 'size', 'commit', 'device')
        if meta.get(name)
    ]
    if codes := meta.get('training_code'):
        found.append(('training code', _by_version(codes)))
    data = meta.get('data') or {}
    found += [(f'data: {name}', _words(value)) for name, value in data.items() if _says(value)]
    if meta.get('started') not in (None, ''):
        found.append(('started', _time(meta['started'])))
    if meta.get('seconds') is not None:
        found.append(('took', _duration(float(meta['seconds']))))
    versions = meta.get('versions') or {}
    found += [(name, str(version)) for name, version in versions.items()]
    redrawn = ', '.join(f'{name} {one}' for name, one in (meta.get('redrawn_by') or {}).items())
    return found + [('report made later with', redrawn)] * bool(redrawn)


def _by_version(codes: Mapping[str, int]) -> str:
    return ', '.join(f'{code} ({count(groups, "group")})' for code, groups in codes.items())


def _says(value: Any) -> bool:
    """Whether there is anything to say: data that are generated have sizes of 0."""
    return not isinstance(value, Mapping) or any(value.values())


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ', '.join(f'{name} {_words(item)}' for name, item in value.items())
    if isinstance(value, list | tuple):
        return '; '.join(map(_words, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f'{value:,}'
    return str(value)


def _time(started: Any) -> str:
    if isinstance(started, int | float):
        moment = datetime.datetime.fromtimestamp(started, datetime.UTC)
        return f'{moment:%Y-%m-%d %H:%M:%S} UTC'
    return str(started)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f'{seconds:.1f} s'
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours} h {minutes} min' if hours else f'{minutes} min {rest} s'
