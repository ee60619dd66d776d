"""Whether the experiments give the same last bits as another version of the code does.

    python -m benchmarks.bits --out=before.json                  at the one version
    python -m benchmarks.bits --out=after.json --against=before.json

Trains every config of configs/ at `smoke`, each in a folder of its own that is deleted after it,
and writes a digest of every array of its results. With --against it says which are others there,
and exits with 1 if any is. It needs no more of the package than `jt.run`, so that a copy of this
file serves older commits. Where defaults have changed on purpose since, `--set` puts them back:

    python -m benchmarks.bits --out=after.json --against=before.json --set data.split=random

How the runs of a group share a program is chosen by measuring, and decides last bits, so all are
trained in one way (`--batching`). With --quick_compile the compiler optimises nothing, in both
versions, which takes a third of the time.
"""

import argparse
import contextlib
import hashlib
import json
import sys
import tempfile
import traceback
from pathlib import Path

import jax
import numpy as np

from jaxtweaks import api
from jaxtweaks.run import executables

# Copies of what the installed package has: an older one may lack it.
QUICKEST = {
    'xla_backend_optimization_level': 0,
    'xla_cpu_use_fusion_emitters': False,
    'xla_cpu_parallel_codegen_split_count': 1,
    'xla_llvm_disable_expensive_passes': True,
}
CONFIGS = Path('configs')
NO_EXPERIMENT = ('all', 'classics', 'common', '__init__')


def digests(answer) -> dict[str, str]:
    """A digest of every array of an answer's results, by its name."""
    results = answer.results
    arrays = {
        **{f'final {name}': values for name, values in results.finals.items()},
        **{f'curve {name}': values for name, values in results.curves.items()},
        **{f'array {name}': values for name, values in results.arrays.items()},
        'confusion': results.confusion,
        'diverged_at': results.diverged_at,
    }
    return {name: _digest(values) for name, values in arrays.items()}


def _digest(values) -> str:
    array = np.ascontiguousarray(values)
    head = f'{array.shape} {array.dtype.str}'.encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()[:16]


def measured(name: str, changes: dict[str, str]) -> dict[str, str]:
    """The digests of a config at `smoke`; changes that it does not take are omitted."""
    config = f'{CONFIGS / name}.py:smoke'
    taken: dict[str, str] = {}
    for key, value in changes.items():
        with contextlib.suppress(api.UserError):
            api._experiment(config, taken | {key: value})
            taken[key] = value
    with tempfile.TemporaryDirectory() as folder:
        return digests(api.run(config, folder, changes=taken, quiet=True))


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The names of the arrays that are not the same, those that only one has included."""
    names = dict.fromkeys([*before, *after])
    return [name for name in names if before.get(name) != after.get(name)]


def main() -> int:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', help='configs; all by default')
    parser.add_argument('--out', required=True, type=Path, help='the file to write')
    parser.add_argument('--against', type=Path, help='the file of another version')
    parser.add_argument('--set', nargs='*', default=[], metavar='KEY=VALUE', help='of every config')
    parser.add_argument('--batching', default='map', help='how the runs of a group share a program')
    parser.add_argument('--quick_compile', action='store_true', help='without optimisation')
    flags = parser.parse_args()
    if flags.quick_compile:
        executables.FAST_CPU = QUICKEST
        jax.config.update('jax_disable_most_optimizations', True)
    changes = dict(one.split('=') for one in flags.set) | {'execution.batching': flags.batching}
    every = [path.stem for path in sorted(CONFIGS.glob('*.py'))]
    names = flags.names or [name for name in every if name not in NO_EXPERIMENT]
    before = json.loads(flags.against.read_text()) if flags.against else {}
    found, changed = {}, 0
    for name in names:
        try:
            found[name] = measured(name, changes)
        except Exception:
            traceback.print_exc()
            found[name] = {}
        flags.out.write_text(json.dumps(found, indent=1) + '\n')
        others = differences(before.get(name, {}), found[name]) if before else []
        changed += bool(others)
        shown = f'{len(others)} differ: {", ".join(others[:5])}' if others else 'the same'
        print(f'{name}: {len(found[name])} arrays{f", {shown}" if before else ""}', flush=True)
    print(f'{changed} of {len(names)} configs differ' if before else f'{len(names)} configs')
    return 1 if changed else 0


if __name__ == '__main__':
    sys.exit(main())
