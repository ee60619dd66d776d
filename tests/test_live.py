"""A sweep that is not finished: the page that shows it, and what can be loaded of it."""

import dataclasses
import io
import re
import shutil
import types

import numpy as np
import pytest
from fake_results import sweep
from rich.console import Console

import jaxtweaks as jt
from jaxtweaks.claims.claim import Claim
from jaxtweaks.config.build import from_dict
from jaxtweaks.lab import experiment as experiment_lib
from jaxtweaks.lab import live, partial, stored
from jaxtweaks.report import report
from jaxtweaks.results.collect import collect
from jaxtweaks.run import group as group_lib
from jaxtweaks.run import progress, runner
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.workdir import Workdir

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')


def tiny(**more):
    """A config of two programs, one run side by side, and two chunks an epoch."""
    return {
        'name': 'tiny', 'size': 'smoke', 'seeds': 2, 'question': 'Is it <b>all</b> there?',
        'data': {'name': 'digits', 'train_size': 40, 'validation_size': 20, 'test_size': 20},
        'model': {'name': 'mlp', 'hidden': (4,)}, 'train': {'batch_size': 20, 'epochs': 3},
        'sweep': jt.grid('model.norm', 'batch', 'none'),
        'names': (('model.norm=batch', 'with BN'), ('model.norm=none', 'plain')),
        'execution': {'batching': 'map', 'group_size': 1, 'chunk_seconds': 1e-9},
        'claims': (
            {'sentence': 'With BN it is below 90.', 'source': '§1', 'kind': 'level', 'level': 90.0,
             'direction': 'below', 'metric': 'test_loss', 'a': {'model.norm': 'batch'}},
            {'sentence': 'BN is better.', 'source': '§2', 'kind': 'greater',
             'metric': 'test_accuracy', 'a': {'model.norm': 'batch'},
             'b': {'model.norm': 'none'}},
        ),
        **more,
    }  # fmt: skip


@pytest.fixture(scope='module')
def followed(tmp_path_factory):
    """Every page that was written, and the folder of a sweep interrupted in its third group."""
    patch, pages = pytest.MonkeyPatch(), []
    write = report.write_live

    def kept(path, contents, state):
        pages.append((state, write(path, contents, state).read_text()))

    advanced = []

    def asked_to_stop():
        advanced.append(None)
        return 15 if len(advanced) > 14 else 0

    train = group_lib.train_group
    patch.setattr(live, 'SECONDS', 0.0)
    patch.setattr(live, '_SHARE', np.inf)
    patch.setattr(live.report, 'write_live', kept)
    patch.setattr(
        runner,
        'train_group',
        lambda group, compiled, data, path, execution, asked, *rest, **named: train(
            group, compiled, data, path, execution, asked_to_stop, *rest, **named
        ),
    )
    folder = tmp_path_factory.mktemp('live') / 'w'
    with pytest.raises(KeyboardInterrupt):
        jt.run(tiny(), folder, quiet=True)
    patch.undo()
    return pages, folder


def test_there_is_a_page_from_the_first_moment_on(followed):
    pages, folder = followed
    state, text = pages[0]
    assert (state.share, state.stopped) == (0.0, False)
    assert 'Is it &lt;b&gt;all&lt;/b&gt; there?' in text
    assert text.count('<li>') == 2  # no claim can be tested yet
    assert report.is_live(folder / 'report.html')


def test_a_page_names_what_trains_and_has_the_curves_so_far(followed):
    pages, _ = followed
    shares = [state.share for state, _ in pages]
    assert shares == sorted(shares)
    assert len(pages) > 10
    state, text = pages[-2]
    assert 'group 3/4: plain' in state.group
    assert '<title>' in text
    assert re.search(r'"label": ?"validation accuracy"', text)
    # The groups before are finished, so what speaks of them alone is tested, as provisional.
    assert 'Verdicts so far: provisional' in text
    assert 'With BN it is below 90.' in text
    assert re.findall(r'<li>(.*?)</li>', text) == ['BN is better.']
    assert 'data-stopped' not in text


def test_the_last_page_of_an_interruption_stands_still(followed):
    state, text = followed[0][-1]
    assert state.stopped
    assert 'data-stopped' in text
    assert 'http-equiv="refresh"' not in text
    assert 'http-equiv="refresh"' in followed[0][-2][1]


