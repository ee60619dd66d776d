"""What is drawn is what was measured, and what cannot be drawn honestly is refused."""

import dataclasses
import itertools

import numpy as np
import pytest
from fake_results import batch_sizes, sweep
from matplotlib.colors import to_rgb
from scipy import stats

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import field_label, named
from jaxtweaks.config.build import from_dict
from jaxtweaks.figures import figure_spec
from jaxtweaks.figures.figure_legend import MOST_NUMBERS
from jaxtweaks.figures.figure_style import styles
from jaxtweaks.figures.figures import Figure, caption, check, draw, save, svg
from jaxtweaks.figures.kind import OPTIONS
from jaxtweaks.figures.kinds.counts import confusion_shares, ink_on

ON_OFF = {'model.norm': ('none', 'batch')}


def figure(**values) -> Figure:
    return from_dict(Figure, {'name': 'it', 'kind': 'curves', 'title': 'A title', **values})


def lines(axes, label):
    return [line for line in axes.get_lines() if line.get_label() == label]


def text_of(sheet) -> str:
    return '\n'.join(text.get_text() for text in sheet.texts)


def test_curves_show_the_mean_and_the_t_interval_of_the_seeds():
    results = sweep(ON_OFF)
    sheet = draw(figure(metrics=('test_accuracy',), hue='model.norm'), results)
    axes = sheet.axes[0]
    values = results.curves['test_accuracy'][1]
    (line,) = lines(axes, 'batch norm')
    np.testing.assert_allclose(line.get_ydata(), values.mean(0))
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 9))
    low, high = stats.t.interval(0.95, 4, values.mean(0), values.std(0, ddof=1) / np.sqrt(5))
    edge = axes.collections[1].get_paths()[0].vertices
    for epoch in range(8):
        ys = edge[edge[:, 0] == epoch + 1, 1]
        assert ys.min() == pytest.approx(low[epoch])
        assert ys.max() == pytest.approx(high[epoch])


def test_curves_end_where_the_runs_shown_end():
    results = sweep(ON_OFF)
    results.curves['test_accuracy'][0, :, 3:] = np.nan  # trained for three epochs, the other for 8
    for where, last in (({'model.norm': 'none'}, 3), ({}, 8)):
        shown = figure(metrics=('test_accuracy',), hue='model.norm', where=where)
        low, high = draw(shown, results).axes[0].get_xlim()
        assert low < 1
        assert last < high < last + 0.5


def test_paths_follow_one_metric_against_another():
    results = sweep(ON_OFF, diverged=[(1, 2, 3)])
    shown = figure(kind='paths', x='train_loss', metrics=('test_accuracy',), hue='model.norm')
    axes = draw(shown, results).axes[0]
    whole = [0, 1, 3, 4]  # seed 2 diverged
    x, y = (results.curves[name][1, whole].mean(0) for name in ('train_loss', 'test_accuracy'))
    (path,) = [line for line in axes.get_lines() if line.get_ydata()[0] == pytest.approx(y[0])]
    np.testing.assert_allclose(path.get_xdata(), x)
    np.testing.assert_allclose(path.get_ydata(), y)
    assert path.get_markevery() == [-1]
    assert axes.get_xlabel() == 'training loss'


def test_paths_of_nothing_but_diverged_runs_are_empty():
    results = sweep(ON_OFF, diverged=[(1, s, 1) for s in range(5)])
    shown = figure(kind='paths', x='train_loss', metrics=('test_accuracy',), hue='model.norm')
    axes = draw(shown, results).axes[0]
    assert len(axes.get_lines()) == 1  # of the other setting


def test_a_mark_stands_where_its_settings_stop():
    results = sweep(ON_OFF)
    stops = np.full((2, 5), 8.0)
    stops[1] = [2, 3, 4, 3, np.nan]
    results.finals['stop_epoch'] = stops
    marks = (({'model.norm': 'batch'}, 'stopped'), (5, 'annealed'))
    shown = figure(metrics=('train_loss',), hue='model.norm', marks=marks)
    sheet = draw(shown, results)
    upright = [line for line in sheet.axes[0].get_lines() if len(set(line.get_xdata())) == 1]
    assert [line.get_xdata()[0] for line in upright] == [3.0, 5]
    words = {text.get_text() for text in sheet.legends[0].get_texts()}
    assert {'stopped (mean over seeds)', 'annealed'} <= words  # no run stops at an epoch of 3.2
    stops[1] = 3
    words = {text.get_text() for text in draw(shown, results).legends[0].get_texts()}
    assert {'stopped', 'annealed'} <= words


