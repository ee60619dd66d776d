"""Cells say what was measured; nothing in them is taken for markup."""

import dataclasses
import io
import re
import shutil
import subprocess

import numpy as np
import pytest
import rich.console
from fake_results import sweep
from fake_verdicts import verdict
from scipy import stats

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.metrics import label as metric_label
from jaxtweaks.base.words import metric_interval, metric_value, named, number, of_setting
from jaxtweaks.report import markdown, report_facts, tables
from jaxtweaks.report.table import Table, latex_document
from jaxtweaks.report.verdict_words import ICONS, verdict_lines

FIELDS = {'train.batch_size': (8, 16), 'model.norm': ('none', 'batch')}


def printed(table, width=100, fitted=False) -> str:
    console = rich.console.Console(file=io.StringIO(), width=width)
    console.print(table.to_rich(width if fitted else 0))
    return console.file.getvalue()


def test_a_row_has_the_mean_and_half_width_of_the_runs_that_did_not_diverge():
    results = sweep(FIELDS, diverged=[(1, 0, 2)])
    table = tables.settings_table(results, ['test_accuracy'])
    assert table.columns == ('batch size', 'normalisation', 'seeds', 'diverged', 'test accuracy')
    values = 100 * results.finals['test_accuracy'][1, 1:]
    half = stats.t.ppf(0.975, 3) * values.std(ddof=1) / 2
    cell = f'{values.mean():.2f} ± {half:.2f}%'
    assert table.rows[1] == ('8', 'batch norm', '5', '1', cell)
    assert table.raw[1][:4] == (8, 'batch', 5, 1)
    assert table.raw[1][4] == pytest.approx(values.mean() / 100)
    assert table.numeric == (True, False, True, True, True)


def test_a_column_of_zeros_and_a_count_of_nothing_are_omitted():
    results = sweep(FIELDS)
    results.finals['test_loss'] = np.full((4, 5), np.nan)  # as of votes
    results.finals['test_loss'][1, 0] = 1.0
    table = tables.settings_table(results, ['test_loss'])
    assert table.columns == ('batch size', 'normalisation', 'seeds', 'test loss')
    assert [row[-1] for row in table.rows[:2]] == ['—', '1 (n = 1)']
    assert table.note.endswith(' No run diverged.')


def test_no_runs_no_mean_and_one_run_no_interval():
    results = sweep(FIELDS, seeds=1, diverged=[(0, 0, 0)])
    table = tables.settings_table(results, ['test_accuracy'])
    assert table.rows[0][-1] == '—'
    assert table.raw[0][-1] is None
    assert '±' not in table.rows[1][-1]


def test_the_gap_is_derived_and_an_unknown_metric_refused():
    results = sweep(FIELDS)
    gap = results.finals['train_accuracy'] - results.finals['validation_accuracy']
    table = tables.settings_table(results)
    assert table.raw[2][-1] == pytest.approx(gap[2].mean())
    with pytest.raises(UserError, match='test_accuracy'):
        tables.settings_table(results, ['test_acuracy'])


def test_every_run_is_listed_with_its_state():
    results = sweep(FIELDS, seeds=2, diverged=[(3, 1, 2)])
    table = tables.runs_table(results, ['train_loss'])
    assert len(table.rows) == 8
    assert table.rows[7][2:] == ('1', 'diverged at step 201', '—', '—')
    assert table.rows[0][2:5] == ('0', 'finished', '8')
    results.finals['train_loss'][0, 0] = np.nan
    assert tables.runs_table(results, ['train_loss']).rows[0][3] == 'not trained'
    ids = np.array([f'a{i}-s{s}' for i in range(4) for s in range(2)]).reshape(4, 2)
    table = tables.runs_table(dataclasses.replace(results, ids=ids), ['train_loss'])
    assert [row[-1] for row in table.rows[:3]] == ['a0-s0', 'a0-s1', 'a1-s0']
    assert '--replay=RUN' in table.note


def test_a_run_of_which_no_epoch_could_be_chosen_is_no_run_that_was_not_trained():
    results = sweep(FIELDS, seeds=2, diverged=[(3, 1, 2)])
    results.finals['parameters'] = np.full((4, 2), 100.0)
    assert not any('chooses an epoch' in one for one in report_facts.warnings(results, {}))
    results.chosen_epoch[2, 0] = 0
    for name in ('test_accuracy', 'train_loss'):
        results.finals[name][2, 0] = np.nan
    row = tables.runs_table(results, ['train_loss']).rows[4]
    assert row[2:] == ('0', 'no epoch chosen', '—', '—')
    assert any('1 run of 8 tested no' in one for one in report_facts.warnings(results, {}))


