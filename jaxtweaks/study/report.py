"""The report of a study: one HTML file that opens from disk and needs nothing else."""

import base64
import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtweaks import atomic
from jaxtweaks.study import page, report_curves, tables, verdict_words
from jaxtweaks.study.results import Results
from jaxtweaks.study.tables import Table
from jaxtweaks.study.words import count

FEW_SEEDS = 6  # below it no two-sided sign-flip p can reach 0.05


def write(
    path: str | Path,
    results: Results,
    verdicts: Sequence[Mapping[str, Any]],
    figures: Sequence[tuple[str, str, bytes]],
    tables: Sequence[Table],
    meta: Mapping[str, Any],
    metrics: Sequence[str] | None = None,
) -> Path:
    """Writes the report, whole or not at all.

    Args:
      path: the HTML file.
      results: the measurements, for the list of all runs and the warnings.
      verdicts: what `Verdict.to_dict` gives, in order.
      figures: (title, caption, SVG) of each figure.
      tables: the study's tables.
      meta: title, question, document, command, config (dict), versions (dict), commit, device,
        data (dict: label, source, fingerprint, sizes), started (text or seconds since 1970),
        seconds, size. What is missing is left out of the page.
      metrics: of the table of all runs; None for the usual ones.

    Returns:
      The path.

    Raises:
      UserError: the results lack a metric that they list.
    """
    path = Path(path)
    atomic.write(path, render(results, verdicts, figures, tables, meta, metrics).encode())
    return path


def render(
    results: Results,
    verdicts: Sequence[Mapping[str, Any]],
    figures: Sequence[tuple[str, str, bytes]],
    shown: Sequence[Table],
    meta: Mapping[str, Any],
    metrics: Sequence[str] | None = None,
) -> str:
    """The page as text. Arguments as of `write`; the same arguments give the same text."""
    return page.render(
        'report.html',
        meta={**_NO_META, **meta},
        facts=_facts(meta),
        config=json.dumps(_plain(meta.get('config', {})), indent=2, ensure_ascii=False),
        banner=_stand_in(results),
        warnings=_warnings(results),
        verdicts=[_verdict(verdict) for verdict in verdicts],
        tally=_tally(verdicts),
        figures=[_figure(i, *figure) for i, figure in enumerate(figures, 1)],
        tables=list(shown),
        curves=report_curves.of(results),
        runs=tables.runs_table(results, metrics, names=results.names),
    )


_NO_META = {'title': 'Study', 'question': '', 'document': '', 'command': ''}


def _figure(i: int, title: str, caption: str, svg: bytes) -> dict[str, str]:
    data = base64.b64encode(svg).decode()
    return {
        'number': str(i),
        'title': title,
        'caption': caption,
        'alt': caption if caption.startswith(title) else f'{title}. {caption}',
        'source': f'data:image/svg+xml;base64,{data}',
    }


def _verdict(verdict: Mapping[str, Any]) -> dict[str, Any]:
    effect, interval = verdict_words.effect_words(verdict)
    return {
        'kind': verdict['verdict'],
        'icon': verdict_words.ICONS[verdict['verdict']],
        'sentence': verdict['claim']['sentence'],
        'source': verdict['claim']['source'],
        'what': verdict.get('what') or verdict.get('unit') or '',
        'numbers': [
            ('effect', effect),
            ('95% interval', interval),
            ('seeds', verdict_words.seeds_words(verdict)),
            ('p (Holm)', verdict_words.p_words(verdict['p_adjusted'])),
            ('p (sign flips)', verdict_words.p_words(verdict['p_permutation'])),
        ],
        'measured': verdict_words.measured_words(verdict),
        'published': verdict_words.published_words(verdict),
        'note': verdict.get('note', ''),
    }


def _tally(verdicts: Sequence[Mapping[str, Any]]) -> str:
    kinds = [verdict['verdict'] for verdict in verdicts]
    parts = [f'{kinds.count(kind)} {kind}' for kind in verdict_words.ICONS if kind in kinds]
    return f'{count(len(kinds), "claim")}: {", ".join(parts)}.' if kinds else ''


def _stand_in(results: Results) -> str:
    return results.data_label.removeprefix('stand-in data: ') if results.fallback else ''


def _warnings(results: Results) -> list[str]:
    warnings = []
    n = len(results.seeds)
    if n < FEW_SEEDS and not results.exact:
        warnings.append(
            f'Few seeds: {n}. Intervals are wide, and by sign flips alone no claim can reach '
            f'p < 0.05 with fewer than {FEW_SEEDS}.'
        )
    diverged = int(results.diverged.sum())
    if diverged:
        all_of = int(results.diverged.all(1).sum())
        every = f' In {count(all_of, "setting")} every run diverged.' if all_of else ''
        warnings.append(
            f'{count(diverged, "run")} of {results.diverged.size} diverged: counted and shown, '
            f'and left out of the means.{every}'
        )
    return warnings


def _facts(meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of everything else to know about the run."""
    facts = [
        (name, str(meta[name]))
        for name in ('document', 'size', 'commit', 'device')
        if meta.get(name)
    ]
    data = meta.get('data') or {}
    facts += [(f'data: {name}', _words(value)) for name, value in data.items()]
    if meta.get('started') not in (None, ''):
        facts.append(('started', _time(meta['started'])))
    if meta.get('seconds') is not None:
        facts.append(('took', _duration(float(meta['seconds']))))
    versions = meta.get('versions') or {}
    return facts + [(name, str(version)) for name, version in versions.items()]


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ', '.join(f'{name} {_words(item)}' for name, item in value.items())
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


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | None) else str(value)
