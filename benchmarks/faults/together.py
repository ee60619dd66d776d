"""Two launches started together on one work folder: one works, the other is refused or waits.

    python -m benchmarks.faults.together [--times 20] [--out together.json]

Whatever the second one does, the folder must end bitwise as that of one launch.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import setup
from benchmarks.faults import launches


def main(argv: Sequence[str] | None = None) -> int:
    """Starts, waits, compares and prints; returns how many folders were not right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--times', type=int, default=20)
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ['JAXTWEAKS_CACHE_DIR'] = str(folder / 'cache')
        reference, wrong, codes = folder / 'reference', [], []
        if launches.finish(reference, folder / 'log'):
            raise SystemExit((folder / 'log').read_text())
        for time in range(flags.times):
            workdir, logs = folder / str(time), [folder / f'{time}-{i}.log' for i in range(2)]
            processes = [launches.start(workdir, log) for log in logs]
            codes.append(sorted(process.wait() for process in processes))
            said = ' '.join(log.read_text() for log in logs)
            found = launches.differing(workdir, reference)
            if codes[-1] not in ([0, 0], [0, 2]):
                found.append(f'exit codes {codes[-1]}')
            if codes[-1] == [0, 2] and 'another process is at work here' not in said:
                found.append('no reason was given')
            wrong += [(time, found)] * bool(found)
            print(f'{time + 1} times, exit codes {codes[-1]}: {found or "right"}', flush=True)
    setup.write(flags.out, codes=codes, wrong=wrong)
    return len(wrong)


if __name__ == '__main__':
    raise SystemExit(main())
