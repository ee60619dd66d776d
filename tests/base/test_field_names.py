"""One reading of '1-field', 'a + b' and 'a + b=(1, 2)'."""

import pytest

from jaxtweaks.base.field_names import Term, joined, split_key, terms, value_of


@pytest.mark.parametrize(
    ('name', 'found'),
    [
        ('optim.name', (Term('optim.name'),)),
        ('1-dropout.hidden', (Term('dropout.hidden', complement=True),)),
        ('a.x + 1-b.y', (Term('a.x'), Term('b.y', complement=True))),
    ],
)
def test_a_name_is_of_terms_and_back(name, found):
    assert terms(name) == found
    assert joined(found) == name


def test_a_key_of_words_is_a_name_and_perhaps_a_value():
    assert split_key('a + b=(1, 2)') == ('a + b', '(1, 2)')
    assert split_key('a=x=y') == ('a', 'x=y')
    assert split_key('a') == ('a', None)


def test_a_complement_is_of_numbers_alone():
    term = Term('dropout.hidden', complement=True)
    assert term.of(0.9) == 0.1
    assert (term.of('none'), term.of(True)) == ('none', True)
    assert Term('dropout.hidden').of(0.9) == 0.9


def test_several_fields_have_a_tuple():
    setting = {'a': 1, 'b': 2}
    assert value_of(setting, 'a + b') == (1, 2)
    assert (value_of(setting, 'a'), value_of(setting, 'c')) == (1, None)