def test_one_seed_has_no_band_and_says_so():
    results = sweep(ON_OFF, seeds=1)
    spec = figure(metrics=('test_accuracy',), hue='model.norm')
    sheet = draw(spec, results)
    assert not sheet.axes[0].collections
    assert 'no interval' in text_of(sheet)
    assert '1 seed' in caption(spec, results)


def test_a_diverged_run_leaves_the_mean_and_is_shown():
    results = sweep(ON_OFF, diverged=[(0, 2, 3)])
    spec = figure(metrics=('train_loss',), hue='model.norm')
    sheet = draw(spec, results)
    axes = sheet.axes[0]
    values = results.curves['train_loss'][0]
    (line,) = lines(axes, 'without normalisation')
    np.testing.assert_allclose(line.get_ydata(), values[[0, 1, 3, 4]].mean(0))
    cross = [line for line in axes.get_lines() if line.get_marker() == 'x']
    assert [tuple(c.get_xydata()[0]) for c in cross] == [(3.0, values[2, 2])]
    assert '1 run of 10 diverged' in text_of(sheet)
    assert 'without normalisation (1 of 5)' in caption(spec, results)
    labels = [text.get_text() for text in sheet.legends[0].get_texts()]
    assert 'without normalisation\n(1 of 5 diverged)' in labels


def test_what_diverged_is_counted_among_the_runs_there_are():
    results = sweep(ON_OFF, diverged=[(0, 2, 3)])
    for values in (*results.finals.values(), *results.curves.values()):
        values[0, 3:] = np.nan  # spared
    spec = figure(metrics=('train_loss',), hue='model.norm')
    assert '1 run of 8 diverged' in caption(spec, results)
    assert 'without normalisation (1 of 3)' in caption(spec, results)
    labels = [text.get_text() for text in draw(spec, results).legends[0].get_texts()]
    assert 'without normalisation\n(1 of 3 diverged)' in labels


