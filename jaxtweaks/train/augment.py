"""Random changes of training images (GENERAL, data augmentation), drawn anew for each image.

The operations, in the order in which they are applied: flip, shift, rotate, brightness, contrast,
cutout. Each draws from a key of its own, so that what one of them draws does not depend on which
others are on.

Beyond the border an image goes on with its outermost pixels ("nearest"): a fill of its own, such
as 0, would be grey on MNIST and tell by how much an image was moved. Images come standardised; if
that was by pixel, what is moved is the standardised image, not quite the picture.
"""

import jax
import jax.numpy as jnp

from jaxtweaks.config.settings import Augment
from jaxtweaks.nn.dropout import is_off


def augment(key: jax.Array, images: jax.Array, config: Augment) -> jax.Array:
    """The images with all that `config` asks for done to them.

    A strength that is a Python 0 is left out; at a traced 0 the images stay as they are, to the
    bit.

    Args:
      key: a random key, another one at each step.
      images: standardised, float [batch, height, width, channels]; any height and width ≥ 1.
      config: the strengths, which may be traced; see `settings.Augment` for their units.

    Returns:
      Like `images`.
    """
    # The place in this list is an operation's random stream: append, never reorder.
    operations = (
        (_flip, config.flip),
        (_shift, config.shift),
        (_rotate, config.rotate),
        (_brightness, config.brightness),
        (_contrast, config.contrast),
        (_cutout, config.cutout),
    )
    for stream, (operation, strength) in enumerate(operations):
        if not is_off(strength):
            changed = operation(jax.random.fold_in(key, stream), images, strength)
            # An interpolation with weight 0 is not the identity for -0.0 and infinities.
            images = jnp.where(strength > 0, changed, images)
    return images


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
    below, beside = jnp.minimum(above + 1, height - 1), jnp.minimum(left + 1, width - 1)

    def along_row(rows):
        first, second = _pixels(images, rows, left), _pixels(images, rows, beside)
        return first + aside * (second - first)

    upper = along_row(above)
    return upper + lower * (along_row(below) - upper)


def _flip(key: jax.Array, images: jax.Array, probability: jax.Array | float) -> jax.Array:
    mirrored = jax.random.bernoulli(key, probability, (len(images), 1, 1, 1))
    return jnp.where(mirrored, images[:, :, ::-1], images)


def _shift(key: jax.Array, images: jax.Array, largest: jax.Array | float) -> jax.Array:
    """Rows and columns each by a number from ±(largest + ½), rounded to the nearest integer.

    For a whole number of pixels that is −largest … largest, all equally likely.
    """
    end = largest + 0.5
    drawn = jax.random.uniform(key, (2, len(images)), images.dtype, -1.0, 1.0) * end
    # A draw of exactly ±end would round away from the range.
    pixels = jnp.clip(jnp.round(drawn), -jnp.ceil(largest), jnp.ceil(largest))
    down, right = pixels.astype(jnp.int32)
    return shift(images, down, right)


def _rotate(key: jax.Array, images: jax.Array, largest: jax.Array | float) -> jax.Array:
    return rotate(images, largest * _either_way(key, images)[:, 0, 0, 0])


def _brightness(key: jax.Array, images: jax.Array, largest: jax.Array | float) -> jax.Array:
    return images + largest * _either_way(key, images)


def _contrast(key: jax.Array, images: jax.Array, largest: jax.Array | float) -> jax.Array:
    """Scales each image about the mean of its own pixels."""
    mean = jnp.mean(images, (1, 2, 3), keepdims=True)
    return mean + (1 + largest * _either_way(key, images)) * (images - mean)


def _cutout(key: jax.Array, images: jax.Array, side: jax.Array | float) -> jax.Array:
    """Sets to 0, the mean of the training images, what lies in a square (DeVries, Taylor 2017).

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
