"""Settings called by their tweaks, the roughness of a curve, and the best setting."""

import dataclasses

import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.lab import experiment
from jaxtweaks.results.derive import best, roughness, tweaks
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import without_runs

POINTS = [
    {'data.share': share, 'augment.flip': flip, 'augment.shift': shift, 'noise.input': noise}
    for share in (0.5, 1.0)
    for flip, shift, noise in ((0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.5, 2.0, 0.0), (0.0, 0.0, 0.1))
]
NAMES = ['none', 'flip', 'flip + shift', 'input']


def test_settings_are_called_by_what_is_on():
    found = tweaks.points(POINTS, None)
    expected = [{'data.share': s, 'tweaks.on': name} for s in (0.5, 1.0) for name in NAMES]
    assert found == expected
    results = dataclasses.replace(without_runs(POINTS), finals={'test_loss': np.ones((8, 3))})
    after = tweaks.results(results, None)
    assert list(after.settings) == expected
    assert after.finals is results.finals
    assert after.select({'tweaks.on': ('flip', 'none'), 'data.share': 1.0}) == [4, 5]


def test_two_settings_of_one_name_are_refused():
    points = [{'noise.input': 0.1}, {'noise.input': 0.2}]
    with pytest.raises(UserError, match="two settings 'input'"):
        tweaks.points(points, None)


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
    found = roughness.results(results, asked).final('roughness')
    # With λ = ½ the penalty is 0.5, 2, 2, 0.5: costs 3.5, 4, 3, 0.5 and 1.5, 5, 3.5, 3.5.
    unknown = [np.nan] * 3
    np.testing.assert_array_equal(found, [[0.0, 3.5, np.nan], [0.5, 3.5, np.nan], unknown])


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
    assert roughness.results(results, asked).final('roughness') == pytest.approx(
        weight, nan_ok=True
    )


def test_roughness_is_known_beforehand_and_needs_two_epochs():
    assert 'roughness' in roughness.recorded(Recorded(epochs=2), None).finals
    with pytest.raises(UserError, match='2 epochs'):
        roughness.recorded(Recorded(epochs=1), None)


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
    found = best.results(results, None)
    expected = [3.0, 1.0, 5.0]
    assert list(found.settings) == best.points(points, None)
    assert found.settings[-1] == {'penalty.l2': None, 'best.setting': 'best'}
    assert found.select({'best.setting': 'each'}) == [0, 1, 2]
    assert list(found.finals['test_accuracy'][3]) == expected
    assert list(found.curves['train_loss'][3, :, 0]) == expected
    assert list(found.confusion[3, :, 0, 0]) == expected
    assert list(found.arrays['calibration'][3, :, 0]) == expected
    assert list(found.diverged_at[3]) == [-1, -1, -1]
    np.testing.assert_array_equal(found.finals['test_accuracy'][:3], number)
