"""Publishing some experiments keeps what was published of the others."""

import importlib.util
import pathlib

import pytest

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
        C=[('contradicted', 'four', 'ants-quick')],
        B=[('supported', 'three', 'bags-quick')],
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
    assert headings == ['# Overview', '## Answers', '## A', '## C', '## B']
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
