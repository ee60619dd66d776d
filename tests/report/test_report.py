"""The report needs nothing but itself, and nothing a config says becomes markup."""

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from fake_results import sweep
from fake_verdicts import verdict

from jaxtweaks.report import report, report_curves, report_facts, tables
from jaxtweaks.report.contents import Contents, Drawn

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
META = {
    'title': 'Batch norm <b>',
    'question': 'Does it help?',
    'document': 'ROLE §5',
    'command': 'python main.py --config=configs/bn_onoff.py:quick',
    'config': {'note': '</code><script>alert(2)</script>', 'sizes': (8, 16)},
    'versions': {'jax': '0.10.2'},
    'commit': 'abc1234',
    'device': 'cpu',
    'data': {'label': 'CIFAR-10', 'fingerprint': 'sha256:00ff', 'sizes': {'training': 40_000}},
    'started': 0,
    'seconds': 3723.0,
    'size': 'quick',
}


def page(seeds=6, verdicts=(), meta=META, **options) -> str:
    results = sweep({'model.norm': ('none', 'batch')}, seeds=seeds, **options)
    figures = [Drawn('a', 'Accuracy', 'Accuracy by epoch "quoted" <i>', SVG)]
    shown = [tables.settings_table(results, ['test_accuracy'])]
    return report.render(Contents(results, verdicts, figures, shown, meta))


