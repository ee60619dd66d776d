"""The answer in a sentence: yes, no, it depends, not settled, with the number that carries it."""

import itertools
import re

import pytest
from fake_verdicts import verdict

from jaxtweaks.report import answer_sentence

QUESTION = 'Does batch norm raise accuracy?'


def said(*kinds, question=QUESTION):
    return answer_sentence.of(question, [verdict(kind) for kind in kinds])


# By the verdicts on claims C0, C1, …, each by its first letter.
ANSWERS = {
    's': ('yes', 'supported', 'Yes: C0.'),
    'ss': ('yes', 'supported', 'Yes: C0; 1 further claim holds as well.'),
    'n': ('no', 'negligible', 'No, not by as much as matters: C0.'),
    'cc': (
        *('no', 'contradicted'),
        'No, this is contradicted: C0; 1 further claim does not hold either.',
    ),
    'nc': (
        *('no', 'contradicted'),
        'No, this is contradicted: C1; 1 further claim does not hold either.',
    ),
    'ccn': (
        *('no', 'contradicted'),
        'No, this is contradicted: C0; 2 further claims do not hold either.',
    ),
    'sc': (
        *('it depends', 'negligible'),
        'It depends: 1 of 2 claims holds, 1 does not. What holds: C0. What does not: C1.',
    ),
    'sn': (
        *('it depends', 'negligible'),
        'It depends: 1 of 2 claims holds, 1 does not. What holds: C0. What does not: C1.',
    ),
    'nss': (
        *('it depends', 'negligible'),
        'It depends: 2 of 3 claims hold, 1 does not. What holds: C1. What does not: C0.',
    ),
    'sn' + 'i' * 10: (
        *('it depends', 'negligible'),
        'It depends: 1 of 12 claims holds, 1 does not, 10 are not settled. What holds: C0. What '
        'does not: C1.',
    ),
    'is': ('in part', 'inconclusive', 'In part yes: C1; 1 of 2 claims is not settled.'),
    'ssi': (
        *('in part', 'inconclusive'),
        'In part yes: C0; 1 further claim holds as well; 1 of 3 claims is not settled.',
    ),
    'cni': (
        *('in part', 'inconclusive'),
        'In part no, this is contradicted: C0; 1 further claim does not hold either; 1 of 3 claims '
        'is not settled.',
    ),
    'i': ('not settled', 'inconclusive', 'Not settled: C0.'),
    'ii': ('not settled', 'inconclusive', 'Not settled: C0; 2 of 2 claims are open.'),
    'sii': (
        *('not settled', 'inconclusive'),
        'Not settled: C1; 2 of 3 claims are open, supported so far: C0.',
    ),
    'cn' + 'i' * 10: (
        *('not settled', 'inconclusive'),
        'Not settled: C2; 10 of 12 claims are open, contradicted so far: C0.',
    ),
    'iiic': (
        *('not settled', 'inconclusive'),
        'Not settled: C0; 3 of 4 claims are open, contradicted so far: C3.',
    ),
}


@pytest.mark.parametrize('letters', ANSWERS)
def test_the_answer_follows_from_the_verdicts(letters):
    names = {kind[0]: kind for kind in ('supported', 'contradicted', 'negligible', 'inconclusive')}
    asked = [verdict(names[one], claim={'sentence': f'C{i}.'}) for i, one in enumerate(letters)]
    found = answer_sentence.of(QUESTION, asked)
    sentence = re.sub(r' \(test accuracy.*?\)', '', found.sentence)
    assert (found.word, found.kind, sentence) == ANSWERS[letters]


def test_a_claim_is_followed_by_the_number_that_carries_its_verdict():
    assert said('supported').sentence.startswith(
        'Yes: Batch norm raises test accuracy (test accuracy, batch norm − without '
        'normalisation: +2.14 points, 95% interval +1'
    )


def test_a_question_that_is_not_answered_by_yes_has_other_words():
    assert said('supported', question='What does it change?').sentence.startswith('As claimed: ')
    assert said('contradicted', question='What now?').sentence.startswith('Not as claimed: ')
    assert said('negligible', question='How?').sentence.startswith('No difference that matters: ')


def test_only_claims_that_answer_count_if_any_does():
    verdicts = [verdict('contradicted'), verdict('supported', claim={'answers': True})]
    assert answer_sentence.of(QUESTION, verdicts).word == 'yes'
    assert answer_sentence.of(QUESTION, []) == ('', '', '', ())


def test_what_is_open_is_counted_among_the_claims_that_answer():
    answering = [verdict('inconclusive', claim={'answers': True}) for _ in range(2)]
    of_all = answer_sentence.of(QUESTION, answering).sentence
    assert of_all.endswith('; 2 of 2 claims are open.')
    some = answer_sentence.of(QUESTION, [*answering, verdict('supported')]).sentence
    assert some.endswith('; 2 of 2 claims that answer the question are open.')


