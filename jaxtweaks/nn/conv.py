"""2-D convolution that stays fast when many networks are trained at once.

`jax.vmap` over the kernels of `lax.conv_general_dilated` makes a grouped convolution, several
times slower than the convolutions it replaces (JAX issues 13800, 15339 and 26568); and XLA's
CPU backend leaves the gradients of a convolution in a layout it has no fast kernel for when they
stand in a loop (JAX issue 12868). So the forward pass and both gradients are written here as
plain NHWC/HWIO convolutions (a custom VJP), and what `vmap` makes of each of them is our own
choice (a custom batching rule). Models are still written for one network.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

_LAYOUT = ('NHWC', 'HWIO', 'NHWC')
Pads = tuple[tuple[int, int], tuple[int, int]]


def conv(x: jax.Array, kernel: jax.Array, padding: str = 'SAME', stride: int = 1) -> jax.Array:
    """Cross-correlates images with a kernel, as `lax.conv_general_dilated` does.

    Args:
      x: [batch, height, width, in].
      kernel: [kernel height, kernel width, in, out].
      padding: 'SAME' or 'VALID'.
      stride: step in both directions.

    Returns:
      [batch, height', width', out].
    """
    window = kernel.shape[:2]
    pads = tuple(lax.padtype_to_pads(x.shape[1:3], window, (stride, stride), padding))
    return _conv(x, kernel, pads, stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _conv(x: jax.Array, kernel: jax.Array, pads: Pads, stride: int) -> jax.Array:
    return _over_runs(functools.partial(_forward, pads=pads, stride=stride))(x, kernel)


def _conv_fwd(x, kernel, pads, stride):
    return _conv(x, kernel, pads, stride), (x, kernel)


def _conv_bwd(pads, stride, residuals, g):
    x, kernel = residuals
    to_input = functools.partial(_input_gradient, size=x.shape[1:3], pads=pads, stride=stride)
    to_kernel = functools.partial(
        _kernel_gradient, window=kernel.shape[:2], pads=pads, stride=stride
    )
    return _over_runs(to_input)(kernel, g), _over_runs(to_kernel)(x, g)


_conv.defvjp(_conv_fwd, _conv_bwd)


def _forward(x: jax.Array, kernel: jax.Array, *, pads: Pads, stride: int) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=_LAYOUT)


def _input_gradient(
    kernel: jax.Array, g: jax.Array, *, size: tuple[int, int], pads: Pads, stride: int
) -> jax.Array:
    """The gradient g, spread out by the stride, convolved with the flipped kernel."""
    window = kernel.shape[:2]
    back = tuple(
        (k - 1 - low, n - 1 + low - (m - 1) * stride)
        for k, n, m, (low, _) in zip(window, size, g.shape[1:3], pads, strict=True)
    )
    flipped = jnp.flip(kernel, (0, 1)).transpose(0, 1, 3, 2)
    return lax.conv_general_dilated(
        g, flipped, (1, 1), back, lhs_dilation=(stride, stride), dimension_numbers=_LAYOUT
    )


def _kernel_gradient(
    x: jax.Array, g: jax.Array, *, window: tuple[int, int], pads: Pads, stride: int
) -> jax.Array:
    """Images convolved with gradients, channels as the batch and the batch as channels.

    The barriers keep XLA from folding the transpositions into the convolution, which would give
    it the layout that has no fast kernel.
    """
    size = x.shape[1:3]
    back = tuple(
        (low, (m - 1) * stride + k - n - low)
        for k, n, m, (low, _) in zip(window, size, g.shape[1:3], pads, strict=True)
    )
    images, gradients = lax.optimization_barrier((x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3)))
    out = lax.conv_general_dilated(
        images, gradients, (1, 1), back, rhs_dilation=(stride, stride), dimension_numbers=_LAYOUT
    )
    return lax.optimization_barrier(out).transpose(1, 2, 0, 3)


def _over_runs(f: Callable) -> Callable:
    """`f` with a batching rule of its own: `vmap` over it becomes a loop over the runs."""
    batched = custom_vmap(f)

    @batched.def_vmap
    def rule(axis_size, in_batched, *args):
        args = [
            arg if is_batched else jnp.broadcast_to(arg, (axis_size, *arg.shape))
            for arg, is_batched in zip(args, in_batched, strict=True)
        ]
        return lax.map(lambda one: f(*one), tuple(args)), True

    return batched
