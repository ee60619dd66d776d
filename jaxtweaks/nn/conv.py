"""2-D convolution that stays fast when many networks are trained at once.

`jax.vmap` over the kernels of `lax.conv_general_dilated` makes a grouped convolution, several
times slower than the convolutions it replaces (JAX issues 13800, 15339 and 26568); and XLA's
CPU backend leaves the gradients of a convolution in a layout it has no fast kernel for when they
stand in a loop (JAX issue 12868). So the forward pass and both gradients are written here (a
custom VJP): plain NHWC/HWIO convolutions, and products of matrices for the kernel. What becomes of
each of them, for one network and under `vmap`, is chosen (`lowering`). Models are still written for
one network.
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from jaxtweaks.nn import bf16_native, canonical, conv_native, conv_pallas
from jaxtweaks.nn.canonical import Pads, Pair
from jaxtweaks.nn.reduce import total

_LAYOUT = ('NHWC', 'HWIO', 'NHWC')
# The name scope of XLA's convolutions that are used here, which `nn.lowered` leaves as they are.
OURS = 'jaxtweaks_convolution'

# Convolutions that a CPU finds faster by rows: at most so many channels on one side, so many on the
# other, and so wide a window; and how many adjacent pixels are found at once.
_FEW, _MANY, _WIDEST, _ADJACENT = 8, 32, 5, 2

# What vmap over kernels becomes: a loop over the runs; patches and one batched matrix product;
# whatever JAX makes of it, a grouped convolution where one network has a convolution; a custom
# kernel for all runs (step 1; other steps as with 'matmul'); or a loop over custom kernels for
# one run ('native', for a CPU: float32 and, where the processor multiplies it, bfloat16; other
# numbers as with 'loop'), which are used without vmap as well.
LOWERINGS = ('loop', 'matmul', 'grouped', 'pallas', 'native')
_lowering = contextvars.ContextVar('lowering', default='loop')
_half = contextvars.ContextVar('half', default=False)


@contextlib.contextmanager
def lowering(name: str, half: bool = False) -> Iterator[None]:
    """What becomes of convolutions that are traced inside: one of `LOWERINGS`.

    'native' wants `run.native.load` to have been called before. With `half` it has custom kernels
    for products in bfloat16 too; without, only for convolutions in float32, max-pools and the sums
    of batch norm, whatever else this process has loaded.
    """
    if name not in LOWERINGS:
        raise ValueError(f'{name!r} is not one of {LOWERINGS}')
    token, of_half = _lowering.set(name), _half.set(half)
    try:
        yield
    finally:
        _lowering.reset(token)
        _half.reset(of_half)


def is_native() -> bool:
    """Whether what is traced here has custom kernels."""
    return _lowering.get() == 'native'


def takes_half(dtype: Any) -> bool:
    """Whether what is traced here has custom kernels for bfloat16, and this is it."""
    return is_native() and _half.get() and bf16_native.takes(dtype)


def custom_kernels(dtype: Any) -> conv_native.Convolutions | None:
    """The custom convolutions for a type of numbers, in any lowering; None if there are none."""
    half = dtype == jnp.bfloat16
    return conv_native.of(dtype) if not half or _half.get() else None


def conv(x: jax.Array, kernel: jax.Array, padding: str = 'SAME', stride: int = 1) -> jax.Array:
    """Cross-correlates images with a kernel, as `lax.conv_general_dilated` does.

    Args:
      x: [batch, height, width, in].
      kernel: [kernel height, kernel width, in, out]. Its dtype is that of the result.
      padding: 'SAME' or 'VALID'.
      stride: step in both directions.

    Returns:
      [batch, height', width', out].
    """
    x = x.astype(kernel.dtype)
    window = kernel.shape[:2]
    pads = tuple(lax.padtype_to_pads(x.shape[1:3], window, (stride, stride), padding))
    return padded(x, kernel, pads, stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def padded(x: jax.Array, kernel: jax.Array, pads: Pads, stride: int) -> jax.Array:
    """`conv` with so many zeros (above, below) and (left, right)."""
    forward = functools.partial(_forward, pads=pads, stride=stride)
    if kernels := _native(x):
        forward = functools.partial(kernels.forward, pads=pads, steps=(stride, stride))
    by_matmul = functools.partial(_forward_by_matmul, pads=pads, stride=stride)
    pair: Any = pads
    by_pallas = functools.partial(conv_pallas.forward, pads=pair) if stride == 1 else by_matmul
    return over_runs(forward, by_matmul, by_pallas)(x, kernel)


def _padded_fwd(x, kernel, pads, stride):
    return padded(x, kernel, pads, stride), (x, kernel)


def gradients(
    pads: Pads, stride: int, operands: tuple[jax.Array, jax.Array], g: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Those of `padded` for its operands, images and kernel; g is that for what it returned."""
    x, kernel = operands
    shape = {'size': x.shape[1:3], 'window': kernel.shape[:2], 'pads': pads, 'stride': stride}
    input_by_matmul = functools.partial(_input_gradient_by_matmul, **shape)
    kernel_by_matmul = functools.partial(_kernel_gradient_by_matmul, **shape)
    input_of_one = functools.partial(_input_gradient, **shape)
    kernel_of_one = functools.partial(_kernel_gradient, **shape)
    if kernels := _native(x):
        input_of_one = functools.partial(_native_input_gradient, native=kernels, **shape)
        kernel_of_one = functools.partial(
            kernels.kernel_gradient,
            window=shape['window'],
            pads=pads,
            steps=(stride, stride),
        )
    input_by_pallas, kernel_by_pallas = input_by_matmul, kernel_by_matmul
    if stride == 1:
        of_pallas: Any = pads
        input_by_pallas = functools.partial(
            conv_pallas.input_gradient, size=shape['size'], pads=of_pallas
        )
        kernel_by_pallas = functools.partial(
            conv_pallas.kernel_gradient, window=shape['window'], pads=of_pallas
        )
    to_input = over_runs(input_of_one, input_by_matmul, input_by_pallas)
    to_kernel = over_runs(kernel_of_one, kernel_by_matmul, kernel_by_pallas)
    return to_input(kernel, g), to_kernel(x, g)