@pytest.mark.parametrize(('epochs', 'each'), [(300, 1), (301, 5), (800, 10), (3000, 20)])
def test_long_curves_are_drawn_as_means_over_some_epochs(epochs, each):
    results = sweep(ON_OFF, seeds=3, epochs=epochs, diverged=[(0, 2, 57)])
    results.curves['train_loss'][1, 0, 240:] = np.nan  # ended
    spec = figure(metrics=('train_loss',), hue='model.norm')
    axes = draw(spec, results).axes[0]
    (line,) = lines(axes, 'without normalisation')
    points = -(-epochs // each)
    values = results.curves['train_loss'][0, :2]
    expected = [values[:, i : i + each].mean() for i in range(0, epochs, each)]
    np.testing.assert_allclose(line.get_ydata(), expected)
    assert line.get_xdata()[0] == (1 + each) / 2
    assert len(line.get_xdata()) == points
    (line,) = lines(axes, 'batch norm')
    assert np.isfinite(line.get_ydata()).sum() == 240 // each
    (cross,) = (one for one in axes.get_lines() if one.get_marker() == 'x')
    assert abs(cross.get_xdata()[0] - 57) <= each / 2
    note = f'Each point: the mean over {each} epochs'
    assert (note in caption(spec, results)) == (each > 1)


def test_a_setting_whose_runs_all_diverged_has_no_mean():
    results = sweep(ON_OFF, diverged=[(1, s, 2) for s in range(5)])
    sheet = draw(figure(metrics=('train_loss',), hue='model.norm'), results)
    assert not lines(sheet.axes[0], 'batch norm')
    assert len([x for x in sheet.axes[0].get_lines() if x.get_marker() == 'x']) == 5


def test_where_runs_have_ended_the_mean_ends():
    results = sweep(ON_OFF)
    results.curves['train_loss'][0, 1, 5:] = np.nan
    sheet = draw(figure(metrics=('train_loss',), hue='model.norm'), results)
    (line,) = lines(sheet.axes[0], 'without normalisation')
    assert np.isfinite(line.get_ydata()).tolist() == [True] * 5 + [False] * 3


def test_panels_share_the_y_axis_of_a_metric():
    spec = figure(
        metrics=('test_accuracy', 'train_loss'), hue='train.batch_size', panels='model.norm'
    )
    sheet = draw(spec, batch_sizes())
    assert len(sheet.axes) == 4
    first, second, third, fourth = (axes.get_ylim() for axes in sheet.axes)
    assert first == third
    assert second == fourth
    assert first != second


def test_effect_shows_means_bars_dots_and_published():
    results = batch_sizes(diverged=[(0, 1, 3)])
    spec = figure(
        kind='effect',
        metrics=('test_accuracy',),
        x='train.batch_size',
        hue='model.norm',
        log_x=True,
        published=((32, 0.72, 'ROLE'), (0.7, '')),
    )
    sheet = draw(spec, results)
    axes = sheet.axes[0]
    values = results.finals['test_accuracy']
    expected = [np.nanmean(values[k]) for k in range(0, 12, 2)]
    bars = axes.containers[0]
    np.testing.assert_allclose(bars.lines[0].get_ydata(orig=False), expected)
    low, high = bars.lines[2][0].get_segments()[0][:, 1]
    kept = np.delete(values[0], 1)
    half = stats.t.ppf(0.975, 3) * kept.std(ddof=1) / 2
    assert (low, high) == (pytest.approx(kept.mean() - half), pytest.approx(kept.mean() + half))
    assert [t.get_text() for t in axes.get_xticklabels()] == ['8', '16', '32', '64', '128', '256']
    marks = [line for line in axes.get_lines() if line.get_marker() == '*']
    assert marks[0].get_ydata()[0] == 0.72
    labels = [text.get_text() for text in sheet.legends[0].get_texts()]
    assert {'published: ROLE', 'published', 'a run that diverged'} <= set(labels)


def test_the_row_of_diverged_runs_has_no_tick_of_a_value_that_there_is_not():
    results = batch_sizes(diverged=[(0, 1, 3)])
    errors = 1 - results.finals['test_accuracy']
    results.finals['test_accuracy'] = 1 - (errors - np.nanmin(errors)) / np.nanmax(errors)  # to 0
    spec = figure(
        kind='effect', metrics=('1-test_accuracy',), x='train.batch_size', hue='model.norm'
    )
    sheet = draw(spec, results)
    sheet.canvas.draw()
    (axes,) = sheet.axes
    assert axes.get_ylim()[0] < -0.05  # there the runs that diverged are marked
    assert min(axes.get_yticks()) == pytest.approx(0)
    assert all('−' not in tick.get_text() for tick in axes.get_yticklabels())


def test_what_is_published_has_a_place_on_an_axis_of_words():
    results = batch_sizes()
    spec = {'kind': 'effect', 'metrics': ('test_accuracy',), 'x': 'model.norm'}
    spec |= {'hue': 'train.batch_size'}
    words = r"no setting has model\.norm = 'Batch'; did you mean 'batch'"
    with pytest.raises(UserError, match=words):
        draw(figure(**spec, published=(('Batch', 0.72, 'ROLE'),)), results)
    axes = draw(figure(**spec, published=(('batch', 0.72, ''),)), results)
    marks = [line for line in axes.axes[0].get_lines() if line.get_marker() == '*']
    assert [mark.get_ydata()[0] for mark in marks] == [0.72]


def test_every_seed_lies_inside_the_axes_and_a_source_is_named_once():
    results = batch_sizes()
    values = results.finals['test_accuracy']
    values[:2, 0] = 0.99  # outside their own interval
    published = ((8, 0.7, 'ROLE'), (32, 0.72, 'ROLE'))
    where = {'model.norm': 'none'}
    spec = figure(
        kind='effect',
        metrics=('test_accuracy',),
        x='train.batch_size',
        where=where,
        published=published,
    )
    sheet = draw(spec, results)
    low, high = sheet.axes[0].get_ylim()
    shown = values[results.select(where)]
    assert low <= np.nanmin(shown)
    assert np.nanmax(shown) <= high
    labels = [text.get_text() for legend in sheet.legends for text in legend.get_texts()]
    assert labels.count('published: ROLE') == 1


def x_pixels(axes, line):
    axes.get_figure().canvas.draw()
    return line.get_transform().transform(line.get_xydata())[:, 0]


def test_the_seeds_of_several_hues_lie_behind_their_own_mark():
    shown = {'kind': 'effect', 'metrics': ('test_accuracy',), 'x': 'train.batch_size'}
    axes = draw(figure(**shown, hue='model.norm', log_x=True), batch_sizes()).axes[0]
    seeds = [line for line in axes.get_lines() if line.get_alpha() == 0.45]
    for dots, bars in zip(seeds, axes.containers, strict=True):
        marks = x_pixels(axes, bars.lines[0])
        assert set(x_pixels(axes, dots).round(6)) == set(marks.round(6))
        assert dots.get_zorder() < bars.lines[0].get_zorder()
    one = figure(**shown, log_x=True, where={'model.norm': 'none'})
    axes = draw(one, batch_sizes()).axes[0]
    (dots,) = (line for line in axes.get_lines() if line.get_alpha() == 0.45)
    marks = x_pixels(axes, axes.containers[0].lines[0])
    offset = x_pixels(axes, dots)[::5] - marks
    assert 5 < offset.min() <= offset.max() < 0.4 * np.diff(marks).min()


def test_no_mark_looks_like_one_of_another_x():
    """Two values of x are far apart, and so were the marks of the hues."""
    results = sweep({'train.batch_size': (8, 16), 'model.norm': tuple('abcdef')})
    shown = figure(kind='effect', metrics=('test_accuracy',), x='train.batch_size',
                   hue='model.norm', log_x=True)  # fmt: skip
    axes = draw(shown, results).axes[0]
    places = np.array([x_pixels(axes, bars.lines[0])[0] for bars in axes.containers])
    assert np.diff(places).max() < 8
    assert np.ptp(places) < 0.3 * np.diff(x_pixels(axes, axes.containers[0].lines[0]))[0]


def test_published_marks_hide_nothing_and_have_the_colour_of_their_hue():
    published = ((32, 'batch', 0.72, 'ROLE'), (32, 'none', 0.7, 'ROLE'), (8, 0.7, 'other'))
    shown = figure(kind='effect', metrics=('test_accuracy',), x='train.batch_size',
                   hue='model.norm', log_x=True, published=published)  # fmt: skip
    sheet = draw(shown, batch_sizes())
    axes = sheet.axes[0]
    colors = [bars.lines[0].get_color() for bars in axes.containers]
    batch, none, other = (line for line in axes.get_lines() if line.get_marker() in '*d')
    assert [batch.get_color(), none.get_color()] == colors[::-1]
    assert other.get_color() not in colors
    left = min(x_pixels(axes, bars.lines[0])[2] for bars in axes.containers)
    for line in (batch, none, other):
        assert line.get_markerfacecolor() == 'none'
        assert line.get_zorder() < axes.containers[0].lines[0].get_zorder()
    for line in (batch, none):
        assert x_pixels(axes, line)[0] < left - 5
    labels = [text.get_text() for text in sheet.legends[0].get_texts()]
    assert labels[-2:] == ['published: ROLE', 'published: other']


def test_hues_of_unequal_numbers_of_seeds_say_how_many():
    results = batch_sizes()
    for values in (*results.finals.values(), *results.curves.values()):
        values[0, 3:] = np.nan  # spared
    shown = {'kind': 'effect', 'metrics': ('test_accuracy',), 'x': 'train.batch_size'}
    legend = draw(figure(**shown, hue='model.norm'), results).legends[0]
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ['without normalisation (n = 3 to 5)', 'batch norm (n = 5)']
    legend = draw(figure(**shown, hue='model.norm'), batch_sizes()).legends[0]
    assert [text.get_text() for text in legend.get_texts()][1] == 'batch norm'


@pytest.mark.parametrize(('log', 'at'), [(False, 300), (True, np.log10(300))])
def test_a_mark_stands_at_its_x(log, at):
    shown = figure(kind='effect', metrics=('test_accuracy',), x='train.batch_size',
                   hue='model.norm', log_x=log, marks=((300, 'limit'),))  # fmt: skip
    sheet = draw(shown, batch_sizes())
    upright = [line for line in sheet.axes[0].get_lines() if list(line.get_xdata()) == [at, at]]
    assert len(upright) == 1
    assert sheet.axes[0].get_xlim()[1] > at
    assert 'limit' in [text.get_text() for text in sheet.legends[0].get_texts()]


def test_the_note_on_zero_calls_it_what_its_tick_does():
    results = sweep({'penalty.l2': (0.0, 1e-4, 1e-3, 1e-2)})
    spec = figure(kind='effect', metrics=('test_accuracy',), x='penalty.l2', log_x=True,
                  names={'penalty.l2=0.0': 'none'})  # fmt: skip
    assert "0 ('none') has no place on a logarithmic axis" in caption(spec, results)


def test_zero_stands_apart_on_a_logarithmic_axis():
    results = sweep({'penalty.l2': (0.0, 1e-4, 1e-3, 1e-2)})
    spec = figure(kind='effect', metrics=('test_accuracy',), x='penalty.l2', log_x=True)
    sheet = draw(spec, results)
    np.testing.assert_allclose(
        sheet.axes[0].containers[0].lines[0].get_xdata(orig=False), [-5, -4, -3, -2]
    )
    assert '0 has no place' in text_of(sheet)


def test_the_complement_of_a_field_is_an_axis():
    results = sweep({'dropout.hidden': (0.0, 0.5, 0.9)})
    spec = figure(kind='effect', metrics=('train_loss',), x='1-dropout.hidden')
    sheet = draw(spec, results)
    line = sheet.axes[0].containers[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(orig=False), [0.1, 0.5, 1.0])
    assert line.get_ydata(orig=False)[0] == pytest.approx(results.finals['train_loss'][2].mean())


def test_fields_joined_by_a_plus_tell_settings_apart():
    """Where no field alone does: here each pair of batch size and batch norm is one line."""
    results = sweep({'train.batch_size': (8, 16), 'model.norm': ('none', 'batch')})
    both = 'train.batch_size + model.norm'
    assert results.values(both) == [(8, 'none'), (8, 'batch'), (16, 'none'), (16, 'batch')]
    assert results.select({both: ((8, 'batch'), (16, 'none'))}) == [1, 2]
    assert field_label(both) == 'batch size and normalisation'
    assert named(both, (8, 'none')) == 'batch size 8, without normalisation'
    assert named(both, (8, 'none'), {f"{both}=(8, 'none')": 'mine'}) == 'mine'
    check([figure(metrics=('train_loss',), hue=both)], results.settings)
    with pytest.raises(UserError, match='would be drawn as one'):
        check([figure(metrics=('train_loss',), hue='model.norm')], results.settings)


def test_categories_are_not_joined_by_a_line():
    results = sweep({'init.scheme': ('lecun', 'he')})
    sheet = draw(figure(kind='effect', metrics=('train_loss',), x='init.scheme'), results)
    assert sheet.axes[0].containers[0].lines[0].get_linestyle() == 'None'


def test_confusion_rows_add_up_without_the_diverged_runs():
    results = sweep(ON_OFF, diverged=[(0, 0, 1)])
    results.confusion[0, 0] = 10_000
    shares = confusion_shares(results, 0)
    np.testing.assert_allclose(shares.sum(1), 1)
    np.testing.assert_allclose(shares[3], results.confusion[0, 1:].sum(0)[3] / 400)
    published = (('none', 0.5311, '(MLP-BN)'),)
    sheet = draw(figure(kind='confusion', hue='model.norm', published=published), results)
    title = sheet.axes[0].get_title('left')
    mean = 100 * results.finals['test_accuracy'][0, 1:].mean()
    assert f'test accuracy {mean:.2f} ±' in title
    assert 'n = 4, 1 of 5 diverged' in title
    assert 'published 53.11% (MLP-BN)' in title
    assert sheet.axes[0].texts[0].get_text() == f'{100 * shares[0, 0]:.0f}'


@pytest.mark.parametrize(('color', 'ink'), [('#08306b', 'white'), ('#f7fbff', 'black')])
def test_numbers_in_cells_are_legible(color, ink):
    assert ink_on(to_rgb(color)) == ink


def test_labels_are_shares_of_their_split():
    results = sweep(ON_OFF)
    sheet = draw(figure(kind='labels'), results)
    heights = [bar.get_height() for bar in sheet.axes[0].containers[0]]
    np.testing.assert_allclose(heights, results.label_counts['training'] / 40_000)
    words = [text.get_text() for text in sheet.legends[0].get_texts()]
    assert words[0] == 'training\n(40,000 images)'


def test_stand_in_data_are_marked_in_the_figure():
    spec = figure(metrics=('test_accuracy',), hue='model.norm')
    assert 'stand-in' not in text_of(draw(spec, sweep(ON_OFF)))
    marked = draw(spec, sweep(ON_OFF, fallback=True))
    box = [
        text for text in marked.texts if 'stand-in data: digits, not CIFAR-10' in text.get_text()
    ]
    assert box[0].get_bbox_patch() is not None


@pytest.mark.parametrize('n', [2, 7, 12, 24])
def test_no_two_hues_look_alike(n):
    for values in ([*range(n)], [f'v{i}' for i in range(n)]):
        looks = styles(values)
        assert len({(s['color'], str(s['linestyle']), s['marker']) for s in looks}) == n
        assert len({(s['color'], str(s['linestyle'])) for s in looks}) == n  # without markers
        assert len({s['color'] for s in looks}) >= min(n, 12)


def distance(one, other):
    """Of two colours in CIELAB."""
    linear = [np.array(to_rgb(color)) for color in (one, other)]
    linear = [np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in linear]
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    f = [np.cbrt(to_xyz @ c / [0.9505, 1, 1.089]) for c in linear]
    lab = [(116 * y - 16, 500 * (x - y), 200 * (y - z)) for x, y, z in f]
    return float(np.linalg.norm(np.subtract(*lab)))


def test_colours_of_entries_can_be_told_apart():
    """By their colour alone where they are numbers, in order; else those that share a line."""
    numbers = [look['color'] for look in styles([*range(MOST_NUMBERS)])]
    assert min(distance(a, b) for a, b in itertools.pairwise(numbers)) > 15
    looks = styles([f'v{i}' for i in range(12)])
    for one, other in itertools.combinations(looks, 2):
        if one['linestyle'] == other['linestyle']:
            assert distance(one['color'], other['color']) > 30


def test_drawing_again_gives_the_same_bytes(tmp_path):
    results = batch_sizes(seeds=2, epochs=3, diverged=[(0, 1, 1)])
    spec = figure(metrics=('train_loss',), hue='train.batch_size', panels='model.norm')
    one = save(draw(spec, results), tmp_path / 'one', 'it')
    two = save(draw(spec, results), tmp_path / 'two', 'it')
    assert [p.name for p in one] == ['it.png', 'it.svg']
    for a, b in zip(one, two, strict=True):
        assert a.read_bytes() == b.read_bytes()
    assert svg(draw(spec, results)) == one[1].read_bytes()
    assert sorted(p.name for p in (tmp_path / 'one').iterdir()) == ['it.png', 'it.svg']


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'hue': 'train.batch_sise'}, "did you mean 'train.batch_size'"),
        ({'metrics': ('test_acuracy',)}, "did you mean 'test_accuracy'"),
        ({'metrics': ()}, 'needs metrics'),
        ({'hue': 'train.batch_size'}, 'differ in model.norm'),
        ({'where': {'train.batch_size': 7}}, 'no setting has train.batch_size = 7; valid: 8, 16'),
        ({'where': {'train.batch_size + model.norm': (8, 'none')}},
         r"for the value write \(\(8, 'none'\),\)"),
        ({'kind': 'effect'}, 'needs x'),
        ({'kind': 'effect', 'x': 'model.norm', 'log_x': True, 'hue': 'train.batch_size'},
         'needs numbers'),
        ({'hue': 'train.batch_size', 'panels': 'train.batch_size'}, 'named twice'),
        ({'published': ((1, 2, 3),)}, r'is not \(value, label\)'),
        *(({'kind': kind, 'published': ((0.5, 'report'),), 'where': {'train.batch_size': 8},
            'panels': 'model.norm'}, f"kind '{kind}' does not show published values")
          for kind in ('fit', 'reliability', 'boundary', 'histogram')),
        ({'marks': ((1,),)}, r'is not \(epoch, label\)'),
        ({'marks': (({'train.batch_size': 7}, 'stop'),)}, 'no setting'),
        ({'kind': 'effect', 'x': 'train.batch_size', 'hue': 'model.norm',
          'marks': (({'model.norm': 'none'}, 'stop'),)}, r'is not \(x, label\) with numbers as x'),
        ({'kind': 'effect', 'x': 'model.norm', 'hue': 'train.batch_size',
          'marks': ((1, 'stop'),)}, r'is not \(x, label\) with numbers as x'),
        ({'kind': 'effect', 'x': 'train.batch_size', 'hue': 'model.norm', 'log_x': True,
          'marks': ((0, 'stop'),)}, 'log_x needs numbers > 0, not 0'),
        ({'kind': 'effect', 'x': 'train.batch_size', 'hue': 'model.norm',
          'published': ((8, 'Batch', 0.5, 'report'),)},
         "no setting has model.norm = 'Batch'; did you mean 'batch'"),
        ({'kind': 'paths'}, 'needs x'),
        ({'kind': 'paths', 'x': 'train.batch_size'}, 'no metric by epoch'),
        ({'name': '../it'}, 'the name of a file'),
        ({'name': 'a' * 101}, 'has 101 letters; it may have at most 100'),
        ({'title': ''}, 'title is empty'),
        ({'kind': 'effect', 'x': 'train.batch_size', 'hue': 'model.norm', 'log_x': True,
          'published': ((-8, 0.5, 'report'),)}, 'needs numbers ≥ 0 on the x axis, not -8'),
        ({'kind': 'labels'}, "'labels' does not read metrics; it reads title and caption"),
        *(({'kind': kind, 'metrics': (), key: value}, f"'{kind}' does not read {key}; it reads")
          for kind, key, value in (
              ('labels', 'hue', 'train.batch_size'),
              ('labels', 'where', {'train.batch_size': 8}),
              ('confusion', 'panels', 'train.batch_size'),
              ('confusion', 'log_x', True),
              ('fit', 'hue', 'train.batch_size'),
              ('paths', 'marks', ((1, 'stop'),)),
              ('curves', 'x', 'train.batch_size'),
              ('curves', 'log_x', True),
              ('histogram', 'x', 'train.batch_size'),
          )),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused_before_training(changes, message):
    with pytest.raises(UserError, match=message):
        check([figure(**{'metrics': ('test_accuracy',), **changes})], batch_sizes().settings)


