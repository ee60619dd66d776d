"""Convolutions of all runs as implicit matrix products: Pallas kernels that lower to Triton.

Patches of the images (`conv._patches`) would be copied through memory once for each place of the
window. These kernels gather them tile by tile instead, in the order in which a product of matrices
reads them (implicit GEMM, Chetlur et al. 2014, arXiv 1410.0759, §3.1). The grid is (tiles, runs),
so that many small networks fill a GPU together.

On a CPU the same kernels are interpreted: correct, and slow. Step 1 only.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

Pads = tuple[tuple[int, int], tuple[int, int]]

# Sides of the tiles: powers of two, as Triton wants them, and 16 at least, as its products do. The
# larger they are the less is read twice; three stages of the largest take 72 KiB of shared memory.
_SMALLEST = 16
_PIXELS, _FEATURES, _DEPTH = 128, 64, 32
_WINDOW, _PIXEL_DEPTH = 64, 32
# As many programs keep every multiprocessor of today's largest GPUs busy several times over.
_ENOUGH_PROGRAMS = 1024
# Partial sums of the kernel's gradient are of so many products of tiles at least.
_SHORTEST_SUM = 8


def forward(x: jax.Array, kernel: jax.Array, *, pads: Pads) -> jax.Array:
    """Cross-correlation of each run's images with its kernel, step 1.

    Args:
      x: [runs, batch, height, width, in].
      kernel: [runs, kernel height, kernel width, in, out].
      pads: zeros before and after the rows and the columns; may be negative.

    Returns:
      [runs, batch, height', width', out].
    """
    runs, batch, *size, channels = x.shape
    _, *window, _, features = kernel.shape
    out = tuple(
        n + low + high - k + 1 for n, k, (low, high) in zip(size, window, pads, strict=True)
    )
    pixels, depth = batch * math.prod(out), math.prod(window) * channels
    tiles = (
        _tile(pixels, _PIXELS),
        _tile(features, _FEATURES),
        _depth_tile(depth, channels),
    )
    columns = pl.cdiv(features, tiles[1])
    body = functools.partial(
        _forward_kernel,
        geometry=_Geometry(tuple(size), tuple(window), out, pads, batch, channels),
        features=features,
        tiles=tiles,
    )
    run = lambda t, r: (r, 0)
    found = _call(
        body,
        jax.ShapeDtypeStruct((runs, pixels, features), x.dtype),
        grid=(pl.cdiv(pixels, tiles[0]) * columns, runs),
        in_specs=[
            pl.BlockSpec((None, x[0].size), run),
            pl.BlockSpec((None, kernel[0].size), run),
        ],
        out_specs=pl.BlockSpec(
            (None, *tiles[:2]), lambda t, r: (r, _div(t, columns), _rem(t, columns))
        ),
    )(x.reshape(runs, -1), kernel.reshape(runs, -1))
    return found.reshape(runs, batch, *out, features)


def input_gradient(
    kernel: jax.Array, g: jax.Array, *, size: tuple[int, int], pads: Pads
) -> jax.Array:
    """The gradient for the images: g convolved with the flipped kernel.

    Args:
      kernel: [runs, kernel height, kernel width, in, out].
      g: [runs, batch, height', width', out].
      size: (height, width) of the images.
      pads: of the forward convolution.

    Returns:
      [runs, batch, height, width, in].
    """
    rows, columns = (
        (k - 1 - low, n + low - m)
        for k, n, m, (low, _) in zip(kernel.shape[1:3], size, g.shape[2:4], pads, strict=True)
    )
    return forward(g, jnp.flip(kernel, (1, 2)).transpose(0, 1, 2, 4, 3), pads=(rows, columns))


def kernel_gradient(
    x: jax.Array, g: jax.Array, *, window: tuple[int, int], pads: Pads
) -> jax.Array:
    """The gradient for the kernel.

    Where runs and tiles are too few for a GPU the pixels are cut into parts, summed apart.

    Args:
      x: [runs, batch, height, width, in].
      g: [runs, batch, height', width', out].
      window: (height, width) of the kernel.
      pads: of the forward convolution.

    Returns:
      [runs, kernel height, kernel width, in, out].
    """
    runs, batch, *size, channels = x.shape
    *out, features = g.shape[2:]
    pixels, depth = batch * math.prod(out), math.prod(window) * channels
    tiles = (
        _tile(depth, _WINDOW),
        _tile(features, _FEATURES),
        _tile(pixels, _PIXEL_DEPTH),
    )
    rows, columns = pl.cdiv(depth, tiles[0]), pl.cdiv(features, tiles[1])
    blocks = pl.cdiv(pixels, tiles[2])
    parts = min(pl.cdiv(_ENOUGH_PROGRAMS, runs * rows * columns), pl.cdiv(blocks, _SHORTEST_SUM))
    body = functools.partial(
        _kernel_gradient_kernel,
        geometry=_Geometry(tuple(size), tuple(window), tuple(out), pads, batch, channels),
        features=features,
        tiles=tiles,
        parts=parts,
    )
    run = lambda t, r: (r, 0)
    found = _call(
        body,
        jax.ShapeDtypeStruct((runs, parts, depth, features), _wide(x.dtype)),
        grid=(rows * columns * parts, runs),
        in_specs=[pl.BlockSpec((None, x[0].size), run), pl.BlockSpec((None, g[0].size), run)],
        out_specs=pl.BlockSpec(
            (None, None, *tiles[:2]),
            lambda t, r: (
                r,
                _rem(t, parts),
                _div(t, parts * columns),
                _rem(_div(t, parts), columns),
            ),
        ),
    )(x.reshape(runs, -1), g.reshape(runs, -1))
    return found.sum(1).astype(x.dtype).reshape(runs, *window, channels, features)


class _Geometry:
    """Where the pixels and the places of the window lie in one run's images.

    Everything is in 32-bit integers, counted in numbers from the start of the images, so a run's
    images may have 2³¹ of them.
    """

    def __init__(self, size, window, out, pads: Pads, batch: int, channels: int):
        self.size, self.window, self.out = size, window, out
        self.first = (pads[0][0], pads[1][0])
        self.channels = channels
        self.pixels = batch * math.prod(out)
        self.depth = math.prod(window) * channels

    def pixel(self, index: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The image, and row and column of its window's first place, of pixels of the output."""
        place = _rem(index, math.prod(self.out))
        return (
            _div(index, math.prod(self.out)),
            _div(place, self.out[1]) - self.first[0],
            _rem(place, self.out[1]) - self.first[1],
        )

    def patches(self, ref, pixel: jax.Array, block: jax.Array, tile: int) -> jax.Array:
        """What the windows of some pixels show: [pixels, tile], 0 outside of the images.

        Args:
          ref: the images, flat.
          pixel: indices of pixels of the output, [pixels]; any beyond the last show zeros.
          block: which tile of the depth, that is of (row, column, channel) of the window.
          tile: its length.
        """
        within = jnp.arange(tile, dtype=jnp.int32)
        if self.channels % tile == 0:  # one place for the whole tile: its channels are neighbours
            a_place = self.channels // tile
            place, channel = _div(block, a_place), _rem(block, a_place) * tile + within[None]
            known = True
        else:
            index = (block * tile + within)[None]
            place, channel = _div(index, self.channels), _rem(index, self.channels)
            known = index < self.depth
        image, row, column = (found[:, None] for found in self.pixel(pixel))
        row, column = row + _div(place, self.window[1]), column + _rem(place, self.window[1])
        height, width = self.size
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        inside = inside & known & (pixel < self.pixels)[:, None]
        at = ((image * height + row) * width + column) * self.channels + channel
        return triton.load(ref.at[at], mask=jnp.broadcast_to(inside, at.shape), other=0)


