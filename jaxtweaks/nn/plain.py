"""Flax's own layers where a plain network has them: what they do here that Flax's do not.

Networks of a user's are plain `flax.linen`. Inside `layers`, in which they are applied here,

* `nn.Dropout` takes a rate that is traced, so that rates are swept in one program. A rate that is
  a Python 0 drops nothing and draws no mask; a traced 0 gives bitwise the same. A rate that is a
  Python number is left to Flax.
* `nn.BatchNorm` over the last axis takes the variance as the mean squared difference from the mean,
  and sums in an order that is fast on a CPU (`nn.norm`). Flax's E[x²] − E[x]² loses the digits of
  features whose mean is large. Parameters, running averages and their momentum are Flax's; no
  gradient flows through the running averages.

All else, and all that does not fit (masks, other axes, other dtypes, subclasses), is Flax's.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxtweaks.nn import conv, norm

_NHWC = lax.conv_dimension_numbers((1, 1, 1, 1), (1, 1, 1, 1), ('NHWC', 'HWIO', 'NHWC'))


@contextlib.contextmanager
def layers(draw_masks: bool = False) -> Iterator[None]:
    """Where a network is applied, see above.

    Args:
      draw_masks: `nn.Dropout` that is deterministic draws masks all the same, if it has a key for
        them (Monte-Carlo dropout).
    """

    def intercept(next_method, args, kwargs, context):
        module, method = context.module, context.method_name
        if method == '__call__' and type(module) is nn.Dropout:
            return _dropout(next_method, module, args, kwargs, draw_masks)
        if method == '__call__' and type(module) is nn.BatchNorm:
            return _batch_norm(next_method, module, args, kwargs)
        return next_method(*args, **kwargs)

    with nn.intercept_methods(intercept):
        yield


@contextlib.contextmanager
def convolutions() -> Iterator[None]:
    """`nn.Conv` by `nn.conv` inside; a substitute for `lowered.convolutions`."""

    def intercept(next_method, args, kwargs, context):
        module = context.module
        usual = getattr(module, 'conv_general_dilated', None) is None
        usual = usual and getattr(module, 'conv_general_dilated_cls', None) is None
        if context.method_name == '__call__' and type(module) is nn.Conv and usual:
            # Flax freezes modules; it reads this one where it convolves.
            object.__setattr__(module, 'conv_general_dilated', _conv_general_dilated)
        return next_method(*args, **kwargs)

    with nn.intercept_methods(intercept):
        yield


def _conv_general_dilated(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Any,
    padding: Any,
    lhs_dilation: Any = None,
    rhs_dilation: Any = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    **options: Any,
) -> jax.Array:
    """`lax.conv_general_dilated`, by `nn.conv` what it can do."""
    dense = all(one in (None, (1, 1)) for one in (lhs_dilation, rhs_dilation))
    fits = (
        lhs.ndim == 4
        and dimension_numbers == _NHWC
        and dense
        and len(set(window_strides)) == 1
        and feature_group_count == 1
        and lhs.dtype == rhs.dtype
        and options.get('preferred_element_type') in (None, lhs.dtype)
    )
    if not fits:
        return lax.conv_general_dilated(
            lhs,
            rhs,
            window_strides,
            padding,
            lhs_dilation=lhs_dilation,
            rhs_dilation=rhs_dilation,
            dimension_numbers=dimension_numbers,
            feature_group_count=feature_group_count,
            **options,
        )
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(lhs.shape[1:3], rhs.shape[:2], window_strides, padding)
    pads: Any = tuple((int(low), int(high)) for low, high in padding)
    return conv.padded(lhs, rhs, pads, window_strides[0])


def _dropout(
    next_method: Callable, module: nn.Dropout, args: tuple, kwargs: dict, draw_masks: bool
) -> Any:
    """`nn.Dropout.__call__(inputs, deterministic, rng)`."""
    fixed = isinstance(module.rate, int | float)
    if fixed and not draw_masks:
        return next_method(*args, **kwargs)
    if fixed and module.rate == 0:
        return args[0] if args else kwargs['inputs']

    def found(inputs, deterministic=None, rng=None):
        deterministic = nn.merge_param('deterministic', module.deterministic, deterministic)
        if deterministic and not (draw_masks and module.has_rng(module.rng_collection)):
            return inputs
        key = module.make_rng(module.rng_collection) if rng is None else rng
        return _dropped(key, inputs, module.rate, tuple(module.broadcast_dims))

    return found(*args, **kwargs)


def _dropped(
    key: jax.Array, x: jax.Array, rate: jax.Array | float, broadcast: tuple[int, ...]
) -> jax.Array:
    """As `nn.Dropout` drops, with a rate that may be traced; at 0 bitwise `x`, at 1 zeros."""
    keep = 1 - jnp.asarray(rate, jnp.promote_types(x.dtype, jnp.float32))
    shape = [1 if axis in broadcast else n for axis, n in enumerate(x.shape)]
    kept = jnp.broadcast_to(jax.random.bernoulli(key, keep, tuple(shape)), x.shape)
    # At rate 1 nothing is kept; x/0 would still make a NaN in the gradient.
    scaled = x / jnp.where(keep > 0, keep, 1).astype(x.dtype)
    return jnp.where(kept, scaled, jnp.zeros_like(x))


def _batch_norm(next_method: Callable, module: nn.BatchNorm, args: tuple, kwargs: dict) -> Any:
    """`nn.BatchNorm.__call__(x, use_running_average, *, mask)`."""

    def by_us(x, use_running_average=None, *, mask=None):
        averages = nn.merge_param(
            'use_running_average', module.use_running_average, use_running_average
        )
        return not averages and mask is None and _fits(module, x)

    if module.is_initializing() or not by_us(*args, **kwargs):
        return next_method(*args, **kwargs)
    x = args[0] if args else kwargs['x']
    constant = lambda value: jnp.full(x.shape[-1:], value, jnp.float32)
    scale = module.get_variable('params', 'scale') if module.use_scale else constant(1)
    shift = module.get_variable('params', 'bias') if module.use_bias else constant(0)
    found: Any = norm.batch_norm(x, scale, shift, module.epsilon)
    y, *moments = found
    for name, batch in zip(('mean', 'var'), moments, strict=True):
        running = module.get_variable('batch_stats', name)
        now = norm.update_running(running, batch, module.momentum)
        module.put_variable('batch_stats', name, now)
    return y


def _fits(module: nn.BatchNorm, x: jax.Array) -> bool:
    """Whether what is asked for is `norm.batch_norm`, in float32; and nothing that is an error."""
    return (
        x.ndim > 1
        and module.axis in (-1, x.ndim - 1)
        and module.axis_name is None
        and module.dtype in (None, jnp.float32)
        and module.param_dtype == x.dtype == jnp.float32
        and module.has_variable('batch_stats', 'mean')
        and module.is_mutable_collection('batch_stats')
    )
