"""Settings called by their tweaks, the roughness of a curve, and the best setting."""

import dataclasses

import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.build import to_dict
from jaxtweaks.config.fields import static
from jaxtweaks.config.settings import Setting
from jaxtweaks.lab import experiment
from jaxtweaks.results.derive import Options, Selected, derived, plan, selected, tested
from jaxtweaks.results.derive.aligned import Aligned
from jaxtweaks.results.derive.best import Best, Choice
from jaxtweaks.results.derive.cost import Cost
from jaxtweaks.results.derive.derivation import DERIVATIONS, Derivation, derivation
from jaxtweaks.results.derive.disagreement import Disagreement
from jaxtweaks.results.derive.roughness import Roughness
from jaxtweaks.results.derive.stopping import Rule, Stopping
from jaxtweaks.results.derive.tweaks import NamedByTweaks
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import without_runs

POINTS = [
    {'data.share': share, 'flip.probability': flip, 'shift.pixels': shift, 'noise.input': noise}
    for share in (0.5, 1.0)
    for flip, shift, noise in ((0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.5, 2.0, 0.0), (0.0, 0.0, 0.1))
]
NAMES = ['none', 'flip', 'flip + shift', 'input']


def test_an_experiment_has_the_options_of_its_derivations():
    sections = {'ensemble', 'stopping'}
    assert sections <= set(Options())
    assert sections <= set(experiment.default_config('it'))
    rule = {'name': 'it', 'kind': 'epochs', 'epochs': 2}
    asked = experiment.build(
        {
            'name': 'it',
            'train': {'test_curve': True},
            'derive': ('roughness', 'stopping'),
            'stopping': {'rules': (rule,)},
        }
    )
    assert asked.derivations == (Roughness(), Stopping((Rule(**rule),)))


@dataclasses.dataclass(frozen=True)
class Scaled:
    """A derivation that reads an option and a field that was not swept."""

    factor: float

    def points(self, points, base):
        return [point | {'scaled': self.factor} for point in points]

    def recorded(self, recorded, base):
        return recorded

    def results(self, results, base):
        loss = results.final('test_loss') * self.factor * base.train.batch_size
        points = tuple(self.points(results.settings, base))
        return dataclasses.replace(results, settings=points, finals={'test_loss': loss})


def test_a_derivation_needs_its_options_and_the_base_setting_and_no_experiment():
    base = dataclasses.replace(Setting(), train=dataclasses.replace(Setting().train, batch_size=5))
    results = dataclasses.replace(without_runs([{}]), finals={'test_loss': np.ones((1, 2))})
    found = derived(results, (Scaled(2.0), Scaled(3.0)), base)
    assert found.settings == ({'scaled': 3.0},)
    assert found.finals['test_loss'].tolist() == [[150.0, 150.0]]
    points, _ = plan([{}], Recorded(), (Scaled(2.0),), base)
    assert points == [{'scaled': 2.0}]


def test_settings_are_called_by_what_is_on():
    found = NamedByTweaks().points(POINTS, Setting())
    expected = [{'data.share': s, 'tweaks.on': name} for s in (0.5, 1.0) for name in NAMES]
    assert found == expected
    results = dataclasses.replace(without_runs(POINTS), finals={'test_loss': np.ones((8, 3))})
    after = NamedByTweaks().results(results, Setting())
    assert list(after.settings) == expected
    assert after.finals is results.finals
    assert after.select({'tweaks.on': ('flip', 'none'), 'data.share': 1.0}) == [4, 5]


def test_two_settings_of_one_name_are_refused():
    points = [{'noise.input': 0.1}, {'noise.input': 0.2}]
    with pytest.raises(UserError, match="two settings 'input'"):
        NamedByTweaks().points(points, Setting())


def test_roughness_is_how_much_the_cost_rises():
    asked = experiment.build({'name': 'it', 'penalty': {'l2_form': 'full'}})
    points = [{'penalty.l2': 0.0, 'penalty.l1': 0.0}, {'penalty.l2': 0.5, 'penalty.l1': 0.0}]
    points.append({'penalty.l2': 0.0, 'penalty.l1': 0.1})
    losses = np.array([[3.0, 2.0, 1.0, 0.0], [1.0, 3.0, 1.5, 3.0], [1.0, np.nan, 1.0, 1.0]])
    norms = np.array([1.0, 2.0, 2.0, 1.0])
    results = dataclasses.replace(
        without_runs(points),
        curves={'running_loss': np.stack([losses] * 3), 'weight_norm': np.tile(norms, (3, 3, 1))},
    )
    found = Roughness().results(results, asked.base).final('roughness')
    # With λ = ½ the penalty is 0.5, 2, 2, 0.5: costs 3.5, 4, 3, 0.5 and 1.5, 5, 3.5, 3.5.
    unknown = [np.nan] * 3
    np.testing.assert_array_equal(found, [[0.0, 3.5, np.nan], [0.5, 3.5, np.nan], unknown])


