"""Publishing some experiments keeps what was published of the others."""

import importlib.util
import pathlib

import numpy as np
import pytest
from PIL import Image

from jaxtweaks.claims.statistics import single_interval
from jaxtweaks.report import published
from jaxtweaks.report.table import Table
from jaxtweaks.results.intervals import mean_interval

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / 'docs' / 'results' / 'publish.py'


@pytest.fixture(scope='module')
def publish():
    spec = importlib.util.spec_from_file_location('publish', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def overview(tally, **documents):
    """A page with a table for each document; rows are (verdict, claim, experiment)."""
    parts = [f'# Overview\n\n{tally}\n']
    for document, rows in documents.items():
        lines = [f'| ? {v} | {claim} | [{e}](<../{e}/report.md>) |' for v, claim, e in rows]
        parts.append('\n'.join([f'## {document}\n', '| verdict | claim | from |', *lines]) + '\n')
    return '\n'.join(parts)


OLD = overview(
    '3 claims of 2 experiments: 2 supported, 1 inconclusive.',
    A=[('supported', 'one', 'bags-quick'), ('inconclusive', 'two', 'noise-quick')],
    B=[('supported', 'three', 'bags-quick')],
)
NEW = overview(
    '2 claims of 2 experiments: 2 contradicted.',
    A=[('contradicted', 'two', 'noise-quick')],
    C=[('contradicted', 'four', 'ants-quick')],
)


def test_rows_of_others_stay_and_are_counted(publish, tmp_path):
    path = tmp_path / 'overview.md'
    path.write_text(OLD)
    assert publish.counted(publish.merged(path, NEW)) == overview(
        '4 claims of 3 experiments: 2 supported, 2 contradicted.',
        A=[('supported', 'one', 'bags-quick'), ('contradicted', 'two', 'noise-quick')],
        B=[('supported', 'three', 'bags-quick')],
        C=[('contradicted', 'four', 'ants-quick')],
    )


def test_why_claims_are_open_is_counted_over_all_rows(publish, tmp_path):
    path = tmp_path / 'overview.md'
    path.write_text(OLD)
    why = 'Why claims are inconclusive: 1 too few seeds.'
    new = NEW.replace('contradicted |', 'inconclusive (too few seeds) |')
    new = new.replace('2 contradicted.', f'2 inconclusive.\n\n{why}')
    found = publish.counted(publish.merged(path, new))
    assert '4 claims of 3 experiments: 2 supported, 2 inconclusive.' in found
    assert found.count('Why claims') == 1
    assert 'Why claims are inconclusive: 2 too few seeds.' in found


def test_answers_are_merged_and_are_no_claims(publish, tmp_path):
    def with_answer(page, name):
        line = f'## Answers\n\n- [{name}](<../{name}/report.md>): Is it? **Yes.**\n\n## A'
        return page.replace('## A', line, 1)

    path = tmp_path / 'overview.md'
    path.write_text(with_answer(OLD, 'bags-quick'))
    found = publish.counted(publish.merged(path, with_answer(NEW, 'ants-quick')))
    headings = [line for line in found.splitlines() if line.startswith('#')]
    assert headings == ['# Overview', '## Answers', '## A', '## B', '## C']
    answered = [line.partition(']')[0] for line in found.splitlines() if line.startswith('- ')]
    assert answered == ['- [ants-quick', '- [bags-quick']
    assert '4 claims of 3 experiments: 2 supported, 2 contradicted.' in found


def test_with_nothing_before_or_nothing_new_the_page_stays_as_it_is(publish, tmp_path):
    path = tmp_path / 'overview.md'
    assert publish.counted(publish.merged(path, OLD)) == OLD
    path.write_text(OLD)
    assert publish.counted(publish.merged(path, OLD)) == OLD


@pytest.mark.parametrize(
    'page', sorted(SCRIPT.parent.glob('overview-*/overview.md')), ids=lambda p: p.parent.name
)
def test_the_published_overviews_are_of_what_is_published(publish, page):
    text = page.read_text()
    assert publish.counted(text) == text
    for section in publish.sections(text).values():
        for name, _ in section.rows:
            assert (SCRIPT.parent / name / 'report.md').is_file()


def test_the_published_table_is_of_the_reports(publish):
    """So no row can differ from its report."""
    page = SCRIPT.parent / 'experiments.md'
    assert publish.experiments(SCRIPT.parent) == page.read_text()
    assert publish.numbers(SCRIPT.parent) == (SCRIPT.parent / 'published.md').read_text()
    assert publish.sizes(SCRIPT.parent) == (SCRIPT.parent / 'sizes.md').read_text()


def test_a_row_of_the_table_of_experiments(publish, tmp_path):
    report = tmp_path / 'bags-quick' / 'report.md'
    report.parent.mkdir()
    verdicts = ''.join(
        f'| {icon} {name} | it |\n' for name, icon in publish.verdict_words.ICONS.items()
    )
    facts = (
        '- seeds: 0, 1, 2', '- data: label: CIFAR-10 \\[q75\\]', f'- commit: {"0123456789" * 4}',
        '- device: CPU, 2 cores', '- took: 3 min 1 s',
    )  # fmt: skip
    report.write_text(
        f'# bags\n\n**Verdicts**\n\n| verdict | claim |\n| --- | --- |\n{verdicts}\n'
        + '\n'.join(facts)
    )
    *_, row = publish.experiments(tmp_path).splitlines()
    assert [cell.strip() for cell in row.split('|')[1:-1]] == [
        '[bags-quick](bags-quick/report.md)', '3', 'CIFAR-10 [q75]', '01234567', 'CPU, 2 cores',
        '3 min 1 s', *['1'] * len(publish.verdict_words.ICONS),
    ]  # fmt: skip


REPORT = """# it

**Verdicts**

| verdict | claim | effect | 95% interval | seeds | p (Holm) | p (sign flips) | published | source |
| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |
| ✓ supported | It helps. | +0.64 points | +0.49 to +0.78 points | 10 | \\< 0.001 | 0.1 | with: 53.64 %; without: 53.11 % | A §1 |
| ✓ supported | It is more. | +0.64 points | +0.49 to +0.78 points | 10 | \\< 0.001 | 0.1 | by: 1.00 % | A §1 |
| ? inconclusive | With \\[it\\] the accuracy is 53.11% (within 1 percentage point). | 52.79 % | {interval} | 10 | 0.1 | 0.1 | one run: 53.11 % | MLP-BN §4.1 |
| ✗ contradicted | The best λ is near 0.0015 (within a factor of 3). | 0.005 | 0.00353 to 0.005 | 10 | 0.7 | 0.7 | best λ: 0.0015 | MLP-BN §5 |
| ✓ supported | It has 1,728 weights. | 1,728 | — | 1 | — | — | A: 1,728 | DEEPREG |
| ✗ contradicted | It has 24M activations. | 15,237,608 | — | 1 | — | — | A: 24,000,000 | DEEPREG |
| ✓ supported | Nothing was published. | 52.79 % | 52.48 % to 53.10 % | 10 | 0.1 | 0.1 | — | A §1 |

Intervals are not adjusted.

- size: paper
- data: label: CIFAR-10 \\[q75\\]
"""  # noqa: E501


def as_now(report):
    """The same report with the columns, and the form of shares, that reports have now."""
    lines = report.replace('95% interval', 'interval').replace(' %', '%').splitlines()
    for i, line in enumerate(lines):
        if line.startswith('| '):
            cells = line.split(' | ')
            more = {'---': '---', 'claim': 'what was measured'}.get(cells[1], 'it: a minus b')
            lines[i] = ' | '.join([*cells[:2], more, *cells[2:]])
    return '\n'.join(lines) + '\n'


def sample():
    """Ten accuracies around 52.79%, with a standard deviation of 0.22 points."""
    noise = np.random.default_rng(0).standard_normal(10)
    return 0.5279 + 0.0022 * (noise - noise.mean()) / noise.std(ddof=1)


def test_numbers_are_read_from_the_verdicts_of_a_report(publish):
    low, high = single_interval(sample())
    report = REPORT.format(interval=f'{100 * low:.4f} % to {100 * high:.4f} %')
    rows = list(publish.rows_of_verdicts(report))
    mean, half = mean_interval(sample())
    assert [row[0] for row in rows] == [
        'With [it] the accuracy is 53.11%', 'The best λ is near 0.0015', 'It has 1,728 weights',
        'It has 24M activations',
    ]  # fmt: skip
    assert rows[0][1:4] == ('MLP-BN §4.1', '53.11 %', '52.79 %')
    # Student's, as the table of settings of the same report has it.
    assert rows[0][4] == f'{100 * (mean - half):.2f} % to {100 * (mean + half):.2f} %'
    assert [row[-1] for row in rows] == [
        'within one run',
        'outside',
        'as published',
        'not as published',
    ]
    assert [row[-2] for row in rows] == ['10', '10', 'exact', 'exact']
    now = list(publish.rows_of_verdicts(as_now(report)))
    assert now == [tuple(cell.replace(' %', '%') for cell in row) for row in rows]


def test_what_is_left_of_several_figures_is_counted(publish, tmp_path):
    (tmp_path / 'work' / 'figures').mkdir(parents=True)
    drawn = '![It](figures/{}.png)\n\n*It.*\n'
    for name in 'ab':
        Image.new('RGB', (2, 2)).save(tmp_path / 'work' / 'figures' / f'{name}.png')
    (tmp_path / 'work' / 'report.md').write_text('\n'.join(drawn.format(name) for name in 'ab'))
    publish.publish(tmp_path / 'work', tmp_path / 'out')
    text = (tmp_path / 'out' / 'report.md').read_text()
    assert '*1 more figure is drawn by the command below.*' in text


def test_the_table_of_a_report_comes_before_its_verdicts(publish, tmp_path):
    row = ('It | is', 'MLP-BN §4', '50.00 %', '50.10 %', '50.00 % to 50.20 %', '5', 'inside')
    table = Table(published.TITLE, published.COLUMNS, (row,), (row,), 'a note')
    for name, text in (
        ('new-quick', f'{table.to_markdown()}\n{REPORT}'),
        ('old-paper', REPORT.format(interval='52.48 % to 53.10 %')),
        ('gradcheck_layers-paper', REPORT),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'report.md').write_text(text)
    assert list(publish.rows_of((tmp_path / 'new-quick' / 'report.md').read_text())) == [row]
    page = publish.numbers(tmp_path)
    assert '1 of 3 published numbers lie within seed noise' in page
    assert 'Of 2 that no seed changes, 1 are as published.' in page
    assert page.index('| DEEPREG |') < page.index('| MLP-BN | It \\| is | MLP-BN §4 |')
    assert '| CIFAR-10 \\[q75\\] | [old:paper](<old-paper/report.md>) |' in page
    assert 'gradcheck' not in page
    assert page.endswith('skewed noise:\n[old-paper](old-paper/report.md).\n')


@pytest.mark.parametrize(
    ('words', 'value'),
    [('53.11 %', 0.5311), ('53.11%', 0.5311)]
    + [('1.006e−06', 1.006e-6), ('−3.5e−9', -3.5e-9), ('1,728', 1728)],
)
def test_a_cell_is_the_number_that_it_says(publish, words, value):
    assert publish.number(words) == pytest.approx(value)


def verdicts(*rows):
    """The verdicts of a report; rows are (claim, what was measured, verdict, effect)."""
    names = 'claim', 'what was measured', 'verdict', 'effect', 'interval', 'seeds'
    rows = [(*row, '+1 to +2', '5') for row in rows]
    lines = [f'| {" | ".join(cells)} |' for cells in (names, ['---'] * len(names), *rows)]
    return '\n'.join(['**Verdicts**\n', *lines]) + '\n'


def test_claims_are_compared_at_two_sizes(publish, tmp_path):
    flips, holds, open_, other = 'It flips.', 'It holds.', 'It is open.', 'Of another metric.'
    yes, no = '✓ supported', '✗ contradicted'
    asked = (  # the claim; at each size the verdict, the effect and what it is of
        (flips, (yes, '+1', 'loss'), ('≈ negligible', '+1.5', 'loss')),
        (holds, (yes, '+2', 'loss'), (yes, '+2.5', 'loss')),
        (open_, ('? inconclusive', '+3', 'loss'), (yes, '+3.5', 'loss')),
        (other, (no, '+4', 'loss'), (yes, '+4.5', 'accuracy')),
        ('Computed alike.', (no, '+5', 'loss'), (yes, '+5', 'loss')),
    )
    found = [[(row[0], row[k][2], *row[k][:2]) for row in asked] for k in (1, 2)]
    found[0].append(('Asked once.', 'loss', no, '+6'))
    quick, paper = (verdicts(*rows) for rows in found)
    for size, text in (('quick', quick), ('paper', paper)):
        (tmp_path / f'bags-{size}').mkdir()
        (tmp_path / f'bags-{size}' / 'report.md').write_text(text)
    (tmp_path / 'alone-paper').mkdir()
    (tmp_path / 'alone-paper' / 'report.md').write_text(paper)

    page = publish.sizes(tmp_path)
    assert ' '.join(page.splitlines()[2:5]).startswith(
        '3 claims of 1 experiment are asked in the same words at `quick` and at `paper`: '
        '1 have the same verdict at both, 1 another one, and 1 are open at one or at both.'
    )
    (row,) = [line for line in page.splitlines() if flips in line]
    assert '[✓ supported](bags-quick/report.md): +1 (+1 to +2; 5 seeds)' in row
    assert '[≈ negligible](bags-paper/report.md): +1.5 (+1 to +2; 5 seeds)' in row
    assert not any(claim in page for claim in (holds, open_, other, 'Asked once', 'Computed alike'))
