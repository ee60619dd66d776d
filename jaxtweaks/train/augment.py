"""Random changes of training images (GENERAL, data augmentation), drawn for each image alone.

The operations, in the order in which they are applied: flip, shift, rotate, brightness, contrast,
cutout, mixup, CutMix, crop, erasing. Each draws from a key of its own, so that what one of them
draws does not depend on which others are on.

Where an image is shifted or turned it goes on beyond its border with the outermost pixels
("nearest"): a fill of its own, such as 0, would be grey on MNIST and tell by how much an image was
moved. Images come as the network's inputs, see `data.standardise`; if they were standardised by
pixel, what is moved is the standardised image, not quite the picture. All numbers are in the unit
of these inputs: 0 is the mean of the training images, and 1 their standard deviation, only where
images are standardised by channel or by pixel, and `data.scale` is 1.
"""

import zlib
from typing import Any

import jax
import jax.numpy as jnp

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.config_file import blaming
from jaxtweaks.config.fields import traced
from jaxtweaks.config.part import Part
from jaxtweaks.config.parts import register
from jaxtweaks.config.settings import Setting

Number = jax.Array | float


def augmented(
    key: jax.Array, images: jax.Array, labels: jax.Array, classes: int, setting: Setting
) -> tuple[jax.Array, jax.Array | None]:
    """The images with all that a setting asks for done to them, and their targets if they mix.

    A strength that is a Python 0 is omitted; at a traced 0 the images stay bitwise as they are.

    Args:
      key: a random key, another one at each step.
      images: as the network's inputs, float [batch, height, width, channels]; any height and
        width ≥ 1.
      labels: integers, [batch].
      classes: their number.
      setting: its strengths may be traced.

    Returns:
      Images like `images`; the probabilities [batch, classes] that are their targets, None where
      nothing mixes images, so that their targets are the labels.
    """
    targets = None
    for part, given in trace.acting(setting):
        if part.slot != 'augment':
            continue
        strength, off = given[part.strength], part.parameters[part.strength].rule.off
        # The number names an operation's random stream, so it must not depend on which others
        # there are.
        number = part.facts.get('stream') or 0 if part.built_in else zlib.crc32(part.name.encode())
        stream = jax.random.fold_in(key, number)
        with blaming(f"augment '{part.name}'"):
            if part.facts.get('mixes'):
                before = jax.nn.one_hot(labels, classes) if targets is None else targets
                changed, mixed = part.build(stream, images, before, **given)
                _check(part, 'targets', before, mixed)
                targets = jnp.where(strength != off, mixed, before)
            else:
                changed = part.build(stream, images, **given)
        _check(part, 'images', images, changed)
        # An interpolation with weight 0 is not the identity for -0.0 and infinities.
        images = jnp.where(strength != off, changed, images)
    return images, targets


def _check(part: Part, what: str, given: jax.Array, found: Any) -> None:
    kind = getattr(found, 'dtype', None)
    if kind != given.dtype or found.shape != given.shape:
        other = f'{kind} {list(found.shape)}' if kind is not None else repr(found)
        raise UserError(
            f"augment '{part.name}': returns {what} {other} for {given.dtype} {list(given.shape)}; "
            'they must be like those it is given'
        )


def shift(images: jax.Array, down: jax.Array, right: jax.Array) -> jax.Array:
    """Moves each image by whole pixels, repeating its border.

    Args:
      images: [batch, height, width, channels].
      down, right: integers [batch], negative for up and left.

    Returns:
      Like `images`.
    """
    _, height, width, _ = images.shape
    rows = jnp.arange(height)[None, :, None] - down[:, None, None]
    columns = jnp.arange(width)[None, None, :] - right[:, None, None]
    return _pixels(images, jnp.clip(rows, 0, height - 1), jnp.clip(columns, 0, width - 1))