def _forward_kernel(x_ref, kernel_ref, out_ref, *, geometry: _Geometry, features, tiles) -> None:
    """One tile [pixels, features] of a run's output."""
    columns = pl.cdiv(features, tiles[1])
    tile = pl.program_id(0)
    pixel = _div(tile, columns) * tiles[0] + jnp.arange(tiles[0], dtype=jnp.int32)
    feature = _rem(tile, columns) * tiles[1] + jnp.arange(tiles[1], dtype=jnp.int32)

    def add(block, total):
        patches = geometry.patches(x_ref, pixel, block, tiles[2])
        weights = _matrix(kernel_ref, block * tiles[2], geometry.depth, tiles[2], feature, features)
        return total + _product(patches, weights, 1)

    total = jnp.zeros(tiles[:2], _wide(x_ref.dtype))
    total = lax.fori_loop(0, pl.cdiv(geometry.depth, tiles[2]), add, total)
    inside = (pixel < geometry.pixels)[:, None] & (feature < features)[None]
    triton.store(out_ref, total.astype(out_ref.dtype), mask=inside)


def _kernel_gradient_kernel(
    x_ref, g_ref, out_ref, *, geometry: _Geometry, features, tiles, parts
) -> None:
    """One tile [depth, features] of the gradient for a run's kernel, over a part of the pixels."""
    columns = pl.cdiv(features, tiles[1])
    part, tile = _rem(pl.program_id(0), parts), _div(pl.program_id(0), parts)
    block = _div(tile, columns)
    feature = _rem(tile, columns) * tiles[1] + jnp.arange(tiles[1], dtype=jnp.int32)
    length = pl.cdiv(pl.cdiv(geometry.pixels, tiles[2]), parts)

    def add(step, total):
        first = (part * length + step) * tiles[2]
        pixel = first + jnp.arange(tiles[2], dtype=jnp.int32)
        patches = geometry.patches(x_ref, pixel, block, tiles[0])
        gradients = _matrix(g_ref, first, geometry.pixels, tiles[2], feature, features)
        return total + _product(patches, gradients, 0)

    total = lax.fori_loop(0, length, add, jnp.zeros(tiles[:2], _wide(x_ref.dtype)))
    row = block * tiles[0] + jnp.arange(tiles[0], dtype=jnp.int32)
    inside = (row < geometry.depth)[:, None] & (feature < features)[None]
    triton.store(out_ref, total, mask=inside)


