"""Whether cost grows as the work does: in the number of runs, and in the amount of data.

    python -m benchmarks.scaling [--only runs] [--network cnn_quick] [--out scaling.json]

runs: seconds for one epoch of R runs, R = 1 … 64, at the group size a sweep would choose. data: the
same for 1, 2 and 4 times the images. Linear means that seconds a run, or an image, stay within 10%
of the smallest case that fills a group. memory: what the plan predicts against what the process
takes; it is measured in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import jax
import numpy as np
import psutil

from benchmarks import setup
from benchmarks.group_size import settings
from benchmarks.setup import Ours
from jaxtweaks.run.compiled import candidates
from jaxtweaks.run.layout import most_side_by_side

LINEAR = 0.10


def epochs_of(steps: Sequence[int], contenders: Sequence[Ours], repeats: int) -> list[float]:
    """Median seconds of so many steps of all runs of each; they take turns."""
    times = [[] for _ in contenders]
    for ours in contenders:
        ours.train(2)
    for _ in range(repeats):
        for count, ours, seconds in zip(steps, contenders, times, strict=True):
            started = time.perf_counter()
            ours.train(count)
            seconds.append(time.perf_counter() - started)
    return [float(np.median(seconds)) for seconds in times]


def by_runs(setting, sizes: Sequence[int], images: int, repeats: int) -> list[dict]:
    """Seconds a run for each number of runs, in groups as a sweep makes them, memory aside."""
    *_, data = setup.make_data(images)
    way = candidates(setting)[0]
    contenders = [Ours(setting, runs, data, [way], most_side_by_side) for runs in sizes]
    steps = [_steps(setting, images)] * len(sizes)
    return [
        {'runs': runs, 'groups': ours.groups, 'seconds': seconds, 'each': seconds / runs}
        for runs, ours, seconds in zip(
            sizes, contenders, epochs_of(steps, contenders, repeats), strict=True
        )
    ]


def by_data(setting, runs: int, images: int, repeats: int) -> list[dict]:
    """Seconds an epoch, and that for each image, with 1, 2 and 4 times the data."""
    factors = (1, 2, 4)
    way = candidates(setting)[0]
    contenders = [
        Ours(setting, runs, setup.make_data(images * factor)[-1], [way], most_side_by_side)
        for factor in factors
    ]
    steps = [_steps(setting, images * factor) for factor in factors]
    return [
        {'factor': factor, 'seconds': seconds, 'each': seconds / factor}
        for factor, seconds in zip(factors, epochs_of(steps, contenders, repeats), strict=True)
    ]


def _steps(setting, images: int) -> int:
    return -(-images // setting.train.batch_size)


def measure_memory(setting, runs: int, images: int) -> dict:
    """Bytes predicted by the plan, and by how much this process grew at its largest."""
    *_, data = setup.make_data(images)
    before = psutil.Process().memory_info().rss
    group = Ours(setting, runs, data, [candidates(setting)[0]])
    group.train(20)
    device = jax.local_devices()[0]
    stats = device.memory_stats() if device.platform != 'cpu' else None
    peak = stats['peak_bytes_in_use'] if stats else _peak_rss() - before
    return {'runs': runs, 'planned': group.cost.bytes_per_run * runs, 'measured': peak}


def _peak_rss() -> int:
    """The largest resident set of this process so far, in bytes."""
    with open('/proc/self/status') as file:
        line = next(line for line in file if line.startswith('VmHWM:'))
    return int(line.split()[1]) * 1024


def excess(rows: Sequence[dict], base: int = 0) -> float:
    """The largest share by which a case is dearer than the base case, per unit of work."""
    return max(row['each'] / rows[base]['each'] for row in rows[base:]) - 1


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', choices=('runs', 'data', 'memory'))
    parser.add_argument('--network', choices=list(settings()), default='cnn_quick')
    parser.add_argument('--runs', type=int, nargs='+', default=(1, 2, 4, 8, 16, 32, 64))
    parser.add_argument('--images', type=int, default=2_000)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--one', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    setting = settings()[flags.network]
    if flags.one:  # the process of one measurement of memory
        print(json.dumps(measure_memory(setting, flags.one, flags.images)))
        return
    found = {'network': flags.network}
    if flags.only in (None, 'runs'):
        rows = by_runs(setting, flags.runs, flags.images, flags.repeats)
        found['runs'] = {'rows': rows, 'excess': excess(rows)}
        _show('runs', rows, found['runs']['excess'])
    if flags.only in (None, 'data'):
        rows = by_data(setting, min(8, max(flags.runs)), flags.images, flags.repeats)
        found['data'] = {'rows': rows, 'excess': excess(rows)}
        _show('data', rows, found['data']['excess'])
    if flags.only in (None, 'memory'):
        found['memory'] = [_in_a_process(flags, runs) for runs in flags.runs]
        for row in found['memory']:
            planned, measured = (row[name] / 2**20 for name in ('planned', 'measured'))
            print(f'  {row["runs"]:3} runs: planned {planned:.0f} MiB, measured {measured:.0f} MiB')
    setup.write(flags.out, **found)


def _show(name: str, rows: Sequence[dict], worst: float) -> None:
    verdict = 'linear' if worst <= LINEAR else 'NOT linear'
    print(f'{name}: at most {worst:+.1%} a unit over the smallest case: {verdict} within 10%')
    for row in rows:
        print('  ' + ', '.join(f'{key} {value:.4g}' for key, value in row.items()))


def _in_a_process(flags: argparse.Namespace, runs: int) -> dict:
    command = [
        *(sys.executable, '-m', 'benchmarks.scaling', '--network', flags.network),
        *('--one', str(runs), '--images', str(flags.images)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == '__main__':
    main()