def rotate(images: jax.Array, degrees: jax.Array) -> jax.Array:
    """Turns each image counter-clockwise about its centre, by bilinear interpolation.

    Every new pixel looks up the place it comes from and gathers the four pixels around it. Three
    shears would gather six times, and blur thrice.

    Args:
      images: float [batch, height, width, channels].
      degrees: float [batch].

    Returns:
      Like `images`.
    """
    _, height, width, _ = images.shape
    angle = jnp.deg2rad(degrees)[:, None, None]
    middle_row, middle_column = (height - 1) / 2, (width - 1) / 2
    down = (jnp.arange(height, dtype=images.dtype) - middle_row)[None, :, None]
    right = (jnp.arange(width, dtype=images.dtype) - middle_column)[None, None, :]
    # Rows count downwards, which turns the sign of the angle around.
    row = jnp.cos(angle) * down + jnp.sin(angle) * right + middle_row
    column = jnp.cos(angle) * right - jnp.sin(angle) * down + middle_column
    row, column = jnp.clip(row, 0, height - 1), jnp.clip(column, 0, width - 1)
    above, left = jnp.floor(row), jnp.floor(column)
    lower, aside = (row - above)[..., None], (column - left)[..., None]
    above, left = above.astype(jnp.int32), left.astype(jnp.int32)
    below, right = jnp.minimum(above + 1, height - 1), jnp.minimum(left + 1, width - 1)

    def along_row(rows):
        first, second = _pixels(images, rows, left), _pixels(images, rows, right)
        return first + aside * (second - first)

    upper = along_row(above)
    return upper + lower * (along_row(below) - upper)


@register('augment', 'flip', words='mirror images', stream=0)
def random_flip(
    key: jax.Array,
    images: jax.Array,
    *,
    probability: Number = traced(
        0.0,
        'probability of a mirror image (left-right)',
        low=0.0,
        high=1.0,
        off=0.0,
        words='probability of a mirror image',
        former='augment.flip',
    ),
) -> jax.Array:
    """Mirrors each image left-right with this probability."""
    mirrored = jax.random.bernoulli(key, probability, (len(images), 1, 1, 1))
    return jnp.where(mirrored, images[:, :, ::-1], images)


@register('augment', 'shift', words='shifts', stream=1)
def random_shift(
    key: jax.Array,
    images: jax.Array,
    *,
    pixels: Number = traced(
        0.0,
        'largest shift up, down, left or right, in pixels',
        low=0.0,
        off=0.0,
        words='largest shift in pixels',
        former='augment.shift',
    ),
) -> jax.Array:
    """Rows and columns each by a number from ±(pixels + ½), rounded to the nearest integer.

    For a whole number of pixels that is −pixels … pixels, all equally likely.
    """
    end = pixels + 0.5
    drawn = jax.random.uniform(key, (2, len(images)), images.dtype, -1.0, 1.0) * end
    # A draw of exactly ±end would round away from the range.
    pixels = jnp.clip(jnp.round(drawn), -jnp.ceil(pixels), jnp.ceil(pixels))
    down, right = pixels.astype(jnp.int32)
    return shift(images, down, right)


@register('augment', 'rotate', words='rotations', stream=2)
def random_rotate(
    key: jax.Array,
    images: jax.Array,
    *,
    degrees: Number = traced(
        0.0,
        'largest rotation either way, in degrees',
        low=0.0,
        off=0.0,
        words='largest rotation in degrees',
        former='augment.rotate',
    ),
) -> jax.Array:
    """Turns each image by an angle of its own, either way."""
    return rotate(images, degrees * _either_way(key, images)[:, 0, 0, 0])


@register('augment', 'brightness', words='brightness', stream=3)
def random_brightness(
    key: jax.Array,
    images: jax.Array,
    *,
    change: Number = traced(
        0.0,
        "largest addition to all pixels, in the unit of the network's inputs",
        low=0.0,
        off=0.0,
        words='largest change of brightness',
        former='augment.brightness',
    ),
) -> jax.Array:
    """Adds a number to all pixels of an image, another one for each image."""
    return images + change * _either_way(key, images)


