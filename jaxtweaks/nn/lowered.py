"""Convolutions and max-pools of anyone's network at full speed in a loop on a CPU.

XLA's CPU backend is tens of times slower at a convolution in a loop than outside (performance.md),
and all training here is in loops. Inside `convolutions` whatever is lowered for a CPU has other
forms in their place: those of `nn.canonical`, made of custom kernels (`nn.conv_native`) or of XLA's
convolutions that are fast (`nn.conv`); and max-pools, whose gradient is ten times slower than need
be, those of `nn.pool`, where windows do not overlap. These are rules for primitives, after
differentiation, so it does not matter which library a network is written in.

The rules are JAX's to change: what they replace, which is needed for all that is not taken over,
has no public name. If that is not found where it was (`why_not`), `nn.Conv` is taken over by itself
(`nn.plain`), and other convolutions, and pools, stay as slow as XLA's are.
"""

import contextlib
import contextvars
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.interpreters import mlir

from jaxtweaks.nn import canonical, conv, plain, pool

_PRIMITIVE = lax.conv_general_dilated_p
# What `canonical.convolution` reads of the primitive; there is a precision besides, which a CPU
# has only one of.
_READ = (
    'window_strides', 'padding', 'lhs_dilation', 'rhs_dilation', 'dimension_numbers',
    'feature_group_count', 'batch_group_count',
)  # fmt: skip


@dataclasses.dataclass
class Taken:
    """What became of the convolutions that were lowered inside `convolutions`.

    Attributes:
      native: whether they were taken over by custom kernels, where they can.
      count: how many were taken over.
      left: why others were left to XLA, each reason once.
    """

    native: bool
    count: int = 0
    left: set[str] = dataclasses.field(default_factory=set)


_taken: contextvars.ContextVar[Taken | None] = contextvars.ContextVar('taken', default=None)


@contextlib.contextmanager
def convolutions(native: bool) -> Iterator[Taken]:
    """Takes over convolutions and max-pools of programs that are lowered inside (on this thread).

    What was lowered before stays as it was: JAX does not see that a program would be lowered in
    another way now. So `jax.jit` again, trace and lower inside.

    Args:
      native: by custom kernels where they can, which `run.native.load` has made ready; otherwise
        by those of XLA's convolutions that are fast.
    """
    taken = Taken(native)
    with plain.convolutions() if why_not() else _set(taken):
        yield taken


def lower(jitted: Any, args: tuple, native: bool) -> tuple[jax.stages.Lowered, Taken]:
    """`jitted.lower(*args)` with its convolutions and pools taken over, and what became of them."""
    with convolutions(native) as taken:
        traced = jitted.trace(*args)
        made = traced.lower()
    if (reason := why_not()) and of_others(traced.jaxpr):
        taken.left.add(f'convolutions of others than nn.Conv ({reason})')
    return made, taken


@functools.cache
def why_not() -> str:
    """'' if what is lowered goes by the rules, which are then in place, else why it does not."""
    rules = {
        _PRIMITIVE: _rule,
        lax.reduce_window_max_p: _pool_rule,
        lax.select_and_scatter_add_p: _pool_gradient_rule,
    }
    try:
        defaults = [_default(primitive) for primitive in rules]
        for (primitive, rule), default in zip(rules.items(), defaults, strict=True):
            mlir.register_lowering(
                primitive, functools.partial(rule, default), platform='cpu', cacheable=False
            )
    except Exception as error:  # whatever has become of what has no public name
        return f'JAX keeps its own rule elsewhere: {type(error).__name__}: {error}'
    return ''


def of_others(jaxpr: Any) -> int:
    """How many convolutions a program has that are not those of `nn.conv`.

    Args:
      jaxpr: of the program, as `jax.make_jaxpr` returns it; what it calls is searched too.
    """
    jaxpr = getattr(jaxpr, 'jaxpr', jaxpr)
    found = 0
    for equation in jaxpr.eqns:
        if _is_ours(equation.source_info.name_stack):
            continue
        found += equation.primitive is _PRIMITIVE
        for value in equation.params.values():
            inner = value if isinstance(value, tuple | list) else (value,)
            found += sum(of_others(one) for one in inner if _is_jaxpr(one))
    return found


def _is_jaxpr(value: Any) -> bool:
    return hasattr(getattr(value, 'jaxpr', value), 'eqns')


