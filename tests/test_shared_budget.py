"""One budget for several experiments: which of them goes on, and what they are planned for."""

import io
import json
import textwrap

import pytest
from rich.console import Console

from jaxtweaks.lab import collection, next_look, shared_budget
from jaxtweaks.lab.next_look import Prospect

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

    def __init__(self, spent, *prospects):
        self.spent, self._prospects = spent, [Prospect(*one) for one in prospects]

    def prospects(self):
        return self._prospects


def test_the_look_that_settles_most_for_its_seconds_comes_next():
    budget = shared_budget.SharedBudget(100.0, 4)
    assert budget.part == 50.0  # half of them need none
    # Of the first, 12 seeds settle 0.05 claims a second, and 8 only 0.02.
    budget.allow('first')(Stands(10.0, (8, 10.0, 0.2), (12, 20.0, 1.0), (20, 60.0, 1.1)))
    budget.allow('second')(Stands(20.0, (8, 30.0, 1.4), (12, 90.0, 3.0)))
    budget.spend('third', 5.0)
    assert budget.left == 65.0
    chosen = budget.choose()
    assert (chosen.name, chosen.seeds, chosen.left) == ('first', 12, 65.0)
    # A quarter more than is expected, not more than there is.
    assert budget.allow('first')(Stands(30.0)).seconds == 10 + 1.25 * 20
    # Nothing is open of it now, and of the second a look at 12 seeds cannot be paid.
    chosen = budget.choose()
    assert (chosen.name, chosen.seeds, chosen.seconds) == ('second', 8, 30.0)
    assert budget.for_('second') == 58.0  # 20 + 1.25 · 30, in whole seconds
    # It came to nothing (an error): it is not chosen for ever.
    assert budget.choose() is None


@pytest.mark.parametrize('prospect', [(8, 11.0, 1.0), (8, 5.0, 0.0), (8, 0.0, 1.0)])
def test_what_cannot_be_paid_or_settles_nothing_is_not_chosen(prospect):
    budget = shared_budget.SharedBudget(10.0, 1)
    assert budget.part == 10.0
    budget.allow('only')(Stands(0.0, prospect))
    assert budget.choose() is None


def test_what_a_visit_takes_besides_training_counts(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(shared_budget.time, 'monotonic', lambda: now[0])
    budget = shared_budget.SharedBudget(100.0, 1)
    with budget.visit('only'):
        now[0] += 30.0
        budget.allow('only')(Stands(10.0, (8, 1.0, 0.2), (12, 10.0, 1.0)))
    # By training alone a look at 8 seeds settles more a second; with 20 s besides, one at 12.
    chosen = budget.choose()
    assert chosen.seeds == 12
    assert chosen.left == 90.0  # of training
    # Results of an earlier launch took longer than this visit.
    with budget.visit('other'):
        budget.spend('other', 50.0)
    assert budget.left == 40.0
    budget.allow('only')(Stands(20.0, (8, 1.0, 0.2), (12, 10.0, 1.0)))
    assert budget.choose().seeds == 12


@pytest.fixture
def both(tmp_path):
    """A collection of an experiment with a large effect and one with a small effect."""
    names = []
    for name, effect in (('large', 20.0), ('small', 2.0)):
        path = tmp_path / f'{name}.py'
        path.write_text(textwrap.dedent(STUDY.format(name=name, effect=effect)))
        names.append(str(path))
    return {'name': 'both', 'size': 'smoke', 'experiments': names, 'first_seed': 100}


def carry_out(asked, root, budget):
    console = Console(file=io.StringIO(), width=300)
    options = collection.Options(budget=budget)
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
    assert 'up to' not in again
    assert record(root, 'small')['verdicts'] == small['verdicts']


def test_without_time_each_has_its_first_look_and_more_time_goes_on(both, tmp_path):
    root = tmp_path / 'runs'
    said = carry_out(both, root, 1e-9)
    assert 'if the budget of all comes to them' in said
    assert {record(root, name)['seeds'] for name in ('large', 'small')} == {5}
    carry_out(both, root, 1000.0)
    assert record(root, 'small')['seeds'] > 5


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
    assert settled == sorted(settled)
    assert 0 <= settled[0] < settled[-1] <= 1
    each = small.spent / 10
    assert [one.seconds for one in found] == pytest.approx([each * 2 * (n - 5) for n in
                                                            (8, 12, 20, 32, 50)])  # fmt: skip
    assert next_look.step(small, next_look.Allowed(small.spent + 7 * each)).seeds == 8
    assert next_look.step(small, next_look.Allowed(small.spent + 5 * each)).seeds is None
