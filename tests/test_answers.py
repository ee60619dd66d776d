"""What an answer leaves behind, from group results that were made up."""

import dataclasses
import html
import io
import json
import re
import sys
import types

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure as Sheet
from rich.console import Console

from jaxtweaks.base.errors import UserError
from jaxtweaks.claims.claim import Claim, Verdict
from jaxtweaks.config.expand import grid
from jaxtweaks.data import Dataset
from jaxtweaks.data.dataset import Split
from jaxtweaks.lab import answers, experiment
from jaxtweaks.lab.answer_html import Verdicts
from jaxtweaks.report import report_facts
from jaxtweaks.run import manifest
from jaxtweaks.run.manifest import Launch
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.workdir import Workdir

EPOCHS = 3


def dataset():
    split = Split(np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 1, 0, 1], np.int32))
    return Dataset('made up', split, split, split, ('a', 'b'), 'here', 'f', False)


def group_of(runs, error=None):
    """A group with these errors by epoch on all data, [E, runs]."""
    count = len(runs)
    if error is None:
        error = np.linspace(0.5, 0.2, count)[None] + np.array([0.1, 0.0, 0.05])[:, None]
    names = ('running', 'train', 'validation', 'test')
    history = {f'{name}_accuracy': 1 - error for name in names}
    history |= {f'{name}_loss': 3 * error for name in names}
    return GroupResult(
        runs=tuple(run.id for run in runs),
        history=history,
        finals={name: values[-1] for name, values in history.items()},
        chosen_epoch=np.full(count, len(error), np.int32),
        diverged_at=np.full(count, -1, np.int32),
        seconds=1.0,
        confusion=np.ones((count, 2, 2), np.int32),
    )


def answer_of(path, exports=(), error=None, **values):
    asked = experiment.build(
        {
            'name': 'it',
            'document': 'TEST §1',
            'seeds': 2,
            'sweep': grid('train.batch_size', 8, 16),
            'train': {'epochs': EPOCHS, 'test_curve': True},
            **values,
        }
    )
    workdir = Workdir(path)
    workdir.lock()
    launches = [{'command': 'test', 'started': 0, 'config': '/home/somebody/it.py'}]
    data = {'label': 'made up', 'source': 'here', 'fingerprint': 'f'}
    manifest = {'data': data, 'launches': launches, 'groups': []}
    workdir.write_json('manifest.json', manifest)
    method = types.SimpleNamespace(dataset=dataset(), axis='epoch', exact=False)
    answer = answers.write(asked, workdir, [group_of(asked.runs, error)], method, exports)
    workdir.unlock()
    return answer


def test_derived_results_are_shown_tested_and_written(tmp_path):
    answer = answer_of(
        tmp_path,
        derive=('stopping',),
        stopping={
            'rules': (
                {'name': 'one', 'kind': 'epochs', 'epochs': 1},
                {'name': 'all', 'kind': 'epochs', 'epochs': EPOCHS},
            )
        },
        table=('regret',),
        figures=(
            {'name': 'regret', 'kind': 'effect', 'title': 'Regret', 'metrics': ('regret',),
             'x': 'stopping.rule', 'hue': 'train.batch_size'},
        ),
        claims=(
            {'sentence': 'One epoch is too few.', 'source': 'TEST §1', 'kind': 'greater',
             'metric': 'regret', 'a': {'stopping.rule': 'one'}, 'b': {'stopping.rule': 'all'}},
        ),
    )  # fmt: skip
    assert len(answer.table.rows) == 4
    assert answer.table.columns[:2] == ('batch size', 'stopping rule')
    rows = pq.read_table(tmp_path / 'derived.parquet').to_pydict()
    assert rows['stopping.rule'] == ['one', 'one', 'all', 'all'] * 2
    assert rows['seed'] == [0, 1] * 4
    np.testing.assert_allclose(rows['regret'], [0.1, 0.1, 0.05, 0.05] * 2)
    assert pq.read_table(tmp_path / 'runs.parquet').num_rows == 4
    (verdict,) = answer.verdicts
    assert verdict.what == 'regret (test error − that of the best epoch): one minus all'
    assert verdict.measured == pytest.approx({'one': 0.1, 'all': 0.05})
    record = json.loads((tmp_path / 'claims.json').read_text())
    assert record['tweaks'] == ['batch size', 'stopping']
    assert record['verdicts'][0]['claim']['sentence'] == 'One epoch is too few.'
    page = answer.report.read_text()
    assert 'All 4 runs' in page
    assert 'stopping rule' in page


