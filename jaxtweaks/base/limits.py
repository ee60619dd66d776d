"""What of the machine this process may use, within Linux's control groups of either version.

A container, and a job of a scheduler, is a control group. A limit of any group above that of the
process counts too. Where a container shows its own group as the root, the path that the process has
for the host leads nowhere, and the root has the limit.
"""

import contextlib
import math
import os
from pathlib import Path, PurePosixPath

_GROUPS = Path('/sys/fs/cgroup')
_OWN = Path('/proc/self/cgroup')  # by controllers, the path of the process' group
# Of version 2 and of version 1: the limit, what is used, and the sizes in memory.stat of the files
# that are cached and given up when memory is wanted: these are no use of it.
_MEMORY = (
    ('memory.max', 'memory.current', ('inactive_file', 'active_file')),
    (
        'memory.limit_in_bytes',
        'memory.usage_in_bytes',
        ('total_inactive_file', 'total_active_file'),
    ),
)


def cores() -> int:
    """How many cores of the CPU this process may use, those begun included."""
    known = hasattr(os, 'sched_getaffinity')
    there = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
    quota = min(map(_quota, _folders('cpu')))
    return there if math.isinf(quota) else min(there, max(1, math.ceil(quota)))


def memory_free() -> float:
    """What is left of the memory that this process may use, in bytes; infinite without a limit."""
    return min(map(_left, _folders('memory')))


def _folders(controller: str) -> list[Path]:
    """The folders of the groups that may limit this process, in version 2 and in version 1."""
    own = {'': '/', controller: '/'}  # version 2 does not name controllers
    with contextlib.suppress(OSError, ValueError):
        for line in _OWN.read_text().splitlines():
            _, names, path = line.split(':', 2)
            own |= {name: path for name in names.split(',') if name in own}
    found = []
    for name, path in own.items():
        inside = PurePosixPath(path).relative_to('/')
        if '..' in inside.parts:  # a group that is not below what is shown here as the root
            inside = PurePosixPath()
        found += [_GROUPS / name / part for part in (inside, *inside.parents)]
    return found


def _quota(folder: Path) -> float:
    """The processor time that a group may use, in cores; infinite if it has no limit."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (folder / 'cpu.max').read_text().split()
        return int(quota) / int(period) if quota != 'max' else math.inf
    with contextlib.suppress(OSError, ValueError):
        quota, period = (
            int((folder / f'cpu.cfs_{name}_us').read_text()) for name in ('quota', 'period')
        )
        return quota / period if quota > 0 else math.inf
    return math.inf


def _left(folder: Path) -> float:
    """What is left of the memory that a group may use, in bytes; infinite if it has no limit."""
    for most, current, cached in _MEMORY:
        with contextlib.suppress(OSError, ValueError):
            limit = (folder / most).read_text().strip()
            if limit == 'max':
                return math.inf
            used = int((folder / current).read_text()) - _sum(folder / 'memory.stat', cached)
            return max(int(limit) - max(used, 0), 0)
    return math.inf


def _sum(path: Path, names: tuple[str, ...]) -> int:
    """Of the numbers with these names in a file of names and numbers; 0 if it cannot be read."""
    try:
        numbers = dict(line.split() for line in path.read_text().splitlines())
        return sum(int(numbers.get(name, 0)) for name in names)
    except (OSError, ValueError):
        return 0