def _is_ours(name_stack: Any) -> bool:
    return conv.OURS in str(name_stack)


@contextlib.contextmanager
def _set(taken: Taken | None) -> Iterator[None]:
    token = _taken.set(taken)
    try:
        yield
    finally:
        _taken.reset(token)


def _default(primitive: Any) -> Callable:
    """JAX's own rule for a primitive on a CPU."""
    from jax._src.interpreters import mlir as internal

    rules = internal._platform_specific_lowerings['cpu'], internal._lowerings
    found = next(each[primitive] for each in rules if primitive in each)
    return found.rule


def _rule(default: Callable, context: Any, lhs: Any, rhs: Any, **params: Any) -> Any:
    """Lowers a convolution: by `canonical.convolution`, or by JAX's own rule."""
    taken = _taken.get()
    if taken is None or _is_ours(context.name_stack):
        return default(context, lhs, rhs, **params)
    of_lhs, of_rhs, of_out = *context.avals_in, *context.avals_out
    if reason := _why_left(of_lhs, of_rhs, of_out, params):
        taken.left.add(reason)
        return default(context, lhs, rhs, **params)
    taken.count += 1
    native = conv.custom_kernels(of_lhs.dtype) if taken.native else None
    form = functools.partial(
        canonical.convolution,
        **{name: params[name] for name in _READ},
        out_shape=of_out.shape,
        kernels=native.kernels if native else conv.KERNELS,
    )
    with _set(None):  # those that it is made of stay as they are
        return mlir.lower_fun(form, multiple_results=False)(context, lhs, rhs)


def _pool_rule(default: Callable, context: Any, images: Any, **params: Any) -> Any:
    """Lowers a max-pool: by `pool.max_pool`, or by JAX's own rule."""
    (of_images,) = context.avals_in
    window = _window(of_images, params)
    if not window:
        return default(context, images, **params)
    return _lowered(lambda x: pool.max_pool(x, window), context, images)


def _pool_gradient_rule(
    default: Callable, context: Any, gradients: Any, images: Any, **params: Any
) -> Any:
    """Lowers the gradient of a max-pool for its images: by `pool.gradient`, or by JAX's rule."""
    _, of_images = context.avals_in
    window = _window(of_images, params) if params['select_prim'] is lax.ge_p else 0
    if not window:
        if taken := _taken.get():
            taken.left.add('max-pools with windows that overlap or are padded')
        return default(context, gradients, images, **params)
    by_pool = lambda g, x: pool.gradient(x, pool.max_pool(x, window), g, window)
    return _lowered(by_pool, context, gradients, images)


def _window(images: Any, params: dict[str, Any]) -> int:
    """The side of the windows of a pool that is taken over, 0 of one that is not."""
    sizes = params['window_dimensions']
    as_they_are = (
        _taken.get() is not None
        and images.ndim == 4
        and images.size > 0
        and jnp.issubdtype(images.dtype, jnp.floating)
        and sizes == (1, sizes[1], sizes[1], 1) == params['window_strides']
        and not any(low or high for low, high in params['padding'])
        and all(
            spread == 1
            for name in ('base_dilation', 'window_dilation')
            for spread in params.get(name, ())
        )
    )
    return sizes[1] if as_they_are and min(images.shape[1:3]) >= sizes[1] else 0


def _lowered(form: Callable, context: Any, *operands: Any) -> Any:
    """`form` in place of a primitive, with custom kernels where they are wanted."""
    taken = _taken.get()
    assert taken is not None, 'asked for'
    with conv.lowering('native' if taken.native else 'loop'):
        return mlir.lower_fun(form, multiple_results=False)(context, *operands)


def _why_left(lhs: Any, rhs: Any, out: Any, params: dict[str, Any]) -> str:
    """Why a convolution is left to XLA; '' if it is not."""
    if lhs.ndim not in (3, 4):
        return f'convolutions over {lhs.ndim - 2} axes'
    if not lhs.dtype == rhs.dtype == out.dtype:
        return f'convolutions of {lhs.dtype} and {rhs.dtype} to {out.dtype}'
    if not jnp.issubdtype(lhs.dtype, jnp.floating):
        return f'convolutions of {lhs.dtype}'
    if params['out_sharding'] is not None:
        return 'convolutions with a sharding of their own'
    if 0 in lhs.shape + rhs.shape + out.shape:
        return 'convolutions of nothing'
    return ''