def test_verdicts_read_in_the_unit_of_the_claim():
    rows = tables.verdict_table(
        [
            verdict(),
            verdict('inconclusive', claim={'kind': 'optimum', 'metric': 'validation_accuracy'},
                    effect=0.4, low=0.3, high=0.7, published={'p': 0.4}, p_adjusted=None,
                    dropped=0),
            verdict('contradicted', claim={'kind': 'sooner', 'metric': 'train_loss'},
                    effect=-3.0, low=None, high=None, p_adjusted=1e-6, published={}),
        ]
    ).rows  # fmt: skip
    assert rows[0] == (
        '✓ supported', 'Batch norm raises test accuracy.',
        'test accuracy: batch norm − without normalisation', '+2.14 points',
        '+1.01 to +3.27 points', '5 (1 omitted)', '0.012', '0.0625',
        'with batch norm: 53.64%; without: 53.11%', 'ROLE §5.3',
    )  # fmt: skip
    assert rows[1][3:7] == ('0.4', '0.3 to 0.7', '5', '—')
    assert rows[1][8] == 'p: 0.4'
    assert rows[2][3:7] == ('−3 epochs', '—', '5 (1 omitted)', '< 0.001')


def test_the_terminal_shows_brackets_as_text_and_loses_no_letter():
    odd = verdict(claim={'sentence': 'a [red]b[/red]'})
    text = printed(tables.verdict_table([odd]))
    assert 'a [red]b[/red]' in text
    narrow = printed(tables.verdict_table([odd]), width=60)
    assert '…' not in narrow


def test_seeds_are_planned_for_the_claims_that_are_tested():
    untested = dict.fromkeys(('p', 'p_adjusted', 'p_permutation', 'smallest_permutation_p'))
    same = verdict(claim={'kind': 'identical'}, n=9, **untested)
    table = tables.seeds_table([verdict(), same, verdict()], [None] * 3)
    assert 'at 5% over all 2 claims (Holm)' in table.note
    assert 'In 5 seeds' in table.note
    assert 'Nothing to plan' in tables.seeds_table([same], [None]).note


def test_columns_that_have_no_room_are_omitted_and_counted():
    results = sweep({'train.batch_size': (8, 16), 'model.norm': ('none', 'batch')})
    metrics = ['test_accuracy', 'train_loss', 'train_accuracy', 'gap_loss', 'validation_loss']
    table = tables.settings_table(results, metrics)
    wide = printed(table, width=200)
    assert 'more column' not in wide
    assert all(cell in wide for row in table.rows for cell in row)
    console = rich.console.Console(file=io.StringIO(), width=80)
    console.print(table.to_rich(80))
    narrow = console.file.getvalue()
    assert max(map(len, narrow.splitlines())) <= 80
    assert '3 more columns in the report.' in ' '.join(narrow.split())
    assert all(cell in narrow for row in table.rows for cell in row[3:5])  # none torn apart


def test_of_what_is_exact_no_interval_is_named_however_many_seeds_there_are():
    for seeds in (1, 3):
        exact = dataclasses.replace(sweep(FIELDS, seeds=seeds), exact=True)
        note = tables.settings_table(exact).note
        assert 'Exact: no seed changes it.' in note
        assert 'interval' not in note
    assert '95% Student-t interval' in tables.settings_table(sweep(FIELDS, seeds=3)).note


def test_markdown_escapes_what_would_break_a_row():
    table = tables.verdict_table([verdict(claim={'sentence': 'a | b\n<script>'})])
    lines = table.to_markdown().splitlines()
    assert '| ✓ supported | a \\| b \\<script\\> |' in lines[4]
    assert lines[3].startswith('| --- | --- | --- | ---: |')
    assert len(lines) == 7


