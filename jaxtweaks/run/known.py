"""What programs cost on this machine, as it was measured before: kept in the cache.

A dry run estimates by it, and compiles nothing.
"""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import jax
import jaxlib.version

from jaxtweaks.base import provenance, sealed
from jaxtweaks.config.build import to_dict
from jaxtweaks.config.settings import Setting
from jaxtweaks.data import cache
from jaxtweaks.run import version

_NUMBERS = ('bytes_per_run', 'seconds_per_image', 'compile_seconds')


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a program costs.

    Attributes:
      batching: how its runs were batched.
      bytes_per_run, seconds_per_image, compile_seconds: as of `memory.Probe`.
    """

    batching: str
    bytes_per_run: float
    seconds_per_image: float
    compile_seconds: float


def keep(static: Setting, cost: Cost) -> None:
    """Keeps what the program of a static part costs, in place of what was kept of it before."""
    with contextlib.suppress(OSError):  # a full or locked cache: it is not known next time
        sealed.write_json(_path(static), dataclasses.asdict(cost))


def recall(static: Setting) -> Cost | None:
    """What is kept of the program of a static part; None if that is nothing, or damaged."""
    try:
        found = sealed.parse_json(_path(static).read_bytes(), required=True)
        numbers = {name: float(found[name]) for name in _NUMBERS}
        return Cost(str(found['batching']), **numbers)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def mean(costs: Sequence[Cost]) -> Cost:
    """The mean of what several programs cost; the batching of the first."""
    of = lambda name: sum(getattr(cost, name) for cost in costs) / len(costs)
    return Cost(costs[0].batching, **{name: of(name) for name in _NUMBERS})


def _path(static: Setting) -> Path:
    return cache.folder() / 'known' / f'{_key(static)}.json'


def _key(static: Setting) -> str:
    """Of a program, whatever the length of training."""
    static = dataclasses.replace(static, train=dataclasses.replace(static.train, epochs=1))
    parts = {
        'static': to_dict(static),
        'device': provenance.device(),
        'versions': [jax.__version__, jaxlib.version.__version__],
        'code': version.training(),
    }
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
