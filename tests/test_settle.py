"""Seeds added until claims are settled: from the command to the folder, interrupted anywhere."""

import dataclasses
import io
import json
import os
import re
import signal

import numpy as np
import pytest
from rich.console import Console

from jaxtweaks import api, app
from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError
from jaxtweaks.claims.claim import Open
from jaxtweaks.config import parts
from jaxtweaks.config.expand import grid
from jaxtweaks.lab import (
    answers,
    experiment,
    laboratory,
    live,
    next_look,
    record,
    settle,
    stored,
)
from jaxtweaks.report import report
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run.group import Interrupted
from jaxtweaks.run.workdir import Workdir
from jaxtweaks.studies.study import Measured, Study

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

RATE = 'dropout.hidden'
LEVELS = {0.1: 0.0, 0.2: 0.7, 0.5: 5.0}  # of the mean, in standard deviations


class Noisy:
    """Measures a level with noise of the seed; signals itself at the call `at`."""

    def __init__(self, at=None):
        self.calls, self._at = [], at

    def __call__(self, setting, seed):
        rate, seed = round(float(setting.dropout.hidden), 3), int(seed)
        self.calls.append((rate, seed))
        if len(self.calls) == self._at:
            os.kill(os.getpid(), signal.SIGTERM)
        noise = np.random.default_rng([seed, int(1000 * rate)]).standard_normal()
        return Measured(finals={'total': LEVELS[rate] + noise})


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    monkeypatch.setattr(answers, '_draw', lambda *args: [])


@pytest.fixture
def put(monkeypatch):
    """Puts a study that measures with noise in the place of a known one."""

    part = parts.get('study', 'dropout_linear')

    def put(at=None, **changes):
        measure = Noisy(at)
        about = Study({'total': 'total height'}, reads=(RATE,), generated='noise', **changes)
        facts = {'study': about, 'data': False}
        known = dataclasses.replace(part, build=measure, parameters={}, facts=facts)
        monkeypatch.setattr(parts.Part, 'built_in', True)
        monkeypatch.setitem(parts._REGISTRY['study'], 'dropout_linear', known)
        metrics.add_whole(*about.metrics)
        return measure.calls

    return put


def claim(kind, a, b, **given):
    sentence = f'{a} {kind} than {b}.'
    sides = {'a': {RATE: a}, 'b': {RATE: b}}
    return {'sentence': sentence, 'source': '§1', 'kind': kind, 'metric': 'total', **sides, **given}


LARGE, OPEN = claim('greater', 0.5, 0.1), claim('greater', 0.2, 0.1)


def config(**values):
    return {
        'name': 'noise', 'size': 'smoke', 'question': 'Is it higher?', 'seeds': 3,
        'study': {'name': 'dropout_linear'}, 'sweep': grid(RATE, *LEVELS),
        'claims': (LARGE, OPEN), **values,
    }  # fmt: skip


def run(path, budget=3600.0, **values):
    out = io.StringIO()
    asked = experiment.build(config(**values))
    console = Console(file=out, width=300)
    answer = laboratory.run(asked, path, console, command='test', budget=budget)
    return answer, out.getvalue()


def looks_of(path):
    return list(manifest_lib.current(Workdir(path)).looks)


def as_text(answer):
    """All that the verdicts say, NaN included."""
    return [json.dumps(verdict.to_dict()) for verdict in answer.verdicts]


def test_seeds_grow_for_what_is_open_and_stop_when_nothing_is(put, tmp_path):
    calls = put()
    answer, said = run(tmp_path)
    looks = looks_of(tmp_path)
    grown = [look.seeds for look in looks]
    assert grown == [5, 8, 12, 20, 32, 50][: len(grown)]
    assert len(grown) > 1
    large, still = answer.verdicts
    assert (large.verdict, large.n, large.looks) == ('supported', 5, (5,))
    assert large.level == pytest.approx(0.995)
    assert 'settled at 5: an early stop overestimates the effect' in large.note
    assert still.looks == tuple(grown)
    # The setting that only the settled claim needs got no more seeds than the first look.
    seeds = {rate: sum(one == rate for one, _ in calls) for rate in LEVELS}
    assert seeds == {0.1: grown[-1], 0.2: grown[-1], 0.5: 5}
    assert answer.results.runs_of(2) == 5
    assert answer.table.rows[2][1] == '5'
    assert 'look at 5 seeds: 1 of 2 claims open (0.2 greater than 0.1); next look at 8' in said
    assert 'until settled: looks at 5, 8, 12, 20, 32 and at most 50 seeds' in said
    report = (tmp_path / 'report.md').read_text()
    assert 'Seeds were added until the claims were settled' in report
    assert as_text(api.load(tmp_path)) == as_text(answer)
    # Again: nothing is measured, and the answer is the same.
    before = len(calls)
    again, _ = run(tmp_path)
    assert (len(calls), as_text(again), looks_of(tmp_path)) == (before, as_text(answer), looks)