def test_what_is_there_can_be_loaded(followed):
    _, folder = followed
    with pytest.warns(UserWarning, match='2 of 4 runs are finished; 1 of 2 claims can be tested'):
        answer = jt.load(folder)
    assert np.isfinite(answer['test_loss'].sel(norm='batch')).all()
    assert np.isnan(answer['test_loss'].sel(norm='none')).all()
    (verdict,) = answer.verdicts
    assert verdict.claim.source == '§1'
    # Corrected for the claim that waits too, as at the end.
    assert verdict.p_adjusted == pytest.approx(min(1, 2 * verdict.p))
    assert 'below 90' in answer._repr_html_()
    assert answer.table.rows[0][0] == 'with BN'


def test_what_is_derived_is_omitted_from_the_table_of_what_is_there(followed, tmp_path):
    folder = tmp_path / 'w'
    shutil.copytree(followed[1], folder)
    values = Workdir(folder).read_json('config.json')
    values |= {'derive': ['roughness'], 'table': ['test_accuracy', 'roughness', '1-test_accuracy']}
    Workdir(folder).write_json('config.json', values)
    with pytest.warns(UserWarning, match='nothing is derived'):
        answer = jt.load(folder)
    shown = [column for column in answer.table.columns if 'accuracy' in column or 'error' in column]
    assert len(shown) == 2
    assert not any('roughness' in column for column in answer.table.columns)


def test_finished_the_report_takes_the_place_of_the_page(followed, tmp_path):
    folder = shutil.copytree(followed[1], tmp_path / 'w')
    answer = jt.run(tiny(), folder, quiet=True)
    assert not report.is_live(answer.report)
    text = answer.report.read_text()
    assert 'provisional' not in text
    assert 'http-equiv="refresh"' not in text
    assert len(answer.verdicts) == 2


def test_nothing_to_load_is_said(tmp_path):
    asked = experiment_lib.build(tiny())
    nothing = stored.Stored(asked, {}, [], [None], 4)
    with pytest.raises(jt.UserError, match='none of its 4 runs is finished yet'):
        stored.unfinished_answer(tmp_path, nothing, print)


def test_a_claim_waits_for_the_runs_it_speaks_of():
    asked = experiment_lib.build(tiny())
    results = sweep({'model.norm': ('batch', 'none')}, seeds=2)
    done = np.array([[True, True], [True, False]])
    assert partial.testable(asked.claims, results, done) == [True, False]
    assert partial.testable(asked.claims, results, ~done) == [False, False]


def test_a_claim_on_a_curve_waits_for_no_x_that_only_one_of_its_sides_has():
    claim = {'sentence': 'S.', 'source': '§', 'kind': 'peak', 'metric': 'test_accuracy',
             'along': 'train.batch_size', 'a': {'model.norm': 'batch'},
             'b': {'model.norm': 'none'}, 'goal': 'max'}  # fmt: skip
    curve = from_dict(Claim, claim)
    every = sweep({'model.norm': ('batch', 'none'), 'train.batch_size': (8, 16, 32)}, seeds=1)
    results = dataclasses.replace(every, settings=every.settings[:5])  # 'none' has no 32
    done = np.array([[True], [True], [False], [True], [True]])
    assert partial.testable([curve], results, done) == [True]
    done[1] = False
    assert partial.testable([curve], results, done) == [False]


def test_a_provisional_verdict_is_corrected_for_the_claims_that_wait():
    results = sweep({'model.norm': ('batch', 'none')}, seeds=6)
    level = float(np.mean(results.finals['test_accuracy'][0])) + 0.03
    first, second = tiny()['claims']
    first = {**first, 'metric': 'test_accuracy', 'level': level}
    asked = experiment_lib.build(tiny(claims=(first, second), seeds=6))
    done = np.array([[True] * 6, [True] * 5 + [False]])
    (verdict,), (waiting,) = partial.verdicts(asked, results, done)
    assert (verdict.claim, waiting) == asked.claims
    assert 0 < verdict.p < 0.5
    assert verdict.p_adjusted == pytest.approx(2 * verdict.p)


