"""What the tables of a study say: what each setting gave, what each run gave, the verdicts."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxtweaks.base.field_names import split_key, terms, value_of
from jaxtweaks.base.metrics import LOSS, derived, measure
from jaxtweaks.base.metrics import label as metric_label
from jaxtweaks.base.metrics import of as metric_of
from jaxtweaks.base.words import (
    ABSENT,
    Names,
    count,
    field_label,
    metric_interval,
    metric_value,
    number,
    shortened,
    together,
    value_label,
)
from jaxtweaks.claims import power
from jaxtweaks.claims.power import Need
from jaxtweaks.figures.figure_data import seeds_of
from jaxtweaks.figures.figure_style import LETTERS, MOST_NUMBERED, is_number
from jaxtweaks.report.report_facts import without_choice
from jaxtweaks.report.table import Table
from jaxtweaks.report.verdict_words import (
    ICONS,
    effect_at_level,
    level_words,
    p_words,
    published_words,
    seeds_words,
)
from jaxtweaks.results.intervals import mean_interval
from jaxtweaks.results.results import Results
from jaxtweaks.studies.study import Sheet

MEASURED = 'what was measured'  # the column of verdicts without which an effect has no direction


def settings_table(
    results: Results,
    metrics: Sequence[str] | None = None,
    names: Mapping[str, str] | None = None,
) -> Table:
    """One row for each setting: its swept values, its runs, and the final metrics.

    Args:
      results: K settings, S seeds.
      metrics: final metrics; None for the usual ones that were measured.
      names: words for fields and values, as in a figure.

    Raises:
      UserError: a metric was not measured.
    """
    chosen, names = metrics, Names(names or {}, results.settings)
    metrics = _measured(results, metrics)
    swept = _shown_fields(results, names)
    some_diverged = results.trained and bool(results.diverged.any())
    columns = (
        *(field_label(name, names) for name in swept),
        *([] if results.exact else ['seeds']),
        *(['diverged'] if some_diverged else []),
        *(metric_label(metric) for metric in metrics),
    )
    values = {metric: results.final(metric) for metric in metrics}
    rows, raw, cut = [], [], False
    for k, setting in enumerate(results.settings):
        diverged = int(results.diverged[k].sum())
        cells: list[str] = [value_label(name, value_of(setting, name), names) for name in swept]
        keys: list[Any] = [_key(value_of(setting, name)) for name in swept]
        trained = results.runs_of(k)
        counts = [trained] * (not results.exact) + [diverged] * some_diverged
        cells += map(str, counts)
        keys += counts
        for metric in metrics:
            seeds = seeds_of(results, values[metric], k)
            mean, half = (float(x) for x in mean_interval(seeds.whole))
            cell = metric_interval(metric, mean, half)
            cut = cut or ('%' in cell and '±' not in cell and math.isfinite(half))
            if 0 < len(seeds.whole) < trained - diverged:
                cell += f' (n = {len(seeds.whole)})'
            cells.append(cell)
            keys.append(_key(mean))
        rows.append(tuple(cells))
        raw.append(tuple(keys))
    kept = (measure(results.usual).on('test'), LOSS.on('validation'))
    omitted = [metric_label(metric) for metric in metrics if metric not in kept]
    every = chosen or not results.trained
    brief = columns if every else tuple(name for name in columns if name not in omitted)
    words = [
        together(
            {name: setting[name] for name in results.varied or results.swept if name in setting},
            names,
        )
        for setting in results.settings
    ]
    return Table(
        'Results by setting',
        columns,
        tuple(rows),
        tuple(raw),
        _note(results, cut),
        tuple(brief),
        tuple(words),
        len(swept),
    )


def _note(results: Results, cut: bool) -> str:
    """What stands below the table of settings; `cut`: whether an interval in it is cut off."""
    if results.exact:
        cells = 'Exact: no seed changes it.'
    elif len(results.seeds) > 1:
        cells = 'Mean over seeds ± half the width of its 95% Student-t interval.'
    else:
        cells = 'One seed: no interval.'
    note = f'Data: {results.data_label}. {cells}'
    if cut:
        note += ' An interval that reaches beyond 0 or 100% is cut off there, and has its ends.'
    if results.diverged.any():
        note += ' Diverged runs are counted, and omitted from the means.'
    elif results.trained:
        note += ' No run diverged.'
    return note


def from_sheet(sheet: Sheet) -> Table:
    """A table of a study's own: numbers with all their digits, and sorted as numbers."""
    return Table(
        sheet.title,
        sheet.columns,
        tuple(tuple(_cell(value) for value in row) for row in sheet.rows),
        tuple(tuple(_key(value) for value in row) for row in sheet.rows),
        sheet.note,
    )


