"""Builds the native convolutions of `nn.conv_native` with the user's C++ compiler, once.

What is built is kept in the user's cache folder, under the versions and the processor it is for and
what it was built from. It is tried out before it is kept.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import jax
import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.data import cache
from jaxtweaks.nn import conv_native
from jaxtweaks.run import compile_cache

_FLAGS = ('-std=c++17', '-O3', '-shared', '-fPIC')
# For the processor at hand; some compilers know only the second.
_TUNED = ('-march=native', '-mcpu=native')


def load() -> None:
    """Makes the native convolutions ready for use; builds them if need be (seconds).

    Raises:
      UserError: they cannot be had here.
    """
    if reason := why_not():
        raise UserError(
            f'native convolutions cannot be had here ({reason}); leave execution.batching at auto, '
            'or, for a work folder begun with them, go on where it was begun'
        )


@functools.cache
def why_not() -> str:
    """'' if the native convolutions are ready for use, else why they cannot be had.

    JAXTWEAKS_NATIVE=0 says that they are not wanted.
    """
    if os.environ.get('JAXTWEAKS_NATIVE') == '0':
        return 'JAXTWEAKS_NATIVE is 0'
    if jax.default_backend() != 'cpu':
        return f'they are for CPUs, not for {jax.default_backend()}'
    compiler = _compiler()
    if compiler is None:
        return 'no C++ compiler was found: c++, g++ or clang++, or what CXX names'
    folder = cache.folder() / 'native' / compile_cache.name_of_machine()
    if reason := compile_cache.make_private(folder):
        return reason
    name = f'conv-{_digest(_made_from(compiler))}'
    try:
        if path := _kept(folder, name):
            conv_native.register(path)
            return ''
        with tempfile.TemporaryDirectory(dir=folder) as made_in:
            built = Path(made_in) / 'conv.so'
            if reason := _build(compiler, built):
                return reason
            conv_native.register(built)
            if not _is_right():
                return f'what {compiler} built computes wrong numbers'
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


def _compiler() -> str | None:
    names = (os.environ['CXX'],) if os.environ.get('CXX') else ('c++', 'g++', 'clang++')
    return next(filter(None, map(shutil.which, names)), None)


def _made_from(compiler: str) -> bytes:
    return b'\n'.join([conv_native.SOURCE.read_bytes(), repr((compiler, _FLAGS, _TUNED)).encode()])


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _build(compiler: str, path: Path) -> str:
    """Compiles; what the compiler had to say if it failed, or ''."""
    said = ''
    for tuned in _TUNED:
        command = [compiler, *_FLAGS, tuned, f'-I{jax.ffi.include_dir()}']
        command += [str(conv_native.SOURCE), '-o', str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return ''
        errors = [line for line in done.stderr.splitlines() if 'error' in line]
        said = said or (errors or done.stderr.splitlines() or ['no word of it'])[0]
    return f'{compiler} fails: {said}'


def _is_right() -> bool:
    """Whether both kernels compute what they should, on whole numbers, which have no rounding."""
    rng = np.random.default_rng(0)
    whole = lambda *shape: rng.integers(-3, 4, shape).astype(np.float32)
    x, kernel = whole(3, 5, 9, 2), whole(3, 3, 2, 35)
    pads = ((1, 1), (1, 1))
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    every = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))

    def right(steps: tuple[int, int]) -> bool:
        """Whether they are right for windows so far apart, down and across."""
        seen = every[:, :: steps[0], :: steps[1]]
        g = whole(*seen.shape[:3], 35)
        how = {'pads': pads, 'steps': steps}
        both = jax.jit(
            lambda x, kernel, g: (
                conv_native.forward(x, kernel, **how),
                conv_native.kernel_gradient(x, g, window=(3, 3), **how),
            )
        )
        forward, gradient = both(x, kernel, g)
        return np.array_equal(
            forward, np.einsum('bijckl,klco->bijo', seen, kernel)
        ) and np.array_equal(gradient, np.einsum('bijckl,bijo->klco', seen, g))

    return right((1, 1)) and right((2, 3))
