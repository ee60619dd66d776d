"""Convolutions of one network on a CPU by custom kernels: conv_native.cc, bf16_native.cc.

XLA's CPU backend reaches half of what the processor's matrix products reach in float32, most of all
in the gradients of kernels, and far less in bfloat16; these reach most of it (docs/performance.md).
A C++ compiler builds them on the user's machine (`run.native`); without one, `nn.conv` uses XLA's.

Float32, and bfloat16 on processors that multiply it (sums are float32); any steps. Sums are taken
in an order that depends on the shapes alone, so results are the same bits with any number of
threads.
"""

import ctypes
import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxtweaks.nn import native_call
from jaxtweaks.nn.canonical import Kernels, Pads, Pair

SOURCE = Path(__file__).with_suffix('.cc')
HEADER = SOURCE.with_name('native.h')


@dataclasses.dataclass(frozen=True)
class Convolutions:
    """The kernels for numbers of one type.

    Attributes:
      prefix: of their names.
      dtype: of images, kernels and results.
    """

    prefix: str
    dtype: Any

    def register(self, loaded: ctypes.CDLL) -> None:
        """Makes those of a library known to XLA."""
        for name in ('conv_forward', 'conv_kernel_gradient'):
            native_call.register(loaded, f'{self.prefix}{name}')
        _registered[self.dtype] = self

    @property
    def kernels(self) -> Kernels:
        """The form in which `nn.canonical` uses them."""
        return Kernels(self.forward, self.kernel_gradient)

    def forward(
        self,
        x: jax.Array,
        kernel: jax.Array,
        bias: jax.Array | None = None,
        *,
        pads: Pads,
        steps: Pair = (1, 1),
    ) -> jax.Array:
        """Cross-correlates images with a kernel; with a bias ReLU of that and the bias.

        Args:
          x: [batch, height, width, in].
          kernel: [kernel height, kernel width, in, out].
          bias: [out].
          pads: zeros (above, below) and (left, right) of an image; negative ones cut it.
          steps: down and across.

        Returns:
          [batch, height', width', out].
        """
        if _is_signal(x, (kernel.shape[0], kernel.shape[1])):
            swapped = {'pads': pads[::-1], 'steps': steps[::-1]}
            return self.forward(_lie(x), kernel.swapaxes(0, 1), bias, **swapped).swapaxes(1, 2)
        x, pads = _cut(x, pads)
        rows, columns = (
            (n + low + high - k) // step + 1
            for n, k, (low, high), step in zip(
                x.shape[1:3], kernel.shape[:2], pads, steps, strict=True
            )
        )
        shape = x.shape[0], rows, columns, kernel.shape[3]
        args = (x, kernel) if bias is None else (x, kernel, bias)
        return self._call('conv_forward', shape, args, pads, steps)

    def kernel_gradient(
        self, x: jax.Array, g: jax.Array, *, window: Pair, pads: Pads, steps: Pair = (1, 1)
    ) -> jax.Array:
        """The gradient for the kernel of `forward`.

        Args:
          x: [batch, height, width, in].
          g: [batch, height', width', out], the gradient for the result of `forward`.
          window: kernel height and width.
          pads, steps: as of `forward`.

        Returns:
          [kernel height, kernel width, in, out].
        """
        if _is_signal(x, window):
            swapped = {'window': window[::-1], 'pads': pads[::-1], 'steps': steps[::-1]}
            return self.kernel_gradient(_lie(x), _lie(g), **swapped).swapaxes(0, 1)
        x, pads = _cut(x, pads)
        shape = *window, x.shape[3], g.shape[3]
        return self._call('conv_kernel_gradient', shape, (x, g), pads, steps)

    def _call(
        self,
        name: str,
        shape: tuple[int, ...],
        args: tuple[jax.Array, ...],
        pads: Pads,
        steps: Pair,
    ) -> jax.Array:
        result = jax.ShapeDtypeStruct(shape, self.dtype)
        call = jax.ffi.ffi_call(f'jaxtweaks_{self.prefix}{name}', result)
        places = {'top': pads[0][0], 'left': pads[1][0], 'down': steps[0], 'across': steps[1]}
        return call(*args, **{key: np.int64(value) for key, value in places.items()})


FLOAT32 = Convolutions('', jnp.dtype(jnp.float32))
BFLOAT16 = Convolutions('bf16_', jnp.dtype(jnp.bfloat16))


_registered: dict[Any, Convolutions] = {}


def of(dtype: Any) -> Convolutions | None:
    """The kernels for numbers of a type, if those of a library have been registered."""
    return _registered.get(jnp.dtype(dtype))


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
