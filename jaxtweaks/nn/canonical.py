"""Any convolution as convolutions and products of matrices that a CPU is fast at in a loop.

XLA's CPU backend is tens of times slower at a convolution in a loop than outside, unless it is a
plain one in the layout NHWC/HWIO (`nn.conv`); and strides, dilations and groups of any kind have no
fast kernel at all. So here

* windows that do not overlap (1 × 1, patches) become a product of matrices;
* an input among zeros (the gradient of a strided convolution) becomes one convolution without zeros
  for each phase of the output;
* a window with gaps (dilation) becomes a window without gaps on every phase of the images;
* channels by themselves (depthwise) become sums of shifted images, and groups are convolved one
  after the other;
* what JAX makes of the gradient for a kernel, a convolution with batch and channels exchanged,
  becomes the product that it is.

What remains are the two functions of `Kernels`. No multiplication by a known zero remains, except
where a convolution has both strides and gaps.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxtweaks.nn.reduce import feature_sum, total

# Of rows and of columns.
Pair = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

# More groups than this are a loop: each is lowered by itself otherwise.
_FEW_GROUPS = 8


class Kernels(NamedTuple):
    """What convolutions are made of.

    Attributes:
      forward: (images [N, H, W, I], kernel [h, w, I, O], pads=, steps=) to [N, H', W', O].
      kernel_gradient: (images [N, H, W, I], gradient [N, H', W', O], window=, pads=, steps=) to
        [h, w, I, O]: the sum over all pixels of the gradient times what the pixel sees.
      Pads are the zeros (above, below) and (left, right) that are seen; negative ones cut.
    """

    forward: Callable[..., jax.Array]
    kernel_gradient: Callable[..., jax.Array]


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Where each output pixel looks, for rows and columns.

    Output pixel p sees, through place k of the window, pixel p · step + k · gap − low of the
    images, which stand `spread` pixels apart among zeros.
    """

    steps: Pair
    lows: Pair
    spreads: Pair
    gaps: Pair
    out: Pair

    def seen(self, size: Pair, window: Pair) -> Pads:
        """The pads that reach exactly as far as the last output pixel sees."""
        rows, columns = (
            (low, (o - 1) * step + (k - 1) * gap + 1 - n - low)
            for low, o, step, k, gap, n in zip(
                self.lows, self.out, self.steps, window, self.gaps, size, strict=True
            )
        )
        return rows, columns

    def but(self, **changes: Pair) -> 'Geometry':
        """The same with other values."""
        return dataclasses.replace(self, **changes)


def convolution(
    lhs: jax.Array,
    rhs: jax.Array,
    *,
    window_strides: tuple[int, ...],
    padding: tuple[Pair, ...],
    lhs_dilation: tuple[int, ...],
    rhs_dilation: tuple[int, ...],
    dimension_numbers: lax.ConvDimensionNumbers,
    feature_group_count: int,
    batch_group_count: int,
    out_shape: tuple[int, ...],
    kernels: Kernels,
) -> jax.Array:
    """`lax.conv_general_dilated` in one or two dimensions, by `kernels`.

    Args:
      lhs, rhs, window_strides, …, batch_group_count: as of the primitive.
      out_shape: of the result.
      kernels: of the dtype of lhs and rhs.
    """
    of_images, of_kernel, of_out = dimension_numbers
    x = lhs.transpose(of_images[0], *of_images[2:], of_images[1])
    kernel = rhs.transpose(*of_kernel[2:], of_kernel[1], of_kernel[0])
    signal = lhs.ndim == 3
    if signal:  # an image of one row
        x, kernel = x[:, None], kernel[None]
    pair = lambda values: (1, *values) if signal else tuple(values)
    lows = tuple(low for low, _ in padding)
    geometry = Geometry(
        steps=pair(window_strides),
        lows=(0, *lows) if signal else lows,
        spreads=pair(lhs_dilation),
        gaps=pair(rhs_dilation),
        out=pair(out_shape[i] for i in of_out[2:]),
    )
    geometry = _simplified(geometry, x.shape[1:3], kernel.shape[:2])
    # JAX writes the gradient for a kernel as a convolution whose batch stands behind its channels.
    to_kernel = of_images[0] > of_images[1]
    groups = max(feature_group_count, batch_group_count)
    axis = 3 if feature_group_count > 1 else 0
    y = _grouped(x, kernel, geometry, groups, axis, to_kernel, kernels)
    y = y[:, 0] if signal else y
    places = [0] * lhs.ndim
    for at, axis in enumerate((of_out[0], *of_out[2:], of_out[1])):
        places[axis] = at
    return y.transpose(places)


