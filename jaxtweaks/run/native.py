"""Builds the kernels of `nn.*_native` with the user's C++ compiler, once.

What is built is kept in the user's cache folder, under the versions and the processor it is for and
what it was built from. It is tried out before it is kept.
"""

import ctypes
import functools
import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks.base import atomic, limits
from jaxtweaks.base.errors import UserError
from jaxtweaks.data import cache
from jaxtweaks.nn import bf16_native, bias_native, conv_native, norm_native, pool_native
from jaxtweaks.run import compile_cache

_FLAGS = ('-std=c++17', '-O3', '-fPIC')
# For the processor at hand; some compilers know only the second.
_TUNED = ('-march=native', '-mcpu=native')


def load(precision: str) -> None:
    """Makes the native kernels for a precision ready for use; builds them if need be (seconds).

    Raises:
      UserError: they cannot be had here.
    """
    if reason := why_not(precision):
        raise UserError(
            f'native kernels for {precision} cannot be had here ({reason}); leave '
            'execution.batching at auto, or, for a work folder begun with them, go on where it was '
            'begun'
        )


@functools.cache
def why_not(precision: str, /) -> str:
    """'' if the native kernels for a precision are ready for use, else why they cannot be had.

    JAXTWEAKS_NATIVE=0 says that they are not wanted. The argument has one form, by which the answer
    is remembered: XLA takes a library once, and what another process built meanwhile is another.
    """
    if os.environ.get('JAXTWEAKS_NATIVE') == '0':
        return 'JAXTWEAKS_NATIVE is 0'
    if jax.default_backend() != 'cpu':
        return f'they are for CPUs, not for {jax.default_backend()}'
    # Some of what is found of networks in bfloat16 is computed in float32.
    if precision != 'float32' and (reason := why_not('float32')):
        return reason
    compiler = _compiler()
    if compiler is None:
        return 'no C++ compiler was found: c++, g++ or clang++, or what CXX names'
    folder = cache.folder() / 'native' / compile_cache.name_of_machine()
    if reason := compile_cache.make_private(folder):
        return reason
    library = _LIBRARIES[precision]
    name = f'{library.name}-{_digest(_made_from(compiler, library))}'
    try:
        if path := _kept(folder, name):
            library.register(ctypes.cdll.LoadLibrary(str(path)))
            return ''
        with atomic.scratch(folder / library.name) as made_in:
            built = made_in / f'{library.name}.so'
            if reason := _build(compiler, library.sources, built):
                return reason
            library.register(ctypes.cdll.LoadLibrary(str(built)))
            if not library.is_right():
                return f'what {shlex.join(compiler)} built computes wrong numbers'
            built.replace(folder / f'{name}-{_digest(built.read_bytes())}.so')
    except OSError as error:
        return str(error)
    return ''


def _kept(folder: Path, name: str) -> Path | None:
    """The library built before, if it is whole: to load a damaged one can kill the process."""
    for path in folder.glob(f'{name}-*.so'):
        if path.stem == f'{name}-{_digest(path.read_bytes())}':
            return path
        path.unlink(missing_ok=True)
    return None


def _compiler() -> tuple[str, ...] | None:
    """The command that compiles C++, as CXX has it ('ccache g++'); None if there is none."""
    given = shlex.split(os.environ.get('CXX', ''))
    for name, *options in [given] if given else [['c++'], ['g++'], ['clang++']]:
        if found := shutil.which(name):
            return found, *options
    return None