def test_a_claim_that_says_no_answers_no_where_it_holds():
    """'It makes no difference', supported, is no yes to 'does it help?'."""
    no = {'answers': True, 'answers_no': True}
    found = answer_sentence.of(QUESTION, [verdict('supported', claim=no)])
    assert (found.word, found.sentence[:8]) == ('no', 'No: Batc')
    found = answer_sentence.of(QUESTION, [verdict('contradicted', claim=no)])
    assert (found.word, found.sentence[:16]) == ('it depends', 'Not as claimed: ')


def test_an_open_question_is_answered_in_part():
    found = said('supported', 'contradicted', question='Which is best?')
    assert found.word == 'it depends'
    assert found.sentence.startswith('In part as claimed: 1 of 2 claims holds, 1 does not. What h')


def test_numbers_join_the_parentheses_that_a_sentence_ends_with():
    claim = {'sentence': 'No difference (less than 1 point).'}
    found = answer_sentence.of(QUESTION, [verdict(claim=claim)]).sentence
    assert found.startswith('Yes: No difference (less than 1 point; test accuracy, batch')
    assert ')' not in found[:-2]


@pytest.mark.parametrize(
    ('sentence', 'words', 'own'),
    [
        ('It helps (at 5 epochs).', 'It helps', ' (at 5 epochs; '),
        ('It helps (norm (σ) 1).', 'It helps', ' (norm (σ) 1; '),
        ('It (this) helps.', 'It (this) helps', ' ('),
        ('It learns f(x).', 'It learns f(x)', ' ('),
    ],
)
def test_parentheses_are_set_apart_as_a_whole(sentence, words, own):
    found = answer_sentence.of(QUESTION, [verdict(claim={'sentence': sentence})])
    (before, _), (numbers, set_apart), _ = found.pieces
    assert before == f'Yes: {words}'
    assert set_apart
    assert numbers.startswith(f'{own}test accuracy, batch norm')


@pytest.mark.parametrize('letters', ANSWERS)
def test_the_numbers_of_an_answer_are_set_apart(letters):
    names = {kind[0]: kind for kind in ('supported', 'contradicted', 'negligible', 'inconclusive')}
    asked = [
        verdict(names[one], claim={'sentence': f'C{i}{end}.'})
        for i, (one, end) in enumerate(zip(letters, itertools.cycle((' (so)', '')), strict=False))
    ]
    found = answer_sentence.of(QUESTION, asked)
    assert ''.join(text for text, _ in found.pieces) == found.sentence
    numbers = [text for text, of_numbers in found.pieces if of_numbers]
    assert 1 <= len(numbers) <= 2
    words = ''.join(text for text, of_numbers in found.pieces if not of_numbers)
    assert all('test accuracy' in one and one.endswith(')') for one in numbers)
    assert 'test accuracy' not in words


@pytest.mark.parametrize('letters', ['i', 'ii', 'is', 'cs'])
def test_a_claim_without_an_effect_is_answered_in_words_alone(letters):
    """As where all runs of an arm have diverged."""
    names = {kind[0]: kind for kind in ('supported', 'contradicted', 'inconclusive')}
    asked = [verdict(names[one], effect=None, low=None, high=None) for one in letters]
    found = answer_sentence.of(QUESTION, asked)
    assert found.pieces == [(found.sentence, False)]


def test_an_interval_without_width_is_not_given():
    found = answer_sentence.of(QUESTION, [verdict(effect=1.0, low=1.0, high=1.0)]).sentence
    assert 'interval' not in found


def test_a_number_is_said_with_what_it_is_of():
    """An error that falls is an accuracy that rises: without its metric +1.18 reads as a rise."""
    claim = {'sentence': 'Dropout lowers the test error.', 'metric': 'test_accuracy'}
    found = answer_sentence.of(QUESTION, [verdict(claim=claim)]).sentence
    assert '(test accuracy, batch norm − without normalisation: +2.14 points, 95%' in found
    what = 'gap (training − validation): with minus without'
    found = answer_sentence.of(QUESTION, [verdict(what=what)]).sentence
    assert '(gap, with minus without: +2.14 points,' in found


def test_a_trend_that_a_step_contradicts_is_answered_with_the_step():
    """The change over all steps would support it."""
    trend = {'sentence': 'The variance grows.', 'kind': 'increasing', 'metric': 'variance'}
    what = 'variance: fitted change from degree 1 to 9 (least squares over ranks)'
    step = 'from 3 to 4 by 0.00507'
    one = verdict('contradicted', claim=trend, effect=25.55, what=what, against=step)
    found = answer_sentence.of('Does it grow?', [one]).sentence
    assert found.endswith('grows (variance goes the other way from 3 to 4 by 0.00507, 5 seeds).')
    assert '25.55' not in found
    # Where the change itself contradicts, it is the number; its direction is that of the claim.
    down = answer_sentence.of('Does it grow?', [{**one, 'effect': -25.55}]).sentence
    assert '(variance, fitted change from degree 1 to 9: −25.55' in down
    holds = answer_sentence.of('Does it grow?', [{**one, 'verdict': 'supported'}]).sentence
    assert '+25.55' in holds
