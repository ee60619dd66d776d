"""What of the environment can change a number and cannot be set in a running process.

XLA reads its flags once, when the process begins to compute. So they are recorded with the results,
and a work folder whose results were made with others is not added to.
"""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

# Flags of XLA that say where files are, what is printed, or how many devices a CPU is taken for:
# no number depends on them. Of any other it may.
_HARMLESS = (
    'xla_dump',
    'xla_force_host_platform_device_count',
    'xla_gpu_cuda_data_dir',
    'xla_gpu_dump',
    'xla_gpu_force_compilation_parallelism',
    'xla_hlo_profile',
)
# Variables of the libraries that XLA calls.
_VARIABLES = (
    'CUBLAS_WORKSPACE_CONFIG',
    'DNNL_DEFAULT_FPMATH_MODE',
    'LIBTPU_INIT_ARGS',
    'NVIDIA_TF32_OVERRIDE',
    'ONEDNN_DEFAULT_FPMATH_MODE',
)


def current(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What is set that can change a number, by name; a flag of XLA as 'XLA_FLAGS --flag'."""
    found = {name: environment[name] for name in _VARIABLES if environment.get(name)}
    flags = _flags(environment.get('XLA_FLAGS', ''))
    found |= {f'XLA_FLAGS --{name}': flags[name] for name in sorted(flags)}
    return found


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """In what two results of `current` differ, a phrase each."""
    word = lambda value: 'not set' if value is None else repr(value)
    return [
        f'{name}: {word(then.get(name))} then, {word(now.get(name))} now'
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]


def in_words(found: Mapping[str, str]) -> str:
    """What `current` returned, as it is typed."""
    return ', '.join(f'{name}={value}' for name, value in found.items())


def _flags(text: str) -> dict[str, str]:
    """The flags that can change a number, by name; the last of several counts."""
    text = text.strip()
    if text and not text.startswith('-'):  # the name of a file that has them
        try:
            text = Path(text).read_text()
        except (OSError, ValueError):
            return {}  # XLA complains of it
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    flags = {}
    for word in words:
        name, has_value, value = word.lstrip('-').partition('=')
        if not name.startswith(_HARMLESS):
            flags[name] = value if has_value else 'true'
    return flags
