"""The Markdown report says what the page says, and nothing in it is taken for markup."""

import re

from fake_results import sweep
from fake_verdicts import verdict

from jaxtweaks.report import report_markdown, tables
from jaxtweaks.report.contents import Contents, Drawn

META = {
    'title': 'bn_*onoff*',
    'question': 'Does [it](x) help?',
    'command': 'python main.py --config=configs/bn_onoff.py:quick',
    'commit': 'abc1234, then def5678',
    'data': {'label': 'CIFAR-10', 'sizes': {'training': 40_000}},
    'versions': {'jax': '0.10.2'},
    'seconds': 75.0,
}


def text(verdicts=(), seeds=6, **options):
    results = sweep({'model.norm': ('none', 'batch')}, seeds=seeds, **options)
    drawn = [Drawn('figure 5', 'Loss <b>', 'Loss <b>. By epoch.', b'<svg/>')]
    shown = [tables.settings_table(results, ['test_accuracy'])]
    return report_markdown.render(Contents(results, verdicts, drawn, shown, META))


def test_it_says_what_there_is_to_know():
    found = text([verdict(), verdict('contradicted')])
    lines = found.splitlines()
    assert lines[0] == r'# bn\_\*onoff\*'
    assert r'Does \[it\](x) help?' in lines
    assert '- command: python main.py --config=configs/bn\\_onoff.py:quick' in lines
    assert '- commit: abc1234, then def5678' in lines
    assert '- seeds: 0, 1, 2, 3, 4, 5' in lines
    assert '- data: sizes: training 40,000' in lines
    assert '- jax: 0.10.2' in lines
    assert '- took: 1 min 15 s' in lines
    assert len(re.findall(r'^\| ✓ supported \|', found, re.MULTILINE)) == 1
    assert len(re.findall(r'^\| ✗ contradicted \|', found, re.MULTILINE)) == 1
    assert '**Results by setting**' in lines
    assert found.endswith('\n')


def test_figures_are_the_files_next_to_it():
    lines = text().splitlines()
    assert r'![Loss \<b\>](figures/figure%205.png)' in lines
    assert r'*Loss \<b\>. By epoch.*' in lines


def test_warnings_come_first():
    found = text(seeds=3, diverged=[(0, 1, 2)])
    assert 'Few seeds: 3.' in found
    assert '1 run of 6 diverged' in found
    assert found.index('Few seeds') < found.index('figure%205')
    assert 'Stand-in' not in found


def test_stand_in_data_cannot_be_missed():
    results = sweep({'model.norm': ('none', 'batch')}, fallback=True)
    found = report_markdown.render(Contents(results, meta=META))
    assert found.index('> **Stand-in data: ') < 120


LOOKED = 'looked at with 5 seeds, and corrected for it (interval at 96.0%)'
FEW = 'with 5 seeds no permutation test can reach 0.05; 6 would'


def test_a_note_is_no_reason_and_is_said_once():
    early = 'settled at 5: an early stop overestimates the effect'
    notes = {
        'inconclusive': f'open: the interval holds zero; {FEW}; {LOOKED}',
        'supported': f'{FEW}; {LOOKED}; {early}',
        'contradicted': f'{FEW}; {LOOKED}; {early}; it goes the other way',
    }
    shown = [
        verdict(kind, note=note, claim={'sentence': f'It is {kind}.'})
        for kind, note in notes.items()
    ]
    lines = [line for line in text(shown).splitlines() if line.startswith('- ')]
    assert lines[:5] == [
        '- It is inconclusive. Open: the interval holds zero',
        '- It is contradicted. Note: it goes the other way',
        f'- All 3 claims: {LOOKED}',
        f'- 2 of 3 claims: {early}',
        f'- All 3 claims: {FEW}',
    ]
