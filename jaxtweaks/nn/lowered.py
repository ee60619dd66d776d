"""Convolutions of anyone's network at full speed in a loop on a CPU.

XLA's CPU backend is tens of times slower at a convolution in a loop than outside (performance.md),
and all training here is in loops. Inside `convolutions` whatever is lowered for a CPU has other
forms in their place: those of `nn.canonical`, made of custom kernels (`nn.conv_native`) or of XLA's
convolutions that are fast (`nn.conv`). This is a rule for one primitive, after differentiation, so
it does not matter which library a network is written in.

The rule is JAX's to change: what it replaces, which is needed for all that is not taken over, has
no public name. If it is not found where it was (`why_not`), `nn.Conv` is taken over by itself
(`nn.plain`), and other convolutions stay as slow as XLA's are.
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

from jaxtweaks.nn import canonical, conv, plain

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
    """Takes over the convolutions of programs that are lowered inside (on this thread).

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
    """`jitted.lower(*args)` with its convolutions taken over, and what became of them."""
    with convolutions(native) as taken:
        traced = jitted.trace(*args)
        made = traced.lower()
    if (reason := why_not()) and of_others(traced.jaxpr):
        taken.left.add(f'convolutions of others than nn.Conv ({reason})')
    return made, taken


@functools.cache
def why_not() -> str:
    """'' if convolutions are lowered by the rule, which is then in place, else why they are not."""
    try:
        default = _default()
        mlir.register_lowering(
            _PRIMITIVE, functools.partial(_rule, default), platform='cpu', cacheable=False
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


def _default() -> Callable:
    """JAX's own rule for a convolution on a CPU."""
    from jax._src.interpreters import mlir as internal

    rules = internal._platform_specific_lowerings['cpu'], internal._lowerings
    found = next(each[_PRIMITIVE] for each in rules if _PRIMITIVE in each)
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
