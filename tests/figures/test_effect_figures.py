"""Effects show every seed, its mean and what is published, each at its own place."""

import numpy as np
import pytest
from fake_results import batch_sizes, sweep
from figure_cases import figure, text_of
from scipy import stats

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import field_label, named
from jaxtweaks.figures.figures import caption, check, draw


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


@pytest.mark.parametrize(
    ('metric', 'values', 'bounds'),
    [
        ('test_accuracy', [0.99, 0.90, 1.0], (0, 1)),
        ('test_accuracy', [0.01, 0.10, 0.0], (0, 1)),
        ('train_loss', [0.99, 0.90, 1.0], (-np.inf, np.inf)),
        ('train_loss', [0.01, 0.10, 0.0], (-np.inf, np.inf)),
    ],
)
def test_the_bar_and_the_band_of_a_share_end_where_shares_do(metric, values, bounds):
    rate = 'optim.learning_rate'
    results = sweep({rate: (0.1,)}, seeds=3)
    results.finals[metric] = np.array([values])
    results.curves[metric] = np.broadcast_to(results.finals[metric][..., None], (1, 3, 8))
    ends = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert min(ends) < 0 or max(ends) > 1
    expected = pytest.approx(np.clip(ends, *bounds))
    axes = draw(figure(kind='effect', metrics=(metric,), x=rate), results).axes[0]
    assert axes.containers[0].lines[2][0].get_segments()[0][:, 1].tolist() == expected
    (band,) = draw(figure(kind='curves', metrics=(metric,)), results).axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert [heights.min(), heights.max()] == expected


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