def runs_table(
    results: Results,
    metrics: Sequence[str] | None = None,
    names: Mapping[str, str] | None = None,
    most: int | None = None,
) -> Table:
    """One row for each setting and seed, with the final metrics.

    Arguments: `settings_table`; `most`: rows that it may have, the first ones.
    """
    metrics, names = _measured(results, metrics), Names(names or {}, results.settings)
    swept = _shown_fields(results, names)
    columns = (
        *(field_label(name, names) for name in swept),
        'seed',
        'state',
        *(['epoch chosen'] if results.trained else []),
        *(metric_label(metric) for metric in metrics),
        *(['run'] if results.ids is not None else []),
    )
    values = {metric: results.final(metric) for metric in metrics}
    rows, raw, unchosen = [], [], without_choice(results)
    total = results.diverged.size
    for k, s in itertools.islice(np.ndindex(*results.diverged.shape), most):
        setting = results.settings[k]
        finals = [float(values[metric][k, s]) for metric in metrics]
        step = int(results.diverged_at[k, s])
        state = 'finished' if any(map(math.isfinite, finals)) or not finals else 'not trained'
        state = 'no epoch chosen' if unchosen[k, s] else state
        state = f'diverged at step {step}' if step >= 0 else state
        epoch = int(results.chosen_epoch[k, s]) if state == 'finished' else None
        seed = int(results.seeds[s])
        named = [] if results.ids is None else [str(results.ids[k, s])]
        rows.append(
            (
                *(value_label(name, value_of(setting, name), names) for name in swept),
                str(seed),
                state,
                *([ABSENT if epoch is None else str(epoch)] if results.trained else []),
                *(metric_value(m, v) for m, v in zip(metrics, finals, strict=True)),
                *named,
            )
        )
        keys = [_key(value_of(setting, name)) for name in swept]
        keys += [seed, state] + [epoch] * results.trained
        raw.append((*keys, *map(_key, finals), *named))
    note = f'Data: {results.data_label}.'
    if len(rows) < total:
        note += f' Shown are the first {len(rows):,} of {total:,} runs; runs.parquet has all.'
    if results.ids is not None and results.trained:
        note += ' A run is trained again alone, and compared bit by bit, by --replay=RUN.'
    return Table('All runs', columns, tuple(rows), tuple(raw), note)


def classes_table(results: Results) -> Table | None:
    """The whole names of the classes; None if the figures have them all, or they are numbers."""
    names = results.classes if results.label_counts else ()
    shown = shortened(names, LETTERS)
    numbered = list(names) == [str(i) for i in range(len(names))]
    if numbered or (list(names) == shown and len(names) <= MOST_NUMBERED):
        return None
    counts = results.label_counts
    raw = tuple(
        (i, short, name, *(int(split[i - 1]) for split in counts.values()))
        for i, (short, name) in enumerate(zip(shown, names, strict=True), 1)
    )
    return Table(
        'Classes',
        ('number', 'in the figures', 'class', *counts),
        tuple(tuple(_cell(value) for value in row) for row in raw),
        raw,
        'In the figures long names are shortened in the middle, and of many classes not all are '
        'named. The last columns count the examples of each split.',
    )


def verdict_table(verdicts: Sequence[Mapping[str, Any]]) -> Table:
    """One row for each claim. verdicts: what `Verdict.to_dict` returns."""
    columns = ('verdict', 'claim', MEASURED, 'effect', 'interval', 'seeds', 'p (Holm)')
    columns += ('p (sign flips)', 'published', 'source')
    rows, raw = [], []
    for verdict in verdicts:
        claim = verdict['claim']
        effect, interval = effect_at_level(verdict)
        rows.append(
            (
                f'{ICONS[verdict["verdict"]]} {verdict["verdict"]}',
                claim['sentence'],
                verdict['what'],
                effect,
                interval,
                seeds_words(verdict),
                p_words(verdict['p_adjusted']),
                p_words(verdict['p_permutation']),
                published_words(verdict) or ABSENT,
                claim['source'],
            )
        )
        raw.append(
            (
                verdict['verdict'],
                claim['sentence'],
                verdict['what'],
                _key(verdict['effect']),
                _key(verdict['low']),
                verdict['n'],
                _key(verdict['p_adjusted']),
                _key(verdict['p_permutation']),
                published_words(verdict),
                claim['source'],
            )
        )
    note = (
        'Intervals (95%, or as said) are not adjusted for the number of claims; p (Holm) is, and '
        'decides. Those of a share end at 0 and 100%.'
    )
    if any(level_words(verdict) != '95%' for verdict in verdicts):
        note += (
            ' Seeds were added until the claims were settled: an interval of a look has the level '
            'next to it, so that those of all looks hold together in 95% of cases.'
        )
    brief = ('verdict', 'claim', 'effect', 'interval', 'seeds', 'p (Holm)')
    return Table('Verdicts', columns, tuple(rows), tuple(raw), note, brief)


