"""Augmentation against hand-drawn pictures and SciPy in float64; how its draws are distributed."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, stats

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import parts, register, trace
from jaxtweaks.config.fields import traced
from jaxtweaks.config.settings import Setting
from jaxtweaks.train.augment import augmented, rotate, shift

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

KEY = jax.random.key(3)
ALL = {
    'flip': 0.5, 'shift': 1.5, 'rotate': 20.0, 'brightness': 0.5, 'contrast': 0.5, 'cutout': 2.0,
    'crop': 1.0, 'erasing': 0.5,
}  # fmt: skip
NAMES = list(ALL)
GEOMETRY = ('flip', 'shift', 'rotate')


def picture(*rows):
    """One image of one channel."""
    return jnp.asarray(rows, jnp.float32)[None, :, :, None]


def noise(*shape):
    return np.random.default_rng(0).normal(size=shape)


def slopes(count, side):
    """Images whose channels are the row and the column: they show how they were moved."""
    places = np.stack(np.meshgrid(*[np.arange(side)] * 2, indexing='ij'), -1)
    return jnp.asarray(np.broadcast_to(places, (count, side, side, 2)), jnp.float32)


def augment(key, images, strengths):
    """The images, with these strengths by the name of the part."""
    fields = {part.name: name for name, part in parts.strengths().items()}
    values = {fields[name]: strength for name, strength in strengths.items()}
    labels = jnp.zeros(len(images), jnp.int32)
    found, targets = augmented(key, images, labels, 3, trace.replace(Setting(), values))
    assert targets is None  # none of these mixes
    return found


@functools.partial(jax.jit, static_argnames='name')
def apply(key, images, name, strength):
    return augment(key, images, {name: strength})


def test_shift_by_hand():
    image = picture([1, 2, 3], [4, 5, 6], [7, 8, 9])
    expected = picture([2, 3, 3], [2, 3, 3], [5, 6, 6])
    assert np.array_equal(shift(image, jnp.array([1]), jnp.array([-1])), expected)
    assert np.array_equal(shift(image, jnp.array([9]), jnp.array([9])), jnp.ones((1, 3, 3, 1)))


def test_shift_is_scipys():
    images = noise(5, 6, 8, 3).astype(np.float32)
    down, right = np.array([0, 2, -3, 5, -6]), np.array([0, -1, 4, -7, 3])
    got = shift(jnp.asarray(images), jnp.asarray(down), jnp.asarray(right))
    for i, image in enumerate(images):
        expected = ndimage.shift(image, (down[i], right[i], 0), order=0, mode='nearest')
        assert np.array_equal(got[i], expected)


def test_rotate_by_hand():
    image = picture([1, 2, 3], [4, 5, 6], [7, 8, 9])
    quarter = rotate(image, jnp.array([90.0]))
    np.testing.assert_allclose(quarter, picture([3, 6, 9], [2, 5, 8], [1, 4, 7]), atol=1e-5)
    # A point at distance 1 right of the centre goes up along the circle; cos 45° = 0.7071.
    dot = picture([0, 0, 0], [0, 0, 1], [0, 0, 0])
    c = np.sqrt(0.5)
    expected = picture([0, (1 - c) * c, 0], [0, 0, (1 - c) * c], [0, 0, 0])
    got = rotate(dot, jnp.array([45.0]))
    np.testing.assert_allclose(got[0, [0, 1], [1, 2]], expected[0, [0, 1], [1, 2]], atol=1e-6)


@pytest.mark.parametrize(('height', 'width'), [(7, 7), (6, 9), (32, 32)])
def test_rotate_is_bilinear_interpolation(height, width):
    images = noise(4, height, width, 2)
    degrees = np.array([0.0, 13.0, -71.5, 200.0])
    got = rotate(jnp.asarray(images, jnp.float32), jnp.asarray(degrees, jnp.float32))
    centre = (np.array([height, width]) - 1) / 2
    places = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing='ij'))
    for image, angle, result in zip(images, np.deg2rad(degrees), got, strict=True):
        back = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        source = np.einsum('ij,jhw->ihw', back, places - centre[:, None, None])
        source += centre[:, None, None]
        for channel in range(2):
            expected = ndimage.map_coordinates(image[..., channel], source, order=1, mode='nearest')
            np.testing.assert_allclose(result[..., channel], expected, atol=2e-4)


def test_flips_mirror_left_and_right_with_their_probability():
    image = jnp.broadcast_to(picture([1, 2, 3], [4, 5, 6]), (4_000, 2, 3, 1))
    flipped = apply(KEY, image, 'flip', 0.3)
    mirrored = np.asarray(flipped[:, 0, 0, 0] == 3)
    expected = picture([3, 2, 1], [6, 5, 4])
    assert np.array_equal(flipped[mirrored], np.broadcast_to(expected, flipped[mirrored].shape))
    assert np.array_equal(flipped[~mirrored], image[~mirrored])
    assert stats.binomtest(int(mirrored.sum()), 4_000, 0.3).pvalue > 1e-3
    assert np.array_equal(apply(KEY, image, 'flip', 1.0), image[:, :, ::-1])


@pytest.mark.parametrize(
    ('largest', 'distribution'),
    [
        (2.0, {-2: 0.2, -1: 0.2, 0: 0.2, 1: 0.2, 2: 0.2}),
        (0.5, {-1: 0.25, 0: 0.5, 1: 0.25}),
        (1.25, {-2: 1 / 14, -1: 2 / 7, 0: 2 / 7, 1: 2 / 7, 2: 1 / 14}),
    ],
)
def test_shifts_are_whole_pixels_and_uniform(largest, distribution):
    moved = apply(KEY, slopes(4_000, 9), 'shift', largest)
    pixels = 4 - np.asarray(moved[:, 4, 4])
    for axis in range(2):
        counts = [np.sum(pixels[:, axis] == value) for value in distribution]
        assert sum(counts) == 4_000
        assert stats.chisquare(counts, 4_000 * np.array(list(distribution.values()))).pvalue > 1e-3
    assert abs(np.corrcoef(pixels.T)[0, 1]) < 4 / np.sqrt(4_000)


def test_rotations_are_uniform():
    # Bilinear interpolation is exact on slopes.
    turned = np.asarray(apply(KEY, slopes(2_000, 9), 'rotate', 30.0), np.float64)
    right = turned[:, 4, 5] - turned[:, 4, 4]
    degrees = np.rad2deg(np.arctan2(right[:, 0], right[:, 1]))
    assert stats.kstest(degrees, stats.uniform(-30, 60).cdf).pvalue > 1e-3


def test_brightness_adds_one_uniform_number_to_each_image():
    images = noise(2_000, 3, 3, 2).astype(np.float32)
    added = np.asarray(apply(KEY, jnp.asarray(images), 'brightness', 0.7)) - images
    np.testing.assert_allclose(added, np.broadcast_to(added[:, :1, :1, :1], added.shape), atol=1e-5)
    assert stats.kstest(added[:, 0, 0, 0], stats.uniform(-0.7, 1.4).cdf).pvalue > 1e-3


def test_contrast_scales_each_image_about_its_mean():
    images = 3 + noise(2_000, 3, 3, 2)
    scaled = apply(KEY, jnp.asarray(images, jnp.float32), 'contrast', 0.4)
    mean = images.mean((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(np.mean(scaled, (1, 2, 3), keepdims=True), mean, rtol=1e-5)
    ratios = np.asarray(scaled, np.float64).std((1, 2, 3)) / images.std((1, 2, 3))
    expected = mean + ratios[:, None, None, None] * (images - mean)
    np.testing.assert_allclose(scaled, expected, atol=1e-4)
    assert stats.kstest(ratios, stats.uniform(0.6, 0.8).cdf).pvalue > 1e-3


@pytest.mark.parametrize('side', [1.0, 3.0, 4.0, 2.5, 0.5])
def test_cutout_blanks_a_square_anywhere(side):
    """Each row is covered with the probability that its centre is within side/2 of the middle."""
    height, width, count = 5, 7, 6_000
    images = 1 + jnp.abs(jnp.asarray(noise(count, height, width, 2), jnp.float32))
    after = apply(KEY, images, 'cutout', side)
    blank = np.asarray(after == 0)
    assert np.array_equal(after[~blank], images[~blank])
    assert np.array_equal(blank[..., 0], blank[..., 1])
    blank = blank[..., 0]
    rows, columns = blank.any(2), blank.any(1)
    assert np.array_equal(blank, rows[:, :, None] & columns[:, None, :])
    covered = []
    for size in (height, width):
        y = np.arange(size)
        covered.append(np.minimum(y + side / 2, size - 0.5) - np.maximum(y - side / 2, -0.5))
    expected = np.outer(*covered) / (height * width)
    error = np.sqrt(expected * (1 - expected) / count)
    assert np.all(np.abs(blank.mean(0) - expected) < 5 * error + 1e-9)
    # What is covered is one piece, of the side's length where it is not cut off.
    edges = np.abs(np.diff(rows.astype(int), axis=1)).sum(1)
    assert edges.max() <= 2
    inner = rows[~rows[:, 0] & ~rows[:, -1] & rows.any(1)]
    assert set(inner.sum(1)) <= {int(np.floor(side)) or 1, int(np.ceil(side))}


@pytest.mark.parametrize('name', NAMES)
def test_zero_is_the_identity_bitwise(name):
    images = jnp.asarray(noise(6, 5, 5, 3), jnp.float32)
    images = images.at[0, :3, :3].set(-0.0).at[1, 2, 2].set(jnp.inf)
    strength = ALL[name]
    each = jax.vmap(apply, (None, None, None, 0))(KEY, images, name, jnp.array([0.0, strength]))
    assert np.asarray(each[0]).tobytes() == np.asarray(images).tobytes()
    assert np.asarray(each[1]).tobytes() != np.asarray(images).tobytes()
    assert augment(KEY, images, {}) is images
    assert augment(KEY, images, dict.fromkeys(NAMES, 0.0)) is images


def test_all_at_zero_is_the_identity_bitwise():
    images = jnp.asarray(noise(6, 5, 5, 3), jnp.float32).at[0, :3, :3].set(-0.0)
    off = jax.jit(functools.partial(augment, KEY, images))(dict.fromkeys(NAMES, 0.0))
    assert np.asarray(off).tobytes() == np.asarray(images).tobytes()


@pytest.mark.parametrize('name', NAMES)
def test_draws_differ_between_images_and_keys_and_not_between_runs_side_by_side(name):
    images = jnp.broadcast_to(jnp.asarray(noise(1, 6, 6, 2), jnp.float32), (32, 6, 6, 2))
    strength = ALL[name]
    alone = np.asarray(apply(KEY, images, name, strength))
    assert len(np.unique(alone.reshape(32, -1), axis=0)) > 1
    assert np.array_equal(alone, apply(KEY, images, name, strength))
    assert not np.array_equal(alone, apply(jax.random.key(4), images, name, strength))
    other = jnp.asarray([strength / 2, strength])
    side_by_side = jax.vmap(apply, (None, None, None, 0))(KEY, images, name, other)
    np.testing.assert_allclose(side_by_side[1], alone, rtol=1e-6, atol=1e-6)
    assert not np.allclose(side_by_side[0], alone)


@pytest.mark.parametrize('name', ['brightness', 'cutout'])
def test_draws_do_not_depend_on_what_else_is_on(name):
    """Of images of one value, flips, shifts, rotations and contrast leave nothing to see."""
    images = jnp.full((50, 6, 6, 1), 2.0)
    alone = apply(KEY, images, name, ALL[name])
    nothing = dict.fromkeys(('brightness', 'cutout', 'crop', 'erasing'), 0.0)
    others = nothing | {name: ALL[name]}
    together = augment(KEY, images, ALL | others)
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert not np.allclose(alone, images)


@pytest.mark.parametrize('shape', [(3, 1, 1, 1), (3, 1, 1, 5), (1, 4, 7, 3), (2, 40, 1, 1)])
def test_any_shape_keeps_its_shape_and_type(shape):
    with jax.numpy_dtype_promotion('strict'):
        strengths = jax.tree.map(jnp.float32, ALL)
        call = jax.jit(functools.partial(augment, KEY))
        result = call(jnp.asarray(noise(*shape), jnp.float32), strengths)
        assert (result.shape, result.dtype) == (shape, jnp.float32)
        assert np.all(np.isfinite(result))


@pytest.mark.parametrize('name', GEOMETRY)
def test_geometry_brings_in_no_values_beyond_the_images_own(name):
    images = jnp.asarray(noise(50, 6, 6, 2), jnp.float32)
    moved = np.asarray(apply(KEY, images, name, {'flip': 1.0, 'shift': 5.0, 'rotate': 180.0}[name]))
    for channel in range(2):
        ours, theirs = images[..., channel], moved[..., channel]
        assert np.all(theirs.max((1, 2)) <= ours.max((1, 2)) + 1e-5)
        assert np.all(theirs.min((1, 2)) >= ours.min((1, 2)) - 1e-5)


def mixed(alpha, key=KEY, count=40):
    images = jnp.asarray(noise(count, 3, 3, 2), jnp.float32)
    labels = jnp.arange(count, dtype=jnp.int32) % 3
    setting = trace.replace(Setting(), {'mixup.alpha': alpha})
    return images, labels, *augmented(key, images, labels, 3, setting)


def test_mixup_mixes_images_and_targets_by_the_same_share():
    """Each image is λ of itself and 1 − λ of another: the share is read from the targets."""
    images, labels, found, targets = mixed(1.0)
    own = np.eye(3)[labels]
    share = np.asarray(targets)[np.arange(40), labels].min()
    assert 0 < share < 1
    others = (np.asarray(found) - share * np.asarray(images)) / (1 - share)
    distance = np.abs(others[:, None] - np.asarray(images)[None]).max((2, 3, 4))
    partner = distance.argmin(1)
    assert distance.min(1).max() < 1e-4
    assert sorted(partner) == list(range(40))  # a permutation
    np.testing.assert_allclose(targets, share * own + (1 - share) * own[partner], atol=1e-6)


@pytest.mark.parametrize('alpha', [0.2, 1.0])
def test_shares_of_mixup_are_of_beta(alpha):
    """The share of an image's own class, over many keys, against the distribution by SciPy."""
    draw = jax.jit(lambda key: mixed(jnp.float32(alpha), key, 3)[3])
    targets = np.stack([draw(jax.random.key(i)) for i in range(300)])
    shares = targets[:, 0, 0]
    moved = shares[shares < 1]  # in a third of the permutations the first stays where it is
    assert stats.kstest(moved, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_mixup_at_a_traced_zero_is_the_labels_bitwise():
    images, labels, found, targets = jax.jit(mixed)(jnp.float32(0.0))
    assert np.asarray(found).tobytes() == np.asarray(images).tobytes()
    assert np.array_equal(targets, np.eye(3)[labels])


def test_a_change_of_ones_own_draws_from_a_stream_of_its_own_and_is_off_at_its_off_value():
    @register.augment('gain')
    def gain(key, images, *, factor=traced(1.0, 'factor', off=1.0)):
        return images * factor + jax.random.normal(key, images.shape)

    images = jnp.asarray(noise(4, 2, 2, 1), jnp.float32)
    one = augment(KEY, images, {'gain': 2.0})
    assert not np.allclose(one, 2 * images)
    assert np.array_equal(one, augment(KEY, images, {'gain': 2.0, 'mixup': 0.0}))
    assert np.array_equal(jax.jit(functools.partial(augment, KEY))(images, {'gain': 1.0}), images)

    @register.augment('wrong')
    def wrong(key, images, *, strength=traced(0.0, 'strength', off=0.0)):
        return images[:1]

    with pytest.raises(UserError, match=r"augment 'wrong': returns images float32 \[1, 2, 2, 1\]"):
        augment(KEY, images, {'wrong': 1.0})


def constant(values, side=8):
    """Images of one value each."""
    return jnp.broadcast_to(
        jnp.asarray(values, jnp.float32)[:, None, None, None], (len(values), side, side, 1)
    )


def is_rectangle(mask):
    """Whether the places of a mask [height, width] are all of those between its borders."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    inside = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return inside.all()


@functools.partial(jax.jit, static_argnames='name')
def mixed_by(key, images, labels, name, alpha):
    return augmented(key, images, labels, 4, trace.replace(Setting(), {name: alpha}))


def test_cutmix_takes_a_rectangle_of_another_image_and_its_share_of_the_target():
    labels = jnp.asarray([0, 1, 2, 3])
    images = constant([10.0, 20.0, 30.0, 40.0])
    areas = []
    for i in range(60):
        found, targets = mixed_by(jax.random.key(i), images, labels, 'cutmix.alpha', 1.0)
        found, targets = np.asarray(found)[..., 0], np.asarray(targets)
        masks = found != np.asarray(images)[..., 0]
        for one in range(4):
            for label in range(4):  # of each class the share of the pixels that show it
                shown = np.mean(found[one] == 10.0 * (label + 1))
                assert targets[one, label] == pytest.approx(shown, abs=1e-6)
            assert not masks[one].any() or is_rectangle(masks[one])
        areas.append(masks.any(0).mean())
    assert len(set(areas)) > 15  # the rectangle is another one for each batch
    assert 0.2 < np.mean(areas) < 0.5  # 1/2 for λ uniform on [0, 1], less what lies outside


def test_alpha_says_how_alike_the_shares_of_cutmix_are():
    """λ is near ½ by a large α, a side of √½ · 8 pixels; by a small one most are near 0 or 1."""
    images, labels = constant([10.0, 20.0, 30.0, 40.0]), jnp.asarray([0, 1, 2, 3])
    sides, kept = [], 0
    for i in range(30):
        by = functools.partial(mixed_by, jax.random.key(i), images, labels, 'cutmix.alpha')
        large, small = (np.asarray(by(alpha)[0] != images)[..., 0] for alpha in (1000.0, 0.05))
        sides += [large.any((0, 2)).sum(), large.any((0, 1)).sum()]
        kept += not small.any()
    assert max(sides) == 5
    assert kept > 7  # of 30: P(1 − λ < 1/64) is 0.41, and 0.02 if α is 1


def test_crops_are_numpys_of_an_image_with_a_border_of_zeros():
    images = jnp.asarray(noise(400, 5, 6, 2), jnp.float32)
    found = np.asarray(apply(KEY, images, 'crop', 2.0))
    padded = np.pad(np.asarray(images), ((0, 0), (2, 2), (2, 2), (0, 0)))
    places = []
    for image, bordered in zip(found, padded, strict=True):
        places += [
            (row, column)
            for row in range(5)
            for column in range(5)
            if np.array_equal(image, bordered[row : row + 5, column : column + 6])
        ]
    assert len(places) == 400
    counts = np.unique(places, axis=0, return_counts=True)[1]
    assert len(counts) == 25
    assert stats.chisquare(counts).pvalue > 1e-3


def test_erasing_puts_noise_in_a_rectangle_of_its_area_and_aspect():
    images = constant(np.full(2000, 9.0), 32)
    found = np.asarray(apply(KEY, images, 'erasing', 0.4))[..., 0]
    masks = found != 9.0
    hit = masks.any((1, 2))
    assert stats.binomtest(int(hit.sum()), 2000, 0.4).pvalue > 1e-3
    assert all(is_rectangle(mask) for mask in masks[hit])
    height, width = masks[hit].any(2).sum(1), masks[hit].any(1).sum(1)
    cut = (height == 32) | (width == 32)
    area, aspect = (height * width)[~cut] / 32**2, (height / width)[~cut]
    assert 0.01 < area.min() < 0.05
    assert 0.3 < area.max() < 0.45
    assert 0.2 < aspect.min() < 0.5
    assert 2 < aspect.max() < 5
    # Uniform in its logarithm: as many are tall as are wide.
    assert stats.binomtest(int((height > width).sum()), int((height != width).sum())).pvalue > 1e-3
    assert stats.kstest(found[masks][:2000], 'norm').pvalue > 1e-3


def test_what_erasing_is_given_is_what_it_does():
    values = {'erasing.smallest': 0.25, 'erasing.largest': 0.25, 'erasing.aspect': 1.0}
    setting = trace.replace(Setting(), {'erasing.probability': 1.0, **values})
    images = constant(np.full(50, 9.0), 8)
    found, _ = augmented(KEY, images, jnp.zeros(50, jnp.int32), 2, setting)
    masks = np.asarray(found)[..., 0] != 9.0
    assert (masks.sum((1, 2)) == 16).all()
    assert all(mask.any(1).sum() == 4 for mask in masks)
    rows = [int(np.flatnonzero(mask.any(1))[0]) for mask in masks]
    assert set(rows) == set(range(5))
