"""Puts what was measured into this folder: overview, reports, and the first figure of each.

    python docs/results/publish.py runs
    python docs/results/publish.py         only experiments.md, published.md and sizes.md, again
                                           from the reports that are here

Everything comes from the work folders as they are; by which command and of which data, stands in
each report. What was published of experiments that are not among them stays as it is. Figures are
reduced to 256 colours, which these hardly exceed.
"""

import argparse
import collections
import dataclasses
import itertools
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from jaxtweaks.base import numbers as numbers_lib
from jaxtweaks.base.words import count
from jaxtweaks.claims import published as published_lib
from jaxtweaks.claims.claim import Claim
from jaxtweaks.claims.statistics import single_interval
from jaxtweaks.report import overview as overview_lib
from jaxtweaks.report import published, verdict_words
from jaxtweaks.report.markdown import escaped, plain
from jaxtweaks.results.intervals import mean_interval

HERE = Path(__file__).parent
FIGURE = re.compile(r'!\[[^\n]*\]\(figures/([^)\n]+)\.png\)\n\n\*[^\n]*\*\n')
# The folder of the report that a row of a table links to.
REPORT = re.compile(r'([\w.-]+)/report\.md>?\)')
WHY = re.compile(r'^Why claims are inconclusive: .*\n\n', re.MULTILINE)
REASON = re.compile(r'\| \S inconclusive(?: \(([^)|]*)\))? \|')
# Their figures are those of other quantities, as a yardstick.
YARDSTICKS = ('gradcheck_layers',)
WHAT = 'what was measured'  # the heading of a column
TALLY = re.compile(r'^\d+ claims? of \d+ experiments?.*$', re.MULTILINE)


