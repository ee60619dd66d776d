"""Flax's own layers where a plain network has them: what they do here that Flax's do not.

Networks of a user's are plain `flax.linen`. Inside `layers`, in which they are applied here,

* `nn.Dropout` is dropout as the package's own layers have it (`nn.dropout`): its rate may be
  traced, so that rates are swept in one program, and `dropout.form` counts. A Python 0 drops
  nothing and draws no mask; a traced 0 changes no bit. Masks are those that Flax draws.
* `nn.BatchNorm` over the last axis takes the variance as the mean squared difference from the mean,
  and sums in an order that is fast on a CPU (`nn.norm`). Flax's E[x²] − E[x]² loses the digits of
  features whose mean is large. Parameters, running averages and their momentum are Flax's; no
  gradient flows through the running averages.
* Layers without a dtype of their own compute in that of the program, where it is bfloat16: Flax
  promotes what a layer is given and what it keeps to the widest of all.
* Of these, an `nn.Dense` whose output is the network's returns float32: its operands are bfloat16,
  its sums and its bias are not (as of the last `nn.layers.Dense`).

All else, and all that does not fit (masks, other axes, other dtypes, subclasses), is Flax's.
"""

import collections
import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax import lax

from jaxtweaks.nn import conv, dropout, norm
from jaxtweaks.nn.bias import add_bias

# A call of a layer: the path of its module, and the number among the calls of it.
Call = tuple[tuple[str, ...], int]

_NHWC = lax.conv_dimension_numbers((1, 1, 1, 1), (1, 1, 1, 1), ('NHWC', 'HWIO', 'NHWC'))


@contextlib.contextmanager
def layers(
    draw_masks: bool = False,
    form: str = 'inverted',
    dtype: Any = jnp.float32,
    last: Call | None = None,
) -> Iterator[dict[Call, jax.Array]]:
    """Where a network is applied, see above.

    Args:
      draw_masks: `nn.Dropout` that is deterministic draws masks all the same, if it has a key for
        them (Monte-Carlo dropout).
      form: of dropout, see `dropout.dropout`.
      dtype: in which the program computes.
      last: the call of an `nn.Dense` that returns float32 all the same, see `last_dense`.

    Yields:
      What each call of an `nn.Dense` that was given the dtype has returned.
    """
    given: dict[int, nn.Module] = {}  # modules that have their dtype from here
    calls: collections.Counter[tuple[str, ...]] = collections.Counter()
    returned: dict[Call, jax.Array] = {}

    def intercept(next_method, args, kwargs, context):
        """Calls a layer as it is here; see `flax.linen.intercept_methods`."""
        module = context.module
        if context.method_name != '__call__':
            return next_method(*args, **kwargs)
        if type(module) is nn.Dropout:
            return _dropout(module, draw_masks, form, *args, **kwargs)
        linen = type(module).__module__.startswith('flax.linen')
        if dtype == jnp.bfloat16 and linen and getattr(module, 'dtype', dtype) is None:
            # Flax freezes modules; it reads this one where it computes.
            object.__setattr__(module, 'dtype', dtype)
            given[id(module)] = module
        if type(module) is nn.BatchNorm:
            return _batch_norm(next_method, module, args, kwargs)
        if type(module) is nn.Dense and id(module) in given and _is_usual(module):
            call = module.path, calls[module.path]
            calls[module.path] += 1
            wide = functools.partial(_wide_dense, module)
            returned[call] = (wide if call == last else next_method)(*args, **kwargs)
            return returned[call]
        return next_method(*args, **kwargs)

    with nn.intercept_methods(intercept):
        yield returned


def last_dense(apply: Callable[[], tuple[Any, dict[Call, jax.Array]]]) -> Call | None:
    """The call of an `nn.Dense` whose output is what a network returns; None if there is none.

    Found in a trace of its own, in which nothing is computed: only of what has been returned is it
    known that no layer follows.

    Args:
      apply: applies the network inside `layers`; returns the outputs and what `layers` yields.
    """
    found: list[Call | None] = []

    def traced() -> None:
        outputs, returned = apply()
        found.append(next((call for call, one in returned.items() if one is outputs), None))

    jax.eval_shape(traced)
    return found[0]


def _is_usual(module: nn.Dense) -> bool:
    """Whether a dense layer has no product and no promotion of its own."""
    own = module.dot_general, module.dot_general_cls
    return own == (None, None) and module.promote_dtype is promote_dtype


def _wide_dense(module: nn.Dense, inputs: jax.Array) -> jax.Array:
    """`nn.Dense.__call__` with operands of the module's dtype, and float32 from there on."""
    kernel = module.get_variable('params', 'kernel').astype(module.dtype)
    contracted = ((inputs.ndim - 1,), (0,)), ((), ())
    y = lax.dot_general(
        inputs.astype(module.dtype),
        kernel,
        contracted,
        precision=module.precision,
        preferred_element_type=jnp.float32,
    )
    return add_bias(y, module.get_variable('params', 'bias')) if module.use_bias else y


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
    module: nn.Dropout,
    draw_masks: bool,
    form: str,
    inputs: jax.Array,
    deterministic: bool | None = None,
    rng: jax.Array | None = None,
) -> jax.Array:
    """`nn.Dropout.__call__`."""
    deterministic = nn.merge_param('deterministic', module.deterministic, deterministic)
    rate: Any = module.rate
    inputs = dropout.entering(inputs, module.path, rate, form)
    if dropout.is_off(rate):
        return inputs
    if deterministic and not (draw_masks and module.has_rng(module.rng_collection)):
        return dropout.dropout_at_test(inputs, rate, form)
    key = module.make_rng(module.rng_collection) if rng is None else rng
    if not module.broadcast_dims:
        return dropout.dropout(key, inputs, rate, form)
    alike = [1 if axis in module.broadcast_dims else n for axis, n in enumerate(inputs.shape)]
    wide = jnp.promote_types(inputs.dtype, jnp.float32)  # so that its scale is not rounded
    mask = dropout.dropout(key, jnp.ones(alike, wide), rate, form)
    # Not a product where nothing is kept: 0 × ∞ is no 0.
    kept = (inputs.astype(wide) * mask).astype(inputs.dtype)
    return jnp.where(mask == 0, jnp.zeros_like(inputs), kept)


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
