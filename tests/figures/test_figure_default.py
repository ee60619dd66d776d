"""The figure that a config without figures gets."""

import pytest

from jaxtweaks.figures import figure_default
from jaxtweaks.results.recorded import Recorded

RECORDED = Recorded(
    ('validation_accuracy',), ('train_accuracy', 'validation_accuracy', 'test_accuracy'), (), 4
)
RATE, NORM, SIZE = 'optim.learning_rate', 'model.norm', 'train.batch_size'
RATES, NORMS, SIZES = (1e-3, 1e-2, 1e-1), ('none', 'batch'), (8, 16, 32)


def of(*fields):
    points = [{}]
    for name, values in fields:
        points = [{**point, name: value} for point in points for value in values]
    return figure_default.default(points, RECORDED, {})


@pytest.mark.parametrize(
    ('fields', 'shown'),
    [
        ([], ('curves', '', '', '')),
        ([(NORM, NORMS)], ('curves', '', NORM, '')),
        ([(RATE, RATES)], ('effect', RATE, '', '')),
        ([(NORM, NORMS), (RATE, RATES)], ('effect', RATE, NORM, '')),
        ([(NORM, NORMS), (RATE, RATES), (SIZE, SIZES)], ('effect', RATE, SIZE, NORM)),
    ],
)
def test_what_varies_is_on_the_axes(fields, shown):
    (figure,) = of(*fields)
    assert (figure.kind, figure.x, figure.hue, figure.panels) == shown


def test_rates_are_on_a_logarithmic_axis():
    (figure,) = of((RATE, RATES))
    assert figure.log_x
    assert figure.title == 'Test accuracy against learning rate'
    assert not of((SIZE, SIZES))[0].log_x


def test_a_search_shows_nothing_of_the_test_set():
    points = [{RATE: rate} for rate in RATES]
    (figure,) = figure_default.default(points, RECORDED, {}, with_test=False)
    assert figure.metrics == ('validation_accuracy',)
    only = Recorded((), ('test_accuracy',))
    assert figure_default.default(points, only, {}, with_test=False) == ()


def test_of_numbers_it_shows_what_their_loss_names():
    recorded = Recorded((), ('test_loss', 'test_mse'))
    (figure,) = figure_default.default([{RATE: rate} for rate in RATES], recorded, {}, 'mse')
    assert figure.metrics == ('test_mse',)


def test_more_than_a_figure_can_tell_apart_gets_none():
    more = [(RATE, RATES), (SIZE, SIZES), (NORM, NORMS), ('model.activation', ('relu', 'tanh'))]
    assert of(*more) == ()
    assert figure_default.default([{}], Recorded(), {}) == ()
