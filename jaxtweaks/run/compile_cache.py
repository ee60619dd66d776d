"""JAX's cache of compiled programs on disk, kept where it cannot do harm.

An executable made for one processor may not run on another that shares the home folder, and one
that another user could write must not be loaded. So the cache is a folder of the user's own, with
the versions and the processor in its name.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jaxlib.version

from jaxtweaks.data import cache


def enable(notify: Callable[[str], None]) -> Path | None:
    """Switches the cache on, unless JAX's own settings say what to do.

    JAXTWEAKS_COMPILE_CACHE=0 leaves it off. So does a user without a home folder.

    Args:
      notify: reports if the folder cannot be used.

    Returns:
      The folder, or None if the cache was left alone.
    """
    if not cache.lasts():
        notify(
            'no home folder is known (HOME does not name one), so decoded data and compiled '
            'programs are not kept; JAXTWEAKS_CACHE_DIR can name a folder for them'
        )
        return None
    config: Any = jax.config  # its options are no attributes to a type checker
    chosen_by_user = config.jax_compilation_cache_dir is not None
    unwanted = os.environ.get('JAXTWEAKS_COMPILE_CACHE') == '0'
    if chosen_by_user or unwanted or not config.jax_enable_compilation_cache:
        return None
    folder = cache.folder() / 'compiled' / name_of_machine()
    if reason := make_private(folder):
        notify(f'{reason}; compiled programs are not kept')
        return None
    jax.config.update('jax_compilation_cache_dir', str(folder))
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.3)
    return folder


def make_private(folder: Path) -> str:
    """Makes a folder for what will be executed; why it must not be used, or ''."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o022:
            return f'{folder} can be written by others'
    except OSError as error:
        return f'{folder}: {error.strerror}'
    return ''


def name_of_machine() -> str:
    """A name for what is compiled with these versions for this processor."""
    parts = [jax.__version__, jaxlib.version.__version__, jax.default_backend(), _processor()]
    digest = hashlib.sha256('\n'.join(parts).encode()).hexdigest()[:12]
    return f'jax{jax.__version__}-{jax.default_backend()}-{digest}'


def _processor() -> str:
    """What the processor can do: its model and its instruction sets."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return os.uname().machine
    wanted = ('model name', 'flags', 'Features', 'CPU part')
    return '\n'.join(sorted({line for line in lines if line.startswith(wanted)}))
