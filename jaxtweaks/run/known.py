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
from jaxtweaks.run.memory import Probe

_NUMBERS = ('bytes_per_run', 'seconds_per_image', 'compile_seconds')
_EVALUATION = 'seconds_per_evaluation'  # which may be None


def keep(static: Setting, batching: str, cost: Probe) -> None:
    """Keeps what the program of a static part costs, in place of what was kept of it before."""
    values = {name: getattr(cost, name) for name in (*_NUMBERS, _EVALUATION)}
    with contextlib.suppress(OSError):  # a full or locked cache: it is not known next time
        sealed.write_json(_path(static), {'batching': batching, **values})


def recall(static: Setting) -> tuple[str, Probe] | None:
    """How the runs of a static part's program were batched, and what it costs.

    None if nothing is kept of it, or what is kept is damaged.
    """
    try:
        found = sealed.parse_json(_path(static).read_bytes(), required=True)
        evaluation = found.get(_EVALUATION)
        evaluation = None if evaluation is None else float(evaluation)
        size, image, compiling = (float(found[name]) for name in _NUMBERS)
        return str(found['batching']), Probe(size, image, compiling, evaluation)
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
