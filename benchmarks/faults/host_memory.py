"""The memory of the process over a long sweep: it must not grow with the groups.

    python -m benchmarks.faults.host_memory [--seeds 60] [--programs 3] [--out memory.json]

The tiny question with more seeds and, for other programs, other batch sizes. The resident memory is
noted after each group; programs are carried out one after the other, so that it may grow while the
first of a program is compiled, and has to stay where it is from then on.
"""

import argparse
import contextlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks import setup
from benchmarks.faults import launches
from jaxtweaks import app
from jaxtweaks.run import runner


def main(argv: Sequence[str] | None = None) -> None:
    """Sweeps, prints the memory by group, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', type=int, default=60)
    parser.add_argument('--programs', type=int, default=3)
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    process, resident = psutil.Process(), []
    run_group = runner.run_group

    def noted(group, *others, **named):
        run_group(group, *others, **named)
        resident.append((group.static.train.batch_size, process.memory_info().rss / 2**20))

    runner.run_group = noted
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
        for size in range(20, 20 + flags.programs):
            # A work folder each, one process: what one experiment leaves must not pile up either.
            more = [f'--config.train.batch_size={size}', f'--config.seeds={flags.seeds}']
            more += ['--config.train.epochs=4', '--config.figures=()', '--quiet']
            more += ['--config.execution.checkpoint_seconds=60']
            code = app.main(launches.arguments(Path(name) / str(size), *more))
            if code:
                raise SystemExit(f'exit code {code}')
    for size in dict.fromkeys(size for size, _ in resident):
        found = [mebibytes for of, mebibytes in resident if of == size]
        print(
            f'batch size {size}: {len(found)} groups, MiB after the first {found[0]:.0f}, '
            f'after a third {found[len(found) // 3]:.0f}, after the last {found[-1]:.0f}'
        )
    setup.write(flags.out, resident_mebibytes=resident)


if __name__ == '__main__':
    main()
