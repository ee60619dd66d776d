"""Calibration, weights and decision boundaries: the numbers drawn are those that were kept."""

import dataclasses

import numpy as np
import pytest
from fake_results import sweep

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.build import from_dict
from jaxtweaks.figures.figures import Figure, caption, check, draw, svg
from jaxtweaks.figures.kinds.arrays import common_shares
from jaxtweaks.figures.kinds.boundary import background, on_axes
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Plane

HUE = {'noise.smoothing': (0.0, 0.1)}


def figure(kind, **values) -> Figure:
    return from_dict(Figure, {'name': 'it', 'kind': kind, 'title': 'A title', **values})


def with_arrays(fields=HUE, seeds=3, diverged=(), **arrays):
    return dataclasses.replace(sweep(fields, seeds=seeds, diverged=diverged), arrays=arrays)


def calibrations(errors, seeds=3):
    """For each setting 200 images in two bins, too sure by so much."""
    bins = [
        [[60, 140], [0.5 * 60, 0.9 * 140], [(0.5 - e) * 60, (0.9 - e) * 140]] for e in errors
    ]  # fmt: skip
    return np.repeat(np.array(bins, float)[:, None], seeds, axis=1)


def test_reliability_shows_accuracy_against_confidence():
    results = with_arrays(calibration=calibrations((0.3, 0.1)))
    sheet = draw(figure('reliability', hue='noise.smoothing'), results)
    marks = [mark.get_offsets() for mark in sheet.axes[0].collections]
    np.testing.assert_allclose(marks[0], [[0.5, 0.2], [0.9, 0.6]])
    np.testing.assert_allclose(marks[1], [[0.5, 0.4], [0.9, 0.8]])
    labels = [text.get_text() for text in sheet.legends[0].get_texts()]
    assert '0\n(calibration error 30.00 ± 0.00%)' in labels
    small, large = sheet.axes[0].collections[0].get_sizes()
    assert small < large
    assert 'overconfident' in caption(figure('reliability', hue='noise.smoothing'), results)


def test_few_images_have_no_mark_and_a_diverged_run_does_not_count():
    kept = calibrations((0.3, 0.1))
    kept[0, :, :, 0] *= 2 / 60  # two images a run, of which one run diverged
    kept[0, 1] = np.nan
    results = with_arrays(calibration=kept, diverged=[(0, 1, 2)])
    sheet = draw(figure('reliability', hue='noise.smoothing'), results)
    np.testing.assert_allclose(sheet.axes[0].collections[0].get_offsets(), [[0.9, 0.6]])
    words = caption(figure('reliability', hue='noise.smoothing'), results)
    assert '1 run of 6 diverged' in words
    assert ', pooled over 2 to 3 seeds.' in words


def test_panels_say_their_calibration_errors():
    results = with_arrays(calibration=calibrations((0.3, 0.1)))
    sheet = draw(figure('reliability', panels='noise.smoothing'), results)
    assert len(sheet.axes) == 2
    assert sheet.axes[1].texts[0].get_text().endswith('10.00 ± 0.00%')


def test_histograms_on_common_edges_by_hand():
    # 4 entries in [−2, 0), 12 in [0, 2); of the second 6 in each half.
    shares = common_shares(
        np.array([[4.0, 12.0]]), np.array([[-2.0, 0.0, 2.0]]), np.array([-1.0, 0.0, 1.0, 3.0])
    )
    np.testing.assert_allclose(shares, [[2 / 16, 6 / 16, 6 / 16]])
    edges = np.linspace(-1, 1, 6)
    counts = np.array([[1.0, 2, 3, 4, 5]])
    np.testing.assert_allclose(common_shares(counts, edges[None], edges), counts / 15)


def test_a_histogram_is_the_mean_of_the_seeds():
    counts = np.zeros((2, 3, 4))
    counts[0] = [[0, 5, 5, 0], [0, 6, 4, 0], [0, 7, 3, 0]]
    counts[1] = [1, 1, 1, 1]
    edges = np.broadcast_to(np.linspace(-2, 2, 5), (2, 3, 5)).copy()
    results = with_arrays(weight_histogram=counts, weight_edges=edges)
    sheet = draw(figure('histogram', hue='noise.smoothing'), results)
    first, second = sheet.axes[0].get_lines()[:2]
    assert second.get_ydata().sum() > 0
    x, y = first.get_xdata(), first.get_ydata()
    assert y.sum() == pytest.approx(1)
    assert y[(x > -1) & (x < 0)].sum() == pytest.approx(0.6)
    assert 'kernels only' in caption(figure('histogram', hue='noise.smoothing'), results)


def test_a_histogram_of_runs_that_all_diverged_is_empty():
    nothing = np.full((2, 3, 4), np.nan)
    results = with_arrays(
        weight_histogram=nothing,
        weight_edges=np.full((2, 3, 5), np.nan),
        diverged=[(k, s, 1) for k in range(2) for s in range(3)],
    )
    for log_y in (False, True):
        sheet = draw(figure('histogram', hue='noise.smoothing', log_y=log_y), results)
        assert not sheet.axes[0].get_lines()


