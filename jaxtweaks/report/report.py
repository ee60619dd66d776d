"""The report of a study: one HTML file that opens from disk and needs nothing else."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtweaks.base import atomic
from jaxtweaks.base.words import count
from jaxtweaks.report import (
    answer_sentence,
    page,
    report_curves,
    report_facts,
    tables,
    verdict_words,
)
from jaxtweaks.report.contents import Contents, Drawn
from jaxtweaks.report.table import Table


def write(path: str | Path, contents: Contents, metrics: Sequence[str] | None = None) -> Path:
    """Writes the report, whole or not at all.

    Args:
      path: the HTML file.
      contents: what it tells.
      metrics: of the table of all runs; None for the usual ones.

    Returns:
      The path.

    Raises:
      UserError: the results lack a metric that they list.
    """
    path = Path(path)
    atomic.write(path, render(contents, metrics).encode())
    return path


def render(contents: Contents, metrics: Sequence[str] | None = None) -> str:
    """The page as text. Arguments as of `write`; the same arguments give the same text."""
    results, verdicts, meta = contents.results, contents.verdicts, contents.meta
    return page.render(
        'report.html',
        meta={**_NO_META, **meta},
        facts=report_facts.facts(meta),
        config=json.dumps(_plain(meta.get('config', {})), indent=2, ensure_ascii=False),
        banner=report_facts.stand_in(results),
        warnings=report_facts.warnings(results, meta),
        answer=answer_sentence.of(meta.get('question') or '', verdicts),
        verdicts=[_verdict(verdict) for verdict in verdicts],
        tally=_tally(verdicts),
        figures=[_figure(i, figure) for i, figure in enumerate(contents.figures, 1)],
        tables=[table.first(_ROWS, 'runs.parquet') for table in contents.tables],
        curves=report_curves.of(results),
        ends=report_curves.SIGNS,
        runs=tables.runs_table(results, metrics, names=results.names, most=_ROWS),
        classes=_classes(contents),
        total=results.diverged.size,
    )


_ROWS = 2_500  # of a table on the page, about 1 MB


def _classes(contents: Contents) -> Table | None:
    table = tables.classes_table(contents.results)
    return table.first(_ROWS, 'the data') if table else None


_NO_META = {'title': 'Study', 'question': '', 'document': '', 'command': ''}


def _figure(i: int, drawn: Drawn) -> dict[str, str]:
    data = base64.b64encode(drawn.svg).decode()
    title, caption = drawn.title, drawn.caption
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
        'what': verdict.get('what') or '',
        'numbers': [
            ('effect', effect),
            (f'{verdict_words.level_words(verdict)} interval', interval),
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


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | None) else str(value)
