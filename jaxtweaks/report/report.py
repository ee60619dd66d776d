"""The report of a study: one HTML file that opens from disk and needs nothing else."""

import base64
import dataclasses
import datetime
import json
import math
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
      contents: what it says.
      metrics: of the table of all runs; None for the usual ones.

    Returns:
      The path.

    Raises:
      UserError: the results lack a metric that they list.
    """
    path = Path(path)
    atomic.write_text(path, render(contents, metrics))
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
        **_verdicts(verdicts),
        figures=[_figure(i, figure) for i, figure in enumerate(contents.figures, 1)],
        tables=[table.first(_ROWS, 'runs.parquet') for table in contents.tables],
        curves=report_curves.of(results),
        ends=report_curves.SIGNS,
        runs=tables.runs_table(results, metrics, names=results.names, most=_ROWS),
        classes=_classes(contents),
        total=results.diverged.size,  # as in the table: also those not trained, which it names
        live=None,
    )


@dataclasses.dataclass(frozen=True)
class Live:
    """How a sweep that is not finished stands.

    Attributes:
      share: of the work that is done.
      left: the time left, in words; '' if it is not known.
      group: what is being trained, in words.
      waiting: the sentences of the claims that cannot be tested yet.
      every: seconds between two pages, about.
      written: when, in seconds since 1970.
      stopped: whether it stands still, so that the page is the last one for now.
      look: where seeds are added until the claims are settled, which look at them is trained for.
      going: the sentences of the claims that are open then.
    """

    share: float
    left: str
    group: str
    waiting: Sequence[str]
    every: float
    written: float
    stopped: bool = False
    look: str = ''
    going: Sequence[str] = ()


def write_live(path: str | Path, contents: Contents, live: Live) -> Path:
    """Writes the page of a sweep that is not finished, whole or not at all; see `write`."""
    path = Path(path)
    atomic.write_text(path, render_live(contents, live))
    return path


def render_live(contents: Contents, live: Live) -> str:
    """The page of a sweep that is not finished: it reloads itself until it stands still."""
    results, verdicts, meta = contents.results, contents.verdicts, contents.meta
    return page.render(
        'report.html',
        meta={**_NO_META, **meta},
        facts=report_facts.facts(meta),
        config='',
        banner=report_facts.stand_in(results),
        warnings=[],
        answer=None,  # only what is finished has one
        **_verdicts(verdicts),
        figures=[],
        tables=contents.tables,
        curves=report_curves.of(results),
        ends=report_curves.SIGNS,
        runs=None,
        classes=None,
        total=results.diverged.size,
        live=live,
        percent=f'{math.floor(100 * live.share)}',
        at=f'{datetime.datetime.fromtimestamp(live.written):%H:%M:%S}',
    )


def is_live(path: Path) -> bool:
    """Whether a page is one that `write_live` wrote, and not the report."""
    try:
        with path.open('rb') as file:
            return b'<html lang="en" data-live' in file.read(200)
    except OSError:
        return False


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


def _verdicts(verdicts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the page says of verdicts: of each, how many there are, and what several share."""
    notes, shared = verdict_words.notes_of(verdicts)
    each = [_verdict(verdict, note) for verdict, note in zip(verdicts, notes, strict=True)]
    return {'verdicts': each, 'tally': _tally(verdicts), 'shared': shared}


def _verdict(verdict: Mapping[str, Any], note: str) -> dict[str, Any]:
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
        'note': verdict_words.remarked(verdict, note) if note else '',
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
