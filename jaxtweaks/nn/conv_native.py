"""Convolutions of one network on a CPU by custom kernels, see conv_native.cc.

XLA's CPU backend reaches half of what the processor's matrix products reach, most of all in the
gradients of kernels; these reach about all of it (docs/performance.md). A C++ compiler builds them
on the user's machine (`sweep.native`); without one, `nn.conv` uses XLA's.

Step 1 and float32 only. Sums are taken in an order that depends on the shapes alone, so results
are the same bits with any number of threads.
"""

import ctypes
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

SOURCE = Path(__file__).with_suffix('.cc')
_FORWARD, _KERNEL_GRADIENT = 'conv_forward', 'conv_kernel_gradient'
Pads = tuple[tuple[int, int], tuple[int, int]]


def register(library: Path) -> None:
    """Makes the kernels of a compiled library known to XLA.

    Raises:
      OSError: it cannot be loaded.
    """
    loaded = ctypes.cdll.LoadLibrary(str(library))
    for name in (_FORWARD, _KERNEL_GRADIENT):
        handler = jax.ffi.pycapsule(getattr(loaded, name))
        jax.ffi.register_ffi_target(f'jaxtweaks_{name}', handler, platform='cpu')


def forward(x: jax.Array, kernel: jax.Array, *, pads: Pads) -> jax.Array:
    """Cross-correlates images with a kernel.

    Args:
      x: float32 [batch, height, width, in].
      kernel: float32 [kernel height, kernel width, in, out].
      pads: zeros (above, below) and (left, right) of an image.

    Returns:
      [batch, height', width', out].
    """
    if _is_signal(x, (kernel.shape[0], kernel.shape[1])):
        lying = forward(_lie(x), kernel.swapaxes(0, 1), pads=(pads[1], pads[0]))
        return lying.swapaxes(1, 2)
    rows, columns = (
        n + low + high - k + 1
        for n, k, (low, high) in zip(x.shape[1:3], kernel.shape[:2], pads, strict=True)
    )
    return _call(_FORWARD, (x.shape[0], rows, columns, kernel.shape[3]), x, kernel, pads)


def kernel_gradient(
    x: jax.Array, g: jax.Array, *, window: tuple[int, int], pads: Pads
) -> jax.Array:
    """The gradient for the kernel of `forward`.

    Args:
      x: float32 [batch, height, width, in].
      g: float32 [batch, height', width', out], the gradient for the result of `forward`.
      window: kernel height and width.
      pads: as of `forward`.

    Returns:
      [kernel height, kernel width, in, out].
    """
    if _is_signal(x, window):
        turned = {'window': (window[1], window[0]), 'pads': (pads[1], pads[0])}
        lying = kernel_gradient(_lie(x), _lie(g), **turned)
        return lying.swapaxes(0, 1)
    return _call(_KERNEL_GRADIENT, (*window, x.shape[3], g.shape[3]), x, g, pads)


def _is_signal(x: jax.Array, window: tuple[int, int]) -> bool:
    """Whether images are a pixel wide: tiles are of pixels side by side, so they are laid down."""
    return x.shape[2] == window[1] == 1 and x.shape[1] > 1


def _lie(x: jax.Array) -> jax.Array:
    return x.swapaxes(1, 2)  # of a side of length 1: nothing is moved


def _call(name: str, shape: tuple[int, ...], a: jax.Array, b: jax.Array, pads: Pads) -> jax.Array:
    call = jax.ffi.ffi_call(f'jaxtweaks_{name}', jax.ShapeDtypeStruct(shape, jnp.float32))
    (top, _), (left, _) = pads
    return call(a, b, top=np.int64(top), left=np.int64(left))