@pytest.mark.parametrize(
    ('text', 'written'),
    [
        ('$5 and $x$', '<span>$</span>5 and <span>$</span>x<span>$</span>'),  # no formula
        ('~~no~~', r'\~\~no\~\~'),  # not struck out
        ('a &lt; b', r'a \&lt; b'),  # no <
        ('# 1', r'\# 1'),  # no heading
        ('- one', r'\- one'),  # no list
        ('+ one', r'\+ one'),
        ('12. one', r'12\. one'),
        ('+1.5 points', '+1.5 points'),
        ('\\$ *a*  _b_\n`c`', r'\\<span>$</span> \*a\* \_b\_ \`c\`'),
        ('<span>$</span>', r'\<span\><span>$</span>\</span\>'),
    ],
)
def test_text_is_what_markdown_shows(text, written):
    assert markdown.escaped(text) == written
    assert markdown.plain(written) == ' '.join(text.split())


@pytest.mark.parametrize(
    ('value', 'words'), [(8, '8'), (1e-6, '1e−6'), (0.1 + 0.2, '0.3'), (-2.5, '−2.5')]
)
def test_numbers_are_short(value, words):
    assert number(value) == words


def test_intervals_show_two_digits_of_the_half_width():
    assert metric_interval('train_loss', 1.23456, 0.0123) == '1.235 ± 0.012'
    assert metric_interval('train_loss', 1.23456, np.nan) == '1.235'
    assert metric_interval('train_loss', 88_818_866.67, 38_510_459.73) == '(8.9 ± 3.9)e7'
    assert metric_interval('parameters', 1_250_858.0, 0.0) == '1,250,858'
    # As many digits of a large mean as its half width tells apart.
    assert metric_interval('train_loss', 23456.7, 35.2) == '23,457 ± 35'
    assert metric_interval('train_loss', 23412.2, 35.2) == '23,412 ± 35'
    assert metric_interval('train_loss', -52345.61, 0.41) == '−52,345.61 ± 0.41'
    assert metric_interval('train_loss', 88_818_866.67, 3_851.4) == '(8.88189 ± 0.00039)e7'
    # Both to the same place, and with one power of ten.
    assert metric_interval('train_loss', 7.22e-4, 5.8e-3) == '0.0007 ± 0.0058'
    assert metric_interval('train_loss', 5.35e-6, 1.234e-7) == '(5.35 ± 0.12)e−6'
    assert metric_interval('train_loss', -2.2e-5, 4.1e-4) == '(−0.2 ± 4.1)e−4'
    assert metric_interval('train_loss', 2367.11, 721.71) == '2,370 ± 720'
    assert metric_interval('train_loss', 13_462.0, 49_004.0) == '13,000 ± 49,000'
    assert metric_interval('train_loss', -0.001, 0.0999) == '0.00 ± 0.10'
    assert metric_interval('train_loss', 1.25, 0.0) == '1.25 ± 0'


def test_a_number_alone_takes_the_name_of_its_field():
    assert named('train.batch_size', 8) == 'batch size 8'
    assert named('model.norm', 'none') == 'without normalisation'
    assert named('init.scheme', 'he', {'init.scheme=he': 'He 2015'}) == 'He 2015'


def test_a_bare_none_and_what_has_no_value_are_not_said_alone():
    assert named('tweaks.on', 'none') == 'on none'
    assert named('tweaks.on', 'none', {'none': 'nothing'}) == 'nothing'
    assert named('tweaks.on', 'none', {'tweaks.on=none': 'none'}) == 'none'
    settings = (
        {'optim.name': 'adagrad', 'optim.learning_rate': None, 'a.b': 1, 'c.d': 'none'},
        {'optim.name': 'sgd', 'optim.learning_rate': 0.1, 'a.b': 1, 'c.d': 'x'},
    )
    varied = ('optim.name', 'optim.learning_rate', 'c.d')
    assert of_setting(settings[0], varied) == 'AdaGrad, d none'
    assert of_setting(settings[1], varied) == 'SGD, learning rate 0.1, x'
    assert of_setting(settings[0], ()) == ''
    # What does not vary is said where it is part of one word.
    both = {"a.b + c.d=(1, 'none')": 'raw', 'a.b + c.d': 'data'}
    assert of_setting(settings[0], varied, both) == 'AdaGrad, raw'


def test_shares_have_their_unit_and_errors_their_name():
    assert metric_value('test_overconfidence', -0.234) == '−23.40%'
    assert metric_interval('test_overconfidence', -0.01, 0.02) == '−1.00 ± 2.00%'
    assert metric_label('test_rmse') == 'test RMSE'