def test_relative_roughness_is_of_the_curve_without_its_fall_and_its_unit():
    falls, bumpy = 0.5 ** np.arange(4.0), np.exp([0.0, 1.0, 0.0, 3.0])
    losses = np.stack([falls, bumpy, bumpy / 1_000, [1.0, 0.5, 0.0, 0.0]])[:, None]
    results = dataclasses.replace(
        without_runs([{'train.member': member} for member in range(4)]),
        curves={'running_loss': losses, 'weight_norm': np.ones_like(losses)},
    )
    found = Roughness().results(results, Setting()).final('relative_roughness')[:, 0]
    # Of the logarithms 0, 1, 0, 3 the second differences are -2 and 4.
    np.testing.assert_allclose(found, [0.0, 10**0.5, 10**0.5, np.nan], atol=1e-12)


@pytest.mark.parametrize(
    ('options', 'weight'),
    [({}, 0.15), ({'l2_form': 'full'}, 0.3), ({'scope': 'all'}, np.nan), ({'l1': 0.1}, np.nan)],
)
def test_the_cost_has_the_penalty_that_was_trained_with(options, weight):
    asked = experiment.build({'name': 'it', 'penalty': {'l2': 0.3, **options}})
    results = dataclasses.replace(
        without_runs([{}]),
        curves={'running_loss': np.zeros((1, 1, 2)), 'weight_norm': np.array([[[0.0, 1.0]]])},
    )
    assert Roughness().results(results, asked.base).final('roughness') == pytest.approx(
        weight, nan_ok=True
    )


def test_roughness_is_known_beforehand_and_needs_two_epochs():
    assert Roughness().recorded(Recorded(epochs=2), Setting()).finals == ('roughness',)
    both = ('roughness', 'relative_roughness')
    assert Roughness().recorded(Recorded(epochs=3), Setting()).finals == both
    with pytest.raises(UserError, match='2 epochs'):
        Roughness().recorded(Recorded(epochs=1), Setting())


def test_the_best_is_chosen_on_validation_seed_by_seed():
    points = [{'penalty.l2': 0.1}, {'penalty.l2': 0.2}, {'penalty.l2': 0.3}]
    validation = np.array([[0.6, 0.5, 0.9], [0.7, 0.5, 0.8], [0.9, 0.4, np.nan]])
    diverged = np.array([[-1, -1, 5], [-1, -1, -1], [3, -1, 7]])
    number = np.arange(9.0).reshape(3, 3)
    results = dataclasses.replace(
        without_runs(points),
        seeds=np.arange(3),
        curves={'train_loss': number[:, :, None]},
        finals={'validation_accuracy': validation, 'test_accuracy': number},
        confusion=number[:, :, None, None],
        chosen_epoch=number,
        diverged_at=diverged,
        arrays={'calibration': number[:, :, None]},
    )
    found = Best().results(results, Setting())
    expected = [3.0, 1.0, 5.0]
    assert list(found.settings) == Best().points(points, Setting())
    assert found.settings[-1] == {'penalty.l2': None, 'best.setting': 'best'}
    assert found.select({'best.setting': 'each'}) == [0, 1, 2]
    assert list(found.finals['test_accuracy'][3]) == expected
    assert list(found.curves['train_loss'][3, :, 0]) == expected
    assert list(found.confusion[3, :, 0, 0]) == expected
    assert list(found.arrays['calibration'][3, :, 0]) == expected
    assert list(found.diverged_at[3]) == [-1, -1, -1]
    np.testing.assert_array_equal(found.finals['test_accuracy'][:3], number)