def main() -> None:
    """Writes a folder for each finished experiment, in the place of what was there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    described = 'a folder of work folders and of their overview'
    parser.add_argument('runs', type=Path, nargs='?', help=described)
    if runs := parser.parse_args().runs:
        publish_all(runs)
    put(experiments(HERE), HERE / 'experiments.md')
    put(numbers(HERE), HERE / 'published.md')
    put(sizes(HERE), HERE / 'sizes.md')


def publish_all(runs: Path) -> None:
    """The overviews and experiments of a folder of work folders."""
    for overview in sorted(runs.glob('overview*/overview.md')):
        target = HERE / overview.parent.name / overview.name
        # Its published numbers are in the reports too, from which the page of all is made.
        text, *_ = overview.read_text().partition(f'\n## {published.TITLE}\n')
        put(counted(merged(target, text)), target)
    works = sorted(report.parent for report in runs.glob('*/report.md'))
    for work in works:
        publish(work, HERE / work.name)


def publish(work: Path, target: Path) -> None:
    """One experiment: its report with the first of its figures, and no path of the machine."""
    shutil.rmtree(target, ignore_errors=True)
    text = re.sub(r'^- data: source: .*\n', '', (work / 'report.md').read_text(), flags=re.M)
    text = re.sub(r'--workdir=/\S*/(?=[^/\s]+)', '--workdir=runs/', text)
    first, *others = FIGURE.findall(text) or [None]
    if first is not None:
        end = FIGURE.search(text).end()
        more = f'{count(len(others), "more figure")} {"is" if len(others) == 1 else "are"} drawn'
        more = f'\n*{more} by the command below.*\n' if others else ''
        rest = FIGURE.sub('', text[end:]).lstrip('\n')
        text = f'{text[:end]}{more}\n{rest}'
        (target / 'figures').mkdir(parents=True)
        with Image.open(work / 'figures' / f'{first}.png') as picture:
            small = picture.convert('RGB').quantize(256, dither=Image.Dither.NONE)
            small.save(target / 'figures' / f'{first}.png', optimize=True)
    put(text, target / 'report.md')


def experiments(folder: Path) -> str:
    """The page of all experiments, from the reports in the folders inside: a row for each."""
    icons = verdict_words.ICONS.values()
    named = 'experiment', 'seeds', 'data', 'trained at', 'device', 'took', *icons
    rules = ['---'] * 6 + ['---:'] * len(icons)
    rows = [f'| {" | ".join(cells)} |' for cells in (named, rules)]
    rows += map(line, sorted(folder.glob('*/report.md')))
    return '# Experiments\n\n' + '\n'.join(rows) + '\n'


def line(report: Path) -> str:
    """A row of that page: what was done, by which commit, how long it took, and the verdicts."""
    text, name = report.read_text(), report.parent.name
    verdicts = [cells[0].split()[1] for cells in table(text, 'Verdicts')]
    seeds, *commits = fact('seeds', text), *fact('commit', text).split(', then ')
    seeds = seeds if seeds == 'exact' else str(1 + seeds.count(','))
    # Of later ones are the seeds that were added, and what was made of the results.
    at = f'{commits[0][:8]}{"…" if len(commits) > 1 else ""}'
    facts = [fact(one, text) for one in ('data: label', 'device', 'took')]
    cells = [f'[{name}]({name}/report.md)', seeds, facts[0], at, *facts[1:]]
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
    for heading in dict.fromkeys([*old, *new]):  # of a part the order would be another
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


def numbers(folder: Path) -> str:
    """The page of all published numbers, from the reports in the folders inside."""
    rows, older = [], []
    for report in sorted(folder.glob('*/report.md')):
        text = report.read_text()
        found = list(rows_of(text))
        if not found and report.parent.name.rpartition('-')[0] not in YARDSTICKS:
            found = list(rows_of_verdicts(text))
            older += [report.parent.name] * bool(found)
        link = f'{report.parent.name}/report.md'
        name, _, size = report.parent.name.rpartition('-')
        data = fact('data: label', text)
        rows += [
            published.Row(document(cells[1]), cells, name, size, data, text=link) for cells in found
        ]
    rows = published.largest(rows)
    order = overview_lib.documents(rows)
    rows.sort(key=lambda row: order.index(row.document))
    lines = published.markdown(rows, '#')[1:]
    older = [name for name in older if any(row.text.startswith(f'{name}/') for row in rows)]
    if older:
        named = ', '.join(f'[{name}]({name}/report.md)' for name in older)
        lines += [
            '',
            'Of reports that have no such table yet the numbers are those of verdicts, with',
        ]
        lines += ["Student's interval in place of the verdict's, which allows for skewed noise:"]
        lines += [f'{named}.']
    return '\n'.join(lines) + '\n'


def sizes(folder: Path) -> str:
    """The page of the claims asked at two sizes, from the reports in the folders inside."""
    pairs = []
    for paper in sorted(folder.glob('*-paper/report.md')):
        name = paper.parent.name.removesuffix('-paper')
        quick = folder / f'{name}-quick' / 'report.md'
        if quick.is_file():
            pairs += [(name, *both) for both in asked_twice(quick.read_text(), paper.read_text())]
    kinds = [{row['verdict'].split()[1] for row in both} for _, *both in pairs]
    same = sum(len(found) == 1 and 'inconclusive' not in found for found in kinds)
    other = [
        pair
        for pair, found in zip(pairs, kinds, strict=True)
        if len(found) == 2 and 'inconclusive' not in found
    ]
    claims = count(len(pairs), 'claim')
    experiments = count(len({name for name, *_ in pairs}), 'experiment')
    lines = [
        "# From `quick` to the documents' own sizes\n",
        f'{claims} of {experiments} are asked in the same words at `quick` and at `paper`:',
        f'{same} have the same verdict at both, {len(other)} another one,',
        f'and {len(pairs) - same - len(other)} are open at one or at both. Left aside are what is',
        'computed alike at both sizes, and reports too old to say what was measured.\n',
    ]
    if other:
        named = 'experiment', 'claim', WHAT, 'quick', 'paper'
        lines += [f'| {" | ".join(named)} |', f'{"|---" * len(named)}|']
        lines += [row_of_sizes(*pair) for pair in other]
    return '\n'.join(lines) + '\n'


def asked_twice(quick: str, paper: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """The verdicts of two reports on the same claims, but for those of the same computation."""
    at_quick = {row['claim']: row for row in named_cells(quick, 'Verdicts')}
    for row in named_cells(paper, 'Verdicts'):
        other = at_quick.get(row['claim'])
        if other is None or WHAT not in row or other.get(WHAT, row[WHAT]) != row[WHAT]:
            continue
        if (row['effect'], interval_of(row)) != (other['effect'], interval_of(other)):
            yield other, row


def row_of_sizes(name: str, quick: dict[str, str], paper: dict[str, str]) -> str:
    """A claim, what was measured of it, and its verdicts at both sizes."""
    cells = [name, escaped(paper['claim']), escaped(paper[WHAT])]
    for size, row in (('quick', quick), ('paper', paper)):
        found = escaped(f'{row["effect"]} ({interval_of(row)}; {row["seeds"]} seeds)')
        cells.append(f'[{row["verdict"]}]({name}-{size}/report.md): {found}')
    return f'| {" | ".join(cells)} |'


def interval_of(row: dict[str, str]) -> str:
    """The interval of a verdict."""
    return row.get('interval') or row['95% interval']  # as the column was called before


def fact(name: str, report: str) -> str:
    """What a report says of how it was made, by its name; '' if it does not."""
    found = re.search(rf'^- {name}: (.*)$', report, re.M)
    return plain(found[1]) if found else ''


def document(source: str) -> str:
    """The short name of the document of a source."""
    return re.match(r'[A-Z][A-Z-]+\b|', source)[0] or 'other'


def rows_of(report: str) -> Iterator[tuple[str, ...]]:
    """The rows of the table of published numbers of a report; none if it has no such table."""
    for cells in table(report, published.TITLE):
        yield tuple(cells)


def rows_of_verdicts(report: str) -> Iterator[tuple[str, ...]]:
    """The same from its verdicts: those on a mean (not a difference) with one published number."""
    found = []
    for row in named_cells(report, 'Verdicts'):
        verdict, sentence, effect, seeds = (
            row[name] for name in ('verdict', 'claim', 'effect', 'seeds')
        )
        holm, printed, source = (row[name] for name in ('p (Holm)', 'published', 'source'))
        interval = interval_of(row)
        label, _, value = printed.rpartition(': ')
        if ';' not in printed and not math.isnan(number(value)) and effect[0] not in '+−—':
            claim = Claim(
                sentence=sentence,
                source=source,
                kind='published',
                metric='',
                published={label: number(value)},
            )
            found.append((claim, verdict, effect, interval, seeds, holm, value))
    named = published_lib.of_claims(claim for claim, *_ in found)
    for one, (_, verdict, effect, interval, seeds, holm, value) in zip(named, found, strict=True):
        exact = holm == interval == '—'
        if exact:
            same = verdict.endswith(' supported')
            word = published.SAME if same else published.OTHER
        else:
            n = int(seeds.split()[0])
            interval = students(number(effect), interval, n)
            word = state(one.value, number(effect), interval, n)
        level = re.search(r'\(([\d.]+%)\)$', interval)
        differs = f'the interval is of {level[1]}' if level else ''
        seeds = 'exact' if exact else seeds
        cells = one.what, one.source, value, effect, interval, seeds
        yield *cells, published.said(word, one.reading, differs)


def students(effect: float, interval: str, n: int) -> str:
    """The Student-t interval of a mean, from that of a verdict, which allows for skewed noise.

    That of a place (an optimum), of another level than 95%, or of no width, stays as it is.
    """
    ends = re.match(r'(.*?) to (.*?)$', interval)
    low, high = map(number, ends.groups()) if ends else (math.nan, math.nan)
    if not low < high or skewed(effect, low, high):
        return interval
    some = np.arange(n) - (n - 1) / 2  # of mean zero
    half = (high - low) / 2 * float(mean_interval(some)[1]) / single_interval(some)[1]
    found = [effect - half, effect + half]
    if interval.endswith('%'):
        unit = ' %' if interval.endswith(' %') else '%'  # older reports have a space
        return ' to '.join(f'{numbers_lib.percent(end)}{unit}' for end in found)
    return ' to '.join(numbers_lib.number(end, 4) for end in found)


def skewed(effect: float, low: float, high: float) -> bool:
    """Whether an interval is no multiple of a standard error around the effect."""
    return abs((high - effect) - (effect - low)) > 0.1 * (high - low)


def state(value: float, effect: float, interval: str, n: int) -> str:
    """See `published.state`; of a place (an optimum) the interval is no multiple of one run's."""
    ends = re.match(r'(.*?) to (.*?)(?: \(.*\))?$', interval)
    low, high = map(number, ends.groups()) if ends else (math.nan, math.nan)
    found = published.state(value, effect, low, high, n)
    place = found == published.REACHED and skewed(effect, low, high)
    return published.OUTSIDE if place else found