def test_every_field_of_a_figure_is_read_by_some_kind():
    read = {name for kind in figure_spec.KINDS.values() for name in kind.reads}
    assert read == set(OPTIONS)
    every = {field.name for field in dataclasses.fields(Figure)}
    assert every == {*OPTIONS, 'name', 'kind', 'title', 'caption', 'names'}
    for kind in figure_spec.KINDS.values():
        assert set(kind.needs) <= set(kind.reads)


def test_two_figures_may_not_share_a_name():
    with pytest.raises(UserError, match='two figures'):
        check([figure(kind='labels')] * 2, [{}])


def test_a_metric_that_was_not_measured_is_refused():
    results = dataclasses.replace(sweep(ON_OFF), curves={}, finals={})
    with pytest.raises(UserError, match="no metric by epoch 'train_loss'"):
        draw(figure(metrics=('train_loss',), hue='model.norm'), results)


def test_a_long_label_of_the_y_axis_stays_next_to_it():
    results = batch_sizes()
    results.finals['gradient_variance'] = results.finals['train_loss']
    shown = figure(kind='effect', metrics=('gradient_variance', 'test_accuracy'),
                   x='train.batch_size', where={'model.norm': 'none'})  # fmt: skip
    sheet = draw(shown, results)
    sheet.canvas.draw()
    axes = sheet.axes[0]
    box, label = axes.get_window_extent(), axes.yaxis.label.get_window_extent()
    assert label.height <= box.height + 1
    assert label.y1 <= box.y1 + 0.1 * box.height