def test_the_best_of_the_lowest_training_loss():
    points = [{'penalty.l2': weight} for weight in (0.1, 0.2, 0.3)]
    number = np.arange(9.0).reshape(3, 3)
    results = dataclasses.replace(
        without_runs(points),
        seeds=np.arange(3),
        finals={
            'train_loss': np.array([[0.3, 0.2, np.nan], [0.1, 0.2, 0.9], [0.0, 0.4, 0.8]]),
            'validation_accuracy': np.array([[0.9, 0.5, 0.9], [0.7, 0.6, 0.8], [0.9, 0.7, 0.7]]),
            'test_accuracy': number,
        },
        confusion=number[:, :, None, None],
        chosen_epoch=number,
        diverged_at=np.array([[-1, -1, -1], [-1, -1, -1], [3, -1, -1]]),
    )
    found = Best(by='train_loss').results(results, Setting())
    # The lowest loss of those that did not diverge, the first of equals.
    assert list(found.finals['test_accuracy'][3]) == [3.0, 1.0, 8.0]


def test_a_best_for_each_value_of_a_field():
    points = [{'penalty.l2': w, 'model.norm': norm} for norm in ('none', 'batch') for w in (1, 2)]
    results = dataclasses.replace(
        without_runs(points),
        seeds=np.arange(2),
        finals={
            'validation_accuracy': np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.3], [0.4, np.nan]]),
            'test_accuracy': np.arange(8.0).reshape(4, 2),
        },
        confusion=np.zeros((4, 2, 1, 1)),
        chosen_epoch=np.zeros((4, 2)),
        diverged_at=np.full((4, 2), -1),
    )
    found = Best(within=('model.norm',)).results(results, Setting())
    assert found.settings[4:] == (
        {'penalty.l2': None, 'model.norm': 'none', 'best.setting': 'best'},
        {'penalty.l2': None, 'model.norm': 'batch', 'best.setting': 'best'},
    )
    np.testing.assert_array_equal(found.finals['test_accuracy'][4:], [[0, 3], [6, 5]])
    with pytest.raises(UserError, match=r"'model.nrm' is not swept; did you mean 'model.norm'"):
        Best(within=('model.nrm',)).points(points, Setting())


def test_by_what_a_setting_was_chosen_is_known_through_later_derivations():
    points = [{'penalty.l2': w, 'train.ema_decay': ema} for ema in (0.0, 0.9) for w in (1, 2, 3)]
    few = Choice('few', {'penalty.l2': (1, 2), 'train.ema_decay': 0.9})
    one = Choice('one', {'penalty.l2': 1, 'train.ema_decay': 0.0})
    best = Best((few, one))
    of_two = Selected('validation', 2)
    assert best.selected(points, Setting()) == [None] * 6 + [of_two, None]  # of one is no choice
    assert selected(points, (), Setting()) == [None] * 6
    # Each of those with an average of the parameters is two afterwards, the chosen one too.
    assert selected(points, (best, tested.Tested()), Setting()) == [None] * 9 + [of_two] * 2 + [
        None
    ]
    by_loss = Best(within=('train.ema_decay',), by='train_loss')
    assert by_loss.selected(points, Setting()) == [None] * 6 + [Selected('train', 3)] * 2


def test_a_claim_on_the_data_that_chose_is_refused_before_training_and_read_on_record():
    asked = {
        'name': 'it',
        'derive': ('best',),
        'best': {'choices': ({'name': 'some', 'where': {'penalty.l2': (0.1, 0.2)}},)},
        'sweep': ('grid', 'penalty.l2', (0.0, 0.1, 0.2)),
        'claims': (
            {
                'sentence': 'A penalty closes the gap.',
                'source': 'TEST',
                'kind': 'less',
                'metric': 'gap_accuracy',
                'a': {'best.setting': 'some'},
                'b': {'best.setting': 'each', 'penalty.l2': 0.0},
            },
        ),
    }
    with pytest.raises(UserError, match=r"best of 2 on validation.*'test_gap_accuracy'"):
        experiment.build(asked)
    assert len(experiment.build(asked, on_record=True).claims) == 1