def test_without_derivations_there_is_no_file_of_them(tmp_path):
    answer = answer_of(tmp_path)
    assert not (tmp_path / 'derived.parquet').exists()
    assert len(answer.table.rows) == 2


FIGURE = {'name': 'loss', 'kind': 'curves', 'title': 'Loss', 'metrics': ('validation_loss',),
          'hue': 'train.batch_size'}  # fmt: skip
CLAIM = {'sentence': 'Larger is 100% better_', 'source': '§1', 'kind': 'greater',
         'metric': 'test_accuracy', 'a': {'train.batch_size': 16},
         'b': {'train.batch_size': 8}}  # fmt: skip


def test_a_report_has_the_whole_config_and_not_where_its_file_is(tmp_path):
    answer_of(tmp_path)
    text = (tmp_path / 'report.html').read_text()
    (config,) = re.findall(r'<summary>Config</summary>\s*<pre><code>(.*?)</code>', text, re.DOTALL)
    assert json.loads(html.unescape(config))['train']['epochs'] == EPOCHS
    assert 'somebody' not in text


def test_a_report_names_who_trained_and_a_redraw_apart(tmp_path):
    asked = answer_of(tmp_path).experiment
    launch = lambda started, jax, **more: Launch(
        started=started, command=f'command {started}', commit=f'commit {started}',
        versions={'python': '3.11', 'jax': jax}, **more,
    )  # fmt: skip
    gpu = 'node1: 1 × H200'
    launches = (
        launch(10, '1', device='CPU, 2 cores'),
        launch(20, '2', workers={'0': gpu, '1': gpu, '2': f'node2: 1 × A100{manifest.APART}'}),
        launch(30, '3', device='CPU of a laptop', redrawn=True),
    )
    workdir = Workdir(tmp_path)
    before = manifest.current(workdir)
    manifest.write(workdir, dataclasses.replace(before, launches=launches))
    meta = answers._meta(asked, workdir, [])
    facts = dict(report_facts.facts(meta))
    assert meta['command'] == 'command 20'
    assert facts['started'] == '1970-01-01 00:00:10 UTC'
    assert facts['commit'] == 'commit 10, then commit 20'
    assert facts['device'] == (
        'CPU, 2 cores, then 1 × H200 (2 workers on node1); 1 × A100 (1 worker on node2)'
    )
    assert (facts['python'], facts['jax']) == ('3.11', '1, then 2')
    assert facts['report made later with'] == 'commit commit 30, jax 3'
    manifest.write(workdir, dataclasses.replace(before, launches=launches[:2]))
    assert 'report made later with' not in dict(
        report_facts.facts(answers._meta(asked, workdir, []))
    )


