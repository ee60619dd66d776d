"""What a result depends on besides its config: versions, commit, device."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path

import jax

from jaxtweaks.base import limits

ROOT = Path(__file__).resolve().parents[2]  # of the checkout, if this is one
_PACKAGES = ('jaxtweaks', 'jax', 'jaxlib', 'flax', 'optax', 'numpy', 'scipy')


def versions() -> dict[str, str]:
    """Of Python and of the packages that enter a number."""
    found = {'python': platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = 'not installed'
    return found


def python() -> str:
    """The version of Python as far as it decides how code is compiled: '3.11'."""
    return '.'.join(platform.python_version_tuple()[:2])


def commit() -> str:
    """The commit of the code, '+' for uncommitted changes; 'unknown' outside a checkout."""
    if not (ROOT / '.git').exists():
        return 'unknown'
    try:
        head = _git(ROOT, 'rev-parse', 'HEAD').strip()
        return head + ('+' if _git(ROOT, 'status', '--porcelain').strip() else '')
    except (OSError, subprocess.SubprocessError):
        return 'unknown'


def device() -> str:
    """The device that trains, in words."""
    first, count = jax.local_devices()[0], jax.local_device_count()
    if first.platform != 'cpu':
        return f'{count} × {first.device_kind}'
    several = f' as {count} devices' if count > 1 else ''
    return f'CPU, {limits.cores()} cores{several}, {_processor()}'


def _processor() -> str:
    try:
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _git(folder: Path, *args: str) -> str:
    return subprocess.run(
        ['git', '-C', str(folder), *args], capture_output=True, text=True, check=True, timeout=10
    ).stdout