@register('augment', 'contrast', words='contrast', stream=4)
def random_contrast(
    key: jax.Array,
    images: jax.Array,
    *,
    change: Number = traced(
        0.0,
        'largest relative change of the contrast',
        low=0.0,
        high=1.0,
        off=0.0,
        words='largest change of contrast',
        former='augment.contrast',
    ),
) -> jax.Array:
    """Scales each image about the mean of its own pixels."""
    mean = jnp.mean(images, (1, 2, 3), keepdims=True)
    return mean + (1 + change * _either_way(key, images)) * (images - mean)


@register('augment', 'cutout', words='cutout', stream=5)
def random_cutout(
    key: jax.Array,
    images: jax.Array,
    *,
    side: Number = traced(
        0.0,
        'side of a square that is blanked, in pixels',
        low=0.0,
        off=0.0,
        words='side of the square cut out',
        former='augment.cutout',
    ),
) -> jax.Array:
    """Sets to 0, in the unit of the network's inputs, a square of each (DeVries, Taylor 2017).

    Its centre is anywhere in the image, so that a part of it may lie outside. It covers the pixels
    whose centres it covers: `side` by `side` of them where that is a whole number, and that many
    on average elsewhere.
    """
    _, height, width, _ = images.shape
    place = jax.random.uniform(key, (2, len(images), 1), images.dtype)
    inside = [
        jnp.abs(jnp.arange(size, dtype=images.dtype)[None] - (at * size - 0.5)) < side / 2
        for at, size in zip(place, (height, width), strict=True)
    ]
    covered = inside[0][:, :, None, None] & inside[1][:, None, :, None]
    return jnp.where(covered, jnp.zeros_like(images), images)


def _either_way(key: jax.Array, images: jax.Array) -> jax.Array:
    """A number from −1 to 1 for each image, [batch, 1, 1, 1]."""
    return jax.random.uniform(key, (len(images), 1, 1, 1), images.dtype, -1.0, 1.0)