def test_what_diverged_is_not_in_the_means_so_far():
    results = sweep({'model.norm': ('batch', 'none')}, seeds=3, diverged=[(0, 1, 4)])
    table = partial.means(results, np.ones((2, 3), bool))
    place = table.columns.index('validation accuracy')
    last = results.curves['validation_accuracy'][..., -1]
    assert table.raw[0][place] == pytest.approx(last[0, [0, 2]].mean())
    assert table.raw[1][place] == pytest.approx(last[1].mean())


class Ticks:
    """A clock that goes on by what a page takes."""

    def __init__(self):
        self.time = 0.0

    def __call__(self):
        return self.time


def page_of(monkeypatch, tmp_path, takes):
    """A page whose making takes so many seconds, its clock, and when it was made."""
    ticks, made = Ticks(), []

    def write(path, contents, state):
        made.append(ticks.time)
        ticks.time += takes

    monkeypatch.setattr(live.report, 'write_live', write)
    monkeypatch.setattr(live.LivePage, '_load', lambda self: None)
    monkeypatch.setattr(live.LivePage, '_contents', lambda self: None)
    monkeypatch.setattr(live.LivePage, '_live', lambda self, stopped: None)
    workdir, asked = types.SimpleNamespace(path=tmp_path), experiment_lib.build(tiny())
    console = Console(file=io.StringIO())
    return live.LivePage(console, progress.View(), asked, workdir, None, None, ticks), ticks, made


@pytest.mark.parametrize(('takes', 'between'), [(0.01, 10.0), (1.0, 50.0)])
def test_pages_take_no_more_than_a_fiftieth_of_the_time(monkeypatch, tmp_path, takes, between):
    page, ticks, made = page_of(monkeypatch, tmp_path, takes)
    page.begin(1000.0, 0.0)
    while ticks.time < 500:
        ticks.time += 0.5
        page.finished(0.5)
    waits = np.diff(made)
    assert between <= waits.min() <= waits.max() <= between + takes + 0.5
    assert page.spent <= 0.02 * ticks.time + takes


def test_a_page_that_cannot_be_written_is_noted_once_and_stops_nothing(monkeypatch, tmp_path):
    page, *_ = page_of(monkeypatch, tmp_path, 0.0)
    notes = []
    monkeypatch.setattr(page, 'note', notes.append)

    def full(*_):
        raise OSError('no room')

    monkeypatch.setattr(live.report, 'write_live', full)
    page.begin(1.0, 0.0)
    page.end()
    assert notes == ['the report is not written while it trains (OSError: no room)']


def test_of_runs_in_other_groups_the_latest_numbers_count(monkeypatch, tmp_path):
    asked = experiment_lib.build(tiny())
    ids = [run.id for run in asked.runs]
    monkeypatch.setattr(live.report, 'write_live', lambda *_: None)
    monkeypatch.setattr(live.LivePage, '_contents', lambda self: None)
    page = live.LivePage(
        Console(file=io.StringIO()), progress.View(), asked, Workdir(tmp_path), None, None
    )

    def so_far(runs, epochs):
        places, nothing = len(runs), np.zeros(len(runs), np.int32)
        history = {'running_loss': np.zeros((epochs, places), np.float32)}
        return GroupResult(tuple(runs), history, {}, nothing, nothing - 1, 0.0)

    def advance(*args):
        found = so_far(*args)
        page._write(progress.Now(1, 3, 0.0, 0.0, 0.0, len(found.runs), 0, 0, so_far=lambda: found))

    advance(ids[:2], 1)
    advance(ids[2:], 1)
    advance([ids[0], ids[2]], 2)  # put together, the first of it as before
    advance([ids[1], ids[3]], 2)
    data = types.SimpleNamespace(
        **{name: types.SimpleNamespace(labels=()) for name in ('training', 'validation', 'test')},
        classes=(), targets='numbers', label='', fallback=False, grid=None,
    )  # fmt: skip
    results = collect(asked.runs, page._under_way.values(), data)
    assert np.isfinite(results.curves['running_loss']).sum(2).tolist() == [[2, 2], [2, 2]]
    # What is finished is not under way.
    group = types.SimpleNamespace(id='g')
    Workdir(tmp_path).save_result(group, so_far(ids, 3))
    page._write()
    assert page._under_way == {}