def test_looks_are_corrected_for_claims_that_wait(put, tmp_path):
    put()
    answer, _ = run(tmp_path, budget=1e-9, claims=(LARGE,))
    waiting = experiment.build(config(claims=(OPEN,))).claims
    args = answer.experiment, answer.results, looks_of(tmp_path)
    (alone,), (among,) = settle.verdicts(*args), settle.verdicts(*args, waiting)
    assert alone.claim == among.claim
    assert among.p_adjusted == pytest.approx(2 * alone.p_adjusted)


def test_what_sign_flips_decide_is_first_looked_at_where_they_can(put, tmp_path):
    calls = put()
    below = {'level': 2.5, 'direction': 'below'}
    more_below = claim('share', 0.1, 0.5, **below)
    answer, said = run(tmp_path, budget=1e-9, claims=(LARGE, more_below))
    # With 5 seeds no share is settled, and the first look that is planned as the last had all.
    assert 'until settled: looks at 8, 12, 20, 32 and at most 50 seeds' in said
    assert 'look 1 of at most 5, at 8 seeds: 2 of 2 claims open' in said
    assert [(one.seeds, one.planned) for one in looks_of(tmp_path)] == [(8, 8)]
    assert len(calls) == 8 * len(LEVELS)
    assert [one.verdict for one in answer.verdicts] == ['supported', 'supported']
    assert [one.level for one in answer.verdicts] == pytest.approx([1 - 0.05 * 0.8] * 2)


def test_a_folder_that_began_at_five_seeds_goes_on_from_there(put, tmp_path, monkeypatch):
    put()
    with monkeypatch.context() as patch:
        patch.setattr(settle.claims, 'first_look', lambda *args: 5)  # as earlier versions did
        run(
            tmp_path,
            budget=1e-9,
            claims=(OPEN, claim('share', 0.1, 0.2, level=2.5, direction='below')),
        )
    before = looks_of(tmp_path)
    assert [one.seeds for one in before] == [5]
    run(tmp_path, claims=(OPEN, claim('share', 0.1, 0.2, level=2.5, direction='below')))
    after = looks_of(tmp_path)
    assert [one.seeds for one in after][:2] == [5, 8]
    assert {one.planned for one in after} == {5}


@pytest.mark.parametrize('at', [4, 17, 22])
def test_an_interruption_changes_nothing(put, tmp_path, at):
    put()
    whole, _ = run(tmp_path / 'whole')
    put(at=at)
    with pytest.raises(Interrupted):
        run(tmp_path / 'cut')
    calls = put()
    cut, _ = run(tmp_path / 'cut')
    assert len(calls) == whole.results.ids.size - at - missing(whole)
    assert as_text(cut) == as_text(whole)
    assert looks_of(tmp_path / 'cut') == looks_of(tmp_path / 'whole')


def test_interrupted_after_a_look_it_loads_with_the_verdicts_of_the_look(put, tmp_path):
    put(at=17)  # of the seeds of the second look
    with pytest.raises(Interrupted):
        run(tmp_path)
    (look,) = looks_of(tmp_path)
    with pytest.warns(UserWarning, match='2 of 2 claims can be tested so far'):
        large, still = api.load(tmp_path).verdicts
    # Settled with 5 seeds, it gets no more of them, and waits for none.
    assert (large.verdict, large.looks, large.level) == ('supported', (5,), pytest.approx(0.995))
    assert (still.verdict, still.looks, look.next) == ('inconclusive', (5,), 8)
    assert 'the next look is at 8 seeds' in still.note


def test_interrupted_with_seeds_added_by_hand_it_loads_with_the_look_before(put, tmp_path):
    put()
    run(tmp_path, budget=None, seeds=4)
    put(at=5)  # of the two seeds of each setting
    with pytest.raises(Interrupted):
        run(tmp_path, budget=None, seeds=6)
    with pytest.warns(UserWarning, match='1 of 2 claims can be tested so far'):
        (verdict,) = api.load(tmp_path).verdicts
    assert verdict.n == 6
    assert 'not corrected for an earlier look at 4 seeds' in verdict.note


