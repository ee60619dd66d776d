"""Puts what was measured into this folder: overview, reports, and the first figure of each.

    python docs/results/publish.py runs

Everything comes from the work folders as they are; by which command and of which data, stands in
each report. What was published of experiments that are not among them stays as it is. Figures are
reduced to 256 colours, which these hardly exceed.
"""

import argparse
import collections
import dataclasses
import json
import re
import shutil
from pathlib import Path

from PIL import Image

from jaxtweaks.report import overview as overview_lib
from jaxtweaks.report import verdict_words

HERE = Path(__file__).parent
FIGURE = re.compile(r'!\[[^\n]*\]\(figures/([^)\n]+)\.png\)\n\n\*[^\n]*\*\n')
# The folder of the report that a row of a table links to.
REPORT = re.compile(r'([\w.-]+)/report\.md>?\)')
WHY = re.compile(r'^Why claims are inconclusive: .*\n\n', re.MULTILINE)
REASON = re.compile(r'\| \S inconclusive(?: \(([^)|]*)\))? \|')
TALLY = re.compile(r'^\d+ claims? of \d+ experiments?.*$', re.MULTILINE)


def main() -> None:
    """Writes a folder for each finished experiment, in the place of what was there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('runs', type=Path, help='a folder of work folders and of their overview')
    runs = parser.parse_args().runs
    for overview in sorted(runs.glob('overview*/overview.md')):
        target = HERE / overview.parent.name / overview.name
        put(counted(merged(target, overview.read_text())), target)
    works = sorted(report.parent for report in runs.glob('*/report.md'))
    for work in works:
        publish(work, HERE / work.name)
    icons = verdict_words.ICONS.values()
    lines = [f'| experiment | seeds | data | training took | {" | ".join(icons)} |']
    lines += ['| --- | --- | --- | --- |' + ' ---: |' * len(icons), *map(line, works)]
    table = HERE / 'experiments.md'
    put(merged(table, '# Experiments\n\n' + '\n'.join(lines) + '\n'), table)


def publish(work: Path, target: Path) -> None:
    """One experiment: its report with the first of its figures, and no path of the machine."""
    shutil.rmtree(target, ignore_errors=True)
    text = re.sub(r'^- data: source: .*\n', '', (work / 'report.md').read_text(), flags=re.M)
    text = re.sub(r'--workdir=/\S*/(?=[^/\s]+)', '--workdir=runs/', text)
    first, *others = FIGURE.findall(text) or [None]
    if first is not None:
        end = FIGURE.search(text).end()
        more = f'\n*{len(others)} more figures are drawn by the command below.*\n' if others else ''
        rest = FIGURE.sub('', text[end:]).lstrip('\n')
        text = f'{text[:end]}{more}\n{rest}'
        (target / 'figures').mkdir(parents=True)
        with Image.open(work / 'figures' / f'{first}.png') as picture:
            small = picture.convert('RGB').quantize(256, dither=Image.Dither.NONE)
            small.save(target / 'figures' / f'{first}.png', optimize=True)
    put(text, target / 'report.md')


def line(work: Path) -> str:
    """A row of the table of experiments: what was done, how long it took, how many verdicts."""
    text = (work / 'report.md').read_text()
    seeds, data, took = (
        re.search(rf'^- {name}: (.*)$', text, re.M)[1] for name in ('seeds', 'data: label', 'took')
    )
    verdicts = [
        verdict['verdict'] for verdict in json.loads((work / 'claims.json').read_text())['verdicts']
    ]
    seeds = seeds if seeds == 'exact' else str(1 + seeds.count(','))
    cells = [f'[{work.name}]({work.name}/report.md)', seeds, data, took]
    cells += [str(verdicts.count(kind)) for kind in verdict_words.ICONS]
    return f'| {" | ".join(cells)} |'


@dataclasses.dataclass
class Section:
    """A heading, what stands below it, and the rows about experiments, each with its folder."""

    words: list[str] = dataclasses.field(default_factory=list)
    rows: list[tuple[str, str]] = dataclasses.field(default_factory=list)


def merged(path: Path, text: str) -> str:
    """The text, with the rows of the published file about experiments that it does not name."""
    old, new = sections(path.read_text() if path.is_file() else ''), sections(text)
    named = {name for section in new.values() for name, _ in section.rows}
    lines = []
    for heading in dict.fromkeys([*new, *old]):
        before, after = old.get(heading, Section()), new.get(heading, Section())
        rows = [row for row in before.rows if row[0] not in named] + after.rows
        if rows or heading in new:
            rows = sorted(rows, key=lambda row: row[0])  # in an experiment they stay in order
            words = after.words or before.words
            lines += [heading, '', *words, *(row for _, row in rows), '']
    return '\n'.join(lines[:-1]) + '\n'


def sections(text: str) -> dict[str, Section]:
    """What a page has below each of its headings."""
    found: dict[str, Section] = {}
    for line in text.splitlines():
        if line.startswith('#'):
            section = found[line] = Section()
        elif report := REPORT.search(line):
            section.rows.append((report[1], line))
        elif line or section.words:
            section.words.append(line)
    for section in found.values():
        while section.words and not section.words[-1]:
            section.words.pop()
    return found


def counted(overview: str) -> str:
    """The overview with the number of its claims, experiments, verdicts and reasons."""
    found = [row for section in sections(overview).values() for row in section.rows]
    rows = [(name, row) for name, row in found if row.startswith('|')]  # not the list of answers
    experiments = {name for name, _ in rows}
    kinds = collections.Counter(row.split('|')[1].split()[1] for _, row in rows)
    parts = [f'{kinds[kind]} {kind}' for kind in verdict_words.ICONS if kinds[kind]]
    tally = f'{len(rows)} claims of {len(experiments)} experiments: {", ".join(parts)}.'
    why = overview_lib.why_open([one[1] or '' for _, row in rows if (one := REASON.match(row))])
    counts = '\n\n'.join(filter(None, [tally, why]))
    return TALLY.sub(counts, WHY.sub('', overview), count=1)


def put(text: str, path: Path) -> None:
    """Writes a text, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == '__main__':
    main()
