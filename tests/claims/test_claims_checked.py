"""Claims that cannot be tested are found before a run."""

import pytest
from claim_cases import ARMS, SMALLEST, claim

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError
from jaxtweaks.claims import claims
from jaxtweaks.claims.claim import KINDS, Claim

DIVERGED = {'metric': 'diverged', 'direction': 'above'}
CURVES = (*metrics.known(), *metrics.derived(metrics.known()))


@pytest.mark.parametrize(
    ('kind', 'given', 'says'),
    [
        ('greater', {'a': {'x': 0}}, "kind 'greater' needs b"),
        ('greater', {'a': {'x + y': ((0, 9),)}, 'b': {'x': 1}}, "'y' is not swept"),
        ('greater', {**ARMS, 'along': 'x'}, 'does not read along'),
        ('greater', {'a': {'x': 9}, 'b': {'x': 1}}, 'no setting has x = 9; valid: 0, 1, 2'),
        (
            'greater',
            {'a': {'x + name': (1, 'n1')}, 'b': {'x': 0}},
            "x + name = (1, 'n1') means any of its items; for the value write ((1, 'n1'),)",
        ),
        ('greater', {'a': {'y': 9}, 'b': {'x': 1}}, "'y' is not swept"),
        ('greater', {'a': {'x': [0, 1]}, 'b': {'x': 1}}, 'both select the setting x = 1'),
        ('greater', {**ARMS, 'where': {'x': 2}}, 'no setting has all of'),
        ('greater', {**ARMS, 'metric': 'test_acuracy'}, "did you mean 'test_accuracy'"),
        ('greater', {**ARMS, 'at': 'finale'}, "did you mean 'final'"),
        ('greater', {**ARMS, 'at': 11}, 'the epochs are 1 to 10'),
        ('greater', {**ARMS, 'at': 'best_epoch'}, 'would choose on the test set'),
        *(
            ('greater', {**ARMS, 'at': 'best_epoch', 'metric': metric}, 'choose on the test set')
            for metric in ('1-test_accuracy', 'log_test_loss')
        ),
        ('greater', {**ARMS, 'goal': 'max'}, "reads goal only with at='best_epoch'"),
        ('increasing', {'along': 'x', 'goal': 'min'}, 'leave goal out'),
        ('equivalent', ARMS, 'needs margin'),
        ('equivalent', {**ARMS, 'margin': 0.0}, 'margin must be a number > 0'),
        ('different', ARMS, 'needs margin'),
        ('different', {**ARMS, 'margin': 0.0}, 'margin must be a number > 0'),
        ('increasing', {}, 'needs along'),
        ('increasing', {'along': 'z'}, "'z' is not swept"),
        ('increasing', {'along': 'name'}, "its value 'n0' is not a number"),
        ('increasing', {'along': 'x', 'where': {'x': 1}}, 'has 1 values here; it needs 2'),
        ('peak', {'along': 'x', 'where': {'x': [1, 2]}}, 'has 2 values here; it needs 3'),
        ('optimum', {'along': 'x'}, 'needs within'),
        ('optimum', {'along': 'x', 'within': [5, 6]}, 'lies no value'),
        ('optimum', {'along': 'x', 'within': [0, 6]}, 'lies every value'),
        ('optimum', {'along': 'x', 'within': [2, 1]}, 'the lower end comes first'),
        ('sooner', {**ARMS, 'metric': 'diverged'}, 'no metric by epoch'),
        ('level', {'level': 0.1}, 'needs direction'),
        ('level', {'level': 0.1, 'direction': 'equal'}, 'margin must be'),
        ('level', {**DIVERGED, 'level': 0.1}, 'tested against 0.5 only, not 0.1'),
        ('level', {**DIVERGED, **ARMS, 'level': 0.5}, 'tested against 0 only, not 0.5'),
        ('greater', {**ARMS, 'metric': 'diverged', 'margin': 0.1}, 'within or beyond a margin'),
        ('equivalent', {**ARMS, 'metric': 'diverged', 'margin': 0.1}, 'within or beyond a margin'),
        ('greater', {**ARMS, 'smallest': 0.0}, 'smallest must be a number > 0, not 0.0'),
        ('greater', {**ARMS, 'smallest': 0.1, 'margin': 0.1}, 'does not go with margin'),
        ('equivalent', {**ARMS, 'smallest': 0.1, 'margin': 0.1}, 'does not read smallest'),
        ('peak', {'along': 'x', 'smallest': 0.1}, 'does not read smallest'),
        ('greater', {**ARMS, 'metric': 'diverged', 'smallest': 0.1}, 'within or beyond a margin'),
        ('published', {'margin': 0.1}, 'published must be one figure'),
        ('published', {'margin': 0.1, 'published': {'a': 'high'}}, 'it must be a number'),
    ],
)
def test_a_bad_claim_is_found_before_the_run(kind, given, says):
    settings = [{'x': k, 'name': f'n{k}'} for k in range(3)]
    with pytest.raises(UserError, match="claim 'so it is'") as caught:
        claims.check([claim(kind, **given)], settings, curves=CURVES, epochs=10)
    assert says in str(caught.value)


def test_an_unknown_kind_and_an_unknown_direction_of_a_metric():
    with pytest.raises(UserError, match="did you mean 'greater'"):
        claim('greeter')
    odd = Claim('so it is', 'TEST', 'greeter', 'test_accuracy')
    with pytest.raises(UserError, match="unknown kind 'greeter'; did you mean 'greater'"):
        claims.check([odd], [{'x': 0}])
    with pytest.raises(UserError, match="set goal to 'min' or 'max'"):
        claims.check(
            [claim('peak', along='x', metric='sparsity')],
            [{'x': k} for k in range(3)],
            finals=['sparsity'],
        )


def test_good_claims_pass_the_check():
    settings = [{'x': k} for k in range(5)]
    claims.check([claim(kind, **SMALLEST[kind]) for kind in KINDS], settings, epochs=10)
    claims.check([claim('level', **DIVERGED, level=0.5)], settings)
    pairs = {'a': {'x + 1-y': ((2, -1),)}, 'b': {'1-y + x': ((1, 0),)}}
    claims.check([claim('greater', **pairs)], [{'x': k, 'y': k} for k in range(3)])
    claims.check([claim('level', **DIVERGED, **ARMS, level=0.0)], settings)


def test_two_claims_that_read_alike_are_refused():
    """Their verdicts could be taken for one another, in a report and in the answer."""
    one, other = claim('greater', **ARMS), claim('less', **ARMS, sentence='so  it is')
    claims.check_sentences([one, claim('less', **ARMS, sentence='so it is not')])
    with pytest.raises(UserError, match='say in the sentence what differs'):
        claims.check_sentences([one, other])