def test_what_is_asked_for_is_written_too(tmp_path):
    answer_of(tmp_path / 'plain', figures=(FIGURE,), claims=(CLAIM,))
    plain = {str(path.relative_to(tmp_path / 'plain')) for path in (tmp_path / 'plain').rglob('*')}
    for name in ('one', 'two'):
        kinds = ('csv', 'pdf', 'latex')
        answer_of(tmp_path / name, kinds, figures=(FIGURE,), claims=(CLAIM,))
    one = tmp_path / 'one'
    written = {str(path.relative_to(one)) for path in one.rglob('*')} - plain
    assert written == {'runs.csv', 'epochs.csv', 'tables.tex', 'figures/loss.pdf'}
    for name in ('runs', 'epochs'):
        assert pyarrow.csv.read_csv(one / f'{name}.csv').equals(
            pq.read_table(one / f'{name}.parquet')
        )
    assert (one / 'figures/loss.pdf').read_bytes().startswith(b'%PDF')
    for name in written:  # nothing in them tells when they were written
        assert (one / name).read_bytes() == (tmp_path / 'two' / name).read_bytes()
    text = (one / 'tables.tex').read_text()
    assert text.count(r'\begin{tabular}') == text.count(r'\end{tabular}') == 2
    assert r'Larger is 100\% better\_' in text


def test_a_difference_smaller_than_matters_is_said_everywhere(tmp_path):
    small = {'smallest': {'test_accuracy': 0.5}, 'seeds': 6}
    answer = answer_of(tmp_path, ('latex',), claims=(CLAIM,), **small)
    (verdict,) = answer.verdicts
    assert (verdict.verdict, verdict.claim.smallest) == ('negligible', 0.5)
    record = json.loads((tmp_path / 'claims.json').read_text())
    assert record['verdicts'][0]['verdict'] == 'negligible'
    assert 'less than 50.00 points either way' in record['verdicts'][0]['note']
    assert '≈ negligible' in (tmp_path / 'report.md').read_text()
    page = answer.report.read_text()
    assert '1 claim: 1 negligible.' in page
    assert 'class="card verdict negligible"' in page
    assert r'$\approx$ negligible' in (tmp_path / 'tables.tex').read_text()
    console = Console(file=io.StringIO())
    answer.show(console)
    assert '≈ negligible  Larger is 100% better_' in console.file.getvalue()
    with pytest.raises(UserError, match=r"smallest.*'test_los'"):
        answer_of(tmp_path / 'other', claims=(CLAIM,), smallest={'test_los': 0.5})


def test_settings_that_still_learn_are_named_in_the_report_and_under_their_figures(tmp_path):
    """In the last of four epochs those of batch size 8 gain 10 points, the others none."""
    gains = np.array([0.1, 0.1001, 0.0, 0.0])
    error = np.array([0.3, 0.301, 0.31, 0.312]) + gains * np.array([[1], [1], [1], [0]])
    shown = lambda size: {'where': {'train.batch_size': size}}
    matrix = {'name': 'cells', 'kind': 'confusion', 'title': 'Cells', **shown(8)}
    figures = (FIGURE | shown(8), {**FIGURE, 'name': 'other', **shown(16)}, matrix)
    train = {'epochs': 4, 'test_curve': True}
    answer_of(tmp_path, error=error, train=train, figures=figures, claims=(CLAIM,))
    text = (tmp_path / 'report.md').read_text()
    words = (
        'Not finished learning: at the end of training these still improved by more than the '
        'effect of a claim: batch size 8.'
    )
    assert f'> {words}\n' in text
    captions = re.findall(r'^\*([^*].*)\*$', text, re.MULTILINE)
    assert [words in caption for caption in captions] == [True, False, False]


def test_an_answer_has_arrays_tables_and_figures(tmp_path):
    answer = answer_of(tmp_path, figures=(FIGURE,), claims=(CLAIM,))
    accuracy = answer['test_accuracy']
    assert accuracy.dims == ('batch_size', 'seed')
    assert accuracy.batch_size.values.tolist() == [8, 16]
    rows = pq.read_table(tmp_path / 'runs.parquet').to_pydict()
    assert accuracy.values.reshape(-1).tolist() == rows['test_accuracy']
    assert answer.to_pandas()['test_accuracy'].tolist() == rows['test_accuracy']
    assert answer.to_dataset()['test_accuracy'].identical(accuracy)
    assert answer.rows['runs'].to_pydict() == rows
    curve = answer.curve('1-validation_accuracy')
    assert curve.dims == ('batch_size', 'seed', 'epoch')
    np.testing.assert_allclose(curve.sel(batch_size=8, seed=0), [0.6, 0.5, 0.55])
    assert answer.table.to_dict()['batch size'] == [8, 16]
    assert answer.verdict_table.rows[0][1] == CLAIM['sentence']
    assert 'Larger is 100% better_' in answer._repr_html_()
    assert 'made up' in repr(answer)
    with pytest.raises(UserError, match="'test_accuracy'"):
        answer['test_acuracy']


