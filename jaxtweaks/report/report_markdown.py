"""The report of a study as Markdown, for a repository or a pull request; figures lie next to it."""

import urllib.parse

from jaxtweaks.report import answer_sentence, report_facts, tables, verdict_words
from jaxtweaks.report.contents import Contents, Drawn
from jaxtweaks.report.markdown import escaped


def render(contents: Contents) -> str:
    """GitHub Markdown, ending in a newline. Figures are looked for as `figures/<name>.png`."""
    results, verdicts, meta = contents.results, contents.verdicts, contents.meta
    text = [f'# {escaped(meta.get("title", "Study"))}', '']
    text += [escaped(meta[key]) + '\n' for key in ('question',) if meta.get(key)]
    if answer := answer_sentence.of(meta.get('question') or '', verdicts).sentence:
        text += [f'**{escaped(answer)}**', '']
    if stand_in := report_facts.stand_in(results):
        text += [f'> **Stand-in data: {escaped(stand_in)}.** Nothing here is a result on the data']
        text += ['> that were asked for.', '']
    text += [f'> {escaped(warning)}\n' for warning in report_facts.warnings(results, meta)]
    first, others = contents.figures[:1], contents.figures[1:]
    text += [line for drawn in first for line in _figure(drawn)]
    if verdicts:
        text += [tables.verdict_table(verdicts).to_markdown()]
        notes, shared = verdict_words.notes_of(verdicts)
        text += [
            f'- {escaped(verdict["claim"]["sentence"])} '
            f'{escaped(verdict_words.remarked(verdict, note))}'
            for verdict, note in zip(verdicts, notes, strict=True)
            if note
        ]
        text += [*(f'- {escaped(words)}' for words in shared), '']
    text += [line for drawn in others for line in _figure(drawn)]
    shown = [*contents.tables, tables.classes_table(results)]
    text += [table.to_markdown() for table in shown if table]
    record = [('command', meta['command'])] if meta.get('command') else []
    seeds = 'exact' if results.exact else ', '.join(map(str, results.seeds))
    record += [('seeds', seeds), *report_facts.facts(meta)]
    text += [f'- {escaped(name)}: {escaped(value)}' for name, value in record]
    return '\n'.join(text) + '\n'


def _figure(drawn: Drawn) -> list[str]:
    path = urllib.parse.quote(f'figures/{drawn.name}.png')
    return [f'![{escaped(drawn.title)}]({path})', '', f'*{escaped(drawn.caption)}*', '']