def seeds_table(
    verdicts: Sequence[Mapping[str, Any]],
    needs: Sequence[Need | None],
) -> Table:
    """One row for each claim: what is known, and how many seeds would settle it.

    Args:
      verdicts: what `Verdict.to_dict` returns.
      needs: for each claim, as `power.need` returns; None where nothing is known.
    """
    columns = ('claim', 'effect', 'interval', 'so far', 'seeds', 'to settle', 'it would be')
    rows, raw = [], []
    for verdict, needed in zip(verdicts, needs, strict=True):
        effect, interval = effect_at_level(verdict)
        kind = verdict['verdict']
        seeds = None if needed is None else needed.seeds
        if needed is None:
            words = 'exact' if verdict['smallest_permutation_p'] is None else ABSENT
        else:
            words = f'more than {power.MOST:,}' if seeds is None else f'{seeds:,}'
        then = needed.verdict if needed else ''
        shown = f'{ICONS[then]} {then}' if then else ABSENT
        sentence = verdict['claim']['sentence']
        now = f'{ICONS[kind]} {kind}'
        rows.append((sentence, effect, interval, now, seeds_words(verdict), words, shown))
        keys = _key(verdict['effect']), _key(verdict['low'])
        raw.append((sentence, *keys, kind, verdict['n'], seeds, then))
    brief = (columns[0], *columns[3:])
    return Table(
        'Seeds that would settle each claim',
        columns,
        tuple(rows),
        tuple(raw),
        _planning_note(verdicts),
        brief,
    )


def _planning_note(verdicts: Sequence[Mapping[str, Any]]) -> str:
    tested = [verdict for verdict in verdicts if verdict['smallest_permutation_p'] is not None]
    seen = [verdict['n'] for verdict in tested if verdict['n'] > 1]
    if not seen:
        return 'Nothing to plan: fewer than two seeds are known, or no seed changes a number.'
    n = min(seen)
    low, high = power.spread_known(n)
    return (
        f'For a chance of {power.POWER:.0%} at 5% over all {count(len(tested), "claim")} (Holm), '
        f'if effect and scatter are as seen. In {n} seeds the scatter is seen only roughly: the '
        f'true standard deviation is {number(low, 2)} to {number(high, 2)} times as large '
        '(95%), and the seeds needed grow with its square.'
    )


def _measured(results: Results, metrics: Sequence[str] | None) -> list[str]:
    if metrics is not None:
        return list(metrics)
    if not results.trained:
        return list(results.finals)
    both = [
        measure(name).on(split) for split in ('test', 'validation') for name in _measures(results)
    ]
    known = (*results.finals, *derived(results.finals))
    return [metric for metric in (*both, f'gap_{results.usual}') if metric in known]


def _measures(results: Results) -> list[str]:
    """What is measured of splits: the usual first, then the loss, then the others."""
    found = (metric_of(name) for name in results.finals)
    every = [one.measure for one in found if one.name == one.on('validation')]
    return list(dict.fromkeys((results.usual, LOSS.name, *every)))


def _shown_fields(results: Results, names: Mapping[str, str] | None) -> list[str]:
    """The fields that differ; those that `names` has one word for are one, as 'a + b'."""
    shown, names = list(results.varied or results.swept), names or {}
    for key in names:
        name, value = split_key(key)
        fields = [str(term) for term in terms(name)]
        if len(fields) > 1 and value is None and set(fields) <= set(shown):
            values = [value_of(setting, key) for setting in results.settings]
            if all(f'{key}={value}' in names for value in values):
                first = min(shown.index(field) for field in fields)
                shown = [*shown[:first], key, *(f for f in shown[first:] if f not in fields)]
    return shown


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'{value:,}'.replace('-', '−')
    return number(value) if is_number(value) else str(value)


def _key(value: Any) -> Any:
    """What a cell sorts by."""
    if is_number(value):
        return value if math.isfinite(value) else None
    return None if value is None else str(value)