def test_a_band_of_a_histogram_that_reaches_0_runs_to_the_edge_of_a_logarithmic_axis():
    counts = np.empty((2, 3, 4))
    counts[0] = [[9, 41, 41, 9], [1, 49, 49, 1], [1, 49, 49, 1]]
    counts[1] = [[10, 40, 40, 10], [10, 41, 39, 10], [10, 39, 41, 10]]
    edges = np.broadcast_to(np.linspace(-2, 2, 5), (2, 3, 5)).copy()
    results = with_arrays(weight_histogram=counts, weight_edges=edges)
    spec = figure('histogram', hue='noise.smoothing', log_y=True)
    (axes,) = draw(spec, results).axes
    # 11/300 ± 4.303 · 0.0462 / √3: below 0, where a share cannot be.
    vertices = axes.collections[0].get_paths()[0].vertices
    left = vertices[vertices[:, 0] == axes.get_lines()[0].get_xdata()[0], 1]
    assert left.min() == 0
    assert left.max() == pytest.approx(0.1514, abs=1e-4)
    assert axes.get_ylim()[0] == pytest.approx(11 / 600)
    words = 'A band that runs to the lower edge reaches 0 or below.'
    assert words in caption(spec, results)
    assert words not in caption(dataclasses.replace(spec, log_y=False), results)
    certain = dataclasses.replace(spec, where={'noise.smoothing': 0.1})
    assert words not in caption(certain, results)


def plane_results(diverged=(), classes=2, seeds=2):
    xs, ys = np.linspace(0, 4, 5), np.linspace(10, 12, 3)
    grid = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
    right = 1 / (1 + np.exp(2 - grid[:, 0]))  # half at x = 2
    probabilities = np.stack([1 - right, right], -1)
    kept = np.broadcast_to(probabilities, (2, seeds, *probabilities.shape)).copy()
    for k, s, _ in diverged:
        kept[k, s] = np.nan
    results = with_arrays(
        {'init.scheme': ('he', 'lecun')}, seeds, diverged=diverged, grid_probabilities=kept
    )
    points = np.array([[1.0, 11.0], [3.0, 11.5], [3.5, 10.5]])
    plane = Plane(grid, points, np.array([0, 1, 1]))
    return dataclasses.replace(results, plane=plane, classes=('left', 'right'))


def test_a_boundary_lies_where_the_classes_are_equally_probable():
    results = plane_results()
    spec = figure('boundary', hue='init.scheme')
    sheet = draw(spec, results)
    assert len(sheet.axes) == 2
    (contour,) = sheet.axes[0].collections
    (path,) = [p for p in contour.get_paths() if len(p.vertices)]
    np.testing.assert_allclose(path.vertices[:, 0], 2, atol=1e-6)
    points = [line.get_xydata().tolist() for line in sheet.axes[0].get_lines()]
    assert points == [[[1.0, 11.0]], [[3.0, 11.5], [3.5, 10.5]]]
    accuracy = 100 * results.finals['test_accuracy'][1, 0]
    assert sheet.axes[1].get_title('left') == f'LeCun\ntest accuracy {accuracy:.2f}%'
    assert 'that of seed 0' in caption(spec, results)
    assert svg(sheet) == svg(draw(spec, results))


def test_a_boundary_is_of_the_first_seed_that_did_not_diverge():
    results = plane_results(diverged=[(0, 0, 1), (1, 0, 1), (1, 1, 1)])
    spec = figure('boundary', hue='init.scheme')
    sheet = draw(spec, results)
    accuracy = 100 * results.finals['test_accuracy'][0, 1]
    assert f'{accuracy:.2f}%' in sheet.axes[0].get_title('left')
    assert sheet.axes[1].texts[0].get_text() == 'every run diverged'
    assert 'that of seed 1' in caption(spec, results)


def test_a_grid_in_any_order_becomes_a_field():
    grid = np.array([[1.0, 5.0], [0.0, 7.0], [0.0, 5.0], [1.0, 7.0]])
    xs, ys, field = on_axes(grid, np.array([[10.0], [1.0], [0.0], [11.0]]))
    assert (xs.tolist(), ys.tolist()) == ([0, 1], [5, 7])
    assert field[..., 0].tolist() == [[0, 10], [1, 11]]


def test_the_background_is_white_at_chance():
    colors = background(np.array([[0.5, 0.5], [1.0, 0.0], [0.75, 0.25]]))
    np.testing.assert_allclose(colors[0], 1)
    np.testing.assert_allclose(1 - colors[2], (1 - colors[1]) / 2)
    np.testing.assert_allclose(background(np.full((1, 3), 1 / 3)), 1)


@pytest.mark.parametrize(
    ('kind', 'missing'),
    [
        ('reliability', 'calibration'),
        ('boundary', 'grid probabilities'),
        ('histogram', 'weight histogram'),
    ],
)
def test_what_was_not_kept_is_refused_before_training(kind, missing):
    settings = [{'noise.smoothing': 0.0}, {'noise.smoothing': 0.1}]
    with pytest.raises(UserError, match=f'no run records {missing}'):
        check([figure(kind, hue='noise.smoothing')], settings, Recorded())
    check([figure(kind, hue='noise.smoothing')], settings)
    with pytest.raises(UserError, match='differ in noise'):
        check([figure(kind)], settings)


def test_points_of_no_plane_have_no_boundary():
    results = dataclasses.replace(plane_results(), plane=None)
    with pytest.raises(UserError, match='are not points'):
        draw(figure('boundary', hue='init.scheme'), results)
