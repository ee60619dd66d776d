"""Claims that cannot be tested are found before a run."""

import pytest
from claim_cases import ARMS, SMALLEST, claim

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError
from jaxtweaks.claims import claims
from jaxtweaks.claims.claim import KINDS, Claim
from jaxtweaks.results.derive import Selected

ABOVE = {'level': 0.1, 'direction': 'above'}
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
        ('increasing', {'along': 'x', 'goal': 'min'}, 'omit goal'),
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
        ('level', {**ABOVE, 'margin': 0.1}, "margin goes with direction 'equal'"),
        ('share', {**ABOVE, 'direction': 'below', 'margin': 0.1}, 'otherwise move the level'),
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


# With each norm a setting that is given, the best of three, and the best of two.
CHOSEN = [{'best': word, 'norm': norm} for norm in (0, 1) for word in ('each', 'of 3', 'of 2')]
OF_3 = Selected('validation', 3)
SELECTED = [None, OF_3, Selected('validation', 2)] * 2
BEST_3, EACH = {'a': {'best': 'of 3', 'norm': 0}}, {'b': {'best': 'each', 'norm': 0}}
OF_LEVEL = {'level': 0.5, 'direction': 'above'}


def check_chosen(one, selected=SELECTED):
    claims.check([one], CHOSEN, curves=CURVES, finals=CURVES, selected=selected)


@pytest.mark.parametrize(
    ('kind', 'given', 'says'),
    [
        ('less', {**BEST_3, **EACH, 'metric': 'gap_accuracy'}, "as 'test_gap_accuracy'"),
        ('greater', {**BEST_3, **EACH, 'metric': 'validation_accuracy'}, "as 'test_accuracy'"),
        ('less', {**BEST_3, **EACH, 'metric': '1-validation_accuracy'}, "as '1-test_accuracy'"),
        ('less', {**BEST_3, **EACH, 'metric': 'log_validation_loss'}, "as 'log_test_loss'"),
        ('less', {**BEST_3, **EACH, 'metric': 'validation_cost'}, 'did not choose, or compare'),
        ('greater', {**BEST_3, **EACH, 'metric': 'validation_accuracy', 'at': 1}, 'best of 3 on'),
        ('sooner', {**BEST_3, **EACH, 'metric': 'validation_accuracy'}, "as 'test_accuracy'"),
        # Chosen too, but of two.
        (
            'greater',
            {**BEST_3, 'b': {'best': 'of 2', 'norm': 0}, 'metric': 'gap_loss'},
            'best = of 3',
        ),
        # A mean of what was chosen and what was not, next to what was.
        (
            'greater',
            {'a': {'norm': 0}, 'b': {'norm': 1, 'best': 'of 3'}, 'metric': 'gap_loss'},
            'best = of 3',
        ),
        ('level', {**BEST_3, **OF_LEVEL, 'metric': 'validation_accuracy'}, 'best of 3 on'),
        ('share', {**BEST_3, **OF_LEVEL, 'metric': 'validation_accuracy'}, 'best of 3 on'),
    ],
)
def test_a_metric_of_the_data_that_chose_one_arm_is_refused(kind, given, says):
    with pytest.raises(UserError, match=r"claim 'so it is'.*did not choose") as caught:
        check_chosen(claim(kind, **given))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ('kind', 'given'),
    [
        ('greater', {**BEST_3, **EACH, 'metric': 'test_accuracy'}),
        ('less', {**BEST_3, **EACH, 'metric': 'test_gap_accuracy'}),
        ('less', {**BEST_3, **EACH, 'metric': 'train_loss'}),
        # Both the best of three, and both the same mean of all.
        ('less', {**BEST_3, 'b': {'best': 'of 3', 'norm': 1}, 'metric': 'gap_accuracy'}),
        ('less', {'a': {'norm': 0}, 'b': {'norm': 1}, 'metric': 'gap_accuracy'}),
        ('increasing', {'along': 'norm', 'where': {'best': 'of 3'}, 'metric': 'gap_accuracy'}),
        ('identical', {**BEST_3, **EACH, 'metric': 'gap_accuracy'}),
        (
            'published',
            {**BEST_3, 'metric': 'validation_loss', 'margin': 1.0, 'published': {'it': 2.0}},
        ),
    ],
)
def test_other_data_and_arms_that_were_chosen_alike_are_compared(kind, given):
    check_chosen(claim(kind, **given))


def test_a_curve_whose_points_were_not_chosen_alike_is_refused():
    along = {'along': 'norm', 'metric': 'gap_accuracy'}
    selected = [None, OF_3, None, None, None, None]
    with pytest.raises(UserError, match="as 'test_gap_accuracy'"):
        check_chosen(claim('increasing', **along, where={'best': 'of 3'}), selected)
    contrast = {**along, 'a': {'best': 'of 3'}, 'b': {'best': 'each'}}
    with pytest.raises(UserError, match="as 'test_gap_accuracy'"):
        check_chosen(claim('increasing', **contrast))


def test_what_the_training_loss_chose_is_not_compared_by_training_metrics():
    selected = [Selected('train', 3) if one else None for one in SELECTED]
    for metric in ('train_loss', 'running_accuracy', 'gap_accuracy', 'test_gap_accuracy'):
        with pytest.raises(UserError, match=r"best of 3 on the training set.*as 'test_"):
            check_chosen(claim('less', **BEST_3, **EACH, metric=metric), selected)
    check_chosen(claim('less', **BEST_3, **EACH, metric='validation_accuracy'), selected)