def test_fields_with_one_word_are_one_column():
    results = sweep({'data.scale': (1.0, 0.1), 'data.standardise': ('none', 'channel')}, seeds=2)
    both = 'data.scale + data.standardise'
    names = {both: 'data', f"{both}=(1.0, 'none')": 'raw', f"{both}=(1.0, 'channel')": 'usual'}
    # Not every setting has a word: the fields stay apart.
    assert tables.settings_table(results, names=names).columns[:2] == (
        'scale of the inputs', 'inputs standardised',
    )  # fmt: skip
    names |= {f"{both}=(0.1, 'none')": 'small', f"{both}=(0.1, 'channel')": 'small, usual'}
    table = tables.settings_table(results, names=names)
    assert table.columns[:2] == ('data', 'seeds')
    assert [row[0] for row in table.rows] == ['raw', 'usual', 'small', 'small, usual']
    assert tables.runs_table(results, names=names).rows[2][:2] == ('usual', '0')


def test_only_the_definition_of_a_gap_is_omitted_on_a_terminal():
    columns = ('error (training points)', 'generalisation gap (training − validation accuracy)')
    text = printed(Table('It', columns, (('1', '2'),), ((1.0, 2.0),)))
    assert 'error (training points)' in text
    assert 'generalisation gap' in text
    assert 'validation' not in text


def test_latex_leaves_nothing_to_be_taken_for_a_command():
    cells = ('50% & more', r'a_b^c {x} \d ~ #1 $2', 'λ² = 1 ± 0.5 − 2·10⁻³ ≤ σ₁')
    table = Table('A <b>', ('one', 'two', 'three'), (cells,), (cells,), note='100 %')
    text = table.to_latex()
    assert r'50\% \& more' in text
    assert r'a\_b\textasciicircum{}c \{x\} \textbackslash{}d \textasciitilde{} \#1 \$2' in text
    assert r'$\lambda$$^{2}$ = 1 $\pm$ 0.5 $-$ 2$\cdot$10$^{-}$$^{3}$ $\leq$ $\sigma$$_{1}$' in text
    assert r'\caption{A \textless{}b\textgreater{}}' in text
    assert text.isascii()
    body = text.partition(r'\midrule')[2].partition(r'\bottomrule')[0].strip()
    assert body.endswith(r'\\')
    assert len(re.findall(r'(?<!\\)&', body)) == 2


def test_settings_of_many_fields_are_named_in_words_where_there_is_no_room():
    fields = {
        'optim.learning_rate': (0.001, 0.01), 'schedule.name': ('constant', 'triangular'),
        'ensemble.kind': ('members', 'snapshots'), 'ensemble.combine': ('logits', 'votes'),
        'train.batch_size': (8, 16), 'model.activation': ('relu', 'sigmoid'),
    }  # fmt: skip
    table = tables.settings_table(sweep(fields, seeds=2), ['test_accuracy'])
    wide, narrow = printed(table, 200, fitted=True), printed(table, 80, fitted=True)
    assert re.search('┃ learning rate +┃', wide)
    assert re.search('┃ setting +┃', narrow)
    assert max(map(len, narrow.splitlines())) <= 80
    # No word is torn apart.
    words = set(re.findall(r'[a-z]+', narrow))
    assert {'snapshots', 'logits', 'sigmoid', 'constant', 'triangular'} <= words


@pytest.fixture
def pdflatex():
    """The command that typesets; without it the test below still reads the same tables."""
    return shutil.which('pdflatex') or pytest.skip(
        'no pdflatex was found (apt-get install texlive-latex-recommended): not typeset'
    )


def test_latex_takes_the_tables(tmp_path, pdflatex):
    results = sweep(FIELDS, seeds=3)
    shown = tables.settings_table(results), tables.verdict_table(verdicts_of_all())
    (tmp_path / 'tables.tex').write_text(latex_document(shown))
    (tmp_path / 'whole.tex').write_text(
        r'\documentclass{article}\usepackage{booktabs,textcomp}'
        r'\usepackage[landscape,margin=5mm]{geometry}'
        r'\begin{document}\tiny\input{tables}\end{document}'
    )
    command = [pdflatex, '-interaction=nonstopmode', '-halt-on-error', 'whole']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout.decode()[-2000:]