def transposed(x: jax.Array, kernel: jax.Array, geometry: Geometry, kernels: Kernels) -> jax.Array:
    """A convolution of images that stand `spreads` apart among zeros; steps and gaps are 1.

    Every phase of the output meets the images in some places of the window and zeros in all others:
    a convolution of step 1 with those places.
    """
    spreads, out, lows = geometry.spreads, geometry.out, geometry.lows
    size = tuple(-(-o // d) for o, d in zip(out, spreads, strict=True))
    parts = []
    for phase in _places(spreads):
        first = [(low - p) % d for low, p, d in zip(lows, phase, spreads, strict=True)]
        part = kernel[first[0] :: spreads[0], first[1] :: spreads[1]]
        if 0 in part.shape:
            parts.append(jnp.zeros((x.shape[0], *size, kernel.shape[3]), x.dtype))
            continue
        moved = tuple(
            (low - p - f) // d for low, p, f, d in zip(lows, phase, first, spreads, strict=True)
        )
        dense = Geometry((1, 1), moved, (1, 1), (1, 1), size)
        parts.append(_dense(x, part, dense, kernels))
    whole = _joined(jnp.concatenate(parts), spreads)
    return whole[:, : out[0], : out[1]]


def _simplified(geometry: Geometry, size: Pair, window: Pair) -> Geometry:
    """Without steps, gaps or spreads between things of which there is only one."""
    one = lambda values, counts: tuple(
        1 if n == 1 else value for value, n in zip(values, counts, strict=True)
    )
    return geometry.but(
        steps=one(geometry.steps, geometry.out),
        spreads=one(geometry.spreads, size),
        gaps=one(geometry.gaps, window),
    )


def _grouped(
    x: jax.Array,
    kernel: jax.Array,
    geometry: Geometry,
    groups: int,
    axis: int,
    to_kernel: bool,
    kernels: Kernels,
) -> jax.Array:
    """Convolutions side by side: of parts of x along `axis` with parts of the kernel's features."""
    one = lambda x, kernel: _ungrouped(x, kernel, geometry, to_kernel, kernels)
    if groups == 1:
        return one(x, kernel)
    features = kernel.shape[3] // groups
    if axis == 3 and not to_kernel and 1 in (kernel.shape[2], features):
        return _depthwise(_spread_out(x, geometry), kernel, groups, geometry.but(spreads=(1, 1)))
    if axis == 0 and to_kernel and x.shape[0] == groups:
        return _depthwise_kernel_gradient(
            _spread_out(x, geometry), kernel, features, geometry.but(spreads=(1, 1))
        )
    if groups <= _FEW_GROUPS:
        parts = zip(jnp.split(x, groups, axis), jnp.split(kernel, groups, 3), strict=True)
        return jnp.concatenate([one(*part) for part in parts], 3)
    by_group = lambda a, at: jnp.moveaxis(
        a.reshape(*a.shape[:at], groups, -1, *a.shape[at + 1 :]), at, 0
    )
    y = lax.map(lambda part: one(*part), (by_group(x, axis), by_group(kernel, 3)))
    return jnp.moveaxis(y, 0, 3).reshape(*y.shape[1:4], -1)


def _ungrouped(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, to_kernel: bool, kernels: Kernels
) -> jax.Array:
    """One group, by the form that suits it."""
    window, size, out = kernel.shape[:2], x.shape[1:3], geometry.out
    steps, gaps, spreads = geometry.steps, geometry.gaps, geometry.spreads
    ones = (1, 1)
    if spreads == ones:
        if to_kernel and steps == ones and _apart(gaps, out, window):
            return _product_to_kernel(x, kernel, geometry)
        if not to_kernel and gaps == ones and _apart(steps, window, out):
            return _product(x, kernel, geometry)
    if not to_kernel and steps == gaps == ones and _apart(spreads, window, size):
        return _product_spread(x, kernel, geometry)
    if spreads == ones:
        form = _kernel_gradient if to_kernel else _forward
        return form(x, kernel, geometry, kernels)
    if steps == gaps == ones:
        form = _kernel_gradient_of_transposed if to_kernel else transposed
        return form(x, kernel, geometry, kernels)
    # Steps or gaps over an input among zeros: of no layer and no gradient of one without both.
    return _ungrouped(
        _spread_out(x, geometry), kernel, geometry.but(spreads=ones), to_kernel, kernels
    )


def _apart(steps: Pair, window: Pair, counts: Pair) -> bool:
    """Whether so many windows, `steps` apart, do not overlap."""
    return all(n == 1 or step >= k for step, k, n in zip(steps, window, counts, strict=True))


def _forward(x: jax.Array, kernel: jax.Array, geometry: Geometry, kernels: Kernels) -> jax.Array:
    """Steps and gaps, but no spread."""
    gaps, out, window = geometry.gaps, geometry.out, kernel.shape[:2]
    if gaps == (1, 1):
        return _dense(x, kernel, geometry, kernels)
    if geometry.steps != (1, 1):
        inside = [(0, 0, gap - 1) for gap in gaps]
        kernel = lax.pad(kernel, jnp.zeros((), kernel.dtype), [*inside, (0, 0, 0), (0, 0, 0)])
        return _dense(x, kernel, geometry.but(gaps=(1, 1)), kernels)
    size = tuple(-(-o // gap) for o, gap in zip(out, gaps, strict=True))
    seen = tuple((m + k - 1) * gap for m, k, gap in zip(size, window, gaps, strict=True))
    phases = _phases(_cut(x, geometry.lows, seen), gaps)
    dense = Geometry((1, 1), (0, 0), (1, 1), (1, 1), size)
    return _joined(_dense(phases, kernel, dense, kernels), gaps)[:, : out[0], : out[1]]


def _dense(x: jax.Array, kernel: jax.Array, geometry: Geometry, kernels: Kernels) -> jax.Array:
    """Steps only."""
    pads = geometry.seen(x.shape[1:3], kernel.shape[:2])
    return kernels.forward(x, kernel, pads=pads, steps=geometry.steps)


def _kernel_gradient(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, kernels: Kernels
) -> jax.Array:
    """A gradient for a kernel: its steps are what were gaps, and its gaps what were steps.

    Args:
      x: [I, H, W, N].
      kernel: the gradient for the output, [H', W', N, O].

    Returns:
      [I, h, w, O].
    """
    images, g = x.transpose(3, 1, 2, 0), kernel.transpose(2, 0, 1, 3)
    steps, gaps, out = geometry.gaps, geometry.steps, geometry.out
    window, lows = out, geometry.lows
    if gaps != (1, 1) and steps == (1, 1):
        size = tuple(-(-n // gap) for n, gap in zip(g.shape[1:3], gaps, strict=True))
        whole = tuple(m * gap for m, gap in zip(size, gaps, strict=True))
        seen = tuple((m + k - 1) * gap for m, k, gap in zip(size, window, gaps, strict=True))
        images = _phases(_cut(images, lows, seen), gaps)
        g = _phases(_cut(g, (0, 0), whole), gaps)
        lows, gaps = (0, 0), (1, 1)
    if gaps != (1, 1):  # of the window without gaps, of which some places are wanted
        window = tuple((k - 1) * gap + 1 for k, gap in zip(out, gaps, strict=True))
    looked_at = Geometry(steps, lows, (1, 1), (1, 1), g.shape[1:3])
    pads = looked_at.seen(images.shape[1:3], window)
    found = kernels.kernel_gradient(images, g, window=window, pads=pads, steps=steps)
    return found[:: gaps[0], :: gaps[1]].transpose(2, 0, 1, 3)


def _kernel_gradient_of_transposed(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, kernels: Kernels
) -> jax.Array:
    """`_kernel_gradient` of a convolution of images that stood among zeros.

    The images are met by the gradient at every `spreads`-th pixel: with the two exchanged it is
    the gradient of a strided convolution, of the kernel flipped.
    """
    images, g = x.transpose(3, 1, 2, 0), kernel.transpose(2, 0, 1, 3)
    out = geometry.out
    lows = tuple(k - 1 - low for k, low in zip(out, geometry.lows, strict=True))
    looked_at = Geometry(geometry.spreads, lows, (1, 1), (1, 1), images.shape[1:3])
    found = kernels.kernel_gradient(
        g, images, window=out, pads=looked_at.seen(g.shape[1:3], out), steps=geometry.spreads
    )
    return jnp.flip(found, (0, 1)).transpose(3, 0, 1, 2)


def _product(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Windows that do not overlap, or a single one: patches times the kernel."""
    (rows, columns), out = kernel.shape[:2], geometry.out
    steps = tuple(map(max, geometry.steps, (rows, columns)))
    x = _cut(x, geometry.lows, tuple(o * step for o, step in zip(out, steps, strict=True)))
    x = x.reshape(x.shape[0], out[0], steps[0], out[1], steps[1], x.shape[3])
    patches = x[:, :, :rows, :, :columns].transpose(0, 1, 3, 2, 4, 5)
    y = patches.reshape(-1, rows * columns * x.shape[5]) @ kernel.reshape(-1, kernel.shape[3])
    return y.reshape(x.shape[0], *out, kernel.shape[3])


def _product_to_kernel(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """`_product`'s gradient for the kernel; shapes as of `_kernel_gradient`."""
    (rows, columns), out = kernel.shape[:2], geometry.out
    gaps = tuple(map(max, geometry.gaps, out))
    seen = (rows * gaps[0], columns * gaps[1])
    images = _cut(x.transpose(3, 1, 2, 0), geometry.lows, seen)
    images = images.reshape(images.shape[0], rows, gaps[0], columns, gaps[1], images.shape[3])
    images = images[:, :, : out[0], :, : out[1]].transpose(0, 1, 3, 2, 4, 5)
    patches = images.reshape(-1, math.prod(out) * images.shape[5])
    found = patches.T @ kernel.transpose(2, 0, 1, 3).reshape(-1, kernel.shape[3])
    return found.reshape(*out, images.shape[5], -1).transpose(2, 0, 1, 3)


def _product_spread(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """`_product`'s gradient for the images: what each pixel gives to the places it was seen from.

    Place k of the window sees pixel q of the images from output pixel q · spread + low − k.
    """
    window, features = kernel.shape[:2], kernel.shape[3]
    spreads = tuple(map(max, geometry.spreads, window))
    flipped = jnp.flip(kernel, (0, 1)).transpose(2, 0, 1, 3)
    y = x.reshape(-1, x.shape[3]) @ flipped.reshape(x.shape[3], -1)
    y = y.reshape(*x.shape[:3], *window, features).transpose(0, 1, 3, 2, 4, 5)
    rest = [(0, d - k, 0) for d, k in zip(spreads, window, strict=True)]
    none = (0, 0, 0)
    y = lax.pad(y, jnp.zeros((), y.dtype), [none, none, rest[0], none, rest[1], none])
    size = tuple(n * d for n, d in zip(x.shape[1:3], spreads, strict=True))
    lows = tuple(low - k + 1 for k, low in zip(window, geometry.lows, strict=True))
    return _cut(y.reshape(x.shape[0], *size, features), lows, geometry.out)


def _depthwise(x: jax.Array, kernel: jax.Array, groups: int, geometry: Geometry) -> jax.Array:
    """Groups of one channel, or of one feature: the images, shifted, times a number a channel.

    Args:
      x: [N, H, W, groups · I].
      kernel: [h, w, I, groups · O], where I or O is 1.
    """
    channels, features = kernel.shape[2], kernel.shape[3] // groups
    x = jnp.repeat(x, features, 3) if features > 1 else x
    return total(
        seen[..., c::channels] * kernel[i, j, c].reshape(1, 1, 1, -1)
        for i, j, seen in _shifted(x, kernel.shape[:2], geometry)
        for c in range(channels)
    )


def _depthwise_kernel_gradient(
    x: jax.Array, kernel: jax.Array, features: int, geometry: Geometry
) -> jax.Array:
    """The gradient for the kernel of groups of one channel, shapes as of `_kernel_gradient`."""
    images, g = x.transpose(3, 1, 2, 0), kernel.transpose(2, 0, 1, 3)
    images = jnp.repeat(images, features, 3) if features > 1 else images
    looked_at = geometry.but(steps=geometry.gaps, gaps=geometry.steps, out=g.shape[1:3])
    found = [feature_sum(seen * g) for _, _, seen in _shifted(images, geometry.out, looked_at)]
    return jnp.stack(found).reshape(1, *geometry.out, -1).astype(x.dtype)


def _shifted(
    x: jax.Array, window: Pair, geometry: Geometry
) -> Iterator[tuple[int, int, jax.Array]]:
    """For each place of the window, what the output pixels see through it."""
    steps, gaps, out = geometry.steps, geometry.gaps, geometry.out
    pads = geometry.seen(x.shape[1:3], window)
    edges = [(0, 0, 0), *((*pad, 0) for pad in pads), (0, 0, 0)]
    x = lax.pad(x, jnp.zeros((), x.dtype), edges)
    for i, j in _places(window):
        rows, columns = (
            slice(at * gap, at * gap + (o - 1) * step + 1, step)
            for at, gap, o, step in zip((i, j), gaps, out, steps, strict=True)
        )
        yield i, j, x[:, rows, columns]


def _spread_out(x: jax.Array, geometry: Geometry) -> jax.Array:
    """The images with the zeros they stand among."""
    if geometry.spreads == (1, 1):
        return x
    inside = [(0, 0, d - 1) for d in geometry.spreads]
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *inside, (0, 0, 0)])


def _cut(x: jax.Array, lows: Pair, size: Pair) -> jax.Array:
    """Images [N, *size, C] that begin `lows` zeros before those of x, and end where they end."""
    pads = [(low, m - n - low, 0) for low, m, n in zip(lows, size, x.shape[1:3], strict=True)]
    if all(pad == (0, 0, 0) for pad in pads):
        return x
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *pads, (0, 0, 0)])


def _phases(x: jax.Array, by: Pair) -> jax.Array:
    """Every by-th pixel as an image of its own: [N, a H, b W, C] to [a b N, H, W, C]."""
    n, height, width, channels = x.shape
    x = x.reshape(n, height // by[0], by[0], width // by[1], by[1], channels)
    return x.transpose(2, 4, 0, 1, 3, 5).reshape(-1, height // by[0], width // by[1], channels)


def _joined(x: jax.Array, by: Pair) -> jax.Array:
    """The inverse of `_phases`."""
    n, height, width, channels = x.shape
    x = x.reshape(*by, -1, height, width, channels).transpose(2, 3, 0, 4, 1, 5)
    return x.reshape(n // (by[0] * by[1]), height * by[0], width * by[1], channels)


def _places(window: Pair) -> Iterator[Pair]:
    return ((i, j) for i in range(window[0]) for j in range(window[1]))
