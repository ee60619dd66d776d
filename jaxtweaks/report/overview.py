"""Many experiments on one page: every claim of every document, its verdict, and where it is from.

It is made of the `claims.json` of work folders and of nothing else, so that any set of folders
can be looked over, whenever they were made.
"""

import dataclasses
import os
import re
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtweaks.base import atomic
from jaxtweaks.base.sealed import parse_json
from jaxtweaks.base.words import ABSENT, count
from jaxtweaks.claims.claim import Open
from jaxtweaks.report import answer_sentence, page, published, verdict_words
from jaxtweaks.report.answer_sentence import AnswerSentence
from jaxtweaks.report.markdown import escaped
from jaxtweaks.report.report import is_live

_COLUMNS = ('verdict', 'claim', 'effect', 'interval', 'seeds', 'measured', 'published', 'from')
DOCUMENTS = {
    'ROLE': 'Role of Tweaks in Deep Learning',
    'DEEPREG': 'Deep Regularization',
    'MLP-BN': 'DD2424 Assignment 3',
    'GENERAL': 'Training Neural Networks: Generalization',
    'INITREG': 'Initialization and Regularization',
}


@dataclasses.dataclass(frozen=True)
class Line:
    """One claim of the overview, in words.

    Attributes:
      document: the short name of the document.
      tweaks: what the experiment is about.
      kind, icon: the verdict.
      sentence, source: the claim.
      effect, interval, p, seeds, what: the evidence.
      measured, published: figures next to each other; '' for none.
      note: what else to know.
      open: why it is inconclusive, see `Open`; '' if it is not, or if its record does not say.
      experiment, size, data: of what; `data` only if it stands in for other data.
      link: the report, relative to the overview; '' if there is none.
      text: the same, of the report as Markdown.
    """

    document: str
    tweaks: tuple[str, ...]
    kind: str
    icon: str
    sentence: str
    source: str
    effect: str
    interval: str
    p: str
    seeds: str
    what: str
    measured: str
    published: str
    note: str
    open: str
    experiment: str
    size: str
    data: str
    link: str
    text: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """One work folder: what its claims.json holds, or why there is nothing to show of it."""

    path: Path
    record: Mapping[str, Any] | None
    reason: str = ''


@dataclasses.dataclass(frozen=True)
class Short:
    """What an experiment asked and found, each in a sentence.

    Attributes:
      experiment, size, question: of what.
      answer: see `answer_sentence`.
      link, text: as of `Line`.
    """

    experiment: str
    size: str
    question: str
    answer: AnswerSentence
    link: str
    text: str


def answers(entries: Sequence[Entry], folder: Path) -> list[Short]:
    """The answer of each entry that has one; `folder`: where the overview will lie."""
    found = []
    for entry in entries:
        record = entry.record
        if record is None:
            continue
        question = record.get('question') or ''
        said = answer_sentence.of(question, record['verdicts'])
        if said.sentence:
            found.append(
                Short(
                    record['experiment'],
                    record['size'],
                    question,
                    said,
                    *_links(entry.path, folder),
                )
            )
    return found


def gather(folders: Iterable[Path]) -> list[Entry]:
    """The answers in work folders, or in the folders inside; by experiment, as given.

    A folder without a claims.json is looked into one level deep, in the order of the names. One
    that is named several times counts once.
    """
    found: dict[Path, Path] = {}
    for folder in folders:
        if (folder / 'claims.json').is_file():
            found.setdefault(folder.resolve(), folder)
        elif folder.is_dir():
            for path in sorted(path for path in folder.iterdir() if path.is_dir()):
                if (path / 'claims.json').is_file():
                    found.setdefault(path.resolve(), path)
    return [_read(path) for path in found.values()]


def lines(entries: Sequence[Entry], folder: Path) -> list[Line]:
    """Every claim of the entries that have an answer; `folder`: where the overview will lie."""
    found = []
    for entry in entries:
        if entry.record is not None:
            found += [
                _line(verdict, entry.record, entry.path, folder)
                for verdict in entry.record['verdicts']
            ]
    order = documents(found)
    return sorted(found, key=lambda line: order.index(line.document))


def numbers(entries: Sequence[Entry], folder: Path) -> list[published.Row]:
    """Every published number of the entries, at their largest size.

    `folder`: where the overview will lie.
    """
    found = []
    for entry in entries:
        record = entry.record
        if record is None:
            continue
        found += [
            published.Row(
                _document(one['number']['source'], record['document']),
                published.cells(one, record['size'], record['data'] if record['stand_in'] else ''),
                record['experiment'],
                record['size'],
                record['data'],
                *_links(entry.path, folder),
            )
            for one in record.get('published') or ()
        ]
    found = published.largest(found)
    order = documents(found)
    return sorted(found, key=lambda row: order.index(row.document))


