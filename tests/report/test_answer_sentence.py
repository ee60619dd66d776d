"""The answer in a sentence: yes, no, it depends, not settled, with the number that carries it."""

import pytest
from fake_verdicts import verdict

from jaxtweaks.report import answer_sentence

QUESTION = 'Does batch norm raise accuracy?'


def said(*kinds, question=QUESTION):
    return answer_sentence.of(question, [verdict(kind) for kind in kinds])


@pytest.mark.parametrize(
    ('kinds', 'word', 'beginning'),
    [
        (['supported'], 'yes', 'Yes: Batch norm raises test accuracy (+2.14 points, +1.01 to'),
        (['contradicted'] * 2, 'no', 'No, this is contradicted: Batch norm'),
        (['negligible'], 'no', 'No, not by as much as matters: Batch norm'),
        (['contradicted', 'negligible'], 'no', 'No, this is contradicted: Batch norm'),
        (['supported', 'contradicted'], 'it depends', 'It depends: 1 of 2 claims holds, 1 does'),
        (['supported', 'negligible'], 'it depends', 'It depends: 1 of 2 claims holds, 1 does'),
        (['inconclusive'], 'not settled', 'Not settled: Batch norm'),
        (['supported', 'inconclusive', 'inconclusive'], 'not settled', 'Not settled: Batch norm'),
        (['supported', 'supported', 'inconclusive'], 'yes', 'Yes: Batch norm'),
    ],
)
def test_the_word_follows_from_the_verdicts(kinds, word, beginning):
    found = said(*kinds)
    assert found.word == word
    assert found.sentence.startswith(beginning)
    assert found.sentence.endswith('.')


def test_what_is_open_is_counted():
    assert said('supported', 'supported', 'inconclusive').sentence.endswith(
        '; 1 further claim holds as well, 1 of 3 not settled.'
    )


def test_what_fails_as_well_is_counted():
    found = said('contradicted', 'contradicted', 'negligible').sentence
    assert found.endswith('; 2 further claims do not hold either.')


def test_a_question_that_is_not_answered_by_yes_has_other_words():
    assert said('supported', question='What does it change?').sentence.startswith('As claimed: ')
    assert said('contradicted', question='What now?').sentence.startswith('Not as claimed: ')
    assert said('negligible', question='How?').sentence.startswith('No difference that matters: ')


def test_only_claims_that_answer_count_if_any_does():
    verdicts = [verdict('contradicted'), verdict('supported', claim={'answers': True})]
    assert answer_sentence.of(QUESTION, verdicts).word == 'yes'
    assert answer_sentence.of(QUESTION, []) == ('', '', '')


def test_what_is_open_is_counted_among_the_claims_that_answer():
    answering = [verdict('inconclusive', claim={'answers': True}) for _ in range(2)]
    of_all = answer_sentence.of(QUESTION, answering).sentence
    assert of_all.endswith('; 2 of 2 claims are open.')
    some = answer_sentence.of(QUESTION, [*answering, verdict('supported')]).sentence
    assert some.endswith('; 2 of 2 claims that answer the question are open.')