def test_the_cost_is_the_loss_with_the_penalty():
    """J = L + λΣ‖W‖² with λ = 0.5, and L alone with λ = 0 (MLP-BN equation 10)."""
    asked = experiment.build({'name': 'it', 'penalty': {'l2_form': 'full'}})
    loss = np.array([[[3.0, 2.0]], [[3.0, 2.0]]])
    one = {'train_loss': loss, 'validation_loss': 2 * loss, 'weight_norm': np.full((2, 1, 2), 2.0)}
    results = dataclasses.replace(
        without_runs([{'penalty.l2': 0.0}, {'penalty.l2': 0.5}]),
        curves=one,
        finals={name: values[..., -1] for name, values in one.items()},
    )
    found = Cost().results(results, asked.base)
    np.testing.assert_allclose(found.curves['train_cost'], [[[3, 2]], [[5, 4]]])
    np.testing.assert_allclose(found.finals['validation_cost'], [[4], [6]])
    assert {'train_cost', 'validation_cost'} <= set(Cost().recorded(Recorded(), asked.base).finals)


def test_each_choice_is_made_among_its_own_settings():
    points = [
        {'penalty.l2': l2, 'model.activation': unit}
        for unit in ('relu', 'tanh')
        for l2 in (0.0, 0.1, 0.2)
    ]
    validation = np.array([[0.9, 0.9], [0.5, 0.7], [0.6, 0.6], [0.8, 0.1], [0.2, 0.2], [0.1, 0.3]])
    test = np.arange(12.0).reshape(6, 2)
    results = dataclasses.replace(
        without_runs(points),
        seeds=np.arange(2),
        finals={'validation_accuracy': validation, 'test_accuracy': test},
        confusion=np.zeros((6, 2, 0, 0)),
        chosen_epoch=np.ones((6, 2)),
        diverged_at=np.full((6, 2), -1),
    )
    some = {'penalty.l2': (0.1, 0.2), 'model.activation': 'relu'}
    best = Best((Choice('relu', some), Choice('tanh', {'model.activation': 'tanh'})))
    found = best.results(results, Setting())
    assert list(found.settings) == best.points(points, Setting())
    assert found.settings[6:] == (
        {'penalty.l2': None, 'model.activation': 'relu', 'best.setting': 'relu'},
        {'penalty.l2': None, 'model.activation': 'tanh', 'best.setting': 'tanh'},
    )
    # Of ReLU λ = 0.2 and 0.1, though 0 is better; of tanh 0 and 0.2.
    np.testing.assert_array_equal(found.finals['test_accuracy'][6:], [[4.0, 3.0], [6.0, 11.0]])


