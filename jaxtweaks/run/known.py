"""What programs cost on this machine, as it was measured before: kept in the cache.

A dry run estimates by it, and compiles nothing.
"""

import contextlib
import dataclasses
import hashlib
import json
from pathlib import Path

import jax
import jaxlib.version

from jaxtweaks.base import provenance, sealed
from jaxtweaks.config.build import to_dict
from jaxtweaks.config.settings import Setting
from jaxtweaks.data import cache
from jaxtweaks.run import version

_NUMBERS = ('bytes_per_run', 'seconds_per_image', 'compile_seconds')
_EVALUATION = 'seconds_per_evaluation'  # which may be None


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a program costs.

    Attributes:
      batching: how its runs were batched.
      bytes_per_run, seconds_per_image, compile_seconds, seconds_per_evaluation: as of
        `memory.Probe`.
    """

    batching: str
    bytes_per_run: float
    seconds_per_image: float
    compile_seconds: float
    seconds_per_evaluation: float | None = None

    @property
    def numbers(self) -> tuple[float, float, float, float | None]:
        """Those of a `memory.Probe`, in its order."""
        return (
            self.bytes_per_run,
            self.seconds_per_image,
            self.compile_seconds,
            self.seconds_per_evaluation,
        )


def keep(static: Setting, cost: Cost) -> None:
    """Keeps what the program of a static part costs, in place of what was kept of it before."""
    with contextlib.suppress(OSError):  # a full or locked cache: it is not known next time
        sealed.write_json(_path(static), dataclasses.asdict(cost))


def recall(static: Setting) -> Cost | None:
    """What is kept of the program of a static part; None if that is nothing, or damaged."""
    try:
        found = sealed.parse_json(_path(static).read_bytes(), required=True)
        numbers = {name: float(found[name]) for name in _NUMBERS}
        evaluation = found.get(_EVALUATION)
        evaluation = None if evaluation is None else float(evaluation)
        return Cost(str(found['batching']), **numbers, seconds_per_evaluation=evaluation)
    except (OSError, ValueError, TypeError, KeyError):
        return None


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
