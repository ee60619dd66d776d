"""Every field is static or traced, and a setting comes together as it was taken apart."""

import dataclasses
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtweaks.config import parts, trace
from jaxtweaks.config.parts import Parts
from jaxtweaks.config.settings import Setting


def test_every_field_of_a_setting_is_static_or_traced():
    sections = typing.get_type_hints(Setting)
    assert sections.pop('parts') is Parts
    names = {f'{s}.{f.name}' for s, cls in sections.items() for f in dataclasses.fields(cls)}
    assert names | set(parts.FIELDS) == set(trace.FIELDS)
    assert {field.rule.kind for field in trace.FIELDS.values()} == {'static', 'traced'}


def test_what_is_read_only_sometimes_names_a_field_and_values_it_can_have():
    for name, field in trace.FIELDS.items():
        rule = field.rule
        if rule.when is not None:
            other, accepted = rule.when
            assert set(accepted) < set(trace.FIELDS[other].rule.choices), name


def value_of(name):
    kind, rule = trace.FIELDS[name].type, trace.FIELDS[name].rule
    if rule.choices:
        return st.sampled_from(rule.choices)
    if kind is int:
        return st.integers(int(rule.low or 0), int(rule.high or 10))
    number = st.floats(rule.low or 0.0, rule.high or 10.0)
    return number if kind is float else st.lists(number, max_size=4).map(tuple)


# With those of the parts of a default setting.
OF_PARTS = ['adam.b1', 'adam.b2', 'adam.epsilon', 'cross_entropy.smoothing', 'sigma.sigma']
TRACED = [*trace.TRACED, *OF_PARTS]
traced_values = st.fixed_dictionaries({name: value_of(name) for name in TRACED})
OFF = [name for name in TRACED if trace.FIELDS[name].rule.off is not None]


@given(values=traced_values, off=st.sets(st.sampled_from(OFF)))
def test_join_undoes_split(values, off):
    values |= {name: trace.FIELDS[name].rule.off for name in off}
    setting = trace.replace(Setting(), values)
    static, hyper = trace.split(setting, frozenset(off))
    assert set(hyper) == set(TRACED) - off
    assert all(type(number) in (int, float, tuple) for number in hyper.values())
    by_name = {
        name: trace.FIELDS[name].rule.choices[number] if trace.FIELDS[name].rule.choices else number
        for name, number in hyper.items()
    }
    assert trace.join(static, by_name) == setting


@given(first=traced_values, second=traced_values)
def test_settings_that_differ_in_traced_fields_share_a_program(first, second):
    a, b = (trace.split(trace.replace(Setting(), values))[0] for values in (first, second))
    assert a == b
    assert hash(a) == hash(b)


@pytest.mark.parametrize(
    ('name', 'value'), [('train.batch_size', 64), ('model.hidden', (3,)), ('optim.name', 'sgd')]
)
def test_settings_that_differ_in_a_static_field_do_not(name, value):
    changed = trace.replace(Setting(), {name: value})
    assert trace.split(changed)[0] != trace.split(Setting())[0]


def test_a_tweak_is_off_everywhere_only_if_it_is_off_in_every_setting():
    plain = Setting()
    some = trace.replace(plain, {'dropout.hidden': 0.5})
    assert trace.off_everywhere([plain]) == set(OFF)
    assert trace.off_everywhere([plain, some]) == set(OFF) - {'dropout.hidden'}
    assert 'optim.learning_rate' not in trace.off_everywhere([plain])