@pytest.mark.parametrize(
    ('choices', 'message'),
    [
        (({'name': 'a'}, {'name': 'a'}), "'a' is the name of two settings"),
        (({'name': 'each'},), "'each' is the name of two settings"),
        (({'name': 'a', 'where': {'penalty.l2': 3.0}},), r"'a': no setting has penalty.l2 = 3.0"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused(choices, message):
    asked = {'name': 'it', 'derive': ('best',), 'best': {'choices': choices}}
    with pytest.raises(UserError, match=message):
        experiment.build(asked | {'sweep': ('grid', 'penalty.l2', (0.0, 1.0))})


def test_settings_are_aligned_at_the_threshold_of_each_seed():
    widths = (2, 4, 8, 16, 64)
    points = [{'model.width': width} for width in widths]
    # Just fitted with 8 units, with 4, never, and with 64 because the run with 16 diverged.
    error = np.array([[3, 3, 3, 3], [2, 0, 2, 2], [0, 0, 1, 2], [0, 1, 1, 0], [0, 0, 1, 0]]) / 10
    diverged = np.full((5, 4), -1)
    diverged[3, 3] = 7
    test = np.arange(20.0).reshape(5, 4)
    results = dataclasses.replace(
        without_runs(points),
        seeds=np.arange(4),
        curves={'train_loss': test[:, :, None]},
        finals={'train_accuracy': 1 - error, 'test_accuracy': test},
        confusion=np.zeros((5, 4, 0, 0)),
        chosen_epoch=np.ones((5, 4)),
        diverged_at=diverged,
    )
    aligned = Aligned('model.width', level=0.05, shares=(0.5, 1.0, 3.0, 8.0))
    found = aligned.results(results, Setting())
    assert list(found.settings) == aligned.points(points, Setting())
    assert found.settings[5] == {'model.width': None, 'aligned.share': 0.5}
    none = np.nan
    expected = [  # 3 times 8 is 24, 1.5 times 16; 3 times 4 is 12, and 16 is the nearest
        [test[1, 0], test[0, 1], none, none],
        [test[2, 0], test[1, 1], none, test[4, 3]],
        [none, test[3, 1], none, none],
        [test[4, 0], none, none, none],
    ]
    np.testing.assert_array_equal(found.final('test_accuracy')[5:], expected)
    np.testing.assert_array_equal(found.curve('train_loss')[5:, :, 0], expected)
    np.testing.assert_array_equal(found.final('threshold'), [[8.0, 4.0, none, 64.0]] * 9)
    # The run with 16, the nearest to what is too far off, has diverged; what is not there has not.
    assert not found.diverged[5:].any()
    assert not found.chosen_epoch[5:][np.isnan(expected)].any()


@pytest.mark.parametrize(
    ('aligned', 'fields', 'message'),
    [
        ({'along': 'model.width'}, {'model.width': (2, 4)}, 'needs aligned.shares'),
        ({'along': 'penalty.l2', 'shares': (1,)}, {'model.width': (2, 4)}, 'is not swept'),
        (
            {'along': 'model.width', 'shares': (1,)},
            {'model.width': (2, 4), 'penalty.l2': (0.0, 0.1)},
            "'penalty.l2' is swept besides 'model.width'",
        ),
        ({'along': 'penalty.l2', 'shares': (1,)}, {'penalty.l2': (0.0, 1.0)}, 'above 0'),
        (
            {'along': 'penalty.l2', 'shares': (1,), 'metric': 'tran_loss'},
            {'penalty.l2': (0.5, 1.0)},
            "no final metric 'tran_loss'; did you mean 'train_loss'",
        ),
    ],
)
def test_what_cannot_be_aligned_is_refused(aligned, fields, message):
    sweep = ('product', *(('grid', name, values) for name, values in fields.items()))
    asked = {'name': 'it', 'derive': ('aligned',), 'aligned': aligned, 'sweep': sweep}
    with pytest.raises(UserError, match=message):
        experiment.build(asked)


def test_gradients_disagree_by_their_variance_for_one_part_of_signal():
    results = dataclasses.replace(
        without_runs([{}]),
        finals={
            'gradient_variance': np.array([[8.0, 0.5, 0.0]]),
            'gradient_norm': np.array([[2.0, 0.5, 0.0]]),
        },
    )
    found = Disagreement().results(results, Setting()).final('gradient_disagreement')
    np.testing.assert_array_equal(found, [[2.0, 2.0, np.nan]])
    with pytest.raises(UserError, match=r'needs train\.gradient_batches'):
        Disagreement().recorded(Recorded(), Setting())


@pytest.fixture
def registered():
    """A derivation of one's own, for one test."""
    with DERIVATIONS.temporary():

        @derivation('smoothed')
        class Smoothed(Derivation):
            """The mean of the last epochs, as a metric."""

            window: int = static(2, 'epochs in the mean', low=1)

            def recorded(self, recorded, base):
                return dataclasses.replace(recorded, finals=(*recorded.finals, 'smoothed_loss'))

            def results(self, results, base):
                loss = results.curve('test_loss')[..., -self.window :].mean(-1)
                return dataclasses.replace(
                    results, finals={**results.finals, 'smoothed_loss': loss}
                )

        yield Smoothed


def test_a_derivation_of_ones_own_has_a_section_of_options(registered):
    values = {'name': 'it', 'derive': ('smoothed',), 'smoothed': {'window': 3}}
    asked = experiment.build({**values, 'table': ('smoothed_loss',)})
    assert asked.derivations == (registered(window=3),)
    assert experiment.default_config('it').smoothed.window == 2
    assert to_dict(asked)['smoothed'] == {'window': 3}
    assert experiment.build(to_dict(asked)) == asked
    with pytest.raises(UserError, match=r'smoothed.window: 0 is not allowed'):
        experiment.build({**values, 'smoothed': {'window': 0}})
    with pytest.raises(UserError, match=r'smoothed.window: 3 has no effect because derive does'):
        experiment.build({**values, 'derive': ()})
    # An experiment that does not name it has no section of it.
    assert 'smoothed' not in to_dict(experiment.build({'name': 'it'}))


def test_what_is_no_derivation_is_refused(registered):
    with pytest.raises(UserError, match='must be a class that inherits from Derivation'):
        derivation('it')(lambda results: results)
    with pytest.raises(UserError, match="'best': is the name of a built-in derivation"):
        derivation('best')(registered)
    with pytest.raises(UserError, match='window: an option must be declared'):

        @derivation('it')
        class It(Derivation):
            window: int = 3

            def results(self, results, base):
                return results
