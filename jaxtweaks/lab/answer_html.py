"""An answer as a notebook shows it: the sentence, the verdicts, the figures, the tables."""

import base64
import html
from typing import TYPE_CHECKING

from jaxtweaks.base.words import ABSENT, count
from jaxtweaks.claims.claim import Verdict
from jaxtweaks.report import verdict_words

if TYPE_CHECKING:
    from jaxtweaks.lab.answer import Answer

_FIGURES = 6  # that are shown; a notebook keeps them all in its file
# Of a badge in any notebook, light or dark, without a style sheet.
_COLOURS = {
    'supported': '#0a6640',
    'contradicted': '#9c1c00',
    'negligible': '#1d4f7c',
    'inconclusive': '#6b5200',
}
_BADGE = 'color:#fff;padding:.05em .6em;border-radius:1em;white-space:nowrap;font-weight:600'


class Verdicts(list[Verdict]):
    """The verdicts of an answer; a notebook shows them as HTML."""

    def _repr_html_(self) -> str:
        rows = ''.join(map(_row, self))
        return f'<table style="max-width:60em">{rows}</table>' if rows else '<p>no claims</p>'


def render(answer: 'Answer') -> str:
    """The HTML of an answer; figures are those in its folder, and none is drawn for it."""
    question = answer.experiment.question or answer.experiment.name
    parts = [f'<p style="font-size:1.15em"><b>{html.escape(question)}</b></p>']
    if said := answer.sentence:
        parts.append(f'<p>{html.escape(said)}</p>')
    if caution := answer.experiment.caution:
        parts.append(f'<p><i>{html.escape(caution)}</i></p>')
    if answer.results.fallback:
        parts.append(f'<p><b>&#9888; {html.escape(answer.results.data_label)}</b></p>')
    if answer.verdicts:
        parts.append(Verdicts(answer.verdicts)._repr_html_())
    figures = answer.experiment.figures
    for figure in figures[:_FIGURES]:
        path = answer.folder / 'figures' / f'{figure.name}.png'
        if path.is_file():
            data = base64.b64encode(path.read_bytes()).decode()
            title = html.escape(figure.title, quote=True)
            parts.append(
                f'<p><img alt="{title}" style="max-width:100%;background:#fff" '
                f'src="data:image/png;base64,{data}"></p>'
            )
    if len(figures) > _FIGURES:
        folder = html.escape(str(answer.folder))
        more = len(figures) - _FIGURES
        verb = 'is' if more == 1 else 'are'
        parts.append(f'<p>{count(more, "more figure")} {verb} in {folder}</p>')
    parts += [table.to_html() for table in answer.tables]
    return ''.join(parts)


def _row(verdict: Verdict) -> str:
    described = verdict.to_dict()
    effect, interval = verdict_words.effect_words(described)
    parts = [] if effect == ABSENT else [effect]
    parts += [] if interval == ABSENT else [f'{verdict_words.level_words(described)} {interval}']
    numbers = ' · '.join([*parts, verdict_words.evidence_words(described)])
    what = f'{described.get("what") or ""}: {numbers}'.removeprefix(': ')
    kind = verdict.verdict
    badge = f'<span style="{_BADGE};background:{_COLOURS[kind]}">{verdict_words.ICONS[kind]} {kind}'
    left = 'style="text-align:left;vertical-align:top"'
    return (
        f'<tr><td {left}>{badge}</span></td><td {left}><b>{html.escape(verdict.claim.sentence)}</b>'
        f' ({html.escape(verdict.claim.source)})<br><small>{html.escape(what)}</small></td></tr>'
    )