def _made_from(compiler: tuple[str, ...], library: '_Library') -> bytes:
    sources = [path.read_bytes() for path in (*library.sources, conv_native.HEADER)]
    return b'\n'.join([*sources, repr((compiler, _FLAGS, _TUNED)).encode()])


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _build(compiler: tuple[str, ...], sources: tuple[Path, ...], path: Path) -> str:
    """Compiles, the sources side by side; what the compiler had to say if it failed, or ''."""
    said = ''
    options = [*_FLAGS, f'-I{jax.ffi.include_dir()}']
    for tuned in _TUNED:
        objects = [path.with_name(f'{source.stem}.o') for source in sources]
        commands = [
            [*compiler, *options, tuned, '-c', str(source), '-o', str(made)]
            for source, made in zip(sources, objects, strict=True)
        ]
        with ThreadPoolExecutor(limits.cores()) as pool:
            failed = next(filter(None, pool.map(_said_by, commands)), '')
        link = [*compiler, *options, tuned, '-shared', *map(str, objects), '-o', str(path)]
        failed = failed or _said_by(link)
        if not failed:
            return ''
        said = said or failed
    return f'{shlex.join(compiler)} fails: {said}'


def _said_by(command: list[str]) -> str:
    """Runs a compiler; '' if it succeeds, else its first line about an error."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return ''
    errors = [line for line in done.stderr.splitlines() if 'error' in line]
    return (errors or done.stderr.splitlines() or ['no word of it'])[0]


def _convolves(found: conv_native.Convolutions) -> bool:
    """Whether the kernels compute what they should, on whole numbers, which have no rounding."""
    # Two registers of features, one, pairs of them in either kernel, and half a one.
    forms = [(2, 35), (3, 12), (7, 5), (2, 5)]
    apart = [(1, 1), (2, 3), (1, 1), (1, 1)]
    return all(_convolves_as(found, *form, steps) for form, steps in zip(forms, apart, strict=True))


def _convolves_as(
    found: conv_native.Convolutions, channels: int, features: int, steps: tuple[int, int]
) -> bool:
    """The same of so many channels and features, and windows so far apart, down and across."""
    rng = np.random.default_rng(0)
    whole = lambda *shape: rng.integers(-3, 4, shape).astype(np.float32)
    x, kernel, bias = whole(3, 5, 9, channels), whole(3, 3, channels, features), whole(features)
    pads = ((1, 1), (1, 1))
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    every = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    seen = every[:, :: steps[0], :: steps[1]]
    g = whole(*seen.shape[:3], features)
    how = {'pads': pads, 'steps': steps}
    all_of = jax.jit(
        lambda x, kernel, bias, g: (
            found.forward(x, kernel, **how),
            found.forward(x, kernel, bias, **how),
            found.kernel_gradient(x, g, window=(3, 3), **how),
        )
    )
    forward = np.einsum('bijckl,klco->bijo', seen, kernel)
    rounded = forward.astype(found.dtype).astype(np.float32)
    gradient = np.einsum('bijckl,bijo->klco', seen, g)
    return all(
        np.array_equal(a, b.astype(found.dtype))
        for a, b in zip(
            all_of(*(a.astype(found.dtype) for a in (x, kernel, bias, g))),
            (forward, np.maximum(rounded + bias, 0), gradient),
            strict=True,
        )
    )


def _multiplies() -> bool:
    """The same of dense products in bfloat16, of kernels in either layout."""
    rng = np.random.default_rng(0)
    x, kernel, g = (
        rng.integers(-3, 4, shape).astype(jnp.bfloat16) for shape in ((19, 37), (37, 45), (19, 45))
    )
    expected = tuple(
        (a.astype(np.float32) @ b.astype(np.float32)).astype(jnp.bfloat16)
        for a, b in ((x, kernel), (g, kernel.T), (x.T, g))
    )

    def found(lying: bool) -> tuple[Any, ...]:
        """The product and both gradients."""
        y, back = jax.vjp(lambda x, kernel: bf16_native.matmul(x, kernel, lying), x, kernel)
        return y, *back(g)

    return all(
        np.array_equal(a, b)
        for lying in (False, True)
        for a, b in zip(jax.jit(found, static_argnums=0)(lying), expected, strict=True)
    )


def _normalises() -> bool:
    """The same of the sums of batch norm, of either type and of more rows than one part has."""
    rng = np.random.default_rng(0)
    wide = rng.integers(-3, 4, (2**14 + 5, 3)).astype(np.float32)
    # With the opposite of every row the mean is 0 without rounding, and the sums are whole.
    x = np.concatenate([wide, -wide])
    g = rng.integers(-3, 4, x.shape).astype(np.float32)
    expected = np.zeros(3), np.square(x).mean(0), g.sum(0), (g * x).sum(0)

    def found(x: jax.Array, g: jax.Array) -> tuple[jax.Array, ...]:
        """The moments and the sums of gradients."""
        mean, variance = norm_native.moments(x)
        return mean, variance, *norm_native.gradient_sums(x, g, mean)

    return all(
        np.allclose(a, b, rtol=1e-6, atol=1e-6)
        for dtype in (jnp.float32, jnp.bfloat16)
        for a, b in zip(jax.jit(found)(x.astype(dtype), g.astype(dtype)), expected, strict=True)
    )


def _cuts_off() -> bool:
    """The same of the gradients of ReLU and a bias, of either type."""
    rng = np.random.default_rng(0)
    y, g = (rng.integers(-3, 4, (2**14 + 5, 3)).astype(np.float32) for _ in range(2))
    kept = np.where(y > 0, g, 0)
    return all(
        np.array_equal(a, b)
        for dtype in (jnp.float32, jnp.bfloat16)
        for a, b in zip(
            jax.jit(bias_native.relu_gradient)(y.astype(dtype), g.astype(dtype)),
            (kept, kept.sum(0)),
            strict=True,
        )
    )


def _pools() -> bool:
    """The same of max-pools and their gradients, of either type."""
    rng = np.random.default_rng(0)
    # No two of a window are the same, and bfloat16 has all of them.
    places = np.add.outer(2 * (np.arange(4) % 2), np.arange(5) % 2)[None, :, :, None]
    images = 4 * rng.integers(-60, 60, (2, 4, 5, 19)) + places
    windows = images[:, :, :4].reshape(2, 2, 2, 2, 2, 19)
    pooled = windows.max((2, 4))
    g = rng.integers(-9, 9, pooled.shape)
    hit = windows == pooled[:, :, None, :, None]
    given = np.where(hit, g[:, :, None, :, None], 0).reshape(2, 4, 4, 19)
    given = np.pad(given, ((0, 0), (0, 0), (0, 1), (0, 0)))

    def found(x: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The maxima and the gradient."""
        y = pool_native.max_pool(x, 2)
        return y, pool_native.gradient(x, y, g, 2)

    return all(
        np.array_equal(a, b)
        for dtype in (jnp.float32, jnp.bfloat16)
        for a, b in zip(
            jax.jit(found)(images.astype(dtype), g.astype(dtype)), (pooled, given), strict=True
        )
    )


def _register_float32(loaded: ctypes.CDLL) -> None:
    conv_native.FLOAT32.register(loaded)
    bias_native.register(loaded)
    norm_native.register(loaded)
    pool_native.register(loaded)


class _Library(NamedTuple):
    """What is built.

    Attributes:
      name: of its file.
      sources: in C++.
      register: makes what is in it known to XLA; raises OSError if it is of no use here.
      is_right: whether it computes what it should, once registered.
    """

    name: str
    sources: tuple[Path, ...]
    register: Callable[[ctypes.CDLL], None]
    is_right: Callable[[], bool]


# By precision.
_LIBRARIES = {
    'float32': _Library(
        'float32',
        (
            conv_native.SOURCE,
            bias_native.SOURCE,
            norm_native.SOURCE,
            pool_native.SOURCE,
        ),
        _register_float32,
        lambda: _convolves(conv_native.FLOAT32) and _normalises() and _pools() and _cuts_off(),
    ),
    'bf16': _Library(
        'bf16',
        (bf16_native.SOURCE,),
        bf16_native.register,
        lambda: _convolves(conv_native.BFLOAT16) and _multiplies(),
    ),
}
