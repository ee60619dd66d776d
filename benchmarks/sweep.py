"""A whole experiment against a PyTorch script: wall clock from nothing to the answer.

    pip install -e '.[bench]'        # with a PyTorch of your choice installed before
    python -m benchmarks.sweep [--seeds 3] [--epochs 6] [--rounds 3] [--out sweep.json]

Both do configs/dropout_rate.py: its settings, network, data, batches, evaluations after each epoch
and final test. Ours is `main.py` as a user calls it, with an empty cache: it decodes the data,
compiles, measures, trains, tests the claims, draws and reports. PyTorch's is
`benchmarks/sweep_pytorch.py`; it finds the images decoded and only trains and evaluates. They take
turns; an existing --out file is continued.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import setup
from configs import dropout_rate
from jaxtweaks import data as data_lib
from jaxtweaks.lab.experiment import Experiment, build

_ROOT = Path(__file__).parents[1]


def experiment_of(size: str, seeds: int, epochs: int) -> Experiment:
    """What both sides do."""
    config = dropout_rate.get_config(size)
    config.seeds, config.train.epochs = seeds, epochs
    return build(config)


def save_data(experiment: Experiment, path: Path) -> None:
    """The splits as they are before standardisation, for PyTorch."""
    dataset = data_lib.load(experiment.base.data)
    arrays = {}
    for name in ('training', 'validation', 'test'):
        split = getattr(dataset, name)
        images = np.asarray(split.images)
        # The network of the peer has three channels.
        arrays[f'{name}_images'] = np.broadcast_to(images, (*images.shape[:3], 3))
        arrays[f'{name}_labels'] = np.asarray(split.labels)
    np.savez(path, **arrays)


def ours(experiment: Experiment, folder: Path) -> list[str]:
    """The command of a user, in an empty folder."""
    return [
        str(_ROOT / 'main.py'),
        f'--config={_ROOT / "configs" / "dropout_rate.py"}:{experiment.size}',
        f'--config.seeds={experiment.seeds}',
        f'--config.train.epochs={experiment.base.train.epochs}',
        f'--workdir={folder / "work"}',
        '--quiet',
    ]


def peer(experiment: Experiment, data: Path, folder: Path) -> list[str]:
    """The command of the PyTorch script."""
    rates = [str(point['dropout.hidden']) for point in experiment.points]
    model, train = experiment.base.model, experiment.base.train
    return [
        *('-m', 'benchmarks.sweep_pytorch', '--data', str(data), '--rates', *rates),
        *('--seeds', str(experiment.seeds), '--epochs', str(train.epochs)),
        *('--batch', str(train.batch_size), '--hidden', str(model.hidden[0])),
        *('--channels', *map(str, model.channels), '--train_eval', str(train.train_eval_size)),
        *('--out', str(folder / 'found.json')),
    ]


def seconds(command: Sequence[str], folder: Path) -> float:
    """Wall clock of a Python process that finds all caches empty."""
    environment = os.environ | {
        'JAXTWEAKS_CACHE_DIR': str(folder / 'cache'),
        'PYTHONPATH': str(_ROOT),
        'MPLBACKEND': 'Agg',
    }
    environment.pop('JAX_COMPILATION_CACHE_DIR', None)
    started = time.monotonic()
    subprocess.run([sys.executable, *command], env=environment, check=True, cwd=_ROOT)
    return time.monotonic() - started


def main(argv: Sequence[str] | None = None) -> None:
    """Takes turns, prints the ratio, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', choices=('smoke', 'quick', 'paper'), default='quick')
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--epochs', type=int, default=6)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--out', help='a JSON file; if it exists its rounds are kept')
    flags = parser.parse_args(argv)
    experiment = experiment_of(flags.size, flags.seeds, flags.epochs)
    work = {'size': flags.size, 'seeds': flags.seeds, 'epochs': flags.epochs}
    rounds = _earlier(flags.out, work)
    for _ in range(flags.rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            save_data(experiment, folder / 'data.npz')
            row = {
                'jaxtweaks': seconds(ours(experiment, folder), folder),
                'pytorch': seconds(peer(experiment, folder / 'data.npz', folder), folder),
            }
        rounds.append(row)
        print(row, flush=True)
    medians = {name: statistics.median(row[name] for row in rounds) for name in rounds[0]}
    ratio = medians['pytorch'] / medians['jaxtweaks']
    print(f'{len(rounds)} rounds, medians {medians}: PyTorch takes {ratio:.2f} times as long')
    setup.write(flags.out, work=work, rounds=rounds, medians=medians, ratio=ratio)


def _earlier(path: str | None, work: dict) -> list[dict[str, float]]:
    if path is None or not Path(path).exists():
        return []
    found = json.loads(Path(path).read_text())
    if found['work'] != work:
        raise SystemExit(f'{path} is of other work ({found["work"]}); give another --out')
    return found['rounds']


if __name__ == '__main__':
    main()
