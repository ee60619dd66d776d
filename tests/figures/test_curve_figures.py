"""Curves and paths show the means over the runs there are, as long as these go."""

import numpy as np
import pytest
from fake_results import batch_sizes, sweep
from figure_cases import ON_OFF, figure, lines, text_of
from scipy import stats

from jaxtweaks.figures.figures import caption, draw


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
