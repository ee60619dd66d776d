"""One budget for several experiments: which of them goes on, and what they are planned for."""

import io
import json
import textwrap

import pytest
from rich.console import Console

from jaxtweaks.base.errors import UserError
from jaxtweaks.lab import collection, folder, next_look, settle, shared_budget
from jaxtweaks.lab.next_look import Prospect
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run.workdir import Workdir

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

STUDY = """
import numpy as np

import jaxtweaks as jt
from jaxtweaks.config.expand import grid
from jaxtweaks.studies.study import Measured

RATE = 'dropout.hidden'


@jt.study('noise_{name}', finals={{'total': 'total height'}}, reads=(RATE,), generated='noise')
def noise(setting, seed):
    rate = setting.dropout.hidden
    total = np.random.default_rng([seed, round(rate * 10)]).normal() + {effect} * rate
    return Measured(finals={{'total': total}})


def get_config(size=None):
    return dict(
        name={name!r}, size='smoke', question='Is it higher?', seeds=5,
        study=dict(name='noise_{name}'), sweep=grid(RATE, 0.0, 0.5),
        claims=(dict(sentence='It is higher.', source='', kind='greater', metric='total',
                     a={{RATE: 0.5}}, b={{RATE: 0.0}}),),
    )
"""


class Stands:
    """A folder that has come so far."""

    def __init__(self, seeds, *prospects):
        self.seeds, self._prospects = seeds, [Prospect(*one) for one in prospects]

    def prospects(self):
        return self._prospects


def visited(budget, name, seconds, *stands):
    """Carried out, with so many seconds of training by then; what each of its looks is allowed."""
    with budget.visit(name, lambda: seconds):
        return [budget.allow(name)(one).seconds for one in stands]


def test_the_look_that_settles_most_for_its_seconds_comes_next(monkeypatch):
    monkeypatch.setattr(shared_budget.time, 'monotonic', lambda: 0.0)
    budget = shared_budget.SharedBudget(100.0, 4)
    assert budget.part == 50.0  # twice an equal part
    # Of the first, 12 seeds settle 0.05 claims a second, and 8 only 0.02.
    ahead = (8, 10.0, 0.2), (12, 20.0, 1.0), (20, 60.0, 1.1)
    assert visited(budget, 'first', 10.0, Stands(5, *ahead)) == [0.0]
    assert visited(budget, 'second', 20.0, Stands(5, (8, 30.0, 1.4), (12, 90.0, 3.0))) == [0.0]
    visited(budget, 'third', 5.0)
    assert budget.left == 65.0
    chosen = budget.choose()
    assert (chosen.name, chosen.seeds, chosen.left) == ('first', 12, 65.0)
    # A quarter more than is expected, and no further than the look that it was chosen for.
    allowed = visited(budget, 'first', 30.0, Stands(5, *ahead), Stands(8), Stands(12))
    assert allowed == [10 + 1.25 * 20] * 2 + [0.0]
    # Nothing is open of it now, and of the second a look at 12 seeds cannot be paid.
    chosen = budget.choose()
    assert (chosen.name, chosen.seeds, chosen.seconds) == ('second', 8, 30.0)
    assert budget.choose() is None


def test_what_fails_is_not_chosen_again_and_its_time_counts():
    budget = shared_budget.SharedBudget(100.0, 1)
    seconds = iter([0.0, 30.0])

    def fails():
        with budget.visit('only', lambda: next(seconds)):
            budget.allow('only')(Stands(5, (8, 1.0, 1.0)))
            raise ValueError('no')

    with pytest.raises(ValueError, match='no'):
        fails()
    assert budget.left == 70.0
    assert budget.wanted == 0
    assert budget.choose() is None


@pytest.mark.parametrize('prospect', [(8, 11.0, 1.0), (8, 5.0, 0.0), (8, 0.0, 1.0)])
def test_what_cannot_be_paid_or_settles_nothing_is_not_chosen(prospect):
    budget = shared_budget.SharedBudget(10.0, 1)
    assert budget.part == 10.0
    visited(budget, 'only', 0.0, Stands(5, prospect))
    assert budget.choose() is None


def test_what_a_visit_takes_besides_training_counts(monkeypatch):
    now, ahead = [0.0], Stands(5, (8, 1.0, 0.2), (12, 10.0, 1.0))
    monkeypatch.setattr(shared_budget.time, 'monotonic', lambda: now[0])
    chosen = {}
    for alone in (True, False):
        budget = shared_budget.SharedBudget(100.0, 1)
        trained = iter([200.0, 210.0])  # some of it before this launch
        with budget.visit('only', lambda trained=trained: next(trained), alone):
            now[0] += 30.0
            budget.allow('only')(ahead)
        budget.seconds = 300.0
        chosen[alone] = budget.choose().seeds
        assert budget.left == 90.0
    # By training alone a look at 8 seeds settles more a second; with 20 s besides, one at 12. Of
    # several processes the clock does not show what there is besides.
    assert chosen == {True: 12, False: 8}


@pytest.fixture
def both(tmp_path):
    """A collection of an experiment with a large effect and one with a small effect."""
    names = []
    for name, effect in (('large', 20.0), ('small', 2.0)):
        path = tmp_path / f'{name}.py'
        path.write_text(textwrap.dedent(STUDY.format(name=name, effect=effect)))
        names.append(str(path))
    return {'name': 'both', 'size': 'smoke', 'experiments': names, 'first_seed': 100}


def carry_out(asked, root, budget, **more):
    console = Console(file=io.StringIO(), width=300)
    options = collection.Options(budget=budget, **more)
    code = collection.run(collection.build(asked), root, console, options, ' '.join)
    assert code == 0, console.file.getvalue()
    return console.file.getvalue()


