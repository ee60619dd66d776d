"""An axis names what is on it: every category, numbers in one notation, the last epoch."""

import itertools

import numpy as np
import pytest
from fake_results import sweep

from jaxtweaks.figures import figure_ticks
from jaxtweaks.figures.figures import Figure, caption, draw

RATE, SCHEME = 'optim.learning_rate', 'init.scheme'


def figure(**values) -> Figure:
    return Figure(
        **{'name': 'it', 'kind': 'effect', 'title': 'It', 'metrics': ('test_accuracy',), **values}
    )


def words_of(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def in_pixels(line):
    return line.get_transform().transform(line.get_xydata())


def drawn(spec, results):
    sheet = draw(spec, results)
    sheet.canvas.draw()
    return sheet.axes[0]


@pytest.mark.parametrize('count', [3, 28, 60])
def test_every_category_is_named(count):
    names = tuple(f'batch norm of images {i}' for i in range(count))
    axes = drawn(figure(x=SCHEME), sweep({SCHEME: names}, seeds=3))
    assert words_of(axes.xaxis) == list(names)
    ticks = axes.transData.transform([(tick, 0) for tick in axes.get_xticks()])[:, 0]
    assert np.diff(ticks).min() > 0.16 * axes.get_figure().dpi  # the height of a letter, and more


def test_of_very_many_categories_it_is_said_that_some_have_no_name():
    results = sweep({SCHEME: tuple(f'batch norm of images {i}' for i in range(200))}, seeds=2)
    assert 'Not each of the 200 values on the x axis is named.' in caption(
        figure(x=SCHEME), results
    )
    assert 5 < len(words_of(drawn(figure(x=SCHEME), results).xaxis)) < 100


def test_every_dot_lies_within_the_axes():
    names = tuple(f's{i}' for i in range(28))
    for values in ({SCHEME: names}, {RATE: (0.01, 0.02)}):
        (field,) = values
        axes = drawn(figure(x=field), sweep(values, seeds=3))
        lines = [line for line in axes.get_lines() if line.get_linestyle() == 'None']
        dots = np.concatenate([in_pixels(line) for line in lines if line.get_marker() == 'o'])
        box = axes.get_window_extent()
        assert len(dots) >= 3 * len(values[field])  # of words also their means
        assert (dots > (box.x0 + 3, box.y0 + 3)).all()
        assert (dots < (box.x1 - 3, box.y1 - 3)).all()


def test_tick_labels_that_are_turned_leave_the_axes_as_high_as_others():
    heights = []
    for words in ('s', 'a rule of very many words '):
        results = sweep({SCHEME: tuple(f'{words}{i}' for i in range(28))}, seeds=3)
        heights.append(drawn(figure(x=SCHEME), results).get_window_extent().height)
    assert heights[1] > 0.85 * heights[0]


@pytest.mark.parametrize(
    ('words', 'alike'),
    [
        (['1e8', '1e5', '10000', '1000'], ['1e8', '1e5', '1e4', '1e3']),
        (['5e−5', '0.0001', '0.00025', '0'], ['5e−5', '1e−4', '2.5e−4', '0']),
        (['0.001', '10', '2500'], ['0.001', '10', '2500']),
        (['none', '1e−5', '0.01'], ['none', '1e−5', '1e−2']),
        (['1e−5', '12e', '∞'], ['1e−5', '12e', '∞']),
    ],
)
def test_an_axis_has_one_notation(words, alike):
    assert figure_ticks.alike(words) == alike


def test_a_logarithmic_axis_of_few_powers_has_ticks_between_them():
    assert figure_ticks.logarithmic(2, 1000) == [2, 5, 10, 20, 50, 100, 200, 500, 1000]
    np.testing.assert_allclose(figure_ticks.logarithmic(6e-4, 0.03), [1e-3, 2e-3, 5e-3, 0.01, 0.02])
    np.testing.assert_allclose(figure_ticks.logarithmic(0.5, 5e4), [1, 10, 100, 1e3, 1e4])
    assert len(figure_ticks.logarithmic(1.1, 1.9)) >= 3
    assert len(figure_ticks.logarithmic(1e-30, 1)) <= 10


def test_the_ticks_of_a_logarithmic_x_axis_fit():
    sizes = tuple(int(size) for size in np.geomspace(2, 1000, 15).round())
    axes = drawn(figure(x=RATE, log_x=True), sweep({RATE: sizes}, seeds=2))
    words = words_of(axes.xaxis)
    assert words == ['2', '5', '10', '20', '50', '100', '200', '500', '1000']
    both = figure(x=RATE, log_x=True, metrics=('test_accuracy', 'train_loss'))
    axes = drawn(both, sweep({RATE: sizes}, seeds=2))  # not as wide
    assert words_of(axes.xaxis) == ['3', '10', '30', '100', '300', '1000']
    boxes = [text.get_window_extent() for text in axes.get_xticklabels()]
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))


def test_the_zero_of_a_logarithmic_axis_keeps_its_word():
    rates = (0.0, *np.geomspace(1e-5, 1, 30).tolist())
    results = sweep({RATE: rates}, seeds=2)
    axes = drawn(figure(x=RATE, log_x=True, names={f'{RATE}=0.0': 'none'}), results)
    words = words_of(axes.xaxis)
    assert words[:2] == ['none', '1e−5']
    assert all('e' in word for word in words[1:])


@pytest.mark.parametrize(
    ('last', 'words'),
    [
        (40, ['1', '5', '10', '15', '20', '25', '30', '35', '40']),
        (60, ['1', '10', '20', '30', '40', '50', '60']),
        (8, ['1', '2', '3', '4', '5', '6', '7', '8']),
        (1, ['1']),
        (3000, ['1', '500', '1,000', '1,500', '2,000', '2,500', '3,000']),
    ],
)
def test_epochs_have_round_ticks_from_the_first_to_the_last(last, words):
    axes = drawn(figure(kind='curves'), sweep({RATE: (0.1,)}, seeds=2, epochs=last))
    assert words_of(axes.xaxis) == words


@pytest.mark.parametrize('panel', ['gradient_variance', 'gradient_disagreement', 'sensitivity'])
def test_the_label_of_a_low_axis_is_broken_into_even_lines_beside_it(panel):
    results = sweep({SCHEME: tuple(f's{i}' for i in range(6))})
    results.finals[panel] = results.finals['train_loss']
    axes = drawn(figure(metrics=(panel, 'test_accuracy', 'train_loss'), x=SCHEME), results)
    label, box = axes.yaxis.label.get_window_extent(), axes.get_window_extent()
    assert box.y0 - 2 <= label.y0
    assert label.y1 <= box.y1 + 2
    head = axes.get_ylabel().partition('\n(')[0].split('\n')
    assert max(map(len, head)) <= 2 * min(map(len, head))