def _matrix(ref, first, rows: int, tile: int, column: jax.Array, columns: int) -> jax.Array:
    """The tile [tile, columns' tile] of a flat matrix from row `first` on; 0 outside of it."""
    row = (first + jnp.arange(tile, dtype=jnp.int32))[:, None]
    inside = (row < rows) & (column < columns)[None]
    return triton.load(ref.at[row * columns + column[None]], mask=inside, other=0)


def _product(a: jax.Array, b: jax.Array, contracted: int) -> jax.Array:
    """a b, or aᵀ b where axis 0 of a is contracted; sums are float32 or wider."""
    numbers = (((contracted,), (0,)), ((), ()))
    return lax.dot_general(a, b, numbers, preferred_element_type=_wide(a.dtype))


def _wide(dtype) -> jnp.dtype:
    return jnp.promote_types(dtype, jnp.float32)


def _tile(length: int, most: int) -> int:
    """A power of two that covers the length if that is allowed."""
    return max(_SMALLEST, min(most, pl.next_power_of_2(length)))


def _depth_tile(depth: int, channels: int) -> int:
    """Of the window's places and channels: one that divides the channels, if it can be had."""
    together = math.gcd(channels, _DEPTH)
    return together if together >= _SMALLEST else _tile(depth, _DEPTH)


# Of numbers that are not negative; `//` and `%` would provide for others.
def _div(a: jax.Array, b: int) -> jax.Array:
    return lax.div(a, jnp.full_like(a, b))


def _rem(a: jax.Array, b: int) -> jax.Array:
    return lax.rem(a, jnp.full_like(a, b))


def _call(body: Callable, out_shape: jax.ShapeDtypeStruct, **specs) -> Callable:
    """The kernel for the platform that a program is lowered for: Triton's, or interpreted."""
    parameters = triton.CompilerParams(num_warps=4, num_stages=3)
    compiled = pl.pallas_call(body, out_shape, compiler_params=parameters, **specs)
    interpreted = pl.pallas_call(body, out_shape, interpret=True, **specs)
    return lambda *args: lax.platform_dependent(*args, cpu=interpreted, default=compiled)