def verdict_of(**changes):
    nothing = dict.fromkeys(('p', 'p_adjusted', 'p_permutation'), 0.01)
    usual = {
        'claim': Claim(**{**CLAIM, 'kind': 'optimum', 'goal': 'max'}),
        'verdict': 'supported', 'effect': 8.0, 'low': 8.0, 'high': 16.0, 'what': 'the best',
        'n': 8, 'dropped': 0, 'smallest_permutation_p': 0.008, 'seeds_for_permutation': 6,
        'measured': {}, 'published': {}, 'note': '',
    }  # fmt: skip
    return Verdict(**{**nothing, **usual, **changes})


@pytest.mark.parametrize(
    ('changes', 'numbers'),
    [
        ({}, 'the best: 8 · 95% 8 to 16 · 8 seeds'),  # the effect reads as the number of seeds
        ({'n': 1}, 'the best: 8 · 95% 8 to 16 · 1 seed'),
        ({'n': 7, 'dropped': 1}, 'the best: 8 · 95% 8 to 16 · 7 seeds (1 omitted)'),
        ({'effect': np.nan, 'low': np.nan, 'high': np.nan}, 'the best: 8 seeds'),
        (
            {'smallest_permutation_p': np.nan, 'low': np.nan, 'high': np.nan},
            'the best: 8 · exact',
        ),
    ],
)
def test_a_notebook_shows_every_number_of_a_verdict(changes, numbers):
    assert f'<small>{numbers}</small>' in Verdicts([verdict_of(**changes)])._repr_html_()


def test_only_who_asks_for_an_array_waits_for_xarray(tmp_path, monkeypatch):
    for name in ('xarray', 'pandas'):
        monkeypatch.setitem(sys.modules, name, None)  # importing it would fail
    kinds = ('csv', 'pdf', 'latex')
    answer = answer_of(tmp_path, kinds, figures=(FIGURE,), claims=(CLAIM,))
    answer.show(Console(file=io.StringIO()))
    assert answer._repr_html_()
    with pytest.raises(ImportError):
        answer['test_accuracy']


def test_an_answer_says_where_its_report_is(tmp_path):
    folder = tmp_path / 'a[/b]'  # rich takes brackets for markup
    console = Console(file=io.StringIO())
    answer_of(folder).show(console)
    assert f'report: {folder}/report.html' in console.file.getvalue()


def test_an_answer_draws_the_figures_of_the_config_and_others(tmp_path):
    answer = answer_of(tmp_path, figures=(FIGURE,))
    texts = lambda sheet: [
        text.get_text() for text in sheet.findobj(lambda a: hasattr(a, 'get_text'))
    ]
    same = answer.plot('loss')
    assert isinstance(same, Sheet)
    assert any('Loss' in text for text in texts(same))
    changed = answer.plot('loss', title='Otherwise')
    assert any('Otherwise' in text for text in texts(changed))
    assert same._repr_png_().startswith(b'\x89PNG')  # a notebook shows it
    own = answer.plot(kind='effect', metrics=('test_loss',), x='train.batch_size')
    assert len(own.axes) == 1
    with pytest.raises(UserError, match="no figure 'los'; did you mean 'loss'"):
        answer.plot('los')
    with pytest.raises(UserError, match=r"plot\.knd: unknown key 'knd'"):
        answer.plot(knd='effect')
    with pytest.raises(UserError, match='test_los'):
        answer.plot(kind='effect', metrics=('test_los',), x='train.batch_size')
