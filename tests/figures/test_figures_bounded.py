"""A figure can be looked at, whatever number of settings and classes, however long their names."""

import dataclasses
import itertools

import numpy as np
import pytest
from fake_results import sweep
from matplotlib.image import imread

from jaxtweaks.base.words import shortened
from jaxtweaks.figures import kind as kind_lib
from jaxtweaks.figures.figures import Figure, caption, draw, save

RATE = 'optim.learning_rate'
SCHEME = 'init.scheme'
ACCURACY = ('test_accuracy',)


def figure(**values) -> Figure:
    return Figure(**{'name': 'it', 'kind': 'curves', 'title': 'It', 'metrics': ACCURACY, **values})


def rates(count) -> tuple[float, ...]:
    return tuple(float(rate) for rate in np.geomspace(1e-4, 1e-1, count))


def many(count, **options):
    return sweep({RATE: rates(count)}, **{'seeds': 2, 'epochs': 2, **options})


def with_classes(results, names):
    shape = (len(results.settings), len(results.seeds), len(names), len(names))
    confusion = np.broadcast_to(199 * np.eye(len(names), dtype=int), shape).copy()
    confusion[..., 0, 1] = 1
    counts = {'training': np.arange(1, len(names) + 1), 'test': np.full(len(names), 200)}
    return dataclasses.replace(
        results, classes=tuple(names), confusion=confusion, label_counts=counts
    )


def long_names(count):
    return [f'class {i} ' + 'of a long name ' * 7 + f'number {i}' for i in range(count)]


def words_of(legend):
    return [text.get_text() for text in legend.get_texts()]


def inside(sheet):
    """Whether all that is drawn lies on the sheet, to a few pixels."""
    sheet.canvas.draw()
    box = sheet.get_tightbbox()
    width, height = sheet.get_size_inches()
    return box.x0 > -0.05 and box.y0 > -0.05 and box.x1 < width + 0.05 and box.y1 < height + 0.05


def test_many_numbers_are_a_colour_bar():
    results = many(40)
    sheet = draw(figure(hue=RATE), results)
    assert not sheet.legends
    axes, bar = sheet.axes
    ticks = [text.get_text() for text in bar.get_yticklabels()]
    assert ticks[0] == '0.0001'
    assert ticks[-1] == '0.1'
    assert len(ticks) == 7
    assert inside(sheet)
    assert 'would hide one another' in caption(figure(hue=RATE), results)
    (lines,) = axes.collections
    drawn = {tuple(segment[:, 1].round(12)) for segment in lines.get_segments()}
    means = results.curves['test_accuracy'].mean(1).round(12)
    assert drawn == set(map(tuple, means))


def test_few_numbers_have_an_entry_each():
    sheet = draw(figure(hue=RATE), many(7))
    assert len(words_of(sheet.legends[0])) == 7
    assert len(sheet.axes) == 1


@pytest.mark.parametrize('count', [8, 12])
def test_each_of_a_dozen_numbers_is_named_at_a_colour_bar(count):
    sheet = draw(figure(hue=RATE), many(count))
    assert not sheet.legends
    assert len(sheet.axes[1].get_yticklabels()) == count
    assert inside(sheet)


def test_many_words_are_cut_and_counted():
    results = sweep({SCHEME: tuple(long_names(40))}, seeds=2, epochs=2)
    sheet = draw(figure(hue=SCHEME), results)
    words = words_of(sheet.legends[0])
    assert len(words) == len(set(words)) == 24
    assert words[-1] == '… and 17 more'
    assert max(map(len, words)) < 50
    assert max(sheet.get_size_inches()) < 12
    assert inside(sheet)


@pytest.mark.parametrize('options', [
    {'hue': RATE}, {'kind': 'effect', 'x': RATE},
    {'kind': 'paths', 'x': 'train_loss', 'hue': RATE}, {'kind': 'effect', 'x': 'b', 'hue': RATE},
])  # fmt: skip
def test_a_picture_of_hundreds_of_settings_has_few_pixels(tmp_path, options):
    fields = {RATE: rates(150), **({'b': (1, 2)} if options.get('x') == 'b' else {})}
    results = sweep(fields, seeds=2, epochs=2, diverged=[(3, 1, 1)])
    picture, drawing = save(draw(figure(**options), results), tmp_path, 'it')
    assert max(imread(picture).shape) <= 4000
    assert drawing.stat().st_size < 2e6


