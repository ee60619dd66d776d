"""What is drawn is what was measured, and what cannot be drawn honestly is refused."""

import dataclasses
import itertools

import numpy as np
import pytest
from fake_results import batch_sizes, sweep
from figure_cases import ON_OFF, figure, text_of
from matplotlib.colors import to_rgb

from jaxtweaks.base.errors import UserError
from jaxtweaks.figures import figure_spec
from jaxtweaks.figures.figure_legend import MOST_NUMBERS
from jaxtweaks.figures.figure_style import styles
from jaxtweaks.figures.figures import Figure, caption, check, draw, save, svg
from jaxtweaks.figures.kind import OPTIONS
from jaxtweaks.figures.kinds.counts import confusion_shares, ink_on


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
    words = 'A mean or single seed of 0 or less has no place on a logarithmic axis.'
    assert words in caption(shown, results)


def test_a_single_seed_of_0_has_no_place_on_a_logarithmic_axis():
    results = batch_sizes()
    results.finals['train_loss'][0, 2] = 0
    shown = figure(kind='effect', metrics=('train_loss',), x='train.batch_size', log_y=True,
                   where={'model.norm': 'none'})  # fmt: skip
    words = 'A single seed of 0 has no place on a logarithmic axis.'
    assert words in caption(shown, results)
    assert words not in caption(dataclasses.replace(shown, log_y=False), results)
    assert words not in caption(dataclasses.replace(shown, where={'model.norm': 'batch'}), results)


def test_a_bar_that_reaches_0_runs_to_the_edge_of_a_logarithmic_axis():
    """The mean of 0.001, 0.05 and 0.2 is 0.0837, of which half the interval is 0.2575."""
    results = sweep({'penalty.l2': (1e-4, 1e-3)}, seeds=3)
    results.finals['train_loss'][:] = [[0.001, 0.05, 0.2], [0.1, 0.11, 0.12]]
    shown = figure(kind='effect', metrics=('train_loss',), x='penalty.l2', log_y=True)
    (axes,) = draw(shown, results).axes
    _, (lower_caps, upper_caps), (bars,) = axes.containers[0].lines
    np.testing.assert_allclose(bars.get_segments()[0][:, 1], [-0.1738, 0.3412], atol=1e-4)
    assert lower_caps.get_ydata()[0] < 0  # no place on the axis
    assert upper_caps.get_ydata()[0] == pytest.approx(0.3412, abs=1e-4)
    assert 5e-4 < axes.get_ylim()[0] < 1e-3  # as far as the lowest seed needs
    pixels = axes.transData.transform([(1e-4, -0.1738)])[0]
    assert pixels[1] < axes.get_window_extent().y0
    words = 'A bar that runs to the lower edge reaches 0 or below.'
    assert words in caption(shown, results)
    assert words not in caption(dataclasses.replace(shown, log_y=False), results)
    others = dataclasses.replace(shown, where={'penalty.l2': 1e-3})  # 0.0852 to 0.1348
    assert words not in caption(others, results)


def test_a_band_that_reaches_0_runs_to_the_edge_of_a_logarithmic_axis():
    results = sweep(ON_OFF, seeds=3)
    falling = 0.5 ** np.arange(8)
    results.curves['train_loss'][0] = np.array([[0.001], [0.05], [0.2]]) * falling
    results.curves['train_loss'][1] = np.array([[0.1], [0.11], [0.12]]) * falling
    shown = figure(metrics=('train_loss',), hue='model.norm', log_y=True)
    (axes,) = draw(shown, results).axes
    edge = axes.collections[0].get_paths()[0].vertices
    assert edge[edge[:, 0] == 1, 1].min() == pytest.approx(-0.1738, abs=1e-4)
    assert 0 < axes.get_ylim()[0] < 0.0837 / 128
    words = 'A band that runs to the lower edge reaches 0 or below.'
    assert words in caption(shown, results)
    assert words not in caption(dataclasses.replace(shown, where={'model.norm': 'batch'}), results)
    paths = figure(kind='paths', metrics=('train_loss',), x='test_accuracy', hue='model.norm',
                   log_y=True)  # fmt: skip
    assert words not in caption(paths, results)  # which has no bands


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


def test_a_confusion_matrix_is_summed_over_the_runs_that_there_are():
    results = sweep(ON_OFF, diverged=[(0, 1, 3)])
    for values in (*results.finals.values(), *results.curves.values()):
        values[1, 2:] = np.nan  # spared
    spec = figure(kind='confusion', hue='model.norm')
    titles = [axes.get_title('left') for axes in draw(spec, results).axes]
    assert ['(n = 4, 1 of 5 diverged)' in titles[0], '(n = 2, 3 of 5' in titles[1]] == [True, True]
    assert ', summed over 2 to 4 seeds. ' in caption(spec, results)
    whole = dataclasses.replace(spec, where={'model.norm': 'none'})
    assert ', summed over 4 seeds. ' in caption(whole, results)
    assert ', summed over 5 seeds. ' in caption(spec, sweep(ON_OFF))
    one = caption(spec, sweep(ON_OFF, seeds=1))
    assert ', of one seed' in one
    assert '±' not in one


def test_a_figure_has_as_many_seeds_as_the_settings_in_it():
    results = sweep(ON_OFF)
    for values in (*results.finals.values(), *results.curves.values()):
        values[1, 3:] = np.nan  # spared
    spec = figure(metrics=('train_loss',), hue='model.norm')
    assert '· 3 to 5 seeds' in caption(spec, results)
    one = dataclasses.replace(spec, where={'model.norm': 'batch'})
    assert '· 3 seeds' in caption(one, results)


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


def test_a_run_drawn_alone_that_falls_from_a_logarithmic_axis_is_explained():
    results = sweep(ON_OFF, diverged=[(1, 2, 6)])
    results.curves['train_loss'][1, 2, 4:6] = 0
    spec = figure(metrics=('train_loss',), hue='model.norm', log_y=True)
    words = 'A line that ends at the lower edge is 0 from there on.'
    assert words in caption(spec, results)
    paths = figure(kind='paths', metrics=('train_loss',), x='test_accuracy', hue='model.norm',
                   log_y=True)  # fmt: skip
    assert words not in caption(paths, results)  # which has no such run


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