def _pixels(images: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """The pixels at these places, which broadcast to [batch, height', width'], of each image."""
    batch, height, width, channels = images.shape
    index = rows * width + columns
    flat = images.reshape(batch, height * width, channels)
    take = lambda image, at: image.at[at].get(mode='promise_in_bounds')
    return jax.vmap(take)(flat, index)


@register('augment', 'mixup', mixes=True, stream=6)
def mixup(
    key: jax.Array,
    images: jax.Array,
    targets: jax.Array,
    *,
    alpha: Number = traced(
        0.0, 'α of Beta(α, α), the distribution of the shares', low=0.0, off=0.0, words='mixup α'
    ),
) -> tuple[jax.Array, jax.Array]:
    """λ of each image and 1 − λ of another one of the batch, and so of their targets.

    λ ~ Beta(α, α), one for the batch (Zhang et al. 2018, arXiv 1710.09412, §2 and its listing).
    """
    share_key, order_key = jax.random.split(key)
    # At α = 0 nothing is drawn from Beta; what is made of it there is not used.
    share = jax.random.beta(share_key, jnp.maximum(alpha, 1e-6), jnp.maximum(alpha, 1e-6))
    order = jax.random.permutation(order_key, len(images))
    mix = lambda of: share * of + (1 - share) * of[order]
    return mix(images), mix(targets)


@register('augment', 'cutmix', words='CutMix', mixes=True, stream=7)
def cutmix(
    key: jax.Array,
    images: jax.Array,
    targets: jax.Array,
    *,
    alpha: Number = traced(
        0.0, 'α of Beta(α, α), the distribution of the shares', low=0.0, off=0.0, words='CutMix α'
    ),
) -> tuple[jax.Array, jax.Array]:
    """A rectangle of another image of the batch, and of its target the share of the pixels.

    λ ~ Beta(α, α); the sides are √(1 − λ) of the image's, the centre is anywhere in it; one for the
    batch (Yun et al. 2019, arXiv 1905.04899, eq. 2 and the listing in its supplement).
    """
    share_key, order_key, place_key = jax.random.split(key, 3)
    share = jax.random.beta(share_key, jnp.maximum(alpha, 1e-6), jnp.maximum(alpha, 1e-6))
    order = jax.random.permutation(order_key, len(images))
    centre = jax.random.uniform(place_key, (2,), images.dtype)
    inside = []
    for at, size in zip(centre, images.shape[1:3], strict=True):
        half = jnp.floor(size * jnp.sqrt(1 - share)) / 2
        middle = jnp.floor(at * size)
        pixel = jnp.arange(size, dtype=images.dtype)
        inside.append((pixel >= jnp.floor(middle - half)) & (pixel < jnp.floor(middle + half)))
    covered = inside[0][None, :, None, None] & inside[1][None, None, :, None]
    taken = jnp.mean(covered, dtype=images.dtype)
    mixed = (1 - taken) * targets + taken * targets[order]
    return jnp.where(covered, images[order], images), mixed


@register('augment', 'crop', words='crops', stream=8)
def random_crop(
    key: jax.Array,
    images: jax.Array,
    *,
    pixels: Number = traced(
        0.0,
        'border of zeros around an image, of which a part of its size is cut out, in pixels',
        low=0.0,
        off=0.0,
        words='border of random crops in pixels',
    ),
) -> jax.Array:
    """A part of each image with a border of 0, in the unit of the network's inputs.

    He et al. 2015 (arXiv 1512.03385, §4.2), with 4 pixels. Of a border with fractions, the whole
    pixels.
    """
    _, height, width, _ = images.shape
    border = jnp.floor(jnp.asarray(pixels, jnp.float32))
    drawn = jax.random.uniform(key, (2, len(images)))
    down, right = (jnp.floor(drawn * (2 * border + 1)) - border).astype(jnp.int32)
    rows = jnp.arange(height)[None, :] - down[:, None]
    columns = jnp.arange(width)[None, :] - right[:, None]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[
        :, None
    ]
    return jnp.where(inside[..., None], shift(images, down, right), 0)


@register('augment', 'erasing', words='random erasing', stream=9)
def random_erasing(
    key: jax.Array,
    images: jax.Array,
    *,
    probability: Number = traced(
        0.0,
        'probability that a rectangle of an image is erased',
        low=0.0,
        high=1.0,
        off=0.0,
        words='probability of erasing',
    ),
    smallest: Number = traced(0.02, 'smallest share of the image erased', low=0.0, high=1.0),
    largest: Number = traced(0.4, 'largest share of the image erased', low=0.0, high=1.0),
    aspect: Number = traced(
        0.3, 'smallest ratio of its sides, either way', above=0.0, high=1.0, words='aspect ratio'
    ),
) -> jax.Array:
    """Random pixels in a rectangle (Zhong et al. 2017, arXiv 1708.04896, Algorithm 1).

    Pixels from N(0, 1) in the unit of the network's inputs. A rectangle longer than the image is
    cut to it, where the paper draws again.
    """
    batch, height, width, _ = images.shape
    hit_key, area_key, side_key, place_key, pixel_key = jax.random.split(key, 5)
    hit = jax.random.bernoulli(hit_key, probability, (batch,))
    share = smallest + (largest - smallest) * jax.random.uniform(area_key, (batch,))
    either = jax.random.uniform(side_key, (batch,), minval=-1.0, maxval=1.0)
    ratio = jnp.exp(either * jnp.log(aspect))  # uniform in its logarithm
    area = share * height * width
    places = jax.random.uniform(place_key, (2, batch))
    inside = []
    for side, at, size in (
        (jnp.sqrt(area * ratio), places[0], height),
        (jnp.sqrt(area / ratio), places[1], width),
    ):
        side = jnp.clip(jnp.round(side), 0, size)
        first = jnp.floor(at * (size - side + 1))
        pixel = jnp.arange(size, dtype=side.dtype)[None]
        inside.append((pixel >= first[:, None]) & (pixel < (first + side)[:, None]))
    erased = inside[0][:, :, None, None] & inside[1][:, None, :, None] & hit[:, None, None, None]
    return jnp.where(erased, jax.random.normal(pixel_key, images.shape, images.dtype), images)
