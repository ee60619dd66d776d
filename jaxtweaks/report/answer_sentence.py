"""The answer to an experiment's question in a sentence, made from the verdicts on its claims.

It is that of the claims that the config marks with `answers`, or of all of them if it marks none.
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
      word: 'yes', 'no', 'it depends' or 'not settled'; '' if there is no claim.
      kind: the verdict whose colour it has.
      sentence: the whole answer, that word first; '' if there is no claim.
    """

    word: str
    kind: str
    sentence: str


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
    if not settled or (len(settled) == 1 and 2 * len(left) > len(asked)):
        some = by_kind[settled[0]] if settled else []
        return _not_settled(left, some, _claims(asked, verdicts))
    if by_kind['supported'] and len(settled) > 1:
        return _depends(by_kind, _claims(asked, verdicts))
    kind = 'contradicted' if by_kind['contradicted'] else settled[0]
    word = 'yes' if kind == 'supported' else 'no'
    agree = [one for one in asked if one['verdict'] in _SETTLED]
    sentence = f'{_opening(question, kind)}: {_with_number(by_kind[kind][0])}'
    others = len(agree) - 1
    if others:
        holds = f'{"holds" if others == 1 else "hold"} as well'
        fails = f'{"does" if others == 1 else "do"} not hold either'
        also = holds if kind == 'supported' else fails
        sentence += f'; {count(others, "further claim")} {also}'
    if left:
        sentence += f', {len(left)} of {len(asked)} not settled'
    return AnswerSentence(word, kind, f'{sentence}.')


def _claims(asked: Sequence[Verdict], verdicts: Sequence[Verdict]) -> str:
    """How many claims the answer is made from, and that there are others."""
    others = len(verdicts) > len(asked)
    return count(len(asked), 'claim') + (' that answer the question' if others else '')


def _opening(question: str, kind: str) -> str:
    closed = _CLOSED.match(question.strip()) is not None
    if kind == 'negligible':
        return 'No, not by as much as matters' if closed else 'No difference that matters'
    if closed:
        return 'Yes' if kind == 'supported' else 'No, this is contradicted'
    return 'As claimed' if kind == 'supported' else 'Not as claimed'


def _not_settled(left: Sequence[Verdict], some: Sequence[Verdict], claims: str) -> AnswerSentence:
    sentence = f'Not settled: {_with_number(left[0])}'
    if len(left) + len(some) > 1:
        verb = 'is' if len(left) == 1 else 'are'
        sentence += f'; {len(left)} of {claims} {verb} open'
    if some:
        sentence += f', {some[0]["verdict"]} so far: {_with_number(some[0])}'
    return AnswerSentence('not settled', 'inconclusive', f'{sentence}.')


def _depends(by_kind: Mapping[str, Sequence[Verdict]], claims: str) -> AnswerSentence:
    holds = by_kind['supported']
    fails = [*by_kind['contradicted'], *by_kind['negligible']]
    left = by_kind['inconclusive']
    sentence = (
        f'It depends: {len(holds)} of {claims} '
        f'{"holds" if len(holds) == 1 else "hold"}'
        f', {len(fails)} {"does" if len(fails) == 1 else "do"} not'
        + (f', {len(left)} {"is" if len(left) == 1 else "are"} not settled' if left else '')
    )
    sentence += f'. It holds: {_with_number(holds[0])}. It does not: {_with_number(fails[0])}'
    return AnswerSentence('it depends', 'negligible', f'{sentence}.')


def _with_number(verdict: Verdict) -> str:
    """The claim and the number that carries its verdict."""
    sentence = verdict['claim']['sentence'].strip().rstrip('.')
    effect, interval = verdict_words.effect_words(verdict)
    if effect == ABSENT:
        return sentence
    words = effect if interval == ABSENT else f'{effect}, {interval}'
    if verdict.get('smallest_permutation_p') is not None:
        words += f', {count(verdict["n"], "seed")}'
    return f'{sentence} ({words})'
