"""Puts what was measured into this folder: overview, reports, and the first figure of each.

    python docs/results/publish.py runs

Everything comes from the work folders as they are; by which command and of which data, stands in
each report. Figures are reduced to 256 colours, which these hardly exceed.
"""

import argparse
import json
import re
import shutil
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
FIGURE = re.compile(r'!\[[^\n]*\]\(figures/([^)\n]+)\.png\)\n\n\*[^\n]*\*\n')


def main() -> None:
    """Writes a folder for each finished experiment, in the place of what was there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('runs', type=Path, help='a folder of work folders and of their overview')
    runs = parser.parse_args().runs
    for overview in sorted(runs.glob('overview*/overview.md')):
        put(overview.read_text(), HERE / overview.parent.name / overview.name)
    works = sorted(report.parent for report in runs.glob('*/report.md'))
    for work in works:
        publish(work, HERE / work.name)
    lines = ['| experiment | seeds | data | training took | ✓ | ✗ | ? |']
    lines += ['| --- | --- | --- | --- | ---: | ---: | ---: |', *map(line, works)]
    put('# Experiments\n\n' + '\n'.join(lines) + '\n', HERE / 'experiments.md')


def publish(work: Path, target: Path) -> None:
    """One experiment: its report with the first of its figures, and no path of the machine."""
    shutil.rmtree(target, ignore_errors=True)
    text = re.sub(r'^- data: source: .*\n', '', (work / 'report.md').read_text(), flags=re.M)
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
    cells += [str(verdicts.count(kind)) for kind in ('supported', 'contradicted', 'inconclusive')]
    return f'| {" | ".join(cells)} |'


def put(text: str, path: Path) -> None:
    """Writes a text, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == '__main__':
    main()
