"""Generated data: that they have their distributions, and repeat themselves."""

import dataclasses

import numpy as np
import pytest

from jaxtweaks import data
from jaxtweaks.config import settings
from jaxtweaks.data import circles, patterns, waveforms
from jaxtweaks.data.catalogue import CATALOGUE
from jaxtweaks.data.generated import WORLDS

SIZES = {'train_size': 600, 'validation_size': 200, 'test_size': 300}


def loaded(name, **more):
    return data.load(settings.Data(name=name, **(SIZES | more)))


@pytest.mark.parametrize('name', WORLDS)
def test_sizes_types_and_shapes_are_those_announced(name):
    dataset, known = loaded(name), CATALOGUE[name]
    parts = {'training': 600, 'validation': 200, 'test': 300}
    splits = {part: getattr(dataset, part) for part in parts} | dict(dataset.probes)
    for part, split in splits.items():
        assert split.images.shape == (parts.get(part, 200), *known.shape)
        assert split.images.dtype == np.float32
        assert split.labels.dtype == np.int32
        assert np.isfinite(split.images).all()
        counts = np.bincount(split.labels, minlength=len(known.classes))
        assert len(counts) == len(known.classes)
        assert counts.max() - counts.min() <= 1
        with pytest.raises(ValueError, match='read-only'):
            split.images[0] = 0
    assert dataset.label == known.title
    assert not dataset.fallback


def test_test_size_0_is_a_number_of_its_own():
    assert len(loaded('circles', test_size=0).test) == 10_000


@pytest.mark.parametrize('name', WORLDS)
def test_the_seed_of_the_split_decides_and_nothing_else(name):
    first, again, other = loaded(name), loaded(name), loaded(name, split_seed=1)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert not np.array_equal(first.training.images, other.training.images)
    smaller = loaded(name, train_size=100)
    np.testing.assert_array_equal(smaller.test.images, first.test.images)
    np.testing.assert_array_equal(smaller.validation.images, first.validation.images)
    assert smaller.fingerprint != first.fingerprint


@pytest.mark.parametrize('name', WORLDS)
def test_no_example_is_in_two_splits(name):
    dataset = loaded(name)
    splits = [dataset.training, dataset.validation, dataset.test, *dataset.probes.values()]
    rows = np.concatenate([split.images.reshape(len(split), -1) for split in splits])
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_what_is_not_used_is_said():
    reported = []
    data.load(settings.Data(name='circles', dir='/somewhere', **SIZES), reported.append)
    assert reported == ['notice: data.dir is not used: circles is generated']


def test_circles():
    """Radii, noise and angles, each within five standard errors."""
    dataset = loaded('circles', train_size=20_000)
    points = dataset.training.images[:, 0, 0].astype(np.float64) - circles.CENTRE
    for label, radius in enumerate((1.0, 0.5)):
        chosen = points[dataset.training.labels == label]
        n = len(chosen)
        # E|x|² = radius² + 2σ²; the mean of a coordinate is 0, its variance radius²/2 + σ².
        squares = np.square(chosen).sum(1)
        assert abs(squares.mean() - (radius**2 + 0.02)) < 5 * squares.std() / n**0.5
        assert np.all(np.abs(chosen.mean(0)) < 5 * ((radius**2 / 2 + 0.01) / n) ** 0.5)
        across = np.hypot(*chosen.T)
        assert abs(across.std() - 0.1) < 0.005
        turns = np.histogram(np.arctan2(*chosen.T), 8, (-np.pi, np.pi))[0]
        assert np.all(np.abs(turns - n / 8) < 5 * (n * 7 / 64) ** 0.5)


def test_rings_are_apart():
    """Radii 3 to 5 and 0 to 2, uniformly, in every direction alike."""
    dataset = loaded('rings', train_size=20_000)
    points = dataset.training.images[:, 0, 0].astype(np.float64) - circles.CENTRE
    for label, radius in enumerate((4.0, 1.0)):
        chosen = points[dataset.training.labels == label]
        n, across = len(chosen), np.hypot(*chosen.T)
        assert radius - 1 <= across.min() + 1e-5
        assert across.max() - 1e-5 <= radius + 1
        found = np.histogram(across, 4, (radius - 1, radius + 1))[0]
        assert np.all(np.abs(found - n / 4) < 5 * (n * 3 / 16) ** 0.5)
        turns = np.histogram(np.arctan2(*chosen.T), 8, (-np.pi, np.pi))[0]
        assert np.all(np.abs(turns - n / 8) < 5 * (n * 7 / 64) ** 0.5)