def number(words: str) -> float:
    """What a cell of a table says, as '53.11%', '1.006e−6' or '1,728'; NaN if it is no number."""
    share = words.endswith('%')
    try:
        value = float(words.removesuffix('%').strip().replace('−', '-').replace(',', ''))
    except ValueError:
        return math.nan
    return value / 100 if share else value


def table(report: str, title: str) -> Iterator[list[str]]:
    """The rows of the table of a report that has this title, cell by cell."""
    _, *rows = with_headings(report, title) or [[]]
    yield from rows


def named_cells(report: str, title: str) -> Iterator[dict[str, str]]:
    """The same, each cell by the heading of its column: columns have come and gone."""
    names, *rows = with_headings(report, title) or [[]]
    for cells in rows:
        yield dict(zip(names, cells, strict=True))


def with_headings(report: str, title: str) -> list[list[str]]:
    """The headings and the rows of a table; [] if there is none of this title."""
    _, _, rest = report.partition(f'**{title}**\n\n')
    lines = itertools.takewhile(lambda line: line.startswith('|'), rest.splitlines())
    rows = [[plain(cell.strip()) for cell in re.split(r'(?<!\\)\|', row)[1:-1]] for row in lines]
    return rows[:1] + rows[2:]  # without the rule below the headings


def put(text: str, path: Path) -> None:
    """Writes a text, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == '__main__':
    main()
