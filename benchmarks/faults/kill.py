"""kill -9 at random moments: the same command goes on, and ends bitwise as if nothing had happened.

    python -m benchmarks.faults.kill [--sweeps 60] [--kills 5] [--seed 0] [--out kill.json]

Each of `--sweeps` work folders has its launch killed `--kills` times in a chain, while it starts,
trains, saves (after every step) or draws, and is then finished. Rows, curves, verdicts and the
logits of the chosen parameters are compared with those of a sweep that nobody interrupted.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import setup
from benchmarks.faults import launches

# Of the kills, how many wait for the first sign of training; the rest come at any time. Of those,
# how many wait for a file that is being written.
_IN_TRAINING, _IN_A_SAVE = 0.8, 0.5


def main(argv: Sequence[str] | None = None) -> int:
    """Kills, finishes, compares and prints; returns how many sweeps were not the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--sweeps', type=int, default=60)
    parser.add_argument('--kills', type=int, default=5, help='in a chain, of each sweep')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    rng = random.Random(flags.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ['JAXTWEAKS_CACHE_DIR'] = str(folder / 'cache')
        log = folder / 'log'
        for number in range(2):  # the second one finds the caches full, as those that are killed do
            reference = folder / f'reference{number}'
            seconds, training = _time(reference, log)
        kills, inside, wrong = 0, 0, []
        for sweep in range(flags.sweeps):
            workdir = folder / f'sweep{sweep}'
            for _ in range(flags.kills):
                process = launches.start(workdir, log)
                _wait(process, workdir, rng, seconds, training / flags.kills)
                if process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
                inside += _inside_a_save(workdir)
            code = launches.finish(workdir, log)
            found = launches.differing(workdir, reference) if code == 0 else [f'exit code {code}']
            wrong += [(sweep, found)] * bool(found)
            print(f'{sweep + 1} sweeps, {kills} kills, {inside} inside a save: {wrong}', flush=True)
        if wrong:
            print(log.read_text()[-5000:])
    setup.write(flags.out, sweeps=flags.sweeps, kills=kills, inside_a_save=inside, wrong=wrong)
    return len(wrong)


def _time(workdir: Path, log: Path) -> tuple[float, float]:
    """Seconds that a whole launch takes, and those from the first checkpoint to the end."""
    started = time.monotonic()
    process = launches.start(workdir, log)
    while process.poll() is None and not _progress(workdir):
        time.sleep(0.001)
    begun = time.monotonic()
    if process.wait():
        raise SystemExit(log.read_text())
    return time.monotonic() - started, time.monotonic() - begun


def _wait(
    process: subprocess.Popen, workdir: Path, rng: random.Random, seconds: float, training: float
) -> None:
    """Until a random moment of a launch, or its end.

    Args:
      process, workdir: the launch.
      rng: decides.
      seconds: a whole launch takes.
      training: of it, what may pass between two kills of those that come while it trains.
    """
    if rng.random() < _IN_TRAINING:
        before = _progress(workdir)
        while process.poll() is None and _progress(workdir) == before:
            time.sleep(0.001)
        _at_most(process, rng.uniform(0, training))
        give_up = time.monotonic() + training
        if rng.random() < _IN_A_SAVE:
            while time.monotonic() < give_up and not _inside_a_save(workdir):
                pass
    else:
        _at_most(process, rng.uniform(0, 1.2 * seconds))


def _at_most(process: subprocess.Popen, seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def _progress(workdir: Path) -> list[tuple[str, int]]:
    """What changes as soon as there is something to lose."""
    found = []
    for part in ('checkpoints', 'results'):
        if (workdir / part).is_dir():
            found += [(entry.name, entry.inode()) for entry in os.scandir(workdir / part)]
    return sorted(found)


def _inside_a_save(workdir: Path) -> bool:
    """Whether a killed process left a file half-written, or moved one and not yet replaced it."""
    names = {path.name for path in workdir.rglob('*')}
    moved = [name for name in names if name.endswith('.ckpt.previous')]
    lone = any(name.removesuffix('.previous') not in names for name in moved)
    return lone or any(name.endswith('.tmp') for name in names)


if __name__ == '__main__':
    raise SystemExit(main())