@pytest.mark.parametrize('name', ['circles', 'rings'])
def test_grid_of_the_circles_goes_row_by_row_over_all_points(name):
    dataset = loaded(name, train_size=20_000)
    side = circles.GRID_SIDE
    grid = dataset.grid.reshape(side, side, 2)
    assert np.all(grid[:, :, 0] == grid[0, :, 0])
    assert np.all(grid[:, :, 1] == grid[:, :1, 1])
    assert np.all(np.diff(grid[0, :, 0]) > 0)
    assert np.all(np.diff(grid[:, 0, 1]) > 0)
    points = dataset.training.images.reshape(-1, 2)
    assert np.all(points > grid[0, 0])
    assert np.all(points < grid[-1, -1])


def test_waveforms_have_the_power_and_the_tones_of_their_class():
    dataset = loaded('waveforms', train_size=8_000)
    signals = dataset.training.images[:, :, 0, 0].astype(np.float64)
    # Noise 1 and tones of power 1 on average over phases, times E[loudness²] = exp(2 · 0.3²).
    assert np.square(signals).mean() == pytest.approx(1 + np.exp(2 * 0.3**2), rel=0.03)
    spectra = np.square(np.abs(np.fft.rfft(signals))).astype(np.float64)
    means = np.stack([spectra[dataset.training.labels == c].mean(0) for c in range(40)])
    # What lies above all tones is noise: its spectrum is flat at T σ².
    assert means[:, 80:].mean() == pytest.approx(waveforms.LENGTH, rel=0.02)
    assert np.all(means[:, :75].max(1) > 5 * waveforms.LENGTH)
    likeness = np.corrcoef(means[:, :75])
    assert np.sort(likeness[~np.eye(40, dtype=bool)])[-5] < 0.999


def halves(split):
    d = patterns.P_DIMENSIONS
    rows = split.images.reshape(len(split), -1).astype(np.float64)
    return rows[:, :d], rows[:, d:], 2 * split.labels - 1


def test_components_of_the_patterns_are_there_as_often_as_they_should_be():
    dataset = loaded('patterns', train_size=20_000)
    p, q, _ = halves(dataset.training)
    has_p, has_q = p.any(1), q.any(1)
    assert np.all(has_p | has_q)
    for share, expected in ((np.mean(~has_q), 0.05), (np.mean(~has_p), 0.2)):
        assert abs(share - expected) < 5 * (expected * (1 - expected) / 20_000) ** 0.5
    for name, shown in (('p_only', (1, 0)), ('q_only', (0, 1)), ('both', (1, 1))):
        p, q, _ = halves(dataset.probes[name])
        assert (p.any(1).all(), q.any(1).all()) == shown
        assert (p.any(), q.any()) == shown


def test_p_is_two_half_gaussians_with_a_margin():
    p, _, y = halves(loaded('patterns', validation_size=20_000).probes['p_only'])
    d, n = patterns.P_DIMENSIONS, len(p)
    mean = (y[:, None] * p).mean(0)
    w = mean / np.linalg.norm(mean)
    # ⟨w⋆, yx⟩ = γ₀ + |g|, with g ~ N(0, 1/d): at least 1/√d, in the mean (1 + √(2/π))/√d.
    assert np.linalg.norm(mean) == pytest.approx((1 + (2 / np.pi) ** 0.5) / d**0.5, rel=0.03)
    along = y * (p @ w)
    assert np.quantile(along, 0.001) > 0.9 / d**0.5
    across = p - np.outer(p @ w, w)
    variances = across.var(0)
    assert variances.mean() == pytest.approx((d - 1) / d / d, rel=5 * (2 / n) ** 0.5)


def test_q_is_three_directions_with_the_middle_one_apart():
    _, q, y = halves(loaded('patterns', validation_size=20_000).probes['q_only'])
    length = np.linalg.norm(q, axis=1)
    q, y, length = q[length > 0.05], y[length > 0.05], length[length > 0.05]
    directions = q / length[:, None]
    middle = directions[y == 1]
    np.testing.assert_allclose(middle, np.broadcast_to(middle[0], middle.shape), atol=1e-5)
    z = middle.mean(0)
    offset = q[y == -1] / (q[y == -1] @ z)[:, None] - z
    r = patterns.Q_DIMENSIONS**-0.75
    np.testing.assert_allclose(np.linalg.norm(offset, axis=1), r, rtol=1e-3)
    zeta = offset[0]
    sign = np.sign(offset @ zeta)
    np.testing.assert_allclose(offset, sign[:, None] * zeta, atol=1e-4)
    assert abs(np.mean(sign)) < 5 / len(sign) ** 0.5
    # α ~ U(0, 1), here given that it is above 0.05.
    assert abs((q @ z).mean() - 0.525) < 5 * 0.95 / (12 * len(q)) ** 0.5


def test_size_of_a_probe_is_that_of_validation():
    dataset = data.load(dataclasses.replace(settings.Data(name='patterns'), **SIZES))
    assert {len(probe) for probe in dataset.probes.values()} == {200}