def test_with_a_look_at_a_fixed_number_claims_wait_for_their_runs(put, tmp_path, monkeypatch):
    put()
    run(tmp_path, budget=None, seeds=4)
    shown = []
    monkeypatch.setattr(live.report, 'write_live', lambda *args: shown.append(args))
    run(tmp_path)
    _, contents, state = shown[0]
    assert (contents.verdicts, len(state.waiting)) == ([], 2)


def test_while_it_trains_the_looks_are_on_the_page_and_in_the_log(put, tmp_path, monkeypatch):
    put()
    pages = []
    monkeypatch.setattr(
        live.report, 'write_live', lambda _, *args: pages.append(report.render_live(*args))
    )
    _, said = run(tmp_path)
    first, second = (
        'look 1 of at most 6, at 5 seeds: 2 of 2',
        'look 2 of at most 6, at 8 seeds: 1 of 2',
    )
    shown = [[words in page for words in (first, second)] for page in pages]
    assert shown[0] == [True, False]
    later = pages[shown.index([False, True])]
    listed = lambda page: re.findall(r'<li>(.*?)</li>', page.partition('class="open"')[2])
    assert listed(pages[0])[:2] == [LARGE['sentence'], OPEN['sentence']]
    assert listed(later) == [OPEN['sentence']]  # and none waits for runs that it does not get
    assert 'settled at 5: an early stop overestimates the effect' in later  # corrected for looks
    assert 'the next look is at 8 seeds' in later
    assert not any('the budget was spent' in page for page in pages)
    assert f'{first} claims open ({LARGE["sentence"][:-1]}; ' in said
    assert f'{second} claims open ({OPEN["sentence"][:-1]})\n' in said


def missing(answer):
    """How many runs of the grid were not trained, as no open claim needed them."""
    return int(np.isnan(answer.results.final('total')).sum())


def test_an_interruption_between_a_look_and_its_seeds(put, tmp_path, monkeypatch):
    put()
    whole, _ = run(tmp_path / 'whole')
    freeze, count = record.freeze, []

    def once(*args):
        count.append(args)
        if len(count) == 2:  # the look is in the manifest, the groups of its seeds are not
            raise KeyboardInterrupt
        freeze(*args)

    monkeypatch.setattr(record, 'freeze', once)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / 'cut')
    assert looks_of(tmp_path / 'cut')[-1].next == 8
    monkeypatch.setattr(record, 'freeze', freeze)
    assert as_text(run(tmp_path / 'cut')[0]) == as_text(whole)


def test_a_budget_ends_it_and_more_goes_on(put, tmp_path):
    calls = put()
    answer, said = run(tmp_path, budget=1e-9)
    assert len(calls) == 3 * 5
    assert 'raise --budget to go on' in said
    assert answer.verdicts[1].verdict == 'inconclusive'
    assert 'more seeds may settle it, but the budget was spent' in answer.verdicts[1].note
    assert answer.verdicts[1].open_because[0] is Open.BUDGET
    # It was for five seeds, whose look had 80% of α; and what was planned stays so.
    assert answer.verdicts[1].level == pytest.approx(0.96)
    said = '5 seeds were planned for by the budget: up to there they are looked at with 80% of α'
    assert said in (tmp_path / 'report.md').read_text()
    assert as_text(api.load(tmp_path)) == as_text(answer)
    settled_then = answer.verdicts[0]
    assert (settled_then.verdict, settled_then.looks) == ('supported', (5,))
    more, _ = run(tmp_path)
    assert more.verdicts[1].looks[:2] == (5, 8)
    assert len(calls) > 15
    assert {one.planned for one in looks_of(tmp_path)} == {5}
    assert more.verdicts[0] == settled_then
    # What the looks beyond the plan may spend: 0.2 of α for 45 seeds.
    at = more.verdicts[1].looks[-1]
    added = dict(zip([8, 12, 20, 32, 50], [3, 4, 8, 12, 18], strict=True))[at]
    assert more.verdicts[1].level == pytest.approx(1 - 0.05 * 0.2 * added / 45)