def test_panels_are_spread_over_the_values_and_the_rest_counted(monkeypatch):
    results = many(150)
    spec = figure(panels=RATE, metrics=('test_accuracy', 'train_loss'))
    for name, most in (('curves', 12), ('confusion', 12)):
        fields = {'panels': RATE} if name == 'curves' else {'hue': RATE, 'metrics': ()}
        words = caption(dataclasses.replace(spec, kind=name, **{'panels': '', **fields}), results)
        assert f'Of 150 values of learning rate {most} are shown, evenly spread.' in words
    monkeypatch.setattr(kind_lib, 'PANELS', 6)
    sheet = draw(spec, results)
    titles = [axes.get_title('left') for axes in sheet.axes[::2]]
    assert len(titles) == len(set(titles)) == 3
    assert (titles[0], titles[-1]) == ('learning rate 0.0001', 'learning rate 0.1')


def test_a_long_title_of_a_panel_keeps_within_it():
    results = sweep({SCHEME: tuple(long_names(4))}, seeds=2, epochs=2)
    sheet = draw(figure(panels=SCHEME), results)
    sheet.canvas.draw()
    titles = [axes.get_title('left') for axes in sheet.axes]
    assert len(set(titles)) == 4
    for axes in sheet.axes:
        title = axes._left_title.get_window_extent()
        assert title.x1 <= axes.get_window_extent().x1 + 20
    assert inside(sheet)


@pytest.mark.parametrize('count', [3, 50])
def test_classes_of_any_number_and_length_have_room(count):
    results = with_classes(sweep({RATE: (0.1,)}, seeds=2), long_names(count))
    for kind in ('confusion', 'labels'):
        sheet = draw(figure(kind=kind, metrics=()), results)
        assert max(sheet.get_size_inches()) < 16
        labels = [text.get_text() for text in sheet.axes[0].get_xticklabels()]
        assert len(labels) == len(set(labels)) > 2
        assert max(map(len, labels)) < 30
        assert inside(sheet)
        boxes = [text.get_window_extent() for text in sheet.axes[0].get_yticklabels()]
        assert all(a.y0 >= b.y1 - 1 or a.y1 <= b.y0 + 1 for a, b in itertools.pairwise(boxes))


def test_no_cell_of_a_matrix_reads_as_none_or_all_that_is_not():
    results = with_classes(sweep({RATE: (0.1,)}, seeds=2), ['a', 'b', 'c'])
    sheet = draw(figure(kind='confusion', metrics=()), results)
    cells = [text.get_text() for text in sheet.axes[0].texts]
    assert cells == ['>99', '<1', '0', '0', '100', '0', '0', '0', '100']


def test_a_row_for_diverged_runs_leaves_room_for_the_others():
    fields = {'b': (1, 2), SCHEME: tuple(f's{i}' for i in range(20))}
    results = sweep(fields, seeds=3, diverged=[(k, 0, 1) for k in range(40)])
    axes = draw(figure(kind='effect', x='b', hue=SCHEME), results).axes[0]
    low, high = axes.get_ylim()
    lowest = np.nanmin(results.finals['test_accuracy'])
    assert low < lowest < low + 0.6 * (high - low)
    crosses = [y for line in axes.get_lines() if line.get_marker() == 'x' for y in line.get_ydata()]
    assert 0 < min(crosses) < max(crosses) < 0.4


def test_shortened_names_stay_apart():
    assert shortened(['short', 'a' * 30], 10) == ['short', 'aaaaa…aaaa']
    words = shortened(['x' * 20 + 'y' + 'x' * 20, 'x' * 20 + 'z' + 'x' * 20, 'x' * 41], 12)
    assert len(set(words)) == 3
    assert max(map(len, words)) <= 16
    assert shortened(['a' * 20, 'a' * 20], 8) == ['aaaa…aaa'] * 2


def test_figures_of_other_kinds_are_bounded_too():
    settings = [{'penalty.l2': value} for value in range(60)]
    results = many(60)
    results = dataclasses.replace(results, settings=tuple(settings))
    bins = np.stack([np.full(10, 20.0), np.full(10, 9.5), np.full(10, 9.0)])
    counts = np.tile(np.arange(1.0, 9.0), (60, 2, 1))
    arrays = {
        'calibration': np.tile(bins, (60, 2, 1, 1)),
        'weight_histogram': counts,
        'weight_edges': np.tile(np.linspace(-1, 1, 9), (60, 2, 1)),
    }
    results = dataclasses.replace(results, arrays=arrays)
    results.finals['test_calibration_error'] = np.full((60, 2), 0.1)
    for kind in ('reliability', 'histogram'):
        sheet = draw(figure(kind=kind, metrics=(), hue='penalty.l2'), results)
        assert max(sheet.get_size_inches()) < 12
        assert any(text.get_text() == '59' for text in sheet.axes[-1].get_yticklabels())