padded.defvjp(_padded_fwd, gradients)


def _native(x: jax.Array) -> conv_native.Convolutions | None:
    """The custom kernels for these images, if they are wanted for what is traced here."""
    return custom_kernels(x.dtype) if is_native() else None


def _xla(x: jax.Array, kernel: jax.Array, steps: Pair, pads: Pads, **dilation: Any) -> jax.Array:
    """XLA's convolution in the layout that it has a fast kernel for."""
    with jax.named_scope(OURS):
        return lax.conv_general_dilated(
            x, kernel, steps, pads, dimension_numbers=_LAYOUT, **dilation
        )


def _forward(x: jax.Array, kernel: jax.Array, *, pads: Pads, stride: int) -> jax.Array:
    plain = functools.partial(_xla, steps=(stride, stride), pads=pads)
    fewer, more = sorted(kernel.shape[2:])
    if stride > 1 or max(kernel.shape[:2]) > _WIDEST or fewer > _FEW or more > _MANY:
        return plain(x, kernel)
    by_rows = functools.partial(_forward_by_rows, pads=pads)
    return lax.platform_dependent(x, kernel, cpu=by_rows, default=plain)


def _forward_by_rows(x: jax.Array, kernel: jax.Array, *, pads: Pads) -> jax.Array:
    """Step 1, as a product of matrices for each row of the kernel; for few channels.

    A row of the first matrix is what pixels of the output that stand side by side see together in
    one row of the images, all channels; the second one has the kernel once for each of them, with
    zeros where a pixel does not look. Two pixels at once: fewer copies of the images than one by
    one, and longer rows, for a third more of multiplications. With 3 to 16 channels this is 1.2 to
    4 times faster on a CPU than XLA's convolution, from 16 → 16 on it is not
    (docs/performance.md).
    """
    rows, columns, _, features = kernel.shape
    height, width = (
        n + low + high - k + 1
        for n, k, (low, high) in zip(x.shape[1:3], kernel.shape[:2], pads, strict=True)
    )
    blocks = -(-width // _ADJACENT)
    (left, right), unused = pads[1], blocks * _ADJACENT - width
    edges = [(0, 0, 0), (*pads[0], 0), (left, right + unused, 0), (0, 0, 0)]
    x = lax.pad(x, jnp.zeros((), x.dtype), edges)
    seen = jnp.concatenate(
        [
            x[:, :, j : j + (blocks - 1) * _ADJACENT + 1 : _ADJACENT]
            for j in range(columns + _ADJACENT - 1)
        ],
        -1,
    )
    moved = [
        jnp.pad(kernel, ((0, 0), (t, _ADJACENT - 1 - t), (0, 0), (0, 0))) for t in range(_ADJACENT)
    ]
    kernels = jnp.stack(moved, 3).reshape(rows, seen.shape[-1], _ADJACENT * features)
    out = total(
        seen[:, i : i + height].reshape(-1, seen.shape[-1]) @ kernels[i] for i in range(rows)
    )
    return out.reshape(x.shape[0], height, blocks * _ADJACENT, features)[:, :, :width]


def _input_gradient(
    kernel: jax.Array,
    g: jax.Array,
    *,
    size: Pair,
    window: Pair,
    pads: Pads,
    stride: int,
) -> jax.Array:
    """The gradient g, spread out by the stride, convolved with the flipped kernel."""
    back = _input_gradient_pads(size, window, g.shape[1:3], pads, stride)
    flipped = _flipped(kernel)
    if stride == 1:
        return _forward(g, flipped, pads=back, stride=1)
    return _xla(g, flipped, (1, 1), back, lhs_dilation=(stride, stride))


def _native_input_gradient(
    kernel: jax.Array,
    g: jax.Array,
    *,
    native: conv_native.Convolutions,
    size: Pair,
    window: Pair,
    pads: Pads,
    stride: int,
) -> jax.Array:
    """`_input_gradient` by custom kernels."""
    back = _input_gradient_pads(size, window, g.shape[1:3], pads, stride)
    if stride == 1:
        return native.forward(g, _flipped(kernel), pads=back)
    lows = (back[0][0], back[1][0])
    spread = canonical.Geometry((1, 1), lows, (stride, stride), (1, 1), size)
    return canonical.transposed(g, _flipped(kernel), spread, native.kernels)


def _flipped(kernel: jax.Array) -> jax.Array:
    return jnp.flip(kernel, (0, 1)).transpose(0, 1, 3, 2)


def _input_gradient_pads(size, window, out, pads: Pads, stride: int) -> Pads:
    rows, columns = (
        (k - 1 - low, n - 1 + low - (m - 1) * stride)
        for k, n, m, (low, _) in zip(window, size, out, pads, strict=True)
    )
    return rows, columns


def _kernel_gradient(
    x: jax.Array,
    g: jax.Array,
    *,
    size: Pair,
    window: Pair,
    pads: Pads,
    stride: int,
) -> jax.Array:
    """The gradient for the kernel, in the form that copies least.

    Of images with one channel the patches are as good: rows would be products of single numbers.
    """
    if x.shape[-1] == 1:
        shape = {'size': size, 'window': window, 'pads': pads, 'stride': stride}
        return _kernel_gradient_by_matmul(x[None], g[None], **shape)[0]
    if stride == 1:
        by_rows = _by_rows_of_images if x.shape[-1] < g.shape[-1] else _by_rows_of_gradients
        return by_rows(x, g, window, pads)
    back = tuple(
        (low, (m - 1) * stride + k - n - low)
        for k, n, m, (low, _) in zip(window, size, g.shape[1:3], pads, strict=True)
    )
    # Images convolved with gradients, channels as the batch and the batch as channels. The
    # barriers keep XLA from folding the transpositions into the convolution, which would give it
    # a layout that has no fast kernel.
    images, gradients = lax.optimization_barrier((x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3)))
    out = _xla(images, gradients, (1, 1), back, rhs_dilation=(stride, stride))
    return lax.optimization_barrier(out).transpose(1, 2, 0, 3)