@pytest.mark.parametrize(
    ('there', 'spent', 'budgets', 'seeds'),
    [
        (5, 100.0, [300.0], 12),
        (5, 100.0, [99.0], 5),
        (6, 60.0, [1e6], 50),
        (5, 100.0, [160.0, 1e6], 8),  # another budget came before the first look
        (5, 100.0, [None, 99.0], 50),  # begun with fixed seeds, of which results may be known
        (5, 100.0, [], 50),
    ],
)
def test_the_last_look_is_planned_by_the_first_budget_and_what_the_seeds_took(
    there, spent, budgets, seeds
):
    launches = [manifest_lib.Launch(budget=budget) for budget in budgets]
    assert settle.plan_of([], launches, there, spent) == seeds
    by_hand = manifest_lib.LookRecord(seeds=5, design='fixed', p={})
    assert settle.plan_of([by_hand], launches, there, spent) == seeds
    made = manifest_lib.LookRecord(seeds=5, design='settled', p={}, planned=8)
    older = dataclasses.replace(made, planned=None)
    assert settle.plan_of([by_hand, made], launches, there, spent) == 8
    assert settle.plan_of([older], launches, there, spent) == 50


def test_a_budget_chosen_with_results_known_plans_nothing(put, tmp_path):
    put()
    run(tmp_path, budget=None, seeds=5)
    answer, _ = run(tmp_path, budget=1e-9)
    assert answer.verdicts[1].looks == (5,)
    assert answer.verdicts[1].level == pytest.approx(0.995)
    assert 'planned for' not in (tmp_path / 'report.md').read_text()


def test_all_looks_have_the_plan_of_the_first():
    """A version without plans may have added one; and a plan is for a look of the grid."""
    first, other = (
        manifest_lib.LookRecord(seeds=seeds, design='settled', p={}, planned=planned)
        for seeds, planned in ((5, 5), (8, None))
    )
    looks = settle.looked([first, other])
    assert [one.share for one in looks] == pytest.approx([0.8, 0.2 * 3 / 45])
    with pytest.raises(UserError, match='looks planned for 6 seeds are not allowed'):
        settle.looked([dataclasses.replace(first, planned=6)])


def test_seeds_added_by_hand_are_a_look_that_is_not_corrected_for(put, tmp_path):
    put()
    first, _ = run(tmp_path, budget=None, seeds=4)
    assert 'not corrected' not in first.verdicts[1].note
    then, _ = run(tmp_path, budget=None, seeds=6)
    assert [(one.seeds, one.design) for one in looks_of(tmp_path)] == [
        (4, 'fixed'), (6, 'fixed'),
    ]  # fmt: skip
    assert 'not corrected for an earlier look at 4 seeds' in then.verdicts[1].note
    assert then.verdicts[1].level == 0.95
    # Going on until settled: with the first 5 of the 6 seeds that are there, and then with 8.
    last, _ = run(tmp_path)
    assert last.verdicts[1].looks[:2] == (5, 8)
    assert 'not corrected for an earlier look at 4 and 6 seeds' in last.verdicts[1].note


@pytest.mark.parametrize('asked', ['others', 'smallest', 'margin'])
def test_a_look_stays_on_record_whatever_is_asked_later(put, tmp_path, asked):
    put()
    one = OPEN if asked != 'margin' else claim('equivalent', 0.2, 0.1, margin=0.1)
    run(tmp_path, budget=None, seeds=4, claims=(one,))
    if asked == 'others':
        run(tmp_path, budget=None, seeds=4, claims=(LARGE,))
    later = one if asked == 'others' else {**one, asked: 0.2}
    answer, _ = run(tmp_path, budget=None, seeds=6, claims=(later,))
    assert 'not corrected for an earlier look at 4 seeds' in answer.verdicts[0].note


def test_a_look_until_settled_stays_on_record_when_it_is_said_later_what_matters(put, tmp_path):
    put()
    run(tmp_path, budget=None, seeds=5, claims=(OPEN,))
    run(tmp_path, budget=1e-9, claims=(OPEN,))
    answer, _ = run(tmp_path, claims=({**OPEN, 'smallest': 0.1},))
    assert answer.verdicts[0].looks[0] == 8
    assert 'not corrected for an earlier look at 5 seeds' in answer.verdicts[0].note


def test_seeds_that_are_there_of_what_is_settled_do_not_pay_for_those_of_what_is_open(put):
    put()
    asked = experiment.build(config(seeds=10))
    keys = [settle.sequential.key(one) for one in asked.claims]
    p = {keys[0]: (1e-9, 1.0), keys[1]: (0.5, None)}
    look = manifest_lib.LookRecord(seeds=8, design='settled', p=p, going=(keys[1],))
    finished = {run.id for run in asked.runs}
    standing = next_look.Standing(asked, None, [look], 30.0, finished)
    then = next_look.step(standing, next_look.Allowed(1e9))
    # Of two settings; the third has ten seeds, of which the last two were not needed.
    assert then.words.endswith('next look at 12 seeds: 4 runs, about 4 s')


