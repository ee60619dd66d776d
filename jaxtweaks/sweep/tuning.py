"""Which way of batching is fastest here: measured once, remembered in the cache."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping

import jax
import jaxlib

from jaxtweaks import atomic, provenance
from jaxtweaks.config.build import to_dict
from jaxtweaks.data import cache
from jaxtweaks.sweep.memory import Probe
from jaxtweaks.sweep.plan import Group


def fastest(groups: Mapping[str, Group], probe: Callable[[Group], Probe]) -> tuple[str, Probe]:
    """The fastest way of batching, and what it costs.

    Args:
      groups: by way of batching, the same runs.
      probe: measures a group.

    Returns:
      The way with the fewest seconds an image. What earlier measurements of the same program on
      the same machine found is believed; then only the fastest is measured again, for its memory.
    """
    if len(groups) == 1:
        return next((way, probe(group)) for way, group in groups.items())
    path = cache.folder() / 'tuning' / f'{_key(next(iter(groups.values())))}.json'
    known = _read(path)
    if known.keys() >= groups.keys():
        best = min(groups, key=lambda way: known[way])
        return best, probe(groups[best])
    measured = {way: probe(group) for way, group in groups.items()}
    best = min(measured, key=lambda way: measured[way].seconds_per_image)
    seconds = {way: cost.seconds_per_image for way, cost in measured.items()}
    with contextlib.suppress(OSError):  # not remembered, it is measured again
        atomic.write(path, json.dumps(seconds, indent=2).encode())
    return best, measured[best]


def _key(group: Group) -> str:
    parts = {
        'static': to_dict(group.static),
        'size': group.size,
        'off': sorted(group.off),
        'device': provenance.device(),
        'versions': [jax.__version__, jaxlib.__version__],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _read(path) -> dict[str, float]:
    try:
        found = json.loads(path.read_text())
        return {str(way): float(seconds) for way, seconds in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
