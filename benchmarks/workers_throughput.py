"""Two workers and two devices next to one process: images a second, and the cost of a launch.

    python -m benchmarks.workers_throughput [--only mlp] [--epochs 4 300] [--out workers.json]

Each case is two launches of `main.py` that differ in the number of epochs. What they differ by in
time is training alone: start, compilation and report are in both. Group size and batching are set,
to what a sweep of one process chooses, so all cases train the same groups. `2 devices` is one
process with two CPU devices, which is what the sharding of `run/compiled.py` is for.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import setup
from jaxtweaks.lab.experiment import default_config

RUNS = 4
_ROOT = Path(__file__).parents[1]
_DEVICES = '--xla_force_host_platform_device_count=2'
# Flags, and what is in the environment.
CASES = {
    'one process': ([], {}),
    '2 workers': (['--workers=2'], {}),
    '2 devices': ([], {'XLA_FLAGS': _DEVICES}),
}
NETWORKS = ('mlp', 'cnn')


def get_config(network=None):
    """Four runs in two groups; `network`, one of `NETWORKS`, is in the place of the size."""
    config = default_config(f'throughput_{network}')
    config.size, config.seeds = 'smoke', RUNS
    config.question = 'How fast is it?'
    config.data.name = 'digits'
    config.data.train_size, config.data.validation_size, config.data.test_size = 1_000, 100, 100
    config.model.name = network or NETWORKS[0]
    if config.model.name == 'mlp':
        config.model.hidden, config.execution.batching = (256, 256), 'map'
    else:
        config.model.channels, config.model.hidden = (16,), (128,)  # of 8 × 8 pixels
        config.execution.batching = 'threads_native'
    config.optim.name, config.optim.learning_rate = 'sgd', 0.01
    config.train.batch_size = 50
    config.execution.group_size = RUNS // 2
    return config


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints a row for each case, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', choices=NETWORKS)
    parser.add_argument('--cases', nargs='+', choices=list(CASES), default=list(CASES))
    parser.add_argument('--epochs', type=int, nargs=2, default=(4, 300), help='few and many')
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    rows = []
    for network in (flags.only,) if flags.only else NETWORKS:
        for case in flags.cases:
            few, many = (_seconds(network, case, epochs) for epochs in flags.epochs)
            if many <= few:
                raise SystemExit(f'{network} {case}: so few epochs are less than what chance does')
            images = RUNS * get_config(network).data.train_size
            epochs = flags.epochs[1] - flags.epochs[0]
            row = {
                'network': network,
                'case': case,
                'images_per_second': epochs * images / (many - few),
                'besides_seconds': few - flags.epochs[0] * (many - few) / epochs,
            }
            rows.append(row)
            print('{network} {case}: {images_per_second:.0f} images/s, '
                  '{besides_seconds:.1f} s besides'.format(**row), flush=True)  # fmt: skip
    setup.write(flags.out, epochs=list(flags.epochs), rows=rows)


def _seconds(network: str, case: str, epochs: int) -> float:
    """What a launch takes, from its start to its report."""
    given, variables = CASES[case]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, 'main.py', f'--config={__file__}:{network}', '--quiet'),
            *(f'--workdir={folder}/w', f'--config.train.epochs={epochs}', *given),
        ]
        started = time.monotonic()
        environment = os.environ | variables | {'JAXTWEAKS_CACHE_DIR': f'{folder}/cache'}
        done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True)
        took = time.monotonic() - started
    if done.returncode:
        raise SystemExit(f'{" ".join(command)}: {done.stderr or done.stdout}')
    return took


if __name__ == '__main__':
    main()
