"""Which way of batching is fastest here: measured once, remembered in the cache."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jaxlib.version

from jaxtweaks import nn
from jaxtweaks.base import provenance, sealed
from jaxtweaks.config.build import to_dict
from jaxtweaks.data import cache
from jaxtweaks.run import memory
from jaxtweaks.run.memory import Probe
from jaxtweaks.run.plan import Group

# By how many times the training must take longer than to compile a program, that another way is
# tried: on average of all programs a way that is tried saves a twentieth of the training
# (docs/performance.md).
_WORTH_TRYING = 20


def fastest(
    groups: Mapping[str, Group],
    probe: Callable[[Group], Probe],
    work: float = math.inf,
) -> tuple[str, Probe]:
    """The fastest way of batching, and what it costs.

    Args:
      groups: by way of batching, the same runs.
      probe: measures a group.
      work: images that will be trained in the way that is chosen. Where all of them take little
        time, measured by that of compiling a program, none is expected to save what it costs to
        try it.

    Returns:
      The way with the fewest seconds an image. What earlier measurements of the same program on
      the same machine found is believed; then only the fastest is measured again, for its memory.
      A way that fails to compile or to run here is no candidate, and the result says why.

    Raises:
      Exception: of one of the ways, if all of them fail: one that lacks memory, or the last.
    """
    if len(groups) == 1:
        return next((way, probe(group)) for way, group in groups.items())
    path = cache.folder() / 'tuning' / f'{_key(next(iter(groups.values())))}.json'
    seconds, failed = _read(path)
    usable = seconds.keys() & groups.keys()
    if usable and seconds.keys() | failed.keys() >= groups.keys():
        best = min(usable, key=lambda way: seconds[way])
        return best, dataclasses.replace(probe(groups[best]), measured=seconds, failed=failed)
    measured: dict[str, Probe] = {}
    failed: dict[str, str] = {}
    last: Exception | None = None
    lasting = True
    for way, group in groups.items():
        try:
            cost = measured[way] = probe(group)
        except Exception as error:  # whatever a compiler or a driver may raise
            failed[way] = memory.first_line(error)
            # What failed for lack of memory may not fail next time: it is measured again then.
            lasting = lasting and not memory.is_exhausted(error)
            # A lack of memory is what smaller groups can mend.
            last = last if last is not None and memory.is_exhausted(last) else error
        else:
            best = min(one.seconds_per_image for one in measured.values())
            if best * work < _WORTH_TRYING * cost.compile_seconds:
                lasting = lasting and measured.keys() | failed.keys() == groups.keys()
                break
    if last is not None and not measured:
        raise last
    best = min(measured, key=lambda way: measured[way].seconds_per_image)
    seconds = {way: cost.seconds_per_image for way, cost in measured.items()}
    with contextlib.suppress(OSError):  # not remembered, it is measured again
        if lasting:
            sealed.write_json(path, {'seconds_per_image': seconds, 'failed': failed})
    return best, dataclasses.replace(measured[best], measured=seconds, failed=failed)


def _key(group: Group) -> str:
    parts = {
        'static': to_dict(group.static),
        'size': group.size,
        'off': sorted(group.off),
        'device': provenance.device(),
        'versions': [jax.__version__, jaxlib.version.__version__],
        'code': _code(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


@functools.cache
def _code() -> str:
    """What the layers are made of: a faster kernel makes old measurements void."""
    files = sorted(path for path in Path(nn.__file__).parent.iterdir() if path.is_file())
    return hashlib.sha256(b''.join(path.read_bytes() for path in files)).hexdigest()


def _read(path: Path) -> tuple[dict[str, float], dict[str, str]]:
    """Seconds an image by way of batching, and why others failed; nothing if it cannot be read."""
    try:
        found = sealed.parse_json(path.read_bytes(), required=True)
        seconds = {str(way): float(value) for way, value in found['seconds_per_image'].items()}
        failed = {str(way): str(reason) for way, reason in found['failed'].items()}
        return seconds, failed
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return {}, {}
