"""A folder that lacks a field has in it what was done before there was the field."""

import dataclasses

import pytest

from jaxtweaks.config import older, trace
from jaxtweaks.config.fields import plain, static, traced
from jaxtweaks.config.settings import Setting


@dataclasses.dataclass(frozen=True)
class Section:
    size: int = static(1, 'there always')
    split: str = static('stratified', 'came later', older='random')
    rate: float = traced(0.5, 'came later, with what was done before')


@dataclasses.dataclass(frozen=True)
class Item:
    name: str = plain('', 'there always')
    width: tuple = plain((3,), 'came later', older=(1, 2))


@dataclasses.dataclass(frozen=True)
class Whole:
    name: str = plain('', 'there always')
    section: Section = Section()
    items: tuple[Item, ...] = plain((), 'there always')


def test_what_lacks_has_what_was_done_before():
    given = {'name': 'x', 'section': {'size': 2}, 'items': [{'name': 'a'}, {'width': [5]}]}
    found = older.completed(Whole, given)
    assert found == {
        'name': 'x',
        'section': {'size': 2, 'split': 'random'},
        'items': [{'name': 'a', 'width': [1, 2]}, {'width': [5]}],
    }
    assert given['section'] == {'size': 2}
    full = older.completed(Whole, given, defaults=True)
    assert full['section'] == {'size': 2, 'split': 'random', 'rate': 0.5}


def test_a_section_that_lacks_has_it_too_and_what_is_there_stays():
    assert older.completed(Whole, {})['section'] == {'split': 'random'}
    there = {'section': {'split': 'stratified'}, 'unknown': 1}
    assert older.completed(Whole, there)['section'] == {'split': 'stratified'}
    assert older.completed(Whole, there)['unknown'] == 1


@pytest.mark.parametrize('name', older.LATER)
def test_what_a_later_field_says_of_older_folders_is_allowed(name):
    kept = older.value(name)
    assert trace.checked(name, kept, 'older') == kept
    assert trace.get(trace.replace(Setting(), {name: kept}), name) == kept


@pytest.mark.parametrize(
    ('values', 'swept', 'base'),
    [
        (['none', 'before'], {'model.norm': 'batch'}, ('batch', 'before')),
        (['after', 'before'], {'model.norm_place': 'before'}, ('batch', 'before')),
        (['none', 'after'], {'model.norm': 'batch', 'model.norm_place': 'after'}, None),
    ],
)
def test_batch_norm_is_a_norm_and_a_place_now(values, swept, base):
    """In the sweep, in claims, in figures with what was published, and in words."""
    last = {'model.batch_norm': values[-1]}
    found = older.renamed(
        {
            'model': {'batch_norm': 'none', 'bn_momentum': 0.5},
            'sweep': ['product', ['grid', 'model.batch_norm', values], ['grid', 'x.y', [1]]],
            'claims': [{'a': last}],
            'figures': [{'x': 'model.batch_norm', 'published': [[values[-1], 0.5, 'them']]}],
            'names': [[f'model.batch_norm={values[-1]}', 'with']],
        }
    )
    name, value = ' + '.join(swept), tuple(swept.values())
    value = value[0] if len(value) == 1 else value
    assert found['sweep'][1][-1] == [list(item) for item in swept.items()]
    assert found['sweep'][2] == ['grid', 'x.y', [1]]
    assert found['claims'] == [{'a': swept}]
    (figure,) = found['figures']
    assert figure['x'] == name
    assert figure['published'] in ([[value, 0.5, 'them']], [[[*value], 0.5, 'them']])
    assert found['names'] == [[f'{name}={value}', 'with']]
    assert found['parts'] == {'batch.momentum': 0.5}
    if base:
        assert (found['model']['norm'], found['model']['norm_place']) == base


def test_without_a_sweep_the_place_is_kept():
    found = older.renamed({'model': {'batch_norm': 'after'}})
    assert found['model'] == {'norm': 'batch', 'norm_place': 'after'}
