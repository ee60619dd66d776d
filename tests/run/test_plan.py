"""Runs have lasting names, and are grouped by the program they share."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtweaks.config import older, parts, trace
from jaxtweaks.config.expand import expand, grid, product
from jaxtweaks.config.settings import Setting
from jaxtweaks.lab import experiment
from jaxtweaks.run import plan
from jaxtweaks.run.manifest import describe_groups, restore_groups
from jaxtweaks.run.plan import Group, Processes, Run, all_runs, by_program, into_groups
from jaxtweaks.run.workdir import differences

NOTHING = frozenset()


def runs_of(sweep, seeds=2, base=None):
    return all_runs(base or Setting(), expand(sweep), range(seeds))


@pytest.mark.parametrize(
    ('number', 'sharing', 'groups', 'at_once'),
    [(1, 1, 5, 1), (4, 1, 9, 4), (4, 1, 3, 3), (4, 4, 9, 1), (4, 2, 9, 2), (4, 1, 0, 1)],
)
def test_processes_that_share_a_device_are_together_as_fast_as_one(
    number, sharing, groups, at_once
):
    assert Processes(number, sharing).at_once(groups) == at_once


@pytest.mark.parametrize(('name', 'value'), [('data.dir', '/elsewhere'), ('data.download', False)])
def test_the_id_does_not_depend_on_where_the_data_lie(name, value):
    assert Run({}, trace.replace(Setting(), {name: value}), 0).id == Run({}, Setting(), 0).id


def test_the_id_does_not_depend_on_how_the_sweep_says_it():
    swept = runs_of(grid('train.epochs', 3))[0]
    fixed = runs_of((), base=trace.replace(Setting(), {'train.epochs': 3}))[0]
    assert swept.id == fixed.id


def test_the_id_does_not_depend_on_the_sign_of_zero():
    values = {'name': 'x', 'seeds': 1, 'penalty': {'l2': -0.0}, 'sigma': {'sigma': -0.0}}
    plain = {'name': 'x', 'seeds': 1, 'sigma': {'sigma': 0.0}}
    plain, signed = (experiment.build(one, on_record=True) for one in (plain, values))
    assert [run.id for run in plain.runs] == [run.id for run in signed.runs]
    swept = runs_of(grid('penalty.l2', -0.0), seeds=1)[0]
    assert swept.id == Run({}, Setting(), 0).id


def test_a_setting_is_named_once_for_all_of_its_seeds(monkeypatch):
    asked = experiment.build(
        {'name': 'x', 'seeds': 5, 'sweep': grid('optim.learning_rate', 0.1, 0.2)}
    )
    alone = [Run(run.point, run.setting, run.seed).id for run in asked.runs]
    named, to_dict = [], plan.to_dict
    monkeypatch.setattr(plan, 'to_dict', lambda setting: named.append(setting) or to_dict(setting))
    assert [run.id for run in asked.runs] == alone
    assert [run.id for run in asked.runs] == alone  # the same Runs again
    assert len(named) == 2
    assert [name[-3:] for name in alone] == [f'-s{seed}' for seed in range(5)] * 2


@pytest.mark.parametrize(
    'name', [name for name in trace.FIELDS if name not in ('data.dir', 'data.download')]
)
def test_the_id_depends_on_every_other_field(name):
    rule = trace.FIELDS[name].rule
    read = {} if rule.when is None else {rule.when[0]: rule.when[1][0]}
    # What acts with others is named where its strength is.
    on = {
        one: 0.5 for one, part in parts.strengths().items() if name in part.fields and one != name
    }
    base = trace.replace(Setting(), read | on)
    old = trace.get(base, name)
    if rule.choices:
        new = next(choice for choice in rule.choices if choice != old)
    else:
        kinds = {tuple: lambda: (*old, 7), str: lambda: old + 'x'}
        new = kinds.get(type(old), lambda: old * 2 + 1)()
    changed = Run({}, trace.replace(base, {name: new}), 0)
    assert changed.id != Run({}, base, 0).id


def test_the_id_is_that_of_earlier_versions():
    """Work folders from before `data.folds` and `data.fold` are gone on with: noted at 042f8fc."""
    before = trace.replace(Setting(), {name: older.value(name) for name in older.LATER})
    assert Run({}, before, 3).id == '26d4ab799936-s3'


def test_a_later_field_is_part_of_the_id_only_if_it_does_not_say_what_was_done_before(monkeypatch):
    settings = [trace.replace(Setting(), {'train.epochs': epochs}) for epochs in (7, 8, 9)]
    ids = {}
    for done_before in (7, 8):
        monkeypatch.setitem(older.LATER, 'train.epochs', done_before)
        ids[done_before] = [Run({}, setting, 0).id for setting in settings]
    assert len(set(ids[7])) == len(set(ids[8])) == 3
    assert ids[7][0] == ids[8][1]
    assert ids[7][2] == ids[8][2]
    fields = {name for name in trace.FIELDS if not name.startswith('tweaks.')}
    moved = {trace.FIELDS[name].rule.former or name for name in parts.FIELDS}
    first = {f'{section}.{field}' for section in older.FIRST for field in older.FIRST[section]}
    assert first | set(older.LATER) | moved == fields - set(parts.FIELDS) | moved | {
        'model.batch_norm'
    }
    assert {name for name in moved if name not in parts.FIELDS} <= first


def test_a_name_is_worked_out_once(monkeypatch):
    """A sweep of thousands of runs asks for all of them again after each."""
    groups = into_groups(runs_of(grid('train.epochs', 3, 5), seeds=3), 2, 'map', NOTHING)
    hashed = []
    to_dict = plan.to_dict
    monkeypatch.setattr(plan, 'to_dict', lambda setting: hashed.append(setting) or to_dict(setting))
    ids = [group.id for group in groups]
    assert [group.id for group in groups] == ids
    assert len(hashed) == 2  # for each setting, whatever its seeds


def test_every_setting_has_every_seed_settings_first():
    runs = runs_of(grid('train.epochs', 3, 5), seeds=3)
    assert [(run.setting.train.epochs, run.seed) for run in runs] == [
        (epochs, seed) for epochs in (3, 5) for seed in range(3)
    ]
    assert len({run.id for run in runs}) == 6


def test_runs_that_differ_in_traced_fields_share_a_program():
    runs = runs_of(product(grid('train.batch_size', 8, 16), grid('dropout.hidden', 0.0, 0.5)))
    programs = by_program(runs, NOTHING)
    assert [len(members) for members in programs.values()] == [4, 4]
    assert [static.train.batch_size for static in programs] == [8, 16]
    assert all(static.dropout.hidden is None for static in programs)


@given(count=st.integers(1, 60), largest=st.integers(1, 70))
def test_groups_are_few_equal_and_hold_every_run_once(count, largest):
    runs = runs_of((), seeds=count)
    groups = into_groups(runs, largest, 'vmap_loop', NOTHING)
    assert [run for group in groups for run in group.runs] == runs
    assert len(groups) == -(-count // largest)
    assert len({group.size for group in groups}) == 1
    assert all(len(group.runs) <= group.size <= largest for group in groups)
    assert sum(group.size for group in groups) - count < len(groups)
    assert len({group.id for group in groups}) == len(groups)


def test_padding_repeats_the_last_run():
    runs = runs_of((), seeds=5)
    first, second = into_groups(runs, 3, 'vmap_loop', NOTHING)
    assert first.padded() == tuple(runs[:3])
    assert second.padded() == (runs[3], runs[4], runs[4])


def test_the_id_of_a_group_depends_on_all_that_decides_its_last_bits():
    runs = tuple(runs_of((), seeds=3))
    group = Group(runs, 4, 'vmap_loop', NOTHING)
    others = [
        Group(runs[:2], 4, 'vmap_loop', NOTHING),
        Group(runs, 3, 'vmap_loop', NOTHING),
        Group(runs, 4, 'map', NOTHING),
        Group(runs, 4, 'vmap_loop', frozenset({'dropout.hidden'})),
    ]
    assert len({g.id for g in [group, *others]}) == 5
    assert dataclasses.replace(group).id == group.id


def test_groups_come_back_from_the_manifest():
    runs = runs_of(grid('dropout.hidden', 0.0, 0.5), seeds=3)
    groups = into_groups(runs, 4, 'map', frozenset({'dropout.input'}))
    assert restore_groups(describe_groups(groups), runs) == groups
    more = runs_of(grid('dropout.hidden', 0.0, 0.5), seeds=4)
    assert restore_groups(describe_groups(groups), more) == groups
    assert restore_groups(describe_groups(groups), runs[:-1]) is None


def test_differences_are_named_leaf_by_leaf():
    old = {'a': {'b': 1, 'c': [1, 2]}, 'gone': 0}
    new = {'a': {'b': 2, 'c': [1, 2]}, 'came': None}
    assert differences(old, new) == ['a.b: 1 there, 2 now', 'gone: 0 there, None now']
    assert differences(old, old) == []


def test_of_long_values_what_differs_is_shown():
    """A sweep, or the claims of a config: an error once had 100,000 letters."""
    long = [{'sentence': f'The claim with the number {i}.', 'a': {'x': i}} for i in range(50)]
    other = [*long[:30], {'sentence': 'The claim with the number 30.', 'a': {'x': 31}}, *long[31:]]
    assert differences({'of': long}, {'of': other}) == ['of[30].a.x: 30 there, 31 now']
    assert differences({'of': long}, {'of': long[:3]}) == ['of: 50 items there, 3 now']
    text = 'a' * 300
    (line,) = differences({'of': text + 'b' + text}, {'of': text + 'c' + text})
    assert len(line) < 200
    assert re.fullmatch(r'of: …a+ba+… there, …a+ca+… now', line)
