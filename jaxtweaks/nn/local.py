"""A locally connected layer: a convolution whose kernel is another one at every place."""

import jax
import jax.numpy as jnp
from jax import lax


def local(x: jax.Array, kernel: jax.Array, padding: str = 'SAME') -> jax.Array:
    """Cross-correlates each window of the images with the kernel of its place, step 1.

    One matrix product for each place, batched over the places (and, under `vmap`, over the runs):
    the images lie next to each other within a product, so that the kernels, which are most of the
    memory, are read once.

    Args:
      x: [batch, height, width, in].
      kernel: [height', width', kernel height, kernel width, in, out].
      padding: 'SAME' or 'VALID'.

    Returns:
      [batch, height', width', out].
    """
    rows, columns, *window, channels, features = kernel.shape
    pads = lax.padtype_to_pads(x.shape[1:3], window, (1, 1), padding)
    x = jnp.pad(x.transpose(1, 2, 0, 3), (*pads, (0, 0), (0, 0)))
    seen = [x[i : i + rows, j : j + columns] for i in range(window[0]) for j in range(window[1])]
    patches = jnp.concatenate(seen, -1)  # [height', width', batch, window × in]
    weights = kernel.reshape(rows, columns, window[0] * window[1] * channels, features)
    return (patches @ weights).transpose(2, 0, 1, 3)


def places(size: tuple[int, int], window: tuple[int, int], padding: str) -> tuple[int, int]:
    """Height and width of the output of `local` for images of this height and width."""
    if padding == 'SAME':
        return size
    return size[0] - window[0] + 1, size[1] - window[1] + 1