def test_one_seed_has_no_error_bar_on_a_logarithmic_axis_either():
    results = batch_sizes(seeds=1)
    shown = figure(kind='effect', metrics=('train_loss',), x='train.batch_size', log_y=True,
                   where={'model.norm': 'none'})  # fmt: skip
    axes = draw(shown, results).axes[0]
    ends = [y for bar in axes.containers for cap in bar[1] for y in cap.get_ydata()]
    assert len(ends) == 12
    assert np.isnan(ends).all()


def test_a_mean_below_zero_has_no_place_on_a_logarithmic_axis():
    results = batch_sizes()
    results.finals['train_loss'][:2] *= -1
    shown = figure(kind='effect', metrics=('train_loss',), x='train.batch_size', log_y=True,
                   where={'model.norm': 'none'})  # fmt: skip
    axes = draw(shown, results).axes[0]
    assert axes.get_ylim()[0] > 0
    assert 'A mean of 0 or less has no place on a logarithmic axis.' in caption(shown, results)


def test_a_logarithmic_axis_of_many_decades_has_ticks_at_powers_of_ten():
    results = batch_sizes()
    results.curves['train_loss'][:] *= 0.01 ** np.arange(12)[:, None, None]
    shown = figure(metrics=('train_loss',), hue='train.batch_size', log_y=True,
                   where={'model.norm': 'none'})  # fmt: skip
    axes = draw(shown, results).axes[0]
    low, high = axes.get_ylim()
    ticks = np.log10([tick for tick in axes.get_yticks() if low <= tick <= high])
    assert 3 <= len(ticks) <= 10
    np.testing.assert_allclose(ticks, np.round(ticks), atol=1e-9)


