"""Workers, driver and scheduler killed or asked to leave at random moments, on a cluster of two.

    python -m benchmarks.faults.workers [--times 5] [--seed 0] [--out workers.json]

Each of `FAULTS` happens `--times` times, each time to a launch of its own, while it trains.
What is needed to go on is started again, a worker joins late, and the same command finishes. Rows,
curves, verdicts and the logits of the chosen parameters are compared with those of one process.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import setup
from benchmarks.faults import launches

# Who it happens to, which signal it is, and whether the launch itself goes on.
FAULTS = {
    'a worker is killed': ('worker', signal.SIGKILL, True),
    'a worker is asked to leave': ('worker', signal.SIGTERM, True),
    'the driver is killed': ('driver', signal.SIGKILL, False),
    'the driver is asked to stop': ('driver', signal.SIGTERM, False),
    'the scheduler is killed': ('scheduler', signal.SIGKILL, False),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Lets it happen, finishes, compares and prints; returns how many sweeps were not the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--times', type=int, default=5, help='of each fault')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    rng = random.Random(flags.seed)
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ['JAXTWEAKS_CACHE_DIR'] = str(folder / 'cache')
        log, reference = folder / 'log', folder / 'reference'
        if launches.finish(reference, log):
            raise SystemExit(log.read_text())
        for number in range(flags.times):
            for fault in FAULTS:
                workdir = folder / f'{number} {fault}'
                found = _happens(fault, workdir, log, rng)
                found = found or launches.differing(workdir, reference)
                wrong += [(fault, found)] * bool(found)
                print(f'{fault}: {found or "right"}', flush=True)
        if wrong:
            print(log.read_text()[-5000:])
    setup.write(flags.out, times=flags.times, faults=list(FAULTS), wrong=wrong)
    return len(wrong)


def _happens(fault: str, workdir: Path, log: Path, rng: random.Random) -> list[str]:
    """Has a fault happen to a launch, and finishes it; what was not right about that."""
    who, number, goes_on = FAULTS[fault]
    with _cluster(workdir.with_suffix('.json'), log) as start:
        scheduler, worker, _ = start('scheduler'), start('worker'), start('worker')
        given = f'--scheduler={workdir.with_suffix(".json")}'
        driver = launches.start(workdir, log, given)
        _wait_for(lambda: any((workdir / 'checkpoints').glob('*.ckpt')), driver)
        time.sleep(rng.uniform(0, 2))
        {'scheduler': scheduler, 'worker': worker, 'driver': driver}[who].send_signal(number)
        start('worker')  # it joins late, or has no scheduler
        code = driver.wait(300)
        if goes_on:
            return [] if code == 0 else [f'exit code {code}']
        if who == 'scheduler' and code == 1:
            scheduler.wait()
            workdir.with_suffix('.json').unlink()
            for one in ('scheduler', 'worker'):
                start(one)
        wanted = {'scheduler': (0, 1), 'driver': (0, -number, 128 + number)}[who]
        found = [] if code in wanted else [f'exit code {code}']  # 0: it was as fast as that
        again = launches.finish(workdir, log, given)
        return found if again == 0 else [*found, f'then exit code {again}']


@contextlib.contextmanager
def _cluster(file: Path, log: Path) -> Iterator[Callable[[str], subprocess.Popen]]:
    """Starts schedulers and workers, which are ended at the end. They find each other by a file."""
    started: list[subprocess.Popen] = []
    common = ['--scheduler-file', str(file), '--host', '127.0.0.1', '--no-dashboard']
    given = {'scheduler': [], 'worker': ['--nthreads', '1', '--memory-limit', '0', '--no-nanny']}

    def start(what: str) -> subprocess.Popen:
        command = [sys.executable, '-m', 'dask', what, *common, *given[what]]
        port = ['--port', '0'] if what == 'scheduler' else []
        with open(log, 'a') as out:
            started.append(subprocess.Popen([*command, *port], stdout=out, stderr=out))
        if what == 'scheduler':
            _wait_for(file.exists, started[-1])
        return started[-1]

    try:
        yield start
    finally:
        for one in started:
            one.kill()
            one.wait()


def _wait_for(happened: Callable[[], bool], process: subprocess.Popen) -> None:
    while not happened() and process.poll() is None:
        time.sleep(0.01)


if __name__ == '__main__':
    raise SystemExit(main())