def test_every_row_of_latex_has_its_columns_and_closes_what_it_opens():
    """What LaTeX would stop at; tested where there is none."""
    shown = [tables.settings_table(sweep(FIELDS, seeds=3)), tables.verdict_table(verdicts_of_all())]
    text = latex_document(shown)
    found = re.findall(
        r'\\begin{tabular}{((?:[^{}]|{[^{}]*})*)}(.*?)\\end{tabular}', text, re.DOTALL
    )
    assert len(found) == 2
    for columns, body in found:
        number = len(re.sub('{[^{}]*}', '', columns))  # of p the width
        rows = [line for line in body.splitlines() if line.rstrip().endswith(r'\\')]
        assert len(rows) > 2
        for row in rows:
            assert len(re.findall(r'(?<!\\)&', row)) + 1 == number, row
            plain = re.sub(r'\\[{}$\\]', '', row)
            assert plain.count('$') % 2 == 0, row
            assert plain.count('{') == plain.count('}'), row


def verdicts_of_all():
    return [verdict(kind) for kind in ICONS]


def test_every_table_of_a_sweep_is_plain_latex():
    shown = [tables.settings_table(sweep(FIELDS)), tables.verdict_table([verdict()])]
    text = latex_document(shown)
    assert text.isascii()
    assert text.count(r'\begin{table}') == text.count(r'\end{table}') == 2


def test_html_shows_cells_as_they_are():
    cells = ('<b>&', '1')
    table = Table('t', ('a', 'b'), (cells,), (('<b>&', 1.0),))
    assert '<td style="text-align:left">&lt;b&gt;&amp;</td>' in table.to_html()
    assert '<td style="text-align:right">1</td>' in table._repr_html_()
    assert table.to_dict() == {'a': ['<b>&'], 'b': [1.0]}


def coloured(**environ):
    environ = {'TERM': 'xterm-256color', **environ}
    console = rich.console.Console(
        file=io.StringIO(), force_terminal=True, width=200, _environ=environ
    )
    verdicts = [verdict(kind) for kind in ICONS]
    console.print(tables.verdict_table(verdicts).to_rich())
    console.print(verdict_lines(verdicts))
    return re.findall(r'\x1b\[(?:[\d;]*;)?(?:3[0-8]|9[0-7])[;m]', console.file.getvalue())


def test_what_is_noted_of_all_verdicts_is_said_once():
    few = 'with 3 seeds no permutation test can reach 0.05; 6 would'
    notes = [few, f'one thing; {few}; another', 'something else']
    lines = str(verdict_lines([verdict(note=note) for note in notes])).splitlines()
    assert [line for line in lines if few in line] == [f'2 of 3 claims: {few}'] == lines[-1:]
    assert '    one thing; another' in lines
    assert '    something else' in lines
    assert few in str(verdict_lines([verdict(note=few)]))
    assert str(verdict_lines([verdict(note=few)] * 2)).splitlines()[-1] == f'Both claims: {few}'
    assert str(verdict_lines([verdict(note=few)] * 3)).splitlines()[-1] == f'All 3 claims: {few}'


def test_the_terminal_says_what_a_verdict_rests_on():
    assert '; 5 seeds (1 omitted); p (Holm) 0.012' in str(verdict_lines([verdict()]))
    assert '; 1 seed; ' in str(verdict_lines([verdict(n=1, dropped=0)]))


def test_colours_are_off_with_no_color():
    assert len(coloured()) >= 6
    assert coloured(NO_COLOR='1') == []


def test_a_long_table_is_cut_but_in_the_report():
    cells = tuple((str(i), '1') for i in range(1200))
    table = Table('It', ('a', 'b'), cells, tuple((i, 1) for i in range(1200)), note='Of these.')
    assert 'the report has all of them' in ' '.join(printed(table, fitted=True).split())
    assert printed(table, fitted=True).count('│ 1 ') < 120
    lines = table.to_markdown().splitlines()
    assert sum(line.startswith('| ') for line in lines) == 2 + 500
    assert lines[-1] == (
        'Of these. Shown are the first 500 of 1,200 rows; report.html has all of them.'
    )
    assert table.to_html().count('<tr>') == 1 + 200
    assert len(table.to_dict()['a']) == 1200
    assert table.to_latex().count(r'\\') >= 1200