def _by_rows_of_images(x: jax.Array, g: jax.Array, window: Pair, pads: Pads) -> jax.Array:
    """One long product of matrices for each row of the kernel.

    A row of the first matrix is what a pixel of the output sees in one row of the images: each
    channel is copied once for each column of the kernel; patches would be copied once for each
    place of the window. On a CPU this is two to three times faster than the convolution.
    """
    rows, columns = window
    height, width, features = g.shape[1:]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((*edge, 0) for edge in pads), (0, 0, 0)])
    seen = jnp.concatenate([x[:, :, j : j + width] for j in range(columns)], -1)
    gradients = g.reshape(-1, features)
    found = [seen[:, i : i + height].reshape(-1, seen.shape[-1]).T @ gradients for i in range(rows)]
    return jnp.stack(found).reshape(rows, columns, -1, features)


def _by_rows_of_gradients(x: jax.Array, g: jax.Array, window: Pair, pads: Pads) -> jax.Array:
    """The same with the gradients copied instead of the images, for where they have fewer channels.

    For row i of the kernel the images' rows are met by the gradient's rows i − padding further up,
    and for its columns the gradient stands side by side with copies of itself, each moved by one
    pixel.
    """
    (top, _), (left, _) = pads
    (height, width), channels = x.shape[1:3], x.shape[3]
    rows, columns, features = g.shape[1:]
    zero = jnp.zeros((), g.dtype)
    moved = []
    for j in range(window[1]):
        before = j - left
        edges = (before, width - columns - before, 0)  # negative where the gradient is cut
        moved.append(lax.pad(g, zero, [(0, 0, 0), (0, 0, 0), edges, (0, 0, 0)]))
    side_by_side = jnp.concatenate(moved, -1)
    found = []
    for i in range(window[0]):
        first, last = max(0, top - i), min(rows, height + top - i)
        met = x[:, first + i - top : last + i - top].reshape(-1, channels)
        product = met.T @ side_by_side[:, first:last].reshape(-1, side_by_side.shape[-1])
        found.append(product.reshape(channels, window[1], features).transpose(1, 0, 2))
    return jnp.stack(found)


