"""How precisely products of matrices and convolutions are computed (`train.precision`).

Parameters, batch norm's moments, the loss, and the optimiser are float32 always; only the operands
of products and what lies between the layers change (Micikevicius et al. 2017, arXiv 1710.03740).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.settings import Setting

# JAX's own default lets a GPU round the operands of float32 products to TF32. The products that
# stay float32 under bf16 (the gradients of the logits) lose nothing by TF32: it holds a bfloat16.
_JAX_NAMES = {'float32': 'highest', 'tf32': 'tensorfloat32', 'bf16': 'tensorfloat32'}


def products(precision: str) -> AbstractContextManager:
    """Programs traced inside compute their float32 products with this precision.

    Args:
      precision: float32 — nothing is rounded; tf32 — operands are rounded to 10 bits of mantissa,
        sums are float32; bf16 — see `operands`.
    """
    return jax.default_matmul_precision(_JAX_NAMES[precision])


def operands(params: Any, precision: str) -> Any:
    """The parameters as the network is applied to them: the weights in bfloat16 if so chosen.

    A layer computes its product in the dtype of its weights, so activations follow. Vectors (biases
    and batch norm's scale and shift) stay as they are. Gradients come back as float32, through the
    conversion.
    """
    if precision != 'bf16':
        return params
    return jax.tree.map(
        lambda leaf: leaf.astype(jnp.bfloat16) if leaf.ndim > 1 else leaf,
        params,
    )


def unavailable(precision: str) -> str:
    """Why this machine's device cannot compute so; '' if it can."""
    if precision != 'tf32':
        return ''
    device = jax.local_devices()[0]
    # ROCm numbers its architectures differently ('gfx942').
    capability = str(getattr(device, 'compute_capability', ''))
    if device.platform == 'gpu' and capability.replace('.', '').isdigit():
        if float(capability) >= 8.0:
            return ''
        return f'{device.device_kind} has no TF32 (compute capability {capability}, not ≥ 8.0)'
    return f'TF32 is found in NVIDIA GPUs; this is {device.device_kind or device.platform}'


def check(settings: Sequence[Setting]) -> None:
    """Whether this machine's device has the precision asked for. Raises UserError."""
    for wanted in sorted({setting.train.precision for setting in settings}):
        if reason := unavailable(wanted):
            raise UserError(
                f"train.precision: '{wanted}' cannot be had here: {reason}; use 'float32' or 'bf16'"
            )
