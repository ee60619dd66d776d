"""Puts what was measured into this folder: overview, reports, and the first figure of each.

    python docs/results/publish.py runs

Everything comes from the work folders as they are; by which command and of which data, stands in
each report. Figures are reduced to 256 colours, which these hardly exceed.
"""

import argparse
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
    for report in sorted(runs.glob('*/report.md')):
        publish(report.parent, HERE / report.parent.name)


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


def put(text: str, path: Path) -> None:
    """Writes a text, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == '__main__':
    main()