@pytest.mark.parametrize(
    ('zero', 'words'),
    [
        (slice(5, None), 'A line that ends at the lower edge is 0 from there on.'),
        (slice(2, 4), 'A line that falls to the lower edge is 0 there.'),
        (slice(0, 0), ''),
    ],
)
def test_a_line_that_falls_from_a_logarithmic_axis_is_explained(zero, words):
    results = sweep(ON_OFF)
    results.curves['train_loss'][1, :, zero] = 0
    spec = figure(metrics=('train_loss',), hue='model.norm', log_y=True)
    assert words in caption(spec, results)
    assert words or 'lower edge' not in caption(spec, results)
    assert 'lower edge' not in caption(dataclasses.replace(spec, log_y=False), results)
    results.curves['train_loss'][:, :, zero] *= -1
    results.curves['train_loss'][0, :, :1] = -1
    assert 'falls to the lower edge is 0 or less there' in caption(spec, results)


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('kind', ['curves', 'effect'])
def test_without_a_value_above_zero_the_axis_is_linear(kind):
    results = batch_sizes()
    for measured in (results.finals, results.curves):
        measured['train_loss'] *= -1
    given = {'hue': 'train.batch_size'} if kind == 'curves' else {'x': 'train.batch_size'}
    shown = figure(kind=kind, metrics=('train_loss',), log_y=True,
                   where={'model.norm': 'none'}, **given)  # fmt: skip
    axes = draw(shown, results).axes[0]
    assert axes.get_yscale() == 'linear'
    assert axes.get_ylim()[0] < 0


def test_dollars_in_the_words_of_a_config_are_dollars(tmp_path):
    """They are no formula, and one that is none would end in an error after all the training."""
    spec = figure(metrics=('train_loss',), hue='model.norm', title='$\\nosuch$ & <b>')
    sheet = draw(spec, sweep(ON_OFF))
    paths = save(sheet, tmp_path, 'f')
    assert all(path.stat().st_size for path in paths)
    assert b'<b>' not in paths[1].read_bytes()