def cautions(entries: Sequence[Entry]) -> list[str]:
    """What to know before believing the answers, each sentence once."""
    found = (entry.record.get('caution') for entry in entries if entry.record)
    return list(dict.fromkeys(filter(None, found)))


def documents(found: Iterable[Line] | Iterable[published.Row]) -> list[str]:
    """The documents, the five first."""
    return [*DOCUMENTS, *sorted({one.document for one in found} - set(DOCUMENTS))]


def write(
    folder: Path, entries: Sequence[Entry], failed: Mapping[str, str] | None = None
) -> tuple[Path, Path]:
    """Writes overview.html and overview.md into `folder`.

    Args:
      folder: is made if need be.
      entries: what there is to show.
      failed: experiments without an answer, and why.

    Returns:
      The paths of the two files.
    """
    failed = {str(entry.path): entry.reason for entry in entries if entry.record is None} | {
        **(failed or {})
    }
    shown = lines(entries, folder)
    paths = folder / 'overview.html', folder / 'overview.md'
    rest = failed, _finished(entries), answers(entries, folder), numbers(entries, folder)
    rest += (cautions(entries),)
    atomic.write_text(paths[0], render(shown, *rest))
    atomic.write_text(paths[1], markdown(shown, *rest))
    return paths


def render(
    shown: Sequence[Line],
    failed: Mapping[str, str],
    experiments: int,
    short: Sequence[Short] = (),
    printed: Sequence[published.Row] = (),
    cautious: Sequence[str] = (),
) -> str:
    """The page as text; the same arguments give the same text."""
    named = list(dict.fromkeys(line.document for line in shown))
    return page.render(
        'overview.html',
        tally=tally(shown, experiments),
        why_open=why_open(_reasons(shown)),
        short=short,
        sections=[
            (name, DOCUMENTS.get(name, ''), [line for line in shown if line.document == name])
            for name in named
        ],
        filters=[
            ('document', named),
            ('experiment', sorted({line.experiment for line in shown})),
            ('tweak', sorted({tweak for line in shown for tweak in line.tweaks})),
            ('verdict', [kind for kind in verdict_words.ICONS if _has(shown, kind)]),
            ('size', list(dict.fromkeys(line.size for line in shown))),
        ],
        stand_ins=sorted({line.data for line in shown if line.data}),
        cautions=cautious,
        failed=failed,
        absent=ABSENT,
        several_sizes=len({line.size for line in shown}) > 1,
        printed=printed,
        printed_counts=published.summary(printed),
        published=published,
    )


def markdown(
    shown: Sequence[Line],
    failed: Mapping[str, str],
    experiments: int,
    short: Sequence[Short] = (),
    printed: Sequence[published.Row] = (),
    cautious: Sequence[str] = (),
) -> str:
    """The same as GitHub Markdown, ending in a newline."""
    text = ['# Overview']
    for words in counted(shown, experiments):
        text += ['', words]
    text += [line for caution in cautious for line in ('', f'> {escaped(caution)}')]
    for data in sorted({line.data for line in shown if line.data}):
        text += ['', f'**Stand-in data: {escaped(data)}.** What rests on them says so.']
    if failed:
        text += ['', '## Not finished', '']
        text += [f'- {escaped(name)}: {escaped(reason)}' for name, reason in failed.items()]
    if short:
        text += ['', '## Answers', '']
        for one in short:
            name = escaped(f'{one.experiment}:{one.size}')
            link = one.text or one.link
            name = f'[{name}](<{link}>)' if link else name
            text.append(f'- {name}: {escaped(one.question)} **{escaped(one.answer.sentence)}**')
    for document in dict.fromkeys(line.document for line in shown):
        title = DOCUMENTS.get(document)
        text += ['', f'## {escaped(document)}{f": {title}" if title else ""}', '']
        text += [f'| {" | ".join(_COLUMNS)} |']
        text += ['| --- | --- | ---: | --- | ---: | --- | --- | --- |']
        for line in shown:
            if line.document != document:
                continue
            name = escaped(f'{line.experiment}:{line.size}')
            cells = [
                f'{line.icon} {line.kind}{f" ({line.open})" if line.open else ""}',
                escaped(f'{line.sentence} ({line.source})'),
                *map(escaped, (line.effect, line.interval, line.seeds)),
                *(escaped(words) or ABSENT for words in (_measured(line), line.published)),
                f'[{name}](<{line.text or line.link}>)' if line.text or line.link else name,
            ]
            text.append(f'| {" | ".join(cells)}{" (stand-in data)" if line.data else ""} |')
    text += published.markdown(printed)
    return '\n'.join(text) + '\n'


