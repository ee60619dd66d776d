"""The overview says what claims.json holds, and nothing a config says becomes markup."""

import base64
import hashlib
import json
import re

import pytest
from fake_verdicts import verdict

from jaxtweaks.report import overview


def put(root, name, verdicts, **changes):
    """A work folder with an answer."""
    folder = root / name
    folder.mkdir(parents=True)
    record = {
        'experiment': name,
        'size': 'quick',
        'document': 'ROLE §1',
        'tweaks': ['dropout'],
        'data': 'CIFAR-10',
        'stand_in': False,
        'verdicts': verdicts,
        **changes,
    }
    (folder / 'claims.json').write_text(json.dumps(record))
    (folder / 'report.html').write_text('')
    return folder


@pytest.fixture
def runs(tmp_path):
    put(tmp_path, 'a b', [verdict(claim={'source': 'MLP-BN §4'}), verdict('contradicted')])
    beyond = verdict('inconclusive', claim={'source': 'beyond the document'}, note='why <b>not</b>')
    put(
        tmp_path, 'c', [beyond], document='GENERAL, x', tweaks=['noise'], size='paper',
        data='digits (stand-in for CIFAR-10)', stand_in=True,
    )  # fmt: skip
    exact = verdict(smallest_permutation_p=None, p_adjusted=None, low=None, high=None)
    put(tmp_path, 'd', [exact], document='OTHER-DOC', tweaks=['network', 'dropout'])
    return tmp_path


def written(folder, **failed):
    page, text = overview.write(folder / 'overview', overview.gather([folder]), failed)
    return page.read_text(), text.read_text()


def test_claims_stand_under_their_documents_in_order(runs):
    found = overview.lines(overview.gather([runs]), runs / 'overview')
    assert [(line.document, line.experiment) for line in found] == [
        ('ROLE', 'a b'), ('ROLE', 'd'), ('MLP-BN', 'a b'), ('GENERAL', 'c'),
    ]  # fmt: skip
    assert found[0].link == '../a%20b/report.html'
    assert found[0].text == ''
    assert found[0].seeds == '5 seeds (1 omitted)'
    assert found[1].seeds == 'exact'
    assert found[3].data == 'digits (stand-in for CIFAR-10)'
    assert found[2].effect == '+2.14 points'
    assert found[2].measured == 'with batch norm: 53.24%; without: 51.10%'


def test_an_interval_of_another_level_names_it(tmp_path):
    put(tmp_path, 'a', [verdict(level=0.995), verdict('contradicted')])
    looked, usual = overview.lines(overview.gather([tmp_path]), tmp_path / 'overview')
    assert looked.interval == f'{usual.interval} (99.5%)'
    assert all(looked.interval in text for text in written(tmp_path))


def test_the_page_can_be_filtered_and_loads_nothing(runs):
    page, _ = written(runs)
    assert '4 claims of 3 experiments: 2 supported, 1 contradicted, 1 inconclusive.' in page
    for name in ('document', 'tweak', 'verdict', 'size'):
        assert f'data-by="{name}"' in page
    assert 'data-tweak="network|dropout"' in page
    assert re.findall(r'<option>(.*?)</option>', page)[:3] == ['ROLE', 'MLP-BN', 'GENERAL']
    (script,) = re.findall(r'<script>(.*?)</script>', page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f'sha256-{digest}' in page
    assert not re.search(r'src=|<link|url\(', page)
    assert 'why &lt;b&gt;not&lt;/b&gt;' in page
    assert 'Stand-in data: digits (stand-in for CIFAR-10)' in page


def test_open_claims_are_counted_by_their_first_reason(runs, tmp_path):
    page, text = written(runs)
    assert 'Why claims' not in page + text  # of a record of before there were reasons
    reasons = ['budget spent', 'not finished learning'], ['too few seeds'], ['budget spent']
    found = [verdict('inconclusive', open_because=one) for one in reasons]
    put(tmp_path, 'later', [*found, verdict(open_because=[])])
    line = 'Why claims are inconclusive: 2 budget spent, 1 too few seeds, 1 not recorded.'
    assert all(line in one for one in written(runs))


def test_a_folder_named_twice_counts_once(runs):
    twice = [runs / 'c', runs / 'd' / '..' / 'c', runs]
    assert [entry.path.name for entry in overview.gather(twice)] == ['c', 'a b', 'd']


def test_what_came_to_nothing_is_named(runs):
    (runs / 'c' / 'claims.json').write_text('{')
    page, text = written(runs, broken='<i>because</i>')
    assert '<strong>broken</strong>: &lt;i&gt;because&lt;/i&gt;' in page
    assert '\\<i\\>because' in text
    assert 'claims.json cannot be read' in page
    assert '3 claims of 2 experiments' in page


def test_an_earlier_answer_is_none_while_runs_are_under_way(runs):
    (runs / 'c' / 'report.html').write_text('<!doctype html>\n<html lang="en" data-live>')
    page, text = written(runs)
    assert '3 claims of 2 experiments' in page
    assert 'GENERAL' not in text.partition('## Not finished')[2]
    assert 'c: runs are under way or were interrupted; its answer is not made' in text


def test_the_same_folders_give_the_same_bytes(runs):
    assert written(runs) == written(runs)


def test_markdown_leads_to_markdown_if_there_is_any(runs):
    (runs / 'c' / 'report.md').write_text('')
    page, text = written(runs)
    assert '(<../c/report.md>)' in text
    assert '(<../d/report.html>)' in text
    assert '../c/report.html' in page


def test_the_markdown_has_a_row_for_each_claim(runs):
    _, text = written(runs)
    rows = [line for line in text.splitlines() if re.match(r'\| [✓✗?]', line)]
    assert len(rows) == 4
    assert '[a b:quick](<../a%20b/report.html>)' in rows[0]
    assert rows[3].endswith('(stand-in data) |')
    assert '## GENERAL: Training Neural Networks: Generalization' in text


def test_an_effect_stands_next_to_what_it_is_of(tmp_path):
    put(tmp_path, 'one', [verdict()])
    _, markdown = written(tmp_path)
    means = 'with batch norm: 53.24'
    assert f'| test accuracy: batch norm − without normalisation ({means}' in markdown


def test_a_caution_of_several_experiments_is_said_once(tmp_path):
    for name in 'one', 'two':
        put(tmp_path, name, [verdict()], caution='Few <b>images</b>.')
    put(tmp_path, 'none', [verdict()], caution='')
    page, text = written(tmp_path)
    assert page.count('Few &lt;b&gt;images&lt;/b&gt;.') == 1
    assert text.count('> Few \\<b\\>images\\</b\\>.\n') == 1
    assert '\n> \n' not in text


def test_nothing_at_all_is_a_page_too(tmp_path):
    page, text = written(tmp_path)
    assert '0 claims of 0 experiments.' in page
    assert '0 claims' in text
