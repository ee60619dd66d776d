"""What is said of a search is so."""

import numpy as np
import pytest
from fake_results import batch_sizes, sweep

from jaxtweaks.base import metrics
from jaxtweaks.config.expand import grid
from jaxtweaks.figures.figure_spec import Figure
from jaxtweaks.lab import experiment
from jaxtweaks.report.choice import Choice, choose, reports_test
from jaxtweaks.run.search import DROPPED

SHOWN = {'name': 'it', 'kind': 'effect', 'title': 'It', 'x': 'train.batch_size'}
CLAIM = {
    'sentence': 'S.', 'source': '§', 'kind': 'peak', 'along': 'train.batch_size', 'goal': 'max',
}  # fmt: skip


@pytest.mark.parametrize(
    ('asked', 'reported'),
    [
        ({}, False),
        ({'table': ('validation_accuracy', 'gap_loss')}, False),
        ({'figures': ({**SHOWN, 'metrics': ('validation_loss',)},)}, False),
        ({'claims': ({**CLAIM, 'metric': 'validation_accuracy'},)}, False),
        ({'table': ('validation_accuracy', '1-test_accuracy')}, True),
        ({'figures': ({**SHOWN, 'metrics': ('test_loss',)},)}, True),
        ({'figures': ({'name': 'it', 'kind': 'confusion', 'title': 'It',
                       'where': {'train.batch_size': 8}},)}, True),
        ({'claims': ({**CLAIM, 'metric': 'log_test_loss'},)}, True),
    ],
)  # fmt: skip
def test_only_the_chosen_setting_is_tested_unless_the_config_asks_for_more(asked, reported):
    found = experiment.build(
        {
            'name': 'x',
            'sweep': grid('train.batch_size', 8, 16, 32),
            'search': {'rounds': 1},
            **asked,
        }
    )
    assert reports_test(found.table, found.figures, found.claims) == reported


def test_a_figure_of_boundaries_names_the_test_accuracy():
    boundary = Figure(name='it', kind='boundary', title='It')
    assert reports_test((), (boundary,), ())


def test_the_note_says_what_is_reported_of_the_test_set():
    results = batch_sizes()
    choice = choose(results, metrics.of('validation_accuracy'))
    only = 'of the test set only the result of this setting is reported'
    assert only in choice.table(results, False).note
    assert only not in choice.table(results, True).note


def test_selection_bias_and_seed_luck_are_differences_and_cut_off_nowhere():
    # Of 2 seeds Student's half width is 12.706 times half their distance: 2 points each.
    apart = 0.02 / 12.7062047
    around = lambda mean: np.array([mean - apart, mean + apart])
    both = around(0.5), around(0.495)
    choice = Choice({}, 'validation_accuracy', 3, 0, *both, around(0.005), around(-0.001))
    table = choice.table(batch_sizes(), False)
    assert table.rows[0][1:] == (
        '50.00 ± 2.00%',
        '49.50 ± 2.00%',
        '0.50 ± 2.00 points',
        '−0.10 ± 2.00 points',
    )
    np.testing.assert_allclose(table.raw[0][1:], [0.5, 0.495, 0.005, -0.001])


def test_a_difference_of_one_seed_or_of_a_loss_has_the_unit_of_its_metric():
    one = np.array([0.25]), np.array([0.24]), np.array([0.01]), np.array([np.nan])
    table = Choice({}, 'validation_accuracy', 3, 0, *one).table(batch_sizes(), False)
    assert table.rows[0][3:] == ('1.00 points', '—')
    table = Choice({}, 'validation_loss', 3, 0, *one).table(batch_sizes(), False)
    assert table.rows[0][3:] == ('0.01', '—')


# By setting and seed; the last one diverged in the second seed.
VALIDATION = np.array([[0.80, 0.60, 0.70], [0.72, 0.70, 0.67], [0.9, np.nan, 0.9]])
TEST = [0.75, 0.62, 0.68]  # of the first setting


@pytest.mark.parametrize('metric', ['validation_accuracy', 'validation_loss'])
def test_what_being_chosen_adds_by_hand(metric):
    results, by = sweep({'x': (1, 2, 3)}, seeds=3, diverged=[(2, 1, 4)]), metrics.of(metric)
    as_measured = lambda values: values if by.sign > 0 else 1 - values  # less is better
    tested = metrics.on(metric, 'test')
    results.finals[metric], results.finals[tested] = (
        as_measured(VALIDATION),
        as_measured(1 - VALIDATION),
    )
    results.finals[tested][0] = as_measured(np.array(TEST))
    choice = choose(results, by)
    # The mean of the first is 0.70, of the second 0.697; a setting that diverges is none.
    assert (choice.setting, choice.tried, choice.dropped) == ({'x': 1}, 3, 0)
    assert choice.validation == pytest.approx(as_measured(VALIDATION[0]))
    assert choice.test == pytest.approx(as_measured(np.array(TEST)))
    assert choice.better == pytest.approx([0.05, -0.02, 0.02])
    # Without the first seed 0.685 beats 0.65, without the second 0.75 beats 0.695 (what diverged
    # in it is no choice), and without the third 0.71 beats 0.70.
    assert choice.luck == pytest.approx([0.80 - 0.72, 0, 0.70 - 0.67])
    alone = choose(results.first_seeds(1), by)
    assert alone.setting == {'x': 3}
    assert np.isnan(alone.luck).tolist() == [True]


def test_a_setting_that_was_dropped_is_not_chosen_and_of_nothing_nothing_is():
    results = sweep({'x': (1, 2, 3)}, seeds=3)
    by, results.finals['validation_accuracy'] = metrics.of('validation_accuracy'), 1 - VALIDATION
    results.finals['validation_accuracy'][2] = 0.9
    results.finals[DROPPED] = np.array([[0, 0, 0], [0, 0, 0], [2, 2, 2]])
    choice = choose(results, by)
    assert (choice.setting, choice.dropped) == ({'x': 2}, 1)
    results.finals['validation_accuracy'][:2, 0] = np.nan
    assert choose(results, by) is None
