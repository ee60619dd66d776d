"""How long a launch takes to leave after SIGTERM or Ctrl-C, with its state saved.

    python -m benchmarks.faults.leave [--config configs/dropout_rate.py:quick] [--stops 20]

One experiment is launched again and again in one work folder and asked to stop at a random moment
after it has begun to train, by SIGTERM and SIGINT in turn. It must leave with the exit code of the
signal and say how to go on.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import setup

_ROOT = Path(__file__).parents[2]
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main(argv: Sequence[str] | None = None) -> int:
    """Stops, measures and prints; returns how often something was not right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default='configs/dropout_rate.py:quick')
    parser.add_argument('--stops', type=int, default=20)
    parser.add_argument('--within', type=float, default=20.0, help='seconds of training, at most')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    rng = random.Random(flags.seed)
    took, wrong = [], []
    with tempfile.TemporaryDirectory() as name:
        workdir, log = Path(name) / 'w', Path(name) / 'log'
        command = [sys.executable, 'main.py', f'--config={flags.config}', f'--workdir={workdir}']
        for number in range(flags.stops):
            came = _SIGNALS[number % len(_SIGNALS)]
            with open(log, 'w') as file:
                process = subprocess.Popen(command, cwd=_ROOT, stdout=file, stderr=file)
            manifest = workdir / 'manifest.json'
            before = manifest.stat().st_mtime_ns if manifest.exists() else 0
            while process.poll() is None and not _written_since(manifest, before):
                time.sleep(0.05)
            try:  # the manifest is written when the first group is about to be compiled
                process.wait(rng.uniform(0, flags.within))
            except subprocess.TimeoutExpired:
                process.send_signal(came)
                started = time.monotonic()
                code = process.wait()
                took.append(time.monotonic() - started)
                if code != 128 + came or 'To go on: ' not in log.read_text():
                    wrong.append((number, code, log.read_text()[-2000:]))
                print(f'{came.name}: left after {took[-1]:.1f} s, exit code {code}', flush=True)
                continue
            print(f'ended by itself with exit code {process.returncode}')
            break
    slowest = max(took, default=float('nan'))
    print(f'{len(took)} stops, the slowest took {slowest:.1f} s; wrong: {wrong}')
    setup.write(flags.out, config=flags.config, seconds=took, wrong=wrong)
    return len(wrong)


def _written_since(path: Path, before: int) -> bool:
    return path.exists() and path.stat().st_mtime_ns > before


if __name__ == '__main__':
    raise SystemExit(main())
