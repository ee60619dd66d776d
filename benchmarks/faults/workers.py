"""Workers, driver and scheduler killed or asked to leave at random moments, on a cluster of two.

    python -m benchmarks.faults.workers [--times 5] [--seed 0] [--only kill] [--out workers.json]

Each of `FAULTS` happens `--times` times, each time to a launch of its own, while it trains.
What is needed to go on is started again, a worker joins late, and the same command finishes. Rows,
curves, verdicts and the logits of the chosen parameters are compared with those of one process; so
are those of launches with `--workers=2` and `--workers=4` to which nothing happens. Of workers that
do not see the work folder something else is mounted there, which needs Linux and `unshare`.
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
from typing import NamedTuple

from benchmarks import setup
from benchmarks.faults import launches

_HIDING = (
    *('unshare', '--user', '--map-root-user', '--mount', 'sh', '-c'),
    'mount -t tmpfs none "$0" && exec "$@"',
)
# Workers of launches to which nothing happens.
LOCAL = {f'{workers} workers of this host': workers for workers in (2, 4)}


class Fault(NamedTuple):
    """What happens to a launch.

    Attributes:
      who: it happens to.
      number: of the signal.
      goes_on: whether the launch itself does.
      saving: whether a worker has a file half written just then.
      apart: whether workers do not see the work folder.
    """

    who: str
    number: int
    goes_on: bool
    saving: bool = False
    apart: bool = False


_SHARED = {
    'a worker is killed': Fault('worker', signal.SIGKILL, True),
    'a worker is asked to leave': Fault('worker', signal.SIGTERM, True),
    'the driver is killed': Fault('driver', signal.SIGKILL, False),
    'the driver is asked to stop': Fault('driver', signal.SIGTERM, False),
    'the scheduler is killed': Fault('scheduler', signal.SIGKILL, False),
}
FAULTS = {
    **_SHARED,
    'a worker is killed in a save': Fault('worker', signal.SIGKILL, True, saving=True),
    **{f'{name}, no shared folder': one._replace(apart=True) for name, one in _SHARED.items()},
}


def main(argv: Sequence[str] | None = None) -> int:
    """Lets it happen, finishes, compares and prints; returns how many sweeps were not the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--times', type=int, default=5, help='of each fault')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--only', default='', help='those with this in their names')
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    rng = random.Random(flags.seed)
    faults = [name for name in FAULTS if flags.only in name]
    local = {name: workers for name, workers in LOCAL.items() if flags.only in name}
    wrong = []

    def note(name: str, found: list[str]) -> None:
        wrong.extend([(name, found)] * bool(found))
        print(f'{name}: {found or "right"}', flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ['JAXTWEAKS_CACHE_DIR'] = str(folder / 'cache')
        log, reference = folder / 'log', folder / 'reference'
        if launches.finish(reference, log):
            raise SystemExit(log.read_text())
        for number in range(flags.times):
            for fault in faults:
                workdir = folder / f'{number} {fault}'
                found = _happens(FAULTS[fault], workdir, log, rng)
                note(fault, found or launches.differing(workdir, reference))
        for name, workers in local.items():
            note(name, _local(workers, folder, log))
        if wrong:
            print(log.read_text()[-5000:])
    setup.write(flags.out, times=flags.times, faults=[*faults, *local], wrong=wrong)
    return len(wrong)


def _local(workers: int, folder: Path, log: Path) -> list[str]:
    """What is not right of a launch with workers of its own; there is a group for each of four."""
    seeds, reference, workdir = '--config.seeds=3', folder / 'more', folder / f'{workers} workers'
    if not reference.exists() and launches.finish(reference, log, seeds):
        raise SystemExit(log.read_text())
    if code := launches.finish(workdir, log, seeds, f'--workers={workers}'):
        return [f'exit code {code}']
    return launches.differing(workdir, reference)


def _happens(fault: Fault, workdir: Path, log: Path, rng: random.Random) -> list[str]:
    """Has a fault happen to a launch, and finishes it; what was not right about that."""
    who, number = fault.who, fault.number
    workdir.mkdir()
    hidden = workdir if fault.apart else None
    with _cluster(workdir.with_suffix('.json'), log, hidden) as start:
        scheduler, worker, other = start('scheduler'), start('worker'), start('worker')
        given = f'--scheduler={workdir.with_suffix(".json")}'
        driver = launches.start(workdir, log, given)
        _wait_for(lambda: any((workdir / 'checkpoints').glob('*.ckpt')), driver)
        time.sleep(rng.uniform(0, 2))
        if fault.saving:
            saving = lambda: next(filter(_is_saving, (worker, other)), None)
            _wait_for(lambda: saving() is not None, driver)
            worker = saving() or worker
        {'scheduler': scheduler, 'worker': worker, 'driver': driver}[who].send_signal(number)
        start('worker')  # it joins late, or has no scheduler
        code = driver.wait(300)
        if fault.goes_on:
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


def _is_saving(worker: subprocess.Popen) -> bool:
    """Whether a process has a file open that is written half."""
    try:
        handles = list(Path(f'/proc/{worker.pid}/fd').iterdir())
        return any(os.readlink(one).endswith('.tmp') for one in handles)
    except FileNotFoundError:  # closed meanwhile
        return False


@contextlib.contextmanager
def _cluster(
    file: Path, log: Path, hidden: Path | None
) -> Iterator[Callable[[str], subprocess.Popen]]:
    """Starts schedulers and workers, which are ended at the end. They find each other by a file.

    `hidden`: the folder in the place of which workers see an empty one.
    """
    started: list[subprocess.Popen] = []
    common = ['--scheduler-file', str(file), '--host', '127.0.0.1', '--no-dashboard']
    given = {'scheduler': [], 'worker': ['--nthreads', '1', '--memory-limit', '0', '--no-nanny']}

    def start(what: str) -> subprocess.Popen:
        command = [sys.executable, '-m', 'dask', what, *common, *given[what]]
        if what == 'worker' and hidden is not None:
            command = [*_HIDING, str(hidden), *command]
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