def record(root, name):
    return json.loads((root / f'{name}-smoke' / 'claims.json').read_text())


def test_what_is_left_goes_to_what_is_open(both, tmp_path):
    root = tmp_path / 'runs'
    said = carry_out(both, root, 1000.0)
    assert 'budget: 17 min of training for all' in said
    assert said.index('[2/2] small') < said.index('small: up to ')
    assert 'large: up to' not in said
    assert record(root, 'large')['seeds'] == 5
    small = record(root, 'small')
    assert small['seeds'] > 5
    assert small['verdicts'][0]['verdict'] == 'supported'
    config = json.loads((root / 'small-smoke' / 'config.json').read_text())
    assert config['first_seed'] == 100
    # Again: nothing is open, nothing is trained, all is as it was.
    again = carry_out(both, root, 1000.0)
    assert ': up to' not in again
    assert record(root, 'small')['verdicts'] == small['verdicts']


def test_a_dry_run_says_what_is_planned_for(both, tmp_path):
    root = tmp_path / 'runs'
    said = carry_out(both, root, 1000.0, dry_run=True)
    assert 'budget: 17 min of training for all' in said
    assert said.count('no open claim needs; planned for 17 min of training') == 2
    assert not root.exists()


def test_quiet_it_says_nothing_of_the_budget(both, tmp_path):
    said = carry_out(both, tmp_path / 'runs', 1e-9, quiet=True)
    assert said.startswith('2 claims of 2 experiments')


def test_without_time_each_has_its_first_look_and_more_time_goes_on(both, tmp_path):
    root = tmp_path / 'runs'
    said = carry_out(both, root, 1e-9)
    assert 'if the budget of all comes to them' in said
    assert 'too little for a further look at the claims of 1 experiment: raise --budget' in said
    assert {record(root, name)['seeds'] for name in ('large', 'small')} == {5}
    carry_out(both, root, 1000.0)
    assert record(root, 'small')['seeds'] > 5


def test_all_looks_are_planned_for_a_part_and_the_command_says_so(both, tmp_path):
    root = tmp_path / 'runs'
    carry_out(both, root, 1000.0)
    found = manifest_lib.current(Workdir(root / 'small-smoke'))
    assert len(found.launches) > 1
    assert {one.budget for one in found.launches} == {1000.0}
    assert all('--budget=1000s' in one.command for one in found.launches)
    assert {one.planned for one in found.looks} == {50}


def test_what_must_not_be_trained_further_is_named_once(both, tmp_path, monkeypatch):
    """As where the code is another since: its first look stands, and it is not tried for ever."""
    root = tmp_path / 'runs'
    carry_out(both, root, 1e-9)

    def check(*given, **_):
        if given[-1]:  # runs to be trained
            raise UserError('made by another version')

    monkeypatch.setattr(folder, 'check_version', check)
    console = Console(file=io.StringIO(), width=300)
    options = collection.Options(budget=1000.0)
    assert collection.run(collection.build(both), root, console, options, ' '.join) == 2
    said = console.file.getvalue()
    assert said.count('failed: made by another version') == 1
    assert said.count('small: up to') == 2  # as it begins, and as it fails


def test_time_of_all_counts_whatever_they_are(both, tmp_path, monkeypatch):
    """Of an experiment without claims too, and what is there already."""
    source = (tmp_path / 'large.py').read_text()
    assert 'claims=(' in source
    (tmp_path / 'large.py').write_text(source.replace('claims=(', 'claims=() and ('))
    seen = []
    visit = shared_budget.SharedBudget.visit

    def noted(self, name, trained, alone):
        seen.append(trained)
        return visit(self, name, trained, alone)

    monkeypatch.setattr(shared_budget.SharedBudget, 'visit', noted)
    carry_out(both, tmp_path / 'runs', 1e-9)
    assert [trained() > 0 for trained in seen] == [True, True]


def test_it_costs_and_settles_what_its_looks_say(both, tmp_path, monkeypatch):
    seen = []
    allow = shared_budget.SharedBudget.allow

    def noted(self, name):
        return lambda standing: seen.append(standing) or allow(self, name)(standing)

    monkeypatch.setattr(shared_budget.SharedBudget, 'allow', noted)
    carry_out(both, tmp_path / 'runs', 1e-9)
    large, small = seen
    assert large.prospects() == []
    found = small.prospects()
    assert [one.seeds for one in found] == [8, 12, 20, 32, 50]
    settled = [one.settled for one in found]
    assert 0 <= settled[0] < settled[-1] <= 1
    each = small.spent / 10
    assert [one.seconds for one in found] == pytest.approx([each * 2 * (n - 5) for n in
                                                            (8, 12, 20, 32, 50)])  # fmt: skip
    assert next_look.step(small, next_look.Allowed(small.spent + 7 * each)).seeds == 8
    assert next_look.step(small, next_look.Allowed(small.spent + 5 * each)).seeds is None


@pytest.mark.parametrize(
    ('text', 'seconds'), [('90s', 90), ('30m', 1800), ('1h30m', 5400), ('0.5h', 1800)]
)
def test_a_budget_is_a_time_with_its_unit(text, seconds):
    assert settle.seconds_of(text) == seconds


@pytest.mark.parametrize('text', ['30', 'm', '', '30 m', '30min', '0s', '-5m', '1d'])
def test_no_other_budget(text):
    with pytest.raises(UserError, match=r'budget: .* must be a time with its unit'):
        settle.seconds_of(text)
