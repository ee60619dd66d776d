"""Convolutions of one network on a CPU by custom kernels, see conv_native.cc.

XLA's CPU backend reaches half of what the processor's matrix products reach, most of all in the
gradients of kernels; these reach about all of it (docs/performance.md). A C++ compiler builds them
on the user's machine (`sweep.native`); without one, `nn.conv` uses XLA's.

Float32 only; any steps. Sums are taken in an order that depends on the shapes alone, so results are
the same bits with any number of threads.
"""

import ctypes
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxtweaks.nn.canonical import Kernels, Pads, Pair

SOURCE = Path(__file__).with_suffix('.cc')
_FORWARD, _KERNEL_GRADIENT = 'conv_forward', 'conv_kernel_gradient'


def register(library: Path) -> None:
    """Makes the kernels of a compiled library known to XLA.

    Raises:
      OSError: it cannot be loaded.
    """
    loaded = ctypes.cdll.LoadLibrary(str(library))
    for name in (_FORWARD, _KERNEL_GRADIENT):
        handler = jax.ffi.pycapsule(getattr(loaded, name))
        jax.ffi.register_ffi_target(f'jaxtweaks_{name}', handler, platform='cpu')


def forward(x: jax.Array, kernel: jax.Array, *, pads: Pads, steps: Pair = (1, 1)) -> jax.Array:
    """Cross-correlates images with a kernel.

    Args:
      x: float32 [batch, height, width, in].
      kernel: float32 [kernel height, kernel width, in, out].
      pads: zeros (above, below) and (left, right) of an image; negative ones cut it.
      steps: down and across.

    Returns:
      [batch, height', width', out].
    """
    if _is_signal(x, (kernel.shape[0], kernel.shape[1])):
        lying = forward(_lie(x), kernel.swapaxes(0, 1), pads=pads[::-1], steps=steps[::-1])
        return lying.swapaxes(1, 2)
    x, pads = _cut(x, pads)
    rows, columns = (
        (n + low + high - k) // step + 1
        for n, k, (low, high), step in zip(x.shape[1:3], kernel.shape[:2], pads, steps, strict=True)
    )
    return _call(_FORWARD, (x.shape[0], rows, columns, kernel.shape[3]), x, kernel, pads, steps)


def kernel_gradient(
    x: jax.Array, g: jax.Array, *, window: Pair, pads: Pads, steps: Pair = (1, 1)
) -> jax.Array:
    """The gradient for the kernel of `forward`.

    Args:
      x: float32 [batch, height, width, in].
      g: float32 [batch, height', width', out], the gradient for the result of `forward`.
      window: kernel height and width.
      pads, steps: as of `forward`.

    Returns:
      [kernel height, kernel width, in, out].
    """
    if _is_signal(x, window):
        turned = {'window': window[::-1], 'pads': pads[::-1], 'steps': steps[::-1]}
        lying = kernel_gradient(_lie(x), _lie(g), **turned)
        return lying.swapaxes(0, 1)
    x, pads = _cut(x, pads)
    return _call(_KERNEL_GRADIENT, (*window, x.shape[3], g.shape[3]), x, g, pads, steps)


KERNELS = Kernels(forward, kernel_gradient)


def _cut(x: jax.Array, pads: Pads) -> tuple[jax.Array, Pads]:
    """Images without what is above and left of all that is seen, and the pads that remain.

    What is below and to the right may stay: the kernels do not look there.
    """
    cuts = [(min(low, 0), 0, 0) for low, _ in pads]
    if any(low for low, _, _ in cuts):
        x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *cuts, (0, 0, 0)])
    rows, columns = ((max(low, 0), high) for low, high in pads)
    return x, (rows, columns)


def _is_signal(x: jax.Array, window: Pair) -> bool:
    """Whether images are a pixel wide: tiles are of pixels side by side, so they are laid down."""
    return x.shape[2] == window[1] == 1 and x.shape[1] > 1


def _lie(x: jax.Array) -> jax.Array:
    return x.swapaxes(1, 2)  # of a side of length 1: nothing is moved


def _call(
    name: str, shape: tuple[int, ...], a: jax.Array, b: jax.Array, pads: Pads, steps: Pair
) -> jax.Array:
    call = jax.ffi.ffi_call(f'jaxtweaks_{name}', jax.ShapeDtypeStruct(shape, jnp.float32))
    places = {'top': pads[0][0], 'left': pads[1][0], 'down': steps[0], 'across': steps[1]}
    return call(a, b, **{key: np.int64(value) for key, value in places.items()})