def _measured(line: Line) -> str:
    """What the effect is of, without which it has no direction, and the means compared."""
    means = f'({line.measured})' if line.what and line.measured else line.measured
    return ' '.join(filter(None, [line.what, means]))


def tally(shown: Sequence[Line], experiments: int) -> str:
    """How many claims there are of each verdict, in a sentence."""
    kinds = [line.kind for line in shown]
    parts = [f'{kinds.count(kind)} {kind}' for kind in verdict_words.ICONS if kind in kinds]
    listed = f': {", ".join(parts)}' if parts else ''
    return f'{count(len(kinds), "claim")} of {count(experiments, "experiment")}{listed}.'


def counted(shown: Sequence[Line], experiments: int) -> list[str]:
    """Both sentences, that on what keeps claims open only if there is any."""
    return list(filter(None, [tally(shown, experiments), why_open(_reasons(shown))]))


def _reasons(shown: Sequence[Line]) -> list[str]:
    return [line.open for line in shown if line.kind == 'inconclusive']


def why_open(reasons: Sequence[str]) -> str:
    """How many inconclusive claims there are for each reason, in a sentence; '' for none.

    `reasons`: the first of each claim's; '' where its record is older than reasons are.
    """
    parts = [f'{reasons.count(one)} {one}' for one in Open if one in reasons]
    if not parts:
        return ''
    parts += [f'{reasons.count("")} not recorded'] if '' in reasons else []
    return f'Why claims are inconclusive: {", ".join(parts)}.'


def _line(verdict: Mapping[str, Any], record: Mapping[str, Any], path: Path, folder: Path) -> Line:
    claim = verdict['claim']
    effect, interval = verdict_words.effect_at_level(verdict)
    link, text = _links(path, folder)
    return Line(
        document=_document(claim['source'], record['document']),
        tweaks=tuple(record['tweaks']),
        kind=verdict['verdict'],
        icon=verdict_words.ICONS[verdict['verdict']],
        sentence=claim['sentence'],
        source=claim['source'],
        effect=effect,
        interval=interval,
        p=verdict_words.p_words(verdict['p_adjusted']),
        seeds=verdict_words.evidence_words(verdict),
        what=verdict['what'],
        measured=verdict_words.measured_words(verdict),
        published=verdict_words.published_words(verdict),
        note=verdict['note'],
        open=(verdict.get('open_because') or [''])[0],
        experiment=record['experiment'],
        size=record['size'],
        data=record['data'] if record['stand_in'] else '',
        link=link,
        text=text,
    )


def _document(source: str, otherwise: str) -> str:
    """The short name of the document, from where a claim stands: 'MLP-BN §4.1' is 'MLP-BN'."""
    for text in (source, otherwise):
        found = re.match(r'[A-Z][A-Z-]+\b', text)
        if found:
            return found[0]
    return otherwise or source or 'other'


def _read(path: Path) -> Entry:
    if is_live(path / 'report.html'):  # its claims.json is of an earlier state
        return Entry(path, None, 'runs are under way or were interrupted; its answer is not made')
    try:
        record = parse_json((path / 'claims.json').read_bytes())
    except (OSError, ValueError) as error:
        return Entry(path, None, f'claims.json cannot be read ({error})')
    entry = Entry(path, record)
    needed = {'experiment', 'size', 'document', 'tweaks', 'data', 'stand_in', 'verdicts'}
    try:
        if not needed <= set(record):
            raise KeyError(*needed)
        lines([entry], path)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        return Entry(path, None, 'claims.json is of an earlier version; run the experiment again')
    return entry


def _finished(entries: Sequence[Entry]) -> int:
    return sum(entry.record is not None for entry in entries)


def _links(path: Path, folder: Path) -> tuple[str, str]:
    """The report of a work folder, as HTML and as Markdown, from `folder`; '' if there is none."""
    targets = path / 'report.html', path / 'report.md'
    html, text = (_link(one, folder) if one.is_file() else '' for one in targets)
    return html, text


def _link(target: Path, folder: Path) -> str:
    relative = os.path.relpath(target.resolve(), folder.resolve())
    return urllib.parse.quote(Path(relative).as_posix())


def _has(shown: Sequence[Line], kind: str) -> bool:
    return any(line.kind == kind for line in shown)