class Parsed(HTMLParser):
    """Tags with their attributes, and a check that every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ('meta', 'img', 'link', 'br'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def of(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def test_what_was_said_of_the_data_is_in_the_record():
    said = ['2 images are omitted', '1 link leads nowhere']
    text = page(meta={**META, 'data': {'label': 'pets', 'notices': said}})
    assert 'data: notices' in text
    assert '2 images are omitted; 1 link leads nowhere' in text


def test_the_page_is_well_formed_and_loads_nothing():
    text = page(verdicts=[verdict(), verdict('contradicted')])
    parsed = Parsed(text)
    assert not parsed.of('link')
    assert all('src' not in attrs for attrs in parsed.of('script'))
    assert not re.search(r'https?://|url\(|@import|\beval\b', text)
    (image,) = parsed.of('img')
    head, _, data = image['src'].partition(',')
    assert head == 'data:image/svg+xml;base64'
    assert base64.b64decode(data) == SVG
    assert image['alt'] == 'Accuracy by epoch "quoted" <i>'


def test_the_policy_admits_the_one_script_and_no_network():
    text = page()
    (policy,) = [a['content'] for a in Parsed(text).of('meta') if 'http-equiv' in a]
    assert policy.startswith("default-src 'none'; img-src data:;")
    (script,) = re.findall(r'<script>(.*?)</script>', text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert '{%' not in script


def test_what_a_config_says_is_escaped():
    sentence = 'more evident <script>alert(1)</script>'
    text = page(verdicts=[verdict(claim={'sentence': sentence}, note='<img src=x>')])
    assert text.count('<script>') == 1
    assert 'more evident &lt;script&gt;alert(1)&lt;/script&gt;' in text
    assert '&lt;/code&gt;&lt;script&gt;alert(2)' in text
    assert '<title>Batch norm &lt;b&gt;</title>' in text
    assert '<img src=x>' not in text


def test_verdicts_come_first_in_words_and_colour():
    text = page(seeds=5, verdicts=[verdict(), verdict('inconclusive')])
    places = [text.index(f'id="{name}"') for name in ('first', 'verdicts', 'tables')]
    assert text.index('class="answer inconclusive"') < places[0]
    assert places == sorted(places)
    assert 'class="card verdict supported"' in text
    assert '<span aria-hidden="true">✓</span> supported' in text
    assert '2 claims: 1 supported, 1 inconclusive.' in text
    assert '<dd>+2.14 points</dd>' in text
    assert '<dt>measured</dt><dd>with batch norm: 53.24%; without: 51.10%</dd>' in text
    assert '<dt>published</dt><dd>with batch norm: 53.64%; without: 53.11%</dd>' in text


def test_what_no_sign_flips_can_reach_is_said_once():
    note = 'with 5 seeds no permutation test can reach 0.05; 6 would'
    text = page(verdicts=[verdict(note=note)])
    assert text.count('no permutation test') == 1
    assert 'sign-flip p cannot' not in text
    assert f'<p>Note: {note}</p>' in text
    text = page(verdicts=[verdict(note=note), verdict('inconclusive', note=f'open: why; {note}')])
    assert text.count('no permutation test') == 1
    assert f'<p class="muted">Both claims: {note}</p>' in text
    assert '<p>Open: why</p>' in text


def test_stand_in_data_have_a_banner_before_anything_else():
    assert 'class="banner"' not in page()
    text = page(fallback=True)
    assert 'Stand-in data: digits, not CIFAR-10' in text
    assert text.index('class="banner"') < text.index('<h1>')


@pytest.mark.parametrize(('seeds', 'warned'), [(5, True), (6, False)])
def test_few_seeds_are_warned_of(seeds, warned):
    assert ('Few seeds' in page(seeds=seeds)) == warned


def test_diverged_runs_are_warned_of_and_listed():
    assert 'diverged: counted' not in page()
    text = page(diverged=[(0, 1, 2)])
    assert '1 run of 12 diverged: counted and shown' in text
    assert 'diverged at step 201' in text
    assert 'In 1 setting every run diverged' in page(diverged=[(0, s, 1) for s in range(6)])


def test_runs_that_were_spared_are_not_counted():
    results = sweep({'model.norm': ('none', 'batch')}, seeds=4, diverged=[(0, 0, 3), (0, 1, 3)])
    for values in (*results.finals.values(), *results.curves.values()):
        values[0] = np.nan  # two diverged, two were spared
    (words,) = [one for one in report_facts.warnings(results, {}) if 'diverged' in one]
    assert words.startswith('2 runs of 6 diverged')
    assert 'In 1 setting every run diverged' in words
    # The table has them, and says that they were not trained.
    text = report.render(Contents(results, meta=META))
    assert 'All 8 runs' in text
    assert len(re.findall(r'<td[^>]*>not trained<', text)) == 2


def test_tables_sort_by_the_number_not_the_words():
    text = page()
    assert re.search(r'<td class="right" data-key="0\.\d+">\d\d\.\d\d ± ', text)
    assert len(re.findall('<th [^>]*><button', text)) == len(Parsed(text).of('th')) == 11
    assert 'All 12 runs' in text


def test_the_curves_of_every_run_are_in_the_page():
    results = sweep({'model.norm': ('none', 'batch')}, seeds=2, diverged=[(1, 0, 3)])
    text = report.render(Contents(results, meta=META))
    (data,) = re.findall('id="curves-data">(.*?)</script>', text, re.DOTALL)
    data = json.loads(data)
    assert data == report_curves.of(results)
    assert data['settings'] == ['without normalisation', 'batch norm']
    assert (data['axis'], data['x'], data['seeds']) == ('epoch', [1, 2, 3, 4, 5, 6, 7, 8], [0, 1])
    assert data['diverged'] == [[False, False], [True, False]]
    first = data['metrics'][0]
    assert (first['label'], first['share']) == ('validation accuracy', True)
    known = results.curves['validation_accuracy']
    assert first['values'][0][1] == pytest.approx(known[0, 1].tolist(), rel=1e-4)
    assert [value is None for value in first['values'][1][0]] == [False] * 3 + [True] * 5
    assert any(metric['label'].startswith('generalisation gap') for metric in data['metrics'])


def test_long_curves_are_thinned_and_end_where_they_end(monkeypatch):
    monkeypatch.setattr(report_curves, '_MOST', 100)
    data = report_curves.of(sweep({'model.norm': ('none',)}, seeds=2, epochs=50))
    assert data['x'] == list(range(1, 51, 7))
    assert data['note'] == 'Shown is one epoch in 7, and the last. All are in epochs.parquet.'


def test_without_curves_there_is_no_such_part():
    results = dataclasses.replace(sweep({'model.norm': ('none',)}), curves={})
    assert 'id="curves' not in report.render(Contents(results, meta=META))


def test_how_it_was_made_is_reported():
    text = page()
    for fact in ('configs/bn_onoff.py:quick', 'abc1234', 'sha256:00ff', 'training 40,000',
                 '1970-01-01 00:00:00 UTC', '1 h 2 min', '0.10.2'):  # fmt: skip
        assert fact in text, fact
    assert 'Batch norm' in page(meta={'title': 'Batch norm'})


def test_the_file_is_written_whole_and_the_same_again(tmp_path):
    results = sweep({'model.norm': ('none', 'batch')}, seeds=2)
    path = tmp_path / 'new' / 'report.html'
    report.write(path, Contents(results, meta=META))
    first = path.read_bytes()
    assert report.write(path, Contents(results, meta=META)) == path
    assert path.read_bytes() == first
    assert first.endswith(b'</html>')
    assert [p.name for p in path.parent.iterdir()] == ['report.html']


def test_of_thousands_of_runs_the_page_has_some_and_says_where_all_are(monkeypatch):
    monkeypatch.setattr(report, '_ROWS', 30)
    monkeypatch.setattr(report_curves, '_RUNS', 40)
    results = sweep({'optim.learning_rate': tuple(0.001 * i for i in range(1, 61))}, seeds=2)
    text = report.render(Contents(results, tables=[tables.settings_table(results)], meta=META))
    assert 'The first 30 of 120 runs' in text
    assert 'Shown are the first 30 of 120 runs; runs.parquet has all.' in text
    assert 'Shown are the first 30 of 60 rows; runs.parquet has all of them.' in text
    assert text.count('<tr>') == 2 * (1 + 30)
    data = report_curves.of(results)
    assert len(data['settings']) == len(data['looks']) == 20
    words = data['settings']
    assert (words[0], words[-1]) == ('learning rate 0.001', 'learning rate 0.06')
    assert 'Shown are 20 of 60 settings, evenly spread. All are in epochs.parquet.' in data['note']
    known = results.curves['validation_accuracy'][-1, 1]
    assert data['metrics'][0]['values'][-1][1] == pytest.approx(known.tolist(), rel=1e-4)


def test_of_thousands_of_seeds_the_page_has_some():
    settings, seeds = report_curves._kept(3, 5000)
    assert settings.tolist() == [0, 1, 2]
    assert 100 <= len(seeds) <= 334
    settings, seeds = report_curves._kept(2400, 5)
    assert len(settings) * len(seeds) <= 1000
    assert (settings[0], settings[-1], len(set(settings))) == (0, 2399, 200)
    assert [len(kept) for kept in report_curves._kept(8, 5)] == [8, 5]


def test_every_setting_on_the_page_has_a_look_of_its_own():
    looks = {report_curves.look(i) for i in range(report_curves._SETTINGS)}
    assert len(looks) == report_curves._SETTINGS
    text = page()
    for kind, n in (('look', report_curves.COLOURS), ('dash', report_curves.DASHES)):
        styles = re.findall(rf'\.{kind}-(\d) {{ (.*?) }}', text)
        assert len({style for _, style in styles}) == len(styles) >= n - 1
    assert len(report_curves.SIGNS) == report_curves.ENDS


def test_curves_near_1_keep_their_shape():
    results = sweep({'model.norm': ('none',)}, seeds=1)
    known = results.curves['train_accuracy']
    known[:] = 1 - 1e-7 * (1 - known)
    metrics = report_curves.of(results)['metrics']
    (reported,) = (m['values'] for m in metrics if m['label'] == 'training accuracy')
    assert all(0 < value < 1 for value in reported[0][0])
    assert [1e7 * (1 - value) for value in reported[0][0]] == pytest.approx(
        (1e7 * (1 - known[0, 0])).tolist(), rel=1e-3
    )


def test_classes_that_are_numbers_are_not_listed():
    names = tuple(map(str, range(100)))
    results = dataclasses.replace(sweep({'model.norm': ('none',)}), classes=names)
    assert tables.classes_table(results) is None


def test_sizes_of_what_is_generated_are_not_said():
    sizes = {'training': 0, 'test': 0}
    assert report_facts.facts({'data': {'label': 'it', 'sizes': sizes}}) == [('data: label', 'it')]
    sizes['test'] = 5
    said = ('data: sizes', 'training 0, test 5')
    assert said in report_facts.facts({'data': {'sizes': sizes}})


def test_classes_that_figures_shorten_are_listed_whole():
    assert tables.classes_table(sweep({'model.norm': ('none',)})) is None
    names = tuple(f'class {i} ' + 'x' * 110 for i in range(10))
    results = dataclasses.replace(sweep({'model.norm': ('none',)}), classes=names)
    table = tables.classes_table(results)
    assert [row[2] for row in table.rows] == list(names)
    assert len({row[1] for row in table.rows}) == 10
    assert table.raw[3][5] == 1000
    text = report.render(Contents(results, meta=META))
    assert 'All 10 classes by their whole names' in text
    assert names[9] in text
