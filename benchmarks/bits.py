"""Whether the experiments give the same last bits as another version of the code does.

    python -m benchmarks.bits --out=before.json                  at the one version
    python -m benchmarks.bits --out=after.json --against=before.json

Trains every config of configs/ at `smoke`, each in a folder of its own that is deleted after it,
and writes a digest of every array of its results. With --against it says which are others there,
and exits with 1 if any is. It needs no more of the package than `jt.run`, so that a copy of this
file serves older commits. Where defaults have changed on purpose since, `--set` puts them back:

    python -m benchmarks.bits --out=after.json --against=before.json --set data.split=random
"""

import argparse
import hashlib
import json
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np

from jaxtweaks import api

CONFIGS = Path('configs')
NO_EXPERIMENT = ('all', 'common', '__init__')


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
    """The digests of a config at `smoke`; a change that it does not take is omitted."""
    config = f'{CONFIGS / name}.py:smoke'
    with tempfile.TemporaryDirectory() as folder:
        try:
            answer = api.run(config, folder, changes=changes, quiet=True)
        except api.UserError:
            if not changes:
                raise
            answer = api.run(config, folder, quiet=True)
        return digests(answer)


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
    flags = parser.parse_args()
    every = [path.stem for path in sorted(CONFIGS.glob('*.py'))]
    names = flags.names or [name for name in every if name not in NO_EXPERIMENT]
    before = json.loads(flags.against.read_text()) if flags.against else {}
    found, changed = {}, 0
    for name in names:
        try:
            found[name] = measured(name, dict(one.split('=') for one in flags.set))
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