def _patches(x: jax.Array, window: Pair, pads: Pads, stride: int, spread: int = 1) -> jax.Array:
    """What each place of the window sees: [runs, pixels of the output, window × channels].

    Args:
      x: [runs, batch, height, width, channels].
      window, pads, stride: of the convolution.
      spread: the step at which x stands among zeros (a transposed convolution).
    """
    inside = [(low, high, spread - 1) for low, high in pads]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *inside, (0, 0, 0)])
    rows, columns = ((n - k) // stride + 1 for n, k in zip(x.shape[2:4], window, strict=True))
    seen = [
        x[
            :,
            :,
            i : i + (rows - 1) * stride + 1 : stride,
            j : j + (columns - 1) * stride + 1 : stride,
        ]
        for i in range(window[0])
        for j in range(window[1])
    ]
    return jnp.concatenate(seen, -1).reshape(x.shape[0], -1, len(seen) * x.shape[-1])


def _forward_by_matmul(x: jax.Array, kernel: jax.Array, *, pads: Pads, stride: int) -> jax.Array:
    """`_forward` of all runs, first axis, as one batched matrix product."""
    runs, rows, columns, _, features = kernel.shape
    window = rows, columns
    patches = _patches(x, window, pads, stride)
    out = patches @ kernel.reshape(runs, -1, features)
    size = [
        (n + low + high - k) // stride + 1
        for n, k, (low, high) in zip(x.shape[2:4], window, pads, strict=True)
    ]
    return out.reshape(runs, x.shape[1], *size, features)


def _input_gradient_by_matmul(
    kernel: jax.Array, g: jax.Array, *, size, window, pads: Pads, stride: int
) -> jax.Array:
    """`_input_gradient` of all runs, first axis, as one batched matrix product."""
    runs, *_, channels, _ = kernel.shape
    back = _input_gradient_pads(size, window, g.shape[2:4], pads, stride)
    flipped = jnp.flip(kernel, (1, 2)).transpose(0, 1, 2, 4, 3)
    out = _patches(g, window, back, 1, spread=stride) @ flipped.reshape(runs, -1, channels)
    return out.reshape(runs, g.shape[1], *size, channels)


def _kernel_gradient_by_matmul(
    x: jax.Array, g: jax.Array, *, size, window, pads: Pads, stride: int
) -> jax.Array:
    """`_kernel_gradient` of all runs, first axis, as one batched matrix product."""
    runs, features = g.shape[0], g.shape[-1]
    patches = _patches(x, window, pads, stride)
    out = patches.transpose(0, 2, 1) @ g.reshape(runs, -1, features)
    return out.reshape(runs, *window, x.shape[-1], features)


def over_runs(
    f: Callable, by_matmul: Callable | None = None, by_pallas: Callable | None = None
) -> Callable:
    """`f` of one run with a batching rule of its own, see `lowering`.

    Args:
      f: of the arrays of one run.
      by_matmul, by_pallas: the same of the arrays of all runs, runs first; None: `f` is for loops.
    """
    chosen = _lowering.get()
    batched = custom_vmap(f)

    @batched.def_vmap
    def rule(axis_size, in_batched, *args):
        args = tuple(
            arg if is_batched else jnp.broadcast_to(arg, (axis_size, *arg.shape))
            for arg, is_batched in zip(args, in_batched, strict=True)
        )
        if chosen in ('loop', 'native'):
            return lax.map(lambda one: f(*one), args), True
        if chosen == 'matmul' and by_matmul:
            return by_matmul(*args), True
        if chosen == 'pallas' and by_pallas:
            return by_pallas(*args), True
        return jax.vmap(f)(*args), True

    return batched


def _forward_of_any(x: jax.Array, kernel: jax.Array, *, pads: Pads, steps: Pair) -> jax.Array:
    """See `canonical.Kernels`."""
    if steps[0] == steps[1]:
        return _forward(x, kernel, pads=pads, stride=steps[0])
    return _xla(x, kernel, steps, pads)


def _kernel_gradient_of_any(
    x: jax.Array, g: jax.Array, *, window: Pair, pads: Pads, steps: Pair
) -> jax.Array:
    """See `canonical.Kernels`. Steps: images in phases, each of them seen by a part of the window.

    Place k of the window sees pixel q · step + k: of phase k mod step, pixel q + ⌊k / step⌋.
    """
    if steps == (1, 1):
        size = (x.shape[1], x.shape[2])
        return _kernel_gradient(x, g, size=size, window=window, pads=pads, stride=1)
    edges = [(0, 0, 0), *((*pad, 0) for pad in pads), (0, 0, 0)]
    x = lax.pad(x, jnp.zeros((), x.dtype), edges)
    found = jnp.zeros((*window, x.shape[3], g.shape[3]), x.dtype)
    for i in range(min(steps[0], window[0])):
        for j in range(min(steps[1], window[1])):
            seen = x[:, i :: steps[0], j :: steps[1]]
            part = tuple(-(-(k - at) // s) for k, at, s in zip(window, (i, j), steps, strict=True))
            size = tuple(m + k - 1 for m, k in zip(g.shape[1:3], part, strict=True))
            seen = seen[:, : size[0], : size[1]]
            shape = {'size': size, 'window': part, 'pads': ((0, 0), (0, 0)), 'stride': 1}
            found = found.at[i :: steps[0], j :: steps[1]].set(_kernel_gradient(seen, g, **shape))
    return found


# XLA's, for any floating point numbers.
KERNELS = canonical.Kernels(_forward_of_any, _kernel_gradient_of_any)