def test_a_folder_grown_until_settled_says_so_where_it_is_refused(put, tmp_path):
    put()
    run(tmp_path)
    with pytest.raises(UserError, match='its seeds were added by --until_settled'):
        run(tmp_path, budget=None)


def test_with_a_derivation_every_setting_gets_the_seeds(put):
    put()
    asked = experiment.build(config(seeds=8))
    going = (settle.sequential.key(asked.claims[1]),)
    look = manifest_lib.LookRecord(seeds=5, design='settled', p={}, next=8, going=going)
    assert len(settle.wanted(asked, [look])) == 3 * 8 - 3
    assert len(settle.wanted(dataclasses.replace(asked, derive=('mc',)), [look])) == 3 * 8
    # A claim that is not the config's any more: nothing is spared.
    assert len(settle.wanted(asked, [dataclasses.replace(look, going=('other',))])) == 3 * 8
    by_hand = [look, manifest_lib.LookRecord(seeds=8, design='fixed', p={})]
    assert len(settle.wanted(asked, by_hand)) == 3 * 8


def test_exact_results_get_no_seeds(put, tmp_path):
    calls = put(exact=True)
    _, said = run(tmp_path, claims=(LARGE,))
    assert len(calls) == 9
    assert 'nothing here is left to chance' in said
    assert looks_of(tmp_path) == []


@pytest.mark.parametrize(
    ('how', 'message'),
    [
        ({'budget': '5m'}, "budget: '5m' has no effect because until_settled is not given"),
        ({'until_settled': True, 'changes': {'seeds': 9}}, 'seeds: have no effect because'),
        ({'until_settled': True, 'changes': {'claims': ()}}, 'the config has no claims to settle'),
        ({'until_settled': True, 'budget': 'long'}, "budget: 'long' is not allowed"),
    ],
)
def test_what_cannot_be_settled_is_refused(put, tmp_path, how, message):
    put()
    with pytest.raises(UserError, match=message):
        api.run(config(), tmp_path / 'w', quiet=True, **how)
    assert not (tmp_path / 'w').exists()


def test_the_flags_say_the_same(capsys, tmp_path):
    code = app.main(['main.py', '--config=configs/bn_onoff.py:smoke', '--budget=5m'])
    assert (code, capsys.readouterr().err.count('\n')) == (2, 1)
    code = app.main(
        ['main.py', '--config=configs/bn_onoff.py:smoke', '--until_settled', '--config.seeds=9']
    )
    assert code == 2
    assert 'error: seeds: have no effect because --until_settled adds them' in (
        capsys.readouterr().err
    )


def test_an_older_manifest_has_no_looks(put, tmp_path):
    put()
    run(tmp_path, budget=None)
    workdir = Workdir(tmp_path)
    content = workdir.read_json(manifest_lib.NAME)
    del content['looks']
    workdir.write_json(manifest_lib.NAME, content)
    answer = stored.load(tmp_path, print)
    assert 'looked at' not in answer.verdicts[0].note


def test_a_claim_that_an_added_one_leaves_open_goes_on(put, tmp_path, monkeypatch):
    """Alone p / w is 0.0227 / 0.8 at five seeds: it is settled, and among two (0.057) it is not."""
    calls = put()
    monkeypatch.setitem(LEVELS, 0.5, 2.4)
    monkeypatch.setitem(LEVELS, 0.2, 50.0)
    alone, _ = run(tmp_path, budget=1e-9, claims=(LARGE,))
    assert (alone.verdicts[0].verdict, alone.verdicts[0].n) == ('supported', 5)
    assert alone.verdicts[0].p_adjusted == pytest.approx(0.02273 / 0.8, rel=1e-3)
    both, said = run(tmp_path, budget=1e-9)
    assert '2 of 2 claims open' in said
    assert [one.verdict for one in both.verdicts] == ['inconclusive'] * 2
    assert both.verdicts[0].p_adjusted == pytest.approx(2 * alone.verdicts[0].p_adjusted)
    assert both.verdicts[0].open_because[0] is Open.BUDGET
    assert len(calls) == 3 * 5
    # At the next look the other one is settled, and so this one is, by the first look at it.
    more, _ = run(tmp_path)
    assert len(calls) == 3 * 8
    assert [(one.verdict, one.looks, one.rests_on) for one in more.verdicts] == [
        ('supported', (5, 8), 5),
        ('supported', (8,), 8),
    ]
    assert as_text(api.load(tmp_path)) == as_text(more)
