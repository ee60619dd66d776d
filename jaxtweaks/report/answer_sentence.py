"""The answer to an experiment's question in a sentence, made from the verdicts on its claims.

It is that of the claims that the config marks with `answers`, or of all of them if it marks none. A
claim with `answers_no` says no to the question: that there is no difference, for one.
Verdicts are what `Verdict.to_dict` returns, so that an overview can make it from a record.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxtweaks.base.words import ABSENT, count
from jaxtweaks.report import verdict_words

# A question that begins with one of these is answered by yes or no.
_CLOSED = re.compile(
    r'(does|do|did|is|are|was|were|can|could|has|have|had|will|would|should|must|may)\b', re.I
)
_SETTLED = ('supported', 'contradicted', 'negligible')
Verdict = Mapping[str, Any]


class AnswerSentence(NamedTuple):
    """The answer to a question.

    Attributes:
      word: 'yes', 'no', 'in part', 'it depends' or 'not settled'; '' if there is no claim.
      kind: the verdict whose colour it has.
      sentence: the whole answer, that word first; '' if there is no claim.
      numbers: the parts of the sentence in parentheses that hold numbers, in its order.
    """

    word: str
    kind: str
    sentence: str
    numbers: tuple[str, ...] = ()

    @property
    def pieces(self) -> list[tuple[str, bool]]:
        """The sentence in pieces, each with whether it is numbers: what is read, and looked up."""
        found, rest = [], self.sentence
        for numbers in filter(None, self.numbers):  # of a claim without an effect there are none
            words, _, rest = rest.partition(numbers)
            found += [(words, False), (numbers, True)]
        return [*found, (rest, False)]


def of(question: str, verdicts: Sequence[Verdict]) -> AnswerSentence:
    """The answer that the verdicts give to a question."""
    asked = [one for one in verdicts if one['claim'].get('answers')] or list(verdicts)
    if not asked:
        return AnswerSentence('', '', '')
    by_kind = {
        kind: [one for one in asked if one['verdict'] == kind] for kind in verdict_words.ICONS
    }
    settled = [kind for kind in _SETTLED if by_kind[kind]]
    left = by_kind['inconclusive']
    # Where claims hold and others do not, that is an answer, however many are open.
    one_way = len(settled) == 1 or not by_kind['supported']
    if not settled or (one_way and 2 * len(left) > len(asked)):
        some = by_kind[settled[0]] if settled else []
        return _not_settled(left, some, _claims(asked, verdicts))
    if by_kind['supported'] and len(settled) > 1:
        return _depends(question, by_kind, _claims(asked, verdicts))
    kind = 'contradicted' if by_kind['contradicted'] else settled[0]
    agree = [one for one in asked if one['verdict'] in _SETTLED]
    word, opening = _opening(question, kind, {_says_no(one) for one in agree})
    shown = by_kind[kind][0]
    sentence = f'{opening}: {_with_number(shown)}'
    others = len(agree) - 1
    if others:
        holds = f'{"holds" if others == 1 else "hold"} as well'
        fails = f'{"does" if others == 1 else "do"} not hold either'
        also = holds if kind == 'supported' else fails
        sentence += f'; {count(others, "further claim")} {also}'
    if left:  # a plain yes would speak for claims of which nothing is known
        verb = 'is' if len(left) == 1 else 'are'
        sentence = f'In part {sentence[0].lower()}{sentence[1:]}'
        sentence += f'; {len(left)} of {_claims(asked, verdicts)} {verb} not settled'
        word, kind = 'in part', 'inconclusive'
    return AnswerSentence(word, kind, f'{sentence}.', (_after(shown),))


def _claims(asked: Sequence[Verdict], verdicts: Sequence[Verdict]) -> str:
    """How many claims the answer is made from, and that there are others."""
    others = len(verdicts) > len(asked)
    return count(len(asked), 'claim') + (' that answer the question' if others else '')


def _says_no(verdict: Verdict) -> bool:
    return bool(verdict['claim'].get('answers_no'))


def _opening(question: str, kind: str, no: set[bool]) -> tuple[str, str]:
    """The word of an answer, and how its sentence begins; `no`: whether the claims say no."""
    closed = _CLOSED.match(question.strip()) is not None
    word = 'yes' if kind == 'supported' else 'no'
    if True in no:  # that a claim which says no fails is no yes: an effect has two directions
        word = 'no' if no == {True} and kind == 'supported' else 'it depends'
        if closed and word == 'no':
            return word, 'No'
        return word, 'As claimed' if kind == 'supported' else 'Not as claimed'
    if kind == 'negligible':
        return word, 'No, not by as much as matters' if closed else 'No difference that matters'
    if closed:
        return word, 'Yes' if kind == 'supported' else 'No, this is contradicted'
    return word, 'As claimed' if kind == 'supported' else 'Not as claimed'


def _not_settled(left: Sequence[Verdict], some: Sequence[Verdict], claims: str) -> AnswerSentence:
    sentence = f'Not settled: {_with_number(left[0])}'
    if len(left) + len(some) > 1:
        verb = 'is' if len(left) == 1 else 'are'
        sentence += f'; {len(left)} of {claims} {verb} open'
    if some:
        sentence += f', {some[0]["verdict"]} so far: {_with_number(some[0])}'
    numbers = tuple(map(_after, [left[0], *some[:1]]))
    return AnswerSentence('not settled', 'inconclusive', f'{sentence}.', numbers)


def _depends(
    question: str, by_kind: Mapping[str, Sequence[Verdict]], claims: str
) -> AnswerSentence:
    holds = by_kind['supported']
    fails = [*by_kind['contradicted'], *by_kind['negligible']]
    left = by_kind['inconclusive']
    opening = 'It depends' if _CLOSED.match(question.strip()) else 'In part as claimed'
    sentence = (
        f'{opening}: {len(holds)} of {claims} '
        f'{"holds" if len(holds) == 1 else "hold"}'
        f', {len(fails)} {"does" if len(fails) == 1 else "do"} not'
        + (f', {len(left)} {"is" if len(left) == 1 else "are"} not settled' if left else '')
    )
    sentence += f'. What holds: {_with_number(holds[0])}. What does not: {_with_number(fails[0])}'
    numbers = _after(holds[0]), _after(fails[0])
    return AnswerSentence('it depends', 'negligible', f'{sentence}.', numbers)


def _with_number(verdict: Verdict) -> str:
    """The claim and the number that carries its verdict, in one pair of parentheses at its end."""
    sentence, after = _sentence(verdict), _after(verdict)
    return f'{_without_parentheses(sentence)}{after}' if after else sentence


def _sentence(verdict: Verdict) -> str:
    return verdict['claim']['sentence'].strip().rstrip('.')


def _without_parentheses(sentence: str) -> str:
    """A sentence without the parentheses that it ends in, if it does."""
    return re.sub(r'\s+\((?:[^()]|\([^()]*\))*\)$', '', sentence)


def _after(verdict: Verdict) -> str:
    """What stands in parentheses after the words of a claim; '' without numbers.

    The claim's own parentheses are joined to it: side by side, two pairs read badly.
    """
    numbers = _step_against(verdict) or _numbers(verdict)
    if not numbers:
        return ''
    if verdict.get('smallest_permutation_p') is not None:
        numbers += f', {count(verdict["n"], "seed")}'
    sentence = _sentence(verdict)
    own = sentence.removeprefix(_without_parentheses(sentence))
    return f'{own.removesuffix(")")}; {numbers})' if own else f' ({numbers})'


def _numbers(verdict: Verdict) -> str:
    """The effect and its interval, after what they are of; '' if there is no effect.

    Without that a number reads as the opposite of its sentence: what lowers an error raises an
    accuracy.
    """
    effect, interval = verdict_words.effect_words(verdict)
    if effect == ABSENT:
        return ''
    what = _in_parentheses(verdict.get('what') or '').replace(': ', ', ', 1)
    numbers = f'{what}: {effect}' if what else effect
    if interval != ABSENT and verdict['low'] != verdict['high']:
        numbers += f', {verdict_words.level_words(verdict)} interval {interval}'
    return numbers


def _step_against(verdict: Verdict) -> str:
    """The step that contradicts a trend, where the change over all of them does not; else ''."""
    sign = {'increasing': 1, 'decreasing': -1}.get(verdict['claim'].get('kind', ''), 0)
    if verdict['verdict'] != 'contradicted' or sign * (verdict['effect'] or 0.0) <= 0:
        return ''
    step = verdict.get('against')
    subject = _in_parentheses(verdict.get('what') or '').partition(': ')[0]
    return f'{subject or "it"} goes the other way {step}' if step else ''


def _in_parentheses(what: str) -> str:
    """What an effect is, to stand in parentheses: brackets for its own, and no definitions."""
    what = re.sub(r' \((?:least squares over ranks|[^()]* − [^()]*)\)', '', what)
    return what.replace('(', '[').replace(')', ']')
